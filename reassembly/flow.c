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
#define CACHE_LINE 64
/* Fewer than so many, of FLOW_COST each, are in a cache anyway. */
#define MANY_FLOWS 2048
/* As many as a processor waits for at the same time, and no fewer than come together. */
#define EXPECTED 16

/* Open addressing with linear probing: nothing is touched of a flow that is not the one. */
struct slot {
    uint32_t tag; /* of the hash: where it belongs, and a first look at whether it is the one */
    uint32_t place; /* the flow's number; 0: empty */
};

/* The lists are kept apart from the flows, by their numbers: to move a flow its neighbours' links
 * are written, and these lie close enough together to be in a cache when the flows are not. The
 * lists themselves have the numbers below those of flows; the next of a list is its oldest. */
struct link {
    uint32_t prev, next;
};

enum {
    LIST_FREE = FLOW_LISTS, /* behind enum flow_list: numbers that are not in use any more */
    LIST_ORDERED, /* those ACTIVE that were put in order; FLOW_ACTIVE has only younger ones */
    LISTS,
    FIRST_NUMBER = LISTS,
};

/* A flow, to be sorted by when it was last touched. */
struct aged {
    uint64_t ns;
    uint32_t number;
};
#define DIGIT_BITS 8
#define DIGITS (1 << DIGIT_BITS)

struct block {
    struct flow *flows; /* in memory, from the first whole cache line on */
    void *memory;
};

struct flow_table {
    struct slot *slots;
    uint32_t mask;
    size_t count;
    uint64_t seed;
    struct flow *last; /* found last: a request, its answer and ACKs come one after another */
    struct link *ages; /* by number: lists below LISTS */
    struct link *holes; /* by number: lists false and true, whether they are acknowledged */
    struct block *blocks;
    uint32_t n_blocks;
    uint32_t n_numbers; /* given out so far */
};

static void list_init(struct link *links, uint32_t list)
{
    links[list] = (struct link){.prev = list, .next = list};
}

static void list_append(struct link *links, uint32_t list, uint32_t number)
{
    uint32_t last = links[list].prev;
    links[number] = (struct link){.prev = last, .next = list};
    links[list].prev = links[last].next = number;
}

/* As the first one. */
static void list_prepend(struct link *links, uint32_t list, uint32_t number)
{
    list_append(links, links[list].next, number);
}

static void list_remove(struct link *links, uint32_t number)
{
    struct link link = links[number];
    links[link.prev].next = link.next;
    links[link.next].prev = link.prev;
}

static inline struct flow *flow_at(const struct flow_table *t, uint32_t number)
{
    return &t->blocks[number / BLOCK_FLOWS].flows[number % BLOCK_FLOWS];
}

/* Room for the flows of so many blocks in all that goes by number. */
static bool make_places(struct flow_table *t, size_t n_blocks)
{
    size_t n = n_blocks * BLOCK_FLOWS;
    struct block *blocks = mem_realloc(MEM_FLOW, t->blocks, n_blocks * sizeof(*blocks));
    t->blocks = blocks ? blocks : t->blocks;
    struct link *ages = mem_realloc(MEM_FLOW, t->ages, n * sizeof(*ages));
    t->ages = ages ? ages : t->ages;
    struct link *holes = mem_realloc(MEM_FLOW, t->holes, n * sizeof(*holes));
    t->holes = holes ? holes : t->holes;
    return blocks && ages && holes;
}

static bool add_block(struct flow_table *t)
{
    uint32_t n = t->n_blocks;
    if (n == UINT32_MAX / BLOCK_FLOWS)
        return false;
    if ((n & (n - 1)) == 0 && !make_places(t, n ? (size_t)n * 2 : 1)) /* a power of two, or none */
        return false;
    struct block *block = &t->blocks[n];
    block->memory = mem_alloc(MEM_FLOW, BLOCK_FLOWS * sizeof(struct flow) + CACHE_LINE - 1);
    if (!block->memory)
        return false;
    size_t over = (uintptr_t)block->memory % CACHE_LINE;
    block->flows = (void *)((char *)block->memory + (CACHE_LINE - over) % CACHE_LINE);
    t->n_blocks++;
    return true;
}

int flow_table_new(struct flow_table **tp, uint64_t seed)
{
    struct flow_table *t = mem_zalloc(MEM_FLOW, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->slots = mem_zalloc(MEM_FLOW, FIRST_SLOTS * sizeof(*t->slots));
    if (!t->slots || !add_block(t)) {
        flow_table_free(t);
        return -ENOMEM;
    }
    t->mask = FIRST_SLOTS - 1;
    t->seed = seed;
    t->n_numbers = FIRST_NUMBER;
    for (uint32_t list = 0; list < LISTS; list++)
        list_init(t->ages, list);
    list_init(t->holes, false);
    list_init(t->holes, true);
    *tp = t;
    return 0;
}

void flow_table_free(struct flow_table *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->n_blocks; i++)
        mem_free(t->blocks[i].memory);
    mem_free(t->blocks);
    mem_free(t->ages);
    mem_free(t->holes);
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

/* All of a flow, and its links. */
static inline void prefetch(const struct flow_table *t, uint32_t number)
{
    const char *f = (const char *)flow_at(t, number);
    __builtin_prefetch(f, 1);
    __builtin_prefetch(f + CACHE_LINE, 1);
    __builtin_prefetch(f + 2 * CACHE_LINE, 1);
    __builtin_prefetch(&t->ages[number], 1);
}

struct flow *flow_find(struct flow_table *t, const struct segment *s, enum direction *dir)
{
    if (t->last && is_of(t->last, s, dir))
        return t->last;
    uint32_t tag = (uint32_t)hash_of(t, s);
    for (uint32_t i = tag & t->mask; t->slots[i].place != 0; i = (i + 1) & t->mask) {
        uint32_t number = t->slots[i].place;
        if (t->slots[i].tag != tag)
            continue;
        prefetch(t, number);
        struct flow *f = flow_at(t, number);
        if (is_of(f, s, dir))
            return t->last = f;
    }
    return NULL;
}

void flow_expect(const struct flow_table *t, const struct segment *segments, size_t n)
{
    uint32_t tags[EXPECTED];
    if (likely(t->count < MANY_FLOWS))
        return;
    n = n < EXPECTED ? n : EXPECTED;
    for (size_t i = 0; i < n; i++) {
        tags[i] = (uint32_t)hash_of(t, &segments[i]);
        __builtin_prefetch(&t->slots[tags[i] & t->mask]);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t at = tags[i] & t->mask;
        while (t->slots[at].place != 0 && t->slots[at].tag != tags[i])
            at = (at + 1) & t->mask;
        if (t->slots[at].place != 0)
            prefetch(t, t->slots[at].place);
    }
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

/* 0: no memory. */
static uint32_t take_number(struct flow_table *t)
{
    uint32_t number = t->ages[LIST_FREE].next;
    if (number != LIST_FREE) {
        list_remove(t->ages, number);
        ASAN_UNPOISON_MEMORY_REGION(flow_at(t, number)->half, sizeof(flow_at(t, number)->half));
        return number;
    }
    if (t->n_numbers == t->n_blocks * BLOCK_FLOWS && !add_block(t))
        return 0;
    return t->n_numbers++;
}

struct flow *flow_add(struct flow_table *t, const struct segment *s, bool from_client)
{
    uint32_t number = make_room(t) ? take_number(t) : 0;
    if (number == 0)
        return NULL;
    struct flow *f = flow_at(t, number);
    *f = (struct flow){
        .number = number,
        .tag = (uint32_t)hash_of(t, s),
        .client = from_client ? s->src : s->dst,
        .server = from_client ? s->dst : s->src,
        .scope = s->scope,
        .list = FLOW_ACTIVE,
    };
    *empty_slot(t->slots, t->mask, f->tag) = (struct slot){.tag = f->tag, .place = number};
    list_append(t->ages, FLOW_ACTIVE, number);
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
    uint32_t i = f->tag & t->mask, number = f->number;
    while (t->slots[i].place != number)
        i = (i + 1) & t->mask;
    close_slot(t, i);
    if (t->last == f)
        t->last = NULL;
    list_remove(t->ages, number);
    flow_forget_hole(t, f);
    t->count--;
    list_prepend(t->ages, LIST_FREE, number);
    f->list = LIST_FREE;
    ASAN_POISON_MEMORY_REGION(f->half, sizeof(f->half)); /* so that it still sees who comes late */
}

size_t flow_count(const struct flow_table *t)
{
    return t->count;
}

void flow_move(struct flow_table *t, struct flow *f, enum flow_list list)
{
    f->touched = true;
    if (list == FLOW_ACTIVE && f->list == FLOW_ACTIVE)
        return;
    list_remove(t->ages, f->number);
    list_append(t->ages, list, f->number);
    f->list = (uint8_t)list;
}

struct flow *flow_next(const struct flow_table *t, uint32_t *at)
{
    for (*at = *at < FIRST_NUMBER ? FIRST_NUMBER : *at; *at < t->n_numbers;) {
        struct flow *f = flow_at(t, (*at)++);
        if (f->list != LIST_FREE)
            return f;
    }
    return NULL;
}

static struct flow *first_of(const struct flow_table *t, const struct link *links, uint32_t list)
{
    uint32_t number = links[list].next;
    return number == list ? NULL : flow_at(t, number);
}

/* Sorts from into to, n each, by the digit of last_ns - min_ns from that bit on. Stable. */
static void sort_by_digit(struct aged *to, const struct aged *from, size_t n, unsigned shift)
{
    size_t at[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        at[from[i].ns >> shift & (DIGITS - 1)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t here = at[d];
        at[d] = sum;
        sum += here;
    }
    for (size_t i = 0; i < n; i++)
        to[at[from[i].ns >> shift & (DIGITS - 1)]++] = from[i];
}

/* n that are to be sorted, with room for as many behind them. Returns where they are then. */
static struct aged *sort(struct aged *aged, size_t n)
{
    uint64_t min = UINT64_MAX, max = 0;
    struct aged *from = aged, *to = aged + n;
    for (size_t i = 0; i < n; i++) {
        min = aged[i].ns < min ? aged[i].ns : min;
        max = aged[i].ns > max ? aged[i].ns : max;
    }
    for (size_t i = 0; i < n; i++)
        aged[i].ns -= min;
    for (unsigned shift = 0; shift < 64 && (max - min) >> shift != 0; shift += DIGIT_BITS) {
        sort_by_digit(to, from, n, shift);
        struct aged *sorted = to;
        to = from;
        from = sorted;
    }
    return from;
}

/* All of FLOW_ACTIVE go to LIST_ORDERED, which is empty, as they are. */
static void take_as_they_are(struct flow_table *t)
{
    struct link all = t->ages[FLOW_ACTIVE];
    t->ages[LIST_ORDERED] = all;
    t->ages[all.next].prev = t->ages[all.prev].next = LIST_ORDERED;
    list_init(t->ages, FLOW_ACTIVE);
}

/* Puts all of FLOW_ACTIVE in order, into LIST_ORDERED. Each of them was touched since that was last
 * done, so a touch costs little of it. Without memory they stay as they came. */
static void put_in_order(struct flow_table *t)
{
    bool is_sorted = true;
    size_t n = 0;
    int64_t before_ns = INT64_MIN;
    if (t->ages[FLOW_ACTIVE].next == FLOW_ACTIVE)
        return;
    struct aged *aged = mem_alloc(MEM_FLOW, 2 * t->count * sizeof(*aged));
    for (uint32_t at = t->ages[FLOW_ACTIVE].next; at != FLOW_ACTIVE; at = t->ages[at].next) {
        struct flow *f = flow_at(t, at);
        is_sorted &= f->last_ns >= before_ns;
        before_ns = f->last_ns;
        f->touched = false;
        if (aged)
            aged[n++] = (struct aged){.ns = (uint64_t)f->last_ns, .number = at};
    }
    if (is_sorted || !aged) {
        take_as_they_are(t);
    } else {
        const struct aged *sorted = sort(aged, n);
        list_init(t->ages, FLOW_ACTIVE);
        for (size_t i = 0; i < n; i++)
            list_append(t->ages, LIST_ORDERED, sorted[i].number);
    }
    mem_free(aged);
}

static struct flow *oldest_active(struct flow_table *t)
{
    if (t->ages[LIST_ORDERED].next == LIST_ORDERED)
        put_in_order(t);
    struct flow *f;
    while ((f = first_of(t, t->ages, LIST_ORDERED)) && f->touched) {
        list_remove(t->ages, f->number);
        list_append(t->ages, FLOW_ACTIVE, f->number);
        if (t->ages[LIST_ORDERED].next == LIST_ORDERED)
            put_in_order(t);
    }
    return f;
}

struct flow *flow_oldest(struct flow_table *t, enum flow_list list)
{
    return list == FLOW_ACTIVE ? oldest_active(t) : first_of(t, t->ages, list);
}

void flow_note_hole(struct flow_table *t, struct flow *f, bool is_acked)
{
    if (f->has_hole && f->hole_acked == is_acked)
        return;
    flow_forget_hole(t, f);
    f->has_hole = true;
    f->hole_acked = is_acked;
    list_append(t->holes, is_acked, f->number);
}

void flow_forget_hole(struct flow_table *t, struct flow *f)
{
    if (f->has_hole)
        list_remove(t->holes, f->number);
    f->has_hole = false;
}

struct flow *flow_oldest_hole(struct flow_table *t, bool is_acked)
{
    return first_of(t, t->holes, is_acked);
}
