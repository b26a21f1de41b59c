/* SPDX-License-Identifier: MIT */
/* The outputs that were asked for, in the order of the registry, each with what is bound to it.
 * Nothing is opened yet. Main thread. */
#pragma once

#include "cmd/guard.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/limit.h"
#include "lib/options.h"
#include "lib/output.h"
#include "lib/pipeline.h"
#include "lib/route.h"

#define LABEL_MAX 256

/* One value of an output's option. All pointers are into the options, or constant. */
struct wanted {
    const struct output_ops *ops;
    const char *value; /* "" for a switch */
    size_t nth; /* of the values of that option */
    const char *name; /* --to-name; "" when there is none */
    bool aside; /* not part of the split */
    size_t address_len; /* of value, without its limit */
    struct limit limit;
    struct guard guard; /* n is 0 for outputs that get no answers */
};

struct wanted_outputs {
    bool split;
    struct key split_by;
    uint64_t seed;
    size_t n; /* may be 0 */
    struct wanted wanted[ROUTE_OUTPUTS_MAX];
};

/* Reads names, limits, weights and the split, and checks that they go together. */
MUST_CHECK int wanted_read(struct wanted_outputs *all, const struct options *options,
                           struct err *err);

/* What the pipeline is to know of one output: opens its rewriters and its own options, which are
 * the caller's until the pipeline has taken them. */
MUST_CHECK int wanted_open_rules(struct output_rules *rules, const struct wanted *wanted,
                                 const struct options *options, struct err *err);

/* The weight of an output in the split. */
double wanted_weight(const struct wanted *wanted);
/* Says how the requests are shared out, when they are. */
void wanted_tell_shares(const struct wanted_outputs *all);

/* "output-http http://host/", without what stands before an '@' in the authority: a name appears in
 * logs and summaries, a password must not. */
void wanted_label(char *out, size_t size, const char *option, const char *value);
/* A share beyond 100 % is an error. */
MUST_CHECK int wanted_check_share(const char *option, const char *value, const struct limit *limit,
                                  struct err *err);
