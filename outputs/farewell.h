/* SPDX-License-Identifier: MIT */
/* The end of a connection: everything is handed to the kernel, and the peer's end is awaited,
 * because closing at once could lose what is still on its way. Owned by the output's thread. */
#pragma once

#include "lib/base.h"

struct farewell {
    int64_t deadline_ns; /* CLOCK_MONOTONIC; moves while the peer takes bytes */
    int unsent; /* bytes that the peer's kernel has not acknowledged */
};

/* Begins now; fd is the socket. */
void farewell_init(struct farewell *farewell, int fd, int64_t now_ns);
/* Has the peer had its time? unsent says what it did not take. */
bool farewell_over(struct farewell *farewell, int fd, int64_t now_ns);
