/* SPDX-License-Identifier: MIT */
/* Messages that wait for their counterpart: a response that came before its request, a request
 * whose fate hangs on its response. Of several with one id the oldest is met first. Bounded in
 * number and bytes; the oldest must leave first. Owned by one thread. */
#pragma once

#include "lib/msg.h"

struct waiting;

MUST_CHECK int waiting_new(struct waiting **waitingp, size_t max_msgs, size_t max_bytes);
/* Drops what is left. */
void waiting_free(struct waiting *waiting);

/* Keeps a reference to msg, with a number for the owner. Afterwards waiting_overflow() must be
 * asked until it has none. */
void waiting_put(struct waiting *waiting, const struct msg *msg, uint64_t note);
/* Does one of that id wait? Then the number of the one that waiting_take() would return. */
bool waiting_has(const struct waiting *waiting, struct span id, uint64_t *note);
/* Of the numbers of all that wait, the bits of mask stay. */
void waiting_mask(struct waiting *waiting, uint64_t mask);
/* The oldest of that id, out of the room: its reference is the caller's. NULL: none. */
const struct msg *waiting_take(struct waiting *waiting, struct span id, uint64_t *note);
/* The oldest, while there are too many or too long ones; its reference is the caller's. */
const struct msg *waiting_overflow(struct waiting *waiting, uint64_t *note);
/* The oldest, whatever room there is; NULL when none is left. */
const struct msg *waiting_leave(struct waiting *waiting, uint64_t *note);
