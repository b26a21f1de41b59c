/* SPDX-License-Identifier: MIT */
/* refrain doctor: what this host can do for a capture or a replay, what a run with the given
 * options would capture, and what is wrong. Nothing is captured, sent or written but the report. */
#pragma once

#include "lib/options.h"

/* The exit status: STATUS_FAILURE when anything does not work. The report goes to standard
 * output. */
int doctor_run(const struct options *options);
