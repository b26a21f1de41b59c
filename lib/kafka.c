/* SPDX-License-Identifier: MIT */
#include "lib/kafka.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* How long the first look may take when nobody answers, and how long a topic may take to be made.
 * One question waits no longer than a slice, so that a refusal is noticed soon. */
#define CHECK_NS (5 * NS_PER_S)
#define TOPIC_NS (3 * NS_PER_S)
#define SLICE_MS 300
#define REASON_MAX 512

struct setter {
    rd_kafka_conf_t *conf;
    const struct kafka_end *end;
    struct err *err;
};

/* "output-kafka" + "-username". */
struct name {
    char text[64];
};

static struct name name_of(const struct kafka_end *end, const char *rest)
{
    struct name name;
    snprintf(name.text, sizeof(name.text), "%s%s", end->option, rest);
    return name;
}

static const char *string_of(const struct kafka_end *end, const char *rest)
{
    return options_string(end->options, name_of(end, rest).text);
}

int kafka_end_init(struct kafka_end *end, const char *option, const char *hosts,
                   const struct options *options, struct err *err)
{
    *end = (struct kafka_end){.option = option, .hosts = hosts, .options = options};
    end->topic = string_of(end, "-topic");
    if (hosts[0] == '\0')
        return err_usage(err, "--%s-host: a broker is wanted, e.g. kafka1:9092,kafka2:9092",
                         option);
    if (end->topic[0] == '\0')
        return err_usage(err, "--%s-host \"%s\": which topic? give --%s-topic", option, hosts,
                         option);
    return 0;
}

/* source: the option that it comes from. */
static int set(struct setter *s, const char *source, const char *name, const char *value)
{
    char text[REASON_MAX] = "";
    if (rd_kafka_conf_set(s->conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
        return 0;
    return err_usage(s->err, "--%s: librdkafka does not take it: %s", source, text);
}

static int set_all(struct setter *s, const struct kafka_setting *settings, size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = set(s, s->end->option, settings[i].name, settings[i].value);
    return r;
}

static int set_tls(struct setter *s, bool *tls)
{
    const char *ca = options_string(s->end->options, "kafka-tls-ca-cert");
    const char *cert = options_string(s->end->options, "kafka-tls-client-cert");
    const char *key = options_string(s->end->options, "kafka-tls-client-key");
    int r = 0;
    if ((cert[0] == '\0') != (key[0] == '\0'))
        return err_usage(s->err, "--kafka-tls-client-cert and --kafka-tls-client-key go together: "
                                 "give both");
    *tls = ca[0] != '\0' || cert[0] != '\0';
    if (ca[0])
        r = set(s, "kafka-tls-ca-cert", "ssl.ca.location", ca);
    if (r == 0 && cert[0])
        r = set(s, "kafka-tls-client-cert", "ssl.certificate.location", cert);
    if (r == 0 && key[0])
        r = set(s, "kafka-tls-client-key", "ssl.key.location", key);
    return r;
}

static int set_sasl(struct setter *s, bool sasl)
{
    static const struct {
        const char *rest, *property, *usual;
    } parts[] = {
        {"-mechanism", "sasl.mechanism", "PLAIN"},
        {"-username", "sasl.username", NULL},
        {"-password", "sasl.password", NULL},
    };
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts) && r == 0; i++) {
        struct name name = name_of(s->end, parts[i].rest);
        const char *value = options_string(s->end->options, name.text);
        if (value[0] && !sasl)
            return err_usage(s->err, "--%s is for SASL: give --%s-use-sasl too", name.text,
                             s->end->option);
        if (!value[0] && sasl && !parts[i].usual)
            return err_usage(s->err, "--%s-use-sasl: --%s is wanted too", s->end->option,
                             name.text);
        if (sasl)
            r = set(s, name.text, parts[i].property, value[0] ? value : parts[i].usual);
    }
    return r;
}

static int set_security(struct setter *s)
{
    static const char *const protocols[] = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"};
    bool sasl = options_bool(s->end->options, name_of(s->end, "-use-sasl").text), tls = false;
    int r = set_tls(s, &tls);
    if (r == 0)
        r = set(s, s->end->option, "security.protocol", protocols[2 * sasl + tls]);
    return r == 0 ? set_sasl(s, sasl) : r;
}

/* --kafka-property NAME=VALUE. A password there would stand in the list of processes. */
static int set_property(struct setter *s, const char *text)
{
    char source[REASON_MAX], name[128];
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || (size_t)(equals - text) >= sizeof(name))
        return err_usage(s->err, "--kafka-property \"%s\": NAME=VALUE is wanted", text);
    snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
    if (strcmp(name, "sasl.password") == 0)
        return err_usage(s->err,
                         "--kafka-property %s: use --%s-password, as @FILE or from the "
                         "environment",
                         name, s->end->option);
    snprintf(source, sizeof(source), "kafka-property %s", name); /* its value may be a secret */
    return set(s, source, name, equals + 1);
}

static int set_properties(struct setter *s)
{
    const char *text;
    int r = 0;
    for (size_t i = 0; r == 0 && (text = options_nth(s->end->options, "kafka-property", i)); i++)
        r = set_property(s, text);
    return r;
}

/* librdkafka's own words, for those who look closer; what matters comes as an event. */
static void log_words(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
    (void)rk;
    log_debug("kafka", "%d %s: %s", level, fac, text);
}

int kafka_conf_fix(rd_kafka_conf_t *conf, const struct kafka_end *end, const char *name,
                   const char *value, struct err *err)
{
    struct setter s = {.conf = conf, .end = end, .err = err};
    return set(&s, end->option, name, value);
}

int kafka_conf_new(rd_kafka_conf_t **confp, const struct kafka_end *end,
                   const struct kafka_setting *settings, size_t n, struct err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct setter s = {.conf = conf, .end = end, .err = err};
    rd_kafka_conf_set_log_cb(conf, log_words);
    int r = set(&s, end->option, "bootstrap.servers", end->hosts);
    if (r == 0)
        r = set(&s, end->option, "client.id", "refrain");
    if (r == 0)
        r = set_security(&s);
    if (r == 0)
        r = set_all(&s, settings, n);
    if (r == 0)
        r = set_properties(&s);
    if (r < 0) {
        rd_kafka_conf_destroy(conf);
        return r;
    }
    *confp = conf;
    return 0;
}

int kafka_new(rd_kafka_t **rkp, rd_kafka_type_t type, rd_kafka_conf_t *conf,
              const struct kafka_end *end, struct err *err)
{
    char text[REASON_MAX] = "";
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (!rk) {
        rd_kafka_conf_destroy(conf); /* was not taken */
        return err_usage(err, "--%s-host \"%s\": %s", end->option, end->hosts, text);
    }
    *rkp = rk;
    return 0;
}

enum kafka_fault kafka_fault_of(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return KAFKA_FAULT_NONE;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return KAFKA_FAULT_TOO_LARGE;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return KAFKA_FAULT_TOPIC;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return KAFKA_FAULT_REFUSED;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return KAFKA_FAULT_TIMEOUT;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return KAFKA_FAULT_AWAY;
    default:
        return KAFKA_FAULT_OTHER;
    }
}

/* Looks through the events for a refusal; text: what it says, or why no broker can be reached. */
static bool was_refused(rd_kafka_queue_t *queue, char *text, size_t size)
{
    rd_kafka_event_t *event;
    bool refused = false;
    while (!refused && (event = rd_kafka_queue_poll(queue, 0))) {
        enum kafka_fault fault = kafka_fault_of(rd_kafka_event_error(event));
        bool is_error = rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR;
        refused = is_error && fault == KAFKA_FAULT_REFUSED;
        /* that all are away says less than why the first one is */
        if (is_error && (refused || text[0] == '\0'))
            snprintf(text, size, "%s", rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
    }
    return refused;
}

static int tell_refused(const struct kafka_end *end, const char *text, struct err *err)
{
    return err_failure(err, "--%s-host \"%s\": the broker refuses: %s", end->option, end->hosts,
                       text);
}

static rd_kafka_resp_err_t look(rd_kafka_t *rk, rd_kafka_topic_t *topic)
{
    const struct rd_kafka_metadata *found;
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, topic, &found, SLICE_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_fault_of(code) == KAFKA_FAULT_TIMEOUT ? RD_KAFKA_RESP_ERR__TRANSPORT : code;
    code = found->topic_cnt == 1 ? found->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    rd_kafka_metadata_destroy(found);
    return code;
}

int kafka_check(rd_kafka_t *rk, rd_kafka_queue_t *queue, const struct kafka_end *end,
                struct err *err)
{
    char text[REASON_MAX] = "";
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, end->topic, NULL);
    if (!topic)
        return err_usage(err, "--%s-topic \"%s\": %s", end->option, end->topic,
                         rd_kafka_err2str(rd_kafka_last_error()));
    int64_t since_ns = clock_mono_ns();
    rd_kafka_resp_err_t code;
    bool refused = false, wait = true;
    while (wait) {
        code = look(rk, topic);
        int64_t waited_ns = clock_mono_ns() - since_ns;
        refused =
            kafka_fault_of(code) == KAFKA_FAULT_AWAY && was_refused(queue, text, sizeof(text));
        /* a broker that makes topics by itself needs a moment for it, as it does for a new leader
         */
        bool soon = kafka_fault_of(code) == KAFKA_FAULT_TOPIC ||
                    code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        wait = soon ? waited_ns < TOPIC_NS
                    : kafka_fault_of(code) == KAFKA_FAULT_AWAY && !refused && waited_ns < CHECK_NS;
        if (wait && soon)
            nanosleep(&(struct timespec){.tv_nsec = SLICE_MS * NS_PER_MS}, NULL);
    }
    rd_kafka_topic_destroy(topic);
    switch (kafka_fault_of(code)) {
    case KAFKA_FAULT_NONE:
        return 0;
    case KAFKA_FAULT_TOPIC:
        return err_failure(err,
                           "--%s-topic \"%s\": the cluster %s has no such topic: create it "
                           "first",
                           end->option, end->topic, end->hosts);
    case KAFKA_FAULT_REFUSED:
        return tell_refused(end, rd_kafka_err2str(code), err);
    default:
        if (refused)
            return tell_refused(end, text, err);
        log_warn(end->option, "%s cannot be reached yet, trying on: %s", end->hosts,
                 text[0] ? text : rd_kafka_err2str(code));
        return 0;
    }
}
