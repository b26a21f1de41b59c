/* SPDX-License-Identifier: MIT */
/* Segments of one direction that came too early, until the bytes before them have come. Where
 * copies of a byte differ, the one counts that Linux would give to the server (tcp_data_queue_ofo).
 *
 * They form runs: a segment that begins just where a run ends is joined to it. A new segment meets
 * runs as it goes down the tree that holds them: it is a duplicate when one covers it, it takes the
 * place of one that begins with it and is shorter, and of all behind its beginning that it covers.
 * Runs may overlap in part; then the one that begins first is read. The tree is a red-black tree as
 * Linux's, for its shape decides which run is met first. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "reassembly/segment.h"

struct run;

/* All zero is empty. */
struct pieces {
    struct run *root;
    uint32_t len; /* bytes in them */
    uint32_t n; /* segments */
};

struct pieces_result {
    uint32_t duplicate; /* bytes that were there already */
    int32_t held; /* change of memory */
    bool no_memory; /* the segment could not be kept */
};

static inline bool pieces_wait(const struct pieces *p)
{
    return p->root != NULL;
}

/* Keeps a copy of a segment with payload. */
struct pieces_result pieces_add(struct pieces *p, const struct segment *segment);

/* Of the first run; pieces_wait() is true. */
uint32_t pieces_first_seq(const struct pieces *p);
int64_t pieces_first_ns(const struct pieces *p);

/* Takes the first run out and gives its segments to each() in sequence. Returns the memory let go.
 */
uint32_t pieces_take_first(struct pieces *p, void (*each)(void *arg, const struct segment *segment),
                           void *arg);
/* Drops all. Returns the memory let go. */
uint32_t pieces_clear(struct pieces *p);
