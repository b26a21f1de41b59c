/* SPDX-License-Identifier: MIT */
/* Opening a recording to write to it, and cutting back what a full disk left of a write. */
#pragma once

#include <sys/types.h>

#include "lib/base.h"
#include "lib/span.h"
#include "outputs/file_writer.h"

struct file_fd {
    int fd; /* -1: none */
    bool regular; /* not a device or pipe: its length means something */
    bool is_new; /* it was made by us */
};

/* 0 or -errno as file_writer_open() has it. */
MUST_CHECK int file_fd_open(struct file_fd *f, const char *path, enum file_mode mode);

/* Of a regular file; -1 else. */
off_t file_fd_size(const struct file_fd *f);

/* How many bytes of a separator the end of a plain recording lacks: a crash leaves it torn. */
size_t file_fd_lacks(const struct file_fd *f);

/* Writes all of bytes; *done of them are out, also when it fails with -errno. */
MUST_CHECK int file_fd_write(const struct file_fd *f, struct span bytes, size_t *done);

/* Cuts off the last excess of the written bytes that came behind before. False: it cannot be done,
 * or somebody else has written, too. */
bool file_fd_cut_back(const struct file_fd *f, off_t before, size_t written, size_t excess);

/* fsync(2), of the file itself; a pipe or a device has nothing to be synced. 0 or -errno. */
MUST_CHECK int file_fd_sync(const struct file_fd *f);
/* So that the name of a new file is on the disk: a descriptor of its folder, or -errno. */
MUST_CHECK int file_fd_folder(const char *path);
