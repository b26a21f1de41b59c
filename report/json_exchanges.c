/* SPDX-License-Identifier: MIT */
#include "report/json_exchanges.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

/* --- over time --- */

static json_t *mean_of(const struct exchange_slot *slot)
{
    if (slot->answered == 0)
        return json_null();
    return json_real(seconds(slot->latency_sum_ns) / (double)slot->answered);
}

static json_t *max_of(const struct exchange_slot *slot)
{
    return slot->answered == 0 ? json_null() : json_real(seconds(slot->latency_max_ns));
}

static json_t *series(const struct exchange_stats *stats, int64_t run_start_ns)
{
    static const struct {
        const char *name;
        size_t offset;
    } counts[] = {
        {"wanted", offsetof(struct exchange_slot, wanted)},
        {"sent", offsetof(struct exchange_slot, sent)},
        {"answered", offsetof(struct exchange_slot, answered)},
        {"failed", offsetof(struct exchange_slot, failed)},
        {"status_4xx", offsetof(struct exchange_slot, status_4xx)},
        {"status_5xx", offsetof(struct exchange_slot, status_5xx)},
    };
    struct object o = object_new();
    put_seconds(&o, "start_s", stats->n_slots > 0 ? stats->start_ns - run_start_ns : 0);
    put_seconds(&o, "width_s", stats->width_ns);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        json_t *list = json_array();
        for (size_t k = 0; k < stats->n_slots; k++) {
            uint64_t n;
            memcpy(&n, (const char *)&stats->slots[k] + counts[i].offset, sizeof(n));
            append(&list, json_integer((json_int_t)n));
        }
        put(&o, counts[i].name, list);
    }
    json_t *mean = json_array(), *max = json_array();
    for (size_t k = 0; k < stats->n_slots; k++) {
        append(&mean, mean_of(&stats->slots[k]));
        append(&max, max_of(&stats->slots[k]));
    }
    put(&o, "latency_mean_s", mean);
    put(&o, "latency_max_s", max);
    return o.json;
}

/* --- codes, failures, routes --- */

static json_t *statuses(const struct exchange_stats *stats)
{
    struct object o = object_new();
    for (size_t status = 0; status < EXCHANGE_STATUSES; status++) {
        char key[24];
        if (stats->statuses[status] == 0)
            continue;
        snprintf(key, sizeof(key), "%zu", status);
        put_integer(&o, status > 0 ? key : "other", stats->statuses[status]);
    }
    return o.json;
}

static void append_error(json_t **list, const char *class, const char *text, uint64_t n)
{
    struct object o = object_new();
    put_text(&o, "class", class);
    put_text(&o, "text", text);
    put_integer(&o, "count", n);
    append(list, o.json);
}

/* The counters that tell why requests failed are those whose text begins so. */
static json_t *errors(const struct account *output)
{
    static const char mark[] = "failed: ";
    json_t *list = json_array();
    uint64_t known = 0, failed = account_sum(output, BOOK_FAILED);
    for (int book = 0; book < BOOKS; book++) {
        const char *text = book_text((enum book)book);
        uint64_t n = account_sum(output, (enum book)book);
        if (n == 0 || strncmp(text, mark, sizeof(mark) - 1) != 0)
            continue;
        append_error(&list, book_name((enum book)book), text + sizeof(mark) - 1, n);
        known += n;
    }
    if (failed > known)
        append_error(&list, "other", "something else, such as no memory", failed - known);
    return list;
}

static json_t *route(const struct exchange_route *r)
{
    struct object o = object_new();
    static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
    if (r->name.len > 0) {
        size_t path = r->name.method_len + 1;
        put(&o, "method", json_stringn(r->name.text, r->name.method_len));
        put(&o, "path", json_stringn(r->name.text + path, r->name.len - path));
    } else {
        put(&o, "method", json_null());
        put(&o, "path", json_null());
    }
    put_integer(&o, "requests", r->requests);
    put_integer(&o, "failed", r->failed);
    for (size_t i = 1; i < ARRAY_LEN(classes); i++)
        put_integer(&o, classes[i], r->classes[i]);
    put_times(&o, "latency", r->latency);
    return o.json;
}

/* By number of requests? That is the reader's to choose: in the order in which they came, and those
 * that are counted together at last. */
static json_t *routes(const struct exchange_stats *stats)
{
    json_t *list = json_array();
    for (size_t i = 1; i < stats->n_routes; i++)
        append(&list, route(&stats->routes[i]));
    if (stats->routes[0].requests > 0)
        append(&list, route(&stats->routes[0]));
    return list;
}

void put_exchanges(struct object *o, const struct account *output, int64_t run_start_ns)
{
    const struct exchange_stats *stats = account_exchanges(output);
    if (!stats)
        return;
    put(o, "series", series(stats, run_start_ns));
    put(o, "statuses", statuses(stats));
    put(o, "errors", errors(output));
    put(o, "routes", routes(stats));
}

void put_curve(struct object *o, const char *name, const struct histogram *h)
{
    static const double shares[] = {
        0,     0.05,  0.1,  0.15,  0.2,   0.25,   0.3,   0.35,   0.4,    0.45, 0.5,
        0.55,  0.6,   0.65, 0.7,   0.75,  0.8,    0.85,  0.9,    0.925,  0.95, 0.965,
        0.975, 0.985, 0.99, 0.993, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 1,
    };
    uint64_t count = histogram_count(h);
    json_t *list = count > 0 ? json_array() : NULL;
    if (count == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(shares); i++)
        if (shares[i] == 1 || (1 - shares[i]) * (double)count >= 0.99)
            append(&list, json_pack("[ff]", shares[i], seconds(histogram_at_ns(h, shares[i]))));
    put(o, name, list);
}
