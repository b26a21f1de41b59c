/* SPDX-License-Identifier: MIT */
/* One partition that a Kafka input reads: the next message of it, and which of its messages the
 * outputs are not done with yet. What may be committed is everything before the oldest of these.
 * Owned by the input's thread. */
#pragma once

#include "lib/kafka.h"
#include "lib/ledger.h"
#include "lib/msg.h"

struct kafka_partition {
    int32_t number;
    rd_kafka_queue_t *queue; /* of this partition alone */
    struct stray *first_stray, *last_stray; /* came elsewhere; before all that is in queue */
    struct msg *next; /* read, and not yet put; NULL: none */
    int64_t next_offset;
    bool at_end; /* when last looked */
    int64_t dry_ns; /* since when there has been no next one; 0: there is one */
    struct held *oldest, *newest; /* put, and not known to be done */
    int64_t done; /* offset behind the last one that all are done with; -1: none yet */
    int64_t committed; /* as done, and told to the brokers */
};

/* Settings of reading that all partitions share. */
struct kafka_values {
    bool json; /* of values that do not begin as a record */
    struct books *books;
    struct recent *recent; /* ids of messages, of all partitions of a consumer */
};

/* To be called before the partition is assigned: makes its messages come to its own queue, which
 * signals event_fd. 0 or -ENOMEM. */
MUST_CHECK int kafka_partition_new(struct kafka_partition **pp, rd_kafka_t *rk, const char *topic,
                                   int32_t number, int event_fd);
/* NULL is fine. What is put may still be under way. */
void kafka_partition_free(struct kafka_partition *p);

/* Makes its messages come to its own queue (again): to be called before and after it is assigned.
 * librdkafka forwards a partition to the consumer's common queue when it begins to fetch it, which
 * may be while it still ends an earlier assignment of the same partition. */
void kafka_partition_redirect(struct kafka_partition *p);
/* Takes a message of this partition that came through the common queue all the same. */
void kafka_partition_give(struct kafka_partition *p, rd_kafka_message_t *m,
                          const struct kafka_values *values);

/* Looks for the next message if there is none. Bounded; does not wait. RD_KAFKA_RESP_ERR_NO_ERROR
 * (also when there is nothing), or the fault of the partition. */
rd_kafka_resp_err_t kafka_partition_read(struct kafka_partition *p,
                                         const struct kafka_values *values, int64_t now_ns);
/* Takes it: the caller's, with a receipt. */
struct msg *kafka_partition_take(struct kafka_partition *p);

/* Finds out what the outputs are done with; true when nothing is under way. */
bool kafka_partition_settle(struct kafka_partition *p);
