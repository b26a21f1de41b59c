/* SPDX-License-Identifier: MIT */
/* From options to a pipeline: opens every input and output that was asked for. The one file that
 * knows all folders (through the registry). */
#pragma once

#include "cmd/sandbox.h"
#include "cmd/steer.h"
#include "compare/comparison.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/options.h"
#include "lib/pipeline.h"

struct wired {
    struct pipeline *pipe;
    struct comparison *comparison; /* of answers; NULL: not asked for */
    struct steer *steer; /* inputs and outputs by name, and what can be turned */
    struct shed *shed; /* what the inputs ask; NULL: no limit */
};

/* A pipeline ready to start, its accounts in ledger. options and ledger must outlive it. Enters the
 * sandbox when the inputs are open. Main thread. On failure nothing stays open. */
MUST_CHECK int wire(struct wired *wired, struct ledger *ledger, const struct options *options,
                    struct sandbox *sandbox, struct err *err);
/* The filters of one leg: before a middleware only secrets are taken out. *chain may become NULL.
 */
MUST_CHECK int wire_filters(const struct options *options, enum pipeline_leg leg,
                            struct filter_chain **chain, struct err *err);
/* The pipeline's threads must have ended or never been started. */
void wired_free(struct wired *wired);
