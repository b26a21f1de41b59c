/* SPDX-License-Identifier: MIT */
/* The command line, fit to be shown to others: without passwords in URLs, without the values of
 * secret options, and without those of header fields, cookies and parameters whose names say that
 * they hold a secret. */
#pragma once

#include <jansson.h>

#include "lib/base.h"

/* An array of its words. NULL: no memory. */
MUST_CHECK json_t *command_line_json(int argc, char *const argv[]);
