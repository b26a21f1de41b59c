/* SPDX-License-Identifier: MIT */
/* Writes, on standard output, what is made from the option table and the list of counters. Run by
 * the build, and not installed. usage: generate WHAT, see main(). */
#include "cmd/generate.h"

#include <stdio.h>
#include <string.h>

#include "cmd/help.h"
#include "cmd/options_table.h"
#include "cmd/tool_table.h"
#include "lib/base.h"

static const struct option_table *const table = &refrain_options;

static bool is_known(const struct option_def *def)
{
    return !(def->flags & OPTION_ELSEWHERE);
}

/* A space before all but the first of a list. */
static const char *space(bool *any)
{
    const char *text = *any ? " " : "";
    *any = true;
    return text;
}

/* --- shells --- */

static bool takes_file(const struct option_def *def)
{
    return def->arg && (strncmp(def->arg, "FILE", 4) == 0 || strcmp(def->arg, "DIR") == 0 ||
                        strcmp(def->arg, "@FILE") == 0 || strcmp(def->arg, "COMMAND") == 0);
}

/* The choices of an enum that are built, with spaces between. */
static void put_choices(const struct option_def *def)
{
    const char *choice = def->spec;
    for (bool first = true; choice;) {
        const char *bar = strchr(choice, '|');
        size_t len = bar ? (size_t)(bar - choice) : strlen(choice);
        if (choice[0] != '!') {
            printf("%s%.*s", first ? "" : " ", (int)len, choice);
            first = false;
        }
        choice = bar ? bar + 1 : NULL;
    }
}

/* The values of options as cases; own: only of those that the table has for itself. */
static void bash_values(const struct option_table *options, bool own)
{
    for (size_t i = 0; i < options->n_defs; i++) {
        const struct option_def *def = &options->defs[i];
        if (own && def->group != 0)
            continue;
        if (def->type == OPTION_ENUM) {
            printf("    --%s)\n        mapfile -t COMPREPLY < <(compgen -W '", def->name);
            put_choices(def);
            fputs("' -- \"$cur\")\n        return ;;\n", stdout);
        } else if (takes_file(def)) {
            printf("    --%s)\n        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
                   "        return ;;\n",
                   def->name);
        } else if (def->arg) {
            printf("    --%s)\n        COMPREPLY=()\n        return ;;\n", def->name);
        }
    }
}

/* Behind a tool's name: its options, and files. */
static void bash_tools(void)
{
    fputs("    local words=\n    case ${COMP_WORDS[1]} in\n", stdout);
    for (const struct tool *const *tool = tools; *tool; tool++) {
        const struct option_table *options = tool_table(*tool);
        bool any = false;
        printf("    %s)\n    case $prev in\n", (*tool)->name);
        bash_values(options, true);
        fputs("    esac\n        words='", stdout);
        for (size_t i = 0; i < options->n_defs; i++)
            if (is_known(&options->defs[i]))
                printf("%s--%s", space(&any), options->defs[i].name);
        printf("' ;; # %s\n", (*tool)->name);
    }
    fputs("    esac\n"
          "    if [ -n \"$words\" ] && [ \"$COMP_CWORD\" -gt 1 ]; then\n"
          "        if [[ $cur != -* ]]; then\n"
          "            mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
          "            return\n"
          "        fi\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "        return\n"
          "    fi\n",
          stdout);
}

/* All that the first word may be. */
static void put_commands(void)
{
    bool any = false;
    for (size_t i = 0; i < HELP_COMMANDS; i++)
        printf("%s%s", space(&any), help_commands[i].word);
    for (const struct tool *const *tool = tools; *tool; tool++)
        printf("%s%s", space(&any), (*tool)->name);
}

static void bash(void)
{
    fputs("# bash completion for refrain(1)\n"
          "_refrain()\n{\n"
          "    local cur prev\n"
          "    cur=${COMP_WORDS[COMP_CWORD]}\n"
          "    prev=${COMP_WORDS[COMP_CWORD-1]}\n",
          stdout);
    bash_tools();
    fputs("    case $prev in\n", stdout);
    bash_values(table, false);
    fputs("    esac\n    if [ \"$COMP_CWORD\" -eq 1 ] && [[ $cur != -* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W '",
          stdout);
    put_commands();
    fputs("' -- \"$cur\")\n        return\n    fi\n"
          "    mapfile -t COMPREPLY < <(compgen -W '",
          stdout);
    for (size_t i = 0; i < table->n_defs; i++)
        printf("%s--%s", i ? "\n        " : "", table->defs[i].name);
    fputs("' -- \"$cur\")\n}\ncomplete -o filenames -F _refrain refrain\n", stdout);
}

/* text inside single quotes, with a backslash before each character of special. */
static void put_quoted(const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
            continue;
        }
        if (strchr(special, *text))
            putchar('\\');
        putchar(*text);
    }
}

static void zsh_option(const struct option_def *def, const char *indent, bool last)
{
    bool list = def->type == OPTION_LIST || def->type == OPTION_INTS;
    printf("%s'%s--%s%s[", indent, list ? "*" : "", def->name, def->arg ? "=" : "");
    put_quoted(def->help, "[]:\\");
    putchar(']');
    if (def->arg) {
        putchar(':');
        put_quoted(def->arg, "[]:\\");
        putchar(':');
    }
    if (def->type == OPTION_ENUM) {
        putchar('(');
        put_choices(def);
        putchar(')');
    } else if (takes_file(def)) {
        fputs("_files", stdout);
    }
    printf("'%s\n", last ? "" : " \\");
}

static void zsh(void)
{
    fputs("#compdef refrain\ncase $words[2] in\n", stdout);
    for (const struct tool *const *tool = tools; *tool; tool++) {
        const struct option_table *options = tool_table(*tool);
        printf("%s)\n    shift words\n    (( CURRENT-- ))\n    _arguments -S \\\n", (*tool)->name);
        for (size_t i = 0; i < options->n_defs; i++)
            if (is_known(&options->defs[i]))
                zsh_option(&options->defs[i], "        ", false);
        fputs("        '*:file:_files'\n    return ;;\n", stdout);
    }
    fputs("esac\n_arguments -S \\\n    '1::command:(", stdout);
    put_commands();
    fputs(")' \\\n", stdout);
    for (size_t i = 0; i < table->n_defs; i++)
        zsh_option(&table->defs[i], "    ", i + 1 == table->n_defs);
}

/* condition: "" or "-n '...' ". */
static void fish_option(const struct option_def *def, const char *condition)
{
    printf("complete -c refrain %s%s-l %s%s -d '", condition, takes_file(def) ? "" : "-f ",
           def->name, def->arg ? " -r" : "");
    put_quoted(def->help, "\\");
    putchar('\'');
    if (def->type == OPTION_ENUM) {
        fputs(" -a '", stdout);
        put_choices(def);
        putchar('\'');
    }
    putchar('\n');
}

static void fish_command(const char *word, const char *summary)
{
    printf("complete -c refrain -n __fish_use_subcommand -a %s -d '", word);
    put_quoted(summary, "\\");
    fputs("'\n", stdout);
}

static void fish(void)
{
    char condition[512] = "-n 'not __fish_seen_subcommand_from", seen[80];
    size_t n = strlen(condition);
    for (const struct tool *const *tool = tools; *tool; tool++)
        n += (size_t)snprintf(condition + n, sizeof(condition) - n, " %s", (*tool)->name);
    snprintf(condition + n, sizeof(condition) - n, "' ");
    assert(n + 3 < sizeof(condition));
    for (size_t i = 0; i < HELP_COMMANDS; i++)
        fish_command(help_commands[i].word, help_commands[i].summary);
    for (const struct tool *const *tool = tools; *tool; tool++)
        fish_command((*tool)->name, (*tool)->summary);
    for (size_t i = 0; i < table->n_defs; i++)
        fish_option(&table->defs[i], condition);
    for (const struct tool *const *tool = tools; *tool; tool++) {
        const struct option_table *options = tool_table(*tool);
        snprintf(seen, sizeof(seen), "-n '__fish_seen_subcommand_from %s' ", (*tool)->name);
        for (size_t i = 0; i < options->n_defs; i++)
            if (is_known(&options->defs[i]))
                fish_option(&options->defs[i], seen);
    }
}

/* --- the rest --- */

static void put_names(const struct option_table *options)
{
    for (size_t i = 0; i < options->n_defs; i++)
        if (is_known(&options->defs[i]))
            printf("--%s\n", options->defs[i].name);
}

static void names(void)
{
    put_names(table);
}

static void help(void)
{
    help_print(stdout);
}

static void tool_names(void)
{
    for (const struct tool *const *tool = tools; *tool; tool++)
        puts((*tool)->name);
}

/* Of one tool. False: what is asked for is not known. */
static bool of_tool(const char *what, const char *name)
{
    const struct tool *tool = tool_find(name);
    if (!tool)
        return false;
    if (strcmp(what, "names") == 0)
        put_names(tool_table(tool));
    else if (strcmp(what, "help") == 0)
        help_print_tool(stdout, tool_table(tool), tool);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(void);
    } kinds[] = {
        {"bash", bash}, {"zsh", zsh},     {"fish", fish},        {"gor", generate_gor},
        {"help", help}, {"names", names}, {"tools", tool_names},
    };
    int status = 2;
    if (argc == 3 && strcmp(argv[1], "man") == 0)
        status = generate_man(argv[2]);
    else if (argc == 3 && of_tool(argv[1], argv[2]))
        status = 0;
    for (size_t i = 0; argc == 2 && i < ARRAY_LEN(kinds); i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].write();
            status = 0;
        }
    }
    if (status == 2)
        fputs(
            "usage: generate man TEMPLATE | bash | zsh | fish | gor | tools | help [TOOL] | names "
            "[TOOL]\n",
            stderr);
    return fflush(stdout) == 0 && !ferror(stdout) ? status : 1;
}
