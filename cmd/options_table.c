/* SPDX-License-Identifier: MIT */
#include "cmd/options_table.h"

#include "config.h"

/* The flag of options that do not work without libcurl. */
#define NEEDS_CURL (HAVE_HTTP ? 0 : OPTION_NOT_BUILT)

#define OPTION(...)
#define ALIAS(...)
#define GROUP(NAME, ...) GROUP_##NAME,
enum group {
#include "cmd/options.def"
};
#undef GROUP

#define GROUP(NAME, word, title) {word, title},
static const struct option_group groups[] = {
#include "cmd/options.def"
};
#undef GROUP
#undef OPTION

#define GROUP(...)
#define OPTION(name, TYPE, flags, value, spec, arg, GROUP, help)                                   \
    {name, OPTION_##TYPE, flags, value, spec, arg, GROUP_##GROUP, help},
static const struct option_def defs[] = {
#include "cmd/options.def"
};
#undef OPTION
#undef ALIAS

#define OPTION(...)
#define ALIAS(name, target) {name, target},
static const struct option_alias aliases[] = {
#include "cmd/options.def"
};
#undef OPTION
#undef ALIAS
#undef GROUP

const struct option_table refrain_options = {
    .defs = defs,
    .n_defs = ARRAY_LEN(defs),
    .aliases = aliases,
    .n_aliases = ARRAY_LEN(aliases),
    .groups = groups,
    .n_groups = ARRAY_LEN(groups),
};
