/* SPDX-License-Identifier: MIT */
#include "reassembly/flow.h"

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

#define FIRST_SLOTS 1024
/* Flows are numbered, and lie in blocks of so many: none has a header of its own. */
#define BLOCK_FLOWS 256

/* Open addressing with linear probing: nothing is touched of a flow that is not the one. */
struct slot {
    uint32_t tag; /* of the hash: where it belongs, and a first look at whether it is the one */
    uint32_t place; /* the flow's number, and 1; 0: empty */
};

struct flow_table {
    struct slot *slots;
    uint32_t mask;
    size_t count;
    uint64_t seed;
    struct flow *last; /* found last: a request, its answer and ACKs come one after another */
    struct flow_link lists[FLOW_LISTS]; /* heads: next is the oldest */
    struct flow_link holes[2]; /* heads: not acknowledged, acknowledged */
    struct flow **blocks;
    uint32_t n_blocks;
    uint32_t n_numbers; /* given out so far */
    struct flow_link free; /* flows whose numbers are not in use any more, linked by age */
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

/* As the first one. */
static void list_prepend(struct flow_link *head, struct flow_link *link)
{
    list_append(head->next, link);
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
    t->slots = mem_zalloc(MEM_FLOW, FIRST_SLOTS * sizeof(*t->slots));
    if (!t->slots) {
        mem_free(t);
        return -ENOMEM;
    }
    t->mask = FIRST_SLOTS - 1;
    t->seed = seed;
    for (size_t i = 0; i < FLOW_LISTS; i++)
        list_init(&t->lists[i]);
    list_init(&t->holes[false]);
    list_init(&t->holes[true]);
    list_init(&t->free);
    *tp = t;
    return 0;
}

void flow_table_free(struct flow_table *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->n_blocks; i++)
        mem_free(t->blocks[i]);
    mem_free(t->blocks);
    mem_free(t->slots);
    mem_free(t);
}

static uint64_t endpoint_hash(const struct flow_table *t, const struct endpoint *e)
{
    uint64_t words[2] = {0, 0};
    memcpy(words, e->addr, e->family == 4 ? 4 : 16);
    return hash_mix(hash_mix(words[0] ^ t->seed, words[1] + e->port), t->seed);
}

/* A sum, so that both directions have one hash. */
static inline uint64_t hash_of(const struct flow_table *t, const struct segment *s)
{
    return hash_mix(endpoint_hash(t, &s->src) + endpoint_hash(t, &s->dst), s->scope ^ t->seed);
}

uint64_t flow_hash(const struct flow_table *t, const struct segment *s)
{
    return hash_of(t, s);
}

static inline bool is_of(const struct flow *f, const struct segment *s, enum direction *dir)
{
    if (f->scope != s->scope)
        return false;
    if (endpoint_eq(&f->client, &s->src) && endpoint_eq(&f->server, &s->dst))
        *dir = TO_SERVER;
    else if (endpoint_eq(&f->client, &s->dst) && endpoint_eq(&f->server, &s->src))
        *dir = TO_CLIENT;
    else
        return false;
    return true;
}

static inline struct flow *flow_at(const struct flow_table *t, uint32_t number)
{
    return &t->blocks[number / BLOCK_FLOWS][number % BLOCK_FLOWS];
}

struct flow *flow_find(struct flow_table *t, const struct segment *s, enum direction *dir)
{
    if (t->last && is_of(t->last, s, dir))
        return t->last;
    uint32_t tag = (uint32_t)hash_of(t, s);
    for (uint32_t i = tag & t->mask; t->slots[i].place != 0; i = (i + 1) & t->mask) {
        if (t->slots[i].tag != tag)
            continue;
        struct flow *f = flow_at(t, t->slots[i].place - 1);
        __builtin_prefetch((const char *)f + 64);
        __builtin_prefetch((const char *)f + 128);
        if (!is_of(f, s, dir))
            continue;
        /* flow_move() will need them: among many flows they are not in the cache */
        __builtin_prefetch(f->age.prev, 1);
        __builtin_prefetch(f->age.next, 1);
        return t->last = f;
    }
    return NULL;
}

/* Where a flow of that tag can be put: there is an empty slot. */
static struct slot *empty_slot(struct slot *slots, uint32_t mask, uint32_t tag)
{
    uint32_t i = tag & mask;
    while (slots[i].place != 0)
        i = (i + 1) & mask;
    return &slots[i];
}

/* Twice the slots when three quarters are in use; when memory is short it just becomes fuller. */
static bool make_room(struct flow_table *t)
{
    size_t n = (size_t)t->mask + 1;
    if (likely(t->count < n - n / 4))
        return true;
    struct slot *slots = n <= UINT32_MAX / 2 ? mem_zalloc(MEM_FLOW, n * 2 * sizeof(*slots)) : NULL;
    if (!slots)
        return t->count + 1 < n;
    uint32_t mask = (uint32_t)(n * 2 - 1);
    for (size_t i = 0; i < n; i++)
        if (t->slots[i].place != 0)
            *empty_slot(slots, mask, t->slots[i].tag) = t->slots[i];
    mem_free(t->slots);
    t->slots = slots;
    t->mask = mask;
    return true;
}

static bool add_block(struct flow_table *t)
{
    uint32_t n = t->n_blocks;
    if (n == UINT32_MAX / BLOCK_FLOWS)
        return false;
    if ((n & (n - 1)) == 0) { /* none, or a power of two: there is no place for a further one */
        struct flow **blocks =
            mem_realloc(MEM_FLOW, t->blocks, (n ? (size_t)n * 2 : 1) * sizeof(struct flow *));
        if (!blocks)
            return false;
        t->blocks = blocks;
    }
    t->blocks[n] = mem_alloc(MEM_FLOW, BLOCK_FLOWS * sizeof(struct flow));
    if (!t->blocks[n])
        return false;
    t->n_blocks++;
    return true;
}

/* A flow with its number set. NULL: no memory. */
static struct flow *take_number(struct flow_table *t)
{
    struct flow *f;
    if (t->free.next != &t->free) {
        f = container_of(t->free.next, struct flow, age);
        list_remove(&f->age);
        ASAN_UNPOISON_MEMORY_REGION(f->half, sizeof(f->half));
        return f;
    }
    if (t->n_numbers == t->n_blocks * BLOCK_FLOWS && !add_block(t))
        return NULL;
    f = flow_at(t, t->n_numbers);
    f->number = t->n_numbers++;
    return f;
}

struct flow *flow_add(struct flow_table *t, const struct segment *s, bool from_client)
{
    struct flow *f = make_room(t) ? take_number(t) : NULL;
    if (!f)
        return NULL;
    *f = (struct flow){
        .number = f->number,
        .tag = (uint32_t)hash_of(t, s),
        .client = from_client ? s->src : s->dst,
        .server = from_client ? s->dst : s->src,
        .scope = s->scope,
        .list = FLOW_ACTIVE,
    };
    *empty_slot(t->slots, t->mask, f->tag) = (struct slot){.tag = f->tag, .place = f->number + 1};
    list_append(&t->lists[FLOW_ACTIVE], &f->age);
    t->count++;
    t->last = f;
    return f;
}

/* Empties slot i: those behind it that could not be put where they belong move up. */
static void close_slot(struct flow_table *t, uint32_t i)
{
    for (uint32_t next = (i + 1) & t->mask; t->slots[next].place != 0;
         next = (next + 1) & t->mask) {
        uint32_t displaced = (next - t->slots[next].tag) & t->mask;
        if (displaced < ((next - i) & t->mask)) /* it belongs behind i */
            continue;
        t->slots[i] = t->slots[next];
        i = next;
    }
    t->slots[i].place = 0;
}

void flow_remove(struct flow_table *t, struct flow *f)
{
    uint32_t i = f->tag & t->mask;
    while (t->slots[i].place != f->number + 1)
        i = (i + 1) & t->mask;
    close_slot(t, i);
    if (t->last == f)
        t->last = NULL;
    list_remove(&f->age);
    flow_forget_hole(f);
    t->count--;
    list_prepend(&t->free, &f->age);
    ASAN_POISON_MEMORY_REGION(f->half, sizeof(f->half)); /* so that it still sees who comes late */
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
