/* SPDX-License-Identifier: MIT */
/* What is new in options that were read again, and whether it can change while refrain runs. Main
 * thread. */
#pragma once

#include "cmd/wanted.h"
#include "cmd/wanted_inputs.h"

/* What was asked for, in one set of options. */
struct wants {
    const struct options *options;
    struct wanted_inputs inputs;
    struct wanted_outputs outputs;
};

#define OUTPUT_IS_NEW SIZE_MAX

struct differences {
    bool filters; /* for all outputs */
    /* Of each output that is wanted now: which one it was, and whether its rules are others. */
    size_t was[ROUTE_OUTPUTS_MAX];
    bool rules[ROUTE_OUTPUTS_MAX];
    bool gone[ROUTE_OUTPUTS_MAX]; /* of those that were wanted */
};

/* What cannot change is an error that names it. An output is the same when its address is: of
 * several, the one with the same name. */
MUST_CHECK int reload_compare(struct differences *d, const struct wants *was,
                              const struct wants *is, struct err *err);
