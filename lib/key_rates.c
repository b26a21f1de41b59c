/* SPDX-License-Identifier: MIT */
#include "lib/key_rates.h"

#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/limiter.h"
#include "lib/mem.h"

#define SLICES LIMITER_KEY_SLICES
/* Places in which a key may stand; of them, the one that was silent longest is given away. */
#define WAYS 8

/* What one key was admitted in the current slice of time and the SLICES before it: together they
 * always cover more than a second. */
struct entry {
    uint64_t key; /* 0: empty */
    int64_t slice; /* number of the newest slice */
    uint32_t counts[SLICES + 1]; /* slice n at n modulo the length */
};

struct key_rates {
    int64_t slice_ns;
    uint64_t allowed; /* admissions in one window */
    uint64_t seed;
    size_t mask; /* of buckets of WAYS entries */
    struct entry entries[];
};

int key_rates_new(struct key_rates **ratesp, double rate, size_t max_keys)
{
    size_t buckets = 1;
    while (buckets * WAYS < max_keys)
        buckets *= 2;
    struct key_rates *r =
        mem_zalloc(MEM_OTHER, sizeof(*r) + buckets * WAYS * sizeof(r->entries[0]));
    if (!r)
        return -ENOMEM;
    double window_ns = (double)(NS_PER_S + LIMIT_MARGIN_NS);
    r->mask = buckets - 1;
    r->seed = hash_random_seed();
    r->allowed = rate >= 1 ? (uint64_t)rate : 1;
    r->slice_ns = (int64_t)((rate >= 1 ? window_ns : window_ns / rate) / SLICES) + 1;
    *ratesp = r;
    return 0;
}

void key_rates_free(struct key_rates *rates)
{
    mem_free(rates);
}

/* The entry of key, or one that may be given to it. */
static struct entry *place_of(struct key_rates *rates, uint64_t key)
{
    uint64_t h = hash_mix(key, rates->seed);
    struct entry *bucket = &rates->entries[(h & rates->mask) * WAYS];
    struct entry *place = bucket;
    for (size_t i = 0; i < WAYS; i++) {
        if (bucket[i].key == key)
            return &bucket[i];
        if (place->key != 0 && (bucket[i].key == 0 || bucket[i].slice < place->slice))
            place = &bucket[i];
    }
    return place;
}

/* Forgets what lies before the window that ends with slice now. */
static void advance(struct entry *e, int64_t now)
{
    if (now - e->slice > SLICES)
        memset(e->counts, 0, sizeof(e->counts));
    else
        for (int64_t s = e->slice + 1; s <= now; s++)
            e->counts[s % (SLICES + 1)] = 0;
    e->slice = now;
}

bool key_rates_admit(struct key_rates *rates, uint64_t key, int64_t now_ns)
{
    key = key ? key : 1;
    struct entry *e = place_of(rates, key);
    int64_t now = now_ns / rates->slice_ns;
    if (e->key != key)
        *e = (struct entry){.key = key, .slice = now};
    advance(e, now);
    uint64_t sum = 0;
    for (size_t i = 0; i <= SLICES; i++)
        sum += e->counts[i];
    if (sum >= rates->allowed)
        return false;
    e->counts[now % (SLICES + 1)]++;
    return true;
}
