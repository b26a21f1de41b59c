/* SPDX-License-Identifier: MIT */
/* The program's own connections, so that a live capture does not record what refrain itself sends,
 * even when the target is the very port that is captured (which would go round for ever). An output
 * notes a connection before it sends the first byte on it; a capture asks before it passes on a
 * message. Any thread, no locks. */
#pragma once

#include "lib/base.h"

/* Notes the connected TCP socket fd. The newest 64 Ki connections are remembered, also after they
 * were closed, because their packets may still lie in a capture ring. */
void own_note(int fd);

/* Is conn, as msg_set_conn() makes it from endpoints, one of those noted? */
bool own_has(uint64_t conn);
