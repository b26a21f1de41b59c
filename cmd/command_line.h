/* SPDX-License-Identifier: MIT */
/* The command line, fit to be shown to others: without passwords in URLs, without the values of
 * secret options, and without those of header fields, cookies and parameters whose names say that
 * they hold a secret. */
#pragma once

#include <jansson.h>

#include "lib/base.h"

/* An array of its words. NULL: no memory. */
MUST_CHECK json_t *command_line_json(int argc, char *const argv[]);

/* A copy of argv for refrain's own use, to be freed with mem_free(). NULL: no memory. */
MUST_CHECK char **command_line_copy(int argc, char *const argv[]);
/* Overwrites what of argv is not fit to be shown: ps(1) shows it to every user. Who
 * looked before has seen it. Without memory for that nothing is left but the program's name. */
void command_line_hide(int argc, char **argv);
