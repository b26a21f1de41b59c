/* SPDX-License-Identifier: MIT */
#include "lib/hash.h"

#include <sys/random.h>

#include "lib/clock.h"

uint64_t hash_random_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
        return seed;
    return hash_mix((uint64_t)clock_wall_ns(), (uint64_t)clock_mono_ns());
}
