/* SPDX-License-Identifier: MIT */
/* --fail-on: what a replay must not come to, so that it can gate a release: "errors>1%",
 * "p99>300ms", "lost>0". refrain(1) lists what can be asked. */
#pragma once

#include <jansson.h>

#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/options.h"

/* Is anything asked about the comparison of answers? */
bool fail_on_compares(const struct options *options);

/* At the start: can all be understood, and is there what they ask about? */
MUST_CHECK int fail_on_check(const struct options *options, struct err *err);

/* At the end: is each output as it must be? Says which are not, and why. */
bool fail_on_holds(const struct ledger *ledger, const struct options *options);
/* The same for the report: an array. NULL: no memory. */
MUST_CHECK json_t *fail_on_json(const struct ledger *ledger, const struct options *options);
