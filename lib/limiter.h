/* SPDX-License-Identifier: MIT */
/* A rate, "|10" or "|10,per=ip": never more than so many requests in any second, of all or of each
 * value of a key. A response is not counted: it shares its request's fate, which is remembered by
 * id. Owned by one thread. */
#pragma once

#include "lib/limit.h"
#include "lib/msg.h"

struct limiter;

/* limit is copied. *limiterp is NULL when it holds no rate: limiter_admit(NULL, …) admits all. */
MUST_CHECK int limiter_new(struct limiter **limiterp, const struct limit *limit, uint64_t seed);
void limiter_free(struct limiter *limiter);

/* Another rate from now on, 0: none. limit is what it was made from; *limiterp may become NULL, or
 * be made. Without memory the rate stays as it is. */
void limiter_set_rate(struct limiter **limiterp, const struct limit *limit, double rate,
                      uint64_t seed, int64_t now_ns);

/* From now on only this part of the rate, when others share the work (0: all of it). A rate for
 * each value of a key stays: a value is one sharer's. NULL is fine. */
void limiter_share(struct limiter *limiter, double share, int64_t now_ns);

/* Bursts pass as long as no second holds more than the whole part of the rate; once some had to be
 * turned away, the rest come evenly, as from a token bucket. The second is LIMIT_MARGIN_NS longer
 * than a second, so that the promise is true at the target too, where messages arrive a little
 * unevenly. For each value of a key the second is up to LIMITER_KEY_SLICES-th longer; the
 * LIMITER_KEYS values seen last are remembered. now_ns: CLOCK_MONOTONIC. */
#define LIMIT_MARGIN_NS (10 * NS_PER_MS)
#define LIMITER_KEY_SLICES 16
#define LIMITER_KEYS 65536
bool limiter_admit(struct limiter *limiter, const struct msg *msg, int64_t now_ns);
