/* SPDX-License-Identifier: MIT */
#include "capture/relay_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>

/* Beginnings of records up to this length are read through the shared scratch buffer, so that a
 * client between two records holds no memory; longer ones grow in the client's own buffer. */
#define SMALL_REST ((size_t)16 * 1024)
/* A buffer beyond this is given back as soon as its record is done. */
#define KEEP_CAP ((size_t)64 * 1024)
/* A stranger has said what it is, with a header line or a HELLO, within so many bytes. */
#define STRANGER_BYTES ((size_t)8 * 1024)
/* What strangers may hold together: a gor's first record is long at times, and no gor's is endless.
 */
#define STRANGE_MAX (4 * MIB)
/* First bytes of a TLS connection: RFC 8446, 5.1. */
static const uint8_t tls_record[] = {22, 3};

void relay_client_init(struct relay_client *client, int fd, const struct relay_shared *shared)
{
    *client = (struct relay_client){.since_ns = shared->now_ns, .heard_ns = shared->now_ns};
    wire_open(&client->wire, fd, shared->tls, "");
    record_reader_init(&client->reader, RELAY_PAYLOAD_MAX);
    buf_init(&client->rest,
             RELAY_HEAD_LEN + RELAY_PAYLOAD_MAX + RECORD_HEADER_MAX + RELAY_READ_MAX);
}

static size_t rest_len(const struct relay_client *client)
{
    return buf_span(&client->rest).len;
}

void relay_client_fini(struct relay_client *client, struct relay_shared *shared)
{
    if (client->session)
        client->session->client = NULL;
    if (rest_len(client) > 0 && client->kind != RELAY_FRAMES)
        book_one(shared->books, BOOK_RECORDS_DAMAGED);
    shared->buffered -= rest_len(client);
    shared->strange -= client->strange;
    buf_fini(&client->rest);
    wire_close(&client->wire);
}

/* Brings up to date what it holds as a stranger. False: that is more than there is room for. */
static bool account(struct relay_client *client, struct relay_shared *shared)
{
    uint64_t strange = client->kind == RELAY_STRANGER ? rest_len(client) : 0;
    shared->strange = shared->strange - client->strange + strange;
    client->strange = strange;
    return shared->strange <= STRANGE_MAX && shared->buffered <= shared->max_buffered;
}

static void put(struct relay_shared *shared, struct msg *msg)
{
    book_one(shared->books, BOOK_RECORDS);
    book_add(shared->books, BOOK_RECORD_BYTES, msg->len);
    if (msg->http.head_len == 0)
        book_one(shared->books, BOOK_RECORDS_NOT_HTTP);
    sink_put(shared->sink, msg);
}

/* What the parsers answer beside the bytes used: close it. */
#define NONSENSE SIZE_MAX

/* Puts the records at the start of bytes; returns how many bytes they were. */
static size_t parse_records(struct relay_client *client, struct relay_shared *shared,
                            struct span bytes, bool at_end)
{
    size_t done = 0;
    for (;;) {
        size_t used = 0;
        struct msg *msg = NULL;
        struct span left = span_from(bytes, done);
        switch (record_read(&client->reader, left.ptr, left.len, at_end, &used, &msg)) {
        case RECORD_MORE: /* inside damage, bytes are done with nevertheless */
            return done + used;
        case RECORD_MSG:
            client->kind = RELAY_PLAIN;
            put(shared, msg);
            break;
        case RECORD_DAMAGED:
        case RECORD_NO_MEMORY: /* lost as well */
            book_one(shared->books, BOOK_RECORDS_DAMAGED);
            if (client->kind == RELAY_STRANGER)
                return NONSENSE;
            break;
        }
        done += used;
    }
}

/* The record in a DATA frame's body is put. False: no memory; the sender will come again with it.
 */
static bool take_data(struct relay_client *client, struct relay_shared *shared,
                      const struct relay_head *h, struct span body)
{
    struct record_reader reader;
    struct msg *msg = NULL;
    size_t used;
    record_reader_init(&reader, RELAY_PAYLOAD_MAX);
    reader.only_checked = true;
    enum record_result r = record_read(&reader, body.ptr, body.len, true, &used, &msg);
    if (r == RECORD_NO_MEMORY)
        return false;
    if (r != RECORD_MSG || used != body.len) {
        msg_unref(msg);
        msg = NULL;
        book_one(shared->books, BOOK_RECORDS_DAMAGED);
    }
    if (!relay_sessions_take(shared->sessions, client->session, h, &msg)) {
        msg_unref(msg);
        return false;
    }
    if (msg)
        put(shared, msg);
    return true;
}

/* The frames in a ZSTD frame's body, as far as there is room. NONSENSE, or how far that is. */
static size_t take_packed(struct relay_client *client, struct relay_shared *shared,
                          const struct relay_head *h, struct span body)
{
    struct span all = shared->unpacker ? relay_unpack(shared->unpacker, h, body) : span_of(NULL, 0);
    if (all.len == 0)
        return NONSENSE;
    while (client->inner < all.len && !relay_sessions_full(shared->sessions)) {
        struct relay_head inner;
        struct span left = span_from(all, client->inner);
        if (relay_head_get(left, &inner) != RELAY_FOUND || inner.type != RELAY_DATA ||
            left.len < relay_frame_len(&inner) ||
            !take_data(client, shared, &inner, span_of(left.ptr + RELAY_HEAD_LEN, inner.body_len)))
            return NONSENSE;
        client->inner += relay_frame_len(&inner);
    }
    return client->inner;
}

static size_t parse_frames(struct relay_client *client, struct relay_shared *shared,
                           struct span bytes)
{
    size_t done = 0;
    while (client->session && !relay_sessions_full(shared->sessions)) {
        struct relay_head h;
        struct span left = span_from(bytes, done);
        enum relay_found r = relay_head_get(left, &h);
        if (r == RELAY_BAD)
            return NONSENSE;
        if (r == RELAY_SHORT || left.len < relay_frame_len(&h))
            break;
        struct span body = span_of(left.ptr + RELAY_HEAD_LEN, h.body_len);
        if (h.type == RELAY_DATA && !take_data(client, shared, &h, body))
            return NONSENSE;
        if (h.type == RELAY_ZSTD) {
            size_t taken = take_packed(client, shared, &h, body);
            if (taken == NONSENSE)
                return NONSENSE;
            if (taken < h.number)
                break; /* there is no room for the rest of it */
            client->inner = 0;
        }
        if (h.type == RELAY_PING)
            client->asked = true;
        else if (h.type == RELAY_ACK || h.type == RELAY_BYE)
            return NONSENSE;
        done += relay_frame_len(&h);
    }
    return done;
}

static void leave_session(struct relay_client *client)
{
    if (client->session)
        client->session->client = NULL;
    client->session = NULL;
}

/* A refrain has said HELLO: its session moves to this connection. */
static bool welcome(struct relay_client *client, struct relay_shared *shared,
                    const struct relay_hello *hello)
{
    struct relay_session *session = relay_sessions_find(shared->sessions, hello);
    if (!session || hello->next > session->received + 1)
        return false;
    if (session->client) {
        struct relay_client *other = session->client;
        other->session = NULL;
    }
    session->client = client;
    client->session = session;
    client->kind = RELAY_FRAMES;
    client->bye = shared->stopping;
    client->told = session->acked;
    client->asked = true; /* what was handed over in the meantime */
    struct relay_welcome answer = {.version = RELAY_VERSION,
                                   .have = session->received,
                                   .zstd = hello->zstd && shared->unpacker};
    client->out_len = relay_welcome_put((char *)client->out, &answer);
    return true;
}

/* As parse_records(). */
static size_t parse(struct relay_client *client, struct relay_shared *shared, struct span bytes,
                    bool at_end)
{
    size_t used = 0;
    if (client->kind == RELAY_STRANGER && relay_is_hello(bytes)) {
        struct relay_hello hello;
        switch (relay_hello_get(bytes, &hello, &used)) {
        case RELAY_SHORT:
            return 0;
        case RELAY_BAD:
            return NONSENSE;
        case RELAY_FOUND:
            if (!welcome(client, shared, &hello))
                return NONSENSE;
            break;
        }
    }
    if (client->kind == RELAY_FRAMES && !client->framed && bytes.len > used) {
        client->framed = relay_is_frame(span_from(bytes, used));
        if (!client->framed) { /* it waited for our answer in vain, and takes us for a gor */
            leave_session(client);
            client->kind = RELAY_STRANGER;
        }
    }
    if (client->kind != RELAY_FRAMES) {
        size_t n = parse_records(client, shared, span_from(bytes, used), at_end);
        return n == NONSENSE ? NONSENSE : used + n;
    }
    size_t n = parse_frames(client, shared, span_from(bytes, used));
    return n == NONSENSE ? NONSENSE : used + n;
}

static void forget_rest(struct relay_client *client, struct relay_shared *shared, size_t n)
{
    buf_consume(&client->rest, n);
    shared->buffered -= n;
    if (rest_len(client) == 0 && client->rest.cap > KEEP_CAP)
        buf_fini(&client->rest);
}

static enum relay_read ended(struct relay_client *client, struct relay_shared *shared)
{
    if (client->kind == RELAY_FRAMES) {
        client->ended = true;
        return client->session ? RELAY_IDLE : RELAY_END;
    }
    size_t used = parse(client, shared, buf_span(&client->rest), true);
    forget_rest(client, shared, used == NONSENSE ? rest_len(client) : used);
    return RELAY_END;
}

static enum relay_read failed(struct relay_client *client, struct relay_shared *shared, int errnum)
{
    if (errnum == EAGAIN || errnum == EINTR)
        return RELAY_IDLE;
    if (client->kind != RELAY_FRAMES)
        (void)ended(client, shared); /* what came before counts */
    return RELAY_BROKEN;
}

/* What is in the client's own buffer may be taken now. */
static bool parse_rest(struct relay_client *client, struct relay_shared *shared)
{
    size_t used = parse(client, shared, buf_span(&client->rest), false);
    if (used == NONSENSE)
        return false;
    forget_rest(client, shared, used);
    return true;
}

/* Reads behind the rest in the client's own buffer. */
static enum relay_read read_large(struct relay_client *client, struct relay_shared *shared)
{
    /* as much again as has come: memory follows what was received, never what was declared */
    size_t room = rest_len(client) < RELAY_READ_MAX ? rest_len(client) : RELAY_READ_MAX;
    if (buf_reserve(&client->rest, room) < 0)
        return RELAY_BROKEN;
    ssize_t n = wire_recv(&client->wire, buf_tail(&client->rest), room);
    if (n < 0)
        return failed(client, shared, (int)-n);
    if (n == 0)
        return ended(client, shared);
    client->heard_ns = shared->now_ns;
    buf_commit(&client->rest, (size_t)n);
    shared->buffered += (uint64_t)n;
    if (!parse_rest(client, shared) || !account(client, shared))
        return RELAY_BROKEN;
    return (size_t)n == room ? RELAY_MORE : RELAY_IDLE;
}

/* Keeps the bytes of a record in progress. */
static bool keep(struct relay_client *client, struct relay_shared *shared, struct span bytes)
{
    forget_rest(client, shared, rest_len(client));
    if (buf_append(&client->rest, bytes.ptr, bytes.len) < 0)
        return false;
    shared->buffered += bytes.len;
    return true;
}

static bool is_tiresome(const struct relay_client *client)
{
    return client->kind == RELAY_STRANGER && client->got > STRANGER_BYTES &&
           !record_reader_is_inside(&client->reader);
}

/* A sender that speaks TLS to a plain listener. */
static bool is_tls(struct relay_client *client, const struct relay_shared *shared)
{
    size_t n = client->got < sizeof(tls_record) ? (size_t)client->got : sizeof(tls_record);
    if (shared->tls || client->kind != RELAY_STRANGER || n == 0 ||
        memcmp(shared->scratch, tls_record, n) != 0)
        return false;
    client->wire.fault = BOOK_TLS_NOT;
    snprintf(client->wire.why, sizeof(client->wire.why), "it speaks TLS, and we do not");
    return true;
}

enum relay_read relay_client_read(struct relay_client *client, struct relay_shared *shared)
{
    int r = wire_shake(&client->wire);
    if (r == -ECONNRESET && !client->wire.fault)
        return RELAY_END; /* it has said nothing */
    if (r < 0)
        return r == -EAGAIN ? RELAY_IDLE : RELAY_BROKEN;
    size_t had = rest_len(client);
    if (had > 0 && client->kind == RELAY_FRAMES) { /* it may have waited for room behind us */
        if (!parse_rest(client, shared))
            return RELAY_BROKEN;
        had = rest_len(client);
        if (relay_sessions_full(shared->sessions))
            return RELAY_IDLE;
    }
    if (client->ended)
        return RELAY_IDLE;
    if (had > SMALL_REST)
        return read_large(client, shared);
    size_t room = client->kind == RELAY_STRANGER ? WIRE_RECORD : RELAY_READ_MAX;
    ssize_t n = wire_recv(&client->wire, shared->scratch + had, room);
    if (n < 0)
        return failed(client, shared, (int)-n);
    if (n == 0)
        return ended(client, shared);
    if (had > 0)
        memcpy(shared->scratch, buf_span(&client->rest).ptr, had);
    client->heard_ns = shared->now_ns;
    client->got += (uint64_t)n;
    if (client->got == (uint64_t)n && is_tls(client, shared))
        return RELAY_BROKEN;
    struct span bytes = span_of(shared->scratch, had + (size_t)n);
    size_t used = parse(client, shared, bytes, false);
    if (used == NONSENSE || !keep(client, shared, span_from(bytes, used)) ||
        !account(client, shared) || is_tiresome(client))
        return RELAY_BROKEN;
    return (size_t)n == room ? RELAY_MORE : RELAY_IDLE;
}

static void say(struct relay_client *client, enum relay_type type, uint64_t number)
{
    struct relay_head h = {.type = type, .number = number};
    if (client->out_len + RELAY_HEAD_LEN > sizeof(client->out))
        return;
    relay_head_put(client->out + client->out_len, &h, span_of(NULL, 0));
    client->out_len += RELAY_HEAD_LEN;
}

bool relay_client_answer(struct relay_client *client)
{
    const struct relay_session *session = client->session;
    if (client->kind != RELAY_FRAMES)
        return true;
    if (!session)
        return false; /* it has a new connection */
    if (client->bye) {
        say(client, RELAY_BYE, 0);
        client->bye = false;
    }
    /* one that does not read gets no more of them */
    if (client->out_len < RELAY_HELLO_MAX / 2 && (client->asked || session->acked > client->told)) {
        say(client, RELAY_ACK, session->acked);
        client->told = session->acked;
        client->asked = false;
    }
    int r = wire_flush(&client->wire);
    if (r < 0)
        return r == -EAGAIN;
    if (client->out_len > 0) {
        struct iovec iov = {client->out, client->out_len};
        ssize_t n = wire_send(&client->wire, &iov, 1);
        if (n < 0)
            return n == -EAGAIN || n == -EINTR;
        memmove(client->out, client->out + n, client->out_len - (size_t)n);
        client->out_len -= (size_t)n;
    }
    return !client->ended || client->out_len > 0 || session->acked < session->received;
}

uint32_t relay_client_events(const struct relay_client *client, bool held_back)
{
    bool unread = client->kind == RELAY_FRAMES && (client->ended || held_back);
    uint32_t events = unread ? 0 : EPOLLIN | EPOLLRDHUP;
    if (client->out_len > 0 || wire_events(&client->wire) & POLLOUT)
        events |= EPOLLOUT;
    return events;
}
