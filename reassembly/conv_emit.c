/* SPDX-License-Identifier: MIT */
#include "reassembly/conv_internal.h"

#include "lib/mem.h"
#include "reassembly/pending.h"

/* The counter of a response for one of a request: books.def has them in the same order. */
static enum book book_of(enum direction dir, enum book request_book)
{
    static_assert(BOOK_RES_OPEN - BOOK_RES_STARTED == BOOK_REQ_OPEN - BOOK_REQ_STARTED,
                  "the two laws have the same terms");
    return dir == TO_SERVER ? request_book
                            : (enum book)(request_book - BOOK_REQ_STARTED + BOOK_RES_STARTED);
}

/* Eight digits, all at once: a nibble comes into each byte, and then '0' to it, or 'a' - 10. */
static inline void put_hex(char *out, uint32_t value)
{
    uint64_t x = value;
    x = (x << 16 | x) & UINT64_C(0x0000ffff0000ffff);
    x = (x << 8 | x) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x << 4 | x) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t is_letter = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    x += UINT64_C(0x3030303030303030) + is_letter * ('a' - '0' - 10);
    for (int i = 0; i < 8; i++)
        out[i] = (char)(x >> (56 - 8 * i));
}

/* gor's layout: client port, server port, client address (of IPv6 the last four bytes); the last
 * part is ours, and unique. */
static void set_id(struct msg *msg, const struct flow *f, uint32_t id)
{
    const uint8_t *a = f->client.addr + (f->client.family == 4 ? 0 : 12);
    put_hex(msg->id, (uint32_t)f->client.port << 16 | f->server.port);
    put_hex(msg->id + 8, (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3]);
    put_hex(msg->id + 16, id);
    msg->id_len = 24;
}

/* Takes msg, whose payload and http are set. */
static void emit(struct conv_env *env, const struct flow *f, enum direction dir, struct msg *msg,
                 uint32_t id)
{
    msg->type = dir == TO_SERVER ? MSG_REQUEST : MSG_RESPONSE;
    msg->src = dir == TO_SERVER ? f->client : f->server;
    msg->dst = dir == TO_SERVER ? f->server : f->client;
    set_id(msg, f, id);
    msg_set_conn(msg);
    sink_put(env->config.sink, msg);
}

static enum book response_book(const struct msg *msg)
{
    return msg->flags & MSG_CUT ? BOOK_RES_SHORT : BOOK_RES_COMPLETE;
}

static void emit_request(struct conv_env *env, struct flow *f, struct msg *msg,
                         const struct partial *p)
{
    book_one(conv_books(env), msg->flags & MSG_CUT ? BOOK_REQ_SHORT : BOOK_REQ_COMPLETE);
    f->upgrade |= msg->http.upgrade;
    /* HTTP/0.9: neither the answer nor what follows is framed */
    if (msg->http.head_len == 0 && !env->config.binary)
        f->half[TO_SERVER].reading = f->half[TO_CLIENT].reading = READ_NOTHING;
    struct span method = msg_method(msg);
    uint8_t answer = span_eq(method, span_str("HEAD"))      ? ANSWER_HEAD
                     : span_eq(method, span_str("CONNECT")) ? ANSWER_CONNECT
                                                            : ANSWER_PLAIN;
    emit(env, f, TO_SERVER, msg, p->id);
    if (!f->pending)
        return;
    struct pending_request found = {.id = p->id, .answer = answer, .last_ns = p->last_ns};
    found.end = p->seq + (uint32_t)(p->framer.head_len + p->framer.body_len);
    struct msg *early = pending_complete(f->pending, &found);
    if (early) {
        env->held -= (int64_t)msg_cost(early);
        book_one(conv_books(env), response_book(early));
        emit(env, f, TO_CLIENT, early, p->id);
    }
}

/* A response came to none of the requests that wait: the request is lost, or lies behind a hole, or
 * was captured later. If it still turns up it must not take the next one's response. */
static void note_answered(struct flow *f)
{
    const struct stream *server = &f->half[TO_CLIENT].stream;
    f->has_answered = server->has_sent_ack;
    f->answered = server->sent_ack;
}

/* Has the server received more than the oldest request that waits, and what came with it? Then it
 * may answer one that the capture has not seen. */
static bool answers_unseen(struct flow *f)
{
    const struct stream *client = &f->half[TO_SERVER].stream;
    const struct stream *server = &f->half[TO_CLIENT].stream;
    const struct pending_request *to = pending_first(f->pending);
    uint32_t end = to && to->complete ? to->end : client->next;
    if (client->has_fin && client->fin == end)
        end++; /* FIN takes a number */
    return server->has_sent_ack && seq_before(end, server->sent_ack);
}

void conv_realign(struct flow *f, const struct partial *p)
{
    if (!f->pending)
        return;
    bool is_sure = pending_realign(f->pending, p->seq, p->first_ns);
    if (p->hunted && (!is_sure || answers_unseen(f)))
        pending_give_up(f->pending, p->seq, p->first_ns);
}

/* The oldest request that waits, unless the client had received from there on when it sent that: a
 * response at seq then is none of its. NULL: nobody knows whose it is. */
static struct pending_request *asked_by(const struct flow *f, uint32_t seq)
{
    struct pending_request *to = f->pending ? pending_first(f->pending) : NULL;
    return to && pending_is_asked(to, seq) ? to : NULL;
}

/* The response at seq came, or is lost. */
static void pop_answered(struct flow *f, uint32_t seq)
{
    struct pending_request *to = f->pending ? pending_first(f->pending) : NULL;
    if (to && !asked_by(f, seq))
        return;
    if (to && !to->early)
        pending_pop(f->pending);
    else
        note_answered(f);
}

/* The server has agreed to another protocol. */
static void end_http(struct conv_env *env, struct flow *f, const struct msg *msg)
{
    struct http_field to;
    f->half[TO_SERVER].reading = f->half[TO_CLIENT].reading = READ_NOTHING;
    if (http_field_find(msg_payload(msg), &msg->http, span_str("Upgrade"), &to) &&
        span_eq_nocase(to.value, span_str("h2c")))
        book_one(conv_books(env), BOOK_FLOWS_H2C);
}

/* A whole response. Takes msg. */
static void emit_response(struct conv_env *env, struct flow *f, struct msg *msg,
                          const struct partial *p)
{
    if (msg->http.status < 200 && msg->http.status != 101 && !env->config.binary) {
        msg_unref(msg); /* interim: the final one is still to come (RFC 9110, 15.2) */
        return;
    }
    if (p->hunted) /* requests that were sent before it may have come out since it began */
        conv_realign(f, p);
    struct pending_request *to = asked_by(f, p->seq);
    if (!to || to->lost || to->early) {
        book_one(conv_books(env), BOOK_RES_ORPHAN);
        msg_unref(msg);
        if (to || !env->config.binary) /* else the server speaks unasked */
            pop_answered(f, p->seq);
        return;
    }
    book_one(conv_books(env), BOOK_RES_STARTED);
    if (!to->complete) { /* answered before it was sent: it comes out behind its request */
        to->early = msg;
        env->held += (int64_t)msg_cost(msg);
        return;
    }
    book_one(conv_books(env), response_book(msg));
    msg->latency_ns = p->first_ns > to->last_ns ? p->first_ns - to->last_ns : 0;
    uint32_t id = to->id;
    if (msg->http.upgrade)
        end_http(env, f, msg);
    pending_pop(f->pending);
    emit(env, f, TO_CLIENT, msg, id);
}

void conv_emit(struct conv_env *env, struct flow *f, enum direction dir, struct msg *msg,
               struct partial *p)
{
    if (p->unread)
        conv_confirm(env, f, dir, p);
    msg->http = p->framer.view;
    msg->ts_ns = p->first_ns;
    if (p->cut)
        msg->flags |= MSG_CUT;
    if (dir == TO_SERVER)
        emit_request(env, f, msg, p);
    else
        emit_response(env, f, msg, p);
}

/* --- losing --- */

void conv_lose(struct conv_env *env, struct flow *f, enum direction dir, struct partial *p,
               enum book request_fate)
{
    if (p->lost)
        return;
    if (p->unread)
        conv_confirm(env, f, dir, p);
    p->lost = true;
    if (p->tentative) {
        /* it never was a message, as far as anyone can tell */
    } else if (dir == TO_SERVER) {
        book_one(conv_books(env), request_fate);
        struct msg *early = f->pending ? pending_lose(f->pending, p->id) : NULL;
        if (early) {
            book_one(conv_books(env), BOOK_RES_COMPLETE);
            book_one(conv_books(env), BOOK_RES_ORPHAN);
            env->held -= (int64_t)msg_cost(early);
            msg_unref(early);
        }
    } else {
        book_one(conv_books(env), BOOK_RES_STARTED);
        book_one(conv_books(env), book_of(TO_CLIENT, request_fate));
        if (p->hunted)
            conv_realign(f, p);
        if (p->framer.view.status >= 200 || env->config.binary) /* else it may be interim */
            pop_answered(f, p->seq);
    }
    if (p->msg) {
        env->held -= (int64_t)p->cap;
        msg_unref(p->msg);
        p->msg = NULL;
    }
}

void conv_drop_partial(struct conv_env *env, struct half *h)
{
    struct partial *p = h->partial;
    if (!p)
        return;
    if (p->msg) {
        env->held -= (int64_t)p->cap;
        msg_unref(p->msg);
    }
    env->held -= (int64_t)PARTIAL_COST;
    mem_free(p);
    h->partial = NULL;
}

void conv_lose_thread(struct conv_env *env, struct flow *f, enum direction dir,
                      enum book request_fate)
{
    struct half *h = &f->half[dir];
    if (h->partial)
        conv_lose(env, f, dir, h->partial, request_fate);
    conv_drop_partial(env, h);
    if (h->reading != READ_NOTHING)
        h->reading = READ_HUNT;
}

void conv_confirm(struct conv_env *env, struct flow *f, enum direction dir, struct partial *p)
{
    p->tentative = p->unread = false;
    if (dir == TO_CLIENT)
        return;
    book_one(conv_books(env), BOOK_REQ_STARTED);
    struct pending_request begun = {.id = p->id,
                                    .seq = f->half[TO_SERVER].stream.next,
                                    .ack = p->ack,
                                    .has_ack = p->has_ack,
                                    .first_ns = p->first_ns};
    if (f->has_answered && !seq_before(f->answered, begun.seq))
        return;
    f->has_answered = false;
    if (env->config.track_responses && !pending_start(&f->pending, &begun, &env->held))
        f->half[TO_CLIENT].reading = READ_NOTHING;
}
