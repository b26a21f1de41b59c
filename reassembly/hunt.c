/* SPDX-License-Identifier: MIT */
#include "reassembly/hunt.h"

#include <string.h>

/* The methods that are believed where nothing else proves that a request begins: those registered
 * (RFC 9110, WebDAV) and UPnP's. Elsewhere any token is a method; here the second half of one,
 * behind a hole, would be taken for another. */
static const char *const known_methods[] = {
    "GET ",      "POST ",       "PUT ",         "HEAD ",     "DELETE ", "OPTIONS ",   "PATCH ",
    "TRACE ",    "CONNECT ",    "PROPFIND ",    "MKCOL ",    "COPY ",   "PROPPATCH ", "MOVE ",
    "LOCK ",     "UNLOCK ",     "SEARCH ",      "REPORT ",   "NOTIFY ", "SUBSCRIBE ", "BIND ",
    "M-SEARCH ", "MKCALENDAR ", "UNSUBSCRIBE ", "CHECKOUT ", "MERGE ",  "PURGE ",
};

static enum likeness request_likeness(struct span bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(known_methods); i++) {
        size_t len = strlen(known_methods[i]);
        if (memcmp(bytes.ptr, known_methods[i], bytes.len < len ? bytes.len : len) != 0)
            continue;
        if (bytes.len <= len)
            return TOO_SHORT;
        return http_may_begin(HTTP_REQUEST, bytes.ptr, bytes.len) ? LIKE : UNLIKE;
    }
    return UNLIKE;
}

enum likeness hunt_likeness(enum http_kind kind, struct span bytes)
{
    if (bytes.len == 0)
        return TOO_SHORT;
    if (kind == HTTP_REQUEST)
        return request_likeness(bytes);
    if (!http_may_begin(kind, bytes.ptr, bytes.len))
        return UNLIKE;
    return bytes.len < strlen("HTTP/1.") ? TOO_SHORT : LIKE;
}
