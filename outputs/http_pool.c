/* SPDX-License-Identifier: MIT */
#include "outputs/http_pool.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/own.h"
#include "outputs/http_conn.h"

#define EVENTS 256
#define BACKOFF_FIRST_NS (50 * NS_PER_MS)
#define BACKOFF_MAX_NS NS_PER_S
/* Idle connections beyond a few are closed after a while. */
#define KEEP_IDLE 4
#define IDLE_NS (10 * NS_PER_S)
/* Idle for longer than this, a connection is looked at before it is used: the server may have
 * closed it since the last look at the sockets. */
#define STALE_NS NS_PER_MS

TAILQ_HEAD(conn_list, http_conn);

/* Always true: a connection is in exactly one of idle, busy and dialing (by its state), or its slot
 * is in free_slots. busy is in order of since_ns, idle has the most recently used first. */
struct http_pool {
    struct http_pool_config config;
    struct http_wire wire;
    struct http_dialer *dialer;
    struct http_lanes *lanes;
    int epfd;
    struct http_conn **conns; /* by slot; NULL: never used */
    uint32_t *free_slots;
    size_t n_free_slots;
    struct conn_list idle, busy, dialing;
    size_t n_idle, n_busy, n_dialing;
    struct backoff backoff;
    bool down; /* the last attempt failed, and no connection is open */
    bool said_down;
    struct log_limit log_limit;
};

int http_pool_new(struct http_pool **poolp, const struct http_pool_config *config)
{
    assert(config->max_conns > 0 && config->max_held > 0 && config->timeout_ns > 0);
    struct http_pool *pool = mem_zalloc(MEM_IO, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    pool->config = *config;
    pool->wire.target = config->target;
    pool->wire.original_host = config->original_host;
    pool->wire.books = config->out->books;
    TAILQ_INIT(&pool->idle);
    TAILQ_INIT(&pool->busy);
    TAILQ_INIT(&pool->dialing);
    backoff_init(&pool->backoff, BACKOFF_FIRST_NS, BACKOFF_MAX_NS);
    pool->epfd = epoll_create1(EPOLL_CLOEXEC);
    int r = pool->epfd == -1 ? -errno : 0;
    pool->conns = mem_zalloc(MEM_IO, config->max_conns * sizeof(struct http_conn *));
    pool->free_slots = mem_alloc(MEM_IO, config->max_conns * sizeof(*pool->free_slots));
    if (r == 0 && (!pool->conns || !pool->free_slots))
        r = -ENOMEM;
    if (r == 0)
        r = http_lanes_new(&pool->lanes, config->max_held);
    struct http_dialer_config dialer = {.target = config->target,
                                        .epfd = pool->epfd,
                                        .timeout_ns = config->timeout_ns,
                                        .skip_verify = config->skip_verify};
    if (r == 0)
        r = http_dialer_new(&pool->dialer, &dialer);
    if (r < 0) {
        http_pool_free(pool);
        return r;
    }
    while (pool->n_free_slots < config->max_conns) {
        pool->free_slots[pool->n_free_slots] =
            (uint32_t)(config->max_conns - 1 - pool->n_free_slots);
        pool->n_free_slots++;
    }
    *poolp = pool;
    return 0;
}

static size_t n_open(const struct http_pool *pool)
{
    return pool->n_idle + pool->n_busy;
}

/* The connection's list by its state; NULL when free. */
static struct conn_list *list_of(struct http_pool *pool, const struct http_conn *conn,
                                 size_t **count)
{
    switch (conn->state) {
    case CONN_IDLE:
        *count = &pool->n_idle;
        return &pool->idle;
    case CONN_BUSY:
        *count = &pool->n_busy;
        return &pool->busy;
    case CONN_DIALING:
        *count = &pool->n_dialing;
        return &pool->dialing;
    case CONN_FREE:
        break;
    }
    *count = NULL;
    return NULL;
}

static void set_state(struct http_pool *pool, struct http_conn *conn, enum http_conn_state state,
                      int64_t now_ns)
{
    size_t *count;
    struct conn_list *list = list_of(pool, conn, &count);
    if (list) {
        TAILQ_REMOVE(list, conn, link);
        (*count)--;
    }
    conn->state = state;
    conn->since_ns = now_ns;
    list = list_of(pool, conn, &count);
    if (!list)
        return;
    if (state == CONN_IDLE)
        TAILQ_INSERT_HEAD(list, conn, link);
    else
        TAILQ_INSERT_TAIL(list, conn, link);
    (*count)++;
}

static void drop_conn(struct http_pool *pool, struct http_conn *conn)
{
    assert(!conn->lane);
    if (conn->tls && conn->fd != -1) /* libcurl closes it, and does not know of our epoll */
        (void)epoll_ctl(pool->epfd, EPOLL_CTL_DEL, conn->fd, NULL);
    set_state(pool, conn, CONN_FREE, 0);
    http_conn_fini(conn);
    pool->free_slots[pool->n_free_slots++] = conn->slot;
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

/* The exchange on conn has failed, because of which. */
static void fail(struct http_pool *pool, struct http_conn *conn, enum book why)
{
    struct http_lane *lane = conn->lane;
    conn->lane = NULL;
    book_one(pool->config.out->books, why);
    drop_conn(pool, conn);
    settle(pool, lane, BOOK_FAILED, true);
}

static void answered(struct http_pool *pool, struct http_conn *conn, int64_t now_ns)
{
    struct http_lane *lane = conn->lane;
    int64_t due_ns = http_lane_msg(lane)->due_ns;
    if (pool->config.latency) /* what a late request waited for is part of it */
        histogram_add(pool->config.latency, now_ns - (due_ns ? due_ns : conn->since_ns));
    conn->lane = NULL;
    count_status(pool, conn->framer.view.status);
    if (conn->keep)
        set_state(pool, conn, CONN_IDLE, now_ns);
    else
        drop_conn(pool, conn);
    /* Back in front, the lane gets this connection again, now the first of the idle ones; unless
     * others wait and no more connections may be opened. */
    bool scarce = pool->n_free_slots == 0 && http_lanes_ready(pool->lanes) > 0;
    settle(pool, lane, BOOK_DELIVERED, !scarce);
}

static void watch_write(struct http_pool *pool, struct http_conn *conn)
{
    bool want = http_conn_wants_write(conn);
    if (want == conn->watches_write)
        return;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (want ? EPOLLOUT : 0),
                                .data.u64 = http_event(conn->slot, conn->fd)};
    if (epoll_ctl(pool->epfd, EPOLL_CTL_MOD, conn->fd, &event) == 0)
        conn->watches_write = want;
}

/* What an exchange has come to. */
static void outcome(struct http_pool *pool, struct http_conn *conn, enum http_io io, int64_t now_ns)
{
    struct http_lane *lane = conn->lane;
    switch (io) {
    case HTTP_IO_MORE:
        watch_write(pool, conn);
        break;
    case HTTP_IO_ANSWERED:
        watch_write(pool, conn);
        answered(pool, conn, now_ns);
        break;
    case HTTP_IO_UNSENT:
        if (conn->exchanges == 1) { /* a new one that is dead: the next would be, too */
            fail(pool, conn, BOOK_HTTP_RESET);
            break;
        }
        conn->lane = NULL;
        drop_conn(pool, conn);
        http_lanes_back(pool->lanes, lane, true);
        break;
    case HTTP_IO_BROKEN:
        fail(pool, conn, BOOK_HTTP_RESET);
        break;
    case HTTP_IO_BAD:
        fail(pool, conn, BOOK_HTTP_BAD_ANSWER);
        break;
    case HTTP_IO_NO_MEMORY:
        conn->lane = NULL;
        set_state(pool, conn, CONN_IDLE, now_ns);
        settle(pool, lane, BOOK_FAILED, true);
        break;
    }
}

/* Nothing can be connected to: what waits for a connection has failed. */
static void refuse_waiting(struct http_pool *pool)
{
    struct http_lane *lane;
    while ((lane = http_lanes_next(pool->lanes))) {
        book_one(pool->config.out->books, BOOK_HTTP_REFUSED);
        settle(pool, lane, BOOK_FAILED, true);
    }
}

static void dial_failed(struct http_pool *pool, const char *why, int64_t now_ns)
{
    backoff_failed(&pool->backoff, now_ns);
    if (!pool->said_down && log_limit(&pool->log_limit)) {
        log_warn(pool->config.tag, "cannot connect: %s; trying again until it works", why);
        pool->said_down = true;
    }
    if (n_open(pool) > 0 || pool->n_dialing > 0)
        return;
    pool->down = true;
    refuse_waiting(pool);
}

static void dial_up(struct http_pool *pool, struct http_conn *conn, int64_t now_ns)
{
    struct http_dial *dial = conn->dial;
    bool tls = pool->config.target->tls;
    int fd = http_dial_take(dial);
    if (!tls)
        http_dial_free(dial);
    conn->dial = NULL;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP,
                                .data.u64 = http_event(conn->slot, fd)};
    if (fd >= 0)
        http_conn_up(conn, fd, tls ? dial : NULL);
    if (fd < 0 || epoll_ctl(pool->epfd, EPOLL_CTL_ADD, fd, &event) == -1) {
        int errnum = fd < 0 ? -fd : errno;
        if (fd < 0 && tls)
            conn->dial = dial;
        drop_conn(pool, conn);
        dial_failed(pool, err_text(errnum), now_ns);
        return;
    }
    own_note(fd);
    book_one(pool->config.out->books, BOOK_HTTP_CONNECTIONS);
    backoff_worked(&pool->backoff);
    if (pool->said_down)
        log_info(pool->config.tag, "connected");
    pool->down = pool->said_down = false;
    set_state(pool, conn, CONN_IDLE, now_ns);
}

static void step_dial(struct http_pool *pool, struct http_conn *conn, int fd, uint32_t events,
                      int64_t now_ns)
{
    switch (http_dial_step(conn->dial, fd, events)) {
    case DIAL_PENDING:
        break;
    case DIAL_UP:
        dial_up(pool, conn, now_ns);
        break;
    case DIAL_FAILED: {
        char why[256];
        snprintf(why, sizeof(why), "%s", http_dial_error(conn->dial));
        drop_conn(pool, conn);
        dial_failed(pool, why, now_ns);
        break;
    }
    }
}

static struct http_conn *new_conn(struct http_pool *pool)
{
    uint32_t slot = pool->free_slots[pool->n_free_slots - 1];
    struct http_conn *conn = pool->conns[slot];
    if (!conn) {
        conn = mem_zalloc(MEM_IO, sizeof(*conn));
        if (!conn)
            return NULL;
        conn->slot = slot;
        conn->fd = -1;
        pool->conns[slot] = conn;
    }
    conn->dial = http_dial_start(pool->dialer, slot);
    if (!conn->dial)
        return NULL;
    pool->n_free_slots--;
    return conn;
}

/* Should another connection be opened, apart from the time? One for each lane that waits; but one
 * attempt tells enough while nothing is known to listen there. */
static bool wants_dial(const struct http_pool *pool)
{
    return pool->n_dialing < http_lanes_ready(pool->lanes) && pool->n_free_slots > 0 &&
           !(pool->down && pool->n_dialing > 0);
}

static void dial_more(struct http_pool *pool, int64_t now_ns)
{
    while (wants_dial(pool) && backoff_left_ns(&pool->backoff, now_ns) == 0) {
        struct http_conn *conn = new_conn(pool);
        if (!conn) {
            dial_failed(pool, err_text(ENOMEM), now_ns);
            return;
        }
        set_state(pool, conn, CONN_DIALING, now_ns);
        step_dial(pool, conn, -1, 0, now_ns);
    }
}

static struct http_conn *idle_conn(struct http_pool *pool, int64_t now_ns)
{
    struct http_conn *conn;
    while ((conn = TAILQ_FIRST(&pool->idle))) {
        if (now_ns - conn->since_ns < STALE_NS || http_conn_alive(conn))
            return conn;
        drop_conn(pool, conn);
    }
    return NULL;
}

/* Sends what can be sent. */
static void dispatch(struct http_pool *pool, int64_t now_ns)
{
    while (http_lanes_ready(pool->lanes) > 0) {
        struct http_conn *conn = idle_conn(pool, now_ns);
        if (!conn) {
            size_t idle_before = pool->n_idle;
            dial_more(pool, now_ns);
            if (pool->n_idle == idle_before)
                return;
            continue;
        }
        conn->lane = http_lanes_next(pool->lanes);
        set_state(pool, conn, CONN_BUSY, now_ns);
        enum http_io io = http_conn_begin(conn, &pool->wire, http_lane_msg(conn->lane));
        outcome(pool, conn, io, now_ns);
    }
}

static void handle(struct http_pool *pool, const struct epoll_event *event, int64_t now_ns)
{
    uint32_t slot = http_event_slot(event->data.u64);
    int fd = http_event_fd(event->data.u64);
    struct http_conn *conn = pool->conns[slot];
    if (!conn) /* the events of one wait may be older than what the first of them led to */
        return;
    if (conn->state == CONN_DIALING)
        step_dial(pool, conn, fd, event->events, now_ns);
    else if (conn->fd != fd)
        return;
    else if (conn->state == CONN_BUSY)
        outcome(pool, conn, http_conn_ready(conn, &pool->wire), now_ns);
    else if (conn->state == CONN_IDLE && !http_conn_alive(conn))
        drop_conn(pool, conn);
}

static void tick_dials(struct http_pool *pool, int64_t now_ns)
{
    struct http_conn *conn, *next;
    for (conn = TAILQ_FIRST(&pool->dialing); conn; conn = next) {
        next = TAILQ_NEXT(conn, link);
        if (http_dial_due_ns(conn->dial) <= now_ns)
            step_dial(pool, conn, -1, 0, now_ns);
    }
}

static void tick(struct http_pool *pool, int64_t now_ns)
{
    struct http_conn *conn;
    while ((conn = TAILQ_FIRST(&pool->busy)) && conn->since_ns + pool->config.timeout_ns <= now_ns)
        fail(pool, conn, BOOK_HTTP_TIMEOUT);
    while (pool->n_idle > KEEP_IDLE && (conn = TAILQ_LAST(&pool->idle, conn_list)) &&
           conn->since_ns + IDLE_NS <= now_ns)
        drop_conn(pool, conn);
    tick_dials(pool, now_ns);
}

int64_t http_pool_due_ns(const struct http_pool *pool)
{
    int64_t due = INT64_MAX;
    const struct http_conn *conn = TAILQ_FIRST(&pool->busy);
    if (conn)
        due = conn->since_ns + pool->config.timeout_ns;
    conn = pool->n_idle > KEEP_IDLE ? TAILQ_LAST(&pool->idle, conn_list) : NULL;
    if (conn && conn->since_ns + IDLE_NS < due)
        due = conn->since_ns + IDLE_NS;
    TAILQ_FOREACH(conn, &pool->dialing, link)
    if (http_dial_due_ns(conn->dial) < due)
        due = http_dial_due_ns(conn->dial);
    if (wants_dial(pool) && pool->backoff.until_ns < due)
        due = pool->backoff.until_ns;
    return due;
}

void http_pool_run(struct http_pool *pool, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(pool->epfd, events, EVENTS, timeout_ms);
    int64_t now_ns = clock_mono_ns();
    for (int i = 0; i < n; i++)
        handle(pool, &events[i], now_ns);
    tick(pool, now_ns);
    dispatch(pool, now_ns);
}

enum output_result http_pool_put(struct http_pool *pool, const struct msg *msg)
{
    if (!http_lanes_put(pool->lanes, msg)) {
        if (!pool->down)
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
    return pool->epfd;
}

size_t http_pool_held(const struct http_pool *pool)
{
    return http_lanes_held(pool->lanes);
}

static void abandon_all(struct http_pool *pool)
{
    struct http_conn *conn;
    while ((conn = TAILQ_FIRST(&pool->busy))) {
        struct http_lane *lane = conn->lane;
        conn->lane = NULL;
        drop_conn(pool, conn);
        http_lanes_back(pool->lanes, lane, true);
    }
    struct http_lane *lane;
    while ((lane = http_lanes_next(pool->lanes)))
        settle(pool, lane, BOOK_ABANDONED, true);
}

void http_pool_free(struct http_pool *pool)
{
    if (!pool)
        return;
    if (pool->lanes)
        abandon_all(pool);
    for (size_t i = 0; pool->conns && i < pool->config.max_conns; i++) {
        if (pool->conns[i])
            http_conn_fini(pool->conns[i]);
        mem_free(pool->conns[i]);
    }
    http_lanes_free(pool->lanes);
    http_dialer_free(pool->dialer);
    mem_free(pool->conns);
    mem_free(pool->free_slots);
    if (pool->epfd != -1)
        close(pool->epfd);
    mem_free(pool);
}
