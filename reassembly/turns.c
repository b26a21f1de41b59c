/* SPDX-License-Identifier: MIT */
#include "reassembly/turns.h"

#include "lib/mem.h"
#include "reassembly/conv_internal.h"

#define FIRST_CAP 1024

/* The turn of that side is over. */
static void finish(struct conv_env *env, struct flow *f, enum direction dir)
{
    struct partial *p = f->half[dir].partial;
    if (!p)
        return;
    struct msg *msg = p->msg;
    if (msg)
        env->held -= (int64_t)p->cap;
    p->msg = NULL;
    if (!p->lost)
        conv_emit(env, f, dir, msg, p);
    conv_drop_partial(env, &f->half[dir]);
}

/* That side speaks, so the other has spoken; but not while bytes of it are missing. */
static void finish_other(struct conv_env *env, struct flow *f, enum direction dir)
{
    if (!stream_waits(&f->half[!dir].stream))
        finish(env, f, !dir);
}

/* NULL: no memory, which is counted. */
static struct partial *begin(struct conv_env *env, struct flow *f, enum direction dir,
                             int64_t ts_ns)
{
    struct partial begun = {.first_ns = ts_ns, .last_ns = ts_ns};
    http_framer_init(&begun.framer, HTTP_REQUEST, NULL); /* finds nothing, and shows nothing */
    if (dir == TO_SERVER)
        begun.id = env->next_id++;
    conv_confirm(env, f, dir, &begun);
    struct partial *p = mem_alloc(MEM_MSG, sizeof(*p));
    begun.msg = p ? msg_new(FIRST_CAP) : NULL;
    if (!begun.msg) {
        mem_free(p);
        conv_lose(env, f, dir, &begun, BOOK_REQ_EVICTED);
        return NULL;
    }
    begun.cap = FIRST_CAP;
    begun.ack = f->half[!dir].stream.peer_ack;
    env->held += (int64_t)(PARTIAL_COST + begun.cap);
    *p = begun;
    f->half[dir].partial = p;
    return p;
}

/* Keeps bytes as long as the message is within the limit. */
static void keep(struct conv_env *env, struct flow *f, enum direction dir, struct partial *p,
                 struct span bytes)
{
    size_t room = env->config.max_body - p->msg->len;
    if (bytes.len > room && !env->config.allow_incomplete) {
        conv_lose(env, f, dir, p, BOOK_REQ_TOO_LARGE);
        return;
    }
    if (bytes.len > room) {
        p->cut = true;
        bytes.len = room;
    }
    if (!conv_gather(env, p, bytes))
        conv_lose(env, f, dir, p, BOOK_REQ_EVICTED);
}

void turns_data(struct conv_env *env, struct flow *f, enum direction dir, struct span bytes,
                int64_t ts_ns)
{
    struct half *h = &f->half[dir];
    finish_other(env, f, dir);
    if (h->partial && h->partial->ack != f->half[!dir].stream.peer_ack)
        finish(env, f, dir);
    struct partial *p = h->partial ? h->partial : begin(env, f, dir, ts_ns);
    if (!p)
        return;
    p->last_ns = ts_ns;
    if (!p->lost)
        keep(env, f, dir, p, bytes);
}

void turns_gap(struct conv_env *env, struct flow *f, enum direction dir, enum gap_reason reason)
{
    struct half *h = &f->half[dir];
    if (!h->partial)
        finish_other(env, f, dir);
    struct partial *p = h->partial ? h->partial : begin(env, f, dir, f->last_ns);
    if (!p)
        return;
    /* It stays, so that the rest of the turn is not taken for a message. Nor is what has waited
     * behind the hole: of that nobody knows any more whose turn it was. */
    p->ack = f->half[!dir].stream.peer_ack;
    conv_lose(env, f, dir, p, reason == GAP_CUT ? BOOK_REQ_CUT : BOOK_REQ_GAP);
}

void turns_end(struct conv_env *env, struct flow *f, enum direction dir)
{
    f->half[dir].ended = true;
    finish(env, f, dir);
}

void turns_give_up(struct conv_env *env, struct flow *f, enum book request_fate)
{
    for (int dir = TO_SERVER; dir <= TO_CLIENT; dir++) {
        struct partial *p = f->half[dir].partial;
        if (p && (request_fate == BOOK_REQ_EVICTED || stream_waits(&f->half[dir].stream)))
            conv_lose(env, f, (enum direction)dir, p, request_fate);
        finish(env, f, (enum direction)dir);
    }
}
