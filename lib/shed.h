/* SPDX-License-Identifier: MIT */
/* Sheds load: when the process uses more CPU than --max-cpu allows, it follows fewer connections.
 * Which ones goes by the flow's hash, whose seed is secret, so that nobody outside can choose: a
 * connection is followed while its hash is below a level. There are three, so that what is recorded
 * of a connection is all of it:
 *
 *   opens     connections that begin now; falls at once when too much is used, and rises when
 *             there is room
 *   joins     connections whose beginning was not seen: rises after the others, when those that
 *             were refused as they began are over, as most are
 *   keeps     connections that are followed already: falls to opens only when that alone did not
 *             help, because connections live long
 *
 * One for the whole process. Any thread. */
#pragma once

#include <stdatomic.h>

#include "lib/base.h"

struct shed {
    double max; /* share of a core */
    atomic_uint_fast32_t opens, joins, keeps; /* levels, of 32 bits */
    atomic_int_fast64_t due_ns; /* when to look again; INT64_MAX: a thread is looking */
    /* Of the thread that looks. */
    int64_t looked_ns, cpu_ns; /* then, and used until then */
    int64_t changed_ns; /* when a level last did */
};

/* max > 0: a share of one core. */
void shed_init(struct shed *s, double max);

/* Looks at the clocks when it is time. Often: it costs one load otherwise. */
void shed_tick(struct shed *s, int64_t now_ns);

/* What shed_tick() does with what it sees: cpu_ns were used by all threads until now_ns. */
void shed_look(struct shed *s, int64_t now_ns, int64_t cpu_ns);

#define SHED_NOTHING UINT32_MAX

/* Is any connection left out now? */
static inline bool shed_is_active(struct shed *s)
{
    return atomic_load_explicit(&s->joins, memory_order_relaxed) != SHED_NOTHING;
}

static inline bool shed_is_below(const atomic_uint_fast32_t *level, uint64_t hash)
{
    return hash >> 32 <= atomic_load_explicit(level, memory_order_relaxed);
}

/* May a connection of that hash be followed from now on? begins: this is its first segment. */
static inline bool shed_admits(struct shed *s, uint64_t hash, bool begins)
{
    return shed_is_below(begins ? &s->opens : &s->joins, hash);
}

/* May one that is followed go on? */
static inline bool shed_keeps(struct shed *s, uint64_t hash)
{
    return shed_is_below(&s->keeps, hash);
}
