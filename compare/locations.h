/* SPDX-License-Identifier: MIT */
/* Where answers differed, how often, and an example of each; and which of these came together, so
 * that it can be said at the end, when noise is known, how many pairs differ in anything else.
 * Bounded: what is beyond the bounds is one location, "(others)". The owner locks. */
#pragma once

#include "compare/difference.h"
#include "lib/msg.h"

#define LOCATIONS_MAX 1000
#define LOCATION_OTHERS LOCATIONS_MAX /* the index of those that had no room */

/* A set of locations: a bit each. */
struct location_set {
    uint64_t bits[(LOCATIONS_MAX + 1 + 63) / 64];
};

/* All are escaped, and cut. */
struct example {
    char id[MSG_ID_MAX + 1];
    char request[VALUE_MAX]; /* method and target; "" when it is not known */
    char value[2][VALUE_MAX]; /* of the first answer and of the second */
};

struct location {
    char *name; /* "body:$.items[*].price" */
    enum difference_kind kind;
    uint64_t count; /* pairs that differ here */
    uint64_t noise; /* of those that were compared to learn what is noise */
    struct example *example; /* NULL: none yet, or no memory */
};

struct locations;

MUST_CHECK int locations_new(struct locations **locationsp);
void locations_free(struct locations *locations);

/* The location of d; a new one while there is room and memory, else LOCATION_OTHERS. */
size_t locations_find(struct locations *locations, const struct difference *d);
/* i < locations_count(), or LOCATION_OTHERS. */
struct location *locations_at(struct locations *locations, size_t i);
size_t locations_count(const struct locations *locations);

static inline void location_set_add(struct location_set *set, size_t i)
{
    set->bits[i / 64] |= UINT64_C(1) << (i % 64);
}
static inline bool location_set_has(const struct location_set *set, size_t i)
{
    return set->bits[i / 64] >> (i % 64) & 1;
}

/* Notes one more pair with exactly these differences; false: there are too many such sets. */
MUST_CHECK bool locations_note(struct locations *locations, const struct location_set *set);
/* The pairs noted with at least one location outside noise. */
uint64_t locations_outside(const struct locations *locations, const struct location_set *noise);
/* Is any of set outside noise? */
bool location_set_outside(const struct location_set *set, const struct location_set *noise);
