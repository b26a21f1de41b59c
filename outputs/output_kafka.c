/* SPDX-License-Identifier: MIT */
/* output-kafka: each message becomes one of Kafka's, through librdkafka's idempotent producer. What
 * is handed over is settled by its delivery report and by nothing else: delivered when the brokers
 * have confirmed it, failed when librdkafka gave it up. What waits there is bounded like the queue;
 * when it is full, write says BUSY, and the queue in front of us does what it does.
 *
 * The value is a record or gor's JSON; the key is the client's connection, so that a connection
 * keeps its order within one partition. Kafka's own timestamp is when it was written, as librdkafka
 * sets it, and not when it was recorded: brokers delete by it (retention.ms), so that an old
 * recording would be gone before anybody reads it. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/kafka.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/output.h"
#include "lib/record.h"
#include "lib/record_json.h"
#include "outputs/outputs.h"

#define SENT_MAGIC 0x6b61666bU
/* How long close() waits for the reports of what it gave up. They are made here, not by brokers. */
#define PURGE_NS (5 * NS_PER_S)
#define JSON_MAX ((size_t)INT32_MAX)
#define HEADERS 4
#define KEY_LEN 16

struct kafka {
    struct output base;
    struct kafka_end end;
    bool json;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *reports;
    int event_fd; /* readable when there are reports */
    bool open; /* before that, errors are told once, by open() */
    enum kafka_fault told; /* the fault that was last logged, until something is delivered again */
};

/* A message under way; librdkafka carries the pointer. */
struct sent {
    unsigned magic;
    const struct msg *msg; /* a reference */
    size_t len;
    uint8_t value[];
};

/* --- fates --- */

static enum book book_of(enum kafka_fault fault)
{
    switch (fault) {
    case KAFKA_FAULT_TOO_LARGE:
        return BOOK_KAFKA_TOO_LARGE;
    case KAFKA_FAULT_TOPIC:
        return BOOK_KAFKA_UNKNOWN_TOPIC;
    case KAFKA_FAULT_REFUSED:
        return BOOK_KAFKA_REFUSED;
    case KAFKA_FAULT_TIMEOUT:
        return BOOK_KAFKA_TIMEOUT;
    case KAFKA_FAULT_AWAY:
    case KAFKA_FAULT_OTHER:
    case KAFKA_FAULT_NONE:
        break;
    }
    return BOOK_KAFKA_OTHER;
}

/* Once per burst: of the same fault nothing more is said until a message was delivered. */
static void tell(struct kafka *k, enum kafka_fault fault, const char *what, const char *text)
{
    if (k->told == fault || !k->open)
        return;
    k->told = fault;
    log_warn(k->base.ops->option, "%s, topic %s: %s: %s", k->end.hosts, k->end.topic, what, text);
}

static void count_failure(struct kafka *k, rd_kafka_resp_err_t code)
{
    enum kafka_fault fault = kafka_fault_of(code);
    book_one(k->base.books, book_of(fault));
    tell(k, fault, "messages fail", rd_kafka_err2str(code));
}

static void settle(struct kafka *k, struct sent *sent, rd_kafka_resp_err_t code)
{
    enum book fate = BOOK_FAILED;
    assert(sent->magic == SENT_MAGIC);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        fate = BOOK_DELIVERED;
        k->told = KAFKA_FAULT_NONE;
    } else if (code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
               code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
        fate = BOOK_ABANDONED; /* by our own close() */
    } else {
        count_failure(k, code);
    }
    output_settle(&k->base, sent->msg, fate);
    mem_free(sent);
}

static void take_reports(struct kafka *k, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *reports[256];
    size_t n;
    while ((n = rd_kafka_event_message_array(event, reports, ARRAY_LEN(reports))) > 0)
        for (size_t i = 0; i < n; i++)
            settle(k, reports[i]->_private, reports[i]->err);
}

static void take_error(struct kafka *k, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    enum kafka_fault fault = kafka_fault_of(code);
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        tell(k, KAFKA_FAULT_OTHER, "the producer is broken", rd_kafka_event_error_string(event));
    else
        tell(k, fault, "trying on", rd_kafka_event_error_string(event));
}

/* Takes what has come; true when that was something. */
static bool take_events(struct kafka *k, int timeout_ms)
{
    rd_kafka_event_t *event;
    bool any = false;
    while ((event = rd_kafka_queue_poll(k->reports, any ? 0 : timeout_ms))) {
        any = true;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            take_reports(k, event);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
            take_error(k, event);
        rd_kafka_event_destroy(event);
    }
    return any;
}

/* --- opening and closing --- */

static void kafka_close(struct output *out)
{
    if (!out)
        return;
    struct kafka *k = container_of(out, struct kafka, base);
    if (k->rk) {
        int64_t until_ns = clock_mono_ns() + PURGE_NS;
        rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        while (rd_kafka_outq_len(k->rk) > 0 && clock_mono_ns() < until_ns)
            (void)take_events(k, 10);
        (void)take_events(k, 0);
    }
    if (k->reports) {
        rd_kafka_queue_io_event_enable(k->reports, -1, NULL, 0);
        rd_kafka_queue_destroy(k->reports);
    }
    if (k->topic)
        rd_kafka_topic_destroy(k->topic);
    if (k->rk)
        rd_kafka_destroy(k->rk);
    if (k->event_fd != -1)
        close(k->event_fd);
    mem_free(k);
}

/* What librdkafka may hold is what the queue may. */
static int make_conf(rd_kafka_conf_t **confp, const struct kafka *k, const struct options *options,
                     struct err *err)
{
    char msgs[24], kbytes[24];
    uint64_t size = options_size(options, "output-queue-size") / KIB;
    int64_t len = options_int(options, "output-queue-len");
    /* librdkafka's own bounds */
    snprintf(msgs, sizeof(msgs), "%" PRId64, len < 10000000 ? len : 10000000);
    snprintf(kbytes, sizeof(kbytes), "%" PRIu64,
             size < 1           ? 1
             : size < INT32_MAX ? size
                                : INT32_MAX);
    const struct kafka_setting defaults[] = {
        {"enable.idempotence", "true"},
        /* per broker. With more, librdkafka before 2.3.0 declares itself broken for good when a
         * leader dies (its issue 3584), and a broker, which remembers but the last batch over its
         * own death, takes those before it twice. Batches grow while one is away. */
        {"max.in.flight", "1"},
        {"partitioner", "murmur2_random"}, /* as Java's producers choose */
        {"compression.codec", "snappy"}, /* as gor's */
        {"linger.ms", "5"},
        {"message.timeout.ms",
         "0"}, /* brokers that are away are waited for; the queue is bounded */
        {"message.max.bytes", "1000000000"}, /* the broker knows better */
        {"queue.buffering.max.messages", msgs},
        {"queue.buffering.max.kbytes", kbytes},
    };
    int r = kafka_conf_new(confp, &k->end, defaults, ARRAY_LEN(defaults), err);
    if (r == 0)
        rd_kafka_conf_set_events(*confp, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    return r;
}

static int set_up(struct kafka *k, const struct output_args *args, struct err *err)
{
    static const uint64_t one = 1;
    rd_kafka_conf_t *conf = NULL;
    int r = kafka_end_init(&k->end, "output-kafka", k->end.hosts, args->options, err);
    if (r == 0)
        r = make_conf(&conf, k, args->options, err);
    if (r == 0)
        r = kafka_new(&k->rk, RD_KAFKA_PRODUCER, conf, &k->end, err);
    if (r < 0)
        return r;
    k->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (k->event_fd == -1)
        return err_sys(err, errno, "--output-kafka-host: eventfd");
    k->reports = rd_kafka_queue_get_main(k->rk);
    r = kafka_check(k->rk, k->reports, &k->end, err);
    if (r == 0 && !(k->topic = rd_kafka_topic_new(k->rk, k->end.topic, NULL)))
        r = err_failure(err, "--output-kafka-topic \"%s\": %s", k->end.topic,
                        rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_queue_io_event_enable(k->reports, k->event_fd, &one, sizeof(one));
    (void)take_events(k, 0); /* the descriptor tells when an empty queue gets one: so it is empty */
    return r;
}

/* Brokers tell of other brokers, at ports of their own. */
static void kafka_needs(struct needs *needs, const struct output_args *args)
{
    (void)args;
    needs_connect_anywhere(needs, "output-kafka-host");
}

static int kafka_open(struct output **outp, const struct output_args *args, struct err *err)
{
    size_t len = strlen(args->address) + 1;
    struct kafka *k = mem_zalloc(MEM_IO, sizeof(*k) + len);
    if (!k)
        return err_sys(err, ENOMEM, "--output-kafka-host %s", args->address);
    k->base = (struct output){.ops = &output_kafka, .books = args->books};
    k->event_fd = -1;
    k->json = options_bool(args->options, "output-kafka-json-format");
    memcpy(k + 1, args->address, len); /* behind the struct */
    k->end.hosts = (const char *)(k + 1);
    int r = set_up(k, args, err);
    if (r < 0) {
        kafka_close(&k->base);
        return r;
    }
    k->open = true;
    *outp = &k->base;
    return 0;
}

/* --- sending --- */

static struct sent *sent_new(const struct msg *msg, size_t len)
{
    struct sent *sent = mem_alloc(MEM_IO, sizeof(*sent) + len);
    if (sent)
        *sent = (struct sent){.magic = SENT_MAGIC, .msg = msg, .len = len};
    return sent;
}

static struct sent *make_record(const struct msg *msg)
{
    char header[RECORD_HEADER_MAX];
    size_t header_len = record_header(header, msg);
    struct sent *sent = sent_new(msg, header_len + msg->len);
    if (!sent)
        return NULL;
    memcpy(sent->value, header, header_len);
    memcpy(sent->value + header_len, msg->bytes, msg->len);
    return sent;
}

static struct sent *make_json(const struct msg *msg)
{
    struct buf text;
    struct sent *sent = NULL;
    buf_init(&text, JSON_MAX);
    if (record_json_write(&text, msg) == 0)
        sent = sent_new(msg, buf_span(&text).len);
    if (sent)
        memcpy(sent->value, buf_span(&text).ptr, sent->len);
    buf_fini(&text);
    return sent;
}

/* The headers: the first fields of the header line, one each. */
static void make_headers(rd_kafka_vu_t vu[HEADERS], const char *line)
{
    static const char *const names[HEADERS] = {"type", "id", "timestamp", "latency"};
    for (size_t i = 0; i < HEADERS; i++) {
        size_t len = 0;
        while (line[len] != ' ' && line[len] != '\n')
            len++;
        vu[i].vtype = RD_KAFKA_VTYPE_HEADER;
        vu[i].u.header.name = names[i];
        vu[i].u.header.val = line;
        vu[i].u.header.size = (ssize_t)len;
        line += len + 1;
    }
}

static void make_key(char key[KEY_LEN], uint64_t conn)
{
    for (int i = KEY_LEN - 1; i >= 0; i--, conn >>= 4)
        key[i] = "0123456789abcdef"[conn & 15];
}

/* Hands it over. The error's code, or NO_ERROR: a report will come. */
static rd_kafka_resp_err_t produce(struct kafka *k, const struct msg *msg, struct sent *sent)
{
    char key[KEY_LEN], line[RECORD_HEADER_MAX];
    if (k->json)
        (void)record_header_gor(line, msg);
    make_key(key, msg->conn);
    rd_kafka_vu_t vu[4 + HEADERS] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = k->topic},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = key, .size = sizeof(key)}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = sent->value, .size = sent->len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = sent},
    };
    make_headers(vu + 4, k->json ? line : (const char *)sent->value);
    rd_kafka_error_t *error = rd_kafka_produceva(k->rk, vu, ARRAY_LEN(vu));
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error)
        rd_kafka_error_destroy(error);
    return code;
}

static enum output_result kafka_write(struct output *out, const struct msg *msg)
{
    struct kafka *k = container_of(out, struct kafka, base);
    struct sent *sent = k->json ? make_json(msg) : make_record(msg);
    if (!sent)
        return OUTPUT_FAILED;
    (void)msg_ref(msg);
    rd_kafka_resp_err_t code = produce(k, msg, sent);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return OUTPUT_TAKEN;
    msg_unref(msg);
    mem_free(sent);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return OUTPUT_BUSY;
    count_failure(k, code);
    return OUTPUT_FAILED;
}

static void kafka_poll(struct output *out, int wake_fd, int timeout_ms)
{
    struct kafka *k = container_of(out, struct kafka, base);
    struct pollfd fds[] = {{.fd = k->event_fd, .events = POLLIN},
                           {.fd = wake_fd, .events = POLLIN}};
    uint64_t events;
    if (timeout_ms > 0) {
        if (poll(fds, ARRAY_LEN(fds), timeout_ms) <= 0 || fds[0].revents == 0)
            return;
        /* before the events: what comes after it signals again */
        ssize_t n = read(k->event_fd, &events, sizeof(events));
        (void)n;
    }
    (void)take_events(k, 0);
}

static enum output_result kafka_flush(struct output *out)
{
    struct kafka *k = container_of(out, struct kafka, base);
    (void)take_events(k, 0);
    return rd_kafka_outq_len(k->rk) > 0 ? OUTPUT_BUSY : OUTPUT_DONE;
}

const struct output_ops output_kafka = {
    .option = "output-kafka-host",
    .needs = kafka_needs,
    .open = kafka_open,
    .write = kafka_write,
    .poll = kafka_poll,
    .flush = kafka_flush,
    .close = kafka_close,
};
