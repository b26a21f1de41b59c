/* SPDX-License-Identifier: MIT */
/* --state FILE: where ramps are and what is paused, so that a restart goes on from there. A JSON
 * object; it is replaced as a whole, with mode 0600. Main thread. */
#pragma once

#include "cmd/steer.h"

/* No file: nothing to do. A ramp that is another one now begins at the step of the same share, or
 * at its beginning. What is not known any more is passed over. */
MUST_CHECK int state_file_read(const char *path, struct steer *steer, struct err *err);
/* sync: it is to outlive the host, too. */
MUST_CHECK int state_file_write(const char *path, const struct steer *steer, bool sync,
                                struct err *err);
