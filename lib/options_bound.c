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

/* The value that opened the output of that number; false when another took its place. */
static bool find_output(const struct options *options, unsigned number, const char **option,
                        size_t *value_nth)
{
    for (size_t i = 0; i < options->table->n_defs; i++) {
        const struct option_def *def = &options->table->defs[i];
        const struct value *value = options_value(options, def);
        bool list = def->type == OPTION_LIST;
        if (!(def->flags & OPTION_OUTPUT))
            continue;
        for (size_t k = 0; k < (list ? value->n_items : 1); k++)
            if ((list ? value->owners[k] : value->owner) == number) {
                *option = def->name;
                *value_nth = k;
                return true;
            }
    }
    return false;
}

bool options_nth_output(const struct options *options, size_t n, const char **option,
                        size_t *value_nth)
{
    for (unsigned number = 1; number <= options->n_outputs; number++)
        if (find_output(options, number, option, value_nth) && n-- == 0)
            return true;
    return false;
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
