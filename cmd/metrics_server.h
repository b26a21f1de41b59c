/* SPDX-License-Identifier: MIT */
/* --metrics-address: /metrics, /healthz and /readyz over HTTP (libmicrohttpd), in threads of its
 * own, one for each address that the name stands for. They read what the view shows, and take no
 * lock that anything else takes.
 *
 * Whoever asks can cost only so much: a connection is for one request, of SERVER_REQUEST_MAX bytes
 * at most, and SERVER_LIFE_NS; there are SERVER_CONNECTIONS at most, SERVER_SAME of them from one
 * address, and a newcomer takes the place of the oldest. All are handed the same text, which is
 * made at most once in SERVER_FRESH_NS. */
#pragma once

#include "cmd/metrics_view.h"
#include "lib/err.h"

#define SERVER_REQUEST_MAX (8 * KIB)
#define SERVER_LIFE_NS (10 * NS_PER_S)
#define SERVER_CONNECTIONS 32
#define SERVER_SAME 16
#define SERVER_FRESH_NS (100 * NS_PER_MS)

struct metrics_server;

/* Is address one that can be listened at? */
MUST_CHECK int metrics_server_check(const char *address, struct err *err);

/* Listens: who connects waits. Needs whatever the port needs; the rest needs nothing. */
MUST_CHECK int metrics_server_open(struct metrics_server **serverp, const char *address,
                                   struct err *err);
/* Answers from now on, until it is stopped: starts the threads. view is borrowed until then. */
MUST_CHECK int metrics_server_start(struct metrics_server *server, struct view *view,
                                    struct err *err);
void metrics_server_stop(struct metrics_server *server); /* NULL is fine */
/* NULL is fine. */
void metrics_server_close(struct metrics_server *server);
