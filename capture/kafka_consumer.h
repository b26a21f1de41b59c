/* SPDX-License-Identifier: MIT */
/* The consumer of a Kafka input: which partitions it has, and what it commits.
 *
 * In a group, partitions come and go. Before one goes, what was put of it is waited for and
 * committed, so that its next owner begins behind it: nothing is played twice, and the requests of
 * a connection, which are all in one partition, stay in order. Only a consumer that dies or is shut
 * out leaves messages behind that were played and not committed. Owned by the input's thread. */
#pragma once

#include "capture/kafka_partition.h"
#include "capture/kafka_start.h"

struct kafka_consumer;

struct kafka_consumer_config {
    struct kafka_end end;
    struct kafka_start start;
    struct kafka_values values;
    bool in_group;
    const char *group; /* name; also used where it has no meaning, since librdkafka wants one */
};

/* config is copied, but not what it points to. Main thread. */
MUST_CHECK int kafka_consumer_new(struct kafka_consumer **cp,
                                  const struct kafka_consumer_config *config, struct err *err);
/* Commits once more. Main thread, when the outputs have ended. NULL is fine. */
void kafka_consumer_free(struct kafka_consumer *c);

/* Serves the group, and commits when it is time. All that was put must have been handed to the
 * outputs: it may wait for them when partitions are taken away. */
void kafka_consumer_serve(struct kafka_consumer *c);

/* Reads what has come, and leaves in each partition its next message. */
void kafka_consumer_read(struct kafka_consumer *c);

/* Those that it has; valid until it serves again. */
size_t kafka_consumer_partitions(struct kafka_consumer *c, struct kafka_partition ***out);
/* The part of the topic's partitions that it has: 0..1. */
double kafka_consumer_share(const struct kafka_consumer *c);

/* Waits until something comes, stop_fd is readable or wait_ns have passed. */
void kafka_consumer_wait(struct kafka_consumer *c, int64_t wait_ns, int stop_fd);
