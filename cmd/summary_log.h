/* SPDX-License-Identifier: MIT */
/* The summary as one line of the log: the sums of each counter over all inputs, and over all
 * outputs. Names are those of lib/books.def behind input_ and output_, and stable. */
#pragma once

#include "lib/ledger.h"

struct summary_facts {
    const struct ledger *ledger;
    double duration_s;
    bool running; /* it has not ended */
};

/* Any thread. */
void summary_log(const struct summary_facts *facts);
