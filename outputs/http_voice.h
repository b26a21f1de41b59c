/* SPDX-License-Identifier: MIT */
/* What is said about a target: by all threads of its output as if by one, each thing once until it
 * is over. Any thread. */
#pragma once

#include <stdatomic.h>

#include "lib/base.h"
#include "lib/ledger.h"

struct http_voice {
    const char *tag; /* of log lines. Borrowed */
    atomic_bool said_connect, said_tls, said_alert;
};

void http_voice_init(struct http_voice *voice, const char *tag);

/* No connection could be opened. why: BOOK_HTTP_REFUSED or BOOK_HTTP_TLS. */
void http_voice_failed(struct http_voice *voice, enum book why, const char *text);
/* A connection is open. */
void http_voice_connected(struct http_voice *voice);
/* A connection was opened, but what came instead of an answer was a TLS alert: in TLS 1.3 a server
 * judges the client's certificate when the client takes the handshake for done. */
void http_voice_alerted(struct http_voice *voice, const char *text);
/* An answer came. */
static inline void http_voice_answered(struct http_voice *voice)
{
    if (unlikely(atomic_load_explicit(&voice->said_alert, memory_order_relaxed)))
        atomic_store(&voice->said_alert, false);
}
/* A request has failed, because of which. */
void http_voice_lost(struct http_voice *voice, enum book why);
