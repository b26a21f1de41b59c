/* SPDX-License-Identifier: MIT */
/* One recording being written, plain or compressed, by one thread. What a reader finds later,
 * whatever happens to us or to the disk:
 *
 * - Nothing that was there is ever cut or overwritten: a new file is made with O_EXCL, one to be
 *   continued is opened with O_APPEND. Both are locked (flock) against a second writer. No symbolic
 *   link is followed; mode 0600; missing folders are made with 0700.
 * - Each write(2) holds whole records (plain) or one whole gzip member or zstd frame of whole
 *   records, so that a kill leaves at most one torn record, or one torn member, at the end.
 * - When the disk takes only a part, the file is cut back to its last whole record or member.
 * - A file that ends in a torn record is continued with (what it lacks of) a separator, where
 *   readers resume.
 * - A file never grows beyond size_max, by its bytes on the disk, unless it holds one record or
 *   member alone.
 *
 * Messages are settled in the books when their bytes have been written; with FSYNC_ALWAYS, when
 * they are on the disk. */
#pragma once

#include "lib/base.h"
#include "lib/ledger.h"
#include "lib/msg.h"
#include "outputs/file_sync.h"

enum file_mode {
    FILE_NEW = 0, /* -EEXIST when something of that name is there */
    FILE_APPEND = 1, /* -EBUSY when another process is writing it */
};

/* What the writers of one output share: bytes on the disk, of a sum that they keep to. */
struct file_cap {
    uint64_t used, max;
};

/* Outlives the writers. */
struct file_config {
    struct books *books;
    uint64_t size_max; /* of each file; 0: none */
    struct file_cap *cap; /* NULL: none */
    enum file_fsync fsync;
    struct file_sync *sync; /* for FSYNC_INTERVAL */
};

/* Instead of 0: the file has no room for what comes next, see size_max. Nothing is lost;
 * file_writer_next(), then again. */
#define FILE_IS_FULL 1

struct file_writer;

/* Compressed as the end of path says. 0 or -errno: of open(2), and -EISDIR, -ENOMEM, -ENOTSUP. */
MUST_CHECK int file_writer_open(struct file_writer **wp, const char *path, enum file_mode mode,
                                const struct file_config *config);
/* Frees. What was not flushed is lost, and counted as abandoned. NULL is fine. */
void file_writer_free(struct file_writer *w);

/* Leaves the file as it is and goes on in another one, of the same compression, with what waits.
 * On failure (as of opening) it stays where it is. */
MUST_CHECK int file_writer_next(struct file_writer *w, const char *path, enum file_mode mode);

/* Adds the record of msg (borrowed), and writes when enough has come together. Returns the length
 * of the record; msg is settled now or later. 0: not taken, for the file is full. -ENOMEM, -EDQUOT
 * (file_cap): not taken. *fault: 0, -errno of a write that failed, or FILE_IS_FULL for what came
 * before. */
MUST_CHECK int64_t file_writer_put(struct file_writer *w, const struct msg *msg, int *fault);

/* Writes all that waits. 0, FILE_IS_FULL, or -errno: what could not be written has been counted as
 * failed, and the next flush tries again with what comes until then. */
MUST_CHECK int file_writer_flush(struct file_writer *w);
/* FSYNC_INTERVAL: what was written since the last call is brought to the disk, soon. */
void file_writer_sync(struct file_writer *w);
/* Counts all that waits as failed. */
void file_writer_lose(struct file_writer *w);

/* How long the file is; 0 for devices and pipes. */
uint64_t file_writer_size(const struct file_writer *w);

/* Bytes of records that wait for a flush, and their number. */
size_t file_writer_pending(const struct file_writer *w);
size_t file_writer_n_pending(const struct file_writer *w);
