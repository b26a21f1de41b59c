/* SPDX-License-Identifier: MIT */
/* Text of other formats, read in pieces: lines, or the values of one great JSON document. Plain or
 * compressed with gzip. Owned by one thread. */
#pragma once

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/span.h"

struct text_in;

/* path "-" is standard input. 0, or -errno with err filled. */
MUST_CHECK int text_in_open(struct text_in **tp, const char *path, struct err *err);
/* For tests: the bytes, which are borrowed. NULL: no memory. */
MUST_CHECK struct text_in *text_in_of(struct span bytes);
void text_in_free(struct text_in *t);

/* Each returns 1, 0 at the end, or -errno with err filled: it cannot be read on, or what is read is
 * no JSON as far as it matters here. */

/* The next line without its LF; valid until the next call. */
MUST_CHECK int text_in_line(struct text_in *t, struct span *line, struct err *err);
/* The next command of a shell script, with its line end; of 16 MiB at most. */
MUST_CHECK int text_in_command(struct text_in *t, struct span *command, struct err *err);
/* The next byte that is no white space; it is not taken. */
MUST_CHECK int text_in_peek(struct text_in *t, uint8_t *c, struct err *err);
/* The JSON value that comes next, taken as far as its end; its text is valid until the next call.
 * It has balanced brackets and closed strings; nothing else is looked at. */
MUST_CHECK int text_in_value(struct text_in *t, struct span *value, struct err *err);
/* The same, but what it is does not matter: it may be of any length. */
MUST_CHECK int text_in_skip_value(struct text_in *t, struct err *err);
/* Takes what text_in_peek() found. */
void text_in_take(struct text_in *t);

/* So many bytes were taken. */
uint64_t text_in_offset(const struct text_in *t);
