/* SPDX-License-Identifier: MIT */
/* A command of the shell taken apart into words, as long as it is plain: words in quotes of any
 * kind, "$(printf '...')", and one pipe. Nothing is ever run or expanded; what would need it is
 * refused. */
#pragma once

#include "tools/http_text.h"

#define SHELL_WORDS_MAX 1024

struct shell_words {
    struct buf bytes; /* of all words */
    struct {
        size_t off, len;
    } words[SHELL_WORDS_MAX];
    size_t n;
    size_t pipe; /* the first word behind a pipe; 0: there is none */
};

void shell_words_init(struct shell_words *w);
void shell_words_fini(struct shell_words *w);
/* The bytes of word i. */
struct span shell_word(const struct shell_words *w, size_t i);

/* How many of the n bytes the command at their start takes, with its line end; 0: it goes on beyond
 * them. Comments and empty lines are commands of no words. */
size_t shell_command_len(struct span text);
/* Takes apart what shell_command_len() has measured, or the last one without line end. 0; -EINVAL
 * with why filled; -ENOMEM. */
MUST_CHECK int shell_words_read(struct shell_words *w, struct span command, char why[WHY_MAX]);
