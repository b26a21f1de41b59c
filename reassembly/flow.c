/* SPDX-License-Identifier: MIT */
#include "reassembly/flow.h"

#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

#define FIRST_BUCKETS 1024

struct flow_table {
    struct flow **buckets;
    size_t mask;
    size_t count;
    uint64_t seed;
    struct flow *last; /* found last: a request, its answer and ACKs come one after another */
    struct flow_link lists[FLOW_LISTS]; /* heads: next is the oldest */
    struct flow_link holes[2]; /* heads: not acknowledged, acknowledged */
};

static void list_init(struct flow_link *head)
{
    head->prev = head->next = head;
}

static void list_append(struct flow_link *head, struct flow_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static void list_remove(struct flow_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

int flow_table_new(struct flow_table **tp, uint64_t seed)
{
    struct flow_table *t = mem_zalloc(MEM_FLOW, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->buckets = mem_zalloc(MEM_FLOW, FIRST_BUCKETS * sizeof(struct flow *));
    if (!t->buckets) {
        mem_free(t);
        return -ENOMEM;
    }
    t->mask = FIRST_BUCKETS - 1;
    t->seed = seed;
    for (size_t i = 0; i < FLOW_LISTS; i++)
        list_init(&t->lists[i]);
    list_init(&t->holes[false]);
    list_init(&t->holes[true]);
    *tp = t;
    return 0;
}

void flow_table_free(struct flow_table *t)
{
    if (!t)
        return;
    mem_free(t->buckets);
    mem_free(t);
}

static uint64_t endpoint_hash(const struct flow_table *t, const struct endpoint *e)
{
    uint64_t words[2] = {0, 0};
    memcpy(words, e->addr, e->family == 4 ? 4 : 16);
    return hash_mix(hash_mix(words[0] ^ t->seed, words[1] + e->port), t->seed);
}

/* A sum, so that both directions have one hash. */
uint64_t flow_hash(const struct flow_table *t, const struct segment *s)
{
    return hash_mix(endpoint_hash(t, &s->src) + endpoint_hash(t, &s->dst), s->scope ^ t->seed);
}

static inline bool is_of(const struct flow *f, const struct segment *s)
{
    return f->scope == s->scope &&
           ((endpoint_eq(&f->client, &s->src) && endpoint_eq(&f->server, &s->dst)) ||
            (endpoint_eq(&f->client, &s->dst) && endpoint_eq(&f->server, &s->src)));
}

struct flow *flow_find(struct flow_table *t, const struct segment *s)
{
    if (t->last && is_of(t->last, s))
        return t->last;
    uint64_t hash = flow_hash(t, s);
    for (struct flow *f = t->buckets[hash & t->mask]; f; f = f->chain)
        if (f->hash == hash && is_of(f, s))
            return t->last = f;
    return NULL;
}

/* Twice the buckets; when memory is short the chains just grow longer. */
static void grow(struct flow_table *t)
{
    size_t n = (t->mask + 1) * 2;
    struct flow **buckets = mem_zalloc(MEM_FLOW, n * sizeof(struct flow *));
    if (!buckets)
        return;
    for (size_t i = 0; i <= t->mask; i++) {
        for (struct flow *f = t->buckets[i], *next; f; f = next) {
            next = f->chain;
            f->chain = buckets[f->hash & (n - 1)];
            buckets[f->hash & (n - 1)] = f;
        }
    }
    mem_free(t->buckets);
    t->buckets = buckets;
    t->mask = n - 1;
}

struct flow *flow_add(struct flow_table *t, const struct segment *s, bool from_client)
{
    if (t->count > t->mask)
        grow(t);
    struct flow *f = mem_zalloc(MEM_FLOW, sizeof(*f));
    if (!f)
        return NULL;
    f->client = from_client ? s->src : s->dst;
    f->server = from_client ? s->dst : s->src;
    f->scope = s->scope;
    f->hash = flow_hash(t, s);
    f->chain = t->buckets[f->hash & t->mask];
    t->buckets[f->hash & t->mask] = f;
    f->list = FLOW_ACTIVE;
    list_append(&t->lists[FLOW_ACTIVE], &f->age);
    t->count++;
    t->last = f;
    return f;
}

void flow_remove(struct flow_table *t, struct flow *f)
{
    struct flow **link = &t->buckets[f->hash & t->mask];
    while (*link != f)
        link = &(*link)->chain;
    *link = f->chain;
    if (t->last == f)
        t->last = NULL;
    list_remove(&f->age);
    flow_forget_hole(f);
    t->count--;
    mem_free(f);
}

size_t flow_count(const struct flow_table *t)
{
    return t->count;
}

void flow_move(struct flow_table *t, struct flow *f, enum flow_list list)
{
    if (t->lists[list].prev == &f->age) /* it is already */
        return;
    list_remove(&f->age);
    list_append(&t->lists[list], &f->age);
    f->list = (uint8_t)list;
}

struct flow *flow_oldest(struct flow_table *t, enum flow_list list)
{
    struct flow_link *head = &t->lists[list];
    return head->next == head ? NULL : container_of(head->next, struct flow, age);
}

void flow_note_hole(struct flow_table *t, struct flow *f, bool is_acked)
{
    if (f->hole.prev && f->hole_acked == is_acked)
        return;
    flow_forget_hole(f);
    f->hole_acked = is_acked;
    list_append(&t->holes[is_acked], &f->hole);
}

void flow_forget_hole(struct flow *f)
{
    if (f->hole.prev)
        list_remove(&f->hole);
}

struct flow *flow_oldest_hole(struct flow_table *t, bool is_acked)
{
    struct flow_link *head = &t->holes[is_acked];
    return head->next == head ? NULL : container_of(head->next, struct flow, hole);
}
