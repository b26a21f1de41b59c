/* SPDX-License-Identifier: MIT */
/* The suffix of an address, "ADDRESS|LIMIT", and the limiters that it stands for. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/msg.h"

enum limit_kind {
    LIMIT_NONE = 0,
    LIMIT_RATE, /* "|10": at most 10 in any second; "|0.5": one in two seconds */
    LIMIT_PERCENT, /* "|10%", "|0.5%": a share; on a file input the speed of the replay */
};

struct limit {
    enum limit_kind kind;
    double rate; /* LIMIT_RATE: messages per second, > 0 */
    bool rps; /* it was written as "|10rps" */
    double percent; /* LIMIT_PERCENT: > 0; up to 100 unless it is a speed */
};

/* Splits "ADDRESS|LIMIT" at the last '|'. *address_len: length of ADDRESS. "|10rps" is a rate as
 * "|10" is. A limit that cannot be parsed is an error, never 0. option ("output-http") is for the
 * message. */
MUST_CHECK int limit_parse(const char *option, const char *text, size_t *address_len,
                           struct limit *limit, struct err *err);

enum admission {
    ADMIT = 0,
    SAMPLED_OUT = 1,
    RATE_LIMITED = 2,
};

/* Owned by one thread. */
struct limiter;

/* limit is copied. NULL *limiterp for LIMIT_NONE: limiter_admit(NULL, …) admits all. */
MUST_CHECK int limiter_new(struct limiter **limiterp, const struct limit *limit);
void limiter_free(struct limiter *limiter);

/* Percent: after n requests exactly floor(n * percent / 100) have been admitted: not a coin flip.
 * Rate: a window slides over the times of those admitted, so that no second holds more than the
 * whole part of rate. It is LIMIT_MARGIN_NS longer than a second, so that this is true at the
 * target too, where messages arrive a little unevenly. A response (2, 3) is not counted: it shares
 * the fate of its request, which is remembered by id. now_ns: CLOCK_MONOTONIC. */
#define LIMIT_MARGIN_NS (10 * NS_PER_MS)
enum admission limiter_admit(struct limiter *limiter, const struct msg *msg, int64_t now_ns);
