/* SPDX-License-Identifier: MIT */
/* Hashes. Those of keys that strangers choose take a secret seed. */
#pragma once

#include "lib/base.h"

/* 64 bits of len bytes, mixed with seed. With a secret seed, collisions cannot be prepared from
 * outside cheaply; not a cryptographic hash. Any thread. */
uint64_t hash64(const void *bytes, size_t len, uint64_t seed);

/* One round of mixing for numbers. */
uint64_t hash_mix(uint64_t a, uint64_t b);

/* A number that nobody outside can guess: from the kernel's random pool. */
uint64_t hash_random_seed(void);
