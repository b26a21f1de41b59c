/* SPDX-License-Identifier: MIT */
/* The files of one output: which is being written, when it is complete, and what is done then. A
 * fault of the disk costs the messages that could not be written, which are counted; the next ones
 * are tried again. Owned by the output's thread. */
#pragma once

#include <limits.h>

#include "lib/base.h"
#include "outputs/file_keep.h"
#include "outputs/file_writer.h"
#include "outputs/filename.h"
#include "outputs/on_close.h"

/* What all files of an output share. */
struct file_plan {
    char tag[128];
    char *pattern;
    struct filename_uses uses;
    bool append;
    int64_t queue_limit; /* messages per file; 0: no such limit */
    int64_t flush_ns;
    struct file_config config;
    struct file_cap cap;
    struct file_keep keep;
    int64_t keep_due_ns; /* when files are looked at for their age */
    int64_t keep_room; /* bytes until they are looked at for their size */
    struct on_close *on_close; /* NULL: nothing is done */
    int64_t retry_ns; /* no new attempt to open before; 0: at once */
    uint64_t total; /* bytes since the start, before compression */
    uint64_t seen_due; /* what relays handed over is noted when total reaches this */
    bool failing; /* the last write did */
    bool told_max_size;
};

/* The file that is being written for one type of records; zeroed is none. */
struct chunk {
    struct file_writer *writer; /* NULL: none open */
    char name[PATH_MAX]; /* the template expanded, without index */
    char path[PATH_MAX]; /* of the file */
    int64_t second; /* of the wall clock, for which name holds */
    uint64_t next_index; /* for that name */
    uint64_t n_msgs; /* in this file, by us */
    int64_t flush_due_ns; /* 0: nothing is waiting */
};

/* The cheap clock, which is a few milliseconds behind, unless names show nanoseconds. */
int64_t file_plan_wall_ns(const struct file_plan *plan);

/* Counts a fault, and tells of it, at most once a second. */
void file_plan_fault(struct file_plan *plan, const char *what, int errnum);
/* Opens the file that name stands for. 0 or -errno. */
MUST_CHECK int chunk_open(struct file_plan *plan, struct chunk *c, const char *name);
/* Makes c ready for a record with these values: false when it cannot be opened, which was told. */
bool chunk_prepare(struct file_plan *plan, struct chunk *c, const struct filename_values *v);
/* Adds msg (borrowed). False: it is lost, and to be counted. */
bool chunk_put(struct file_plan *plan, struct chunk *c, const struct msg *msg);
void chunk_flush(struct file_plan *plan, struct chunk *c);
/* The file is complete. */
void chunk_close(struct file_plan *plan, struct chunk *c);

/* Deletes what --output-file-keep does not keep, with waiting bytes still to be written. */
void file_plan_keep(struct file_plan *plan, size_t waiting);
