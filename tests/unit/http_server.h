/* SPDX-License-Identifier: MIT */
/* A small HTTP server for tests, which behaves as the path of each request tells it to:
 *
 *   /ok /close /until-close /chunked /drops /204 /304 /head /500 /continue /slow (300 ms) /never
 *   /half /reset /garbage /early /extra /big /http10 /switch /silent
 *
 * Anything behind that word is ignored. Its threads are its own. */
#pragma once

#include "lib/base.h"

struct http_server;

/* Listens on 127.0.0.1; port 0: any. */
struct http_server *http_server_start(uint16_t port);
uint16_t http_server_port(const struct http_server *server);
/* Closes the listener and all connections. */
void http_server_stop(struct http_server *server);
void http_server_free(struct http_server *server);

/* How often somebody connected, and how many were connected at the same time at most. */
unsigned http_server_connections(struct http_server *server);
unsigned http_server_most_open(struct http_server *server);
/* Requests that came so far, on all connections; the ith as it came, terminated by a NUL. */
size_t http_server_n_seen(struct http_server *server);
const char *http_server_seen(struct http_server *server, size_t i, size_t *len);

/* A port on which nobody listens. */
uint16_t http_server_free_port(void);
