/* SPDX-License-Identifier: MIT */
#include "cmd/tool_table.h"

#include <string.h>

#include "cmd/options_table.h"

#define DEFS_MAX 512
#define ALIASES_MAX 64
#define GROUPS_MAX 64

static bool takes(const struct tool *tool, const struct option_def *def)
{
    const char *group = refrain_options.groups[def->group].name;
    bool taken = false;
    for (const char *const *p = tool->takes; *p; p++) {
        const char *word = *p;
        if (word[0] == '@')
            taken |= strcmp(word + 1, group) == 0;
        else if (word[0] == '!')
            taken &= strcmp(word + 1, def->name) != 0;
        else
            taken |= strcmp(word, def->name) == 0;
    }
    return taken && !(def->flags & OPTION_NOT_BUILT);
}

static const struct option_def *own(const struct tool *tool, const char *name)
{
    const struct option_def *def;
    for (size_t i = 0; (def = tool_option(tool, i)); i++)
        if (strcmp(def->name, name) == 0)
            return def;
    return NULL;
}

static size_t put_aliases(struct option_alias *aliases, size_t n, const struct option_alias *from,
                          size_t n_from)
{
    for (size_t i = 0; i < n_from; i++) {
        assert(n < ALIASES_MAX);
        aliases[n++] = from[i];
    }
    return n;
}

const struct option_table *tool_table(const struct tool *tool)
{
    static struct option_def defs[DEFS_MAX];
    static struct option_alias aliases[ALIASES_MAX];
    static struct option_group groups[GROUPS_MAX];
    static struct option_table table;
    const struct option_table *all = &refrain_options;
    const struct option_def *def;
    size_t n = 0;
    assert(all->n_groups < GROUPS_MAX);
    groups[0] = (struct option_group){tool->name, "Its own"};
    memcpy(groups + 1, all->groups, all->n_groups * sizeof(*groups));
    for (size_t i = 0; (def = tool_option(tool, i)); i++) {
        assert(n < DEFS_MAX);
        defs[n] = *def;
        defs[n++].group = 0;
    }
    for (size_t i = 0; i < all->n_defs; i++) {
        if (own(tool, all->defs[i].name))
            continue;
        assert(n < DEFS_MAX);
        defs[n] = all->defs[i];
        defs[n].group++;
        defs[n++].flags |= takes(tool, &all->defs[i]) ? 0 : OPTION_ELSEWHERE;
    }
    table = (struct option_table){
        .command = tool->name,
        .operands = tool->operand_option ? tool->operand_option : "input-file",
        .defs = defs,
        .n_defs = n,
        .aliases = aliases,
        .n_aliases = put_aliases(aliases, put_aliases(aliases, 0, all->aliases, all->n_aliases),
                                 tool_aliases, tool_n_aliases),
        .groups = groups,
        .n_groups = all->n_groups + 1,
    };
    return &table;
}
