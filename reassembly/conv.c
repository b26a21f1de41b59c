/* SPDX-License-Identifier: MIT */
#include "reassembly/conv_internal.h"

#include <string.h>

#include "lib/clear.h"
#include "lib/mem.h"
#include "reassembly/hunt.h"
#include "reassembly/pending.h"
#include "reassembly/simple.h"
#include "reassembly/turns.h"

/* First room for a message that goes on; most fit. */
#define FIRST_CAP 1024
/* What begins a connection is believed to be HTTP when so much of its first line could be. */
#define LINE_PROOF 256

static enum http_kind kind_of(enum direction dir)
{
    return dir == TO_SERVER ? HTTP_REQUEST : HTTP_RESPONSE;
}

/* --- gathering --- */

bool conv_gather(struct conv_env *env, struct partial *p, struct span bytes)
{
    size_t want = p->msg->len + bytes.len;
    if (want > p->cap) {
        size_t cap = p->cap * 2 > want ? p->cap * 2 : want;
        struct msg *bigger = msg_resize(p->msg, cap);
        if (!bigger)
            return false;
        env->held += (int64_t)(cap - p->cap);
        p->msg = bigger;
        p->cap = cap;
    }
    memcpy(p->msg->bytes + p->msg->len, bytes.ptr, bytes.len);
    p->msg->len = want;
    return true;
}

/* Keeps bytes of the body as long as it is within the limit. */
static void gather_body(struct conv_env *env, struct flow *f, enum direction dir, struct partial *p,
                        struct span bytes)
{
    if (p->lost || p->cut)
        return;
    size_t max = env->config.max_body + p->framer.head_len;
    if (bytes.len > max || p->msg->len > max - bytes.len) {
        if (!env->config.allow_incomplete) {
            conv_lose(env, f, dir, p, BOOK_REQ_TOO_LARGE);
            return;
        }
        bytes.len = max - p->msg->len;
        p->cut = true;
    }
    if (!conv_gather(env, p, bytes))
        conv_lose(env, f, dir, p, BOOK_REQ_EVICTED);
}

/* --- what is none of ours --- */

static bool is_h2_preface(struct span bytes)
{
    static const char preface[] = "PRI * HTTP/2"; /* RFC 9113, 3.4; no other request is that */
    return bytes.len >= sizeof(preface) - 1 && memcmp(bytes.ptr, preface, sizeof(preface) - 1) == 0;
}

/* Could a message begin with these bytes? */
static bool fits(enum direction dir, struct span bytes, bool first)
{
    bytes.len = bytes.len < LINE_PROOF ? bytes.len : LINE_PROOF;
    return http_may_begin(kind_of(dir), bytes.ptr, bytes.len) ||
           (first && dir == TO_SERVER && simple_request_may_begin(bytes));
}

/* Has the first line shown that it is one? That of HTTP/0.9 needs what follows it. */
static bool is_read(enum direction dir, struct span bytes)
{
    bool whole = bytes.len >= LINE_PROOF || memchr(bytes.ptr, '\n', bytes.len);
    return whole && fits(dir, bytes, false);
}

/* Where a message should begin these bytes stand, which begin none. True: they broke the rules of a
 * connection that is HTTP. */
static bool classify(struct conv_env *env, struct flow *f, enum direction dir, struct span bytes,
                     bool first)
{
    struct half *h = &f->half[dir];
    h->reading = READ_HUNT;
    if (dir == TO_SERVER && is_h2_preface(bytes)) {
        book_one(conv_books(env), BOOK_FLOWS_H2C);
        f->half[TO_SERVER].reading = f->half[TO_CLIENT].reading = READ_NOTHING;
        return false;
    }
    if (f->upgrade) {
        h->reading = READ_NOTHING; /* the other protocol */
        return false;
    }
    if (first && dir == TO_SERVER)
        book_one(conv_books(env), BOOK_FLOWS_OTHER);
    return !first && dir == TO_SERVER;
}

/* A message in progress whose first line has not ended yet has got more bytes. False: it is none.
 */
static bool read_line(struct conv_env *env, struct flow *f, enum direction dir, struct partial *p)
{
    struct span payload = msg_payload(p->msg);
    if (!fits(dir, payload, p->first)) {
        if (!classify(env, f, dir, payload, p->first)) {
            p->unread = false;
            p->tentative = true; /* so that it leaves no trace */
        }
        return false;
    }
    if (is_read(dir, payload))
        conv_confirm(env, f, dir, p);
    return true;
}

/* The next bytes of a message. *used: how many were its own. */
static enum http_verdict advance(struct conv_env *env, struct flow *f, enum direction dir,
                                 struct partial *p, struct span bytes, size_t *used)
{
    size_t n;
    enum http_verdict v = http_framer_feed(&p->framer, bytes.ptr, bytes.len, &n);
    *used = n;
    if (p->framer.view.head_len > 0) {
        gather_body(env, f, dir, p, span_of(bytes.ptr, n));
        return v;
    }
    if (!conv_gather(env, p, span_of(bytes.ptr, n))) {
        conv_lose(env, f, dir, p, BOOK_REQ_EVICTED);
        return HTTP_BAD;
    }
    if (p->tentative && hunt_likeness(kind_of(dir), msg_payload(p->msg)) == UNLIKE)
        return HTTP_BAD;
    if (p->unread && !read_line(env, f, dir, p))
        return HTTP_BAD;
    if (v != HTTP_HEAD)
        return v;
    if (p->first && simple_request(msg_payload(p->msg)))
        return HTTP_DONE;
    v = http_framer_head(&p->framer, p->msg->bytes, p->framer.head_len);
    if (p->tentative && v != HTTP_BAD)
        conv_confirm(env, f, dir, p);
    if (v != HTTP_MORE || n == bytes.len)
        return v;
    size_t more = 0;
    v = advance(env, f, dir, p, span_from(bytes, n), &more);
    *used = n + more;
    return v;
}

/* What a BAD verdict means for the books. */
static enum book fate_of(const struct http_framer *framer)
{
    if (framer->fault == HTTP_FAULT_HEAD_TOO_BIG)
        return BOOK_REQ_TOO_LARGE;
    return BOOK_REQ_MALFORMED;
}

/* What follows a malformed request may be a part of it, or another one: readers differ, and it is
 * how requests are smuggled. So the next one is looked for only behind the server's answer, which
 * the client acknowledges with it. */
static void bar(struct flow *f, enum direction dir)
{
    const struct stream *answers = &f->half[TO_CLIENT].stream;
    if (dir != TO_SERVER || !answers->has_ack)
        return;
    f->is_barred = true;
    f->barred_ack = answers->peer_ack;
}

static bool is_barred(struct flow *f, enum direction dir)
{
    const struct stream *answers = &f->half[TO_CLIENT].stream;
    if (dir == TO_SERVER && f->is_barred && seq_before(f->barred_ack, answers->peer_ack))
        f->is_barred = false;
    return dir == TO_SERVER && f->is_barred;
}

/* After the verdict on a message in progress. True: bytes behind it may be read on. */
static bool settle(struct conv_env *env, struct flow *f, enum direction dir, enum http_verdict v)
{
    struct half *h = &f->half[dir];
    struct partial *p = h->partial;
    if (v == HTTP_MORE)
        return false;
    if (v == HTTP_BAD) {
        if (!p->tentative)
            bar(f, dir);
        conv_lose_thread(env, f, dir, fate_of(&p->framer));
        return false;
    }
    struct msg *msg = p->msg;
    if (msg) {
        env->held -= (int64_t)p->cap;
        p->msg = NULL;
        /* what grew by doubling gives back what it did not need */
        struct msg *exact = p->cap > msg->len + FIRST_CAP ? msg_resize(msg, msg->len) : NULL;
        msg = exact ? exact : msg;
    }
    if (!p->lost)
        conv_emit(env, f, dir, msg, p);
    conv_drop_partial(env, h);
    return true;
}

/* A message begins that does not end in these bytes: keeps them. */
static void keep_rest(struct conv_env *env, struct flow *f, enum direction dir,
                      const struct partial *begun, struct span bytes)
{
    struct half *h = &f->half[dir];
    struct partial *p = mem_alloc(MEM_MSG, sizeof(*p));
    size_t cap = bytes.len > FIRST_CAP / 2 ? bytes.len * 2 : FIRST_CAP;
    struct msg *msg = p ? msg_new(cap) : NULL;
    struct partial lost = *begun;
    if (!msg) {
        mem_free(p);
        conv_lose(env, f, dir, &lost, BOOK_REQ_EVICTED);
        h->reading = READ_HUNT;
        return;
    }
    *p = *begun;
    p->msg = msg;
    p->cap = cap;
    env->held += (int64_t)(PARTIAL_COST + cap);
    h->partial = p;
    size_t head = p->framer.view.head_len > 0 ? p->framer.head_len : bytes.len;
    memcpy(msg->bytes, bytes.ptr, head);
    msg->len = head;
    if (head < bytes.len)
        gather_body(env, f, dir, p, span_from(bytes, head));
}

/* A message that is whole in bytes: the one copy. */
static void emit_copy(struct conv_env *env, struct flow *f, enum direction dir, struct partial *p,
                      struct span bytes)
{
    if (bytes.len - p->framer.head_len > env->config.max_body) {
        if (!env->config.allow_incomplete) {
            conv_lose(env, f, dir, p, BOOK_REQ_TOO_LARGE);
            return;
        }
        bytes.len = p->framer.head_len + env->config.max_body;
        p->cut = true;
    }
    struct msg *msg = msg_new(bytes.len);
    if (!msg) {
        conv_lose(env, f, dir, p, BOOK_REQ_EVICTED);
        return;
    }
    memcpy(msg->bytes, bytes.ptr, bytes.len);
    msg->len = bytes.len;
    conv_emit(env, f, dir, msg, p);
}

/* --- beginning --- */

/* While hunting, a message may have begun with a few bytes that were none of it: when a segment
 * begins one by itself, or could, and does not complete what is there, that is the message. */
static bool begins_instead(const struct partial *p, enum direction dir, struct span bytes)
{
    uint8_t joined[64];
    if (!p->tentative || !p->msg)
        return false;
    enum likeness alone = hunt_likeness(kind_of(dir), bytes);
    size_t have = p->msg->len;
    if (alone == UNLIKE || have >= sizeof(joined))
        return alone == LIKE;
    size_t more = bytes.len < sizeof(joined) - have ? bytes.len : sizeof(joined) - have;
    memcpy(joined, p->msg->bytes, have);
    memcpy(joined + have, bytes.ptr, more);
    return hunt_likeness(kind_of(dir), span_of(joined, have + more)) == UNLIKE;
}

/* Of a message that begins at bytes. */
static void partial_at(const struct conv_env *env, const struct half *h, enum direction dir,
                       struct span bytes, int64_t ts_ns, struct partial *p)
{
    struct http_limits limits = {.max_head = env->config.max_head};
    http_framer_init(&p->framer, kind_of(dir), &limits);
    clear(&p->msg, sizeof(*p) - offsetof(struct partial, msg));
    p->first_ns = p->last_ns = ts_ns;
    p->seq = h->stream.next - (uint32_t)bytes.len;
    p->ack = h->stream.sent_ack;
    p->has_ack = h->stream.has_sent_ack;
}

/* May a message begin here? Classifies streams that are none of ours. */
static bool may_begin(struct conv_env *env, struct flow *f, enum direction dir, struct span bytes,
                      bool starts)
{
    struct half *h = &f->half[dir];
    bool first = h->reading == READ_FIRST;
    if (h->reading == READ_HUNT)
        return starts && !is_barred(f, dir) && hunt_likeness(kind_of(dir), bytes) != UNLIKE;
    if (first && bytes.ptr[0] == 0x16 && (bytes.len == 1 || bytes.ptr[1] == 3)) {
        if (dir == TO_SERVER)
            book_one(conv_books(env), BOOK_FLOWS_TLS);
        h->reading = READ_NOTHING;
        return false;
    }
    if (!f->has_syn && first && !is_h2_preface(bytes)) { /* mid-stream: the end of something */
        h->reading = READ_HUNT;
        return starts && hunt_likeness(kind_of(dir), bytes) != UNLIKE;
    }
    if (fits(dir, bytes, first))
        return true;
    if (classify(env, f, dir, bytes, first)) {
        struct partial p;
        partial_at(env, h, dir, bytes, 0, &p);
        p.unread = true;
        p.id = env->next_id++;
        conv_lose(env, f, dir, &p, BOOK_REQ_MALFORMED);
        bar(f, dir);
    }
    return false;
}

/* Empty lines between messages belong to none (RFC 9112, 2.2). */
static struct span without_empty_lines(struct span bytes)
{
    while (bytes.len > 0 && (bytes.ptr[0] == '\r' || bytes.ptr[0] == '\n'))
        bytes = span_from(bytes, 1);
    return bytes;
}

/* The oldest request that waits rules how its response ends. */
static void set_answer(struct flow *f, struct http_framer *framer)
{
    struct pending_request *to = f->pending ? pending_first(f->pending) : NULL;
    if (to && to->answer == ANSWER_HEAD)
        http_framer_answers(framer, span_str("HEAD"));
    if (to && to->answer == ANSWER_CONNECT)
        http_framer_answers(framer, span_str("CONNECT"));
}

/* Does a request begin where one should, with a whole and valid head? Then it is framed here, and
 * may_begin() need not be asked: it would say yes. */
static bool begins_request(const struct flow *f, enum direction dir, struct span bytes,
                           struct http_framer *framer)
{
    uint8_t reading = f->half[dir].reading;
    return dir == TO_SERVER && (reading == READ_NEXT || (reading == READ_FIRST && f->has_syn)) &&
           http_framer_whole_head(framer, bytes.ptr, bytes.len) &&
           framer->view.method_len <= HTTP_METHOD_GUESS_MAX;
}

/* A message begins at bytes. Returns what lies behind it: nothing when it goes on. */
static struct span begin(struct conv_env *env, struct flow *f, enum direction dir,
                         struct span bytes, struct partial *p)
{
    struct half *h = &f->half[dir];
    size_t head = 0, body = 0;
    p->first = h->reading == READ_FIRST && f->has_syn && dir == TO_SERVER;
    p->unread = h->reading != READ_HUNT && dir == TO_SERVER;
    p->tentative = h->reading == READ_HUNT && hunt_likeness(kind_of(dir), bytes) != LIKE;
    p->hunted = dir == TO_CLIENT && h->reading == READ_HUNT;
    if (dir == TO_CLIENT && h->reading != READ_NEXT)
        conv_realign(f, p);
    h->reading = READ_NEXT;
    if (dir == TO_SERVER)
        p->id = env->next_id++;
    else
        set_answer(f, &p->framer);
    bool is_framed = dir == TO_SERVER ? p->framer.head_len > 0
                                      : http_framer_whole_head(&p->framer, bytes.ptr, bytes.len);
    enum http_verdict v = HTTP_MORE;
    if (is_framed)
        head = p->framer.head_len;
    else
        v = http_framer_feed(&p->framer, bytes.ptr, bytes.len, &head);
    if (v == HTTP_HEAD && p->first && simple_request(span_of(bytes.ptr, head)))
        v = HTTP_DONE;
    p->unread = p->unread && !is_framed && v == HTTP_MORE && !is_read(dir, bytes);
    if (!p->tentative && !p->unread)
        conv_confirm(env, f, dir, p);
    if (v == HTTP_HEAD)
        v = http_framer_head(&p->framer, bytes.ptr, head);
    if (is_framed || (v == HTTP_MORE && head < bytes.len))
        v = http_framer_feed(&p->framer, bytes.ptr + head, bytes.len - head, &body);
    switch (v) {
    case HTTP_DONE:
        emit_copy(env, f, dir, p, span_of(bytes.ptr, head + body));
        return span_from(bytes, head + body);
    case HTTP_BAD:
        conv_lose(env, f, dir, p, fate_of(&p->framer));
        h->reading = READ_HUNT;
        if (!p->tentative)
            bar(f, dir);
        break;
    case HTTP_MORE:
    case HTTP_HEAD:
        keep_rest(env, f, dir, p, bytes);
        break;
    }
    return span_from(bytes, bytes.len);
}

void conv_data(struct conv_env *env, struct flow *f, enum direction dir, struct span bytes,
               int64_t ts_ns, bool starts)
{
    struct half *h = &f->half[dir];
    if (unlikely(env->config.binary)) {
        turns_data(env, f, dir, bytes, ts_ns);
        return;
    }
    while (bytes.len > 0 && h->reading != READ_NOTHING) {
        if (h->partial && starts && begins_instead(h->partial, dir, bytes))
            conv_lose_thread(env, f, dir, BOOK_REQ_MALFORMED); /* without a trace */
        if (h->partial) {
            size_t used;
            h->partial->last_ns = ts_ns;
            enum http_verdict v = advance(env, f, dir, h->partial, bytes, &used);
            bytes = span_from(bytes, used);
            if (!settle(env, f, dir, v))
                return;
            starts = false;
            continue;
        }
        bytes = without_empty_lines(bytes);
        struct partial p;
        partial_at(env, h, dir, bytes, ts_ns, &p);
        if (!begins_request(f, dir, bytes, &p.framer) &&
            (bytes.len == 0 || !may_begin(env, f, dir, bytes, starts)))
            return;
        bytes = begin(env, f, dir, bytes, &p);
        starts = false;
    }
}

void conv_gap(struct conv_env *env, struct flow *f, enum direction dir, uint32_t n,
              enum gap_reason reason)
{
    struct half *h = &f->half[dir];
    if (env->config.binary) {
        turns_gap(env, f, dir, reason);
        return;
    }
    enum book fate = reason == GAP_CUT ? BOOK_REQ_CUT : BOOK_REQ_GAP;
    if (h->partial) {
        conv_lose(env, f, dir, h->partial, fate);
        /* a hole inside a body whose end is known loses that message only */
        enum http_verdict v = http_framer_skip(&h->partial->framer, n);
        if (v == HTTP_MORE || (v == HTTP_DONE && settle(env, f, dir, v)))
            return;
    }
    conv_lose_thread(env, f, dir, fate);
}

void conv_end(struct conv_env *env, struct flow *f, enum direction dir)
{
    struct half *h = &f->half[dir];
    if (env->config.binary) {
        turns_end(env, f, dir);
        return;
    }
    h->ended = true;
    struct partial *p = h->partial;
    if (!p)
        return;
    if (http_framer_close(&p->framer) == HTTP_DONE ||
        (p->first && p->msg && simple_request(msg_payload(p->msg))))
        settle(env, f, dir, HTTP_DONE);
    else
        conv_lose_thread(env, f, dir, BOOK_REQ_CLOSED);
}

void conv_until_close(struct conv_env *env, struct flow *f)
{
    struct partial *p = f->half[TO_CLIENT].partial;
    if (p && p->framer.view.head_len > 0 && p->framer.view.body == HTTP_BODY_UNTIL_CLOSE)
        conv_end(env, f, TO_CLIENT);
}

void conv_give_up(struct conv_env *env, struct flow *f, enum book request_fate)
{
    if (env->config.binary) {
        turns_give_up(env, f, request_fate);
        return;
    }
    for (int dir = TO_SERVER; dir <= TO_CLIENT; dir++)
        if (f->half[dir].partial)
            conv_lose_thread(env, f, (enum direction)dir, request_fate);
}

void conv_clear(struct conv_env *env, struct flow *f)
{
    for (int dir = TO_SERVER; dir <= TO_CLIENT; dir++)
        conv_drop_partial(env, &f->half[dir]);
    size_t early = pending_free(f->pending, &env->held);
    f->pending = NULL;
    /* answered early, and then the request never came whole */
    book_add(conv_books(env), BOOK_RES_COMPLETE, early);
    book_add(conv_books(env), BOOK_RES_ORPHAN, early);
}
