/* SPDX-License-Identifier: MIT */
/* UTF-8 (RFC 3629). */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

/* Bytes of the character that s begins with: 1 to 4, or 0: there is no valid one. */
static inline size_t utf8_len(struct span s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (s.len == 0 || s.ptr[0] < 0x80)
        return s.len > 0;
    uint8_t c = s.ptr[0];
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || s.len < n)
        return 0;
    uint32_t code = c & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s.ptr[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s.ptr[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code >= least[n] && code <= 0x10ffff && !surrogate ? n : 0;
}

static inline bool utf8_valid(struct span s)
{
    while (s.len > 0) {
        size_t n = utf8_len(s);
        if (n == 0)
            return false;
        s = span_from(s, n);
    }
    return true;
}
