/* SPDX-License-Identifier: MIT */
/* Which outputs a request goes to: the conditions of each output (--to-if), the split between some
 * of them, and the share that each asked for. One instance for each input, in its thread. */
#pragma once

#include "lib/err.h"
#include "lib/msg.h"
#include "lib/options.h"
#include "lib/sampler.h"
#include "lib/split.h"

/* What became of a request at one output; for all of them, three bits each, in one number. */
enum route_fate {
    ROUTE_TAKEN = 0,
    ROUTE_FILTERED = 1,
    ROUTE_SAMPLED = 2,
    ROUTE_SPLIT = 3, /* --split-output gave it to another */
    ROUTE_PAUSED = 4, /* the output was paused */
};
#define ROUTE_BITS 3
#define ROUTE_OUTPUTS_MAX 21 /* so that no number is FATE_UNKNOWN */

/* ROUTE_FILTERED at all outputs. */
#define ROUTE_NOWHERE (((UINT64_C(1) << (ROUTE_BITS * ROUTE_OUTPUTS_MAX)) - 1) / 7)

/* All bits of one output's. */
static inline uint64_t route_bits(size_t output)
{
    return UINT64_C(7) << (ROUTE_BITS * output);
}
static inline enum route_fate route_fate_at(uint64_t fates, size_t output)
{
    return (enum route_fate)(fates >> (ROUTE_BITS * output) & 7);
}
static inline uint64_t route_with_fate(uint64_t fates, size_t output, enum route_fate fate)
{
    return (fates & ~route_bits(output)) | (uint64_t)fate << (ROUTE_BITS * output);
}

/* One output, as it was configured. All pointers are borrowed and outlive the route. */
struct route_output {
    const char *name;
    const struct options
        *options; /* its own: the conditions are the values of "http-if"; or NULL */
    struct sampler *sampler; /* shared by all inputs; NULL: there is no output of that number, and
                                its fate is ROUTE_FILTERED, as that of all beyond the last one */
    bool in_split;
    double weight; /* of the split */
};

struct route;

/* outputs is copied. by: of the split. */
MUST_CHECK int route_new(struct route **routep, const struct route_output *outputs, size_t n,
                         const struct key *by, uint64_t seed, struct err *err);
void route_free(struct route *route);

/* False when every request goes to every output, so that there is nothing to ask or remember. */
bool route_is_selective(const struct route *route);

/* Another weight in the split for that output, which is in it or not. */
void route_set_weight(struct route *route, size_t output, double weight);

/* The fates of a request at all outputs. *undecided: a bit for each output whose conditions hold
 * but for those on the response's status; its fate is not yet known. Borrows request. */
uint64_t route_request(struct route *route, const struct msg *request, uint32_t *undecided);
/* The response has come, with that status (0: it will not come): decides what was left open. */
uint64_t route_status(struct route *route, const struct msg *request, uint64_t fates,
                      uint32_t undecided, unsigned status);
/* The condition that did not hold when this output's fate was last ROUTE_FILTERED, as it was
 * written. */
const char *route_failed_condition(const struct route *route, size_t output);
/* The same fate at all outputs, for what is decided before. */
uint64_t route_all(const struct route *route, enum route_fate fate);
