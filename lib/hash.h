/* SPDX-License-Identifier: MIT */
/* Hashes. Those of keys that strangers choose take a secret seed. */
#pragma once

#include <string.h>

#include "lib/base.h"

/* Odd constants with about half of their bits set: the fractions of sqrt(2), sqrt(3), sqrt(5). */
#define HASH_K1 UINT64_C(0x6a09e667f3bcc909)
#define HASH_K2 UINT64_C(0xbb67ae8584caa73b)
#define HASH_K3 UINT64_C(0x3c6ef372fe94f82b)

/* One round of mixing for numbers: the full 128-bit product folded, so that every input bit reaches
 * every output bit. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ HASH_K1) * (b ^ HASH_K2);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* 64 bits of len bytes, mixed with seed. With a secret seed, collisions cannot be prepared from
 * outside cheaply; not a cryptographic hash. Any thread. In line, for where len is constant. */
static inline uint64_t hash64(const void *bytes, size_t len, uint64_t seed)
{
    const unsigned char *p = (const unsigned char *)bytes;
    uint64_t h = hash_mix(seed, len ^ HASH_K3);
    uint64_t word;
    for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        h = hash_mix(h ^ word, seed + HASH_K3); /* not K2: a seed of 0 would multiply by 0 */
    }
    word = 0;
    if (len > 0)
        memcpy(&word, p, len);
    return hash_mix(h ^ word, seed ^ HASH_K1);
}

/* A number that nobody outside can guess: from the kernel's random pool. */
uint64_t hash_random_seed(void);
