/* SPDX-License-Identifier: MIT */
#include "lib/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem_pool.h"

#define BATCH_BYTES (64 * 1024)
#define SIZE_LIMIT ((UINT64_C(1) << 48) - 1) /* of mem_header.size */

static atomic_int_fast64_t used[MEM_TAGS];
static _Thread_local int64_t uncounted[MEM_TAGS];
static atomic_uint_fast64_t fail_countdown;

static void count(enum mem_tag tag, int64_t delta)
{
    int64_t n = uncounted[tag] + delta;
    if (n > BATCH_BYTES || n < -BATCH_BYTES) {
        atomic_fetch_add_explicit(&used[tag], n, memory_order_relaxed);
        n = 0;
    }
    uncounted[tag] = n;
}

static bool told_to_fail(void)
{
    if (likely(atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0))
        return false;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

/* Messages are made by one thread and freed by another. */
static struct mem_header *take(enum mem_tag tag, size_t size)
{
    if (MEM_POOLED && tag == MEM_MSG && size <= MEM_POOL_MAX)
        return mem_pool_take(size);
    struct mem_header *h = malloc(sizeof(*h) + size);
    if (h)
        h->home = NULL;
    return h;
}

void *mem_alloc(enum mem_tag tag, size_t size)
{
    assert(size > 0 && tag < MEM_TAGS);
    if (unlikely(size > SIZE_LIMIT) || told_to_fail())
        return NULL;
    struct mem_header *h = take(tag, size);
    if (!h)
        return NULL;
    h->size = size & SIZE_LIMIT;
    h->tag = tag & 0xff;
    count(tag, (int64_t)size);
    return h + 1;
}

void *mem_zalloc(enum mem_tag tag, size_t size)
{
    void *ptr = mem_alloc(tag, size);
    if (ptr)
        memset(ptr, 0, size);
    return ptr;
}

/* Of a pool's block. */
static struct mem_header *move(struct mem_header *old, enum mem_tag tag, size_t size)
{
    struct mem_header *h = take(tag, size);
    if (!h)
        return NULL;
    memcpy(h + 1, old + 1, old->size < size ? old->size : size);
    h->tag = old->tag;
    mem_pool_give(old);
    return h;
}

void *mem_realloc(enum mem_tag tag, void *ptr, size_t size)
{
    if (!ptr)
        return mem_alloc(tag, size);
    assert(size > 0);
    struct mem_header *old = (struct mem_header *)ptr - 1;
    assert(old->tag == tag);
    size_t old_size = old->size;
    if (unlikely(size > SIZE_LIMIT) || told_to_fail())
        return NULL;
    struct mem_header *h = old->home ? move(old, tag, size) : realloc(old, sizeof(*h) + size);
    if (!h)
        return NULL;
    h->size = size & SIZE_LIMIT;
    count(tag, (int64_t)size - (int64_t)old_size);
    return h + 1;
}

char *mem_strdup(enum mem_tag tag, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mem_alloc(tag, size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void mem_free(void *ptr)
{
    if (!ptr)
        return;
    struct mem_header *h = (struct mem_header *)ptr - 1;
    count((enum mem_tag)h->tag, -(int64_t)h->size);
    if (h->home)
        mem_pool_give(h);
    else
        free(h);
}

int64_t mem_used(enum mem_tag tag)
{
    return atomic_load_explicit(&used[tag], memory_order_relaxed) + uncounted[tag];
}

void mem_thread_flush(void)
{
    for (int tag = 0; tag < MEM_TAGS; tag++) {
        atomic_fetch_add_explicit(&used[tag], uncounted[tag], memory_order_relaxed);
        uncounted[tag] = 0;
    }
    mem_pool_thread_end();
}

void mem_fail_at(uint64_t nth)
{
    atomic_store(&fail_countdown, nth);
}
