/* SPDX-License-Identifier: MIT */
#include "outputs/http2_pool.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/own.h"
#include "outputs/http2_exchange.h"

/* Streams at once, over all connections: a server allows 100 to 250 on each. */
#define MAX_STREAMS 1024
#define NEW_MAX 64

/* Without TLS nothing tells whether a server speaks HTTP/2: it is taken at the user's word. libcurl
 * up to 8.0 cannot use such a connection again for a handle that says so, too: it fails with
 * CURLE_HTTP2. So one exchange at a time may open the connection, and all others may only join it.
 */

struct http2_pool {
    struct http_work work;
    struct http_dialer_config dial;
    CURLM *multi;
    struct http2_exchange *exchanges; /* MAX_STREAMS */
    struct http2_exchange *free;
    size_t n_made; /* of them have a handle */
    bool plain; /* no TLS */
    struct http2_exchange *opener; /* plain: may open the connection, which is not up yet */
    size_t n_open; /* sockets */
    int fresh[NEW_MAX]; /* sockets whose connections are not yet noted as our own */
    size_t n_fresh;
};

/* --- connections --- */

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http2_exchange *x = user;
    struct http2_pool *pool = x->owner;
    (void)purpose;
    if (pool->plain && x != pool->opener) {
        x->refused = true; /* the connection that it was to join has gone */
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd == -1)
        return CURL_SOCKET_BAD;
    pool->n_open++;
    if (pool->n_fresh < NEW_MAX)
        pool->fresh[pool->n_fresh++] = fd;
    return fd;
}

static int on_close(void *user, curl_socket_t fd)
{
    struct http2_pool *pool = user;
    pool->n_open--;
    return close(fd);
}

/* Before the first byte of a request: its connection is up. */
static int on_up(void *user, char *peer, char *local, int peer_port, int local_port)
{
    struct http2_exchange *x = user;
    struct http2_pool *pool = x->owner;
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    for (size_t i = 0; i < pool->n_fresh; i++)
        own_note(pool->fresh[i]);
    pool->n_fresh = 0;
    if (pool->opener == x)
        pool->opener = NULL;
    return CURL_PREREQFUNC_OK;
}

static bool set_up(struct http2_pool *pool, struct http2_exchange *x)
{
    long timeout_ms = (long)(pool->work.config.timeout_ns / NS_PER_MS);
    CURL *easy = x->easy;
    x->owner = pool;
    return http_dial_set_up(easy, &pool->dial) &&
           curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, x) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, pool) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_up) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, x) == CURLE_OK;
}

/* May another exchange begin now? Then it is told whether it opens the connection. */
static bool set_version(struct http2_pool *pool, struct http2_exchange *x)
{
    bool opens = pool->plain && pool->n_open == 0;
    long version = opens ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_2TLS;
    if (opens)
        pool->opener = x;
    return curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION, version) == CURLE_OK;
}

/* --- exchanges --- */

/* NULL: all are under way, or no memory for another. */
static struct http2_exchange *free_exchange(struct http2_pool *pool)
{
    struct http2_exchange *x = pool->free;
    if (x) {
        pool->free = x->next;
        return x;
    }
    if (pool->n_made == MAX_STREAMS)
        return NULL;
    x = &pool->exchanges[pool->n_made];
    *x = (struct http2_exchange){0};
    if (!http2_exchange_init(x) || !set_up(pool, x)) {
        http2_exchange_fini(x);
        return NULL;
    }
    pool->n_made++;
    return x;
}

static void give_back(struct http2_pool *pool, struct http2_exchange *x)
{
    http2_exchange_end(x);
    if (pool->opener == x)
        pool->opener = NULL;
    x->next = pool->free;
    pool->free = x;
}

/* Why a transfer failed, as the books have it. */
static enum book class_of(CURLcode result, bool *unsent)
{
    *unsent = false;
    switch (result) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        *unsent = true;
        return BOOK_HTTP_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return BOOK_HTTP_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return BOOK_HTTP_NO_MEMORY;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
        return BOOK_HTTP_BAD_ANSWER;
    default:
        return http_dial_is_tls((int)result) ? BOOK_HTTP_TLS : BOOK_HTTP_RESET;
    }
}

static void failed(struct http2_pool *pool, const struct http2_exchange *x, CURLcode result)
{
    bool unsent;
    enum book why = class_of(result, &unsent);
    if (x->refused)
        http_lanes_back(pool->work.lanes, x->lane, true); /* it goes over the next connection */
    else if (unsent)
        http_work_fail_unsent(&pool->work, x->lane, why);
    else
        http_work_fail(&pool->work, x->lane, why);
}

static void done(struct http2_pool *pool, struct http2_exchange *x, CURLcode result, int64_t now_ns)
{
    struct http_answer answer;
    struct http_view view;
    long connects = 0;
    if (curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK && connects > 0)
        book_add(pool->work.config.out->books, BOOK_HTTP_CONNECTIONS, (uint64_t)connects);
    if (result != CURLE_OK)
        failed(pool, x, result);
    else if (http2_exchange_answer(x, &answer, &view))
        http_work_answered(&pool->work, x->lane, &answer, true, now_ns);
    else
        http_work_fail(&pool->work, x->lane, BOOK_HTTP_BAD_ANSWER);
    give_back(pool, x);
}

/* Begins what can begin. */
static void dispatch(struct http2_pool *pool, int64_t now_ns)
{
    struct http2_exchange *x;
    size_t keeps = http_work_keeps(&pool->work);
    while (http_lanes_ready(pool->work.lanes) > 0 && !pool->opener && (x = free_exchange(pool))) {
        struct http_lane *lane = http_lanes_next(pool->work.lanes);
        if (set_version(pool, x) &&
            http2_exchange_begin(x, &pool->work.config, lane, keeps, now_ns) == 0 &&
            curl_multi_add_handle(pool->multi, x->easy) == CURLM_OK) {
            http_work_sent(&pool->work, lane, now_ns);
            continue;
        }
        give_back(pool, x);
        http_work_fail(&pool->work, lane, BOOK_HTTP_NO_MEMORY);
    }
}

/* --- the pool --- */

int http2_pool_new(struct http2_pool **poolp, const struct http2_pool_config *config)
{
    struct http2_pool *pool = mem_zalloc(MEM_IO, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    pool->dial = config->dial;
    pool->plain = !config->work.target->tls;
    size_t max_conns = pool->plain ? 1 : config->max_conns;
    pool->multi = curl_multi_init();
    pool->exchanges = mem_zalloc(MEM_IO, MAX_STREAMS * sizeof(*pool->exchanges));
    int r = http_work_init(&pool->work, &config->work);
    if (r == 0 && (!pool->multi || !pool->exchanges ||
                   curl_multi_setopt(pool->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                                     (long)max_conns) != CURLM_OK))
        r = -ENOMEM;
    if (r < 0) {
        http2_pool_free(pool);
        return r;
    }
    *poolp = pool;
    return 0;
}

void http2_pool_free(struct http2_pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; pool->exchanges && i < pool->n_made; i++) {
        struct http2_exchange *x = &pool->exchanges[i];
        if (x->lane) {
            (void)curl_multi_remove_handle(pool->multi, x->easy);
            http_work_abandon(&pool->work, x->lane);
        }
        http2_exchange_fini(x);
    }
    http_work_fini(&pool->work);
    curl_multi_cleanup(pool->multi); /* closes connections, so it comes last */
    mem_free(pool->exchanges);
    mem_free(pool);
}

enum output_result http2_pool_put(struct http2_pool *pool, const struct msg *msg)
{
    if (!http_lanes_put(pool->work.lanes, msg))
        return OUTPUT_BUSY;
    dispatch(pool, clock_mono_ns());
    return OUTPUT_TAKEN;
}

/* Moves bytes; settles what has ended, and says whether anything has. */
static bool perform(struct http2_pool *pool)
{
    int running = 0, left = 0;
    const CURLMsg *msg;
    bool any = false;
    (void)curl_multi_perform(pool->multi, &running);
    int64_t now_ns = clock_mono_ns();
    while ((msg = curl_multi_info_read(pool->multi, &left))) {
        struct http2_exchange *x = NULL;
        CURLcode result = msg->data.result;
        if (msg->msg != CURLMSG_DONE ||
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&x) != CURLE_OK)
            continue;
        (void)curl_multi_remove_handle(pool->multi, x->easy);
        done(pool, x, result, now_ns);
        any = true;
    }
    return any;
}

void http2_pool_run(struct http2_pool *pool, int wake_fd, int timeout_ms)
{
    struct curl_waitfd extra = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
    dispatch(pool, clock_mono_ns());
    /* what has ended may be all that was under way: then there is nothing to wait for */
    if (!perform(pool) && timeout_ms > 0) {
        (void)curl_multi_poll(pool->multi, &extra, wake_fd == -1 ? 0 : 1, timeout_ms, NULL);
        (void)perform(pool);
    }
    dispatch(pool, clock_mono_ns());
}

void http2_pool_pause(struct http2_pool *pool, enum output_pause how)
{
    http_work_pause(&pool->work, how);
}

size_t http2_pool_held(const struct http2_pool *pool)
{
    return http_lanes_held(pool->work.lanes);
}
