/* SPDX-License-Identifier: MIT */
#include "lib/route.h"

#include <errno.h>
#include <string.h>

#include "lib/condition.h"
#include "lib/mem.h"

struct stop {
    struct route_output output;
    const struct condition *failed; /* the last one that did not hold */
    size_t n;
    struct condition **conditions;
};

struct route {
    uint64_t nowhere; /* ROUTE_FILTERED for those that are not there */
    bool selective;
    bool splits;
    struct split split;
    size_t n;
    struct stop stops[ROUTE_OUTPUTS_MAX];
};

static void set_fate(uint64_t *fates, size_t output, enum route_fate fate)
{
    *fates = route_with_fate(*fates, output, fate);
}

static int open_conditions(struct stop *stop, struct err *err)
{
    const struct options *options = stop->output.options;
    size_t n = 0;
    while (options && options_nth(options, "http-if", n))
        n++;
    if (n == 0)
        return 0;
    stop->conditions = mem_zalloc(MEM_OTHER, n * sizeof(struct condition *));
    if (!stop->conditions)
        return err_sys(err, ENOMEM, "--to-if");
    while (stop->n < n) {
        struct condition **slot = &stop->conditions[stop->n];
        int r = condition_new(slot, "to-if", options_nth(options, "http-if", stop->n), err);
        if (r < 0)
            return r;
        stop->n++;
        if (condition_needs_status(*slot) && stop->output.in_split)
            return err_usage(err,
                             "--to-if \"%s\": an output of --split-output cannot wait for the "
                             "response (--split-among can leave this output out of the split)",
                             condition_text(*slot));
    }
    return 0;
}

static int open_stop(struct route *route, const struct route_output *output, struct err *err)
{
    size_t i = route->n++;
    struct stop *stop = &route->stops[i];
    stop->output = *output;
    if (!output->sampler)
        return 0;
    route->nowhere = route_with_fate(route->nowhere, i, ROUTE_TAKEN);
    if (output->in_split) {
        split_add(&route->split, i, output->weight, output->name);
        route->splits = true;
    }
    int r = open_conditions(stop, err);
    route->selective |= output->in_split || stop->n > 0 || !sampler_takes_all(output->sampler);
    return r;
}

int route_new(struct route **routep, const struct route_output *outputs, size_t n,
              const struct key *by, uint64_t seed, struct err *err)
{
    struct route *route = mem_zalloc(MEM_OTHER, sizeof(*route));
    if (!route)
        return err_sys(err, ENOMEM, "outputs");
    assert(n <= ROUTE_OUTPUTS_MAX);
    split_init(&route->split, by, seed);
    route->nowhere = ROUTE_NOWHERE;
    for (size_t i = 0; i < n; i++) {
        int r = open_stop(route, &outputs[i], err);
        if (r < 0) {
            route_free(route);
            return r;
        }
    }
    *routep = route;
    return 0;
}

void route_free(struct route *route)
{
    if (!route)
        return;
    for (size_t i = 0; i < route->n; i++) {
        for (size_t k = 0; k < route->stops[i].n; k++)
            condition_free(route->stops[i].conditions[k]);
        mem_free(route->stops[i].conditions);
    }
    mem_free(route);
}

bool route_is_selective(const struct route *route)
{
    return route->selective;
}

void route_set_weight(struct route *route, size_t output, double weight)
{
    split_set_weight(&route->split, output, weight);
}

/* Do the conditions that ask for the status (or those that do not) hold? *waits: some were left
 * out because they ask for it. */
static bool conditions_hold(struct stop *stop, const struct msg *request, bool with_status,
                            unsigned status, bool *waits)
{
    for (size_t i = 0; i < stop->n; i++) {
        bool needs = condition_needs_status(stop->conditions[i]);
        *waits |= needs;
        if (needs == with_status && !condition_holds(stop->conditions[i], request, status)) {
            stop->failed = stop->conditions[i];
            return false;
        }
    }
    return true;
}

static enum route_fate sampled(const struct stop *stop, const struct msg *request)
{
    return sampler_choose(stop->output.sampler, request) ? ROUTE_TAKEN : ROUTE_SAMPLED;
}

uint64_t route_request(struct route *route, const struct msg *request, uint32_t *undecided)
{
    uint64_t fates = route->nowhere, candidates = 0;
    *undecided = 0;
    for (size_t i = 0; i < route->n; i++) {
        bool waits = false;
        if (!route->stops[i].output.sampler)
            continue;
        if (!conditions_hold(&route->stops[i], request, false, 0, &waits))
            set_fate(&fates, i, ROUTE_FILTERED);
        else if (waits)
            *undecided |= UINT32_C(1) << i;
        else
            candidates |= UINT64_C(1) << i;
    }
    size_t chosen = route->splits ? split_choose(&route->split, request, candidates) : 0;
    for (size_t i = 0; i < route->n; i++) {
        const struct stop *stop = &route->stops[i];
        if (!(candidates >> i & 1))
            continue;
        bool passed_over = stop->output.in_split && i != chosen;
        set_fate(&fates, i, passed_over ? ROUTE_SPLIT : sampled(stop, request));
    }
    return fates;
}

uint64_t route_status(struct route *route, const struct msg *request, uint64_t fates,
                      uint32_t undecided, unsigned status)
{
    for (; undecided != 0; undecided &= undecided - 1) {
        size_t i = (size_t)__builtin_ctz(undecided);
        struct stop *stop = &route->stops[i];
        bool waits = false;
        bool holds = conditions_hold(stop, request, true, status, &waits);
        set_fate(&fates, i, holds ? sampled(stop, request) : ROUTE_FILTERED);
    }
    return fates;
}

const char *route_failed_condition(const struct route *route, size_t output)
{
    const struct stop *stop = &route->stops[output];
    return stop->failed ? condition_text(stop->failed) : "";
}

uint64_t route_all(const struct route *route, enum route_fate fate)
{
    uint64_t fates = route->nowhere;
    for (size_t i = 0; i < route->n; i++)
        if (route->stops[i].output.sampler)
            set_fate(&fates, i, fate);
    return fates;
}
