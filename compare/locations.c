/* SPDX-License-Identifier: MIT */
#include "compare/locations.h"

#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

#define SLOTS 2048 /* a power of two, at least twice LOCATIONS_MAX */
#define SETS_MAX 4096 /* distinct ones */
#define SET_SLOTS 8192

struct noted_set {
    struct location_set set;
    uint64_t count; /* pairs */
};

struct locations {
    uint64_t seed; /* names come from strangers */
    size_t n, n_sets;
    struct location list[LOCATIONS_MAX + 1]; /* the last is of the others */
    uint16_t slots[SLOTS]; /* index + 1; 0: free */
    uint16_t set_slots[SET_SLOTS];
    struct noted_set *sets; /* grows */
    size_t sets_cap;
};

int locations_new(struct locations **locationsp)
{
    static_assert(SLOTS >= 2 * LOCATIONS_MAX && SET_SLOTS >= 2 * SETS_MAX, "there are free slots");
    struct locations *l = mem_zalloc(MEM_OTHER, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->list[LOCATION_OTHERS].name = mem_strdup(MEM_OTHER, "(others)");
    if (!l->list[LOCATION_OTHERS].name) {
        mem_free(l);
        return -ENOMEM;
    }
    l->seed = hash_random_seed();
    *locationsp = l;
    return 0;
}

void locations_free(struct locations *locations)
{
    if (!locations)
        return;
    for (size_t i = 0; i <= LOCATIONS_MAX; i++) {
        mem_free(locations->list[i].name);
        mem_free(locations->list[i].example);
    }
    mem_free(locations->sets);
    mem_free(locations);
}

static size_t add_location(struct locations *l, const struct difference *d, uint16_t *slot)
{
    if (l->n == LOCATIONS_MAX)
        return LOCATION_OTHERS;
    char *name = mem_strdup(MEM_OTHER, d->location);
    if (!name)
        return LOCATION_OTHERS;
    l->list[l->n] = (struct location){.name = name, .kind = d->kind};
    *slot = (uint16_t)++l->n;
    return l->n - 1;
}

size_t locations_find(struct locations *locations, const struct difference *d)
{
    struct locations *l = locations;
    uint64_t hash = hash64(d->location, strlen(d->location), l->seed + d->kind);
    for (size_t i = hash % SLOTS;; i = (i + 1) % SLOTS) {
        if (l->slots[i] == 0)
            return add_location(l, d, &l->slots[i]);
        const struct location *known = &l->list[l->slots[i] - 1];
        if (known->kind == d->kind && strcmp(known->name, d->location) == 0)
            return l->slots[i] - 1U;
    }
}

struct location *locations_at(struct locations *locations, size_t i)
{
    assert(i < locations->n || i == LOCATION_OTHERS);
    return &locations->list[i];
}

size_t locations_count(const struct locations *locations)
{
    return locations->n;
}

/* --- sets --- */

static bool room_for_set(struct locations *l)
{
    if (l->n_sets == SETS_MAX)
        return false;
    if (l->n_sets < l->sets_cap)
        return true;
    size_t cap = l->sets_cap ? 2 * l->sets_cap : 64;
    struct noted_set *sets = mem_realloc(MEM_OTHER, l->sets, cap * sizeof(*sets));
    if (!sets)
        return false;
    l->sets = sets;
    l->sets_cap = cap;
    return true;
}

bool locations_note(struct locations *locations, const struct location_set *set)
{
    struct locations *l = locations;
    uint64_t hash = hash64(set, sizeof(*set), l->seed);
    for (size_t i = hash % SET_SLOTS;; i = (i + 1) % SET_SLOTS) {
        if (l->set_slots[i] == 0) {
            if (!room_for_set(l))
                return false;
            l->sets[l->n_sets] = (struct noted_set){.set = *set, .count = 1};
            l->set_slots[i] = (uint16_t)++l->n_sets;
            return true;
        }
        struct noted_set *known = &l->sets[l->set_slots[i] - 1];
        if (memcmp(&known->set, set, sizeof(*set)) == 0) {
            known->count++;
            return true;
        }
    }
}

bool location_set_outside(const struct location_set *set, const struct location_set *noise)
{
    for (size_t i = 0; i < ARRAY_LEN(set->bits); i++)
        if (set->bits[i] & ~noise->bits[i])
            return true;
    return false;
}

uint64_t locations_outside(const struct locations *locations, const struct location_set *noise)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < locations->n_sets; i++)
        if (location_set_outside(&locations->sets[i].set, noise))
            sum += locations->sets[i].count;
    return sum;
}
