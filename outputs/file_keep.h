/* SPDX-License-Identifier: MIT */
/* --output-file-keep: how much of what a template has made may stay. The oldest files go first; a
 * file that anybody is writing (it is locked) stays, and so does everything that the template
 * cannot have made. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

struct file_keep {
    /* each 0: no such rule */
    uint64_t files, bytes;
    int64_t age_ns;
};

/* Reads "100", "20gb", "7d" or several of them with commas. "" is no rule. */
MUST_CHECK int file_keep_parse(struct file_keep *k, const char *text, struct err *err);

static inline bool file_keep_any(const struct file_keep *k)
{
    return k->files > 0 || k->bytes > 0 || k->age_ns > 0;
}

struct file_keep_result {
    uint64_t deleted;
    uint64_t bytes; /* that are left */
    int fault; /* 0, or the errno of a file that could not be deleted */
};

/* Deletes what is too much. more: bytes about to be written. */
struct file_keep_result file_keep_run(const struct file_keep *k, const char *pattern, bool indexed,
                                      uint64_t more);
