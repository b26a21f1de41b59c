/* SPDX-License-Identifier: MIT */
/* Memory for blocks that one thread takes and another gives back: the messages that go from
 * an input's thread to an output's. malloc() has a lock for that, and both threads wait at it; and
 * it gives large ones back to the system, so that the next one is page faults again.
 *
 * Each thread that takes has a pool: a list of free blocks for each size, which only it touches.
 * Who gives back another thread's block lays it aside, and hands over many at a time: a push on the
 * list of what came back to that pool, which the owner takes as a whole when its own is empty. So
 * neither side waits, and what is in the cache is used first. What is handed over is a parcel: the
 * addresses of the blocks, written into one of them, because to read each from the other thread's
 * cache, to find the next, would be waiting too.
 *
 * Blocks may outlive their thread: its pool is kept, and the next thread that needs one takes it
 * over. Only lib/mem.c uses this. */
#pragma once

#include "lib/base.h"

struct mem_pool;

/* In front of each block. 16 bytes keep malloc's alignment. */
struct mem_header {
    union {
        struct mem_pool *home; /* NULL: malloc's */
        struct mem_header *next; /* in a list of free blocks */
    };
    uint64_t size : 48; /* of the caller's part */
    uint64_t tag : 8; /* enum mem_tag */
    uint64_t class : 8; /* of a pool's block */
};
static_assert(sizeof(struct mem_header) == 16, "blocks stay aligned for any type");

/* The largest size that comes from a pool. */
#define MEM_POOL_MAX (256 * KIB - sizeof(struct mem_header))
/* AddressSanitizer finds what is used after it was given back only when malloc() knows of it. */
#ifdef __SANITIZE_ADDRESS__
#define MEM_POOLED false
#elif defined(__has_feature)
#define MEM_POOLED !__has_feature(address_sanitizer)
#else
#define MEM_POOLED true
#endif

/* Room for size bytes, at most MEM_POOL_MAX, behind the header; home and class are set. NULL when
 * memory is short. */
MUST_CHECK struct mem_header *mem_pool_take(size_t size);
/* Of a block with a home. Any thread. */
void mem_pool_give(struct mem_header *block);
/* Hands over what was laid aside, and gives up the thread's pool. Last in each thread. */
void mem_pool_thread_end(void);
