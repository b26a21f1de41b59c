/* SPDX-License-Identifier: MIT */
/* The file of a report: FILE.part, for its owner alone, from the start on, so that one that cannot
 * be written is known before a long run; renamed to FILE when it is whole. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "lib/err.h"

struct report_file {
    char *path, *part;
    FILE *f; /* NULL: not open */
    bool html;
};

/* path: ending in .json or .html. Else, or when it cannot be made, an error. */
MUST_CHECK int report_file_open(struct report_file *file, const char *path, struct err *err);
/* Writes report (NULL: no memory for it) and gives the file its name. */
MUST_CHECK int report_file_finish(struct report_file *file, const json_t *report, struct err *err);
/* What was not finished is removed. A zeroed file is fine. */
void report_file_close(struct report_file *file);
