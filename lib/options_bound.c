/* SPDX-License-Identifier: MIT */
/* Options that belong to the output before them. */
#include "lib/options_internal.h"

/* The number of the output that this value opened. */
static unsigned output_number(const struct options *options, const char *output, size_t nth)
{
    const struct option_def *def = options_find(options, output);
    const struct value *value = options_value(options, def);
    assert(def->flags & OPTION_OUTPUT);
    if (def->type != OPTION_LIST)
        return value->owner;
    assert(nth < value->n_items);
    return value->owners[nth];
}

const char *options_bound_nth(const struct options *options, const char *name, const char *output,
                              size_t output_nth, size_t nth)
{
    const struct value *value = options_lookup(options, name, OPTION_LIST);
    unsigned number = output_number(options, output, output_nth);
    for (size_t i = 0; i < value->n_items; i++)
        if (value->owners[i] == number && nth-- == 0)
            return value->items[i];
    return NULL;
}

int options_of_output(struct options **optionsp, const struct options *options, const char *output,
                      size_t nth)
{
    struct options *bound;
    int rc = options_new(&bound, options->table);
    for (size_t i = 0; i < options->table->n_defs && rc == 0; i++) {
        const struct option_def *def = &options->table->defs[i];
        const char *text;
        if (!(def->flags & OPTION_BOUND) || !def->spec)
            continue;
        for (size_t k = 0; rc == 0; k++) {
            struct err ignored; /* only memory can fail: lists of strings are not parsed */
            text = options_bound_nth(options, def->name, output, nth, k);
            if (!text)
                break;
            rc = options_set(bound, def->spec, text, OPTION_FROM_COMMAND_LINE, &ignored);
        }
        if (rc < 0)
            options_free(bound);
    }
    if (rc == 0)
        *optionsp = bound;
    return rc;
}
