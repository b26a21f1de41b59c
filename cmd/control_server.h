/* SPDX-License-Identifier: MIT */
/* The socket of --control: clients that ask line by line and get a line each
 * (lib/control_request.h). Main thread, without ever waiting for a client: each has a bounded line,
 * a bounded number of them is served, and who neither asks nor reads for CONTROL_IDLE_NS is closed.
 * Only root, who started refrain and the user that it runs as are heard (SO_PEERCRED); the socket
 * is theirs alone who started it (mode 0600). */
#pragma once

#include <poll.h>

#include "lib/buf.h"
#include "lib/control_request.h"
#include "lib/err.h"

#define CONTROL_CLIENTS 8
#define CONTROL_IDLE_NS (60 * NS_PER_S)
#define CONTROL_FDS (CONTROL_CLIENTS + 1)
#define CONTROL_ANSWER_MAX (4 << 20)

struct control_server;

struct control_handler {
    /* Appends the answer, without its LF. Borrows request. */
    void (*answer)(void *arg, const struct control_request *request, struct buf *out);
    void *arg;
};

/* A socket that nobody listens on any more is replaced; one that somebody does is an error. It
 * serves nobody before control_server_answer_by(). */
MUST_CHECK int control_server_open(struct control_server **serverp, const char *path,
                                   struct err *err);
void control_server_answer_by(struct control_server *server, const struct control_handler *handler);
/* Removes the socket. NULL is fine. */
void control_server_close(struct control_server *server);

/* What to poll for; NULL serves nothing. fds has room for CONTROL_FDS. Returns how many. */
size_t control_server_fds(const struct control_server *server, struct pollfd *fds);
/* After poll(2) on those. */
void control_server_serve(struct control_server *server, const struct pollfd *fds, size_t n,
                          int64_t now_ns);
/* When it wants to be called though nothing happens. */
int64_t control_server_due_ns(const struct control_server *server);
