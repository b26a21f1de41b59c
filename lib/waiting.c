/* SPDX-License-Identifier: MIT */
#include "lib/waiting.h"

#include <errno.h>

#include "lib/hash.h"
#include "lib/mem.h"

#define NONE UINT32_MAX

/* A place, in the chain of its bucket and in the order of coming; or in the chain of free ones. */
struct place {
    const struct msg *msg;
    uint64_t note;
    uint32_t bucket;
    uint32_t next_in_bucket; /* also of the free places */
    uint32_t older, newer;
};

/* Oldest first, so that many of one id are not walked over. */
struct bucket {
    uint32_t first, last;
};

struct waiting {
    uint64_t seed;
    size_t max_msgs, max_bytes;
    size_t n, bytes;
    uint32_t free, oldest, newest;
    struct bucket *buckets; /* as many as places, rounded up to a power of two */
    size_t mask;
    struct place places[]; /* one more than max_msgs: overflow is told after the put */
};

int waiting_new(struct waiting **waitingp, size_t max_msgs, size_t max_bytes)
{
    size_t n_places = max_msgs + 1, n_buckets = 1;
    assert(n_places < NONE);
    while (n_buckets < n_places)
        n_buckets *= 2;
    struct waiting *w = mem_zalloc(MEM_OTHER, sizeof(*w) + n_places * sizeof(w->places[0]));
    if (!w)
        return -ENOMEM;
    w->buckets = mem_alloc(MEM_OTHER, n_buckets * sizeof(*w->buckets));
    if (!w->buckets) {
        mem_free(w);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n_buckets; i++)
        w->buckets[i] = (struct bucket){NONE, NONE};
    for (size_t i = 0; i < n_places; i++)
        w->places[i].next_in_bucket = i + 1 < n_places ? (uint32_t)i + 1 : NONE;
    w->seed = hash_random_seed();
    w->mask = n_buckets - 1;
    w->max_msgs = max_msgs;
    w->max_bytes = max_bytes;
    w->oldest = w->newest = NONE;
    *waitingp = w;
    return 0;
}

void waiting_free(struct waiting *waiting)
{
    uint64_t note;
    if (!waiting)
        return;
    for (const struct msg *m = waiting_leave(waiting, &note); m; m = waiting_leave(waiting, &note))
        msg_unref(m);
    mem_free(waiting->buckets);
    mem_free(waiting);
}

static uint32_t bucket_of(const struct waiting *w, struct span id)
{
    return (uint32_t)(hash64(id.ptr, id.len, w->seed) & w->mask);
}

static uint32_t find(const struct waiting *w, uint32_t bucket, struct span id)
{
    uint32_t i = w->buckets[bucket].first;
    while (i != NONE && !span_eq(msg_id(w->places[i].msg), id))
        i = w->places[i].next_in_bucket;
    return i;
}

void waiting_put(struct waiting *waiting, const struct msg *msg, uint64_t note)
{
    struct waiting *w = waiting;
    struct bucket *bucket = &w->buckets[bucket_of(w, msg_id(msg))];
    uint32_t i = w->free;
    assert(i != NONE); /* the owner takes overflow out after each put */
    struct place *p = &w->places[i];
    w->free = p->next_in_bucket;
    *p = (struct place){.msg = msg_ref(msg),
                        .note = note,
                        .bucket = (uint32_t)(bucket - w->buckets),
                        .next_in_bucket = NONE,
                        .older = w->newest,
                        .newer = NONE};
    *(bucket->last != NONE ? &w->places[bucket->last].next_in_bucket : &bucket->first) = i;
    bucket->last = i;
    *(w->newest != NONE ? &w->places[w->newest].newer : &w->oldest) = i;
    w->newest = i;
    w->n++;
    w->bytes += msg_cost(msg);
}

static void leave_bucket(struct waiting *w, uint32_t i)
{
    struct bucket *bucket = &w->buckets[w->places[i].bucket];
    uint32_t before = NONE, at = bucket->first, next = w->places[i].next_in_bucket;
    for (; at != i; at = w->places[at].next_in_bucket)
        before = at;
    *(before != NONE ? &w->places[before].next_in_bucket : &bucket->first) = next;
    if (bucket->last == i)
        bucket->last = before;
}

/* Takes place i out of both chains. */
static const struct msg *leave(struct waiting *w, uint32_t i, uint64_t *note)
{
    struct place *p = &w->places[i];
    leave_bucket(w, i);
    *(p->older != NONE ? &w->places[p->older].newer : &w->oldest) = p->newer;
    *(p->newer != NONE ? &w->places[p->newer].older : &w->newest) = p->older;
    p->next_in_bucket = w->free;
    w->free = i;
    w->n--;
    w->bytes -= msg_cost(p->msg);
    *note = p->note;
    return p->msg;
}

bool waiting_has(const struct waiting *waiting, struct span id, uint64_t *note)
{
    uint32_t i = waiting->n > 0 ? find(waiting, bucket_of(waiting, id), id) : NONE;
    if (i != NONE)
        *note = waiting->places[i].note;
    return i != NONE;
}

void waiting_mask(struct waiting *waiting, uint64_t mask)
{
    for (uint32_t i = waiting->oldest; i != NONE; i = waiting->places[i].newer)
        waiting->places[i].note &= mask;
}

const struct msg *waiting_take(struct waiting *waiting, struct span id, uint64_t *note)
{
    if (waiting->n == 0)
        return NULL;
    uint32_t i = find(waiting, bucket_of(waiting, id), id);
    return i == NONE ? NULL : leave(waiting, i, note);
}

const struct msg *waiting_leave(struct waiting *waiting, uint64_t *note)
{
    return waiting->oldest == NONE ? NULL : leave(waiting, waiting->oldest, note);
}

const struct msg *waiting_overflow(struct waiting *waiting, uint64_t *note)
{
    if (waiting->n <= waiting->max_msgs && waiting->bytes <= waiting->max_bytes)
        return NULL;
    return waiting_leave(waiting, note);
}
