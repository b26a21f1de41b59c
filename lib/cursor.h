/* SPDX-License-Identifier: MIT */
/* Reading foreign bytes in order, never beyond their end. The error is sticky: a read that finds
 * too few bytes gives 0 (or NULL), takes all that is left, and every later read fails too; so a
 * decoder reads on and asks cursor_ok() once, before it believes anything. A copy of the struct is
 * a look ahead. Network byte order unless the name says otherwise. */
#pragma once

#include "lib/base.h"

/* Always true: at <= end; at == end once failed, so that whatever is read then fails too. */
struct cursor {
    const uint8_t *at, *end; /* borrowed */
    bool failed;
};

/* Numbers at p, of which the caller knows that it holds enough bytes. */
static inline uint16_t load_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t load_be64(const uint8_t *p)
{
    return (uint64_t)load_be32(p) << 32 | load_be32(p + 4);
}

static inline struct cursor cursor_of(const uint8_t *bytes, size_t len)
{
    return (struct cursor){.at = bytes, .end = bytes + len};
}

static inline bool cursor_ok(const struct cursor *c)
{
    return !c->failed;
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* The next n bytes, taken; NULL when there are fewer. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t n)
{
    const uint8_t *p = c->at;
    if (unlikely(cursor_left(c) < n)) {
        c->failed = true;
        c->at = c->end;
        return NULL;
    }
    c->at += n;
    return p;
}

static inline void cursor_skip(struct cursor *c, size_t n)
{
    (void)cursor_take(c, n);
}

/* What lies behind the first n bytes is not read: padding, or the next thing. n beyond the end
 * changes nothing. */
static inline void cursor_limit(struct cursor *c, size_t n)
{
    if (n < cursor_left(c))
        c->end = c->at + n;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 1);
    return p ? p[0] : 0;
}

static inline uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 2);
    return p ? load_be16(p) : 0;
}

static inline uint32_t cursor_u24(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 3);
    return p ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : 0;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 4);
    return p ? load_be32(p) : 0;
}

static inline uint16_t cursor_le16(struct cursor *c)
{
    return __builtin_bswap16(cursor_u16(c));
}

static inline uint32_t cursor_le32(struct cursor *c)
{
    return __builtin_bswap32(cursor_u32(c));
}

/* The next byte, not taken; 0 and an error when there is none. */
static inline uint8_t cursor_peek(struct cursor *c)
{
    if (unlikely(c->at == c->end)) {
        c->failed = true;
        return 0;
    }
    return *c->at;
}
