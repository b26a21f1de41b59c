/* SPDX-License-Identifier: MIT */
/* output-http: sends requests to an HTTP server, as they were recorded but for the Host field and
 * the path's prefix. One thread, one epoll; http_pool.c has the connections. compare-with is the
 * same, for answers that others are compared with. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "lib/clock.h"
#include "lib/exchange_stats.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/output.h"
#include "outputs/http2_pool.h"
#include "outputs/http_conn.h"
#include "outputs/http_pool.h"
#include "outputs/http_stats.h"
#include "outputs/http_target.h"
#include "outputs/http_tls.h"
#include "outputs/outputs.h"

#define MAX_CONNS 1024 /* also when --output-http-workers is 0, gor's "unlimited" */
#define KEEP_IDLE 4 /* connections that are kept, however long they are idle */
#define MAX_HELD (1 << 20)
#define DEFAULT_HELD 1000 /* gor's, also for what is below 1 */
#define MIN_TIMEOUT_NS (100 * NS_PER_MS) /* below it gor takes a second */

struct http {
    struct output base;
    bool curl_ready;
    bool pad_cut;
    struct http_target target;
    struct http_pool *pool; /* HTTP/1.1, or */
    struct http2_pool *pool2; /* HTTP/2 */
    struct http_stats stats;
    struct histogram *latency; /* borrowed, as is the next */
    struct exchange_stats *exchanges; /* NULL: nobody asks */
    char tag[512];
};

static void http_close(struct output *out)
{
    if (!out)
        return;
    struct http *h = container_of(out, struct http, base);
    http_pool_free(h->pool);
    http2_pool_free(h->pool2);
    http_target_fini(&h->target);
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

static void read_conns(struct http_conns_config *conns, const struct options *options)
{
    int64_t concurrency = options_int(options, "output-http-concurrency");
    int64_t workers = options_int(options, "output-http-workers");
    conns->max = bounded(concurrency > 0 ? concurrency : workers, MAX_CONNS, MAX_CONNS);
    conns->idle_ns = options_duration_ns(options, "output-http-worker-timeout");
    conns->sessions = options_bool(options, "recognize-tcp-sessions");
    conns->keep_idle = KEEP_IDLE;
    if (options_given(options, "output-http-worker-timeout"))
        conns->keep_idle = 0;
    else if (conns->sessions)
        conns->keep_idle = MAX_CONNS; /* nobody knows when the next request comes */
    conns->dial.timeout_ns = options_duration_ns(options, "output-http-connect-timeout");
}

static void read_options(struct http_pool_config *config, const struct output_args *args)
{
    const struct options *options = args->options;
    int64_t timeout_ns = options_duration_ns(options, "output-http-timeout");
    config->work.original_host = options_bool(options, "http-original-host") ||
                                 sets_host(options) || (args->bound && sets_host(args->bound));
    config->pad_cut = options_bool(options, "output-http-pad-cut");
    config->work.max_held =
        bounded(options_int(options, "output-http-queue-len"), DEFAULT_HELD, MAX_HELD);
    config->work.timeout_ns = timeout_ns < MIN_TIMEOUT_NS ? NS_PER_S : timeout_ns;
    config->max_exchanges =
        (uint64_t)options_int(options, "output-http-max-requests-per-connection");
    config->work.redirects = (unsigned)options_int(options, "output-http-redirects");
    config->work.retries = (unsigned)options_int(options, "output-http-retries");
    read_conns(&config->conns, options);
    if (config->conns.dial.timeout_ns <= 0)
        config->conns.dial.timeout_ns = config->work.timeout_ns;
}

static int new_pool(struct http *h, const struct http_pool_config *config,
                    const struct options *options)
{
    if (strcmp(options_string(options, "output-http-version"), "2") != 0)
        return http_pool_new(&h->pool, config);
    const struct http2_pool_config config2 = {
        .work = config->work, .dial = config->conns.dial, .max_conns = config->conns.max};
    return http2_pool_new(&h->pool2, &config2);
}

static size_t held(const struct http *h)
{
    return h->pool2 ? http2_pool_held(h->pool2) : http_pool_held(h->pool);
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
    struct http_pool_config config = {.work = {.out = &h->base,
                                               .latency = args->latency,
                                               .exchanges = args->exchanges,
                                               .target = &h->target,
                                               .tag = h->tag}};
    read_options(&config, args);
    r = http_tls_read(&config.conns.dial.tls, args->options, err);
    if (r < 0)
        return r;
    config.conns.dial.target = &h->target;
    config.conns.books = args->books;
    config.conns.tag = h->tag;
    h->pad_cut = config.pad_cut;
    h->latency = args->latency;
    h->exchanges = args->exchanges;
    r = http_stats_init(&h->stats, args->options, err);
    if (r < 0)
        return r;
    r = new_pool(h, &config, args->options);
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
    int r = set_up(h, args, err);
    if (r < 0) {
        http_close(&h->base);
        return r;
    }
    *outp = &h->base;
    return 0;
}

static int http_open(struct output **outp, const struct output_args *args, struct err *err)
{
    return open_as(&output_http, outp, args, err);
}

static int baseline_open(struct output **outp, const struct output_args *args, struct err *err)
{
    return open_as(&output_baseline, outp, args, err);
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
    enum output_result r = h->pool2 ? http2_pool_put(h->pool2, msg) : http_pool_put(h->pool, msg);
    if (r == OUTPUT_TAKEN)
        note_wanted(h, msg, h->exchanges && msg->due_ns == 0 ? clock_mono_ns() : 0);
    return r;
}

/* Of the pool and of the statistics, whichever comes first. */
static int64_t next_due_ns(const struct http *h)
{
    int64_t due_ns = h->pool2 ? INT64_MAX : http_pool_due_ns(h->pool); /* libcurl sees to it */
    return h->stats.every_ns > 0 && h->stats.due_ns < due_ns ? h->stats.due_ns : due_ns;
}

static void http_poll(struct output *out, int wake_fd, int timeout_ms)
{
    struct http *h = container_of(out, struct http, base);
    http_stats_tick(&h->stats, h->tag, out->books, h->latency, held(h), clock_mono_ns());
    int64_t due_ns = next_due_ns(h);
    int64_t left_ns = due_ns == INT64_MAX ? INT64_MAX : due_ns - clock_mono_ns();
    if (left_ns <= 0)
        timeout_ms = 0;
    else if (left_ns < timeout_ms * NS_PER_MS) /* rounded up, or we would wake too early */
        timeout_ms = (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
    if (h->pool2)
        http2_pool_run(h->pool2, wake_fd, timeout_ms);
    else
        http_pool_run(h->pool, wake_fd, timeout_ms);
}

static enum output_result http_flush(struct output *out)
{
    struct http *h = container_of(out, struct http, base);
    return held(h) > 0 ? OUTPUT_BUSY : OUTPUT_DONE;
}

const struct output_ops output_http = {
    .option = "output-http",
    .requests_only = true,
    .answers = true,
    .open = http_open,
    .write = http_write,
    .poll = http_poll,
    .flush = http_flush,
    .close = http_close,
};

const struct output_ops output_baseline = {
    .option = "compare-with",
    .requests_only = true,
    .answers = true,
    .baseline = true,
    .open = baseline_open,
    .write = http_write,
    .poll = http_poll,
    .flush = http_flush,
    .close = http_close,
};
