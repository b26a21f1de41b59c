/* SPDX-License-Identifier: MIT */
/* A rate for each of many keys, in bounded memory: the keys seen last are remembered. Owned by one
 * thread. */
#pragma once

#include "lib/base.h"

struct key_rates;

/* At most rate (> 0; its whole part, or one in 1/rate seconds) of each key in any second; the
 * second may be up to a LIMITER_KEY_SLICES-th longer. max_keys is rounded up to a power of two. */
MUST_CHECK int key_rates_new(struct key_rates **ratesp, double rate, size_t max_keys);
void key_rates_free(struct key_rates *rates);

/* key: a hash. now_ns: CLOCK_MONOTONIC, never going back. */
bool key_rates_admit(struct key_rates *rates, uint64_t key, int64_t now_ns);
