/* SPDX-License-Identifier: MIT */
/* Writing JSON into a buffer, piece by piece, so that no document is ever in memory as a tree:
 *
 *     struct json_text t = {.buf = &buf};
 *     json_text_open(&t, '{');
 *     json_text_key(&t, "n");
 *     json_text_int(&t, 1);
 *     json_text_close(&t, '}');
 *     if (t.error) ...
 *
 * The error is sticky: -ENOMEM, or -ENOBUFS beyond the buffer's maximum. */
#pragma once

#include "lib/buf.h"
#include "lib/span.h"

struct json_text {
    struct buf *buf; /* borrowed */
    int error;
    /* --- inside --- */
    bool comma; /* a comma belongs before the next thing */
};

void json_text_open(struct json_text *t, char bracket); /* '{' or '[' */
void json_text_close(struct json_text *t, char bracket);
/* name: ASCII, nothing in it needs escaping. */
void json_text_key(struct json_text *t, const char *name);
void json_text_int(struct json_text *t, int64_t n);
void json_text_real(struct json_text *t, double x); /* not beyond the thousandth */
void json_text_bool(struct json_text *t, bool value);
/* What is no UTF-8 is taken for Latin-1, so that something can be seen of it. */
void json_text_string(struct json_text *t, struct span s);
void json_text_base64(struct json_text *t, struct span s);
/* As it stands, without any comma: a line end, say. */
void json_text_raw(struct json_text *t, const char *text);

/* Text that a person can read and a string can hold: UTF-8 without control bytes but for tab and
 * line ends. */
bool json_text_is_plain(struct span s);
