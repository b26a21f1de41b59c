/* SPDX-License-Identifier: MIT */
#include "lib/buf.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

#define FIRST_CAP 4096

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.max = b->max};
}

int buf_reserve(struct buf *b, size_t want)
{
    if (b->cap - b->len >= want)
        return 0;
    size_t live = b->len - b->start;
    if (want > b->max || live > b->max - want)
        return -ENOBUFS;
    /* moving is worth it only when it frees at least as much as it copies */
    if (b->start >= live && b->cap - live >= want) {
        memmove(b->data, b->data + b->start, live);
        b->start = 0;
        b->len = live;
        return 0;
    }
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap - live < want)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    if (cap > b->max)
        cap = b->max;
    uint8_t *data = mem_alloc(MEM_IO, cap);
    if (!data)
        return -ENOMEM;
    if (live > 0)
        memcpy(data, b->data + b->start, live);
    mem_free(b->data);
    b->data = data;
    b->cap = cap;
    b->start = 0;
    b->len = live;
    return 0;
}

int buf_append(struct buf *b, const void *bytes, size_t n)
{
    int r = buf_reserve(b, n);
    if (r < 0)
        return r;
    if (n > 0)
        memcpy(buf_tail(b), bytes, n);
    b->len += n;
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len - b->start);
    b->start += n;
    if (b->start == b->len)
        b->start = b->len = 0;
}
