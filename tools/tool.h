/* SPDX-License-Identifier: MIT */
/* The toolbox: sub-commands that read recordings, and replay nothing; and ctl, which talks to a
 * refrain that runs. Each is a file of this folder
 * that fills a struct tool, a line in tools.c, and its options in options.def. cmd/ parses the
 * command line and runs it. */
#pragma once

#include "lib/err.h"
#include "lib/filter.h"
#include "lib/options.h"
#include "lib/options_table.h"

struct tool;

/* What a tool is run with; all borrowed. */
struct tool_args {
    const struct tool *tool;
    struct options *options;
    const struct filter_ops *const *filters; /* of this build, in the order to be asked */
    size_t n_filters;
};

struct tool {
    const char *name; /* the word on the command line: "grep" */
    const char *operands; /* "FILE..." */
    const char *operand_option; /* the option that they are values of; NULL: input-file */
    const char *summary; /* for --help; a sentence without its full stop */
    /* The options of refrain itself that it takes: "from", or "@filter" for a whole group, "!x" for
     * all but x of the groups before. Ends with NULL. */
    const char *const *takes;
    /* An exit status, or -errno with err filled. */
    int (*run)(const struct tool_args *args, struct err *err);
};

/* Ends with NULL. */
extern const struct tool *const tools[];
/* NULL: no such tool. */
const struct tool *tool_find(const char *word);

/* The nth option that only this tool has, or some tools; NULL after the last. Its group means
 * nothing. An option of refrain itself that has the same name is replaced by it. */
const struct option_def *tool_option(const struct tool *tool, size_t n);
/* The names of one letter that they have, for all tools. */
extern const struct option_alias tool_aliases[];
extern const size_t tool_n_aliases;

extern const struct tool tool_cat, tool_convert, tool_ctl, tool_cut, tool_grep, tool_merge,
    tool_repair, tool_stat, tool_verify;
