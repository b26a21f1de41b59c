/* SPDX-License-Identifier: MIT */
/* The files that one value of --input-file stands for. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

struct file_list {
    char **paths; /* in the order of their names, numbers in them as numbers: x_2 before x_10 */
    size_t n;
};

/* pattern: a path, glob(7) pattern, or "-" for standard input. A file of exactly that name goes
 * before its meaning as a pattern; a pattern leaves folders out. 0, or -errno with err filled:
 * nothing matches, S3, no memory. */
MUST_CHECK int file_list_make(struct file_list *list, const char *pattern, struct err *err);
void file_list_free(struct file_list *list);
