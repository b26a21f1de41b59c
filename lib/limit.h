/* SPDX-License-Identifier: MIT */
/* The suffix of an address, "ADDRESS|LIMIT", and the limiters that it stands for. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/msg.h"

enum limit_kind {
    LIMIT_NONE = 0,
    LIMIT_RATE, /* "|10": at most 10 messages in any second */
    LIMIT_PERCENT, /* "|10%", "|0.5%": a share; on a file input the speed of the replay */
};

struct limit {
    enum limit_kind kind;
    uint64_t rate; /* LIMIT_RATE: messages per second, >= 1 */
    double percent; /* LIMIT_PERCENT: > 0; up to 100 unless it is a speed */
};

/* Splits "ADDRESS|LIMIT" at the last '|'. *address_len: length of ADDRESS. A limit that cannot be
 * parsed is an error, never 0. option ("output-http") is for the message. */
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
 * Rate: never more than rate in any second that ends now (a sliding window over the times
 * admitted). A response (2, 3) shares the fate of its request: it is asked by id, and is not
 * counted. now_ns: CLOCK_MONOTONIC. */
enum admission limiter_admit(struct limiter *limiter, const struct msg *msg, int64_t now_ns);
