/* SPDX-License-Identifier: MIT */
/* A condition on a request, as --http-if and --to-if write it: a kind, a colon, and what it must
 * be; a leading '!' turns it round.
 *
 *     method:GET,HEAD          one of these methods
 *     url:^/api                the request target matches a regular expression
 *     path:/api/v1             the path is this one, or lies below it
 *     host:^beta\.             the host (without port) matches
 *     header:X-Plan=^gold$     the first field of that name matches; header:X-Plan: it is there
 *     cookie:lang=^de          the same for a cookie
 *     param:debug=^1$          the same for a query parameter
 *     client:10.0.0.0/8        the client's address lies in this network
 *     server:192.0.2.7:8080    the captured server: an address or network, a port, or both
 *     port:8080                the captured server's port
 *     status:500-599           the recorded response's status; also 404 or 5xx
 *
 * A condition on the status can only be asked when the response has come. An instance belongs to
 * one thread. */
#pragma once

#include "lib/err.h"
#include "lib/msg.h"

struct condition;

/* text is copied. option ("to-if") is for the message, which points at what is wrong. */
MUST_CHECK int condition_new(struct condition **conditionp, const char *option, const char *text,
                             struct err *err);
void condition_free(struct condition *condition);

/* Does it ask for the response's status? */
bool condition_needs_status(const struct condition *condition);

/* Does the request meet it? A payload that is not HTTP meets no condition on HTTP, turned round or
 * not. A regular expression that gives up is not met, turned round or not. status: of its
 * response; 0 when not known, which meets no condition on the status. Borrows request. */
bool condition_holds(struct condition *condition, const struct msg *request, unsigned status);

/* As it was written. */
const char *condition_text(const struct condition *condition);
