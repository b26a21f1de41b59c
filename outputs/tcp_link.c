/* SPDX-License-Identifier: MIT */
#include "outputs/tcp_link.h"

#include <errno.h>
#include <stdio.h>

#include "lib/log.h"
#include "lib/own.h"
#include "outputs/conn_set.h"

/* What one step reads away, so that other connections get their turn. */
#define DRAIN_SIZE (16 * KIB)
#define DRAINS_PER_STEP 16

int tcp_peer_init(struct tcp_peer *peer, const char *option, const char *address, struct err *err)
{
    int r = net_parse(&peer->name, option, address, err);
    if (r == 0)
        r = net_resolve(&peer->addrs, &peer->name, option, err);
    if (r == 0)
        snprintf(peer->tag, sizeof(peer->tag), "%s %s:%s", option, peer->name.host,
                 peer->name.port);
    return r;
}

void tcp_peer_needs(struct needs *needs, const char *option, const char *address)
{
    struct err ignored;
    struct net_name name;
    if (net_parse(&name, option, address, &ignored) == 0)
        needs_connect(needs, option, name.port);
}

void tcp_link_init(struct tcp_link *l, struct output *out, const struct tcp_peer *peer,
                   int64_t timeout_ns)
{
    *l = (struct tcp_link){.wire = {.fd = -1},
                           .peer = peer,
                           .option = out->ops->option,
                           .addrs = peer->addrs,
                           .timeout_ns = timeout_ns};
    retry_init(&l->retry, out, peer->tag);
}

void tcp_link_fini(struct tcp_link *l)
{
    wire_close(&l->wire);
    l->state = LINK_DOWN;
}

void tcp_link_lost(struct tcp_link *l, const char *what, int errnum, int64_t now_ns)
{
    bool was_up = l->state == LINK_UP;
    if (l->wire.fault) {
        book_one(l->retry.books, l->wire.fault);
        retry_tell(&l->retry, what, l->wire.why);
        l->wire.fault = 0;
    } else {
        retry_tell(&l->retry, what, errnum ? err_text(errnum) : "the peer closed the connection");
    }
    tcp_link_fini(l);
    /* other addresses first, without waiting; then the names are asked again */
    if (l->next_addr < l->addrs.n)
        return;
    backoff_failed(&l->retry.backoff, now_ns);
    l->refusals += !was_up;
    struct err err;
    struct net_addrs fresh;
    if (net_resolve(&fresh, &l->peer->name, l->option, &err) == 0)
        l->addrs = fresh;
    l->next_addr = 0;
}

static void dial(struct tcp_link *l, int64_t now_ns)
{
    int fd = net_connect(&l->addrs.addr[l->next_addr++]);
    if (fd < 0) {
        tcp_link_lost(l, "cannot connect", -fd, now_ns);
        return;
    }
    wire_open(&l->wire, fd, l->peer->tls, l->peer->name.host);
    l->state = LINK_CONNECTING;
    l->deadline_ns = now_ns + l->timeout_ns;
}

static void came_up(struct tcp_link *l)
{
    l->state = LINK_UP;
    l->next_addr = l->addrs.n; /* when it breaks: back off first, then from the first address */
    l->refusals = 0;
    retry_up(&l->retry);
}

static bool connecting(struct tcp_link *l, int64_t now_ns)
{
    struct pollfd fd = {.fd = l->wire.fd, .events = POLLOUT};
    if (poll(&fd, 1, 0) == 0) {
        if (now_ns < l->deadline_ns)
            return false;
        tcp_link_lost(l, "cannot connect", ETIMEDOUT, now_ns);
        return true;
    }
    int errnum = net_connect_outcome(l->wire.fd);
    if (errnum) {
        tcp_link_lost(l, "cannot connect", errnum, now_ns);
        return true;
    }
    own_note(l->wire.fd);
    l->state = LINK_SHAKING;
    return true;
}

static bool shaking(struct tcp_link *l, int64_t now_ns)
{
    int r = wire_shake(&l->wire);
    if (r == -EAGAIN && now_ns < l->deadline_ns)
        return false;
    if (r == 0)
        came_up(l);
    else
        tcp_link_lost(l, "cannot connect", r == -EAGAIN ? ETIMEDOUT : -r, now_ns);
    return true;
}

int tcp_link_drain(struct tcp_link *l)
{
    uint8_t bytes[DRAIN_SIZE];
    for (int i = 0; i < DRAINS_PER_STEP; i++) {
        ssize_t n = wire_recv(&l->wire, bytes, sizeof(bytes));
        if (n == 0)
            return 0;
        if (n < 0)
            return n == -EAGAIN || n == -EINTR ? 1 : (int)n;
        if (!l->wants || !l->wants(l, bytes, (size_t)n))
            book_add(l->retry.books, BOOK_ANSWER_BYTES, (uint64_t)n);
    }
    return 1;
}

static void closed(struct tcp_link *l)
{
    tcp_link_fini(l);
    l->state = LINK_CLOSED;
}

static bool closing(struct tcp_link *l, int64_t now_ns)
{
    int alive = tcp_link_drain(l);
    if (alive < 0)
        log_warn(l->retry.tag,
                 "the connection broke at the end (%s): what was sent last may be lost",
                 err_text(-alive));
    if (alive > 0 && !farewell_over(&l->farewell, l->wire.fd, now_ns))
        return false;
    if (alive > 0 && l->farewell.unsent > 0)
        log_warn(l->retry.tag, "the peer did not take the last %d bytes in time",
                 l->farewell.unsent);
    closed(l);
    return true;
}

bool tcp_link_step(struct tcp_link *l, int64_t now_ns)
{
    switch (l->state) {
    case LINK_DOWN:
        if (backoff_left_ns(&l->retry.backoff, now_ns) > 0)
            return false;
        dial(l, now_ns);
        return true;
    case LINK_CONNECTING:
        return connecting(l, now_ns);
    case LINK_SHAKING:
        return shaking(l, now_ns);
    case LINK_CLOSING:
        return closing(l, now_ns);
    case LINK_UP:
    case LINK_CLOSED:
        break;
    }
    return false;
}

void tcp_link_watch(const struct tcp_link *l, int64_t now_ns, struct pollfd *fd, int64_t *wait_ns)
{
    int64_t due_ns = INT64_MAX;
    *fd = (struct pollfd){.fd = l->wire.fd, .events = POLLIN | POLLRDHUP};
    if (l->state != LINK_CONNECTING)
        fd->events = (short)(fd->events | wire_events(&l->wire));
    else
        fd->events |= POLLOUT;
    if (l->state == LINK_DOWN)
        due_ns = l->retry.backoff.until_ns;
    else if (l->state == LINK_CONNECTING || l->state == LINK_SHAKING)
        due_ns = l->deadline_ns;
    else if (l->state == LINK_CLOSING)
        due_ns = l->farewell.deadline_ns;
    conn_wait_until(due_ns, now_ns, wait_ns);
}

enum output_result tcp_link_flush(struct tcp_link *l, int64_t now_ns)
{
    if (l->state == LINK_CLOSING)
        return OUTPUT_BUSY;
    if (l->state != LINK_UP)
        return OUTPUT_DONE;
    int r = wire_shut(&l->wire);
    if (r == -EAGAIN)
        return OUTPUT_BUSY;
    if (r < 0) {
        closed(l);
        return OUTPUT_DONE;
    }
    farewell_init(&l->farewell, l->wire.fd, now_ns);
    l->state = LINK_CLOSING;
    return OUTPUT_BUSY;
}
