/* SPDX-License-Identifier: MIT */
/* --report: makes the files at the start, and writes them at the end. Main thread. */
#pragma once

#include "compare/comparison.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/options.h"

struct reporting;

/* Also when no report was asked for. argv is borrowed. */
MUST_CHECK int reporting_open(struct reporting **rp, const struct options *options, int argc,
                              char *const argv[], struct err *err);
/* The run is over: status is what it ends with, and error why, or NULL. comparison: of its answers,
 * or NULL. */
MUST_CHECK int reporting_write(struct reporting *r, const struct ledger *ledger,
                               const struct comparison *comparison, enum exit_status status,
                               const char *error, struct err *err);
/* What was not written is removed. NULL is fine. */
void reporting_close(struct reporting *r);
