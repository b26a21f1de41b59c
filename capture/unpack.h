/* SPDX-License-Identifier: MIT */
/* Decompression of one gzip member or zstd frame after the other, as bytes come. Knows where one
 * may begin, so that the next one can be found behind damage. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/span.h"

enum unpack_format {
    UNPACK_NONE = 0,
    UNPACK_GZIP,
    UNPACK_ZSTD,
};

/* Bytes of a beginning that unpack_is_header() wants to see. */
#define UNPACK_HEADER 10
/* Bytes that unpack_magic() wants to see. */
#define UNPACK_MAGIC 4

struct unpack;

/* What begins with these bytes, by their magic number. */
enum unpack_format unpack_magic(struct span bytes);
/* Does a member or frame begin with these UNPACK_HEADER bytes? A stricter look, for bytes that may
 * be anything. */
bool unpack_is_header(enum unpack_format format, const uint8_t *bytes);

/* 0, -ENOMEM, or -ENOTSUP: built without the library. */
MUST_CHECK int unpack_new(struct unpack **up, enum unpack_format format);
void unpack_free(struct unpack *u);
/* The next bytes are those of a new member or frame. 0 or -ENOMEM. */
MUST_CHECK int unpack_begin(struct unpack *u);

enum unpack_result {
    UNPACK_MORE = 0, /* go on, with more bytes when all are used */
    UNPACK_END = 1, /* this was the last of it */
    UNPACK_BAD = 2, /* it is damaged */
};

/* More can be had without more bytes: out was full. */
bool unpack_has_more(const struct unpack *u);
/* Unpacks some of bytes to out; *used of them are done with. enum unpack_result or -ENOMEM. */
MUST_CHECK int unpack_some(struct unpack *u, struct span bytes, size_t *used, struct buf *out);
