/* SPDX-License-Identifier: MIT */
/* The index of a recording: a hidden file beside it (".x.gor.idx" of "x.gor") of lines
 *
 *   START END FIRST LAST CHECK CRC32 LF
 *
 * each of which says that the bytes from START to END of the recording hold whole records, or
 * whole gzip members or zstd frames of them, with timestamps from FIRST to LAST. CHECK is the CRC32
 * of the (at most 64) bytes at START, CRC32 that of the line before it. It may be deleted at any
 * time, and is believed only as far as it fits the recording. refrain-file(5), THE INDEX. */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

#define INDEX_LINE_MAX 160
#define INDEX_CHECKED 64 /* bytes at START */
/* So many bytes of a recording have a line; of a compressed one less, for they unfold. */
#define INDEX_STRETCH (4 * MIB)
#define INDEX_STRETCH_PACKED (1 * MIB)

struct index_line {
    uint64_t start, end;
    int64_t first_ns, last_ns;
    uint32_t check;
};

/* The index's name. out has room for PATH_MAX. 0, -ENAMETOOLONG or -ENOENT (no name). */
MUST_CHECK int index_path(char *out, const char *path);

/* Of the first bytes at START. */
uint32_t index_check(struct span bytes);

/* Writes the line with its LF to out (room for INDEX_LINE_MAX) and returns its length. */
size_t index_format(char *out, const struct index_line *line);
/* Without the LF. False: it is damaged. */
bool index_parse(struct index_line *line, struct span text);
