/* SPDX-License-Identifier: MIT */
/* What became of recent requests, by id, so that their responses can share it: a number whose
 * meaning is the owner's. A fixed table of the most recent ids; when one is not found the answer is
 * FATE_UNKNOWN. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

#define FATE_UNKNOWN UINT64_MAX

struct fates;

/* slots: how many ids are remembered, rounded up to a power of two. */
MUST_CHECK int fates_new(struct fates **fatesp, size_t slots);
void fates_free(struct fates *fates);
/* fate is not FATE_UNKNOWN; replaces an older entry of the same id. */
void fates_put(struct fates *fates, struct span id, uint64_t fate);
/* The bits of mask in all entries become those of fate. Costs a look at the whole table. */
void fates_replace(struct fates *fates, uint64_t mask, uint64_t fate);
uint64_t fates_get(const struct fates *fates, struct span id);
