/* SPDX-License-Identifier: MIT */
#include "tools/tool.h"

#include <string.h>

const struct tool *const tools[] = {
    &tool_stat,   &tool_cat,    &tool_grep,    &tool_cut, &tool_merge,
    &tool_verify, &tool_repair, &tool_convert, &tool_ctl, NULL,
};

enum tool_bit {
    STAT = 1 << 0,
    CAT = 1 << 1,
    GREP = 1 << 2,
    CUT = 1 << 3,
    MERGE = 1 << 4,
    VERIFY = 1 << 5,
    REPAIR = 1 << 6,
    CONVERT = 1 << 7,
    ALL = (1 << 8) - 1,
    CTL = 1 << 8, /* reads no recordings */
};

static const struct {
    unsigned tools; /* enum tool_bit: the place in the list above */
    struct option_def def;
} options[] = {
#define OPTION(TOOLS, name, TYPE, flags, value, spec, arg, help)                                   \
    {TOOLS, {name, OPTION_##TYPE, flags, value, spec, arg, 0, help}},
#include "tools/options.def"
#undef OPTION
};

const struct option_alias tool_aliases[] = {{"o", "output-file"}};
const size_t tool_n_aliases = ARRAY_LEN(tool_aliases);

const struct tool *tool_find(const char *word)
{
    for (const struct tool *const *tool = tools; *tool; tool++)
        if (strcmp((*tool)->name, word) == 0)
            return *tool;
    return NULL;
}

const struct option_def *tool_option(const struct tool *tool, size_t n)
{
    unsigned bit = STAT;
    for (size_t i = 0; tools[i] && tools[i] != tool; i++)
        bit <<= 1;
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if ((options[i].tools & bit) && n-- == 0)
            return &options[i].def;
    return NULL;
}
