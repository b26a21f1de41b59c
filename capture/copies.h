/* SPDX-License-Identifier: MIT */
/* Notices records that are the same as one shortly before them. Two can be alike in a recording
 * (an output with |x2), but damaged deflate data make copies, too: a hole full of zeros says to
 * repeat what stands up to 32 KiB before, whole records with good checksums. Owned by one thread.
 */
#pragma once

#include "lib/base.h"
#include "lib/msg.h"

struct copies;

/* NULL: no memory. */
MUST_CHECK struct copies *copies_new(void);
void copies_free(struct copies *c);

/* Is msg, which begins at that place in the recording, like one that deflate could have copied?
 * Remembers it. Places grow. */
bool copies_has(struct copies *c, const struct msg *msg, uint64_t at);
