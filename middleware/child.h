/* SPDX-License-Identifier: MIT */
/* A program that runs beside refrain, with pipes to its standard input and from its standard
 * output; its standard error is refrain's. It is in a process group of its own, so that a Ctrl-C at
 * the terminal does not end it before it has given everything back. */
#pragma once

#include <sys/types.h>

#include "lib/err.h"
#include "middleware/words.h"

struct child {
    pid_t pid; /* 0: there is none any more */
    int in, out; /* our ends, not blocking; -1: closed */
};

/* name: for errors. Main thread. */
MUST_CHECK int child_start(struct child *child, const struct words *command, const char *name,
                           struct err *err);

/* Has it ended? Then its status as of waitpid(2). Never waits longer than timeout_ms. */
bool child_ended(struct child *child, int timeout_ms, int *status);

/* Closes the pipes, and ends it when it does not end by itself then: SIGTERM, a second later
 * SIGKILL. */
void child_stop(struct child *child);

/* "exit status 3", "signal 9 (Killed)"; NULL for exit status 0. out: room for 64 bytes. */
const char *child_fault(int status, char out[64]);
