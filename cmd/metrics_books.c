/* SPDX-License-Identifier: MIT */
#include "cmd/metrics_books.h"

#include <string.h>

#include "cmd/exposition.h"

/* --- which account has what --- */

static bool any(const struct shown *s)
{
    (void)s;
    return true;
}

static bool captures(const struct shown *s)
{
    return s->item && s->item->captures;
}

static bool reads(const struct shown *s)
{
    return s->item && !s->item->captures;
}

static bool is_output(const struct shown *s, const char *option)
{
    return s->item && strcmp(s->item->output->option, option) == 0;
}

static bool is_http(const struct shown *s)
{
    return s->item && s->item->output->exchanges;
}

static bool is_kafka(const struct shown *s)
{
    return is_output(s, "output-kafka-host");
}

static bool is_elastic(const struct shown *s)
{
    return is_output(s, "output-http-elasticsearch");
}

static bool is_other(const struct shown *s)
{
    return !is_http(s) && !is_kafka(s) && !is_elastic(s);
}

static bool is_guarded(const struct shown *s)
{
    return s->item && s->item->guard.n > 0;
}

/* --- the metrics --- */

/* A counter, and the value of the family's label for it; NULL: without. */
struct sample {
    enum book book;
    const char *value;
};

static const struct sample packets[] = {{BOOK_PACKETS, NULL}};
static const struct sample packet_bytes[] = {{BOOK_PACKET_BYTES, NULL}};
static const struct sample drops[] = {
    {BOOK_KERNEL_DROPS, "kernel"},
    {BOOK_INTERFACE_DROPS, "interface"},
    {BOOK_FRAGMENTS_LOST, "fragments"},
    {BOOK_SEGMENTS_SHED, "max_cpu"},
};
static const struct sample lost_bytes[] = {
    {BOOK_UNSEEN_BYTES, "acknowledged"},
    {BOOK_HOLE_BYTES, "hole"},
};
static const struct sample skipped[] = {
    {BOOK_SKIPPED_LINK, "link"},           {BOOK_SKIPPED_NOT_TCP, "not_tcp"},
    {BOOK_SKIPPED_MALFORMED, "malformed"}, {BOOK_SKIPPED_PORT, "port"},
    {BOOK_SKIPPED_NETWORK, "network"},
};
static const struct sample flows[] = {{BOOK_FLOWS, NULL}};
static const struct sample flows_lost[] = {
    {BOOK_FLOWS_SHED, "max_cpu"}, {BOOK_FLOWS_EVICTED, "evicted"}, {BOOK_FLOWS_TLS, "tls"},
    {BOOK_FLOWS_H2C, "h2c"},      {BOOK_FLOWS_OTHER, "other"},
};
static const struct sample requests_started[] = {{BOOK_REQ_STARTED, NULL}};
static const struct sample requests[] = {
    {BOOK_REQ_COMPLETE, "complete"},
    {BOOK_REQ_SHORT, "short"},
    {BOOK_REQ_GAP, "gap"},
    {BOOK_REQ_CUT, "cut"},
    {BOOK_REQ_TOO_LARGE, "too_large"},
    {BOOK_REQ_EVICTED, "evicted"},
    {BOOK_REQ_EXPIRED, "expired"},
    {BOOK_REQ_MALFORMED, "malformed"},
    {BOOK_REQ_CLOSED, "closed"},
    {BOOK_REQ_OPEN, "open"},
};
static const struct sample fates[] = {
    {BOOK_DELIVERED, "delivered"}, {BOOK_FILTERED, "filtered"},     {BOOK_SAMPLED, "sampled_out"},
    {BOOK_LIMITED, "limited"},     {BOOK_DROPPED, "dropped_queue"}, {BOOK_FAILED, "failed"},
    {BOOK_ABANDONED, "abandoned"}, {BOOK_SPLIT, "split"},           {BOOK_PAUSED, "paused"},
    {BOOK_SKIPPED, "skipped"},     {BOOK_SPOOLED, "spooled"},
};
static const struct sample responses_started[] = {{BOOK_RES_STARTED, NULL}};
static const struct sample responses[] = {
    {BOOK_RES_COMPLETE, "complete"},
    {BOOK_RES_SHORT, "short"},
    {BOOK_RES_GAP, "gap"},
    {BOOK_RES_CUT, "cut"},
    {BOOK_RES_TOO_LARGE, "too_large"},
    {BOOK_RES_EVICTED, "evicted"},
    {BOOK_RES_EXPIRED, "expired"},
    {BOOK_RES_MALFORMED, "malformed"},
    {BOOK_RES_CLOSED, "closed"},
    {BOOK_RES_OPEN, "open"},
};
static const struct sample records[] = {
    {BOOK_RECORDS, "read"},
    {BOOK_RECORDS_DAMAGED, "damaged"},
    {BOOK_RECORDS_OUTSIDE, "outside"},
    {BOOK_RECORDS_AGAIN, "again"},
};
static const struct sample record_bytes[] = {{BOOK_RECORD_BYTES, NULL}};
static const struct sample produced[] = {{BOOK_PRODUCED, NULL}};
static const struct sample seen[] = {{BOOK_SEEN, NULL}};
static const struct sample delivered_bytes[] = {{BOOK_DELIVERED_BYTES, NULL}};
static const struct sample codes[] = {
    {BOOK_HTTP_1XX, "1xx"}, {BOOK_HTTP_2XX, "2xx"}, {BOOK_HTTP_3XX, "3xx"},
    {BOOK_HTTP_4XX, "4xx"}, {BOOK_HTTP_5XX, "5xx"}, {BOOK_HTTP_OTHER, "other"},
};
static const struct sample http_errors[] = {
    {BOOK_HTTP_REFUSED, "refused"},       {BOOK_HTTP_TLS, "tls"},
    {BOOK_HTTP_TIMEOUT, "timeout"},       {BOOK_HTTP_RESET, "reset"},
    {BOOK_HTTP_BAD_ANSWER, "bad_answer"}, {BOOK_HTTP_NO_MEMORY, "no_memory"},
    {BOOK_HTTP_UNSENDABLE, "unsendable"},
};
static const struct sample kafka_errors[] = {
    {BOOK_KAFKA_TOO_LARGE, "too_large"}, {BOOK_KAFKA_UNKNOWN_TOPIC, "unknown_topic"},
    {BOOK_KAFKA_REFUSED, "refused"},     {BOOK_KAFKA_TIMEOUT, "timeout"},
    {BOOK_KAFKA_OTHER, "other"},
};
static const struct sample elastic_errors[] = {
    {BOOK_ELASTIC_REFUSED, "refused"},
    {BOOK_ELASTIC_GAVE_UP, "gave_up"},
};
static const struct sample other_errors[] = {{BOOK_FAILED, "failed"}};
static const struct sample guard[] = {
    {BOOK_GUARD_BACK, "step_back"},
    {BOOK_GUARD_PAUSED, "pause"},
};

struct family {
    const char *metric, *help;
    enum account_kind kind;
    bool (*has)(const struct shown *s);
    const char *stage; /* a label of all samples; NULL: none */
    const char *label;
    const struct sample *samples;
    size_t n;
};

#define SAMPLES(list) .samples = (list), .n = ARRAY_LEN(list)
#define REQUESTS                                                                                   \
    "refrain_requests_total",                                                                      \
        "What became of requests: in reassembly, and of those that reached an output there (with " \
        "their responses, where these are recorded)."
#define ERRORS "refrain_output_errors_total", "Messages that could not be delivered, by cause."

/* Those of one metric stand together. */
static const struct family families[] = {
    {"refrain_capture_packets_total", "Packets captured.", ACCOUNT_INPUT, captures, NULL, NULL,
     SAMPLES(packets)},
    {"refrain_capture_bytes_total", "Bytes of packets captured.", ACCOUNT_INPUT, captures, NULL,
     NULL, SAMPLES(packet_bytes)},
    {"refrain_capture_drops_total",
     "Packets lost or left out: by the kernel, by the network card, as incomplete fragments, "
     "because of --max-cpu.",
     ACCOUNT_INPUT, captures, NULL, "where", SAMPLES(drops)},
    {"refrain_capture_lost_bytes_total",
     "Bytes of connections that the capture never saw: acknowledged by the peer, or not known to "
     "be.",
     ACCOUNT_INPUT, captures, NULL, "kind", SAMPLES(lost_bytes)},
    {"refrain_capture_skipped_total", "Packets captured that are not for reassembly.",
     ACCOUNT_INPUT, captures, NULL, "reason", SAMPLES(skipped)},
    {"refrain_capture_connections_total", "TCP connections seen.", ACCOUNT_INPUT, captures, NULL,
     NULL, SAMPLES(flows)},
    {"refrain_capture_connections_lost_total",
     "TCP connections left out, forgotten, or of which nothing can be decoded.", ACCOUNT_INPUT,
     captures, NULL, "reason", SAMPLES(flows_lost)},
    {"refrain_requests_started_total", "Requests whose first byte was seen.", ACCOUNT_INPUT,
     captures, NULL, NULL, SAMPLES(requests_started)},
    {REQUESTS, ACCOUNT_INPUT, captures, "reassembly", "reason", SAMPLES(requests)},
    {REQUESTS, ACCOUNT_OUTPUT, any, "output", "reason", SAMPLES(fates)},
    {"refrain_responses_started_total", "Responses whose first byte was seen.", ACCOUNT_INPUT,
     captures, NULL, NULL, SAMPLES(responses_started)},
    {"refrain_responses_total", "What became of responses in reassembly.", ACCOUNT_INPUT, captures,
     "reassembly", "reason", SAMPLES(responses)},
    {"refrain_input_records_total", "Records of files, relays and Kafka.", ACCOUNT_INPUT, reads,
     NULL, "result", SAMPLES(records)},
    {"refrain_input_record_bytes_total", "Payload bytes of the records that were read.",
     ACCOUNT_INPUT, reads, NULL, NULL, SAMPLES(record_bytes)},
    {"refrain_input_messages_total", "Messages that inputs have produced.", ACCOUNT_INPUT, any,
     NULL, NULL, SAMPLES(produced)},
    {"refrain_output_messages_total", "Messages that reached an output.", ACCOUNT_OUTPUT, any, NULL,
     NULL, SAMPLES(seen)},
    {"refrain_output_delivered_bytes_total", "Payload bytes delivered.", ACCOUNT_OUTPUT, any, NULL,
     NULL, SAMPLES(delivered_bytes)},
    {"refrain_output_requests_total", "Answers of a target, by the class of their status code.",
     ACCOUNT_OUTPUT, is_http, NULL, "code", SAMPLES(codes)},
    {ERRORS, ACCOUNT_OUTPUT, is_http, NULL, "class", SAMPLES(http_errors)},
    {ERRORS, ACCOUNT_OUTPUT, is_kafka, NULL, "class", SAMPLES(kafka_errors)},
    {ERRORS, ACCOUNT_OUTPUT, is_elastic, NULL, "class", SAMPLES(elastic_errors)},
    {ERRORS, ACCOUNT_OUTPUT, is_other, NULL, "class", SAMPLES(other_errors)},
    {"refrain_guard_actions_total", "What --guard has done.", ACCOUNT_OUTPUT, is_guarded, NULL,
     "action", SAMPLES(guard)},
};

static const char *who(enum account_kind kind)
{
    return kind == ACCOUNT_INPUT ? "input" : "output";
}

static void put_family(FILE *f, const struct family *family, const struct shown *s)
{
    bool of_device = family->samples == packets || family->samples == packet_bytes;
    struct labels labels = {.at = {
                                {who(s->kind), s->name},
                                {"interface", of_device ? s->item->device : NULL},
                                {"stage", family->stage},
                                {family->label, NULL},
                            }};
    for (size_t i = 0; i < family->n; i++) {
        labels.at[3].value = family->samples[i].value;
        metric_count(f, family->metric, &labels, account_sum(s->account, family->samples[i].book));
    }
}

static bool has_place(enum book book)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        for (size_t k = 0; k < families[i].n; k++)
            if (families[i].samples[k].book == book)
                return true;
    return false;
}

/* What has no place of its own; each from when it first happens. */
static void put_events(FILE *f, const struct view *view, enum account_kind kind, const char *metric)
{
    metric_head(f, metric, METRIC_COUNTER, "The other counters of the summary, under its names.");
    for (size_t i = 0; i < view->n; i++) {
        const struct shown *s = &view->shown[i];
        for (int book = 0; book < BOOKS && s->kind == kind; book++) {
            uint64_t n = account_sum(s->account, (enum book)book);
            if (n == 0 || !book_is_of((enum book)book, kind) || has_place((enum book)book))
                continue;
            const struct labels labels = {
                .at = {{who(kind), s->name}, {"event", book_name((enum book)book)}}};
            metric_count(f, metric, &labels, n);
        }
    }
}

void metrics_put_books(FILE *f, const struct view *view)
{
    const char *metric = "";
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const struct family *family = &families[i];
        if (strcmp(metric, family->metric) != 0)
            metric_head(f, family->metric, METRIC_COUNTER, family->help);
        metric = family->metric;
        for (size_t k = 0; k < view->n; k++)
            if (view->shown[k].kind == family->kind && family->has(&view->shown[k]))
                put_family(f, family, &view->shown[k]);
    }
    put_events(f, view, ACCOUNT_INPUT, "refrain_input_events_total");
    put_events(f, view, ACCOUNT_OUTPUT, "refrain_output_events_total");
}
