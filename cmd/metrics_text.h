/* SPDX-License-Identifier: MIT */
/* All metrics as a text. refrain-operate(7) lists them. */
#pragma once

#include "cmd/metrics_view.h"

/* Sets *text, to be freed with free(3). -ENOMEM. Any thread, but not during pipeline_join(). */
MUST_CHECK int metrics_text(char **text, size_t *len, struct view *view);
