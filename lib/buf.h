/* SPDX-License-Identifier: MIT */
/* Bytes that grow, up to a maximum without which a buffer cannot be made. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

/* Always true: start <= len <= cap <= max. Live bytes are data[start, len). */
struct buf {
    uint8_t *data;
    size_t start, len, cap, max;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);

/* The live bytes; valid until the next call that changes the buffer. */
static inline struct span buf_span(const struct buf *b)
{
    /* nothing is added to the NULL of an empty one: start is 0 then, as is len below */
    return span_of(b->start > 0 ? b->data + b->start : b->data, b->len - b->start);
}

/* Room for at least want more bytes, at buf_tail(). 0, -ENOBUFS (beyond max) or -ENOMEM. */
MUST_CHECK int buf_reserve(struct buf *b, size_t want);

static inline uint8_t *buf_tail(struct buf *b)
{
    return b->len > 0 ? b->data + b->len : b->data;
}

static inline size_t buf_room(const struct buf *b)
{
    return b->cap - b->len;
}

/* n bytes were written at buf_tail(). */
static inline void buf_commit(struct buf *b, size_t n)
{
    assert(n <= b->cap - b->len);
    b->len += n;
}

MUST_CHECK int buf_append(struct buf *b, const void *bytes, size_t n); /* as buf_reserve */

/* Forgets the first n live bytes. */
void buf_consume(struct buf *b, size_t n);
