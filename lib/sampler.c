/* SPDX-License-Identifier: MIT */
#include "lib/sampler.h"

#include <math.h>

void sampler_init(struct sampler *sampler, const struct limit *limit, uint64_t seed)
{
    atomic_init(&sampler->percent, limit->percent > 0 ? limit->percent : 100);
    sampler->by = limit->by;
    sampler->seed = seed;
    atomic_init(&sampler->asked, 0);
}

/* Computed from the whole number, so that no rounding error adds up. */
static double chosen_of(double percent, uint64_t n)
{
    return floor((double)n * percent / 100.0 + 1e-9);
}

bool sampler_choose(struct sampler *sampler, const struct msg *msg)
{
    double percent = sampler_percent(sampler); /* once: it may be changed in between */
    if (percent >= 100)
        return true;
    if (sampler->by.kind == KEY_NONE) {
        uint64_t n = atomic_fetch_add_explicit(&sampler->asked, 1, memory_order_relaxed);
        return chosen_of(percent, n + 1) > chosen_of(percent, n);
    }
    /* 2^-64 of a hash is a number from 0 to 1 */
    return ldexp((double)key_hash(&sampler->by, msg, sampler->seed), -64) < percent / 100.0;
}
