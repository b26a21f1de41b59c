/* SPDX-License-Identifier: MIT */
/* Where in a large recording a time begins: by its index (lib/record_index.h), which is made, or
 * made whole, by reading the recording once when it is missing, damaged, or does not fit. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

/* *offset: up to there all records of path are older than from_ns, and there a record, member or
 * frame begins; 0 when the recording is small, no regular file, or not to be skipped in. stop_fd:
 * given up (0) when it becomes readable. 0, or -errno with err filled: it cannot be read. */
MUST_CHECK int file_index_seek(uint64_t *offset, const char *path, int64_t from_ns, int stop_fd,
                               struct err *err);
