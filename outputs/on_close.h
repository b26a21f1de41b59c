/* SPDX-License-Identifier: MIT */
/* --output-file-on-close: a shell command for each file that is complete, one after the other, on a
 * thread of its own, which the output never waits for. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

struct on_close;

/* Starts the process for the next on_close_new() (outputs/runner.h), which is one for each output,
 * before the sandbox closes. In command "{}" stands for the file's name; without one the name
 * follows it. 0, or -errno with err filled. */
MUST_CHECK int on_close_prepare(const char *command, struct err *err);
/* Takes what was prepared; an error when nothing was. */
MUST_CHECK int on_close_new(struct on_close **cp, struct err *err);
/* Waits for no command: one that still runs is left alone, those that wait are given up, and
 * both are told of. NULL is fine. */
void on_close_free(struct on_close *c);

/* path is copied. When very many wait already, or memory is short, this one is not run: that is
 * told and counted. */
void on_close_add(struct on_close *c, const char *path);

/* Files whose command has not ended. */
size_t on_close_waiting(struct on_close *c);
/* Commands that failed since the last call. */
uint64_t on_close_failed(struct on_close *c);
