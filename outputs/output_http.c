/* SPDX-License-Identifier: MIT */
/* output-http: sends requests to an HTTP server, as they were recorded but for the Host field and
 * the path's prefix. --output-http-workers N has N threads (http_worker.c), among which requests
 * are shared out by recorded connection; 1 is the output's own. compare-with is the same, for
 * answers that others are compared with. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "lib/clock.h"
#include "lib/exchange_stats.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/output.h"
#include "outputs/curl_needs.h"
#include "outputs/http_conn.h"
#include "outputs/http_target.h"
#include "outputs/http_tls.h"
#include "outputs/http_voice.h"
#include "outputs/http_worker.h"
#include "outputs/outputs.h"

#define MAX_WORKERS 64
#define MAX_CONNS 1024 /* of all workers together; also when --output-http-max-connections is 0 */
#define KEEP_IDLE 4 /* connections that are kept, however long they are idle */
#define MAX_HELD (1 << 20)
#define DEFAULT_HELD 1000 /* gor's, also for what is below 1 */
#define MIN_TIMEOUT_NS (100 * NS_PER_MS) /* below it gor takes a second */
#define DRAIN_POLL_MS 2

struct http {
    struct output base;
    bool curl_ready;
    bool pad_cut;
    struct http_target target;
    size_t n_workers;
    struct http_worker *workers[MAX_WORKERS];
    struct http_worker *full; /* the one that took no more; NULL: none */
    struct exchange_stats *exchanges; /* borrowed; NULL: nobody asks */
    struct sink answers; /* of workers with threads: to those of base, one at a time */
    pthread_mutex_t answers_lock;
    struct http_voice voice;
    char tag[512];
};

static void http_close(struct output *out)
{
    if (!out)
        return;
    struct http *h = container_of(out, struct http, base);
    while (h->n_workers > 0)
        http_worker_free(h->workers[--h->n_workers]);
    http_target_fini(&h->target);
    pthread_mutex_destroy(&h->answers_lock);
    if (h->curl_ready)
        curl_global_cleanup();
    mem_free(h);
}

static void tell_prefix(const struct http *h)
{
    if (h->target.prefix[0])
        log_info(h->tag, "%s is put in front of every path: GET /a becomes GET %s/a",
                 h->target.prefix, h->target.prefix);
}

/* A Host that --http-set-header asks for is meant to arrive (gor's rule, but for its case). */
static bool sets_host(const struct options *options)
{
    const char *text;
    for (size_t i = 0; (text = options_nth(options, "http-set-header", i)); i++)
        if (span_eq_nocase(span_trim(span_of(text, strcspn(text, ":"))), span_str("Host")))
            return true;
    return false;
}

/* A number of connections, or of what may wait: 0 and less is the usual. */
static size_t bounded(int64_t n, size_t usual, size_t max)
{
    return n < 1 ? usual : (size_t)n > max ? max : (size_t)n;
}

/* How many there may be, of all workers. */
static size_t max_conns(const struct options *options)
{
    int64_t concurrency = options_int(options, "output-http-concurrency");
    int64_t max = options_int(options, "output-http-max-connections");
    return bounded(concurrency > 0 ? concurrency : max, MAX_CONNS, MAX_CONNS);
}

static void read_conns(struct http_conns_config *conns, const struct options *options)
{
    conns->idle_ns = options_duration_ns(options, "output-http-worker-timeout");
    conns->sessions = options_bool(options, "recognize-tcp-sessions");
    conns->keep_idle = KEEP_IDLE;
    if (options_given(options, "output-http-worker-timeout"))
        conns->keep_idle = 0;
    else if (conns->sessions)
        conns->keep_idle = MAX_CONNS; /* nobody knows when the next request comes */
    conns->dial.timeout_ns = options_duration_ns(options, "output-http-connect-timeout");
}

static void read_options(struct http_worker_config *worker, const struct output_args *args)
{
    const struct options *options = args->options;
    struct http_pool_config *config = &worker->pool;
    int64_t timeout_ns = options_duration_ns(options, "output-http-timeout");
    worker->http2 = strcmp(options_string(options, "output-http-version"), "2") == 0;
    config->work.original_host = options_bool(options, "http-original-host") ||
                                 sets_host(options) || (args->bound && sets_host(args->bound));
    config->pad_cut = options_bool(options, "output-http-pad-cut");
    config->work.timeout_ns = timeout_ns < MIN_TIMEOUT_NS ? NS_PER_S : timeout_ns;
    config->max_exchanges =
        (uint64_t)options_int(options, "output-http-max-requests-per-connection");
    config->work.redirects = (unsigned)options_int(options, "output-http-redirects");
    config->work.retries = (unsigned)options_int(options, "output-http-retries");
    read_conns(&config->conns, options);
    if (config->conns.dial.timeout_ns <= 0)
        config->conns.dial.timeout_ns = config->work.timeout_ns;
}

static size_t n_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

/* How many threads, each of which has a connection at least. More than there are CPUs only get in
 * each other's way, and whoever asks for them, as gor wants it, has connections in mind. */
static size_t count_workers(const struct http *h, const struct options *options)
{
    int64_t asked = options_int(options, "output-http-workers");
    size_t n = bounded(asked, 1, MAX_WORKERS), cpus = n_cpus(), conns = max_conns(options);
    if (asked > (int64_t)cpus)
        log_info(h->tag,
                 "--output-http-workers %lld: there are %zu CPUs, and as many threads are started; "
                 "connections are bounded by --output-http-max-connections",
                 (long long)asked, cpus);
    n = n < cpus ? n : cpus;
    return n < conns ? n : conns;
}

/* One of n equal parts of a whole that they are to make up; at least 1. */
static size_t part(size_t whole, size_t i, size_t n)
{
    size_t mine = whole / n + (i < whole % n ? 1 : 0);
    return mine > 0 ? mine : 1;
}

static int add_workers(struct http *h, struct http_worker_config *config, size_t n,
                       const struct output_args *args)
{
    size_t conns = max_conns(args->options);
    size_t held =
        bounded(options_int(args->options, "output-http-queue-len"), DEFAULT_HELD, MAX_HELD);
    for (size_t i = 0; i < n; i++) {
        config->pool.conns.max = part(conns, i, n);
        config->pool.work.max_held = part(held, i, n);
        config->books = n > 1 ? account_page(args->account) : NULL;
        if (n > 1 && !config->books)
            return -ENOMEM;
        int r = http_worker_new(&h->workers[i], config);
        if (r < 0)
            return r;
        h->n_workers++;
    }
    return 0;
}

/* From whichever worker's thread. */
static void pass_answer(struct sink *sink, const struct msg *msg)
{
    struct http *h = container_of(sink, struct http, answers);
    pthread_mutex_lock(&h->answers_lock);
    sink_put(h->base.answers, msg);
    pthread_mutex_unlock(&h->answers_lock);
}

static int set_up(struct http *h, const struct output_args *args, struct err *err)
{
    const char *option = h->base.ops->option;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_failure(err, "--%s \"%s\": libcurl does not start", option, args->address);
    h->curl_ready = true;
    int r = http_target_parse(&h->target, option, args->address, err);
    if (r < 0)
        return r;
    snprintf(h->tag, sizeof(h->tag), "%s %s", option, h->target.shown);
    struct http_worker_config config = {.pool.work = {.out = &h->base,
                                                      .latency = args->latency,
                                                      .exchanges = args->exchanges,
                                                      .target = &h->target,
                                                      .voice = &h->voice}};
    read_options(&config, args);
    r = http_tls_read(&config.pool.conns.dial.tls, args->options, err);
    if (r < 0)
        return r;
    config.pool.conns.dial.target = &h->target;
    config.pool.conns.books = args->books;
    config.pool.conns.voice = &h->voice;
    h->pad_cut = config.pool.pad_cut;
    h->exchanges = args->exchanges;
    r = add_workers(h, &config, count_workers(h, args->options), args);
    if (r < 0)
        return err_sys(err, -r, "--%s \"%s\"", option, args->address);
    tell_prefix(h);
    return 0;
}

static int open_as(const struct output_ops *ops, struct output **outp,
                   const struct output_args *args, struct err *err)
{
    struct http *h = mem_zalloc(MEM_IO, sizeof(*h));
    if (!h)
        return err_sys(err, ENOMEM, "--%s \"%s\"", ops->option, args->address);
    h->base = (struct output){.ops = ops, .books = args->books};
    h->answers.put = pass_answer;
    pthread_mutex_init(&h->answers_lock, NULL);
    http_voice_init(&h->voice, h->tag);
    int r = set_up(h, args, err);
    if (r < 0) {
        http_close(&h->base);
        return r;
    }
    *outp = &h->base;
    return 0;
}

static void http_needs(struct needs *needs, const struct output_args *args)
{
    curl_needs(needs, "output-http", args->address, 80);
    /* libcurl reads them again for each connection */
    static const char *const files[] = {"output-http-ca-cert", "output-http-client-cert",
                                        "output-http-client-key"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        needs_path(needs, NEED_READ, files[i], options_string(args->options, files[i]));
}

static int http_open(struct output **outp, const struct output_args *args, struct err *err)
{
    return open_as(&output_http, outp, args, err);
}

static int baseline_open(struct output **outp, const struct output_args *args, struct err *err)
{
    return open_as(&output_baseline, outp, args, err);
}

static int http_start(struct output *out, struct err *err)
{
    struct http *h = container_of(out, struct http, base);
    int r = 0;
    for (size_t i = 0; i < h->n_workers && r == 0; i++)
        r = http_worker_start(h->workers[i], out->answers ? &h->answers : NULL, err);
    return r;
}

static void http_stop(struct output *out)
{
    struct http *h = container_of(out, struct http, base);
    for (size_t i = 0; i < h->n_workers; i++)
        http_worker_stop(h->workers[i]);
}

static void note_wanted(struct http *h, const struct msg *msg, int64_t now_ns)
{
    if (h->exchanges)
        exchange_wanted(h->exchanges, msg->due_ns, now_ns);
}

static enum output_result refuse(struct http *h, const struct msg *msg)
{
    int64_t now_ns = h->exchanges ? clock_mono_ns() : 0;
    book_one(h->base.books, BOOK_HTTP_UNSENDABLE);
    note_wanted(h, msg, now_ns);
    if (h->exchanges)
        exchange_failed(h->exchanges, msg, now_ns);
    return OUTPUT_FAILED;
}

static enum output_result http_write(struct output *out, const struct msg *msg)
{
    struct http *h = container_of(out, struct http, base);
    if (msg->type != MSG_REQUEST)
        return OUTPUT_SKIPPED;
    if (!http_conn_can_send(msg, h->pad_cut))
        return refuse(h, msg);
    struct http_worker *worker = h->workers[hash_mix(msg->conn, 0) % h->n_workers];
    enum output_result r = http_worker_put(worker, msg);
    h->full = r == OUTPUT_BUSY ? worker : NULL;
    if (r == OUTPUT_TAKEN)
        note_wanted(h, msg, h->exchanges && msg->due_ns == 0 ? clock_mono_ns() : 0);
    return r;
}

/* Several workers do their I/O themselves; there is only waiting to be done. */
static void wait_for_workers(const struct http *h, int wake_fd, int timeout_ms)
{
    struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
    if (timeout_ms == 0)
        return;
    if (wake_fd != -1)
        poll(&fd, 1, timeout_ms);
    else if (h->full)
        http_worker_wait_room(h->full, timeout_ms);
    else
        poll(NULL, 0, DRAIN_POLL_MS);
}

static void http_poll(struct output *out, int wake_fd, int timeout_ms)
{
    struct http *h = container_of(out, struct http, base);
    if (h->n_workers == 1)
        http_worker_run(h->workers[0], wake_fd, timeout_ms);
    else
        wait_for_workers(h, wake_fd, timeout_ms);
}

static enum output_result http_flush(struct output *out)
{
    struct http *h = container_of(out, struct http, base);
    h->full = NULL;
    for (size_t i = 0; i < h->n_workers; i++)
        if (http_worker_held(h->workers[i]) > 0)
            return OUTPUT_BUSY;
    return OUTPUT_DONE;
}

static void http_pause(struct output *out, enum output_pause how)
{
    struct http *h = container_of(out, struct http, base);
    for (size_t i = 0; i < h->n_workers; i++)
        http_worker_pause(h->workers[i], how);
}

const struct output_ops output_http = {
    .option = "output-http",
    .requests_only = true,
    .answers = "output-http-track-response",
    .answer_max = "output-http-response-buffer",
    .exchanges = true,
    .needs = http_needs,
    .open = http_open,
    .start = http_start,
    .stop = http_stop,
    .write = http_write,
    .poll = http_poll,
    .flush = http_flush,
    .pause = http_pause,
    .close = http_close,
};

const struct output_ops output_baseline = {
    .option = "compare-with",
    .requests_only = true,
    .answers = "output-http-track-response",
    .answer_max = "output-http-response-buffer",
    .exchanges = true,
    .baseline = true,
    .needs = http_needs,
    .open = baseline_open,
    .start = http_start,
    .stop = http_stop,
    .write = http_write,
    .poll = http_poll,
    .flush = http_flush,
    .pause = http_pause,
    .close = http_close,
};
