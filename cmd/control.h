/* SPDX-License-Identifier: MIT */
/* Signals and the time limit: what the main thread does while the pipeline runs. */
#pragma once

#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/options.h"
#include "lib/pipeline.h"

/* Blocks the signals that control_run() handles, and ignores SIGPIPE. Before any thread starts. */
MUST_CHECK int control_init(struct err *err);

/* Returns when all threads of the pipeline have ended, or an end was forced. SIGINT, SIGTERM: stop
 * and drain, the second one at once; SIGHUP: outputs reopen; SIGUSR1: the summary. */
void control_run(struct pipeline *pipe, const struct ledger *ledger, const struct options *options);
