/* SPDX-License-Identifier: MIT */
/* The simple request of HTTP/0.9 (RFC 1945, 4.1): one line without a version, and at most an empty
 * line behind it. It is one only as the first thing on a connection, which carries nothing else;
 * anywhere else such a line is the mark of a stream that was read wrongly. Its answer has no
 * framing. */
#pragma once

#include "lib/span.h"

/* Is this "GET SP /... CRLF", perhaps with an empty line? LF alone ends a line too. */
bool simple_request(struct span bytes);
/* Is this that, or the beginning of it? */
bool simple_request_may_begin(struct span bytes);
