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
    _Atomic double percent; /* 100: all, 0: none */
    struct key by;
    uint64_t seed;
    atomic_uint_fast64_t asked; /* without a key: requests so far */
};

void sampler_init(struct sampler *sampler, const struct limit *limit, uint64_t seed);

/* Another share from now on, 0 to 100; any thread. */
static inline void sampler_set_percent(struct sampler *sampler, double percent)
{
    atomic_store_explicit(&sampler->percent, percent, memory_order_relaxed);
}
static inline double sampler_percent(const struct sampler *sampler)
{
    return atomic_load_explicit(&sampler->percent, memory_order_relaxed);
}

static inline bool sampler_takes_all(const struct sampler *sampler)
{
    return sampler_percent(sampler) >= 100;
}

/* Is this request chosen? Borrows msg. Asked once for each request. */
bool sampler_choose(struct sampler *sampler, const struct msg *msg);
