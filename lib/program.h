/* SPDX-License-Identifier: MIT */
/* Starting a program of the user's: middleware, and what a closed file is handed to. */
#pragma once

#include <sys/types.h>

/* Starts argv[0], looked for in PATH, in a process group of its own, whose number *pid becomes.
 * `in` is its standard input and `out` its standard output, standard error is ours, every other
 * descriptor is closed in it; signals are as at a program's usual start. The caller keeps the
 * descriptors and waits for the process. Any thread. 0 or -errno. */
int program_start(pid_t *pid, char *const *argv, int in, int out);
