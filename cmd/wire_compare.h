/* SPDX-License-Identifier: MIT */
/* The comparison of answers: whether it was asked for, and its place among the outputs. Main
 * thread. */
#pragma once

#include "cmd/wanted.h"
#include "compare/compare.h"
#include "lib/pipeline.h"

/* Does anything ask for it: its own options, --fail-on, or a --report on what an HTTP target
 * answers? */
bool wire_compare_wanted(const struct options *options, const struct wanted_outputs *wanted);

struct comparing {
    struct comparison *comparison; /* the caller's */
    struct output *out; /* the pipeline's */
};

/* Adds it to the pipeline as an output that is aside from all splits: after the outputs of wanted,
 * before their answers are tracked. On failure too what comparing has is to be freed. */
MUST_CHECK int wire_compare(struct comparing *comparing, struct pipeline *pipe,
                            struct ledger *ledger, const struct options *options,
                            const struct wanted_outputs *wanted, struct err *err);
