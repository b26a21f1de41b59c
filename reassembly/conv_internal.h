/* SPDX-License-Identifier: MIT */
/* Between conv.c, which finds messages in the bytes, and conv_emit.c, which sees to what becomes of
 * them: given away, or lost and booked. */
#pragma once

#include "reassembly/conv.h"

/* A message that does not lie inside one segment. */
struct partial {
    struct http_framer framer; /* first: the rest is cleared */
    struct msg *msg; /* its bytes so far; NULL once they are not kept any more */
    size_t cap;
    int64_t first_ns, last_ns;
    uint32_t id; /* of the request */
    uint32_t seq; /* of its first byte */
    uint32_t
        ack; /* what its sender had received when it sent that, when has_ack (turns.c: always) */
    bool has_ack;
    bool tentative; /* begun while hunting: no proof yet that it is a message; not booked */
    bool unread; /* its first line has not been read to its end: it may turn out to be none; not
                    booked either, but what ends it before is a loss */
    bool first; /* nothing came before it from the client: HTTP/0.9 is possible */
    bool hunted; /* a response behind others that may have been lost */
    bool lost; /* its fate is booked; only its end is of interest */
    bool cut; /* --input-raw-allow-incomplete: kept, but not whole */
};

/* What it takes beside its bytes: itself, the head of its message, and what two blocks of memory
 * have too much. */
#define PARTIAL_COST (sizeof(struct partial) + sizeof(struct msg) + 2 * 96)

static inline struct books *conv_books(const struct conv_env *env)
{
    return env->config.books;
}

/* Adds bytes to a message in progress. False: no memory. */
MUST_CHECK bool conv_gather(struct conv_env *env, struct partial *p, struct span bytes);
/* Gives away a whole message. Takes msg; p has its framing, times and id. */
void conv_emit(struct conv_env *env, struct flow *f, enum direction dir, struct msg *msg,
               struct partial *p);
/* Books the loss of a message (request_fate: BOOK_REQ_…, of a response the one of the same name)
 * and lets its bytes go. Once: what is lost already stays as it is. */
void conv_lose(struct conv_env *env, struct flow *f, enum direction dir, struct partial *p,
               enum book request_fate);
/* The message in progress will not be found whole; the next one must be looked for. */
void conv_lose_thread(struct conv_env *env, struct flow *f, enum direction dir,
                      enum book request_fate);
/* What has begun is a message: it takes its place in the books and in the order. */
void conv_confirm(struct conv_env *env, struct flow *f, enum direction dir, struct partial *p);
/* A response begins at p->seq, behind others that may have been lost: whose is it? No pair rather
 * than a wrong one. Of one that is hunted it is asked at its end again. */
void conv_realign(struct flow *f, const struct partial *p);
/* Frees the message in progress, without a word in the books. */
void conv_drop_partial(struct conv_env *env, struct half *h);
