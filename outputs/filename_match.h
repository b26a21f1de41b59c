/* SPDX-License-Identifier: MIT */
/* Which files a template has made: the way back from filename.h, to find what may be deleted. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"

struct filename_found {
    char *path; /* mem_free() */
    int64_t written_ns; /* when it was last written to */
    uint64_t size;
};

/* Could the template have become this name? indexed: with a chunk index in front of the extension.
 * Both without slashes. */
bool filename_matches(const char *pattern, const char *name, bool indexed);

/* Appends a struct filename_found for each regular file that the template can have made to found,
 * oldest first. Folders that cannot be read have none. 0, -ENOMEM or -ENOBUFS: some are missing. */
MUST_CHECK int filename_find(struct buf *found, const char *pattern, bool indexed);
void filename_found_free(struct buf *found);
