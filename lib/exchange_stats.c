/* SPDX-License-Identifier: MIT */
#include "lib/exchange_stats.h"

#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

#define FIRST_WIDTH_NS (100 * NS_PER_MS)
#define INDEX_MASK (EXCHANGE_INDEX - 1)

int exchange_stats_new(struct exchange_stats **statsp)
{
    struct exchange_stats *s = mem_zalloc(MEM_OTHER, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->routes[0].latency = mem_zalloc(MEM_OTHER, sizeof(struct histogram));
    if (!s->routes[0].latency) {
        mem_free(s);
        return -ENOMEM;
    }
    pthread_mutex_init(&s->lock, NULL);
    s->n_routes = 1;
    s->width_ns = FIRST_WIDTH_NS;
    s->seed = hash_random_seed();
    *statsp = s;
    return 0;
}

void exchange_stats_free(struct exchange_stats *stats)
{
    if (!stats)
        return;
    for (size_t i = 0; i < stats->n_routes; i++)
        mem_free(stats->routes[i].latency);
    pthread_mutex_destroy(&stats->lock);
    mem_free(stats);
}

/* --- time --- */

static void add_slot(struct exchange_slot *to, const struct exchange_slot *from)
{
    to->wanted += from->wanted;
    to->sent += from->sent;
    to->answered += from->answered;
    to->failed += from->failed;
    to->status_4xx += from->status_4xx;
    to->status_5xx += from->status_5xx;
    to->latency_sum_ns += from->latency_sum_ns;
    if (from->latency_max_ns > to->latency_max_ns)
        to->latency_max_ns = from->latency_max_ns;
}

static void double_width(struct exchange_stats *s)
{
    for (size_t i = 0; i < EXCHANGE_SLOTS; i++) {
        struct exchange_slot slot = s->slots[i];
        memset(&s->slots[i], 0, sizeof(slot));
        add_slot(&s->slots[i / 2], &slot);
    }
    s->width_ns *= 2;
    s->n_slots = (s->n_slots + 1) / 2;
}

/* The slot of a moment; one before the first is the first. */
static struct exchange_slot *slot_at(struct exchange_stats *s, int64_t at_ns)
{
    if (s->n_slots == 0)
        s->start_ns = at_ns;
    int64_t since_ns = at_ns > s->start_ns ? at_ns - s->start_ns : 0;
    while (since_ns / s->width_ns >= EXCHANGE_SLOTS)
        double_width(s);
    size_t i = (size_t)(since_ns / s->width_ns);
    if (i >= s->n_slots)
        s->n_slots = i + 1;
    return &s->slots[i];
}

/* --- routes --- */

static struct exchange_route *new_route(struct exchange_stats *s, const struct route_text *name,
                                        uint16_t *place)
{
    struct exchange_route *route = &s->routes[s->n_routes];
    if (s->n_routes > EXCHANGE_ROUTES)
        return &s->routes[0];
    route->latency = mem_zalloc(MEM_OTHER, sizeof(*route->latency));
    if (!route->latency)
        return &s->routes[0];
    route->name = *name;
    *place = (uint16_t)s->n_routes++;
    return route;
}

static struct exchange_route *route_of(struct exchange_stats *s, const struct msg *request)
{
    struct route_text name;
    route_template(&name, msg_method(request), msg_target(request));
    size_t at = hash64(name.text, name.len, s->seed) & INDEX_MASK;
    for (; s->index[at] != 0; at = (at + 1) & INDEX_MASK) {
        struct exchange_route *route = &s->routes[s->index[at]];
        if (span_eq(span_of(route->name.text, route->name.len), span_of(name.text, name.len)))
            return route;
    }
    return new_route(s, &name, &s->index[at]);
}

/* --- what happens --- */

void exchange_wanted(struct exchange_stats *stats, int64_t due_ns, int64_t now_ns)
{
    pthread_mutex_lock(&stats->lock);
    slot_at(stats, due_ns != 0 ? due_ns : now_ns)->wanted++;
    pthread_mutex_unlock(&stats->lock);
}

void exchange_sent(struct exchange_stats *stats, int64_t now_ns)
{
    pthread_mutex_lock(&stats->lock);
    slot_at(stats, now_ns)->sent++;
    pthread_mutex_unlock(&stats->lock);
}

void exchange_status(struct exchange_stats *stats, uint16_t status)
{
    pthread_mutex_lock(&stats->lock);
    stats->statuses[status < EXCHANGE_STATUSES ? status : 0]++;
    pthread_mutex_unlock(&stats->lock);
}

static void count_answer(struct exchange_slot *slot, struct exchange_route *route, size_t class,
                         int64_t latency_ns)
{
    slot->answered++;
    slot->status_4xx += class == 4;
    slot->status_5xx += class == 5;
    slot->latency_sum_ns += latency_ns;
    if (latency_ns > slot->latency_max_ns)
        slot->latency_max_ns = latency_ns;
    route->requests++;
    route->classes[class < ARRAY_LEN(route->classes) ? class : 0]++;
    histogram_add(route->latency, latency_ns);
}

void exchange_answered(struct exchange_stats *stats, const struct msg *request, uint16_t status,
                       int64_t latency_ns, int64_t now_ns)
{
    pthread_mutex_lock(&stats->lock);
    struct exchange_slot *slot = slot_at(stats, now_ns);
    count_answer(slot, route_of(stats, request), status / 100, latency_ns > 0 ? latency_ns : 0);
    pthread_mutex_unlock(&stats->lock);
}

void exchange_failed(struct exchange_stats *stats, const struct msg *request, int64_t now_ns)
{
    pthread_mutex_lock(&stats->lock);
    struct exchange_route *route = route_of(stats, request);
    slot_at(stats, now_ns)->failed++;
    route->requests++;
    route->failed++;
    pthread_mutex_unlock(&stats->lock);
}
