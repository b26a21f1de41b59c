/* SPDX-License-Identifier: MIT */
/* A command line taken apart into words, as a shell does it, without a shell: blanks separate; '…'
 * keeps all, "…" all but \" \\ \$ and \`; elsewhere a backslash keeps the next character. Nothing
 * is expanded. */
#pragma once

#include "lib/base.h"

struct words {
    char **argv; /* n words and NULL, in one block with their text */
    size_t n;
};

/* 0, -ENOMEM, or -EINVAL: a quote is not closed, or a backslash ends the text; *bad_at is then its
 * offset. *words is set on success only; words_fini() frees it. */
MUST_CHECK int words_init(struct words *words, const char *text, size_t *bad_at);
void words_fini(struct words *words);
