/* SPDX-License-Identifier: MIT */
/* The command line, the environment and the file of --config, read into struct options. Nothing
 * else is touched.
 *
 *     --name value   --name=value   -name value   -name=value
 *
 * A boolean needs no value; the next word is taken as one only if it reads as true or false. Bare
 * words are an error, but after a value of --input-file they are further values: a shell's *.gor.
 * REFRAIN_NAME in the environment sets --name; the command line wins. Empty variables, and those
 * that name no option, are not looked at (something else may be called refrain), but one that is
 * nearly an option is warned about. What the file says is weaker than both (cmd/config_file.h). */
#pragma once

#include "lib/err.h"
#include "lib/options.h"
#include "lib/options_table.h"

/* argv[0] is not looked at. Stops reading at --help or --version. STATUS_USAGE for whatever cannot
 * be understood, or is not built in this version. table is borrowed. Free with options_free(). */
MUST_CHECK int options_parse(struct options **optionsp, const struct option_table *table, int argc,
                             char *const argv[], struct err *err);

/* Warns of variables in the environment that are nearly those of options. */
void options_warn_environment(const struct option_table *table);

/* The name or alias nearest to word in typing mistakes; NULL when none is near. */
const char *options_nearest(const struct option_table *table, const char *word, size_t len);
