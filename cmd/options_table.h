/* SPDX-License-Identifier: MIT */
/* The table of refrain's options, from cmd/options.def. */
#pragma once

#include "lib/options_table.h"

extern const struct option_table refrain_options;
