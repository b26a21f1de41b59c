/* SPDX-License-Identifier: MIT */
/* The inputs that were asked for, in the order of the registry, each with its limit. Nothing is
 * opened yet. Main thread. */
#pragma once

#include "lib/err.h"
#include "lib/input.h"
#include "lib/limit.h"
#include "lib/options.h"

#define WANTED_INPUTS_MAX 64

/* One value of an input's option, or all of them when they make one input (input_ops.merges). All
 * pointers are into the options, or constant. */
struct wanted_input {
    const struct input_ops *ops;
    const char *value; /* the first one */
    size_t nth, n; /* of the values of that option */
    size_t
        address_len; /* of value, without its limit; all of it when the input reads that itself */
    struct limit limit; /* what the pipeline is to see to */
    double speed; /* percent, of a replay; 0: it is none */
    double rps; /* of a replay at a rate; 0: it is none */
};

struct wanted_inputs {
    size_t n; /* at least 1 */
    struct wanted_input wanted[WANTED_INPUTS_MAX];
};

MUST_CHECK int wanted_inputs_read(struct wanted_inputs *all, const struct options *options,
                                  struct err *err);
