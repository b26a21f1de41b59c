/* SPDX-License-Identifier: MIT */
/* Shared by options.c and options_bound.c; nobody else includes this. */
#pragma once

#include "lib/options_table.h"

/* Always true: text is what was given last (or the default), and number the same, parsed. Lists
 * use items instead. */
struct value {
    enum option_source source;
    char *text; /* NULL: the default's text */
    union {
        bool boolean;
        int64_t integer; /* also ns, and the position of an enum's choice */
        uint64_t size;
        double share;
    } number;
    char **items;
    unsigned *owners; /* of items: the number of the output that each opens or belongs to */
    unsigned owner; /* the same for an output that is a boolean */
    size_t n_items;
};

struct options {
    const struct option_table *table;
    unsigned more_refs; /* beyond the first */
    unsigned n_outputs; /* opened so far, in the order given; 1 is the first */
    struct value values[]; /* as table->defs */
};

/* The definition of name, which is in the table. */
const struct option_def *options_find(const struct options *options, const char *name);
const struct value *options_value(const struct options *options, const struct option_def *def);
/* The value of name, which is of that type. */
const struct value *options_lookup(const struct options *options, const char *name,
                                   enum option_type type);
