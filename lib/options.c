/* SPDX-License-Identifier: MIT */
#include "lib/options_table.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/options_internal.h"
#include "lib/units.h"

#define SECRET_MAX 4096

const struct option_def *option_table_find(const struct option_table *table, const char *name,
                                           size_t len)
{
    for (size_t i = 0; i < table->n_aliases; i++) {
        const struct option_alias *alias = &table->aliases[i];
        if (strlen(alias->name) == len && memcmp(alias->name, name, len) == 0)
            return option_table_find(table, alias->target, strlen(alias->target));
    }
    for (size_t i = 0; i < table->n_defs; i++)
        if (strlen(table->defs[i].name) == len && memcmp(table->defs[i].name, name, len) == 0)
            return &table->defs[i];
    return NULL;
}

/* --- looking up --- */

const struct option_def *options_find(const struct options *options, const char *name)
{
    const struct option_def *def = option_table_find(options->table, name, strlen(name));
    assert(def);
    return def;
}

const struct value *options_value(const struct options *options, const struct option_def *def)
{
    return &options->values[def - options->table->defs];
}

const struct value *options_lookup(const struct options *options, const char *name,
                                   enum option_type type)
{
    const struct option_def *def = options_find(options, name);
    assert(def->type == type);
    return options_value(options, def);
}

bool options_bool(const struct options *options, const char *name)
{
    return options_lookup(options, name, OPTION_BOOL)->number.boolean;
}

int64_t options_int(const struct options *options, const char *name)
{
    return options_lookup(options, name, OPTION_INT)->number.integer;
}

uint64_t options_size(const struct options *options, const char *name)
{
    return options_lookup(options, name, OPTION_SIZE)->number.size;
}

int64_t options_duration_ns(const struct options *options, const char *name)
{
    return options_lookup(options, name, OPTION_DURATION)->number.integer;
}

double options_share(const struct options *options, const char *name)
{
    return options_lookup(options, name, OPTION_SHARE)->number.share;
}

const char *options_string(const struct options *options, const char *name)
{
    const struct option_def *def = options_find(options, name);
    assert(def->type == OPTION_STRING || def->type == OPTION_ENUM || def->type == OPTION_BOOL);
    return options_text(options, name);
}

const char *options_text(const struct options *options, const char *name)
{
    const struct option_def *def = options_find(options, name);
    const struct value *value = options_value(options, def);
    assert(def->type != OPTION_LIST && def->type != OPTION_INTS);
    return value->text ? value->text : def->value ? def->value : "";
}

const char *options_nth(const struct options *options, const char *name, size_t n)
{
    const struct option_def *def = options_find(options, name);
    assert(def->type == OPTION_LIST || def->type == OPTION_INTS);
    const struct value *value = options_value(options, def);
    return n < value->n_items ? value->items[n] : NULL;
}

bool options_nth_int(const struct options *options, const char *name, size_t n, int64_t *out)
{
    const struct value *value = options_lookup(options, name, OPTION_INTS);
    if (n >= value->n_items)
        return false;
    const char *expected = units_parse_int(value->items[n], out);
    assert(!expected); /* was checked when it was set */
    return true;
}

bool options_given(const struct options *options, const char *name)
{
    return options_source(options, name) != OPTION_FROM_DEFAULT;
}

enum option_source options_source(const struct options *options, const char *name)
{
    return options_value(options, options_find(options, name))->source;
}

/* --- parsing values --- */

/* The bounds of spec "MIN..MAX". */
static bool in_range(const char *spec, int64_t n)
{
    const char *dots = spec ? strstr(spec, "..") : NULL;
    char low[24];
    int64_t bound;
    if (!dots)
        return true;
    snprintf(low, sizeof(low), "%.*s", (int)(dots - spec), spec);
    if (low[0] && !units_parse_int(low, &bound) && n < bound)
        return false;
    return !dots[2] || units_parse_int(dots + 2, &bound) || n <= bound;
}

static const char *parse_int(const struct option_def *def, const char *text, int64_t *out)
{
    static _Thread_local char expected[64];
    int64_t n;
    const char *wrong = units_parse_int(text, &n);
    if (wrong || !in_range(def->spec, n)) {
        if (!def->spec)
            return wrong;
        const char *dots = strstr(def->spec, "..");
        if (dots[2])
            snprintf(expected, sizeof(expected), "a whole number from %.*s to %s",
                     (int)(dots - def->spec), def->spec, dots + 2);
        else
            snprintf(expected, sizeof(expected), "a whole number of at least %.*s",
                     (int)(dots - def->spec), def->spec);
        return expected;
    }
    *out = n;
    return NULL;
}

static const char *parse_enum(const struct option_def *def, const char *text, int64_t *out,
                              bool *built)
{
    static _Thread_local char expected[128];
    const char *choice = def->spec;
    size_t used = 0;
    for (int64_t i = 0; choice; i++) {
        const char *bar = strchr(choice, '|');
        bool not_built = choice[0] == '!';
        choice += not_built;
        size_t len = bar ? (size_t)(bar - choice) : strlen(choice);
        if (strlen(text) == len && memcmp(text, choice, len) == 0) {
            *out = i;
            *built = !not_built;
            return NULL;
        }
        if (!not_built)
            used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s%.*s",
                                     used ? ", " : "one of ", (int)len, choice);
        assert(used < sizeof(expected));
        choice = bar ? bar + 1 : NULL;
    }
    return expected;
}

static const char *parse_bool(const struct option_def *def, const char *text, bool *out)
{
    if (def->spec && strncmp(text, def->spec, strlen(def->spec)) == 0) {
        *out = true;
        return NULL;
    }
    return units_parse_bool(text, out);
}

static const char *parse(const struct option_def *def, const char *text, struct value *value,
                         bool *built)
{
    switch (def->type) {
    case OPTION_BOOL:
        return parse_bool(def, text, &value->number.boolean);
    case OPTION_INT:
    case OPTION_INTS:
        return parse_int(def, text, &value->number.integer);
    case OPTION_SIZE:
        return units_parse_size(text, &value->number.size);
    case OPTION_DURATION:
        return units_parse_duration(text, &value->number.integer);
    case OPTION_SHARE:
        return units_parse_share(text, &value->number.share);
    case OPTION_ENUM:
        return parse_enum(def, text, &value->number.integer, built);
    case OPTION_STRING:
    case OPTION_LIST:
        break;
    }
    return NULL;
}

/* --- setting --- */

/* "--exit-after", "REFRAIN_EXIT_AFTER" or "exit-after". */
struct label {
    char text[80];
};

static struct label label_of(const struct option_def *def, enum option_source source)
{
    struct label label;
    bool env = source == OPTION_FROM_ENVIRONMENT;
    const char *prefix = env ? "REFRAIN_" : source == OPTION_FROM_CONFIG ? "" : "--";
    int n = snprintf(label.text, sizeof(label.text), "%s%s", prefix, def->name);
    assert(n > 0 && (size_t)n < sizeof(label.text));
    for (char *p = label.text; env && *p; p++)
        *p = (char)(*p == '-' ? '_' : toupper((unsigned char)*p));
    return label;
}

static void value_clear(struct value *value)
{
    for (size_t i = 0; i < value->n_items; i++)
        mem_free(value->items[i]);
    mem_free(value->items);
    mem_free(value->owners);
    mem_free(value->text);
    value->items = NULL;
    value->owners = NULL;
    value->n_items = 0;
    value->text = NULL;
}

static int no_memory(struct err *err)
{
    return err_sys(err, ENOMEM, "options");
}

static int add_item(struct value *value, const char *text, size_t len, struct err *err)
{
    char **items =
        mem_realloc(MEM_OTHER, value->items, (value->n_items + 1) * sizeof(*value->items));
    if (!items)
        return no_memory(err);
    value->items = items;
    unsigned *owners =
        mem_realloc(MEM_OTHER, value->owners, (value->n_items + 1) * sizeof(*value->owners));
    if (!owners)
        return no_memory(err);
    value->owners = owners;
    char *item = mem_alloc(MEM_OTHER, len + 1);
    if (!item)
        return no_memory(err);
    memcpy(item, text, len);
    item[len] = '\0';
    owners[value->n_items] = 0;
    items[value->n_items++] = item;
    return 0;
}

static int add_items(struct value *value, const struct option_def *def, const char *text,
                     enum option_source source, struct err *err)
{
    const char *line = text;
    do {
        size_t len = source == OPTION_FROM_ENVIRONMENT ? strcspn(line, "\n") : strlen(line);
        int rc = 0;
        if (len > 0 || source != OPTION_FROM_ENVIRONMENT)
            rc = add_item(value, line, len, err);
        if (rc < 0)
            return rc;
        const char *item = value->n_items > 0 ? value->items[value->n_items - 1] : NULL;
        const char *expected = item ? parse(def, item, value, NULL) : NULL;
        if (expected) {
            rc = err_usage(err, "%s \"%s\": expected %s", label_of(def, source).text, item,
                           expected);
            mem_free(value->items[--value->n_items]);
            return rc;
        }
        line += len;
    } while (*line++ == '\n');
    return 0;
}

/* The secret in the file named after the @, without its line end. */
static int read_secret(const char *label, const char *path, char *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return err_sys(err, errno, "%s: cannot read the file %s", label, path);
    ssize_t n = read(fd, out, SECRET_MAX);
    int errnum = errno;
    close(fd);
    if (n == -1)
        return err_sys(err, errnum, "%s: cannot read the file %s", label, path);
    if (n == SECRET_MAX)
        return err_usage(err, "%s: %s is too long for a secret (%d bytes at most)", label, path,
                         SECRET_MAX - 1);
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
        n--;
    out[n] = '\0';
    return 0;
}

static int set_scalar(struct value *value, const struct option_def *def, const char *text,
                      enum option_source source, struct err *err)
{
    struct label label = label_of(def, source);
    char secret[SECRET_MAX] = "";
    bool hide = (def->flags & OPTION_SECRET) != 0 && !(def->flags & OPTION_NOT_BUILT);
    if (hide && text[0] == '@') {
        int rc = read_secret(label.text, text + 1, secret, err);
        if (rc)
            return rc;
        text = secret;
    } else if (hide && source == OPTION_FROM_COMMAND_LINE) {
        return err_usage(err, "%s: every user can read a command line; use %s, or %s @FILE",
                         label.text, label_of(def, OPTION_FROM_ENVIRONMENT).text, label.text);
    }
    /* gor takes "" for "leave it as it is" */
    if (text[0] == '\0' && (def->type == OPTION_SIZE || def->type == OPTION_ENUM))
        text = def->value;
    bool built = true;
    const char *expected = parse(def, text, value, &built);
    if (expected)
        return err_usage(err, "%s \"%s\": expected %s", label.text, text, expected);
    if (!built)
        return err_usage(err, "%s %s: not available in this version", label.text, text);
    char *copy = mem_strdup(MEM_OTHER, text);
    if (!copy)
        return no_memory(err);
    mem_free(value->text);
    value->text = copy;
    return 0;
}

int options_set(struct options *options, const char *name, const char *text,
                enum option_source source, struct err *err)
{
    const struct option_def *def = options_find(options, name);
    struct value *value = &options->values[def - options->table->defs];
    /* what is bound belongs to its output, wherever that was given */
    if (source < value->source && !(def->flags & OPTION_BOUND))
        return 0;
    if ((def->flags & OPTION_BOUND) && source == OPTION_FROM_ENVIRONMENT)
        return err_usage(err,
                         "%s: this option belongs to the output before it, so it can only "
                         "stand on the command line or in a file",
                         label_of(def, source).text);
    if ((def->flags & OPTION_BOUND) && options->n_outputs == 0)
        return err_usage(err,
                         "%s: no output stands before it; write it behind the output that it "
                         "is for",
                         label_of(def, source).text);
    if (source > value->source)
        value->source = source;
    if (def->type != OPTION_LIST && def->type != OPTION_INTS) {
        if (def->flags & OPTION_OUTPUT)
            value->owner = ++options->n_outputs;
        return set_scalar(value, def, text, source, err);
    }
    size_t first = value->n_items;
    int rc = add_items(value, def, text, source, err);
    for (size_t i = first; i < value->n_items; i++)
        value->owners[i] = def->flags & OPTION_OUTPUT ? ++options->n_outputs : options->n_outputs;
    return rc;
}

int options_new(struct options **optionsp, const struct option_table *table)
{
    struct options *o = mem_zalloc(MEM_OTHER, sizeof(*o) + table->n_defs * sizeof(o->values[0]));
    if (!o)
        return -ENOMEM;
    o->table = table;
    for (size_t i = 0; i < table->n_defs; i++) {
        const struct option_def *def = &table->defs[i];
        o->values[i].number.integer = 0;
        if (def->type == OPTION_SHARE)
            o->values[i].number.share = -1;
        bool built = true;
        const char *wrong = def->value ? parse(def, def->value, &o->values[i], &built) : NULL;
        assert(!wrong && built);
        (void)wrong;
    }
    *optionsp = o;
    return 0;
}

struct options *options_ref(struct options *options)
{
    options->more_refs++;
    return options;
}

void options_free(struct options *options)
{
    if (!options)
        return;
    if (options->more_refs > 0) {
        options->more_refs--;
        return;
    }
    for (size_t i = 0; i < options->table->n_defs; i++)
        value_clear(&options->values[i]);
    mem_free(options);
}

static bool is_default(const struct option_def *def, const struct value *value)
{
    if (def->type == OPTION_LIST || def->type == OPTION_INTS)
        return value->n_items == 0;
    if (!value->text)
        return true;
    if (def->type == OPTION_STRING)
        return strcmp(value->text, def->value ? def->value : "") == 0;
    struct value usual = {0};
    bool built;
    const char *wrong = parse(def, def->value ? def->value : "0", &usual, &built);
    assert(!wrong);
    (void)wrong;
    switch (def->type) {
    case OPTION_BOOL:
        return usual.number.boolean == value->number.boolean;
    case OPTION_SIZE:
        return usual.number.size == value->number.size;
    default:
        return usual.number.integer == value->number.integer;
    }
}

int options_check_built(const struct options *options, struct err *err)
{
    for (size_t i = 0; i < options->table->n_defs; i++) {
        const struct option_def *def = &options->table->defs[i];
        const struct value *value = &options->values[i];
        if ((def->flags & OPTION_NOT_BUILT) && !is_default(def, value))
            return err_usage(err, "%s: not available in this version",
                             label_of(def, value->source).text);
    }
    return 0;
}
