/* SPDX-License-Identifier: MIT */
/* What all that was asked for will do once the sandbox has closed (lib/needs.h), and what of it
 * must start before. Main thread. */
#pragma once

#include "cmd/wanted.h"
#include "cmd/wanted_inputs.h"
#include "lib/needs.h"

/* Of inputs, outputs, and cmd's own: state, reports, the stop file. Adds to needs. */
void wire_needs(struct needs *needs, const struct wanted_inputs *inputs,
                const struct wanted_outputs *outputs, const struct options *options);
/* Of one output. */
void wire_needs_of(struct needs *needs, const struct wanted *wanted, const struct options *options);

/* output_ops.prepare of each. */
MUST_CHECK int wire_prepare_of(const struct wanted *wanted, const struct options *options,
                               struct err *err);
MUST_CHECK int wire_prepare(const struct wanted_outputs *outputs, const struct options *options,
                            struct err *err);
