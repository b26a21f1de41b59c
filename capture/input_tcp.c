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

/* Who has not said what he is by then is closed, within 10 s; who has said nothing at all, not even
 * TLS where that is asked for, when there are more than so many of them. */
#define STRANGER_NS (8 * NS_PER_S)
#define SILENT_MAX 128
#define SWEEP_NS NS_PER_S
/* A refrain says something every 2 seconds. */
#define SILENCE_NS (15 * NS_PER_S)
/* Handshakes of TLS at a time. Each takes 43 KiB, up to 93 when a stranger wants it to
 * (OpenSSL 3.0, x86-64). One more, and the oldest is given up. */
#define SHAKING_MAX 64

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
    struct tls *tls; /* NULL: plain */
    size_t n_clients;
    struct relay_client *clients[MAX_CLIENTS];
    uint32_t watched[MAX_CLIENTS]; /* as epoll has it */
    struct relay_shared shared;
};

static void drop_client(struct tcp_input *t, size_t slot)
{
    relay_client_fini(t->clients[slot], &t->shared);
    mem_free(t->clients[slot]);
    t->clients[slot] = NULL;
    t->n_clients--;
}

/* A sender that is of no use: counted, and told. */
static void turn_out(struct tcp_input *t, size_t slot, const char *why)
{
    struct relay_client *client = t->clients[slot];
    char who[NET_PEER_MAX];
    if (client->wire.fault) {
        why = client->wire.why;
        book_one(t->books, client->wire.fault);
    } else if (client->kind == RELAY_STRANGER) {
        book_one(t->books, BOOK_STRANGERS);
    }
    net_peer(who, client->wire.fd);
    log_often(LOG_WARN, t->tag, why, "closed the connection from %s: %s", who, why);
    drop_client(t, slot);
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
    relay_unpacker_free(t->shared.unpacker);
    tls_free(t->tls);
    mem_free(t);
}

static int watch(struct tcp_input *t, int op, int fd, uint64_t data, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(t->epfd, op, fd, &event) == -1 ? -errno : 0;
}

/* Says who can connect, when that is everybody. */
static void say_open(const struct tcp_input *t)
{
    for (size_t i = 0; i < t->n_listeners && !t->tls; i++) {
        if (net_is_local(t->listeners[i]))
            continue;
        log_warn(t->tag, "everybody who can reach this port can put in requests, and nothing is "
                         "encrypted: use --tcp-key or --input-tcp-secure, or listen at 127.0.0.1");
        return;
    }
}

static int set_up_frames(struct tcp_input *t, const struct input_args *args, struct err *err)
{
    int r = relay_sessions_new(&t->shared.sessions, args->books,
                               (size_t)options_int(args->options, "output-queue-len") / 2 + 1,
                               options_size(args->options, "output-queue-size") / 2 + 1);
    if (r == 0 && relay_pack_is_built())
        r = relay_unpacker_new(&t->shared.unpacker);
    return r == 0 ? 0 : err_sys(err, -r, "--input-tcp \"%s\"", args->addresses[0]);
}

static int set_up(struct tcp_input *t, const struct input_args *args, struct err *err)
{
    struct net_name name;
    int r = net_parse(&name, "input-tcp", args->addresses[0], err);
    if (r == 0)
        r = tls_of_listener(&t->tls, args->options, err);
    if (r == 0)
        r = set_up_frames(t, args, err);
    if (r < 0)
        return r;
    t->shared.tls = t->tls;
    snprintf(t->tag, sizeof(t->tag), "input-tcp %s:%s", name.host, name.port);
    r = net_listen(t->listeners, MAX_LISTENERS, &name, "input-tcp", err);
    if (r < 0)
        return r;
    t->n_listeners = (size_t)r;
    t->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (t->epfd == -1)
        return err_sys(err, errno, "--input-tcp \"%s\"", args->addresses[0]);
    say_open(t);
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
    log_warn(t->tag, "cannot accept another sender: %s", err_text(errnum));
    watch_listeners(t, false);
    t->resume_ns = clock_mono_ns() + ACCEPT_PAUSE_NS;
}

static bool is_silent(const struct relay_client *client)
{
    return client && client->kind == RELAY_STRANGER && client->got == 0 && client->wire.shaken;
}

static bool is_stranger(const struct relay_client *client)
{
    return client && client->kind == RELAY_STRANGER;
}

static bool is_shaking(const struct relay_client *client)
{
    return client && wire_is_shaking(&client->wire);
}

/* The slot of the one who came first of those of a kind; MAX_CLIENTS: there is none. */
static size_t oldest(const struct tcp_input *t, bool (*is_one)(const struct relay_client *client))
{
    size_t found = MAX_CLIENTS;
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        if (is_one(t->clients[i]) &&
            (found == MAX_CLIENTS || t->clients[i]->since_ns < t->clients[found]->since_ns))
            found = i;
    return found;
}

/* A free slot, if need be that of the oldest stranger: who means it says what he is at once.
 * MAX_CLIENTS: none. */
static size_t free_slot(struct tcp_input *t)
{
    size_t slot = 0;
    while (slot < MAX_CLIENTS && t->clients[slot])
        slot++;
    if (slot == MAX_CLIENTS) {
        slot = oldest(t, is_stranger);
        if (slot < MAX_CLIENTS)
            turn_out(t, slot, "there are too many that have not said what they are");
    }
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
    relay_client_init(client, fd, &t->shared);
    t->watched[slot] = EPOLLIN | EPOLLRDHUP;
    t->clients[slot] = client;
    t->n_clients++;
    return true;
}

/* Nobody can be blamed for silence while we did not listen. */
static void excuse_all(struct tcp_input *t, int64_t now_ns)
{
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        if (t->clients[i])
            t->clients[i]->heard_ns = now_ns;
}

/* Closes strangers that had their time, and refrains that are gone. */
static void sweep(struct tcp_input *t, int64_t now_ns)
{
    size_t n_silent = 0;
    if (now_ns - t->swept_ns < SWEEP_NS)
        return;
    if (t->held_back || now_ns - t->swept_ns > SILENCE_NS / 3)
        excuse_all(t, now_ns);
    t->swept_ns = now_ns;
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        n_silent += is_silent(t->clients[i]);
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        const struct relay_client *client = t->clients[i];
        bool tolerated = is_silent(client) && n_silent <= SILENT_MAX; /* as a gor may be */
        if (is_stranger(client) && !tolerated && now_ns - client->since_ns >= STRANGER_NS)
            turn_out(t, i, "it has not said what it is");
        else if (client && client->kind == RELAY_FRAMES && !client->ended &&
                 now_ns - client->heard_ns >= SILENCE_NS)
            turn_out(t, i, "nothing has come from it for a while");
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
        log_often(LOG_WARN, t->tag, "turned away",
                  "turned a sender away: %zu are connected, or memory is short", t->n_clients);
        close(fd);
    }
    return true;
}

/* Tells a sender what there is to tell, and epoll what is waited for next. */
static void answer_client(struct tcp_input *t, size_t slot)
{
    struct relay_client *client = t->clients[slot];
    if (!relay_client_answer(client)) {
        if (client->wire.fault)
            turn_out(t, slot, "");
        else
            drop_client(t, slot);
        return;
    }
    uint32_t events = relay_client_events(client, t->held_back);
    if (events != t->watched[slot])
        (void)watch(t, EPOLL_CTL_MOD, client->wire.fd, CLIENT_BASE + slot, events);
    t->watched[slot] = events;
}

/* A handshake has begun: are there too many? */
static void limit_handshakes(struct tcp_input *t)
{
    size_t n = 0;
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        n += is_shaking(t->clients[i]);
    if (n > SHAKING_MAX)
        turn_out(t, oldest(t, is_shaking), "there are too many in the midst of a TLS handshake");
}

static void read_client(struct tcp_input *t, size_t slot)
{
    struct relay_client *client = t->clients[slot];
    if (!client) /* closed by an event before this one */
        return;
    bool unread = client->kind == RELAY_FRAMES && relay_sessions_full(t->shared.sessions);
    bool shook = is_shaking(client);
    enum relay_read r = unread ? RELAY_IDLE : relay_client_read(client, &t->shared);
    if (r == RELAY_BROKEN)
        turn_out(t, slot, "it broke, or what came makes no sense");
    else if (r == RELAY_END)
        drop_client(t, slot);
    else
        answer_client(t, slot);
    if (!shook && is_shaking(t->clients[slot]))
        limit_handshakes(t);
}

/* Senders that wait for acknowledgements are read or not. */
static void hold_back(struct tcp_input *t, bool on)
{
    t->held_back = on;
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        const struct relay_client *client = t->clients[i];
        if (!client || client->kind != RELAY_FRAMES || client->ended)
            continue;
        if (on)
            answer_client(t, i);
        else /* it may hold whole frames */
            read_client(t, i);
    }
}

/* Tells the senders what the outputs have had. */
static void acknowledge(struct tcp_input *t)
{
    bool moved = relay_sessions_progress(t->shared.sessions);
    for (size_t i = 0; moved && i < MAX_CLIENTS; i++)
        if (t->clients[i])
            answer_client(t, i);
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
    t->shared.now_ns = clock_mono_ns();
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
        t->clients[i]->bye = true;
        if (t->clients[i]->kind != RELAY_FRAMES && wire_shut(&t->clients[i]->wire) < 0)
            continue; /* it does not read, or is gone */
        answer_client(t, i);
    }
}

/* Stopped: what senders have handed over by now is still read, and acknowledged when the outputs
 * have had it. */
static void tcp_finish(struct input *in, struct sink *sink)
{
    struct tcp_input *t = container_of(in, struct tcp_input, base);
    int64_t now_ns = clock_mono_ns(), until_ns = now_ns + DRAIN_NS;
    t->shared.now_ns = now_ns;
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
