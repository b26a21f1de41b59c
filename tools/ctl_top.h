/* SPDX-License-Identifier: MIT */
/* A picture of the status that is kept up to date. */
#pragma once

#include "lib/err.h"
#include "lib/options.h"

/* Until q, a signal, --count pictures, or the end of the refrain. 0 or -errno with err. On a
 * terminal each picture takes the place of the one before. */
MUST_CHECK int ctl_top(int fd, const struct options *options, struct err *err);
