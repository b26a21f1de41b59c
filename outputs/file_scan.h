/* SPDX-License-Identifier: MIT */
/* Which messages of relays stand in a recording, from some place on: only header lines are read. */
#pragma once

#include "lib/base.h"

/* Calls found for each whole record at off or behind it that names its message. off is where a
 * record begins, or a torn one ends; in a ".gz", where a member begins. 0 or -errno. */
MUST_CHECK int file_scan(const char *path, uint64_t off,
                         void (*found)(void *arg, uint64_t stream, uint64_t number), void *arg);
