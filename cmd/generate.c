/* SPDX-License-Identifier: MIT */
/* Writes, on standard output, what is made from the option table and the list of counters. Run by
 * the build, and not installed. usage: generate WHAT, see main(). */
#include <stdio.h>
#include <string.h>

#include "cmd/help.h"
#include "cmd/options_table.h"
#include "lib/base.h"

#define TEXT_MAX 512

static const struct option_table *const table = &refrain_options;

/* --- mdoc --- */

/* text, so that roff reads no escape or request in it. */
static void put_mdoc(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '"')
            fputs("\\(dq", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

/* One sentence or clause to a line, as mdoc wants it: a line must not end a sentence inside. */
static void mdoc_option(const struct option_def *def)
{
    char text[TEXT_MAX];
    help_text(text, sizeof(text), def);
    printf(".It Fl \\-%s", def->name);
    if (def->arg) {
        fputs(" Ar \"", stdout);
        put_mdoc(def->arg);
        fputs("\"", stdout);
    }
    putchar('\n');
    put_mdoc(text);
    fputs(".\n", stdout);
    if (def->type == OPTION_LIST || def->type == OPTION_INTS)
        fputs("May be repeated.\n", stdout);
}

static void mdoc_options(void)
{
    for (unsigned group = 0; group < table->n_groups; group++) {
        printf(".Ss %s\n.Bl -tag -width Ds\n", table->groups[group].title);
        for (size_t i = 0; i < table->n_defs; i++)
            if (table->defs[i].group == group)
                mdoc_option(&table->defs[i]);
        fputs(".El\n", stdout);
    }
    fputs(".Ss Other names\n.Bl -tag -width Ds\n", stdout);
    for (size_t i = 0; i < table->n_aliases; i++)
        printf(".It Fl %s%s\nThe same as\n.Fl \\-%s .\n",
               strlen(table->aliases[i].name) > 1 ? "\\-" : "", table->aliases[i].name,
               table->aliases[i].target);
    fputs(".El\n", stdout);
}

static void mdoc_counters(void)
{
    fputs(".Bl -tag -width Ds\n", stdout);
#define BOOK(NAME, name, text)                                                                     \
    fputs(".It Dv " name "\n", stdout);                                                            \
    put_mdoc(text);                                                                                \
    putchar('\n');
#include "lib/books.def"
#undef BOOK
    fputs(".El\n", stdout);
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

static void bash(void)
{
    fputs("# bash completion for refrain(1)\n"
          "_refrain()\n{\n"
          "    local cur prev words cword\n"
          "    cur=${COMP_WORDS[COMP_CWORD]}\n"
          "    prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    case $prev in\n",
          stdout);
    for (size_t i = 0; i < table->n_defs; i++) {
        const struct option_def *def = &table->defs[i];
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
    fputs("    esac\n    mapfile -t COMPREPLY < <(compgen -W '", stdout);
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

static void zsh(void)
{
    fputs("#compdef refrain\n_arguments -S \\\n", stdout);
    for (size_t i = 0; i < table->n_defs; i++) {
        const struct option_def *def = &table->defs[i];
        bool list = def->type == OPTION_LIST || def->type == OPTION_INTS;
        printf("    '%s--%s%s[", list ? "*" : "", def->name, def->arg ? "=" : "");
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
        printf("'%s\n", i + 1 < table->n_defs ? " \\" : "");
    }
}

static void fish(void)
{
    for (size_t i = 0; i < table->n_defs; i++) {
        const struct option_def *def = &table->defs[i];
        printf("complete -c refrain %s-l %s%s -d '", takes_file(def) ? "" : "-f ", def->name,
               def->arg ? " -r" : "");
        put_quoted(def->help, "\\");
        putchar('\'');
        if (def->type == OPTION_ENUM) {
            fputs(" -a '", stdout);
            put_choices(def);
            putchar('\'');
        }
        putchar('\n');
    }
}

/* --- the rest --- */

static void names(void)
{
    for (size_t i = 0; i < table->n_defs; i++)
        printf("--%s\n", table->defs[i].name);
}

static void help(void)
{
    help_print(stdout);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(void);
    } kinds[] = {
        {"man-options", mdoc_options},
        {"man-counters", mdoc_counters},
        {"bash", bash},
        {"zsh", zsh},
        {"fish", fish},
        {"help", help},
        {"names", names},
    };
    for (size_t i = 0; argc == 2 && i < ARRAY_LEN(kinds); i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].write();
            return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
        }
    }
    fputs("usage: generate man-options|man-counters|bash|zsh|fish|help|names\n", stderr);
    return 2;
}
