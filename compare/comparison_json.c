/* SPDX-License-Identifier: MIT */
/* A comparison as JSON; comparison.h says how it is laid out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/comparison_internal.h"

/* Any of them may be NULL for want of memory; then all is, and nothing leaks. */
static json_t *latency_json(const struct histogram *h)
{
    static const struct {
        const char *name;
        double share;
    } percentiles[] = {{"p50_s", 0.5},  {"p90_s", 0.9},     {"p95_s", 0.95},
                       {"p99_s", 0.99}, {"p99.9_s", 0.999}, {"max_s", 1}};
    uint64_t n = histogram_count(h);
    json_t *json = json_pack("{s:I}", "count", (json_int_t)n);
    for (size_t i = 0; json && n > 0 && i < ARRAY_LEN(percentiles); i++) {
        double seconds = (double)histogram_at_ns(h, percentiles[i].share) / (double)NS_PER_S;
        if (json_object_set_new(json, percentiles[i].name, json_real(seconds)) < 0) {
            json_decref(json);
            json = NULL;
        }
    }
    return json;
}

/* Appends item; on failure list is given up. */
static bool append(json_t **list, json_t *item)
{
    if (json_array_append_new(*list, item) == 0)
        return true;
    json_decref(*list);
    *list = NULL;
    return false;
}

static int by_count(const void *left, const void *right)
{
    const struct status_change *a = left, *b = right;
    return (a->count < b->count) - (a->count > b->count);
}

static json_t *statuses_json(const struct comparison *c)
{
    struct status_change sorted[STATUSES_MAX];
    json_t *list = json_array();
    memcpy(sorted, c->statuses, sizeof(sorted));
    qsort(sorted, c->n_statuses, sizeof(sorted[0]), by_count);
    for (size_t i = 0; list && i < c->n_statuses; i++)
        if (!append(&list, json_pack("{s:i, s:i, s:I}", "recorded", (int)sorted[i].from, "replayed",
                                     (int)sorted[i].to, "count", (json_int_t)sorted[i].count)))
            break;
    return list;
}

static double share(uint64_t n, uint64_t all)
{
    return all > 0 ? (double)n / (double)all : 0;
}

static json_t *location_json(const struct comparison *c, const struct location *l)
{
    const struct example *e = l->example;
    json_t *json =
        json_pack("{s:s, s:s, s:I, s:f, s:I, s:f, s:b}", "location", l->name, "kind",
                  difference_kind_name(l->kind), "count", (json_int_t)l->count, "share",
                  share(l->count, c->pairs), "noise_count", (json_int_t)l->noise, "noise_share",
                  share(l->noise, c->learned), "noise", (int)comparison_is_noise(c, l));
    if (!json || !e)
        return json;
    json_t *example = json_pack("{s:s, s:s, s:s, s:s}", "id", e->id, "request", e->request,
                                "recorded", e->value[0], "replayed", e->value[1]);
    if (json_object_set_new(json, "example", example) == 0)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *locations_json(const struct comparison *c)
{
    size_t order[LOCATIONS_MAX + 1], n = comparison_order(c, order);
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        if (!append(&list, location_json(c, locations_at(c->locations, order[i]))))
            break;
    return list;
}

json_t *comparison_json(const struct comparison *comparison)
{
    struct comparison_totals t = comparison_totals(comparison);
    json_t *latency = json_pack("{s:o, s:o}", "recorded", latency_json(&comparison->latency[0]),
                                "replayed", latency_json(&comparison->latency[1]));
    comparison_lock(comparison);
    json_t *statuses = statuses_json(comparison), *locations = locations_json(comparison);
    json_int_t others = (json_int_t)comparison->statuses_others;
    comparison_unlock(comparison);
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:o}", "pairs",
        (json_int_t)t.pairs, "equal", (json_int_t)t.equal, "only_noise", (json_int_t)t.only_noise,
        "different", (json_int_t)t.different, "different_share", share(t.different, t.pairs),
        "against", t.without_recorded ? "baseline" : "recorded", "cut", (json_int_t)t.cut,
        "learned_from", (json_int_t)t.learned, "recorded_without_answer",
        (json_int_t)t.lost[LOSS_UNANSWERED], "answer_without_recorded",
        (json_int_t)t.lost[LOSS_UNRECORDED], "crowded", (json_int_t)t.lost[LOSS_CROWDED],
        "status_changes", (json_int_t)t.status_changes, "statuses", statuses, "statuses_others",
        others, "latency", latency, "locations", locations);
}
