/* SPDX-License-Identifier: MIT */
#include "cmd/command_line.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cmd/options_table.h"
#include "lib/mem.h"
#include "report/json_object.h"

#define HIDDEN "***"

/* Parts of names of what holds secrets. */
static bool names_secret(const char *name, size_t len)
{
    static const char *const parts[] = {"auth", "cookie", "token", "secret", "passw",    "session",
                                        "key",  "pwd",    "csrf",  "xsrf",   "signature"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        for (size_t at = 0; at + strlen(parts[i]) <= len; at++)
            if (strncasecmp(name + at, parts[i], strlen(parts[i])) == 0)
                return true;
    return false;
}

/* How much of a value may be shown, of those that begin with a name; the rest is hidden. */
static size_t open_part(const char *option, const char *value)
{
    static const char *const named[] = {
        "http-set-header",   "to-set-header",        "http-set-param",
        "to-set-param",      "http-rewrite-header",  "to-rewrite-header",
        "http-allow-header", "http-disallow-header", "kafka-property"};
    size_t whole = strlen(value);
    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        size_t name = strcspn(value, ":=");
        if (strcmp(option, named[i]) == 0)
            return name < whole && names_secret(value, name) ? name + 1 : whole;
    }
    if (strcmp(option, "http-if") == 0 || strcmp(option, "to-if") == 0) {
        size_t name = strcspn(value, "="); /* "cookie:sid=regexp" */
        return name < whole && names_secret(value, name) ? name + 1 : whole;
    }
    return strcmp(option, "http-basic-auth-filter") == 0 ? 0 : whole;
}

/* Where the authority of a URL ends that begins at text. */
static size_t authority_of(const char *text)
{
    return strcspn(text, "/?#| \t'\"");
}

/* Copies text, with what stands before the last '@' of an authority hidden. out: room for it and a
 * HIDDEN for each three bytes of it. */
static void hide_users(char *out, const char *text, bool is_authority)
{
    size_t n = 0;
    while (*text) {
        const char *at = is_authority ? memrchr(text, '@', authority_of(text)) : NULL;
        if (at) {
            memcpy(out + n, HIDDEN, strlen(HIDDEN));
            n += strlen(HIDDEN);
            text = at;
        }
        is_authority = strncmp(text, "://", 3) == 0;
        size_t step = is_authority ? 3 : 1;
        memcpy(out + n, text, step);
        n += step;
        text += step;
    }
    out[n] = '\0';
}

/* A value, after its first "before" bytes (the option and '='), as it may be shown. */
static json_t *shown(const struct option_def *def, const char *word, size_t before)
{
    const char *value = word + before;
    size_t open = strlen(value);
    bool output = false;
    if (def) {
        open = def->flags & OPTION_SECRET ? 0 : open_part(def->name, value);
        output = (def->flags & OPTION_OUTPUT) && !strstr(value, "://");
    }
    bool hides = open < strlen(value);
    size_t size = 2 * strlen(word) + 16; /* "***@" for "@" at the least */
    char *text = mem_alloc(MEM_OTHER, 3 * size);
    if (!text)
        return NULL;
    char *copy = text + 2 * size;
    snprintf(copy, size, "%.*s%s", (int)open, value, hides ? HIDDEN : "");
    memcpy(text, word, before);
    hide_users(text + before, copy, output);
    json_t *json = json_text(text);
    mem_free(text);
    return json;
}

json_t *command_line_json(int argc, char *const argv[])
{
    const struct option_def *def = NULL; /* whose value comes next */
    json_t *list = json_array();
    append(&list, json_string("refrain"));
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        size_t dashes = strspn(word, "-"), len = strcspn(word, "=");
        const struct option_def *named =
            dashes > 0 && len > dashes
                ? option_table_find(&refrain_options, word + dashes, len - dashes)
                : NULL;
        if (named && word[len] == '=') {
            append(&list, shown(named, word, len + 1));
            def = NULL;
        } else {
            append(&list, shown(named ? NULL : def, word, 0));
            def = named;
        }
    }
    return list;
}

char **command_line_copy(int argc, char *const argv[])
{
    size_t n = (size_t)argc + 1, size = n * sizeof(char *);
    for (int i = 0; i < argc; i++)
        size += strlen(argv[i]) + 1;
    char **copy = mem_alloc(MEM_OTHER, size);
    if (!copy)
        return NULL;
    char *text = (char *)(copy + n);
    for (int i = 0; i < argc; i++) {
        copy[i] = text;
        text = stpcpy(text, argv[i]) + 1;
    }
    copy[argc] = NULL;
    return copy;
}

void command_line_hide(int argc, char **argv)
{
    json_t *words = command_line_json(argc, argv);
    for (int i = 1; i < argc; i++) {
        const char *shown = json_string_value(json_array_get(words, (size_t)i));
        size_t len = strlen(argv[i]);
        if (shown && strcmp(shown, argv[i]) == 0)
            continue;
        char *text = mem_strdup(MEM_OTHER, shown ? shown : "");
        memset(argv[i], 0, len);
        if (text)
            memcpy(argv[i], text, strnlen(text, len));
        mem_free(text);
    }
    json_decref(words);
}
