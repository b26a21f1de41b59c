/* SPDX-License-Identifier: MIT */
/* A share of the requests, "|10%" or "|10%,by=cookie:sid".
 *
 * Without a key: after n requests exactly floor(n * percent / 100) have been chosen, not a coin
 * flip. With a key: the same value is always in or always out, on every host and at every start
 * with the same seed, and a smaller share lies inside a larger one.
 *
 * One sampler may be asked by several threads at once. */
#pragma once

#include <stdatomic.h>

#include "lib/limit.h"
#include "lib/msg.h"

struct sampler {
    double percent; /* 0: all */
    struct key by;
    uint64_t seed;
    atomic_uint_fast64_t asked; /* without a key: requests so far */
};

void sampler_init(struct sampler *sampler, const struct limit *limit, uint64_t seed);

static inline bool sampler_takes_all(const struct sampler *sampler)
{
    return sampler->percent <= 0 || sampler->percent >= 100;
}

/* Is this request chosen? Borrows msg. Asked once for each request. */
bool sampler_choose(struct sampler *sampler, const struct msg *msg);
