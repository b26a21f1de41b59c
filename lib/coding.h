/* SPDX-License-Identifier: MIT */
/* The codings that bodies are compressed with (RFC 9110, 8.4.1), undone. Any thread. */
#pragma once

#include "lib/buf.h"
#include "lib/span.h"

enum coding {
    CODING_IDENTITY = 0,
    CODING_GZIP = 1,
    CODING_DEFLATE = 2, /* zlib's format, or without its frame, as some send it */
    CODING_BROTLI = 3, /* RFC 7932; only where the library was there at build time */
};

/* By its name, without regard to case; false: a coding that cannot be undone here. */
bool coding_named(struct span name, enum coding *coding);

/* Appends all that coded stands for to out, and no more than fits: out->max bounds the work and the
 * memory. 0, -EBADMSG (damaged, ends too early, or something follows), -ENOBUFS, -ENOMEM; out then
 * holds anything. */
MUST_CHECK int coding_undo(enum coding coding, struct span coded, struct buf *out);
