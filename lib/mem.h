/* SPDX-License-Identifier: MIT */
/* The one way to own memory: every block is counted under a tag, so that caps can be held, books
 * printed, and tests can ask whether anything leaked. A failed allocation is an ordinary outcome
 * (NULL); on the data path it costs one message, which is counted.
 *
 * Counting is batched per thread: mem_used() may be off by 64 KiB per thread and tag until that
 * thread calls mem_thread_flush(), which each thread does before it ends. */
#pragma once

#include "lib/base.h"

enum mem_tag {
    MEM_OTHER = 0, /* set-up, tables */
    MEM_MSG, /* finished messages, and those being reassembled */
    MEM_FLOW, /* flow table and flows */
    MEM_PIECES, /* out-of-order segments and IP fragments */
    MEM_IO, /* buffers of inputs and outputs */
    MEM_TAGS,
};

/* size bytes, not cleared. NULL when memory is short (or a test says so). size > 0. */
MUST_CHECK void *mem_alloc(enum mem_tag tag, size_t size);
/* As mem_alloc, cleared. */
MUST_CHECK void *mem_zalloc(enum mem_tag tag, size_t size);
/* As realloc(3): on failure the old block stays. ptr may be NULL. */
MUST_CHECK void *mem_realloc(enum mem_tag tag, void *ptr, size_t size);
MUST_CHECK char *mem_strdup(enum mem_tag tag, const char *text);
/* ptr must come from one of the above, or be NULL. */
void mem_free(void *ptr);

/* Bytes in use under a tag, summed over all threads. */
int64_t mem_used(enum mem_tag tag);
/* Hands this thread's uncounted remainder over. Call it last in each thread. */
void mem_thread_flush(void);

/* Test hook: the nth allocation from now on (1 = the next), in any thread, fails, and all after
 * it succeed. 0 switches it off. */
void mem_fail_at(uint64_t nth);
