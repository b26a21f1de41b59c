/* SPDX-License-Identifier: MIT */
/* What both ends of Kafka share: the settings of librdkafka's client made from the options, the
 * first look at the topic, and the names of faults. Only with librdkafka (HAVE_KAFKA). */
#pragma once

#include <librdkafka/rdkafka.h>

#include "lib/base.h"
#include "lib/err.h"
#include "lib/options.h"

/* One end: what was asked for it. The strings are the caller's, and outlive it. */
struct kafka_end {
    const char *option; /* "output-kafka": its options begin with it */
    const char *hosts;
    const char *topic;
    const struct options *options;
};

/* Fills in end; hosts is its address. 0, or a usage error: no topic. */
MUST_CHECK int kafka_end_init(struct kafka_end *end, const char *option, const char *hosts,
                              const struct options *options, struct err *err);

/* A setting that an end brings. */
struct kafka_setting {
    const char *name, *value;
};

/* The settings of a client: hosts, SASL and TLS from the options, the end's own, and those of
 * --kafka-property, which go before. The caller's, until it is given to kafka_new(). Main thread.
 */
MUST_CHECK int kafka_conf_new(rd_kafka_conf_t **confp, const struct kafka_end *end,
                              const struct kafka_setting *settings, size_t n, struct err *err);

/* One more, which --kafka-property could not change. */
MUST_CHECK int kafka_conf_fix(rd_kafka_conf_t *conf, const struct kafka_end *end, const char *name,
                              const char *value, struct err *err);

/* Takes conf, also on failure. */
MUST_CHECK int kafka_new(rd_kafka_t **rkp, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                         const struct kafka_end *end, struct err *err);

/* Asks the cluster for the topic, so that what is wrong is said at the start: a login or TLS that
 * is refused and a topic that is not there are errors. Brokers that cannot be reached are only
 * warned of: librdkafka goes on trying. Main thread, before anybody else polls events: those of
 * errors must come to queue. */
MUST_CHECK int kafka_check(rd_kafka_t *rk, rd_kafka_queue_t *queue, const struct kafka_end *end,
                           struct err *err);

enum kafka_fault {
    KAFKA_FAULT_NONE = 0,
    KAFKA_FAULT_TOO_LARGE,
    KAFKA_FAULT_TOPIC, /* there is none */
    KAFKA_FAULT_REFUSED, /* login, TLS, or the right to */
    KAFKA_FAULT_TIMEOUT, /* not confirmed in time */
    KAFKA_FAULT_AWAY, /* no broker can be reached */
    KAFKA_FAULT_OTHER,
};
enum kafka_fault kafka_fault_of(rd_kafka_resp_err_t code);
