/* SPDX-License-Identifier: MIT */
/* output-http-elasticsearch: a document about each answer of the HTTP outputs, through the bulk API
 * of Elasticsearch or OpenSearch. One bulk is under way at a time; what comes meanwhile waits in
 * the queue in front of us, and when that is full it is dropped: nobody waits for us.
 *
 * A node that is away, or takes nothing (429, 5xx), is tried again until it does, ever less often;
 * so is a document that it could not take, a bounded number of times. Documents have ids of ours,
 * so that one which is sent twice is stored once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/output.h"
#include "lib/own.h"
#include "lib/pem.h"
#include "outputs/curl_needs.h"
#include "outputs/elastic_bulk.h"
#include "outputs/elastic_url.h"
#include "outputs/outputs.h"

#define ELASTIC_PORT 9200 /* as in elastic_url.h */
#define OPTION "output-http-elasticsearch"
#define LINGER_NS NS_PER_S /* how long a document may wait for others */
#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (5 * NS_PER_S)
#define CONNECT_TIMEOUT_MS 10000L
#define TIMEOUT_MS 30000L /* longer than the node itself waits: elastic_url.c */
#define ANSWER_MAX (4 * MIB) /* 1000 documents need 100 KiB */
#define NEW_MAX 4

struct elastic {
    struct output base;
    bool curl_ready;
    struct elastic_url url;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *fields;
    struct elastic_bulk *bulk;
    enum elastic_fate *fates; /* BULK_DOCS */
    struct buf answer; /* so far */
    bool hurry; /* send what there is: there is no room, or the end has come */
    int64_t first_ns; /* when the first document was put into an empty bulk */
    struct backoff backoff;
    bool said_down;
    int fresh[NEW_MAX]; /* sockets whose connections are not yet noted as our own */
    size_t n_fresh;
    char fault[CURL_ERROR_SIZE]; /* libcurl's words */
    char tag[512];
};

static void elastic_close(struct output *out)
{
    if (!out)
        return;
    struct elastic *e = container_of(out, struct elastic, base);
    if (e->bulk && e->bulk->under_way)
        (void)curl_multi_remove_handle(e->multi, e->easy);
    curl_easy_cleanup(e->easy);
    curl_multi_cleanup(e->multi);
    curl_slist_free_all(e->fields);
    if (e->bulk)
        elastic_bulk_fini(e->bulk);
    mem_free(e->bulk);
    mem_free(e->fates);
    buf_fini(&e->answer);
    elastic_url_fini(&e->url);
    if (e->curl_ready)
        curl_global_cleanup();
    mem_free(e);
}

/* --- connections --- */

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct elastic *e = user;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd != -1 && e->n_fresh < NEW_MAX)
        e->fresh[e->n_fresh++] = fd;
    return fd == -1 ? CURL_SOCKET_BAD : fd;
}

/* Before the first byte of a bulk: its connection is up. */
static int on_up(void *user, char *peer, char *local, int peer_port, int local_port)
{
    struct elastic *e = user;
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    for (size_t i = 0; i < e->n_fresh; i++)
        own_note(e->fresh[i]);
    e->n_fresh = 0;
    return CURL_PREREQFUNC_OK;
}

static size_t on_answer(char *bytes, size_t one, size_t n, void *user)
{
    struct elastic *e = user;
    (void)one; /* is 1 */
    return buf_append(&e->answer, bytes, n) == 0 ? n : 0;
}

/* --- a bulk --- */

static bool begin(struct elastic *e)
{
    struct span text = elastic_bulk_begin(e->bulk);
    buf_consume(&e->answer, buf_span(&e->answer).len);
    e->fault[0] = '\0';
    e->n_fresh = 0;
    return curl_easy_setopt(e->easy, CURLOPT_POSTFIELDS, text.ptr) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)text.len) ==
               CURLE_OK &&
           curl_multi_add_handle(e->multi, e->easy) == CURLM_OK;
}

/* It does not work, for this reason; said once, until it does. */
static void failed(struct elastic *e, int64_t now_ns, const char *why)
{
    backoff_failed(&e->backoff, now_ns);
    if (!e->said_down)
        log_warn(e->tag, "cannot store documents: %s; trying again until it works", why);
    e->said_down = true;
    elastic_bulk_again(e->bulk);
}

static void tell_refused(struct elastic *e, const struct elastic_fault *fault)
{
    log_often(LOG_WARN, e->tag, "refuses",
              "the node refuses documents: status %d%s%s (the summary counts all)", fault->status,
              fault->type[0] ? ", " : "", fault->type);
}

/* An answer of status 200: the fates of the documents. */
static void stored(struct elastic *e, int64_t now_ns)
{
    struct elastic_fault fault;
    if (elastic_answer_read(buf_span(&e->answer), e->bulk->n, e->fates, &fault) < 0) {
        failed(e, now_ns, "the answer is not one to a bulk; is this Elasticsearch?");
        return;
    }
    if (e->said_down)
        log_info(e->tag, "documents are stored again");
    e->said_down = false;
    if (fault.status != 0)
        tell_refused(e, &fault);
    if (elastic_bulk_answered(e->bulk, e->fates))
        backoff_failed(&e->backoff, now_ns);
    else
        backoff_worked(&e->backoff);
}

static void done(struct elastic *e, CURLcode result, int64_t now_ns)
{
    struct elastic_fault fault = {0};
    char why[32];
    long status = 0;
    (void)curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &status);
    fault.status = (int)status;
    snprintf(why, sizeof(why), "status %ld", status);
    e->hurry = false;
    e->first_ns = now_ns;
    if (result != CURLE_OK) {
        failed(e, now_ns, e->fault[0] ? e->fault : curl_easy_strerror(result));
    } else if (status == 200) {
        stored(e, now_ns);
    } else if (elastic_fate_of(status) == ELASTIC_REFUSED) { /* a login, or a path */
        tell_refused(e, &fault);
        backoff_failed(&e->backoff, now_ns);
        elastic_bulk_refused(e->bulk);
    } else {
        failed(e, now_ns, why);
    }
}

/* Nanoseconds until there is a bulk to begin; 0: now. */
static int64_t left_ns(const struct elastic *e, int64_t now_ns)
{
    if (e->bulk->under_way || e->bulk->n == 0)
        return INT64_MAX;
    int64_t pause_ns = backoff_left_ns(&e->backoff, now_ns);
    int64_t linger_ns = e->hurry ? 0 : e->first_ns + LINGER_NS - now_ns;
    return pause_ns > linger_ns ? pause_ns : linger_ns > 0 ? linger_ns : 0;
}

static void begin_if_due(struct elastic *e, int64_t now_ns)
{
    if (left_ns(e, now_ns) > 0 || begin(e))
        return;
    failed(e, now_ns, "no memory");
}

/* Takes what has come. */
static void run(struct elastic *e)
{
    int running = 0, left = 0;
    const CURLMsg *msg;
    (void)curl_multi_perform(e->multi, &running);
    while ((msg = curl_multi_info_read(e->multi, &left))) {
        CURLcode result = msg->data.result;
        if (msg->msg != CURLMSG_DONE)
            continue;
        (void)curl_multi_remove_handle(e->multi, e->easy);
        done(e, result, clock_mono_ns());
    }
}

/* --- the output --- */

static enum output_result elastic_write(struct output *out, const struct msg *msg)
{
    struct elastic *e = container_of(out, struct elastic, base);
    if (msg->type != MSG_REPLAYED || !msg->request)
        return OUTPUT_SKIPPED;
    if (!elastic_bulk_has_room(e->bulk, msg)) {
        e->hurry = true;
        return OUTPUT_BUSY;
    }
    if (e->bulk->n == 0)
        e->first_ns = clock_mono_ns();
    return elastic_bulk_add(e->bulk, msg) == 0 ? OUTPUT_TAKEN : OUTPUT_FAILED;
}

static void elastic_poll(struct output *out, int wake_fd, int timeout_ms)
{
    struct elastic *e = container_of(out, struct elastic, base);
    struct curl_waitfd extra = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
    begin_if_due(e, clock_mono_ns());
    if (e->bulk->under_way)
        run(e);
    int64_t wait_ns = left_ns(e, clock_mono_ns());
    if (wait_ns < timeout_ms * NS_PER_MS) /* rounded up, or we would wake too early */
        timeout_ms = (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
    if (timeout_ms > 0)
        (void)curl_multi_poll(e->multi, &extra, wake_fd == -1 ? 0 : 1, timeout_ms, NULL);
    if (e->bulk->under_way)
        run(e);
}

static enum output_result elastic_flush(struct output *out)
{
    struct elastic *e = container_of(out, struct elastic, base);
    e->hurry = true;
    return e->bulk->n > 0 ? OUTPUT_BUSY : OUTPUT_DONE;
}

/* --- set-up --- */

static bool set_tls(CURL *easy, const struct options *options)
{
    const char *ca = options_string(options, OPTION "-ca-cert");
    bool skip = options_bool(options, OPTION "-skip-verify");
    return curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, skip ? 0L : 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, skip ? 0L : 2L) == CURLE_OK &&
           (!ca[0] || curl_easy_setopt(easy, CURLOPT_CAINFO, ca) == CURLE_OK);
}

static bool set_login(CURL *easy, const struct elastic_url *url)
{
    return !url->user || (curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) == CURLE_OK &&
                          curl_easy_setopt(easy, CURLOPT_USERNAME, url->user) == CURLE_OK &&
                          curl_easy_setopt(easy, CURLOPT_PASSWORD, url->password) == CURLE_OK);
}

static bool set_callbacks(struct elastic *e)
{
    return curl_easy_setopt(e->easy, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_WRITEDATA, e) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_OPENSOCKETDATA, e) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_PREREQFUNCTION, on_up) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_PREREQDATA, e) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_ERRORBUFFER, e->fault) == CURLE_OK;
}

static bool set_up_easy(struct elastic *e, const struct options *options)
{
    struct curl_slist *fields = curl_slist_append(NULL, "Content-Type: application/x-ndjson");
    e->fields = curl_slist_append(fields, "Expect:"); /* no waiting for 100 */
    if (!e->fields)
        curl_slist_free_all(fields);
    e->easy = curl_easy_init();
    return e->fields && e->easy && set_callbacks(e) && set_login(e->easy, &e->url) &&
           set_tls(e->easy, options) &&
           curl_easy_setopt(e->easy, CURLOPT_URL, e->url.bulk) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_HTTPHEADER, e->fields) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) == CURLE_OK;
}

static int set_up(struct elastic *e, const struct output_args *args, struct err *err)
{
    const struct options *options = args->options;
    const char *ca = options_string(options, OPTION "-ca-cert");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_failure(err, "--" OPTION ": libcurl does not start");
    e->curl_ready = true;
    int r =
        elastic_url_parse(&e->url, args->address, options_string(options, OPTION "-password"), err);
    if (r == 0 && ca[0])
        r = pem_want_cert(OPTION "-ca-cert", ca, err);
    if (r < 0)
        return r;
    snprintf(e->tag, sizeof(e->tag), OPTION " %s", e->url.shown);
    buf_init(&e->answer, ANSWER_MAX);
    backoff_init(&e->backoff, BACKOFF_FIRST_NS, BACKOFF_MAX_NS);
    e->fates = mem_zalloc(MEM_IO, BULK_DOCS * sizeof(*e->fates));
    e->bulk = mem_alloc(MEM_IO, sizeof(*e->bulk));
    if (e->bulk)
        elastic_bulk_init(e->bulk, &e->base);
    e->multi = curl_multi_init();
    if (!e->fates || !e->bulk || !e->multi || !set_up_easy(e, options))
        return err_sys(err, ENOMEM, "--" OPTION " \"%s\"", e->url.shown);
    return 0;
}

static void elastic_needs(struct needs *needs, const struct output_args *args)
{
    /* without a port it is Elasticsearch's own, whatever the scheme */
    const char *scheme = strstr(args->address, "://");
    curl_needs(needs, OPTION, scheme ? scheme + 3 : args->address, ELASTIC_PORT);
    needs_path(needs, NEED_READ, OPTION "-ca-cert",
               options_string(args->options, OPTION "-ca-cert"));
}

static int elastic_open(struct output **outp, const struct output_args *args, struct err *err)
{
    struct elastic *e = mem_zalloc(MEM_IO, sizeof(*e));
    if (!e)
        return err_sys(err, ENOMEM, "--" OPTION);
    e->base = (struct output){.ops = &output_elastic, .books = args->books};
    int r = set_up(e, args, err);
    if (r < 0) {
        elastic_close(&e->base);
        return r;
    }
    *outp = &e->base;
    return 0;
}

const struct output_ops output_elastic = {
    .option = OPTION,
    .documents = true,
    .needs = elastic_needs,
    .open = elastic_open,
    .write = elastic_write,
    .poll = elastic_poll,
    .flush = elastic_flush,
    .close = elastic_close,
};
