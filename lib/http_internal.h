/* SPDX-License-Identifier: MIT */
/* Between http_framer.c and http_head.c only. */
#pragma once

#include "lib/http.h"

/* What a byte may be part of. */
enum http_class {
    CLASS_TOKEN = 1 << 0, /* a token (RFC 9110, 5.6.2) */
    CLASS_NAME = 1 << 1, /* a field name as servers take it: no colon, white space or control */
    CLASS_TARGET = 1 << 2, /* a request target: no white space or control */
};
extern const uint8_t http_class[256];

static inline bool is_class(uint8_t c, enum http_class which)
{
    return (http_class[c] & which) != 0;
}

/* Parses the head that begins at bytes; f says what kind, and what a response answers. Sets
 * f->view, with its head_len, unless it returns a fault: one, whichever, when the head does not end
 * within the n > 0 bytes. */
enum http_fault http_head_parse(struct http_framer *f, const uint8_t *bytes, size_t n);
