/* SPDX-License-Identifier: MIT */
#include "cmd/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/options.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"

#define NAME_MAX_LEN 64
#define BOUND "to-"

struct reader {
    const struct config_text *config;
    const struct option_table *table;
    struct options *options;
    struct err *err;
    size_t line; /* counts from 1 */
    bool in_section, has_output;
    struct span name; /* of the section; may be empty */
};

/* --- errors --- */

static int wrong(struct reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int wrong(struct reader *r, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return err_usage(r->err, "%s:%zu: %s", r->config->path, r->line, text);
}

/* Puts the place in front of what err says. */
static int placed(struct reader *r, int rc)
{
    struct err told = *r->err;
    if (rc < 0)
        snprintf(r->err->text, sizeof(r->err->text), "%s:%zu: %.900s", r->config->path, r->line,
                 told.text);
    return rc;
}

/* --- one line --- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Cuts "name", "name value" and "name = value" in two. False: there is no value. */
static bool cut(struct span line, struct span *name, struct span *value)
{
    size_t n = 0;
    while (n < line.len && !is_blank(line.ptr[n]) && line.ptr[n] != '=')
        n++;
    *name = span_of(line.ptr, n);
    *value = span_trim(span_from(line, n));
    bool equals = value->len > 0 && value->ptr[0] == '=';
    if (equals)
        *value = span_trim(span_from(*value, 1));
    bool given = equals || value->len > 0;
    if (value->len >= 2 && value->ptr[0] == '"' && value->ptr[value->len - 1] == '"')
        *value = span_of(value->ptr + 1, value->len - 2);
    return given;
}

/* What a name means in the place where it stands; NULL: nothing. */
static const struct option_def *find(const struct reader *r, struct span name)
{
    char bound[NAME_MAX_LEN + sizeof(BOUND)];
    const struct option_def *def = NULL;
    if (r->in_section && r->has_output && name.len <= NAME_MAX_LEN) {
        int n = snprintf(bound, sizeof(bound), BOUND "%.*s", (int)name.len, name.ptr);
        assert(n >= 0 && (size_t)n < sizeof(bound));
        def = option_table_find(r->table, bound, (size_t)n);
        if (def && (def->flags & OPTION_BOUND))
            return def;
    }
    return option_table_find(r->table, (const char *)name.ptr, name.len);
}

static int unknown(struct reader *r, struct span name)
{
    const char *near = options_nearest(r->table, (const char *)name.ptr, name.len);
    if (near)
        return wrong(r, "unknown option \"%.*s\" (did you mean %s?)", (int)name.len, name.ptr,
                     near);
    return wrong(r, "unknown option \"%.*s\"; refrain --help lists all", (int)name.len, name.ptr);
}

static bool is_for_command_line(const struct option_def *def)
{
    static const char *const names[] = {"config", "check-config", "dump-config"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(def->name, names[i]) == 0)
            return true;
    return (def->flags & OPTION_ACTION) != 0;
}

/* May this option stand here? */
static int check_place(struct reader *r, const struct option_def *def)
{
    bool output = (def->flags & OPTION_OUTPUT) != 0;
    if (is_for_command_line(def))
        return wrong(r, "%s can only stand on the command line", def->name);
    if (output && options_source(r->options, def->name) > OPTION_FROM_CONFIG)
        return wrong(r,
                     "%s is also given on the command line or in the environment: give all its "
                     "outputs in one place",
                     def->name);
    if (!r->in_section)
        return 0;
    if (!r->has_output && !output)
        return wrong(r, "%s: a section begins with its output, as in output-http = URL", def->name);
    if (r->has_output && output)
        return wrong(r, "%s: a section has one output; begin another with [output NAME]",
                     def->name);
    if (!output && !(def->flags & OPTION_BOUND))
        return wrong(r, "%s belongs to no output: write it above the first section", def->name);
    return 0;
}

/* The value as a string, as options_set() takes it. */
static int set(struct reader *r, const struct option_def *def, struct span value)
{
    char *text = mem_alloc(MEM_OTHER, value.len + 1);
    if (!text)
        return err_sys(r->err, ENOMEM, "%s", r->config->path);
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    int rc;
    if ((def->flags & OPTION_SECRET) && text[0] != '@' && !r->config->may_hold_secrets)
        rc = wrong(r, "%s: others can read this file; chmod 600 it, or use %s = @FILE", def->name,
                   def->name);
    else
        rc = placed(r, options_set(r->options, def->name, text, OPTION_FROM_CONFIG, r->err));
    mem_free(text);
    return rc;
}

static int read_option(struct reader *r, struct span line)
{
    struct span name, value;
    bool given = cut(line, &name, &value);
    for (int dashes = 0; dashes < 2 && name.len > 0 && name.ptr[0] == '-'; dashes++)
        name = span_from(name, 1);
    const struct option_def *def = find(r, name);
    if (!def)
        return unknown(r, name);
    int rc = check_place(r, def);
    if (rc < 0)
        return rc;
    if (!given && def->type != OPTION_BOOL)
        return wrong(r, "%s: its argument is missing (%s)", def->name, def->arg);
    rc = set(r, def, given ? value : span_str("true"));
    if (rc < 0 || !r->in_section || r->has_output)
        return rc;
    r->has_output = true;
    const struct option_def *named =
        option_table_find(r->table, BOUND "name", strlen(BOUND "name"));
    return r->name.len > 0 && named ? set(r, named, r->name) : 0;
}

/* --- sections --- */

static int end_section(struct reader *r)
{
    if (r->in_section && !r->has_output)
        return wrong(r, "the section above has no output");
    return 0;
}

/* "[output staging]" */
static int begin_section(struct reader *r, struct span line)
{
    static const char word[] = "output";
    int rc = end_section(r);
    if (rc < 0)
        return rc;
    if (line.ptr[line.len - 1] != ']')
        return wrong(r, "a section is [output NAME]; its ] is missing");
    struct span inside = span_trim(span_of(line.ptr + 1, line.len - 2));
    size_t n = strlen(word);
    if (inside.len < n || memcmp(inside.ptr, word, n) != 0 ||
        (inside.len > n && !is_blank(inside.ptr[n])))
        return wrong(r, "[%.*s]: the only sections are [output NAME] and [output]", (int)inside.len,
                     inside.ptr);
    r->in_section = true;
    r->has_output = false;
    r->name = span_trim(span_from(inside, n));
    return 0;
}

static int read_line(struct reader *r, struct span line)
{
    r->line++;
    if (line.len > 0 && memchr(line.ptr, '\0', line.len))
        return wrong(r, "a NUL byte: this is not a text file");
    line = span_trim(line);
    if (line.len == 0 || line.ptr[0] == '#')
        return 0;
    return line.ptr[0] == '[' ? begin_section(r, line) : read_option(r, line);
}

int config_text_read(struct options *options, const struct option_table *table,
                     const struct config_text *config, struct err *err)
{
    struct reader r = {.config = config, .table = table, .options = options, .err = err};
    struct span rest = config->text;
    int rc = 0;
    while (rest.len > 0 && rc == 0) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        rc = read_line(&r, span_of(rest.ptr, len));
        rest = span_from(rest, len + 1);
    }
    return rc == 0 ? end_section(&r) : rc;
}

/* --- the file --- */

/* Reads all of fd; *len is set. */
static int slurp(int fd, const char *path, uint8_t *out, size_t *len, struct err *err)
{
    size_t n = 0;
    ssize_t got = 1;
    while (n <= CONFIG_FILE_MAX && got > 0) {
        got = read(fd, out + n, CONFIG_FILE_MAX + 1 - n);
        if (got < 0)
            return err_sys(err, errno, "--config %s", path);
        n += (size_t)got;
    }
    if (n > CONFIG_FILE_MAX)
        return err_usage(err, "--config %s: more than %d bytes", path, CONFIG_FILE_MAX);
    *len = n;
    return 0;
}

int config_file_read(struct options *options, const struct option_table *table, const char *path,
                     struct err *err)
{
    struct stat st = {.st_mode = 0777}; /* until it is known */
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1)
        return err_sys(err, errno, "--config %s", path);
    uint8_t *bytes = mem_alloc(MEM_OTHER, CONFIG_FILE_MAX + 1);
    int rc = 0;
    if (!bytes)
        rc = err_sys(err, ENOMEM, "--config %s", path);
    else if (fstat(fd, &st) < 0)
        rc = err_sys(err, errno, "--config %s", path);
    else if (!S_ISREG(st.st_mode))
        rc = err_usage(err, "--config %s: not a file", path);
    else
        rc = slurp(fd, path, bytes, &len, err);
    close(fd);
    if (rc == 0) {
        const struct config_text config = {
            .path = path, .text = span_of(bytes, len), .may_hold_secrets = (st.st_mode & 077) == 0};
        rc = config_text_read(options, table, &config, err);
    }
    if (bytes)
        explicit_bzero(bytes, len);
    mem_free(bytes);
    return rc;
}

/* --- writing --- */

struct writer {
    FILE *out;
    const struct options *options;
    const struct option_table *table;
    struct err *err;
};

static bool needs_quotes(const char *value)
{
    size_t len = strlen(value);
    return len == 0 || value[0] == '"' || value[0] == '=' || is_blank((uint8_t)value[0]) ||
           is_blank((uint8_t)value[len - 1]);
}

static int put(struct writer *w, const char *name, const char *value)
{
    const char *quote = needs_quotes(value) ? "\"" : "";
    if (strchr(value, '\n') || strchr(value, '\r'))
        return err_usage(w->err, "--dump-config: the value of --%s has a line end in it", name);
    fprintf(w->out, "%s = %s%s%s\n", name, quote, value, quote);
    return 0;
}

static int put_option(struct writer *w, const struct option_def *def)
{
    const char *item;
    int rc = 0;
    if (options_source(w->options, def->name) == OPTION_FROM_DEFAULT || is_for_command_line(def) ||
        (def->flags & (OPTION_OUTPUT | OPTION_BOUND)))
        return 0;
    if (def->flags & OPTION_SECRET) {
        fprintf(w->out, "# %s is a secret, which is not shown\n", def->name);
        return 0;
    }
    if (def->type != OPTION_LIST && def->type != OPTION_INTS)
        return put(w, def->name, options_text(w->options, def->name));
    for (size_t i = 0; rc == 0 && (item = options_nth(w->options, def->name, i)); i++)
        rc = put(w, def->name, item);
    return rc;
}

/* The output that is the nth value of option, as a section. */
static int put_output(struct writer *w, const char *option, size_t nth)
{
    const struct option_def *def = option_table_find(w->table, option, strlen(option));
    const char *name = options_bound_nth(w->options, BOUND "name", option, nth, 0);
    fprintf(w->out, "\n[output%s%s]\n", name ? " " : "", name ? name : "");
    const char *value = def->type == OPTION_LIST ? options_nth(w->options, option, nth)
                                                 : options_text(w->options, option);
    int rc = put(w, option, value);
    for (size_t i = 0; i < w->table->n_defs; i++) {
        const struct option_def *bound = &w->table->defs[i];
        if (!(bound->flags & OPTION_BOUND) || strcmp(bound->name, BOUND "name") == 0)
            continue;
        for (size_t k = 0; rc == 0; k++) {
            value = options_bound_nth(w->options, bound->name, option, nth, k);
            if (!value)
                break;
            rc = put(w, bound->name, value);
        }
    }
    return rc;
}

int config_file_dump(FILE *out, const struct options *options, const struct option_table *table,
                     struct err *err)
{
    struct writer w = {.out = out, .options = options, .table = table, .err = err};
    const char *option;
    size_t nth;
    int rc = 0;
    for (size_t i = 0; i < table->n_defs && rc == 0; i++)
        rc = put_option(&w, &table->defs[i]);
    for (size_t i = 0; rc == 0 && options_nth_output(options, i, &option, &nth); i++)
        rc = put_output(&w, option, nth);
    return rc;
}
