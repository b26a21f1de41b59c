/* SPDX-License-Identifier: MIT */
/* input-tcp: listens for relays and takes their streams of records, several senders at once. It
 * never ends by itself. When a queue is full it waits, and TCP holds the senders back. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/inputs.h"
#include "capture/relay_client.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"

#define MAX_LISTENERS 8
#define MAX_CLIENTS 1024
#define MAX_BUFFERED GIB
#define EVENTS 64
/* No descriptors left: how long new senders wait. */
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)
/* Once stopped: how long senders may still hand over, in all and with nothing coming. */
#define DRAIN_NS (2 * NS_PER_S)
#define DRAIN_QUIET_MS 200

/* epoll's data: below this the number of a listener, above it a client's slot. */
#define CLIENT_BASE 16
#define STOP_EVENT 15

struct tcp_input {
    struct input base;
    struct books *books;
    char tag[NET_HOST_MAX + 32];
    int epfd, stop_fd;
    int listeners[MAX_LISTENERS];
    size_t n_listeners;
    bool paused; /* the listeners are not watched */
    int64_t resume_ns;
    struct log_limit accept_limit, broken_limit;
    size_t n_clients;
    struct relay_client *clients[MAX_CLIENTS];
    struct relay_shared shared;
};

static void drop_client(struct tcp_input *t, size_t slot)
{
    relay_client_fini(t->clients[slot], &t->shared);
    mem_free(t->clients[slot]);
    t->clients[slot] = NULL;
    t->n_clients--;
}

static void close_listeners(struct tcp_input *t)
{
    while (t->n_listeners > 0)
        close(t->listeners[--t->n_listeners]);
}

static void tcp_close(struct input *in)
{
    if (!in)
        return;
    struct tcp_input *t = container_of(in, struct tcp_input, base);
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        if (t->clients[i])
            drop_client(t, i);
    close_listeners(t);
    if (t->epfd != -1)
        close(t->epfd);
    mem_free(t);
}

static int watch(struct tcp_input *t, int op, int fd, uint64_t data, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(t->epfd, op, fd, &event) == -1 ? -errno : 0;
}

static int set_up(struct tcp_input *t, const struct input_args *args, struct err *err)
{
    struct net_name name;
    int r = net_parse(&name, "input-tcp", args->addresses[0], err);
    if (r < 0)
        return r;
    snprintf(t->tag, sizeof(t->tag), "input-tcp %s:%s", name.host, name.port);
    r = net_listen(t->listeners, MAX_LISTENERS, &name, "input-tcp", err);
    if (r < 0)
        return r;
    t->n_listeners = (size_t)r;
    t->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (t->epfd == -1)
        return err_sys(err, errno, "--input-tcp \"%s\"", args->addresses[0]);
    r = watch(t, EPOLL_CTL_ADD, args->stop_fd, STOP_EVENT, EPOLLIN);
    for (size_t i = 0; i < t->n_listeners && r == 0; i++)
        r = watch(t, EPOLL_CTL_ADD, t->listeners[i], i, EPOLLIN);
    return r == 0 ? 0 : err_sys(err, -r, "--input-tcp \"%s\"", args->addresses[0]);
}

static int tcp_open(struct input **inp, const struct input_args *args, struct err *err)
{
    struct tcp_input *t = mem_zalloc(MEM_IO, sizeof(*t));
    if (!t)
        return err_sys(err, ENOMEM, "--input-tcp \"%s\"", args->addresses[0]);
    t->base.ops = &input_tcp;
    t->books = args->books;
    t->epfd = -1;
    t->stop_fd = args->stop_fd;
    t->shared.books = args->books;
    t->shared.max_buffered = MAX_BUFFERED;
    int r = set_up(t, args, err);
    if (r < 0) {
        tcp_close(&t->base);
        return r;
    }
    *inp = &t->base;
    return 0;
}

static void watch_listeners(struct tcp_input *t, bool on)
{
    t->paused = !on;
    for (size_t i = 0; i < t->n_listeners; i++)
        (void)watch(t, EPOLL_CTL_MOD, t->listeners[i], i, on ? EPOLLIN : 0);
}

static void accept_failed(struct tcp_input *t, int errnum)
{
    /* the sender went away before it was accepted, or nothing is waiting */
    if (errnum == EAGAIN || errnum == EINTR || errnum == ECONNABORTED)
        return;
    if (log_limit(&t->accept_limit))
        log_warn(t->tag, "cannot accept another sender: %s", err_text(errnum));
    watch_listeners(t, false);
    t->resume_ns = clock_mono_ns() + ACCEPT_PAUSE_NS;
}

static bool add_client(struct tcp_input *t, int fd)
{
    size_t slot = 0;
    if (t->n_clients == MAX_CLIENTS)
        return false;
    while (t->clients[slot])
        slot++;
    struct relay_client *client = mem_alloc(MEM_IO, sizeof(*client));
    if (!client)
        return false;
    if (watch(t, EPOLL_CTL_ADD, fd, CLIENT_BASE + slot, EPOLLIN | EPOLLRDHUP) < 0) {
        mem_free(client);
        return false;
    }
    relay_client_init(client, fd);
    t->clients[slot] = client;
    t->n_clients++;
    return true;
}

/* Accepts one sender; false when none is waiting. */
static bool accept_one(struct tcp_input *t, int listener)
{
    int one = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd == -1) {
        accept_failed(t, errno);
        return false;
    }
    /* so that a sender whose host is gone is noticed some day */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    if (!add_client(t, fd)) {
        if (log_limit(&t->accept_limit))
            log_warn(t->tag, "turned a sender away: %zu are connected, or memory is short",
                     t->n_clients);
        close(fd);
    }
    return true;
}

static enum relay_read read_client(struct tcp_input *t, size_t slot)
{
    enum relay_read r = relay_client_read(t->clients[slot], &t->shared);
    if (r == RELAY_BROKEN && log_limit(&t->broken_limit))
        log_warn(t->tag, "the connection of a sender broke, or its record was too large");
    if (r == RELAY_END || r == RELAY_BROKEN)
        drop_client(t, slot);
    return r;
}

/* Waits for events and serves them. Their number, or -errno. */
static int serve(struct tcp_input *t, struct sink *sink, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(t->epfd, events, EVENTS, timeout_ms);
    if (n == -1)
        return errno == EINTR ? 0 : -errno;
    t->shared.sink = sink;
    for (int i = 0; i < n; i++) {
        uint64_t data = events[i].data.u64;
        if (data >= CLIENT_BASE)
            (void)read_client(t, (size_t)(data - CLIENT_BASE));
        else if (data != STOP_EVENT)
            (void)accept_one(t, t->listeners[data]);
    }
    return n;
}

static int tcp_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct tcp_input *t = container_of(in, struct tcp_input, base);
    if (t->paused && clock_mono_ns() >= t->resume_ns)
        watch_listeners(t, true);
    int n = serve(t, sink, timeout_ms);
    return n < 0 ? err_sys(err, -n, "%s: epoll_wait", t->tag) : INPUT_MORE;
}

/* Stopped: our side of each connection is shut down, by which a sender knows that it should finish
 * its record and go; what it has handed over by then is still read. */
static void tcp_finish(struct input *in, struct sink *sink)
{
    struct tcp_input *t = container_of(in, struct tcp_input, base);
    int64_t until_ns = clock_mono_ns() + DRAIN_NS;
    (void)epoll_ctl(t->epfd, EPOLL_CTL_DEL, t->stop_fd, NULL);
    for (size_t i = 0; i < t->n_listeners; i++)
        for (size_t n = 0; n < MAX_CLIENTS && accept_one(t, t->listeners[i]); n++)
            ;
    close_listeners(t); /* first: who leaves must not come back and be lost in the backlog */
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        if (t->clients[i])
            (void)shutdown(t->clients[i]->fd, SHUT_WR);
    while (t->n_clients > 0 && clock_mono_ns() < until_ns)
        if (serve(t, sink, DRAIN_QUIET_MS) <= 0)
            break;
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        if (t->clients[i])
            drop_client(t, i);
}

const struct input_ops input_tcp = {
    .option = "input-tcp",
    .open = tcp_open,
    .poll = tcp_poll,
    .finish = tcp_finish,
    .close = tcp_close,
};
