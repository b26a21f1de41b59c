/* SPDX-License-Identifier: MIT */
/* A process of its own that runs one shell command for one name after the other. It begins before
 * the sandbox closes (cmd/sandbox.h) and stays outside, for the commands are the user's and do what
 * they like, as the user that refrain runs as. What refrain can do through it is give that command
 * a name, and nothing else: so inside no program can be run at all. Ends when refrain does. */
#pragma once

#include <sys/types.h>

#include "lib/base.h"

struct runner {
    pid_t pid; /* 0: none */
    int fd;
    bool busy; /* a command was given up */
};

/* script is for sh -c; the name is its $1. Borrowed until it returns. Main thread. 0 or -errno. */
MUST_CHECK int runner_start(struct runner *r, char *script);
/* Lets the command that runs go on. Waits for the process's end, unless that command still runs.
 * Also of one that never started. */
void runner_stop(struct runner *r);

/* Begins the command for name. 0 or -errno. */
MUST_CHECK int runner_begin(struct runner *r, const char *name);
/* 1: it has ended, *status is as of waitpid(2); 0: not within timeout_ms; -errno: it could not be
 * run, or the runner is gone. */
MUST_CHECK int runner_wait(struct runner *r, int timeout_ms, int *status);
