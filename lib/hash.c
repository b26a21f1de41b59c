/* SPDX-License-Identifier: MIT */
#include "lib/hash.h"

#include <string.h>
#include <sys/random.h>

#include "lib/clock.h"

/* Odd constants with about half of their bits set: the fractions of sqrt(2), sqrt(3), sqrt(5). */
#define K1 UINT64_C(0x6a09e667f3bcc909)
#define K2 UINT64_C(0xbb67ae8584caa73b)
#define K3 UINT64_C(0x3c6ef372fe94f82b)

/* The full 128-bit product folded: every input bit reaches every output bit. */
uint64_t hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ K1) * (b ^ K2);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash64(const void *bytes, size_t len, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t h = hash_mix(seed, len ^ K3);
    uint64_t word;
    for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        h = hash_mix(h ^ word, seed + K3); /* not K2: a seed of 0 would multiply by 0 */
    }
    word = 0;
    if (len > 0)
        memcpy(&word, p, len);
    return hash_mix(h ^ word, seed ^ K1);
}

uint64_t hash_random_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
        return seed;
    return hash_mix((uint64_t)clock_wall_ns(), (uint64_t)clock_mono_ns());
}
