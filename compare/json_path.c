/* SPDX-License-Identifier: MIT */
#include "compare/json_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static bool is_plain_name(const char *key)
{
    size_t n = 0;
    while (is_plain(key[n]))
        n++;
    return n > 0 && key[n] == '\0';
}

/* --- rendering --- */

struct text {
    char *out;
    size_t len, size; /* of it; the rest of what is put is left out once full */
    bool full;
};

static void put(struct text *t, const char *piece, size_t n)
{
    t->full |= t->len + n + 4 > t->size; /* "..." has room behind */
    if (t->full)
        return;
    memcpy(t->out + t->len, piece, n);
    t->len += n;
}

static void put_quoted(struct text *t, const char *key)
{
    char escaped[8];
    put(t, "[\"", 2);
    for (const char *p = key; *p && !t->full; p++) {
        unsigned char c = (unsigned char)*p;
        int n = c < 0x20 || c == 0x7f   ? snprintf(escaped, sizeof(escaped), "\\u%04x", c)
                : c == '"' || c == '\\' ? snprintf(escaped, sizeof(escaped), "\\%c", c)
                                        : snprintf(escaped, sizeof(escaped), "%c", c);
        put(t, escaped, (size_t)n);
    }
    put(t, "\"]", 2);
}

/* Not in the midst of a character: jansson has seen to it that keys are UTF-8. */
static size_t whole_characters(const char *text, size_t len)
{
    size_t i = len;
    while (i > 0 && ((unsigned char)text[i - 1] & 0xc0) == 0x80)
        i--;
    if (i == 0 || (unsigned char)text[i - 1] < 0xc0)
        return len;
    unsigned char lead = (unsigned char)text[i - 1];
    size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    return len - (i - 1) < wanted ? i - 1 : len;
}

size_t json_path_render(char *out, size_t size, const struct json_step *steps, size_t n)
{
    struct text t = {.out = out, .size = size};
    put(&t, "$", 1);
    for (size_t i = 0; i < n; i++) {
        if (!steps[i].key) {
            put(&t, "[*]", 3);
        } else if (is_plain_name(steps[i].key)) {
            put(&t, ".", 1);
            put(&t, steps[i].key, strlen(steps[i].key));
        } else {
            put_quoted(&t, steps[i].key);
        }
    }
    if (t.full) {
        t.len = whole_characters(out, t.len);
        memcpy(out + t.len, "...", 3);
        t.len += 3;
    }
    out[t.len] = '\0';
    return t.len;
}

/* --- patterns --- */

enum wanted_kind {
    WANTED_KEY = 0,
    WANTED_ELEMENT, /* [*] */
    WANTED_ONE, /* .* */
    WANTED_ANY, /* .** */
};

struct wanted_step {
    enum wanted_kind kind;
    size_t key_off; /* in names */
};

struct json_pattern {
    size_t n;
    char *names; /* one behind the other, each terminated; no longer than the text */
    struct wanted_step steps[JSON_DEPTH_MAX];
};

/* A pattern under way: its text from p on. */
struct reading {
    struct json_pattern *pattern;
    size_t names_len;
    const char *p;
    const char *expected; /* set once: what should stand at p */
};

static void fail(struct reading *r, const char *expected)
{
    if (!r->expected)
        r->expected = expected;
}

static void add_char(struct reading *r, char c)
{
    r->pattern->names[r->names_len++] = c;
}

static int hex4(const char *p)
{
    int n = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        n = n << 4 | digit;
    }
    return n;
}

/* Behind a backslash. */
static void read_escape(struct reading *r)
{
    int code = *r->p == 'u' ? hex4(r->p + 1) : -1;
    if (*r->p == '"' || *r->p == '\\') {
        add_char(r, *r->p++);
    } else if (code > 0 && code < 0x80) {
        add_char(r, (char)code);
        r->p += 5;
    } else {
        fail(r, "\", \\ or u and the four hex digits of a control byte");
    }
}

/* Behind [" */
static void read_quoted(struct reading *r)
{
    while (*r->p && *r->p != '"' && !r->expected) {
        if (*r->p != '\\') {
            add_char(r, *r->p++);
            continue;
        }
        r->p++;
        read_escape(r);
    }
    if (r->p[0] == '"' && r->p[1] == ']')
        r->p += 2;
    else
        fail(r, "\"] behind the name");
    add_char(r, '\0');
}

/* Behind a dot: a name, * or ** */
static enum wanted_kind read_name(struct reading *r)
{
    size_t stars = strspn(r->p, "*");
    if (stars == 1 || stars == 2) {
        r->p += stars;
        return stars == 2 ? WANTED_ANY : WANTED_ONE;
    }
    if (!is_plain(*r->p) && (unsigned char)*r->p < 0x80)
        fail(r, "a name, * or ** (a name with other characters is written [\"name\"])");
    while (is_plain(*r->p) || (unsigned char)*r->p >= 0x80)
        add_char(r, *r->p++);
    add_char(r, '\0');
    return WANTED_KEY;
}

static void read_step(struct reading *r)
{
    struct json_pattern *pattern = r->pattern;
    struct wanted_step step = {.kind = WANTED_KEY, .key_off = r->names_len};
    if (pattern->n == JSON_DEPTH_MAX) {
        fail(r, "no more: a path has at most 64 steps");
    } else if (*r->p == '.') {
        r->p++;
        step.kind = read_name(r);
    } else if (strncmp(r->p, "[*]", 3) == 0) {
        r->p += 3;
        step.kind = WANTED_ELEMENT;
    } else if (strncmp(r->p, "[\"", 2) == 0) {
        r->p += 2;
        read_quoted(r);
    } else {
        r->p += *r->p == '[';
        fail(r, r->p[-1] == '[' ? "* or a name in quotes: an index cannot be told"
                                : ". and a name, [*] or [\"name\"]");
    }
    if (!r->expected)
        pattern->steps[pattern->n++] = step;
}

int json_pattern_parse(struct json_pattern **patternp, const char *text, size_t *at,
                       const char **expected)
{
    size_t room = 2 * strlen(text) + 2; /* each name takes its NUL */
    struct json_pattern *pattern = mem_zalloc(MEM_OTHER, sizeof(*pattern) + room);
    if (!pattern)
        return -ENOMEM;
    pattern->names = (char *)(pattern + 1);
    struct reading r = {.pattern = pattern, .p = text};
    if (*r.p == '$')
        r.p++;
    else
        fail(&r, "$ and the way from there, as in $.items[*].price");
    while (*r.p && !r.expected)
        read_step(&r);
    if (!r.expected) {
        *patternp = pattern;
        return 0;
    }
    *at = (size_t)(r.p - text);
    *expected = r.expected;
    mem_free(pattern);
    return -EINVAL;
}

void json_pattern_free(struct json_pattern *pattern)
{
    mem_free(pattern);
}

static bool fits(const struct json_pattern *pattern, const struct wanted_step *wanted,
                 const struct json_step *step)
{
    switch (wanted->kind) {
    case WANTED_KEY:
        return step->key && strcmp(step->key, pattern->names + wanted->key_off) == 0;
    case WANTED_ELEMENT:
        return !step->key;
    case WANTED_ONE:
    case WANTED_ANY:
        break;
    }
    return true;
}

bool json_pattern_covers(const struct json_pattern *pattern, const struct json_step *steps,
                         size_t n)
{
    size_t at = 0, want = 0;
    size_t star = SIZE_MAX, star_at = 0; /* the last **, and how far it reaches */
    for (;;) {
        if (want == pattern->n)
            return true; /* what is beneath is covered too */
        const struct wanted_step *wanted = &pattern->steps[want];
        if (wanted->kind == WANTED_ANY) {
            star = want++;
            star_at = at;
        } else if (at < n && fits(pattern, wanted, &steps[at])) {
            want++;
            at++;
        } else if (star != SIZE_MAX && star_at < n) {
            at = ++star_at;
            want = star + 1;
        } else {
            return false;
        }
    }
}
