/* SPDX-License-Identifier: MIT */
#include "tests/unit/options_fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *options_nth(const struct options *options, const char *name, size_t n)
{
    for (size_t i = 0; i < options->n_values; i++)
        if (strcmp(options->values[i].name, name) == 0 && n-- == 0)
            return options->values[i].text;
    return NULL;
}

bool options_given(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->n_values; i++)
        if (strcmp(options->values[i].name, name) == 0)
            return true;
    return false;
}

bool options_nth_int(const struct options *options, const char *name, size_t n, int64_t *value)
{
    for (size_t i = 0; i < options->n_values; i++)
        if (strcmp(options->values[i].name, name) == 0 && n-- == 0) {
            *value = options->values[i].number;
            return true;
        }
    return false;
}

/* A test must say what its subject asks for: a forgotten option is the test's mistake. */
static const struct option_value *find(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->n_values; i++)
        if (strcmp(options->values[i].name, name) == 0)
            return &options->values[i];
    fprintf(stderr, "the test gives no option %s\n", name);
    abort();
}

bool options_bool(const struct options *options, const char *name)
{
    return find(options, name)->number != 0;
}

int64_t options_int(const struct options *options, const char *name)
{
    return find(options, name)->number;
}

uint64_t options_size(const struct options *options, const char *name)
{
    return (uint64_t)find(options, name)->number;
}

int64_t options_duration_ns(const struct options *options, const char *name)
{
    return find(options, name)->number;
}

const char *options_string(const struct options *options, const char *name)
{
    const char *text = find(options, name)->text;
    return text ? text : "";
}
