/* SPDX-License-Identifier: MIT */
/* Writes COUNT messages to a topic, as fast as librdkafka takes them, in the way of its own
 * rdkafka_performance: one loop, copies, reports counted. The values are pieces of LEN bytes from
 * FILE, again and again. "bare": values alone; "whole": with the key and the headers that refrain
 * gives them. Prints how many were confirmed.
 *
 * usage: produce BROKERS TOPIC COUNT FILE LEN bare|whole [NAME=VALUE...] */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUES_MAX (16 << 20)
#define CONNECTIONS 64
#define POLL_EVERY 256

static long confirmed;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "produce: %s: %s\n", what, why);
    _exit(1);
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    confirmed += m->err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_t *make_producer(const char *brokers, char **settings, int n)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)))
        fail(brokers, why);
    for (int i = 0; i < n; i++) {
        char *value = strchr(settings[i], '=');
        if (!value)
            fail(settings[i], "NAME=VALUE is wanted");
        *value++ = '\0';
        if (rd_kafka_conf_set(conf, settings[i], value, why, sizeof(why)))
            fail(settings[i], why);
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (!rk)
        fail("rd_kafka_new", why);
    return rk;
}

static rd_kafka_resp_err_t produce_whole(rd_kafka_t *rk, const char *topic, char *value, size_t len,
                                         long n)
{
    char key[17], id[25], ts[24];
    snprintf(key, sizeof(key), "%016lx", n % CONNECTIONS);
    snprintf(id, sizeof(id), "%016lx%08lx", n % CONNECTIONS, n);
    snprintf(ts, sizeof(ts), "%" PRId64, INT64_C(1700000000000000000) + n);
    return rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, 16), RD_KAFKA_V_VALUE(value, len),
        RD_KAFKA_V_HEADER("type", "1", 1), RD_KAFKA_V_HEADER("id", id, 24),
        RD_KAFKA_V_HEADER("timestamp", ts, -1), RD_KAFKA_V_HEADER("latency", "0", 1),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
}

static rd_kafka_resp_err_t produce_bare(rd_kafka_topic_t *topic, char *value, size_t len)
{
    return rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, len, NULL, 0,
                            NULL) == 0
               ? RD_KAFKA_RESP_ERR_NO_ERROR
               : rd_kafka_last_error();
}

int main(int argc, char **argv)
{
    static char values[VALUES_MAX];
    if (argc < 7)
        fail("usage", "produce BROKERS TOPIC COUNT FILE LEN bare|whole [NAME=VALUE...]");
    long count = strtol(argv[3], NULL, 10);
    FILE *file = fopen(argv[4], "rb");
    size_t len = strtoul(argv[5], NULL, 10);
    size_t n_values = file && len > 0 ? fread(values, 1, sizeof(values), file) / len : 0;
    if (n_values == 0)
        fail(argv[4], "no value");
    fclose(file);
    rd_kafka_t *rk = make_producer(argv[1], argv + 7, argc - 7);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[2], NULL);
    bool whole = strcmp(argv[6], "whole") == 0;
    for (long n = 0; n < count;) {
        char *value = values + (size_t)n % n_values * len;
        rd_kafka_resp_err_t code =
            whole ? produce_whole(rk, argv[2], value, len, n) : produce_bare(topic, value, len);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 10);
        else if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            fail(argv[2], rd_kafka_err2str(code));
        else if (++n % POLL_EVERY == 0)
            rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 60000);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    printf("%ld\n", confirmed);
    return 0;
}
