/* SPDX-License-Identifier: MIT */
/* Options for tests of inputs and outputs, in place of cmd/options.c: a plain list of values. */
#pragma once

#include "lib/options.h"

struct option_value {
    const char *name;
    int64_t number; /* of a bool, number, size or duration */
    const char *text;
};

struct options {
    const struct option_value *values;
    size_t n_values;
};
