/* SPDX-License-Identifier: MIT */
/* What can be known of the options without opening anything. Main thread. */
#pragma once

#include "cmd/wanted.h"
#include "cmd/wanted_inputs.h"

/* What is to be opened: at least one of each. */
MUST_CHECK int wire_read(struct wanted_inputs *inputs, struct wanted_outputs *outputs,
                         const struct options *options, struct err *err);

/* --check-config: as wire_read(), and the filters, conditions, changes and assertions. */
MUST_CHECK int wire_check(const struct options *options, struct err *err);
