/* SPDX-License-Identifier: MIT */
/* The files of a spool's folder: frames in numbered files, a lock, and how far the receiver has
 * acknowledged. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

#define SPOOL_FILES_MAX ((size_t)64 * 1024)

struct spool_files {
    int dir, lock, position; /* -1: not open */
    uint64_t next; /* the number of a file that is not there yet */
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
MUST_CHECK int spool_files_read(const struct spool_files *f, uint64_t number);
void spool_files_remove(const struct spool_files *f, uint64_t number);

struct spool_position spool_files_position(const struct spool_files *f);
void spool_files_note(const struct spool_files *f, struct spool_position position);
