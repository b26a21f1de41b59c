/* SPDX-License-Identifier: MIT */
/* Where a Kafka input begins to read: what --input-kafka-offset says. */
#pragma once

#include "lib/kafka.h"

struct kafka_start {
    enum {
        KAFKA_START_OFFSET, /* value: RD_KAFKA_OFFSET_END, RD_KAFKA_OFFSET_BEGINNING or a number */
        KAFKA_START_TIME, /* value: ms since the epoch */
        KAFKA_START_GROUP, /* where the group has come to, or at the beginning */
    } kind;
    int64_t value;
    double percent; /* of the speed of the recording; 0: as it comes */
};

MUST_CHECK int kafka_start_parse(struct kafka_start *start, const char *text, struct err *err);

/* What becomes of a partition whose place is not known or not there: a value for librdkafka's
 * auto.offset.reset. */
const char *kafka_start_reset(const struct kafka_start *start);

/* Fills in where to begin in each of parts. in_group: only where the group has not been yet. Asks
 * the brokers, and waits for them. 0 or the error's code. */
rd_kafka_resp_err_t kafka_start_find(const struct kafka_start *start, rd_kafka_t *rk,
                                     rd_kafka_topic_partition_list_t *parts, bool in_group);
