/* SPDX-License-Identifier: MIT */
/* How options are described and set; lib/options.h is how they are read. The one table stands in
 * cmd/options.def; cmd/options.c reads the command line and the environment into it, and tests set
 * options one by one:
 *
 *     struct options *o;
 *     options_new(&o, &refrain_options);
 *     options_set(o, "http-allow-url", "^/api", OPTION_FROM_COMMAND_LINE, &err);
 */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/options.h"

enum option_type {
    OPTION_BOOL = 0, /* spec: "hash:", a prefix of texts that are true too; NULL for none */
    OPTION_INT, /* spec: "MIN..MAX", either may be left out; NULL for any */
    OPTION_SIZE,
    OPTION_DURATION,
    OPTION_SHARE, /* 0..1; not given is negative */
    OPTION_STRING,
    OPTION_ENUM, /* spec: "first|second|!third"; ! marks one that is not built in this version */
    OPTION_LIST, /* strings, in the order given */
    OPTION_INTS, /* a list whose items are integers */
};

enum option_flag {
    OPTION_NOT_BUILT = 1 << 0, /* known, but a value other than the default stops the start */
    OPTION_SECRET = 1 << 1, /* only by the environment or as @FILE */
    OPTION_OPERANDS = 1 << 2, /* bare words after its value are further values */
    OPTION_ACTION = 1 << 3, /* --help, --version: not from the environment */
    OPTION_OUTPUT = 1 << 4, /* each value opens an output */
    OPTION_BOUND = 1 << 5, /* a list whose values belong to the output that stands before them;
                              spec names the option that each stands for there, or is NULL */
    OPTION_LIVE = 1 << 7, /* another value takes effect when --config is read again */
    OPTION_ELSEWHERE = 1 << 6, /* of another sub-command: cannot be given, and has its default */
};

struct option_def {
    const char *name; /* without dashes */
    enum option_type type;
    unsigned flags; /* enum option_flag */
    const char *value; /* default, as it would be typed; NULL for a list, or none */
    const char *spec; /* see enum option_type; NULL for most */
    const char *arg; /* name of its argument in the help; NULL for a boolean */
    unsigned group; /* index into option_table.groups */
    const char *help;
};

struct option_group {
    const char *name; /* one word, for --help WORD */
    const char *title;
};

struct option_alias {
    const char *name, *target;
};

struct option_table {
    const char *command; /* the sub-command that it is of: "grep"; NULL: refrain itself */
    const char *operands; /* the option that bare words are values of, wherever they stand; NULL:
                             none, see OPTION_OPERANDS. Then only secrets, which have no other way,
                             are read from the environment */
    const struct option_def *defs;
    size_t n_defs;
    const struct option_alias *aliases;
    size_t n_aliases;
    const struct option_group *groups;
    size_t n_groups;
};

/* The definition of that name or alias, len bytes long; NULL when there is none. */
const struct option_def *option_table_find(const struct option_table *table, const char *name,
                                           size_t len);

/* The last value of an option wins, and lists grow; but what a stronger source has set, a weaker
 * one leaves alone: the command line is the strongest. */
enum option_source {
    OPTION_FROM_DEFAULT = 0,
    OPTION_FROM_CONFIG, /* a file */
    OPTION_FROM_ENVIRONMENT,
    OPTION_FROM_COMMAND_LINE,
};

/* All at their defaults. table is borrowed; a default that does not parse asserts. */
MUST_CHECK int options_new(struct options **optionsp, const struct option_table *table);
/* Another reference, for options_free() to take back; main thread. NULL is fine for the latter. */
struct options *options_ref(struct options *options);
void options_free(struct options *options);

/* name must be in the table. Errors name the option as its source spells it: --exit-after,
 * REFRAIN_EXIT_AFTER, or exit-after in a file. Lists from the environment are one item per line. */
MUST_CHECK int options_set(struct options *options, const char *name, const char *text,
                           enum option_source source, struct err *err);

enum option_source options_source(const struct options *options, const char *name);
/* As it was written, of any option that is not a list; its default, or "", when not given. */
const char *options_text(const struct options *options, const char *name);
/* The nth (0, 1, …) output in the order given: it is the value *value_nth of *option. False after
 * the last. */
bool options_nth_output(const struct options *options, size_t n, const char **option,
                        size_t *value_nth);

/* The options of one output, the nth value of the option output ("output-http"): all at their
 * defaults, but for what was bound to it, which is set under the name that it stands for. */
MUST_CHECK int options_of_output(struct options **optionsp, const struct options *options,
                                 const char *output, size_t nth);
/* The nth value of a bound option among those that belong to that output; NULL after the last. */
const char *options_bound_nth(const struct options *options, const char *name, const char *output,
                              size_t output_nth, size_t nth);

/* The first option that is not built in this version and was given a value other than its default
 * is an error. */
MUST_CHECK int options_check_built(const struct options *options, struct err *err);
