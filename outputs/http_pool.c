/* SPDX-License-Identifier: MIT */
#include "outputs/http_pool.h"

#include <errno.h>
#include <sys/epoll.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "outputs/http_lanes.h"
#include "outputs/http_redirect.h"

#define EVENTS 256

struct http_pool {
    struct http_pool_config config;
    struct http_wire wire;
    struct http_conns *conns;
    struct http_lanes *lanes;
    struct log_limit log_limit;
};

int http_pool_new(struct http_pool **poolp, const struct http_pool_config *config)
{
    assert(config->max_held > 0 && config->timeout_ns > 0);
    struct http_pool *pool = mem_zalloc(MEM_IO, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    pool->config = *config;
    pool->wire.target = config->target;
    pool->wire.original_host = config->original_host;
    pool->wire.pad_cut = config->pad_cut;
    pool->wire.books = config->out->books;
    int r = http_lanes_new(&pool->lanes, config->max_held);
    if (r == 0)
        r = http_conns_new(&pool->conns, &config->conns);
    if (r < 0) {
        http_pool_free(pool);
        return r;
    }
    *poolp = pool;
    return 0;
}

static void count_status(struct http_pool *pool, uint16_t status)
{
    static const enum book books[] = {BOOK_HTTP_1XX, BOOK_HTTP_2XX, BOOK_HTTP_3XX, BOOK_HTTP_4XX,
                                      BOOK_HTTP_5XX};
    size_t class = status / 100;
    if (class >= 1 && class <= ARRAY_LEN(books))
        book_one(pool->config.out->books, books[class - 1]);
}

/* The first message of the lane has found its fate; the lane goes back. */
static void settle(struct http_pool *pool, struct http_lane *lane, enum book fate, bool front)
{
    const struct msg *msg = http_lane_pop(pool->lanes, lane);
    http_lanes_back(pool->lanes, lane, front);
    output_settle(pool->config.out, msg, fate);
}

/* The request of the lane has failed, because of which. */
static void fail_lane(struct http_pool *pool, struct http_lane *lane, enum book why)
{
    book_one(pool->config.out->books, why);
    if (log_limit(&pool->log_limit))
        log_warn(pool->config.tag, "%s (the summary counts all)", book_text(why));
    settle(pool, lane, BOOK_FAILED, true);
}

/* Nothing of the lane's request was sent. */
static void fail_unsent(struct http_pool *pool, struct http_lane *lane, enum book why)
{
    if (http_lane_try(lane) <= pool->config.retries) {
        book_one(pool->config.out->books, BOOK_HTTP_RETRIES);
        http_lanes_back(pool->lanes, lane, false);
        return;
    }
    fail_lane(pool, lane, why);
}

static struct http_lane *take_lane(struct http_conn *conn)
{
    struct http_lane *lane = conn->lane;
    conn->lane = NULL;
    return lane;
}

/* The exchange on conn has failed, because of which. */
static void fail(struct http_pool *pool, struct http_conn *conn, enum book why)
{
    struct http_lane *lane = take_lane(conn);
    http_conns_drop(pool->conns, conn);
    fail_lane(pool, lane, why);
}

/* Does the answer send the request elsewhere? Then the lane begins with that one. */
static bool redirected(struct http_pool *pool, struct http_lane *lane, const struct http_conn *conn)
{
    const struct msg *next = NULL;
    if (http_lane_hops(lane) >= pool->config.redirects)
        return false;
    enum redirect r = http_redirect(http_lane_msg(lane), pool->config.target,
                                    buf_span(&conn->answer), &conn->framer.view, &next);
    if (r == REDIRECT_ELSEWHERE)
        book_one(pool->config.out->books, BOOK_HTTP_ELSEWHERE);
    if (r != REDIRECT_FOLLOW)
        return false;
    book_one(pool->config.out->books, BOOK_HTTP_REDIRECTS);
    http_lane_replace(lane, next);
    return true;
}

/* Gives the answer on, as a message of its own. */
static void tell(struct http_pool *pool, const struct http_conn *conn, const struct msg *request)
{
    struct output *out = pool->config.out;
    struct msg *answer = http_conn_answer(conn, request, out->answer_max);
    if (!answer) {
        book_one(out->books, BOOK_HTTP_UNTOLD);
        return;
    }
    answer->replayed_by = out->number;
    sink_put(out->answers, answer);
}

static void answered(struct http_pool *pool, struct http_conn *conn, int64_t now_ns)
{
    struct http_lane *lane = take_lane(conn);
    const struct msg *request = http_lane_msg(lane);
    count_status(pool, conn->framer.view.status);
    bool goes_on = pool->config.redirects > 0 && redirected(pool, lane, conn);
    if (!goes_on && pool->config.latency) /* what a late request waited for is part of it */
        histogram_add(pool->config.latency,
                      now_ns - (request->due_ns ? request->due_ns : conn->since_ns));
    if (!goes_on && pool->config.out->answers)
        tell(pool, conn, request);
    bool worn = pool->config.max_exchanges > 0 && conn->exchanges >= pool->config.max_exchanges;
    if (conn->keep && !worn)
        http_conns_rest(pool->conns, conn, now_ns);
    else
        http_conns_drop(pool->conns, conn);
    /* Back in front, the lane gets this connection again, now the first of the idle ones; unless
     * others wait and no more connections may be opened. */
    bool scarce = !http_conns_room(pool->conns) && http_lanes_ready(pool->lanes) > 0;
    if (goes_on)
        http_lanes_back(pool->lanes, lane, !scarce);
    else
        settle(pool, lane, BOOK_DELIVERED, !scarce);
}

/* What an exchange has come to. */
static void outcome(struct http_pool *pool, struct http_conn *conn, enum http_io io, int64_t now_ns)
{
    struct http_lane *lane = conn->lane;
    switch (io) {
    case HTTP_IO_MORE:
        http_conns_watch(pool->conns, conn);
        break;
    case HTTP_IO_ANSWERED:
        http_conns_watch(pool->conns, conn);
        answered(pool, conn, now_ns);
        break;
    case HTTP_IO_UNSENT: {
        bool fresh = conn->exchanges == 1; /* and dead: the next would be, too */
        conn->lane = NULL;
        http_conns_drop(pool->conns, conn);
        if (fresh)
            fail_unsent(pool, lane, BOOK_HTTP_RESET);
        else
            http_lanes_back(pool->lanes, lane, true);
        break;
    }
    case HTTP_IO_BROKEN:
        fail(pool, conn, BOOK_HTTP_RESET);
        break;
    case HTTP_IO_BAD:
        fail(pool, conn, BOOK_HTTP_BAD_ANSWER);
        break;
    case HTTP_IO_NO_MEMORY:
        conn->lane = NULL;
        http_conns_rest(pool->conns, conn, now_ns);
        settle(pool, lane, BOOK_FAILED, true);
        break;
    }
}

static void refuse_waiting(struct http_pool *pool)
{
    struct http_lane *lane;
    while ((lane = http_lanes_next(pool->lanes)))
        fail_lane(pool, lane, BOOK_HTTP_REFUSED);
}

/* When nothing can be connected to, what waits for a connection has failed, once. */
static void look_for_failure(struct http_pool *pool)
{
    if (!http_conns_failed(pool->conns))
        return;
    if (pool->config.retries == 0)
        refuse_waiting(pool);
    else
        for (size_t n = http_lanes_ready(pool->lanes); n > 0; n--)
            fail_unsent(pool, http_lanes_next(pool->lanes), BOOK_HTTP_REFUSED);
}

/* Sends what can be sent. */
static void dispatch(struct http_pool *pool, int64_t now_ns)
{
    while (http_lanes_ready(pool->lanes) > 0) {
        uint64_t session = http_lane_conn(http_lanes_first(pool->lanes));
        struct http_conn *conn = http_conns_idle(pool->conns, session, now_ns);
        if (!conn) {
            size_t open = http_conns_open(pool->conns);
            http_conns_dial(pool->conns, http_lanes_ready(pool->lanes), now_ns);
            look_for_failure(pool);
            if (http_conns_open(pool->conns) == open)
                return;
            continue;
        }
        conn->lane = http_lanes_next(pool->lanes);
        http_conns_work(pool->conns, conn, session, now_ns);
        outcome(pool, conn, http_conn_begin(conn, &pool->wire, http_lane_msg(conn->lane)), now_ns);
    }
}

int64_t http_pool_due_ns(const struct http_pool *pool)
{
    int64_t due = http_conns_due_ns(pool->conns, http_lanes_ready(pool->lanes));
    const struct http_conn *conn = http_conns_oldest(pool->conns);
    if (conn && conn->since_ns + pool->config.timeout_ns < due)
        due = conn->since_ns + pool->config.timeout_ns;
    return due;
}

void http_pool_run(struct http_pool *pool, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(http_conns_fd(pool->conns), events, EVENTS, timeout_ms);
    int64_t now_ns = clock_mono_ns();
    struct http_conn *conn;
    for (int i = 0; i < n; i++) {
        conn = http_conns_event(pool->conns, events[i].data.u64, events[i].events, now_ns);
        if (conn)
            outcome(pool, conn, http_conn_ready(conn, &pool->wire), now_ns);
    }
    while ((conn = http_conns_oldest(pool->conns)) &&
           conn->since_ns + pool->config.timeout_ns <= now_ns)
        fail(pool, conn, BOOK_HTTP_TIMEOUT);
    http_conns_tick(pool->conns, now_ns);
    look_for_failure(pool);
    dispatch(pool, now_ns);
}

enum output_result http_pool_put(struct http_pool *pool, const struct msg *msg)
{
    /* they are known only now: the pipeline says so after the output was opened */
    pool->wire.keep_answer = pool->config.out->answers ? pool->config.out->answer_max : 0;
    if (pool->config.redirects > 0 && pool->wire.keep_answer < HTTP_MAX_HEAD)
        pool->wire.keep_answer = HTTP_MAX_HEAD;
    if (!http_lanes_put(pool->lanes, msg)) {
        if (!http_conns_down(pool->conns) || pool->config.retries > 0)
            return OUTPUT_BUSY;
        /* a target that is away must not hold up the replay */
        refuse_waiting(pool);
        if (!http_lanes_put(pool->lanes, msg))
            return OUTPUT_BUSY;
    }
    dispatch(pool, clock_mono_ns());
    return OUTPUT_TAKEN;
}

int http_pool_fd(const struct http_pool *pool)
{
    return http_conns_fd(pool->conns);
}

size_t http_pool_held(const struct http_pool *pool)
{
    return http_lanes_held(pool->lanes);
}

static void abandon_all(struct http_pool *pool)
{
    struct http_conn *conn;
    struct http_lane *lane;
    while ((conn = http_conns_oldest(pool->conns))) {
        lane = take_lane(conn);
        http_conns_drop(pool->conns, conn);
        http_lanes_back(pool->lanes, lane, true);
    }
    while ((lane = http_lanes_next(pool->lanes)))
        settle(pool, lane, BOOK_ABANDONED, true);
}

void http_pool_free(struct http_pool *pool)
{
    if (!pool)
        return;
    if (pool->conns)
        abandon_all(pool);
    http_lanes_free(pool->lanes);
    http_conns_free(pool->conns);
    mem_free(pool);
}
