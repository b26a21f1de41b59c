/* SPDX-License-Identifier: MIT */
/* What input-raw tells a person while it captures: its figures, with --input-raw-stats, and once
 * that what it captures cannot be read. */
#pragma once

#include "lib/base.h"
#include "lib/input.h"
#include "lib/ledger.h"

struct raw_report {
    const struct books *pages[INPUT_WORKERS_MAX]; /* of all that share the source; borrowed */
    size_t n_pages;
    bool stats; /* --input-raw-stats */
    bool told; /* that all is encrypted */
    int64_t since_ns; /* CLOCK_MONOTONIC: of the first look with something to see; 0: none yet */
    int64_t stats_ns; /* of the last figures */
};

/* Looks at the books, about once a second; last: nothing more will come. name: of the source. */
void raw_report(struct raw_report *report, const char *name, bool last);
