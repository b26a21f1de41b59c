/* SPDX-License-Identifier: MIT */
/* What this build has: every input, output and filter, once. Adding one is one line in registry.c.
 */
#pragma once

#include "lib/filter.h"
#include "lib/input.h"
#include "lib/output.h"

/* Each ends with NULL. The order of the filters is the order in which they are asked. */
extern const struct input_ops *const registry_inputs[];
extern const struct output_ops *const registry_outputs[];
extern const struct filter_ops *const registry_filters[];
size_t registry_n_filters(void);

/* Those of some stages, in their order; stages: bits 1 << FILTER_x. Returns how many they are. */
#define REGISTRY_FILTERS_MAX 64
size_t registry_filters_of(unsigned stages, const struct filter_ops *out[REGISTRY_FILTERS_MAX]);
