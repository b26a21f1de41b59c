/* SPDX-License-Identifier: MIT */
#include "outputs/binary_conn.h"

#include <errno.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "outputs/binary_answer.h"
#include "outputs/held.h"

/* Payloads in one sendmsg(2). */
#define BATCH 64
/* Calls of sendmsg(2) in one step, so that other connections get their turn. */
#define BATCHES_PER_STEP 16

/* Always true: sent is less than the length of the first message held, or both are 0. */
struct binary_conn {
    struct conn base;
    struct tcp_link link;
    struct held held;
    struct binary_answer answer; /* to the payload sent last; while it is awaited none is sent */
    size_t sent; /* bytes of the first message that the kernel has taken */
    bool took_some; /* this connection has */
    int64_t timeout_ns;
    int64_t progress_ns; /* since when the kernel takes nothing of what there is */
};

static void binary_conn_free(struct conn *conn)
{
    struct binary_conn *c = container_of(conn, struct binary_conn, base);
    held_pop_all(&c->held, BOOK_ABANDONED);
    binary_answer_drop(&c->answer);
    tcp_link_fini(&c->link);
    mem_free(c);
}

static bool keep_answer(struct tcp_link *link, const uint8_t *bytes, size_t n)
{
    struct binary_conn *c = container_of(link, struct binary_conn, link);
    if (!c->answer.request)
        return false;
    binary_answer_add(&c->answer, bytes, n);
    return true;
}

static void lost(struct binary_conn *c, const char *what, int errnum, int64_t now_ns)
{
    binary_answer_end(&c->answer, c->held.out);
    tcp_link_lost(&c->link, what, errnum, now_ns);
    if (c->sent > 0)
        held_pop(&c->held, BOOK_FAILED);
    else if (!c->took_some) /* a new one that is dead: the next would be, too */
        held_pop_all(&c->held, BOOK_FAILED);
    c->sent = 0;
    c->took_some = false;
}

static bool asks(const struct binary_conn *c)
{
    return c->held.out->answers != NULL;
}

static size_t gather(struct binary_conn *c, struct iovec *iov)
{
    size_t n = 0, max = asks(c) ? 1 : BATCH;
    for (; n < c->held.n && n < max; n++) {
        const struct msg *msg = held_nth(&c->held, n)->msg;
        iov[n] = (struct iovec){(void *)msg->bytes, msg->len};
    }
    iov[0].iov_base = (char *)iov[0].iov_base + c->sent;
    iov[0].iov_len -= c->sent;
    return n;
}

static void took(struct binary_conn *c, size_t n, int64_t now_ns)
{
    while (c->held.n > 0) {
        const struct msg *msg = held_nth(&c->held, 0)->msg;
        if (n < msg->len - c->sent) {
            c->sent += n;
            return;
        }
        n -= msg->len - c->sent;
        c->sent = 0;
        if (asks(c))
            binary_answer_await(&c->answer, msg, c->held.out->answer_max, now_ns);
        held_pop(&c->held, BOOK_DELIVERED);
        backoff_worked(&c->link.retry.backoff);
    }
}

static bool may_send(const struct binary_conn *c)
{
    return c->held.n > 0 && !c->answer.request;
}

static bool send_all(struct binary_conn *c, int64_t now_ns)
{
    bool did = false;
    for (int i = 0; i < BATCHES_PER_STEP && may_send(c); i++) {
        struct iovec iov[BATCH];
        ssize_t n = wire_send(&c->link.wire, iov, gather(c, iov));
        if (n == -EAGAIN)
            break;
        did = true;
        if (n == -EINTR)
            continue;
        if (n < 0) {
            lost(c, "connection lost", (int)-n, now_ns);
            return true;
        }
        c->took_some |= n > 0;
        took(c, (size_t)n, now_ns);
        c->progress_ns = now_ns;
    }
    return did;
}

static bool up(struct binary_conn *c, int64_t now_ns)
{
    int alive = tcp_link_drain(&c->link);
    if (alive <= 0) {
        lost(c, "connection lost", -alive, now_ns);
        return true;
    }
    if (c->answer.request && binary_answer_due_ns(&c->answer, c->timeout_ns) <= now_ns) {
        binary_answer_end(&c->answer, c->held.out);
        c->progress_ns = now_ns;
    }
    if (send_all(c, now_ns))
        return true;
    if (!may_send(c) || now_ns - c->progress_ns < c->timeout_ns)
        return false;
    /* the first one has failed, cut or not: else one that no connection takes would stay for ever
     */
    c->sent = 0;
    held_pop(&c->held, BOOK_FAILED);
    lost(c, "the peer does not read", ETIMEDOUT, now_ns);
    return true;
}

/* It connects when there is something to send. */
static bool is_idle(const struct binary_conn *c)
{
    return c->link.state == LINK_DOWN && c->held.n == 0;
}

static bool binary_conn_step(struct conn *conn, int64_t now_ns)
{
    struct binary_conn *c = container_of(conn, struct binary_conn, base);
    if (c->link.state == LINK_UP)
        return up(c, now_ns);
    if (is_idle(c))
        return false;
    unsigned refusals = c->link.refusals;
    bool did = tcp_link_step(&c->link, now_ns);
    if (c->link.refusals > refusals)
        held_pop_all(&c->held, BOOK_FAILED); /* a peer that is away must not hold up the replay */
    c->progress_ns = now_ns;
    return did;
}

static enum output_result binary_conn_put(struct conn *conn, const struct msg *msg)
{
    struct binary_conn *c = container_of(conn, struct binary_conn, base);
    if (!held_has_room(&c->held, msg)) {
        if (c->link.refusals == 0)
            return OUTPUT_BUSY;
        held_pop_all(&c->held, BOOK_FAILED);
    }
    if (c->held.n == 0)
        c->progress_ns = clock_mono_ns();
    held_put(&c->held, msg, 0);
    return OUTPUT_TAKEN;
}

static void binary_conn_watch(const struct conn *conn, int64_t now_ns, struct pollfd *fd,
                              int64_t *wait_ns)
{
    const struct binary_conn *c = container_of(conn, struct binary_conn, base);
    *fd = (struct pollfd){.fd = -1};
    if (is_idle(c))
        return;
    tcp_link_watch(&c->link, now_ns, fd, wait_ns);
    if (c->link.state == LINK_UP && c->answer.request)
        conn_wait_until(binary_answer_due_ns(&c->answer, c->timeout_ns), now_ns, wait_ns);
    if (c->link.state != LINK_UP || !may_send(c))
        return;
    fd->events |= POLLOUT;
    conn_wait_until(c->progress_ns + c->timeout_ns, now_ns, wait_ns);
}

static enum output_result binary_conn_flush(struct conn *conn, int64_t now_ns)
{
    struct binary_conn *c = container_of(conn, struct binary_conn, base);
    if (c->held.n > 0 || c->answer.request)
        return OUTPUT_BUSY;
    return tcp_link_flush(&c->link, now_ns);
}

int binary_conn_new(struct conn **connp, struct output *out, const struct tcp_peer *peer,
                    int64_t timeout_ns)
{
    static const struct conn_ops ops = {
        .free = binary_conn_free,
        .put = binary_conn_put,
        .step = binary_conn_step,
        .watch = binary_conn_watch,
        .flush = binary_conn_flush,
    };
    struct binary_conn *c = mem_zalloc(MEM_IO, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->base.ops = &ops;
    c->timeout_ns = timeout_ns;
    tcp_link_init(&c->link, out, peer, timeout_ns);
    c->link.wants = keep_answer;
    held_init(&c->held, out);
    *connp = &c->base;
    return 0;
}
