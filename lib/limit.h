/* SPDX-License-Identifier: MIT */
/* The suffix of an address, "ADDRESS|TERM,TERM,…", as it is written on the command line. What the
 * terms do stands in lib/limiter.h (rates), lib/sampler.h (shares) and lib/split.h (weights). */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/key.h"
#include "lib/span.h"

#define LIMIT_COPIES_MAX 1000
#define LIMIT_STEPS_MAX 16
#define LIMIT_RATE_MAX 10e6
#define LIMIT_WEIGHT_MAX 1e6

struct limit {
    double rate; /* "10": at most 10 in any second; "0.5": one in two seconds. 0: no limit */
    bool rps; /* it was written as "10rps" */
    double rate_to; /* "500rps..2000rps/60s": the rate at the end of a ramp; 0: no ramp */
    int64_t ramp_ns; /* and how long it takes */
    struct key per; /* "per=ip": rate is for each value of the key */
    double percent; /* "10%": a share; on a file input the speed of the replay. 0: all */
    /* "ramp=1%,5%,20%;every=24h": shares, one after the other; percent is the first. Of a key, so
     * that each holds those before: by=connection when no other is given. */
    double steps[LIMIT_STEPS_MAX];
    size_t n_steps; /* 0: no ramp */
    int64_t every_ns; /* how long each lasts */
    struct key by; /* "by=cookie:sid": the share is one of values, always the same ones */
    double weight; /* "weight=33": part of a split; 0: not given, counts as 1 */
    unsigned copies; /* "x3": each request so many times; 0: not given */
};

/* Digits with an optional fraction, no sign, no exponent, no hex: all of text. */
MUST_CHECK bool limit_parse_number(struct span text, double *value);

/* Splits ADDRESS and terms at the last '|'; *address_len: length of ADDRESS. What cannot be parsed
 * is an error that quotes the term, never 0. option ("output-http") is for the message. */
MUST_CHECK int limit_parse(const char *option, const char *text, size_t *address_len,
                           struct limit *limit, struct err *err);
