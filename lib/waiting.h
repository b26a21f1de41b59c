/* SPDX-License-Identifier: MIT */
/* Messages that wait for their counterpart: a response that came before its request, a request
 * whose fate hangs on its response. One message for each id, bounded in number and bytes; the
 * oldest must leave first. Owned by one thread. */
#pragma once

#include "lib/msg.h"

struct waiting;

MUST_CHECK int waiting_new(struct waiting **waitingp, size_t max_msgs, size_t max_bytes);
/* Drops what is left. */
void waiting_free(struct waiting *waiting);

/* Keeps a reference to msg, with a number for the owner. False: one of that id waits already, and
 * this one is not kept. Afterwards waiting_overflow() must be asked until it has none. */
MUST_CHECK bool waiting_put(struct waiting *waiting, const struct msg *msg, uint64_t note);
/* The one of that id, out of the room: its reference is the caller's. NULL: none. */
const struct msg *waiting_take(struct waiting *waiting, struct span id, uint64_t *note);
/* The oldest, while there are too many or too long ones; its reference is the caller's. */
const struct msg *waiting_overflow(struct waiting *waiting, uint64_t *note);
/* The oldest, whatever room there is; NULL when none is left. */
const struct msg *waiting_leave(struct waiting *waiting, uint64_t *note);
