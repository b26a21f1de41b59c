/* SPDX-License-Identifier: MIT */
#include "outputs/relay_conn.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/record.h"
#include "outputs/held.h"

/* Records in one sendmsg(2), three pieces each. */
#define BATCH 64
#define PIECES 3
/* Calls of sendmsg(2) in one step, so that other connections get their turn. */
#define BATCHES_PER_STEP 16

#define CONNECT_TIMEOUT_NS (5 * NS_PER_S) /* as gor's */
/* How long the rest of a record may take once the peer has announced its end. */
#define LEAVE_NS (2 * NS_PER_S)

/* Always true: headers holds the header lines of the messages held, in order, each as long as its
 * mark; sent is less than the length of the first record. */
struct relay_conn {
    struct conn base;
    struct tcp_link link;
    bool leaving; /* the peer sends no more, so it stops: the record in progress still goes to it */
    int64_t deadline_ns; /* of leaving */
    struct buf headers;
    struct held held;
    size_t sent; /* bytes of the first record that the kernel has taken */
};

static void pop(struct relay_conn *c, enum book fate)
{
    buf_consume(&c->headers, held_nth(&c->held, 0)->mark);
    held_pop(&c->held, fate);
    c->sent = 0;
}

static void relay_conn_free(struct conn *conn)
{
    struct relay_conn *c = container_of(conn, struct relay_conn, base);
    held_pop_all(&c->held, BOOK_ABANDONED);
    tcp_link_fini(&c->link);
    buf_fini(&c->headers);
    mem_free(c);
}

static void lost(struct relay_conn *c, int errnum, int64_t now_ns)
{
    tcp_link_lost(&c->link, "connection lost", errnum, now_ns);
    c->leaving = false;
    c->sent = 0;
}

/* The pieces of the first max records, without the bytes that are sent already. */
static size_t gather(struct relay_conn *c, size_t max, struct iovec *iov)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < c->held.n && i < max; i++) {
        const struct held_msg *h = held_nth(&c->held, i);
        iov[n++] = (struct iovec){(void *)(buf_span(&c->headers).ptr + at), h->mark};
        iov[n++] = (struct iovec){(void *)h->msg->bytes, h->msg->len};
        iov[n++] = (struct iovec){(void *)record_separator, RECORD_SEPARATOR_LEN};
        at += h->mark;
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
        const struct held_msg *h = held_nth(&c->held, 0);
        size_t rest = h->mark + h->msg->len + RECORD_SEPARATOR_LEN - c->sent;
        if (n < rest) {
            c->sent += n;
            return;
        }
        n -= rest;
        pop(c, BOOK_DELIVERED);
        backoff_worked(&c->link.retry.backoff);
    }
}

enum sent {
    SENT_SOME = 0,
    SENT_NOTHING = 1, /* the socket is full */
    SENT_BROKEN = 2, /* the connection is lost, and said so */
};

static enum sent send_records(struct relay_conn *c, size_t max, int64_t now_ns)
{
    struct iovec iov[BATCH * PIECES];
    ssize_t n = tcp_link_send(&c->link, iov, gather(c, max, iov));
    if (n == -EAGAIN)
        return SENT_NOTHING;
    if (n < 0 && n != -EINTR) {
        lost(c, (int)-n, now_ns);
        return SENT_BROKEN;
    }
    if (n > 0)
        took(c, (size_t)n);
    return SENT_SOME;
}

/* A relay that stops shuts its side down and reads on to our end. */
static bool leave(struct relay_conn *c, int64_t now_ns)
{
    enum sent r = SENT_SOME;
    while (r == SENT_SOME && c->sent > 0)
        r = send_records(c, 1, now_ns);
    if (r == SENT_BROKEN)
        return true;
    if (c->sent > 0 && now_ns < c->deadline_ns)
        return false;
    lost(c, 0, now_ns);
    return true;
}

static bool up(struct relay_conn *c, int64_t now_ns)
{
    int alive = tcp_link_drain(&c->link);
    if (alive < 0) {
        lost(c, -alive, now_ns);
        return true;
    }
    if (alive == 0) {
        c->leaving = true;
        c->deadline_ns = now_ns + LEAVE_NS;
        return leave(c, now_ns);
    }
    bool did = false;
    for (int i = 0; i < BATCHES_PER_STEP && c->held.n > 0; i++) {
        enum sent r = send_records(c, BATCH, now_ns);
        if (r == SENT_NOTHING)
            return did;
        did = true;
        if (r == SENT_BROKEN)
            break;
    }
    return did;
}

static bool relay_conn_step(struct conn *conn, int64_t now_ns)
{
    struct relay_conn *c = container_of(conn, struct relay_conn, base);
    if (c->link.state != LINK_UP)
        return tcp_link_step(&c->link, now_ns);
    return c->leaving ? leave(c, now_ns) : up(c, now_ns);
}

static enum output_result relay_conn_put(struct conn *conn, const struct msg *msg)
{
    struct relay_conn *c = container_of(conn, struct relay_conn, base);
    if (!held_has_room(&c->held, msg))
        return OUTPUT_BUSY;
    if (buf_reserve(&c->headers, RECORD_HEADER_MAX) < 0)
        return c->held.n > 0 ? OUTPUT_BUSY : OUTPUT_FAILED;
    size_t header_len = record_header((char *)buf_tail(&c->headers), msg);
    buf_commit(&c->headers, header_len);
    held_put(&c->held, msg, header_len);
    return OUTPUT_TAKEN;
}

static void relay_conn_watch(const struct conn *conn, int64_t now_ns, struct pollfd *fd,
                             int64_t *wait_ns)
{
    const struct relay_conn *c = container_of(conn, struct relay_conn, base);
    tcp_link_watch(&c->link, now_ns, fd, wait_ns);
    if (c->link.state == LINK_UP && c->held.n > 0)
        fd->events |= POLLOUT;
    if (!c->leaving)
        return;
    fd->events = POLLOUT; /* the peer's end would wake us again and again */
    conn_wait_until(c->deadline_ns, now_ns, wait_ns);
}

static enum output_result relay_conn_flush(struct conn *conn, int64_t now_ns)
{
    struct relay_conn *c = container_of(conn, struct relay_conn, base);
    if (c->held.n > 0)
        return OUTPUT_BUSY;
    return c->leaving ? OUTPUT_DONE : tcp_link_flush(&c->link, now_ns);
}

int relay_conn_new(struct conn **connp, struct output *out, const struct tcp_peer *peer)
{
    static const struct conn_ops ops = {
        .free = relay_conn_free,
        .put = relay_conn_put,
        .step = relay_conn_step,
        .watch = relay_conn_watch,
        .flush = relay_conn_flush,
    };
    struct relay_conn *c = mem_zalloc(MEM_IO, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->base.ops = &ops;
    tcp_link_init(&c->link, out, peer, CONNECT_TIMEOUT_NS);
    held_init(&c->held, out);
    buf_init(&c->headers, HELD_MSGS * RECORD_HEADER_MAX);
    *connp = &c->base;
    return 0;
}
