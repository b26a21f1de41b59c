/* SPDX-License-Identifier: MIT */
#include "cmd/options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/config_file.h"
#include "lib/log.h"
#include "lib/span.h"
#include "lib/units.h"

#define ENV_PREFIX "REFRAIN_"
#define NAME_MAX_LEN 64 /* longer than any option */

struct reader {
    const struct option_table *table;
    struct options *options;
    int argc;
    char *const *argv;
    int at;
    const struct option_def *operands; /* bare words are further values of this one */
    struct err *err;
};

/* --- the nearest name --- */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* How many letters must be inserted, deleted, changed or swapped with their neighbour. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NAME_MAX_LEN + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    assert(a_len <= NAME_MAX_LEN && b_len <= NAME_MAX_LEN);
    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

/* What can be given here. */
static const struct option_def *find_known(const struct option_table *table, const char *name,
                                           size_t len)
{
    const struct option_def *def = option_table_find(table, name, len);
    return def && !(def->flags & OPTION_ELSEWHERE) ? def : NULL;
}

const char *options_nearest(const struct option_table *table, const char *word, size_t len)
{
    const char *nearest = NULL;
    size_t best = len >= 6 ? 4 : len / 2 + 1; /* exclusive */
    if (len > NAME_MAX_LEN)
        return NULL;
    for (size_t i = 0; i < table->n_defs + table->n_aliases; i++) {
        const char *name =
            i < table->n_defs ? table->defs[i].name : table->aliases[i - table->n_defs].name;
        if (!find_known(table, name, strlen(name)))
            continue;
        size_t name_len = strlen(name);
        assert(name_len <= NAME_MAX_LEN);
        size_t d = name_len > 1 ? distance(word, len, name, name_len) : best;
        if (d < best) {
            best = d;
            nearest = name;
        }
    }
    return nearest;
}

/* --- the command line --- */

static int unknown(struct reader *r, const char *word, size_t dashes, size_t len)
{
    const char *near = options_nearest(r->table, word + dashes, len);
    const char *command = r->table->command;
    int shown = (int)(dashes + len);
    if (option_table_find(r->table, word + dashes, len))
        return err_usage(r->err,
                         "\"%.*s\" is no option of refrain %s; refrain %s --help lists them", shown,
                         word, command, command);
    if (near)
        return err_usage(r->err, "unknown option \"%.*s\" (did you mean --%s?)", shown, word, near);
    return err_usage(r->err, "unknown option \"%.*s\"; refrain%s%s --help lists all", shown, word,
                     command ? " " : "", command ? command : "");
}

static size_t count_dashes(const char *word)
{
    return word[0] != '-' ? 0 : word[1] == '-' ? 2 : 1;
}

/* Is this word an option that we know, so that it cannot have been meant as a value? */
static bool is_option(const struct reader *r, const char *word)
{
    size_t dashes = count_dashes(word);
    size_t len = strcspn(word + dashes, "=");
    return dashes > 0 && len > 1 && find_known(r->table, word + dashes, len);
}

static int missing(struct reader *r, const struct option_def *def)
{
    return err_usage(r->err, "--%s: its argument is missing (%s)", def->name, def->arg);
}

static bool has_prefix(const char *text, const char *prefix)
{
    return prefix && strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The value that belongs to def, where the word itself has none after '='. */
static int next_value(struct reader *r, const struct option_def *def, const char **value)
{
    const char *next = r->at < r->argc ? r->argv[r->at] : NULL;
    bool ignored;
    if (def->type == OPTION_BOOL) {
        *value = "true";
        if (next && (!units_parse_bool(next, &ignored) || has_prefix(next, def->spec)))
            *value = r->argv[r->at++];
        return 0;
    }
    if (!next || is_option(r, next))
        return missing(r, def);
    *value = r->argv[r->at++];
    return 0;
}

static int read_operand(struct reader *r, const char *word)
{
    if (!r->operands)
        return err_usage(r->err,
                         "\"%s\" is neither an option nor the value of one; only --input-file takes"
                         " several words",
                         word);
    return options_set(r->options, r->operands->name, word, OPTION_FROM_COMMAND_LINE, r->err);
}

static int read_option(struct reader *r, const char *word, const struct option_def **defp)
{
    size_t dashes = count_dashes(word);
    size_t len = strcspn(word + dashes, "=");
    const struct option_def *def = find_known(r->table, word + dashes, len);
    if (!def)
        return unknown(r, word, dashes, len);
    const char *value = word + dashes + len;
    int rc = 0;
    if (*value == '=')
        value++;
    else
        rc = next_value(r, def, &value);
    if (rc < 0)
        return rc;
    *defp = def;
    if (!r->table->operands)
        r->operands = def->flags & OPTION_OPERANDS ? def : NULL;
    return options_set(r->options, def->name, value, OPTION_FROM_COMMAND_LINE, r->err);
}

/* 1: --help or --version was among them, and everything else does not matter any more. */
static int read_command_line(struct reader *r)
{
    bool only_operands = false;
    while (r->at < r->argc) {
        const char *word = r->argv[r->at++];
        const struct option_def *def = NULL;
        bool dashes = strcmp(word, "--") == 0;
        if (dashes && r->table->operands && !only_operands) {
            only_operands = true;
            continue;
        }
        int rc = only_operands || word[0] != '-' || word[1] == '\0' || dashes
                     ? read_operand(r, word)
                     : read_option(r, word, &def);
        if (rc < 0)
            return rc;
        if (def && (def->flags & OPTION_ACTION) && options_bool(r->options, def->name))
            return 1;
    }
    return 0;
}

/* --- the environment --- */

/* "OUTPUT_HTTP" as "output-http"; len < NAME_MAX_LEN + 1. */
static void name_of_variable(char *name, const char *variable, size_t len)
{
    for (size_t i = 0; i < len; i++)
        name[i] = (char)(variable[i] == '_' ? '-' : tolower((unsigned char)variable[i]));
    name[len] = '\0';
}

/* variable: "OUTPUT_HTTP=http://x", len long up to the '='. */
static int read_variable(struct reader *r, const char *variable, size_t len)
{
    char name[NAME_MAX_LEN + 1];
    const char *value = variable + len + 1;
    if (len > NAME_MAX_LEN || value[0] == '\0')
        return 0;
    name_of_variable(name, variable, len);
    const struct option_def *def = find_known(r->table, name, len);
    /* what is set for a recorder that runs here must not lead a tool's output astray */
    if (r->table->operands && !(def && (def->flags & OPTION_SECRET)))
        return 0;
    if (def && !(def->flags & OPTION_ACTION))
        return options_set(r->options, name, value, OPTION_FROM_ENVIRONMENT, r->err);
    return 0;
}

/* The next variable with our prefix from *p on, without it, and the length of its name. NULL: none.
 */
static const char *next_variable(char ***p, size_t *len)
{
    for (; **p; (*p)++) {
        const char *text = **p;
        if (strncmp(text, ENV_PREFIX, strlen(ENV_PREFIX)) != 0 || !strchr(text, '='))
            continue;
        (*p)++;
        *len = strcspn(text, "=") - strlen(ENV_PREFIX);
        return text + strlen(ENV_PREFIX);
    }
    return NULL;
}

static int read_environment(struct reader *r)
{
    int rc = 0;
    size_t len;
    const char *variable;
    for (char **p = environ; rc == 0 && (variable = next_variable(&p, &len));)
        rc = read_variable(r, variable, len);
    return rc;
}

void options_warn_environment(const struct option_table *table)
{
    char name[NAME_MAX_LEN + 1];
    size_t len;
    const char *variable;
    for (char **p = environ; (variable = next_variable(&p, &len));) {
        if (len < 6 || len > NAME_MAX_LEN || variable[len + 1] == '\0')
            continue;
        name_of_variable(name, variable, len);
        const char *near = find_known(table, name, len) ? NULL : options_nearest(table, name, len);
        if (near)
            log_warn(NULL, ENV_PREFIX "%.*s in the environment is no option (the nearest is --%s)",
                     (int)len, variable, near);
    }
}

static int read_all(struct reader *r)
{
    int rc = read_command_line(r);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = read_environment(r);
    const char *config = r->table->command ? "" : options_string(r->options, "config");
    if (rc == 0 && config[0])
        rc = config_file_read(r->options, r->table, config, r->err);
    if (rc < 0)
        return rc;
    return options_check_built(r->options, r->err);
}

int options_parse(struct options **optionsp, const struct option_table *table, int argc,
                  char *const argv[], struct err *err)
{
    struct reader r = {.table = table, .argc = argc, .argv = argv, .at = 1, .err = err};
    if (table->operands)
        r.operands = option_table_find(table, table->operands, strlen(table->operands));
    int rc = options_new(&r.options, table);
    if (rc < 0)
        return err_sys(err, -rc, "options");
    rc = read_all(&r);
    if (rc < 0) {
        options_free(r.options);
        return rc;
    }
    *optionsp = r.options;
    return 0;
}
