/* SPDX-License-Identifier: MIT */
/* --report: how a run went, as one JSON object, or as a page that shows it. Its manual is
 * refrain(1), THE REPORT. Main thread, after the threads have ended. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "lib/ledger.h"

/* All pointers are borrowed. */
struct report_facts {
    const char *version;
    const json_t *command; /* array of the words of the command line, fit to be shown */
    int64_t start_wall_ns, end_wall_ns;
    int64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
    int exit_status;
    const char *error; /* why it is 1 or 6; NULL */
    const struct ledger *ledger;
    json_t *assertions; /* what became of --fail-on; NULL: none */
    json_t *comparison; /* recorded against replayed answers; NULL: none */
};

/* A new reference. NULL: no memory. */
MUST_CHECK json_t *report_json(const struct report_facts *facts);

/* 0, or -errno: it could not be written. */
MUST_CHECK int report_write_json(FILE *f, const json_t *report);
/* One file with all that it needs; what foreign bytes are in it stays text. */
MUST_CHECK int report_write_html(FILE *f, const json_t *report);
