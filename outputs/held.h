/* SPDX-License-Identifier: MIT */
/* The messages that a connection holds, from when they were taken until their fate is known: a
 * bounded ring, first come first out. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/output.h"

/* At most so many, and of that cost together (one may be larger). */
#define HELD_MSGS 2048
#define HELD_COST MIB

struct held_msg {
    const struct msg *msg;
    uint64_t mark; /* the connection's own */
};

struct held {
    struct output *out; /* messages are settled there. Borrowed */
    struct held_msg ring[HELD_MSGS];
    size_t head, n;
    uint64_t cost;
};

void held_init(struct held *held, struct output *out);
/* Is there room for msg? */
bool held_has_room(const struct held *held, const struct msg *msg);
/* Borrows msg, for which there is room. */
void held_put(struct held *held, const struct msg *msg, uint64_t mark);
/* The ith, 0 being the first to go; i < n. */
struct held_msg *held_nth(struct held *held, size_t i);
/* The first, or all of them, have found that fate. */
void held_pop(struct held *held, enum book fate);
void held_pop_all(struct held *held, enum book fate);
