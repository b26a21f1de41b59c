/* SPDX-License-Identifier: MIT */
/* --config FILE: the options of the command line, one per line.
 *
 *     # a comment
 *     input-raw = :8080
 *     http-allow-url ^/api
 *     split-output
 *
 *     [output staging]
 *     output-http = http://staging.example|10%
 *     set-header = X-Mirror: 1
 *
 * A line is a name and a value, with '=' or a space between them; a boolean needs no value. Double
 * quotes around a value are taken off, and nothing inside is an escape. A section is one output:
 * its first line is the output itself, the others are what is bound to it (--to-…, which may be
 * left out), and its word is the output's name (--to-name). */
#pragma once

#include <stdio.h>

#include "lib/err.h"
#include "lib/options_table.h"
#include "lib/span.h"

#define CONFIG_FILE_MAX (1 << 20)

/* Reads path into options, as OPTION_FROM_CONFIG. Errors begin with "PATH:LINE: ". */
MUST_CHECK int config_file_read(struct options *options, const struct option_table *table,
                                const char *path, struct err *err);

/* What stands in it: path is for the messages; may_hold_secrets: nobody else can read it. */
struct config_text {
    const char *path;
    struct span text;
    bool may_hold_secrets;
};
MUST_CHECK int config_text_read(struct options *options, const struct option_table *table,
                                const struct config_text *config, struct err *err);

/* Writes all that was given in that form. Secrets are left out, and a comment says so. */
MUST_CHECK int config_file_dump(FILE *out, const struct options *options,
                                const struct option_table *table, struct err *err);
