/* SPDX-License-Identifier: MIT */
/* The bytes of one recording, plain, gzip or zstd by its content. A compressed file is a series of
 * members (gzip) or frames (zstd), which are called members here; one
 * that is torn (its writer was killed, and another continued the file) or damaged ends a stretch of
 * bytes, and the next member that can be found begins a new one. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/err.h"

enum stream_result {
    STREAM_BYTES = 0, /* some were appended */
    STREAM_END = 1, /* nothing more will come */
    STREAM_BREAK = 2, /* bytes are missing here: what follows begins with a whole record */
    STREAM_WAIT = 3, /* a pipe has nothing for now, or stop_fd is readable */
};

struct file_stream;

/* path "-" is standard input. 0 or -errno, with err filled. A folder is -EISDIR. */
MUST_CHECK int file_stream_open(struct file_stream **sp, const char *path, struct err *err);
void file_stream_free(struct file_stream *s);

/* A regular file: it can be opened again, and reading it does not wait. */
bool file_stream_is_regular(const struct file_stream *s);

/* Once some bytes were read: it is compressed. */
bool file_stream_is_compressed(const struct file_stream *s);

/* Its bytes in all; 0: not a regular file. */
uint64_t file_stream_size(const struct file_stream *s);

/* Appends the next bytes to out. For a pipe it waits at most wait_ms, or until stop_fd is readable.
 * enum stream_result, or -errno: the file cannot be read on, or -ENOMEM. */
MUST_CHECK int file_stream_read(struct file_stream *s, struct buf *out, int wait_ms, int stop_fd);

/* So many of the bytes appended last are not to be trusted yet: if their member turns out to be
 * torn, and to be continued by another, they may be what decoding the other's head gave. They
 * become sure with the bytes to come, with the end of the member, or never: STREAM_BREAK. */
size_t file_stream_unsure(const struct file_stream *s);
/* After STREAM_BREAK: are these bytes in doubt? If not, the file just ends here. */
bool file_stream_is_garbled(const struct file_stream *s);

/* Does the member that the bytes appended last came from unpack to a good end? That is found out by
 * reading ahead, once for each member; true where it cannot be: not compressed, a pipe, a member
 * that is very long. */
bool file_stream_is_sound(struct file_stream *s);

/* Goes to that place of a regular file, where a record or a member begins. 0 or -errno. */
MUST_CHECK int file_stream_seek(struct file_stream *s, uint64_t offset);
/* Where in the file the member began that the bytes appended last came from. */
uint64_t file_stream_member(const struct file_stream *s);

/* After STREAM_BREAK: where the member that broke begins in the file; else where reading stands. */
uint64_t file_stream_offset(const struct file_stream *s);
