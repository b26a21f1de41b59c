/* SPDX-License-Identifier: MIT */
/* Where an output sends to: the URL of its option, taken apart. Read-only once
 * parsed. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/span.h"

struct http_target {
    bool tls;
    char *url; /* for libcurl: http or https and authority, without user information and path */
    char *shown; /* as given, without user information: for people */
    char *host; /* the Host field: host[:port] as given */
    char *prefix; /* goes in front of every path; "" or "/..." without a slash at the end. Of a
                     WebSocket: path and query of its handshake, at least "/" */
    char *authorization; /* a whole field line, for requests that have none; or "" */
};

/* "http://host[:port][/prefix]", "https://..." or without a scheme, which is http; given to option.
 * 0, or a negative errno with err. */
MUST_CHECK int http_target_parse(struct http_target *target, const char *option, const char *text,
                                 struct err *err);
/* "ws://host[:port][/path][?query]", "wss://..." or without a scheme, which is ws. Likewise. */
MUST_CHECK int http_target_parse_ws(struct http_target *target, const char *text, struct err *err);
/* Also after a failed parse, and twice. */
void http_target_fini(struct http_target *target);

/* The given pieces as one string, to be freed with mem_free(); NULL when memory is short. */
char *http_join(const struct span *pieces, size_t n);
