/* SPDX-License-Identifier: MIT */
/* The counters of the ledger as metrics: all of books.def, those without a place of their own in
 * refrain_input_events_total and refrain_output_events_total. Any thread. */
#pragma once

#include <stdio.h>

#include "cmd/metrics_view.h"

void metrics_put_books(FILE *f, const struct view *view);
