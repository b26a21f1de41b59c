/* SPDX-License-Identifier: MIT */
/* The ledger, told to a person (text) or a program (--summary json, log), on stderr. */
#pragma once

#include "compare/comparison.h"
#include "lib/ledger.h"
#include "lib/options.h"

enum summary_when {
    SUMMARY_RUNNING = 0, /* on SIGUSR1: messages under way are shown as such */
    SUMMARY_END = 1,
};

/* Starts the clock that the summary's duration is measured with. comparison, if not NULL, is
 * borrowed for all summaries, which tell of it. */
void summary_start(const struct comparison *comparison);
/* Any thread. */
/* The table, or the JSON, as a string, to be freed with free(3). NULL: no memory. */
char *summary_text(const struct ledger *ledger, const struct options *options,
                   enum summary_when when);
void summary_print(const struct ledger *ledger, const struct options *options,
                   enum summary_when when);
