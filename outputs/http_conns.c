/* SPDX-License-Identifier: MIT */
#include "outputs/http_conns.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/own.h"

/* Idle for longer than this, a connection is looked at before it is used: the server may have
 * closed it since the last look at the sockets. */
#define STALE_NS NS_PER_MS

/* A server that closes connections right behind an answer, and does not say so, would get every
 * second request into its closing. Once it was seen to, for a while a connection is used again only
 * after it has lived on for a moment. */
#define CLOSES_AT_ONCE_NS (10 * NS_PER_MS)
#define SETTLED_NS (2 * NS_PER_MS)
#define WARY_NS (10 * NS_PER_S)

TAILQ_HEAD(conn_list, http_conn);

/* Always true: a connection is in exactly one of idle, busy and dialing (by its state), or its slot
 * is in free_slots. busy is in order of since_ns, idle has the most recently used first. */
struct http_conns {
    struct http_conns_config config;
    struct http_dialer *dialer;
    int epfd;
    struct http_conn **conns; /* by slot; NULL: never used */
    uint32_t *free_slots;
    size_t n_free_slots;
    struct conn_list idle, busy, dialing;
    size_t n_idle, n_busy, n_dialing;
    struct http_health health;
    bool failed; /* it is down, and nobody was told yet */
    int64_t wary_until_ns;
};

int http_conns_new(struct http_conns **connsp, const struct http_conns_config *config)
{
    assert(config->max > 0 && config->dial.timeout_ns > 0);
    struct http_conns *conns = mem_zalloc(MEM_IO, sizeof(*conns));
    if (!conns)
        return -ENOMEM;
    conns->config = *config;
    TAILQ_INIT(&conns->idle);
    TAILQ_INIT(&conns->busy);
    TAILQ_INIT(&conns->dialing);
    http_health_init(&conns->health, config->voice);
    conns->epfd = epoll_create1(EPOLL_CLOEXEC);
    int r = conns->epfd == -1 ? -errno : 0;
    conns->conns = mem_zalloc(MEM_IO, config->max * sizeof(struct http_conn *));
    conns->free_slots = mem_alloc(MEM_IO, config->max * sizeof(*conns->free_slots));
    if (r == 0 && (!conns->conns || !conns->free_slots))
        r = -ENOMEM;
    conns->config.dial.epfd = conns->epfd;
    if (r == 0)
        r = http_dialer_new(&conns->dialer, &conns->config.dial);
    if (r < 0) {
        http_conns_free(conns);
        return r;
    }
    while (conns->n_free_slots < config->max) {
        conns->free_slots[conns->n_free_slots] = (uint32_t)(config->max - 1 - conns->n_free_slots);
        conns->n_free_slots++;
    }
    *connsp = conns;
    return 0;
}

void http_conns_free(struct http_conns *conns)
{
    if (!conns)
        return;
    for (size_t i = 0; conns->conns && i < conns->config.max; i++) {
        if (conns->conns[i])
            http_conn_fini(conns->conns[i]);
        mem_free(conns->conns[i]);
    }
    http_dialer_free(conns->dialer);
    mem_free(conns->conns);
    mem_free(conns->free_slots);
    if (conns->epfd != -1)
        close(conns->epfd);
    mem_free(conns);
}

int http_conns_fd(const struct http_conns *conns)
{
    return conns->epfd;
}

size_t http_conns_open(const struct http_conns *conns)
{
    return conns->n_idle + conns->n_busy;
}

bool http_conns_room(const struct http_conns *conns)
{
    return conns->n_free_slots > 0;
}

bool http_conns_down(const struct http_conns *conns)
{
    return conns->health.down;
}

struct http_health *http_conns_health(struct http_conns *conns)
{
    return &conns->health;
}

bool http_conns_failed(struct http_conns *conns)
{
    bool failed = conns->failed;
    conns->failed = false;
    return failed;
}

struct http_conn *http_conns_oldest(const struct http_conns *conns)
{
    return TAILQ_FIRST(&conns->busy);
}

/* The connection's list by its state; NULL when free. */
static struct conn_list *list_of(struct http_conns *conns, const struct http_conn *conn,
                                 size_t **count)
{
    switch (conn->state) {
    case CONN_IDLE:
        *count = &conns->n_idle;
        return &conns->idle;
    case CONN_BUSY:
        *count = &conns->n_busy;
        return &conns->busy;
    case CONN_DIALING:
        *count = &conns->n_dialing;
        return &conns->dialing;
    case CONN_FREE:
        break;
    }
    *count = NULL;
    return NULL;
}

static void set_state(struct http_conns *conns, struct http_conn *conn, enum http_conn_state state,
                      int64_t now_ns)
{
    size_t *count;
    struct conn_list *list = list_of(conns, conn, &count);
    if (list) {
        TAILQ_REMOVE(list, conn, link);
        (*count)--;
    }
    conn->state = state;
    conn->since_ns = now_ns;
    list = list_of(conns, conn, &count);
    if (!list)
        return;
    if (state == CONN_IDLE)
        TAILQ_INSERT_HEAD(list, conn, link);
    else
        TAILQ_INSERT_TAIL(list, conn, link);
    (*count)++;
}

void http_conns_drop(struct http_conns *conns, struct http_conn *conn)
{
    assert(!conn->lane);
    if (conn->tls && conn->fd != -1) /* libcurl closes it, and does not know of our epoll */
        (void)epoll_ctl(conns->epfd, EPOLL_CTL_DEL, conn->fd, NULL);
    set_state(conns, conn, CONN_FREE, 0);
    http_conn_fini(conn);
    conns->free_slots[conns->n_free_slots++] = conn->slot;
}

void http_conns_watch(struct http_conns *conns, struct http_conn *conn)
{
    bool want = http_conn_wants_write(conn);
    if (want == conn->watches_write)
        return;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (want ? EPOLLOUT : 0),
                                .data.u64 = http_event(conn->slot, conn->fd)};
    if (epoll_ctl(conns->epfd, EPOLL_CTL_MOD, conn->fd, &event) == 0)
        conn->watches_write = want;
}

static void dial_failed(struct http_conns *conns, enum book why, const char *text, int64_t now_ns)
{
    http_health_failed(&conns->health, why, text, now_ns);
    if (http_conns_open(conns) > 0 || conns->n_dialing > 0)
        return;
    conns->health.down = conns->failed = true;
}

static void dial_up(struct http_conns *conns, struct http_conn *conn, int64_t now_ns)
{
    struct http_dial *dial = conn->dial;
    bool tls = http_dialer_carries(conns->dialer);
    int fd = http_dial_take(dial);
    if (!tls)
        http_dial_free(dial);
    conn->dial = NULL;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP,
                                .data.u64 = http_event(conn->slot, fd)};
    if (fd >= 0)
        http_conn_up(conn, fd, tls ? dial : NULL);
    if (fd < 0 || epoll_ctl(conns->epfd, EPOLL_CTL_ADD, fd, &event) == -1) {
        int errnum = fd < 0 ? -fd : errno;
        if (fd < 0 && tls)
            conn->dial = dial;
        http_conns_drop(conns, conn);
        dial_failed(conns, BOOK_HTTP_REFUSED, err_text(errnum), now_ns);
        return;
    }
    own_note(fd);
    book_one(conns->config.books, BOOK_HTTP_CONNECTIONS);
    http_health_connected(&conns->health);
    set_state(conns, conn, CONN_IDLE, now_ns);
}

static void step_dial(struct http_conns *conns, struct http_conn *conn, int fd, uint32_t events,
                      int64_t now_ns)
{
    switch (http_dial_step(conn->dial, fd, events)) {
    case DIAL_PENDING:
        break;
    case DIAL_UP:
        dial_up(conns, conn, now_ns);
        break;
    case DIAL_FAILED: {
        char text[256];
        snprintf(text, sizeof(text), "%s", http_dial_error(conn->dial));
        enum book why = http_dial_failed_tls(conn->dial) ? BOOK_HTTP_TLS : BOOK_HTTP_REFUSED;
        http_conns_drop(conns, conn);
        dial_failed(conns, why, text, now_ns);
        break;
    }
    }
}

static struct http_conn *new_conn(struct http_conns *conns)
{
    uint32_t slot = conns->free_slots[conns->n_free_slots - 1];
    struct http_conn *conn = conns->conns[slot];
    if (!conn) {
        conn = mem_zalloc(MEM_IO, sizeof(*conn));
        if (!conn)
            return NULL;
        conn->slot = slot;
        conn->fd = -1;
        conns->conns[slot] = conn;
    }
    conn->dial = http_dial_start(conns->dialer, slot);
    if (!conn->dial)
        return NULL;
    conns->n_free_slots--;
    return conn;
}

/* Should another connection be opened, apart from the time? One attempt tells enough while nothing
 * is known to listen there. */
static bool wants_dial(const struct http_conns *conns, size_t wanted)
{
    return conns->n_dialing < wanted && conns->n_free_slots > 0 &&
           !(conns->health.down && conns->n_dialing > 0);
}

void http_conns_dial(struct http_conns *conns, size_t wanted, int64_t now_ns)
{
    while (wants_dial(conns, wanted) && backoff_left_ns(&conns->health.backoff, now_ns) == 0) {
        struct http_conn *conn = new_conn(conns);
        if (!conn) {
            dial_failed(conns, BOOK_HTTP_REFUSED, err_text(ENOMEM), now_ns);
            return;
        }
        set_state(conns, conn, CONN_DIALING, now_ns);
        step_dial(conns, conn, -1, 0, now_ns);
    }
}

/* With sessions one that no recorded connection had yet, or this one had. When there is no room for
 * another, the one that was idle for the longest makes room. */
struct http_conn *http_conns_idle(struct http_conns *conns, uint64_t session, int64_t now_ns)
{
    struct http_conn *conn, *next;
    for (conn = TAILQ_FIRST(&conns->idle); conn; conn = next) {
        next = TAILQ_NEXT(conn, link);
        if (conns->config.sessions && conn->exchanges > 0 && conn->session != session)
            continue;
        if (now_ns < conns->wary_until_ns && conn->exchanges > 0 &&
            now_ns - conn->since_ns < SETTLED_NS)
            continue;
        if (now_ns - conn->since_ns < STALE_NS || http_conn_alive(conn))
            return conn;
        http_conns_drop(conns, conn);
    }
    if (conns->n_free_slots == 0 && (conn = TAILQ_LAST(&conns->idle, conn_list)))
        http_conns_drop(conns, conn);
    return NULL;
}

void http_conns_work(struct http_conns *conns, struct http_conn *conn, uint64_t session,
                     int64_t now_ns)
{
    conn->session = session;
    set_state(conns, conn, CONN_BUSY, now_ns);
}

void http_conns_rest(struct http_conns *conns, struct http_conn *conn, int64_t now_ns)
{
    set_state(conns, conn, CONN_IDLE, now_ns);
}

void http_conns_beware(struct http_conns *conns, int64_t now_ns)
{
    conns->wary_until_ns = now_ns + WARY_NS;
}

static void idle_ended(struct http_conns *conns, struct http_conn *conn, int64_t now_ns)
{
    if (conn->exchanges > 0 && now_ns - conn->since_ns < CLOSES_AT_ONCE_NS)
        http_conns_beware(conns, now_ns);
    http_conns_drop(conns, conn);
}

struct http_conn *http_conns_event(struct http_conns *conns, uint64_t data, uint32_t events,
                                   int64_t now_ns)
{
    struct http_conn *conn = conns->conns[http_event_slot(data)];
    int fd = http_event_fd(data);
    if (!conn) /* the events of one wait may be older than what the first of them led to */
        return NULL;
    if (conn->state == CONN_DIALING)
        step_dial(conns, conn, fd, events, now_ns);
    else if (conn->fd != fd)
        return NULL;
    else if (conn->state == CONN_BUSY)
        return conn;
    else if (conn->state == CONN_IDLE && !http_conn_alive(conn))
        idle_ended(conns, conn, now_ns);
    return NULL;
}

static const struct http_conn *too_long_idle(const struct http_conns *conns)
{
    return conns->n_idle > conns->config.keep_idle ? TAILQ_LAST(&conns->idle, conn_list) : NULL;
}

void http_conns_tick(struct http_conns *conns, int64_t now_ns)
{
    struct http_conn *conn, *next;
    while (too_long_idle(conns) && too_long_idle(conns)->since_ns + conns->config.idle_ns <= now_ns)
        http_conns_drop(conns, TAILQ_LAST(&conns->idle, conn_list));
    for (conn = TAILQ_FIRST(&conns->dialing); conn; conn = next) {
        next = TAILQ_NEXT(conn, link);
        if (http_dial_due_ns(conn->dial) <= now_ns)
            step_dial(conns, conn, -1, 0, now_ns);
    }
}

int64_t http_conns_due_ns(const struct http_conns *conns, size_t wanted)
{
    int64_t due = INT64_MAX;
    const struct http_conn *conn = too_long_idle(conns);
    if (conn)
        due = conn->since_ns + conns->config.idle_ns;
    TAILQ_FOREACH(conn, &conns->dialing, link)
    if (http_dial_due_ns(conn->dial) < due)
        due = http_dial_due_ns(conn->dial);
    if (wants_dial(conns, wanted) && conns->health.backoff.until_ns < due)
        due = conns->health.backoff.until_ns;
    return due;
}
