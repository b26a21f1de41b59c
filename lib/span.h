/* SPDX-License-Identifier: MIT */
/* A span is a pointer and a length, passed by value. It owns nothing: it is valid only as long as
 * the bytes that it points into. All comparisons are of bytes, in the C locale. */
#pragma once

#include <string.h>

#include "lib/base.h"

struct span {
    const uint8_t *ptr; /* may be NULL when len is 0 */
    size_t len;
};

static inline struct span span_of(const void *ptr, size_t len)
{
    return (struct span){.ptr = ptr, .len = len};
}

static inline struct span span_str(const char *text)
{
    return span_of(text, strlen(text));
}

/* The bytes from offset on; empty when offset is beyond the end. */
static inline struct span span_from(struct span s, size_t offset)
{
    return offset >= s.len ? span_of(s.ptr, 0) : span_of(s.ptr + offset, s.len - offset);
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* Equal but for the case of ASCII letters: how field names compare (RFC 9110, 5.1). */
static inline bool span_eq_nocase(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

/* Without optional white space (SP, HTAB; RFC 9110, 5.6.3) and line ends at both ends. */
static inline struct span span_trim(struct span s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r')))
        s = span_from(s, 1);
    while (s.len > 0 &&
           (s.ptr[s.len - 1] == ' ' || (s.ptr[s.len - 1] >= '\t' && s.ptr[s.len - 1] <= '\r')))
        s.len--;
    return s;
}
