/* SPDX-License-Identifier: MIT */
#include "lib/fates.h"

#include <errno.h>

#include "lib/hash.h"
#include "lib/mem.h"

/* Four places per bucket; the oldest of them is overwritten. An id is remembered as 64 bits of its
 * seeded hash: two ids of the same hash cannot be prepared from outside. */
#define WAYS 4

struct entry {
    uint64_t hash; /* 0: empty */
    uint64_t fate;
    uint32_t born; /* count of puts, to tell the oldest */
};

struct fates {
    uint64_t seed;
    size_t mask; /* of buckets */
    uint32_t puts;
    struct entry entries[];
};

int fates_new(struct fates **fatesp, size_t slots)
{
    size_t buckets = 1;
    while (buckets * WAYS < slots)
        buckets *= 2;
    struct fates *f = mem_zalloc(MEM_OTHER, sizeof(*f) + buckets * WAYS * sizeof(f->entries[0]));
    if (!f)
        return -ENOMEM;
    f->mask = buckets - 1;
    f->seed = hash_random_seed();
    *fatesp = f;
    return 0;
}

void fates_free(struct fates *fates)
{
    mem_free(fates);
}

static uint64_t id_hash(const struct fates *f, struct span id)
{
    uint64_t h = hash64(id.ptr, id.len, f->seed);
    return h ? h : 1;
}

void fates_put(struct fates *fates, struct span id, uint64_t fate)
{
    assert(fate != FATE_UNKNOWN);
    uint64_t h = id_hash(fates, id);
    struct entry *bucket = &fates->entries[(h & fates->mask) * WAYS];
    struct entry *place = bucket;
    for (size_t i = 0; i < WAYS; i++) {
        if (bucket[i].hash == h) {
            place = &bucket[i];
            break;
        }
        if (place->hash != 0 &&
            (bucket[i].hash == 0 || fates->puts - bucket[i].born > fates->puts - place->born))
            place = &bucket[i];
    }
    *place = (struct entry){.hash = h, .born = fates->puts++, .fate = fate};
}

void fates_replace(struct fates *fates, uint64_t mask, uint64_t fate)
{
    for (size_t i = 0; i < (fates->mask + 1) * WAYS; i++) {
        struct entry *entry = &fates->entries[i];
        entry->fate = (entry->fate & ~mask) | fate;
    }
}

uint64_t fates_get(const struct fates *fates, struct span id)
{
    uint64_t h = id_hash(fates, id);
    const struct entry *bucket = &fates->entries[(h & fates->mask) * WAYS];
    for (size_t i = 0; i < WAYS; i++)
        if (bucket[i].hash == h)
            return bucket[i].fate;
    return FATE_UNKNOWN;
}
