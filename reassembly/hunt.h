/* SPDX-License-Identifier: MIT */
/* Finding the thread again: after a hole, or in the middle of a connection, does a message begin
 * with these bytes? Asked only where a segment begins, since clients begin their messages there. */
#pragma once

#include "lib/http.h"

enum likeness {
    UNLIKE = 0,
    TOO_SHORT, /* the beginning of what could be one */
    LIKE, /* a known method and as much of a target as there is; or a status line's version */
};

/* bytes: those from the start of the segment on. Borrowed. */
enum likeness hunt_likeness(enum http_kind kind, struct span bytes);
