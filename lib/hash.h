/* SPDX-License-Identifier: MIT */
/* Hashes. Those of keys that strangers choose take a secret seed. */
#pragma once

#include "lib/base.h"

/* 64 bits of len bytes, mixed with seed. With a secret seed, collisions cannot be prepared from
 * outside cheaply; not a cryptographic hash. Any thread. */
uint64_t hash64(const void *bytes, size_t len, uint64_t seed);

/* Odd constants with about half of their bits set: the fractions of sqrt(2), sqrt(3). */
#define HASH_K1 UINT64_C(0x6a09e667f3bcc909)
#define HASH_K2 UINT64_C(0xbb67ae8584caa73b)

/* One round of mixing for numbers: the full 128-bit product folded, so that every input bit reaches
 * every output bit. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ HASH_K1) * (b ^ HASH_K2);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A number that nobody outside can guess: from the kernel's random pool. */
uint64_t hash_random_seed(void);
