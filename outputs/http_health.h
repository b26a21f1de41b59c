/* SPDX-License-Identifier: MIT */
/* Can the target be connected to, and if not, why? When the next attempt is due, and the book for
 * the requests that fail of it. Owned by the thread whose connections they are. */
#pragma once

#include "lib/base.h"
#include "lib/ledger.h"
#include "lib/net.h"
#include "outputs/http_voice.h"

struct http_health {
    struct http_voice *voice; /* borrowed */
    struct backoff backoff;
    bool down; /* the last attempt failed, and no connection is open */
    enum book why; /* of the last failure */
};

void http_health_init(struct http_health *health, struct http_voice *voice);

/* No connection could be opened. why: BOOK_HTTP_REFUSED or BOOK_HTTP_TLS. */
void http_health_failed(struct http_health *health, enum book why, const char *text,
                        int64_t now_ns);
/* A connection is open. */
void http_health_connected(struct http_health *health);
