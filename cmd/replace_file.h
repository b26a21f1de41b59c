/* SPDX-License-Identifier: MIT */
/* A small file that others read while it is kept up to date: each time it is written whole to a
 * temporary file beside it, which then takes its name. Who reads it sees the old one or the new
 * one. What stands in the temporary file's place is removed, not written to. Any thread. */
#pragma once

#include <sys/types.h>

#include "lib/base.h"

struct replacing {
    const char *path;
    const char *suffix; /* of the temporary file: ".new" */
    mode_t mode; /* of the file, whatever the umask is */
    bool sync; /* it is on the disk before it takes the name */
};

/* 0 or -errno; on failure the file is as it was. */
MUST_CHECK int replace_file(const struct replacing *to, const char *text, size_t len);
