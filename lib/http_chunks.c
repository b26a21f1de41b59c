/* SPDX-License-Identifier: MIT */
#include "lib/http_chunks.h"

#include <string.h>

#define DIGITS_MAX 15 /* so that a size cannot overflow */

/* The size that a chunk's line begins with; false: none that could be followed. */
static bool read_size(struct span line, size_t *size)
{
    size_t n = 0, digits = 0;
    for (; digits < line.len && digits < DIGITS_MAX; digits++) {
        uint8_t c = ascii_lower(line.ptr[digits]);
        if (c >= '0' && c <= '9')
            n = n << 4 | (size_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n << 4 | (size_t)(c - 'a' + 10);
        else
            break;
    }
    *size = n;
    return digits > 0;
}

/* Behind CRLF or LF at pos, where there is one. */
static size_t behind_line_end(struct span body, size_t pos)
{
    if (pos < body.len && body.ptr[pos] == '\r')
        pos++;
    if (pos < body.len && body.ptr[pos] == '\n')
        pos++;
    return pos;
}

enum http_chunk http_chunk_next(struct span body, size_t *pos, struct span *data)
{
    struct span rest = span_from(body, *pos);
    const uint8_t *lf = rest.len > 0 ? memchr(rest.ptr, '\n', rest.len) : NULL;
    size_t size;
    if (!lf || !read_size(span_of(rest.ptr, (size_t)(lf - rest.ptr)), &size))
        return HTTP_CHUNK_CUT;
    size_t at = (size_t)(lf - body.ptr) + 1;
    rest = span_from(body, at);
    if (size == 0) {
        *data = rest;
        *pos = body.len;
        return HTTP_CHUNK_LAST;
    }
    *data = span_of(rest.ptr, size < rest.len ? size : rest.len);
    *pos = behind_line_end(body, at + data->len);
    return HTTP_CHUNK_DATA;
}
