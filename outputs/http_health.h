/* SPDX-License-Identifier: MIT */
/* Can the target be connected to, and if not, why? When the next attempt is due, what is said about
 * it, and the book for the requests that fail of it. Owned by the output's thread. */
#pragma once

#include "lib/base.h"
#include "lib/ledger.h"
#include "lib/log.h"
#include "lib/net.h"

struct http_health {
    const char *tag; /* of log lines. Borrowed */
    struct backoff backoff;
    bool down; /* the last attempt failed, and no connection is open */
    enum book why; /* of the last failure */
    /* Each kind of failure is told once, until it is over. */
    struct http_trouble {
        bool said;
        struct log_limit limit;
    } connect, tls, alert;
};

void http_health_init(struct http_health *health, const char *tag);

/* No connection could be opened. why: BOOK_HTTP_REFUSED or BOOK_HTTP_TLS. */
void http_health_failed(struct http_health *health, enum book why, const char *text,
                        int64_t now_ns);
/* A connection is open. */
void http_health_connected(struct http_health *health);
/* A connection was opened, but what came instead of an answer was a TLS alert: in TLS 1.3 a server
 * judges the client's certificate when the client takes the handshake for done. */
void http_health_alerted(struct http_health *health, const char *text);
/* An answer came. */
static inline void http_health_answered(struct http_health *health)
{
    health->alert.said = false;
}
