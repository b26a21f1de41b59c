/* SPDX-License-Identifier: MIT */
#include "outputs/http_pool.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define EVENTS 256

struct http_pool {
    struct http_work work;
    struct http_wire wire;
    struct http_conns *conns;
    uint64_t max_exchanges;
};

int http_pool_new(struct http_pool **poolp, const struct http_pool_config *config)
{
    struct http_pool *pool = mem_zalloc(MEM_IO, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    pool->max_exchanges = config->max_exchanges;
    pool->wire.target = config->work.target;
    pool->wire.original_host = config->work.original_host;
    pool->wire.pad_cut = config->pad_cut;
    pool->wire.books = config->work.out->books;
    int r = http_work_init(&pool->work, &config->work);
    if (r == 0)
        r = http_conns_new(&pool->conns, &config->conns);
    if (r < 0) {
        http_pool_free(pool);
        return r;
    }
    *poolp = pool;
    return 0;
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
    http_work_fail(&pool->work, lane, why);
}

static void answered(struct http_pool *pool, struct http_conn *conn, int64_t now_ns)
{
    struct http_lane *lane = take_lane(conn);
    struct http_view view = conn->framer.view;
    struct buf bytes = conn->answer;
    const struct http_answer answer = {
        .bytes = buf_span(&bytes),
        .view = &view,
        .cut = conn->answer_cut,
        .ts_ns = conn->answer_ns,
        .latency_ns = conn->answer_after_ns,
        .sent_ns = conn->since_ns,
    };
    buf_init(&conn->answer, SIZE_MAX); /* it outlives the connection */
    bool worn = pool->max_exchanges > 0 && conn->exchanges >= pool->max_exchanges;
    http_voice_answered(pool->work.config.voice);
    if (conn->keep && !worn)
        http_conns_rest(pool->conns, conn, now_ns);
    else
        http_conns_drop(pool->conns, conn);
    /* Back in front, the lane gets this connection again, now the first of the idle ones; unless
     * others wait and no more connections may be opened. */
    bool scarce = !http_conns_room(pool->conns) && http_lanes_ready(pool->work.lanes) > 0;
    http_work_answered(&pool->work, lane, &answer, !scarce, now_ns);
    buf_fini(&bytes);
}

/* What an exchange has come to. */
static void outcome(struct http_pool *pool, struct http_conn *conn, enum http_io io, int64_t now_ns)
{
    struct http_lane *lane = conn->lane;
    bool fresh = conn->exchanges == 1;
    switch (io) {
    case HTTP_IO_MORE:
        http_conns_watch(pool->conns, conn);
        break;
    case HTTP_IO_ANSWERED:
        http_conns_watch(pool->conns, conn);
        answered(pool, conn, now_ns);
        break;
    case HTTP_IO_UNSENT:
        conn->lane = NULL;
        http_conns_drop(pool->conns, conn);
        if (fresh) /* and dead: the next would be, too */
            http_work_fail_unsent(&pool->work, lane, BOOK_HTTP_RESET);
        else
            http_lanes_back(pool->work.lanes, lane, true);
        break;
    case HTTP_IO_BROKEN:
        if (!fresh && !conn->got_some)
            http_conns_beware(pool->conns, now_ns);
        fail(pool, conn, BOOK_HTTP_RESET);
        break;
    case HTTP_IO_BAD:
        fail(pool, conn, BOOK_HTTP_BAD_ANSWER);
        break;
    case HTTP_IO_ALERT:
        http_voice_alerted(pool->work.config.voice, http_dial_error(conn->dial));
        fail(pool, conn, BOOK_HTTP_TLS);
        break;
    case HTTP_IO_NO_MEMORY:
        conn->lane = NULL;
        http_conns_rest(pool->conns, conn, now_ns);
        http_work_fail(&pool->work, lane, BOOK_HTTP_NO_MEMORY);
        break;
    }
}

/* When nothing can be connected to, what waits for a connection has failed, once. */
static void look_for_failure(struct http_pool *pool)
{
    if (http_conns_failed(pool->conns))
        http_work_refuse(&pool->work, http_conns_health(pool->conns)->why);
}

/* Sends what can be sent. */
static void dispatch(struct http_pool *pool, int64_t now_ns)
{
    struct http_lanes *lanes = pool->work.lanes;
    while (http_lanes_ready(lanes) > 0) {
        uint64_t session = http_lane_conn(http_lanes_first(lanes));
        struct http_conn *conn = http_conns_idle(pool->conns, session, now_ns);
        if (!conn) {
            size_t open = http_conns_open(pool->conns);
            http_conns_dial(pool->conns, http_lanes_ready(lanes), now_ns);
            look_for_failure(pool);
            if (http_conns_open(pool->conns) == open)
                return;
            continue;
        }
        conn->lane = http_lanes_next(lanes);
        http_conns_work(pool->conns, conn, session, now_ns);
        enum http_io io = http_conn_begin(conn, &pool->wire, http_lane_msg(conn->lane));
        if (io == HTTP_IO_MORE)
            http_work_sent(&pool->work, conn->lane, now_ns);
        outcome(pool, conn, io, now_ns);
    }
}

int64_t http_pool_due_ns(const struct http_pool *pool)
{
    int64_t due = http_conns_due_ns(pool->conns, http_lanes_ready(pool->work.lanes));
    const struct http_conn *conn = http_conns_oldest(pool->conns);
    if (conn && conn->since_ns + pool->work.config.timeout_ns < due)
        due = conn->since_ns + pool->work.config.timeout_ns;
    return due;
}

void http_pool_run(struct http_pool *pool, int wake_fd, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    struct http_conn *conn;
    if (wake_fd != -1 && timeout_ms > 0) {
        struct pollfd fds[2] = {{.fd = http_conns_fd(pool->conns), .events = POLLIN},
                                {.fd = wake_fd, .events = POLLIN}};
        if (poll(fds, ARRAY_LEN(fds), timeout_ms) > 0 && fds[0].revents == 0)
            return;
        timeout_ms = 0;
    }
    int n = epoll_wait(http_conns_fd(pool->conns), events, EVENTS, timeout_ms);
    int64_t now_ns = clock_mono_ns();
    for (int i = 0; i < n; i++) {
        conn = http_conns_event(pool->conns, events[i].data.u64, events[i].events, now_ns);
        if (conn)
            outcome(pool, conn, http_conn_ready(conn, &pool->wire), now_ns);
    }
    while ((conn = http_conns_oldest(pool->conns)) &&
           conn->since_ns + pool->work.config.timeout_ns <= now_ns)
        fail(pool, conn, BOOK_HTTP_TIMEOUT);
    http_conns_tick(pool->conns, now_ns);
    look_for_failure(pool);
    dispatch(pool, now_ns);
}

enum output_result http_pool_put(struct http_pool *pool, const struct msg *msg)
{
    /* it is known only now: the pipeline asks for answers after the output was opened */
    pool->wire.keep_answer = http_work_keeps(&pool->work);
    if (!http_lanes_put(pool->work.lanes, msg)) {
        if (!http_conns_down(pool->conns) || pool->work.config.retries > 0)
            return OUTPUT_BUSY;
        /* a target that is away must not hold up the replay */
        http_work_refuse(&pool->work, http_conns_health(pool->conns)->why);
        if (!http_lanes_put(pool->work.lanes, msg))
            return OUTPUT_BUSY;
    }
    dispatch(pool, clock_mono_ns());
    return OUTPUT_TAKEN;
}

void http_pool_pause(struct http_pool *pool, enum output_pause how)
{
    http_work_pause(&pool->work, how);
}

size_t http_pool_held(const struct http_pool *pool)
{
    return http_lanes_held(pool->work.lanes);
}

void http_pool_free(struct http_pool *pool)
{
    if (!pool)
        return;
    struct http_conn *conn;
    while (pool->conns && (conn = http_conns_oldest(pool->conns))) {
        struct http_lane *lane = take_lane(conn);
        http_conns_drop(pool->conns, conn);
        http_lanes_back(pool->work.lanes, lane, true);
    }
    http_work_fini(&pool->work);
    http_conns_free(pool->conns);
    mem_free(pool);
}
