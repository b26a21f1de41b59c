/* SPDX-License-Identifier: MIT */
/* Values inside a request's target and fields: query parameters and cookies. Nothing is decoded:
 * names and values are compared as they were sent. */
#pragma once

#include "lib/msg.h"
#include "lib/span.h"

/* The first query parameter of that name in a request target ("/a?x=1&y=2"); its value may be
 * empty. The query ends at '#'. */
bool lookup_param(struct span target, struct span name, struct span *value);

/* The first cookie of that name in the request's Cookie fields (RFC 6265, 4.2.1). */
bool lookup_cookie(const struct msg *msg, struct span name, struct span *value);

/* The first field of that name, in any case. False also when msg is not HTTP. */
bool lookup_field(const struct msg *msg, struct span name, struct span *value);

/* The path of a request target: of "/a?x" and of "http://h/a?x" it is "/a". */
struct span lookup_path(struct span target);

/* The host that a request is for, without its port: that of a target in absolute form, or the Host
 * field. Empty when there is neither. */
struct span lookup_host(const struct msg *msg);
