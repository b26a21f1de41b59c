/* SPDX-License-Identifier: MIT */
/* input-tcp: listens for relays and takes their streams of records, several senders at once. It
 * never ends by itself. When a queue is full it waits, and TCP holds the senders back. Senders that
 * understand it are told what all outputs have had. */
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

/* Who has not said what he is by then is closed; who has said nothing at all, when there are more
 * than so many of them. */
#define STRANGER_NS (10 * NS_PER_S)
#define SILENT_MAX 128
#define SWEEP_NS NS_PER_S

/* epoll's data: below this the number of a listener, above it a client's slot. */
#define CLIENT_BASE 16
#define STOP_EVENT 15
/* While messages are with the outputs, how often it is asked which of them are done. */
#define ASK_MS 5

struct tcp_input {
    struct input base;
    struct books *books;
    char tag[NET_HOST_MAX + 32];
    int epfd, stop_fd;
    int listeners[MAX_LISTENERS];
    size_t n_listeners;
    bool paused; /* the listeners are not watched */
    int64_t resume_ns, swept_ns, drain_ns;
    bool held_back; /* senders that wait for acknowledgements are not read: enough is under way */
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
    relay_sessions_free(t->shared.sessions);
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
    r = relay_sessions_new(&t->shared.sessions, args->books,
                           (size_t)options_int(args->options, "output-queue-len") / 2 + 1,
                           options_size(args->options, "output-queue-size") / 2 + 1);
    if (r == 0)
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
    t->drain_ns = options_duration_ns(args->options, "drain-timeout") * 9 / 10;
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

static bool is_silent(const struct relay_client *client)
{
    return client && client->kind == RELAY_STRANGER && client->got == 0;
}

/* A free slot, if need be that of the one who has been silent for longest; MAX_CLIENTS: none. */
static size_t free_slot(struct tcp_input *t)
{
    size_t slot = 0, oldest = MAX_CLIENTS;
    while (slot < MAX_CLIENTS && t->clients[slot])
        slot++;
    for (size_t i = 0; i < MAX_CLIENTS && slot == MAX_CLIENTS; i++)
        if (is_silent(t->clients[i]) &&
            (oldest == MAX_CLIENTS || t->clients[i]->since_ns < t->clients[oldest]->since_ns))
            oldest = i;
    if (slot == MAX_CLIENTS && oldest < MAX_CLIENTS)
        drop_client(t, slot = oldest);
    return slot;
}

static bool add_client(struct tcp_input *t, int fd)
{
    size_t slot = free_slot(t);
    if (slot == MAX_CLIENTS)
        return false;
    struct relay_client *client = mem_alloc(MEM_IO, sizeof(*client));
    if (!client)
        return false;
    if (watch(t, EPOLL_CTL_ADD, fd, CLIENT_BASE + slot, EPOLLIN | EPOLLRDHUP) < 0) {
        mem_free(client);
        return false;
    }
    relay_client_init(client, fd, clock_mono_ns());
    t->clients[slot] = client;
    t->n_clients++;
    return true;
}

/* Closes strangers that had their time. */
static void sweep(struct tcp_input *t, int64_t now_ns)
{
    size_t n_silent = 0;
    if (now_ns - t->swept_ns < SWEEP_NS)
        return;
    t->swept_ns = now_ns;
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        n_silent += is_silent(t->clients[i]);
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        const struct relay_client *client = t->clients[i];
        if (!client || client->kind != RELAY_STRANGER || now_ns - client->since_ns < STRANGER_NS)
            continue;
        if (!is_silent(client) || n_silent > SILENT_MAX)
            drop_client(t, i);
    }
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

static void read_client(struct tcp_input *t, size_t slot)
{
    struct relay_client *client = t->clients[slot];
    if (!client) /* closed by an event before this one */
        return;
    if (client->kind == RELAY_FRAMES && relay_sessions_full(t->shared.sessions))
        return;
    enum relay_read r = relay_client_read(client, &t->shared);
    if (r == RELAY_BROKEN && log_limit(&t->broken_limit))
        log_warn(t->tag, "the connection of a sender broke, or what it sent made no sense");
    if (r == RELAY_END || r == RELAY_BROKEN || !relay_client_answer(client))
        drop_client(t, slot);
    else if (client->ended) /* only its acknowledgements are left to do */
        (void)watch(t, EPOLL_CTL_MOD, client->fd, CLIENT_BASE + slot, 0);
}

/* Senders that wait for acknowledgements are read or not. */
static void hold_back(struct tcp_input *t, bool on)
{
    t->held_back = on;
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        const struct relay_client *client = t->clients[i];
        if (!client || client->kind != RELAY_FRAMES || client->ended)
            continue;
        (void)watch(t, EPOLL_CTL_MOD, client->fd, CLIENT_BASE + i, on ? 0 : EPOLLIN | EPOLLRDHUP);
        if (!on) /* it may hold whole frames */
            read_client(t, i);
    }
}

/* Tells the senders what the outputs have had. */
static void acknowledge(struct tcp_input *t)
{
    bool moved = relay_sessions_progress(t->shared.sessions);
    for (size_t i = 0; moved && i < MAX_CLIENTS; i++)
        if (t->clients[i] && !relay_client_answer(t->clients[i]))
            drop_client(t, i);
    bool full = relay_sessions_full(t->shared.sessions);
    if (full != t->held_back)
        hold_back(t, full);
    if (!full && relay_sessions_full(t->shared.sessions)) /* by what the first of them held */
        hold_back(t, true);
}

/* A connection that broke, and that nobody reads from now: its sender will come again. */
static bool is_unread(const struct tcp_input *t, size_t slot)
{
    const struct relay_client *client = t->clients[slot];
    return client && client->kind == RELAY_FRAMES &&
           (client->ended || relay_sessions_full(t->shared.sessions));
}

/* Waits for events and serves them. Their number, or -errno. */
static int serve(struct tcp_input *t, struct sink *sink, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    if (relay_sessions_out(t->shared.sessions) > 0 && timeout_ms > ASK_MS)
        timeout_ms = ASK_MS;
    int n = epoll_wait(t->epfd, events, EVENTS, timeout_ms);
    if (n == -1)
        return errno == EINTR ? 0 : -errno;
    t->shared.sink = sink;
    for (int i = 0; i < n; i++) {
        uint64_t data = events[i].data.u64;
        if (data >= CLIENT_BASE && (events[i].events & (EPOLLERR | EPOLLHUP)) != 0 &&
            is_unread(t, (size_t)(data - CLIENT_BASE)))
            drop_client(t, (size_t)(data - CLIENT_BASE));
        else if (data >= CLIENT_BASE)
            read_client(t, (size_t)(data - CLIENT_BASE));
        else if (data < MAX_LISTENERS)
            (void)accept_one(t, t->listeners[data]);
    }
    acknowledge(t);
    return n;
}

static int tcp_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct tcp_input *t = container_of(in, struct tcp_input, base);
    int64_t now_ns = clock_mono_ns();
    if (t->paused && now_ns >= t->resume_ns)
        watch_listeners(t, true);
    sweep(t, now_ns);
    int n = serve(t, sink, timeout_ms);
    return n < 0 ? err_sys(err, -n, "%s: epoll_wait", t->tag) : INPUT_MORE;
}

/* Does anybody wait for acknowledgements that may still come? */
static bool is_owed(const struct tcp_input *t)
{
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        const struct relay_session *session = t->clients[i] ? t->clients[i]->session : NULL;
        if (session && session->acked < session->received)
            return true;
    }
    return relay_sessions_out(t->shared.sessions) > 0;
}

/* Plain senders: our side of each connection is shut down, by which one that understands knows that
 * it should finish its record and go. The others hear it in so many words. */
static void say_goodbye(struct tcp_input *t)
{
    t->shared.stopping = true;
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        if (!t->clients[i])
            continue;
        if (t->clients[i]->kind != RELAY_FRAMES)
            (void)shutdown(t->clients[i]->fd, SHUT_WR);
        t->clients[i]->bye = true;
        if (!relay_client_answer(t->clients[i]))
            drop_client(t, i);
    }
}

/* Stopped: what senders have handed over by now is still read, and acknowledged when the outputs
 * have had it. */
static void tcp_finish(struct input *in, struct sink *sink)
{
    struct tcp_input *t = container_of(in, struct tcp_input, base);
    int64_t now_ns = clock_mono_ns(), until_ns = now_ns + DRAIN_NS;
    int64_t owed_until_ns = now_ns + (t->drain_ns > DRAIN_NS ? t->drain_ns : DRAIN_NS);
    (void)epoll_ctl(t->epfd, EPOLL_CTL_DEL, t->stop_fd, NULL);
    for (size_t i = 0; i < t->n_listeners; i++)
        for (size_t n = 0; n < MAX_CLIENTS && accept_one(t, t->listeners[i]); n++)
            ;
    close_listeners(t); /* first: who leaves must not come back and be lost in the backlog */
    say_goodbye(t);
    while (now_ns < owed_until_ns) {
        bool owed = is_owed(t);
        if (t->n_clients == 0 && !owed)
            break;
        int n = serve(t, sink, DRAIN_QUIET_MS);
        sink_kick(sink);
        now_ns = clock_mono_ns();
        if (n < 0 || (!owed && (n == 0 || now_ns >= until_ns)))
            break;
    }
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
