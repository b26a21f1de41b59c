/* SPDX-License-Identifier: MIT */
/* refrain explain: for each request of a recording, which rule dropped or changed it, and what each
 * output would get. Nothing is sent or written but the report. */
#pragma once

#include "lib/options.h"

/* The exit status. The report goes to standard output. */
int explain_run(const struct options *options);
