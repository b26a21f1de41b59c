/* SPDX-License-Identifier: MIT */
/* The files of a spool's folder: frames in numbered files, a lock, and how far the receiver has
 * acknowledged. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/span.h"
#include "outputs/file_sync.h"

#define SPOOL_FILES_MAX ((size_t)64 * 1024)

struct spool_files {
    int dir, lock, position; /* -1: not open */
    uint64_t next; /* the number of a file that is not there yet */
    struct file_sync *sync; /* brings them to the disk; NULL: nobody does. Borrowed */
    int64_t sync_due_ns;
};

/* How far: all files before, and so many frames of this one. */
struct spool_position {
    uint64_t file, frames;
};

/* Opens, and makes, the folder, and locks it. 0 or a negative errno with err. */
MUST_CHECK int spool_files_open(struct spool_files *f, const char *folder, struct err *err);
/* empty: nothing in it is needed any more, so the folder goes too, if it can. */
void spool_files_close(struct spool_files *f, const char *folder, bool empty);

/* The numbers of the files, in order, into an array that is the caller's to mem_free(). How many,
 * or -errno. */
MUST_CHECK int64_t spool_files_list(struct spool_files *f, uint64_t **numbers);

/* A new file to be written, named f->next, which moves on; or one to be read. A descriptor or
 * -errno. */
MUST_CHECK int spool_files_new(struct spool_files *f);
/* All of bytes to *fd, which is len bytes long, or none: 0 or -errno; when what was written in part
 * cannot be taken back, *fd is closed, and -1. */
MUST_CHECK int spool_files_append(int *fd, struct span bytes, uint64_t len);
/* Takes a descriptor of spool_files_new() that nothing more is written to. */
void spool_files_done(struct spool_files *f, int fd);
/* Something was written to fd: it comes to the disk, once a second. True: it is on its way. */
bool spool_files_sync(struct spool_files *f, int fd, int64_t now_ns);
MUST_CHECK int spool_files_read(const struct spool_files *f, uint64_t number);
void spool_files_remove(const struct spool_files *f, uint64_t number);

struct spool_position spool_files_position(const struct spool_files *f);
void spool_files_note(const struct spool_files *f, struct spool_position position);
