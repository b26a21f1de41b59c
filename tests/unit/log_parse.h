/* SPDX-License-Identifier: MIT */
/* Reading lines of the log back, as strictly as a program that collects logs does. For tests and
 * the fuzzer. */
#pragma once

#include <jansson.h>

#include "lib/base.h"

/* A line of logfmt, without its LF, as an object of strings; NULL: it is none. The inside of quotes
 * is a string of JSON, as go-logfmt has it. Free with json_decref(). */
json_t *logfmt_read(const char *line, size_t len);

/* Are there bytes that a terminal would take for something else than text? */
bool has_control_bytes(const char *text, size_t len);
