/* SPDX-License-Identifier: MIT */
#include "lib/hash.h"

#include <string.h>
#include <sys/random.h>

#include "lib/clock.h"

/* As HASH_K1: of sqrt(5). */
#define K3 UINT64_C(0x3c6ef372fe94f82b)

uint64_t hash64(const void *bytes, size_t len, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t h = hash_mix(seed, len ^ K3);
    uint64_t word;
    for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        h = hash_mix(h ^ word, seed + K3); /* not HASH_K2: a seed of 0 would multiply by 0 */
    }
    word = 0;
    if (len > 0)
        memcpy(&word, p, len);
    return hash_mix(h ^ word, seed ^ HASH_K1);
}

uint64_t hash_random_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
        return seed;
    return hash_mix((uint64_t)clock_wall_ns(), (uint64_t)clock_mono_ns());
}
