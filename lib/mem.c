/* SPDX-License-Identifier: MIT */
#include "lib/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* In front of each block. 16 bytes keep malloc's alignment. */
struct header {
    size_t size; /* of the caller's part */
    enum mem_tag tag;
    uint32_t pad;
};
static_assert(sizeof(struct header) == 16, "blocks stay aligned for any type");

#define BATCH_BYTES (64 * 1024)

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

void *mem_alloc(enum mem_tag tag, size_t size)
{
    assert(size > 0 && tag < MEM_TAGS);
    if (unlikely(size > SIZE_MAX / 2) || told_to_fail())
        return NULL;
    struct header *h = malloc(sizeof(*h) + size);
    if (!h)
        return NULL;
    h->size = size;
    h->tag = tag;
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

void *mem_realloc(enum mem_tag tag, void *ptr, size_t size)
{
    if (!ptr)
        return mem_alloc(tag, size);
    assert(size > 0);
    struct header *old = (struct header *)ptr - 1;
    assert(old->tag == tag);
    size_t old_size = old->size;
    if (unlikely(size > SIZE_MAX / 2) || told_to_fail())
        return NULL;
    struct header *h = realloc(old, sizeof(*h) + size);
    if (!h)
        return NULL;
    h->size = size;
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
    struct header *h = (struct header *)ptr - 1;
    count(h->tag, -(int64_t)h->size);
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
}

void mem_fail_at(uint64_t nth)
{
    atomic_store(&fail_countdown, nth);
}
