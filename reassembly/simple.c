/* SPDX-License-Identifier: MIT */
#include "reassembly/simple.h"

#include "lib/http.h"

static bool skip_line_end(struct span *s)
{
    size_t n = s->len > 0 && s->ptr[0] == '\r' ? 1 : 0;
    if (n == s->len || s->ptr[n] != '\n')
        return false;
    *s = span_from(*s, n + 1);
    return true;
}

/* Cuts "GET SP /..." off, as far as it is there. False: it is something else. */
static bool skip_line(struct span *s)
{
    static const char start[] = "GET /";
    size_t n = 0;
    while (n < s->len && n < sizeof(start) - 1)
        if (s->ptr[n] != (uint8_t)start[n])
            return false;
        else
            n++;
    while (n < s->len && http_is_target(span_of(s->ptr + n, 1)))
        n++;
    *s = span_from(*s, n);
    return true;
}

bool simple_request(struct span bytes)
{
    size_t len = bytes.len;
    if (!skip_line(&bytes) || len - bytes.len < 5 || !skip_line_end(&bytes))
        return false;
    return bytes.len == 0 || (skip_line_end(&bytes) && bytes.len == 0);
}

bool simple_request_may_begin(struct span bytes)
{
    static const struct span cr = {.ptr = (const uint8_t *)"\r", .len = 1};
    if (!skip_line(&bytes))
        return false;
    for (int line = 0; line < 2 && bytes.len > 0 && !span_eq(bytes, cr); line++)
        if (!skip_line_end(&bytes))
            return false;
    return true; /* what lies behind it belongs to no message */
}
