/* SPDX-License-Identifier: MIT */
/* --middleware: a program of the user's that gets every message and gives back what shall go on:
 * the same, changed, others, or nothing. To the pipeline it is an output (what feeds the program)
 * and an input (what reads what it gives back).
 *
 * A message that comes back under its type and id is the one that was sent: its connection and the
 * time when it is due are put back. A response goes on only behind its request. When the program
 * ends before its input was closed, or with a status other than 0, that is an error. */
#pragma once

#include "lib/err.h"
#include "lib/input.h"
#include "lib/output.h"

/* Starts the program. The two ends are set on success only, and belong to the pipeline; what they
 * share lives until both are closed. The books are borrowed: an account's page for each end. Main
 * thread. */
MUST_CHECK int middleware_open(struct output **outp, struct input **inp, const char *command,
                               struct books *out_books, struct books *in_books, struct err *err);
