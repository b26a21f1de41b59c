/* SPDX-License-Identifier: MIT */
/* What became of recent requests, by id, so that their responses can share it: dropped by a filter,
 * sampled out, sent to output k. A fixed table of the most recent ids; when one is not found the
 * answer is FATE_UNKNOWN. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

#define FATE_UNKNOWN (-1)

struct fates;

/* slots: how many ids are remembered, rounded up to a power of two. */
MUST_CHECK int fates_new(struct fates **fatesp, size_t slots);
void fates_free(struct fates *fates);
/* fate >= 0; replaces an older entry of the same id. */
void fates_put(struct fates *fates, struct span id, int fate);
int fates_get(const struct fates *fates, struct span id);
