/* SPDX-License-Identifier: MIT */
/* What refrain may take of the host it runs on: --nice, --sched, --max-cpu. */
#pragma once

#include "lib/err.h"
#include "lib/options.h"

/* Are the values possible? Changes nothing. */
MUST_CHECK int host_check(const struct options *options, struct err *err);
/* Sets niceness and policy of this thread, and so of all that it starts. */
MUST_CHECK int host_apply(const struct options *options, struct err *err);
