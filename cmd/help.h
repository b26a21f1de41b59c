/* SPDX-License-Identifier: MIT */
/* --help and --version, from the option table. */
#pragma once

#include <stdio.h>

#include "lib/options_table.h"
#include "tools/tool.h"

/* Columns of --help. */
#define HELP_WIDTH 100

/* What refrain does, when its first word says so and it is no tool. */
struct help_command {
    const char *word;
    const char *summary;
};
#define HELP_COMMANDS 2
extern const struct help_command help_commands[HELP_COMMANDS];

/* Examples, then every option in its group. The exit status: STATUS_FAILURE when out cannot be
 * written. */
int help_print(FILE *out);

/* The same for a tool; table: of tool_table(). */
int help_print_tool(FILE *out, const struct option_table *table, const struct tool *tool);

/* "refrain 0.1.0", and what it was built with. */
int help_print_version(FILE *out);

/* What the help of one option says: its text, its choices, its default, and whether it is
 * available. Returns the length; size must be enough. */
size_t help_text(char *out, size_t size, const struct option_def *def);
