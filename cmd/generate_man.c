/* SPDX-License-Identifier: MIT */
#include "cmd/generate.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmd/help.h"
#include "cmd/options_table.h"
#include "cmd/tool_table.h"
#include "lib/base.h"

#define TEXT_MAX 512
#define MDOC_WIDTH 78

static const struct option_table *const table = &refrain_options;

/* The len bytes at text, so that roff reads no escape in them. */
static void put_mdoc(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\')
            fputs("\\e", stdout);
        else if (text[i] == '"')
            fputs("\\(dq", stdout);
        else if (text[i] == '-')
            fputs("\\-", stdout);
        else
            putchar(text[i]);
    }
}

/* How many columns that takes, or nearly. */
static size_t mdoc_width(const char *text, size_t len)
{
    size_t n = len;
    for (size_t i = 0; i < len; i++)
        n += text[i] == '-' || text[i] == '\\' ? 1 : text[i] == '"' ? 3 : 0;
    return n;
}

/* text in lines of their own, none of which roff takes for a request. */
static void put_mdoc_lines(const char *text)
{
    for (size_t at = 0; *text;) {
        size_t word = strcspn(text, " ");
        size_t width = mdoc_width(text, word);
        if (at > 0 && at + width >= MDOC_WIDTH) {
            putchar('\n');
            at = 0;
        }
        fputs(at > 0 ? " " : *text == '.' || *text == '\'' ? "\\&" : "", stdout);
        put_mdoc(text, word);
        at += width + 1;
        text += word + (text[word] == ' ');
    }
    putchar('\n');
}

/* The head of an option's entry. */
static void mdoc_item(const struct option_def *def)
{
    printf(".It Fl \\-%s", def->name);
    if (def->arg) {
        fputs(" Ar \"", stdout);
        put_mdoc(def->arg, strlen(def->arg));
        fputs("\"", stdout);
    }
    putchar('\n');
}

static void mdoc_option(const struct option_def *def)
{
    char text[TEXT_MAX];
    size_t n = help_text(text, sizeof(text), def);
    assert(n + 2 < sizeof(text));
    memcpy(text + n, ".", 2);
    text[0] = (char)toupper((unsigned char)text[0]);
    mdoc_item(def);
    put_mdoc_lines(text);
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
    put_mdoc_lines(text);
#include "lib/books.def"
#undef BOOK
    fputs(".El\n", stdout);
}

/* What only this tool has in full, and the rest by name. name: ends with '@' and LF. */
static void mdoc_tool_options(const char *name)
{
    char word[32];
    snprintf(word, sizeof(word), "%.*s", (int)strcspn(name, "@"), name);
    const struct tool *tool = tool_find(word);
    assert(tool);
    const struct option_table *options = tool_table(tool);
    fputs(".Bl -tag -width Ds\n", stdout);
    for (size_t i = 0; i < options->n_defs; i++)
        if (options->defs[i].group == 0)
            mdoc_option(&options->defs[i]);
    fputs(".El\n.Pp\nAs in\n.Xr refrain 1 :\n", stdout);
    bool any = false;
    for (size_t i = 0; i < options->n_defs; i++) {
        if (options->defs[i].group == 0 || (options->defs[i].flags & OPTION_ELSEWHERE))
            continue;
        printf("%s.Fl \\-%s", any ? " ,\n" : "", options->defs[i].name);
        any = true;
    }
    fputs(" .\n", stdout);
}

/* --- gor's flags --- */

static const struct gor_flag {
    const char *name, *value; /* gor's default */
    enum { SAME, DIFFERS, NEEDLESS, NOT_OFFERED } relation;
    const char *note;
} gor_flags[] = {
#define GOR(name, value, RELATION, note) {name, value, RELATION, note},
#include "cmd/gor.def"
#undef GOR
};

static const struct option_def *gor_option(const struct gor_flag *flag)
{
    const struct option_def *def = option_table_find(table, flag->name, strlen(flag->name));
    assert(def);
    return def;
}

static void mdoc_gor_flag(const struct gor_flag *flag)
{
    static const char *const words[] = {"Same", "Differs", "Accepted, and not needed",
                                        "Not offered"};
    char text[TEXT_MAX];
    const struct option_def *def = gor_option(flag);
    const char *value = def->value ? def->value : "";
    int n = snprintf(text, sizeof(text), "%s%s%s.", words[flag->relation],
                     flag->note[0] ? ": " : "", flag->note);
    assert(n > 0 && (size_t)n < sizeof(text));
    mdoc_item(def);
    put_mdoc_lines(text);
    if (strcmp(value, flag->value) == 0)
        return;
    snprintf(text, sizeof(text), "The default is %s; gor's is %s.", value, flag->value);
    put_mdoc_lines(text);
}

static void mdoc_gor(void)
{
    for (unsigned group = 0; group < table->n_groups; group++) {
        bool any = false;
        for (size_t i = 0; i < ARRAY_LEN(gor_flags); i++) {
            if (gor_option(&gor_flags[i])->group != group)
                continue;
            if (!any)
                printf(".Ss %s\n.Bl -tag -width Ds\n", table->groups[group].title);
            any = true;
            mdoc_gor_flag(&gor_flags[i]);
        }
        if (any)
            fputs(".El\n", stdout);
    }
}

void generate_gor(void)
{
    static const char *const words[] = {"SAME", "DIFFERS", "NEEDLESS", "NOT_OFFERED"};
    for (size_t i = 0; i < ARRAY_LEN(gor_flags); i++) {
        const struct option_def *def = gor_option(&gor_flags[i]);
        printf("%s\t%s\t%s\t%s\t%d\t%s\t%s\n", gor_flags[i].name, words[gor_flags[i].relation],
               gor_flags[i].value, def->value ? def->value : "", !(def->flags & OPTION_NOT_BUILT),
               gor_flags[i].note, def->help);
    }
}

int generate_man(const char *path)
{
    char line[1024];
    FILE *in = fopen(path, "r");
    if (!in) {
        fprintf(stderr, "generate: cannot read %s\n", path);
        return 1;
    }
    while (fgets(line, sizeof(line), in)) {
        if (strcmp(line, "@OPTIONS@\n") == 0)
            mdoc_options();
        else if (strncmp(line, "@OPTIONS ", 9) == 0)
            mdoc_tool_options(line + 9);
        else if (strcmp(line, "@COUNTERS@\n") == 0)
            mdoc_counters();
        else if (strcmp(line, "@GOR@\n") == 0)
            mdoc_gor();
        else
            fputs(line, stdout);
    }
    fclose(in);
    return 0;
}
