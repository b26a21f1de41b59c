/* SPDX-License-Identifier: MIT */
/* What is asked over the control socket: a line of words with single spaces between them, LF at its
 * end. The first word is the version of the protocol, the second one the verb.
 *
 *     1 set staging.percent 20
 *
 * A word is made of printable ASCII. The answer is one line of JSON: an object whose "ok" is true,
 * or false with a text "error". refrain-operate(7) lists the verbs. */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

#define CONTROL_VERSION "1"
#define CONTROL_PATH "/run/refrain.sock" /* where refrain ctl looks */
#define CONTROL_LINE_MAX 1024 /* LF included */
#define CONTROL_WORDS_MAX 64

struct control_request {
    size_t n; /* at least 1: the verb */
    const char *words[CONTROL_WORDS_MAX]; /* into text */
    char text[CONTROL_LINE_MAX];
};

/* line: without its LF. NULL, or what is wrong, in words. */
MUST_CHECK const char *control_request_parse(struct control_request *request, struct span line);
/* The line for these words, LF included; its length, or 0: they cannot be written so. out has room
 * for CONTROL_LINE_MAX bytes. */
MUST_CHECK size_t control_request_write(char *out, const char *const *words, size_t n);
