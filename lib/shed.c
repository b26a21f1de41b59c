/* SPDX-License-Identifier: MIT */
#include "lib/shed.h"

#include "lib/clock.h"
#include "lib/log.h"

/* Long enough for what is used to be a figure, short enough that a host in need is helped. */
#define PERIOD_NS (NS_PER_S / 2)
/* What is aimed at, of max; and below which share of max more is followed. Between them nothing
 * changes. */
#define AIM 0.9
#define ROOM 0.7
/* So long after a change its effect is seen: an output has written what waited for it. */
#define CALM_NS NS_PER_S
/* So long after connections that begin, those are admitted whose beginning was not seen. */
#define JOIN_NS (5 * NS_PER_S)
/* One step down at most by that factor: what is used follows with delay. */
#define STEEPEST 0.1
/* The lowest level: some connections are always followed. */
#define LOWEST (SHED_NOTHING / 1024)

void shed_init(struct shed *s, double max)
{
    assert(max > 0);
    *s = (struct shed){.max = max};
    atomic_init(&s->opens, SHED_NOTHING);
    atomic_init(&s->joins, SHED_NOTHING);
    atomic_init(&s->keeps, SHED_NOTHING);
    atomic_init(&s->due_ns, 0);
}

static uint32_t get(const atomic_uint_fast32_t *level)
{
    return (uint32_t)atomic_load_explicit(level, memory_order_relaxed);
}

static uint32_t scaled(uint32_t level, double factor)
{
    double wanted = (double)level * factor;
    if (wanted >= SHED_NOTHING)
        return SHED_NOTHING;
    return wanted < LOWEST ? LOWEST : (uint32_t)wanted;
}

static void set(struct shed *s, atomic_uint_fast32_t *level, uint32_t value, int64_t now_ns)
{
    atomic_store_explicit(level, value, memory_order_relaxed);
    s->changed_ns = now_ns;
}

/* used: of max, more than 1. Whoever is followed already stays, if that is enough. */
static void lower(struct shed *s, double used, int64_t now_ns)
{
    uint32_t opens = get(&s->opens);
    if (s->changed_ns != 0 && now_ns - s->changed_ns < CALM_NS)
        return;
    if (opens < get(&s->keeps)) {
        set(s, &s->keeps, opens, now_ns);
        return;
    }
    if (opens == SHED_NOTHING)
        log_warn("max-cpu",
                 "more than %g%% of a core is used: connections are left out, and counted",
                 s->max * 100);
    double factor = AIM / used;
    opens = scaled(opens, factor > STEEPEST ? factor : STEEPEST);
    set(s, &s->opens, opens, now_ns);
    if (opens < get(&s->joins))
        set(s, &s->joins, opens, now_ns);
}

/* used: of max, so little that there is room. */
static void raise(struct shed *s, double used, int64_t now_ns)
{
    uint32_t opens = get(&s->opens);
    if (get(&s->joins) < opens) {
        if (now_ns - s->changed_ns < JOIN_NS)
            return;
        set(s, &s->joins, opens, now_ns);
        if (opens == SHED_NOTHING)
            log_warn("max-cpu", "all connections are followed again");
        return;
    }
    if (opens == SHED_NOTHING || now_ns - s->changed_ns < CALM_NS)
        return;
    opens = scaled(opens, used > 0.001 ? AIM / used : AIM / 0.001);
    set(s, &s->opens, opens, now_ns);
    if (get(&s->keeps) < opens)
        set(s, &s->keeps, opens, now_ns);
}

void shed_look(struct shed *s, int64_t now_ns, int64_t cpu_ns)
{
    int64_t passed_ns = now_ns - s->looked_ns;
    bool first = s->looked_ns == 0;
    double used = (double)(cpu_ns - s->cpu_ns) / (double)(passed_ns > 0 ? passed_ns : 1) / s->max;
    s->looked_ns = now_ns;
    s->cpu_ns = cpu_ns;
    if (first || passed_ns <= 0)
        return;
    if (used > 1)
        lower(s, used, now_ns);
    else if (used < ROOM)
        raise(s, used, now_ns);
}

void shed_tick(struct shed *s, int64_t now_ns)
{
    int64_t due_ns = atomic_load_explicit(&s->due_ns, memory_order_relaxed);
    if (now_ns < due_ns)
        return;
    if (!atomic_compare_exchange_strong(&s->due_ns, &due_ns, INT64_MAX))
        return; /* another thread looks */
    shed_look(s, now_ns, clock_read_ns(CLOCK_PROCESS_CPUTIME_ID));
    atomic_store(&s->due_ns, now_ns + PERIOD_NS);
}
