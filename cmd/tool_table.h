/* SPDX-License-Identifier: MIT */
/* The table of options of a tool (tools/tool.h): those of refrain that it takes, as they are, and
 * its own. The others keep their defaults, for the parts that look them up, but cannot be given. */
#pragma once

#include "lib/options_table.h"
#include "tools/tool.h"

/* In static storage: for one tool at a time. */
const struct option_table *tool_table(const struct tool *tool);
