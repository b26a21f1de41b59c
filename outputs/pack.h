/* SPDX-License-Identifier: MIT */
/* Compression of recordings: each call makes one whole gzip member or zstd frame, with a checksum,
 * that can be read without those before it. refrain-file(5), Compression. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/span.h"

enum pack_format {
    PACK_NONE = 0,
    PACK_GZIP,
    PACK_ZSTD,
};

/* Chosen by measurement: tests/bench/pack.c, and the comment in pack.c. */
#define PACK_LEVEL_DEFAULT 0

/* By the end of the name: ".gz" or ".zst", in either case. */
enum pack_format pack_format_of(const char *path);
/* Built with the library that it needs? */
bool pack_is_built(enum pack_format format);

struct packer;

/* format is not PACK_NONE. level: of the library, or PACK_LEVEL_DEFAULT. 0 or -ENOMEM. */
MUST_CHECK int packer_new(struct packer **pp, enum pack_format format, int level);
void packer_free(struct packer *p);

/* Appends one member or frame with all of bytes to out. 0, -ENOMEM, or -ENOBUFS: beyond out's
 * maximum. One thread at a time. */
MUST_CHECK int packer_pack(struct packer *p, struct span bytes, struct buf *out);
