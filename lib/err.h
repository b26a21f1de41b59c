/* SPDX-License-Identifier: MIT */
/* Errors told to a human. A set-up function that can fail returns 0 or a negative errno and fills a
 * struct err once, where the fault is found, with one line that names what was wrong, where, and
 * what to do. cmd/ prints it once. Nothing below cmd/ prints an error of its own or exits.
 *
 * Faults of the data path (hostile bytes, full queues, dead peers) are not errors in this sense:
 * they are outcomes, counted in the ledger (lib/ledger.h). */
#pragma once

#include <stdarg.h>

#include "lib/base.h"

/* design section 7; documented in refrain(1), EXIT STATUS */
enum exit_status {
    STATUS_DONE = 0,
    STATUS_FAILURE = 1,
    STATUS_USAGE = 2,
    STATUS_PERMISSION = 3,
    STATUS_LOSS = 4,
    STATUS_ASSERTION = 5,
    STATUS_NOT_DRAINED = 6,
};

struct err {
    enum exit_status status;
    char text[1024];
};

/* Each sets text and status and returns a negative errno for the caller to return. */
int err_usage(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3); /* -EINVAL */
int err_permission(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3); /* -EPERM */
int err_failure(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3); /* -EIO */

/* As err_failure, with ": <text of errnum>" appended; returns -errnum. EACCES and EPERM set
 * STATUS_FAILURE too: a file that cannot be read is not a missing capability. */
int err_sys(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The text of an errno value; thread-safe, in static storage. */
const char *err_text(int errnum);
