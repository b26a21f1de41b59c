/* SPDX-License-Identifier: MIT */
#include "lib/mem_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Blocks, with their headers, begin and end where cache lines do, and are a quarter of their size
 * apart, from 256 bytes on: what one has too much is not much, and is not touched. */
#define CACHE_LINE 64
#define SMALLEST 256
#define CLASSES 41
/* Free bytes that a pool keeps: more than is under way as long as outputs keep up. */
#define KEEP_BYTES (16 * MIB)
/* Bytes of a block: most messages are not much longer. */
#define FETCH_AHEAD 768
/* So many are laid aside before they are handed over: a parcel fits into the smallest block. */
#define ASIDE 24

struct parcel {
    struct parcel *next; /* in the list of what came back */
    unsigned n;
    uint8_t classes[ASIDE];
    struct mem_header *blocks[ASIDE]; /* of which the last one holds this */
};
static_assert(sizeof(struct mem_header) + sizeof(struct parcel) <= SMALLEST, "it fits");

struct mem_pool {
    struct mem_header *free[CLASSES]; /* the owner's lists */
    size_t free_bytes; /* in them */
    struct mem_pool *next; /* in idle */
    char apart[CACHE_LINE]; /* other threads write the next */
    _Atomic(struct parcel *) returned;
};

/* What this thread will hand over to one pool. */
struct aside {
    struct mem_pool *home;
    struct parcel parcel;
};

static _Thread_local struct mem_pool *mine;
static _Thread_local struct aside aside;
/* Pools whose threads have ended. */
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mem_pool *idle;

/* 256, 320, 384, 448, 512, 640, ... */
static unsigned class_of(size_t size)
{
    size += sizeof(struct mem_header);
    if (size <= SMALLEST)
        return 0;
    unsigned top = 63 - (unsigned)__builtin_clzll(size - 1); /* >= 8 */
    return (top - 8) * 4 + (unsigned)((size - 1) >> (top - 2) & 3) + 1;
}

static size_t class_size(unsigned class)
{
    return ((size_t)4 + class % 4) << (class / 4 + 6);
}

static struct mem_pool *own_pool(void)
{
    pthread_mutex_lock(&idle_lock);
    mine = idle;
    if (mine)
        idle = mine->next;
    pthread_mutex_unlock(&idle_lock);
    if (!mine)
        mine = calloc(1, sizeof(*mine));
    return mine;
}

/* Beyond what is worth keeping a block goes back to malloc. */
static void keep(struct mem_pool *pool, struct mem_header *block, unsigned class)
{
    if (unlikely(pool->free_bytes + class_size(class) > KEEP_BYTES)) {
        free(block);
        return;
    }
    pool->free_bytes += class_size(class);
    block->next = pool->free[class];
    pool->free[class] = block;
}

static void collect(struct mem_pool *pool)
{
    struct parcel *parcel = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    for (struct parcel *next; parcel; parcel = next) {
        next = parcel->next;
        __builtin_prefetch(next);
        unsigned n = parcel->n; /* with the last block it may be gone */
        for (unsigned i = 0; i < n; i++)
            keep(pool, parcel->blocks[i], parcel->classes[i]);
    }
}

/* The block that is taken next: another thread has read it, and a line that is in two caches cannot
 * be written. Making a message would wait for one line after the other. */
static void fetch_to_write(const struct mem_header *block, size_t size)
{
    const char *p = (const char *)block;
    for (size_t at = 0; at < size && at < FETCH_AHEAD; at += CACHE_LINE) {
#ifdef __x86_64__ /* for which the builtin fetches to read only */
        __asm__ volatile("prefetchw %0" : : "m"(p[at]));
#else
        __builtin_prefetch(p + at, 1);
#endif
    }
}

struct mem_header *mem_pool_take(size_t size)
{
    struct mem_pool *pool = likely(mine != NULL) ? mine : own_pool();
    unsigned class = class_of(size);
    if (unlikely(!pool))
        return NULL;
    if (!pool->free[class] && atomic_load_explicit(&pool->returned, memory_order_relaxed))
        collect(pool);
    struct mem_header *block = pool->free[class];
    if (likely(block != NULL)) {
        pool->free[class] = block->next;
        pool->free_bytes -= class_size(class);
        if (block->next)
            fetch_to_write(block->next, class_size(class));
    } else {
        block = aligned_alloc(CACHE_LINE, class_size(class));
        if (!block)
            return NULL;
        block->class = class & 0xff;
    }
    block->home = pool;
    return block;
}

static void hand_over(void)
{
    struct mem_pool *home = aside.home;
    struct parcel *parcel = (struct parcel *)(void *)(aside.parcel.blocks[aside.parcel.n - 1] + 1);
    *parcel = aside.parcel;
    struct parcel *old = atomic_load_explicit(&home->returned, memory_order_relaxed);
    do {
        parcel->next = old;
    } while (!atomic_compare_exchange_weak_explicit(&home->returned, &old, parcel,
                                                    memory_order_release, memory_order_relaxed));
    aside.parcel.n = 0;
}

void mem_pool_give(struct mem_header *block)
{
    struct mem_pool *home = block->home;
    if (home == mine) {
        keep(home, block, block->class);
        return;
    }
    struct parcel *parcel = &aside.parcel;
    if (parcel->n > 0 && aside.home != home)
        hand_over();
    aside.home = home;
    parcel->classes[parcel->n] = block->class;
    parcel->blocks[parcel->n] = block;
    if (++parcel->n == ASIDE)
        hand_over();
}

void mem_pool_thread_end(void)
{
    if (aside.parcel.n > 0)
        hand_over();
    if (!mine)
        return;
    pthread_mutex_lock(&idle_lock);
    mine->next = idle;
    idle = mine;
    pthread_mutex_unlock(&idle_lock);
    mine = NULL;
}
