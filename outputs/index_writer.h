/* SPDX-License-Identifier: MIT */
/* The index of a recording, written as the recording grows: see lib/record_index.h. Small files get
 * none. A fault costs the index and nothing else: readers make it again. Owned by one thread. */
#pragma once

#include <limits.h>

#include "lib/record_index.h"

struct index_writer {
    char path[PATH_MAX]; /* of the index; "" : there is to be none */
    int fd; /* -1: not open yet */
    bool fresh; /* the recording was empty: an index that is there belongs to another one */
    uint64_t stretch;
    struct index_line line; /* the current stretch; end == start: nothing is in it */
};

/* size: what the recording has already. */
void index_writer_init(struct index_writer *w, const char *path, uint64_t size, bool packed);
/* bytes were written at that place, with records of these times. */
void index_writer_add(struct index_writer *w, uint64_t at, struct span bytes, int64_t first_ns,
                      int64_t last_ns);
/* The recording is complete. */
void index_writer_fini(struct index_writer *w);
