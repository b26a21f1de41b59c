/* SPDX-License-Identifier: MIT */
/* One recording being written, plain or gzip, by one thread. What a reader finds later, whatever
 * happens to us or to the disk:
 *
 * - Nothing that was there is ever cut or overwritten: a new file is made with O_EXCL, one to be
 *   continued is opened with O_APPEND and locked against a second writer. No symbolic link is
 *   followed; mode 0600; missing folders are made with 0700.
 * - Each write(2) holds whole records (plain) or one whole gzip member of whole records, so that a
 *   kill leaves at most one torn record, or one torn member, at the end.
 * - When the disk takes only a part, the file is cut back to its last whole record or member.
 * - A file that ends in a torn record is continued with (what it lacks of) a separator, where
 *   readers resume.
 *
 * Messages are settled in the books when their bytes have been written. */
#pragma once

#include "lib/base.h"
#include "lib/ledger.h"
#include "lib/msg.h"

enum file_mode {
    FILE_NEW = 0, /* -EEXIST when something of that name is there */
    FILE_APPEND = 1, /* -EBUSY when another process is writing it */
};

struct file_writer;

/* gzip when path ends in ".gz". 0 or -errno: of open(2), and -EISDIR, -ENOMEM. */
MUST_CHECK int file_writer_open(struct file_writer **wp, const char *path, enum file_mode mode,
                                struct books *books);
/* Frees. What was not flushed is lost, and counted as abandoned. NULL is fine. */
void file_writer_free(struct file_writer *w);

/* Adds the record of msg (borrowed), and flushes when enough has come together. Returns the length
 * of the record; msg is settled now or by a later flush. -ENOMEM: it is not taken. *fault: 0, or
 * -errno of a flush that failed. */
MUST_CHECK int64_t file_writer_put(struct file_writer *w, const struct msg *msg, int *fault);

/* Writes all that is buffered. 0, or -errno: what could not be written has been counted as failed,
 * and the next flush tries again with what comes until then. */
MUST_CHECK int file_writer_flush(struct file_writer *w);

/* How long the file is; 0 for devices and pipes. */
uint64_t file_writer_size(const struct file_writer *w);

/* Bytes of records that wait for a flush. */
size_t file_writer_pending(const struct file_writer *w);
