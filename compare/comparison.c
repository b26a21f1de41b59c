/* SPDX-License-Identifier: MIT */
#include "compare/comparison.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "compare/comparison_internal.h"
#include "lib/mem.h"

int comparison_new(struct comparison **comparisonp)
{
    struct comparison *c = mem_zalloc(MEM_OTHER, sizeof(*c));
    if (!c)
        return -ENOMEM;
    if (locations_new(&c->locations) < 0) {
        mem_free(c);
        return -ENOMEM;
    }
    pthread_mutex_init(&c->lock, NULL);
    *comparisonp = c;
    return 0;
}

void comparison_free(struct comparison *comparison)
{
    if (!comparison)
        return;
    pthread_mutex_destroy(&comparison->lock);
    locations_free(comparison->locations);
    mem_free(comparison);
}

void comparison_lock(const struct comparison *comparison)
{
    pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&comparison->lock);
}

void comparison_unlock(const struct comparison *comparison)
{
    pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&comparison->lock);
}

/* --- one pair --- */

/* What is found in one pair. */
struct finding {
    struct difference_sink sink;
    struct comparison *comparison;
    const struct pair *pair;
    bool for_noise;
    bool any;
    struct location_set set;
};

static void describe(struct example *example, const struct pair *pair, const struct difference *d)
{
    const struct msg *request = pair->request;
    difference_escape(example->id, sizeof(example->id), msg_id(pair->got));
    if (request && request->http.head_len > 0) {
        char text[2 * VALUE_MAX];
        struct span method = msg_method(request), target = msg_target(request);
        size_t n = method.len < 32 ? method.len : 32;
        size_t room = sizeof(text) - n - 1, m = target.len < room ? target.len : room;
        memcpy(text, method.ptr, n);
        text[n] = ' ';
        memcpy(text + n + 1, target.ptr, m);
        difference_escape(example->request, sizeof(example->request), span_of(text, n + 1 + m));
    }
    difference_value(d, 0, example->value[0]);
    difference_value(d, 1, example->value[1]);
}

static void found(struct difference_sink *sink, const struct difference *d)
{
    struct finding *f = container_of(sink, struct finding, sink);
    struct comparison *c = f->comparison;
    comparison_lock(c);
    size_t i = locations_find(c->locations, d);
    struct location *location = locations_at(c->locations, i);
    f->any = true;
    location_set_add(&f->set, i);
    if (!f->for_noise && !location->example) {
        location->example = mem_zalloc(MEM_OTHER, sizeof(*location->example));
        if (location->example)
            describe(location->example, f->pair, d);
    }
    comparison_unlock(c);
}

/* Counts a pair at each of its locations. */
static void count_locations(struct comparison *c, const struct finding *f)
{
    size_t n = locations_count(c->locations);
    for (size_t i = 0; i <= LOCATIONS_MAX; i++) {
        if ((i >= n && i != LOCATION_OTHERS) || !location_set_has(&f->set, i))
            continue;
        struct location *location = locations_at(c->locations, i);
        *(f->for_noise ? &location->noise : &location->count) += 1;
    }
}

static void count_status(struct comparison *c, uint16_t from, uint16_t to)
{
    size_t i = 0;
    c->status_changes += from != to;
    while (i < c->n_statuses && (c->statuses[i].from != from || c->statuses[i].to != to))
        i++;
    if (i == STATUSES_MAX) {
        c->statuses_others++;
        return;
    }
    if (i == c->n_statuses)
        c->statuses[c->n_statuses++] = (struct status_change){.from = from, .to = to};
    c->statuses[i].count++;
}

bool comparison_add(struct comparison *comparison, struct answer_diff *diff,
                    const struct pair *pair)
{
    struct comparison *c = comparison;
    struct finding f = {.sink = {found}, .comparison = c, .pair = pair};
    uint16_t from = pair->wanted->http.status, to = pair->got->http.status;
    answer_diff(diff, pair->wanted, pair->got, &f.sink);
    comparison_lock(c);
    c->pairs++;
    c->differing += f.any;
    c->cut += ((pair->wanted->flags | pair->got->flags) & MSG_CUT) != 0;
    count_status(c, from, to);
    count_locations(c, &f);
    if (f.any && !locations_note(c->locations, &f.set))
        c->early++;
    comparison_unlock(c);
    histogram_add(&c->latency[0], pair->wanted->latency_ns);
    histogram_add(&c->latency[1], pair->got->latency_ns);
    return from != to;
}

void comparison_learn(struct comparison *comparison, struct answer_diff *diff,
                      const struct pair *pair)
{
    struct finding f = {.sink = {found}, .comparison = comparison, .pair = pair, .for_noise = true};
    answer_diff(diff, pair->wanted, pair->got, &f.sink);
    comparison_lock(comparison);
    comparison->learned++;
    count_locations(comparison, &f);
    comparison_unlock(comparison);
}

void comparison_lose(struct comparison *comparison, enum comparison_loss loss)
{
    comparison_lock(comparison);
    comparison->lost[loss]++;
    comparison_unlock(comparison);
}

void comparison_without_recorded(struct comparison *comparison)
{
    comparison_lock(comparison);
    comparison->without_recorded = true;
    comparison_unlock(comparison);
}

void comparison_on_offer(struct comparison *comparison)
{
    comparison_lock(comparison);
    comparison->on_offer = true;
    comparison_unlock(comparison);
}

/* --- all pairs --- */

bool comparison_tells(const struct comparison *comparison)
{
    comparison_lock(comparison);
    bool tells =
        !comparison->on_offer || comparison->pairs > 0 || comparison->lost[LOSS_UNANSWERED] > 0;
    comparison_unlock(comparison);
    return tells;
}

/* The share of noise is at least half of the share of all: noise / learned >= count / pairs / 2.
 * The others are no one place, and so never noise. */
bool comparison_is_noise(const struct comparison *comparison, const struct location *location)
{
    return location->noise > 0 &&
           location != locations_at(comparison->locations, LOCATION_OTHERS) &&
           2.0 * (double)location->noise * (double)comparison->pairs >=
               (double)location->count * (double)comparison->learned;
}

static struct location_set noise_of(const struct comparison *c)
{
    struct location_set noise = {{0}};
    for (size_t i = 0; i < locations_count(c->locations); i++)
        if (comparison_is_noise(c, locations_at(c->locations, i)))
            location_set_add(&noise, i);
    return noise;
}

struct comparison_totals comparison_totals(const struct comparison *comparison)
{
    const struct comparison *c = comparison;
    comparison_lock(c);
    struct location_set noise = noise_of(c);
    struct comparison_totals t = {
        .pairs = c->pairs,
        .different = locations_outside(c->locations, &noise) + c->early,
        .equal = c->pairs - c->differing,
        .status_changes = c->status_changes,
        .cut = c->cut,
        .learned = c->learned,
        .without_recorded = c->without_recorded,
    };
    t.only_noise = c->differing - t.different;
    memcpy(t.lost, c->lost, sizeof(t.lost));
    comparison_unlock(c);
    return t;
}

static bool comes_before(const struct comparison *c, const struct location *a,
                         const struct location *b)
{
    bool a_noise = comparison_is_noise(c, a), b_noise = comparison_is_noise(c, b);
    if (a_noise != b_noise)
        return b_noise;
    return a->count > b->count;
}

size_t comparison_order(const struct comparison *comparison, size_t order[LOCATIONS_MAX + 1])
{
    struct locations *l = comparison->locations;
    size_t n = 0;
    for (size_t i = 0; i <= LOCATIONS_MAX; i++) {
        if (i >= locations_count(l) && i != LOCATION_OTHERS)
            continue;
        const struct location *location = locations_at(l, i);
        if (location->count == 0)
            continue;
        size_t at = n++; /* few: at most a thousand, once */
        for (; at > 0 && comes_before(comparison, location, locations_at(l, order[at - 1])); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return n;
}

size_t comparison_locations(const struct comparison *comparison, struct shown_location *out,
                            size_t max)
{
    size_t order[LOCATIONS_MAX + 1];
    comparison_lock(comparison);
    size_t n = comparison_order(comparison, order);
    for (size_t i = 0; i < n && i < max; i++) {
        const struct location *location = locations_at(comparison->locations, order[i]);
        out[i] = (struct shown_location){
            .kind = location->kind,
            .count = location->count,
            .noise = location->noise,
            .is_noise = comparison_is_noise(comparison, location),
        };
        snprintf(out[i].name, sizeof(out[i].name), "%s", location->name);
    }
    comparison_unlock(comparison);
    return n;
}
