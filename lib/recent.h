/* SPDX-License-Identifier: MIT */
/* Which of many keys came lately, in constant memory: a table in which a later key takes the place
 * of an earlier one. It may forget any key but the last; it never takes one for another, but for
 * equal hashes of 64 bits. Owned by one thread. */
#pragma once

#include "lib/base.h"

/* Keys it has room for: 512 KiB. */
#define RECENT_KEYS ((size_t)1 << 16)

struct recent;

MUST_CHECK int recent_new(struct recent **recentp);
void recent_free(struct recent *recent);

/* Remembers key; true: it was remembered already. */
bool recent_add(struct recent *recent, uint64_t key);
