/* SPDX-License-Identifier: MIT */
/* Which messages of which streams have come already: a relay hands a message over again when it
 * does not know whether it arrived. Remembers for each stream its highest number and, exactly, the
 * SEEN_WINDOW numbers below; what is older counts as seen. The stream that was not heard of for
 * longest is forgotten when there are more than SEEN_STREAMS. Owned by one thread. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/span.h"

#define SEEN_STREAMS 1024
/* More than what can overtake a message on its way through a pipeline. */
#define SEEN_WINDOW ((size_t)16 * 1024)

struct seen;

MUST_CHECK int seen_new(struct seen **seenp);
void seen_free(struct seen *seen);

bool seen_has(struct seen *seen, uint64_t stream, uint64_t number);
/* False: no memory; it is not remembered. */
bool seen_add(struct seen *seen, uint64_t stream, uint64_t number);

/* Appends all to out, in a form that seen_load() takes. 0, -ENOMEM or -ENOBUFS. */
MUST_CHECK int seen_save(const struct seen *seen, struct buf *out);
/* 0, -EINVAL (nothing is changed then) or -ENOMEM. */
MUST_CHECK int seen_load(struct seen *seen, struct span bytes);
