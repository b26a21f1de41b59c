/* SPDX-License-Identifier: MIT */
/* Compression beside the output's thread: while that one collects the next records, this one packs
 * those before. One piece at a time, started and collected by the output's thread. */
#pragma once

#include "outputs/pack.h"

struct pack_thread;

/* No thread is made before it is needed. 0, -ENOMEM or -ENOTSUP (not built). */
MUST_CHECK int pack_thread_new(struct pack_thread **tp, enum pack_format format);
void pack_thread_free(struct pack_thread *t);

/* Packs bytes, which stay untouched until they are collected; here and now, or on the thread.
 * Nothing may be under way. */
void pack_thread_start(struct pack_thread *t, struct span bytes, bool background);
/* Waits for what was started, and forgets it. */
void pack_thread_drop(struct pack_thread *t);
/* Waits for what was started. *packed stays valid until the next start. May be called again. 0,
 * -ENOMEM or -ENOBUFS. */
MUST_CHECK int pack_thread_collect(struct pack_thread *t, struct span *packed);
