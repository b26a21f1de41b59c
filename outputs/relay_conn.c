/* SPDX-License-Identifier: MIT */
#include "outputs/relay_conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/own.h"
#include "lib/record.h"

/* Messages held: at most so many, and of that cost together (one may be larger). */
#define HELD_MSGS 2048
#define HELD_COST MIB
/* Records in one sendmsg(2), three pieces each. */
#define BATCH 64
#define PIECES 3
/* Calls of sendmsg(2) in one step, so that other connections get their turn. */
#define BATCHES_PER_STEP 16

#define CONNECT_TIMEOUT_NS (5 * NS_PER_S) /* as gor's */
#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS NS_PER_S
/* How long the end waits for the peer's: while bytes still go out, and when all are out. */
#define CLOSE_STALL_NS (10 * NS_PER_S)
#define CLOSE_ANSWER_NS (2 * NS_PER_S)
/* How long the rest of a record may take once the peer has announced its end. */
#define LEAVE_NS (2 * NS_PER_S)

enum state {
    DOWN = 0, /* no socket; connects when the back-off is over */
    CONNECTING,
    UP,
    LEAVING, /* the peer sends no more, so it stops: the record in progress still goes to it */
    CLOSING, /* our side is shut down; the peer's end is awaited */
    CLOSED,
};

struct held {
    const struct msg *msg;
    size_t header_len;
};

/* Always true: headers holds the header lines of held[head, head + n_held) in order, and sent is
 * less than the length of the first record. */
struct relay_conn {
    struct output *out;
    const struct relay_peer *peer;
    struct net_addrs addrs;
    size_t next_addr;
    enum state state;
    int fd;
    int64_t deadline_ns; /* of CONNECTING, LEAVING and CLOSING */
    int unsent; /* CLOSING: bytes that the peer's kernel has not acknowledged */
    bool was_up; /* at any time: the next one is a reconnection */
    bool said_down;
    struct backoff backoff;
    struct log_limit log_limit;
    struct buf headers;
    struct held held[HELD_MSGS]; /* a ring */
    size_t head, n_held;
    uint64_t cost;
    size_t sent; /* bytes of the first record that the kernel has taken */
};

int relay_conn_new(struct relay_conn **connp, struct output *out, const struct relay_peer *peer)
{
    struct relay_conn *c = mem_zalloc(MEM_IO, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->out = out;
    c->peer = peer;
    c->addrs = peer->addrs;
    c->fd = -1;
    backoff_init(&c->backoff, BACKOFF_FIRST_NS, BACKOFF_MAX_NS);
    buf_init(&c->headers, HELD_MSGS * RECORD_HEADER_MAX);
    *connp = c;
    return 0;
}

static size_t record_len(const struct held *h)
{
    return h->header_len + h->msg->len + RECORD_SEPARATOR_LEN;
}

static void pop(struct relay_conn *c, enum book fate)
{
    struct held *h = &c->held[c->head];
    buf_consume(&c->headers, h->header_len);
    c->cost -= msg_cost(h->msg);
    output_settle(c->out, h->msg, fate);
    c->head = (c->head + 1) % HELD_MSGS;
    c->n_held--;
    c->sent = 0;
}

void relay_conn_free(struct relay_conn *c)
{
    if (!c)
        return;
    while (c->n_held > 0)
        pop(c, BOOK_ABANDONED);
    if (c->fd != -1)
        close(c->fd);
    buf_fini(&c->headers);
    mem_free(c);
}

static void hang_up(struct relay_conn *c, enum state next)
{
    close(c->fd);
    c->fd = -1;
    c->state = next;
    c->sent = 0;
}

static void lost(struct relay_conn *c, const char *what, int errnum, int64_t now_ns)
{
    if (!c->said_down && log_limit(&c->log_limit)) {
        log_warn(c->peer->tag, "%s: %s; trying again until it works", what,
                 errnum ? err_text(errnum) : "the relay closed the connection");
        c->said_down = true;
    }
    if (c->fd != -1)
        hang_up(c, DOWN);
    c->state = DOWN;
    /* other addresses first, without waiting; then the names are asked again */
    if (c->next_addr < c->addrs.n)
        return;
    backoff_failed(&c->backoff, now_ns);
    struct err err;
    struct net_addrs fresh;
    if (net_resolve(&fresh, &c->peer->name, c->out->ops->option, &err) == 0)
        c->addrs = fresh;
    c->next_addr = 0;
}

static void came_up(struct relay_conn *c)
{
    c->state = UP;
    c->next_addr = c->addrs.n; /* when it breaks: back off first, then from the first address */
    own_note(c->fd);
    if (c->was_up)
        book_one(c->out->books, BOOK_RECONNECTS);
    c->was_up = true;
    if (c->said_down)
        log_info(c->peer->tag, "connected");
    c->said_down = false;
}

static void dial(struct relay_conn *c, int64_t now_ns)
{
    int fd = net_connect(&c->addrs.addr[c->next_addr++]);
    if (fd < 0) {
        lost(c, "cannot connect", -fd, now_ns);
        return;
    }
    c->fd = fd;
    c->state = CONNECTING;
    c->deadline_ns = now_ns + CONNECT_TIMEOUT_NS;
}

static bool connecting(struct relay_conn *c, int64_t now_ns)
{
    struct pollfd fd = {.fd = c->fd, .events = POLLOUT};
    if (poll(&fd, 1, 0) == 0) {
        if (now_ns < c->deadline_ns)
            return false;
        lost(c, "cannot connect", ETIMEDOUT, now_ns);
        return true;
    }
    int errnum = net_connect_outcome(c->fd);
    if (errnum)
        lost(c, "cannot connect", errnum, now_ns);
    else
        came_up(c);
    return true;
}

/* The pieces of the first max records, without the bytes that are sent already. */
static size_t gather(const struct relay_conn *c, size_t max, struct iovec *iov)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < c->n_held && i < max; i++) {
        const struct held *h = &c->held[(c->head + i) % HELD_MSGS];
        iov[n++] = (struct iovec){(void *)(buf_span(&c->headers).ptr + at), h->header_len};
        iov[n++] = (struct iovec){(void *)h->msg->bytes, h->msg->len};
        iov[n++] = (struct iovec){(void *)record_separator, RECORD_SEPARATOR_LEN};
        at += h->header_len;
    }
    size_t skip = c->sent;
    for (size_t i = 0; i < n && skip > 0; i++) {
        size_t cut = skip < iov[i].iov_len ? skip : iov[i].iov_len;
        iov[i].iov_base = (char *)iov[i].iov_base + cut;
        iov[i].iov_len -= cut;
        skip -= cut;
    }
    return n;
}

static void took(struct relay_conn *c, size_t n)
{
    while (n > 0) {
        size_t rest = record_len(&c->held[c->head]) - c->sent;
        if (n < rest) {
            c->sent += n;
            return;
        }
        n -= rest;
        pop(c, BOOK_DELIVERED);
        backoff_worked(&c->backoff);
    }
}

/* The peer has nothing to say in this protocol but its end. 1: alive, 0: ended, -errno. */
static int peer_alive(const struct relay_conn *c)
{
    char nothing[512];
    ssize_t n = recv(c->fd, nothing, sizeof(nothing), MSG_DONTWAIT);
    if (n == -1 && errno != EAGAIN && errno != EINTR)
        return -errno;
    return n != 0;
}

enum sent {
    SENT_SOME = 0,
    SENT_NOTHING = 1, /* the socket is full */
    SENT_BROKEN = 2, /* the connection is lost, and said so */
};

static enum sent send_records(struct relay_conn *c, size_t max, int64_t now_ns)
{
    struct iovec iov[BATCH * PIECES];
    struct msghdr out = {.msg_iov = iov, .msg_iovlen = gather(c, max, iov)};
    ssize_t n = sendmsg(c->fd, &out, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n == -1 && errno == EAGAIN)
        return SENT_NOTHING;
    if (n == -1 && errno != EINTR) {
        lost(c, "connection lost", errno, now_ns);
        return SENT_BROKEN;
    }
    if (n > 0)
        took(c, (size_t)n);
    return SENT_SOME;
}

/* A relay that stops shuts its side down and reads on to our end. */
static bool leaving(struct relay_conn *c, int64_t now_ns)
{
    enum sent r = SENT_SOME;
    while (r == SENT_SOME && c->sent > 0)
        r = send_records(c, 1, now_ns);
    if (r == SENT_BROKEN)
        return true;
    if (c->sent > 0 && now_ns < c->deadline_ns)
        return false;
    lost(c, "connection lost", 0, now_ns);
    return true;
}

static bool up(struct relay_conn *c, int64_t now_ns)
{
    /* asked before each batch: into a connection that the peer has closed the kernel would still
     * take bytes, and lose them */
    int alive = peer_alive(c);
    if (alive < 0) {
        lost(c, "connection lost", -alive, now_ns);
        return true;
    }
    if (alive == 0) {
        c->state = LEAVING;
        c->deadline_ns = now_ns + LEAVE_NS;
        return leaving(c, now_ns);
    }
    bool did = false;
    for (int i = 0; i < BATCHES_PER_STEP && c->n_held > 0; i++) {
        enum sent r = send_records(c, BATCH, now_ns);
        if (r == SENT_NOTHING)
            return did;
        did = true;
        if (r == SENT_BROKEN)
            break;
    }
    return did;
}

static int unsent_bytes(const struct relay_conn *c)
{
    int n = 0;
    return ioctl(c->fd, SIOCOUTQ, &n) == -1 ? 0 : n;
}

static bool closing(struct relay_conn *c, int64_t now_ns)
{
    int alive = peer_alive(c);
    if (alive <= 0) {
        if (alive < 0 && log_limit(&c->log_limit))
            log_warn(c->peer->tag,
                     "the connection broke at the end (%s): its last records may be "
                     "lost",
                     err_text(-alive));
        hang_up(c, CLOSED);
        return true;
    }
    int unsent = unsent_bytes(c);
    if (unsent < c->unsent)
        c->deadline_ns = now_ns + (unsent > 0 ? CLOSE_STALL_NS : CLOSE_ANSWER_NS);
    c->unsent = unsent;
    if (now_ns < c->deadline_ns)
        return false;
    if (unsent > 0 && log_limit(&c->log_limit))
        log_warn(c->peer->tag, "the relay did not take the last %d bytes in time", unsent);
    hang_up(c, CLOSED);
    return true;
}

bool relay_conn_step(struct relay_conn *c, int64_t now_ns)
{
    switch (c->state) {
    case DOWN:
        if (backoff_left_ns(&c->backoff, now_ns) > 0)
            return false;
        dial(c, now_ns);
        return true;
    case CONNECTING:
        return connecting(c, now_ns);
    case UP:
        return up(c, now_ns);
    case LEAVING:
        return leaving(c, now_ns);
    case CLOSING:
        return closing(c, now_ns);
    case CLOSED:
        break;
    }
    return false;
}

enum output_result relay_conn_put(struct relay_conn *c, const struct msg *msg)
{
    assert(c->state != CLOSING && c->state != CLOSED);
    uint64_t cost = msg_cost(msg);
    if (c->n_held == HELD_MSGS || (c->n_held > 0 && c->cost + cost > HELD_COST))
        return OUTPUT_BUSY;
    if (buf_reserve(&c->headers, RECORD_HEADER_MAX) < 0)
        return c->n_held > 0 ? OUTPUT_BUSY : OUTPUT_FAILED;
    size_t header_len = record_header((char *)buf_tail(&c->headers), msg);
    buf_commit(&c->headers, header_len);
    c->held[(c->head + c->n_held) % HELD_MSGS] =
        (struct held){.msg = msg_ref(msg), .header_len = header_len};
    c->n_held++;
    c->cost += cost;
    return OUTPUT_TAKEN;
}

void relay_conn_watch(const struct relay_conn *c, int64_t now_ns, struct pollfd *fd,
                      int64_t *wait_ns)
{
    int64_t wait = INT64_MAX;
    *fd = (struct pollfd){.fd = c->fd, .events = POLLIN | POLLRDHUP};
    if (c->state == CONNECTING || (c->state == UP && c->n_held > 0))
        fd->events |= POLLOUT;
    if (c->state == LEAVING)
        fd->events = POLLOUT; /* its end would wake us again and again */
    if (c->state == DOWN)
        wait = backoff_left_ns(&c->backoff, now_ns);
    else if (c->state == CONNECTING || c->state == LEAVING || c->state == CLOSING)
        wait = c->deadline_ns > now_ns ? c->deadline_ns - now_ns : 0;
    if (wait < *wait_ns)
        *wait_ns = wait;
}

enum output_result relay_conn_flush(struct relay_conn *c, int64_t now_ns)
{
    if (c->n_held > 0)
        return OUTPUT_BUSY;
    if (c->state != UP && c->state != CLOSING)
        return OUTPUT_DONE;
    if (c->state == UP) {
        c->unsent = unsent_bytes(c);
        c->deadline_ns = now_ns + (c->unsent > 0 ? CLOSE_STALL_NS : CLOSE_ANSWER_NS);
        if (shutdown(c->fd, SHUT_WR) == -1) {
            hang_up(c, CLOSED);
            return OUTPUT_DONE;
        }
        c->state = CLOSING;
    }
    return OUTPUT_BUSY;
}
