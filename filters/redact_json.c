/* SPDX-License-Identifier: MIT */
/* Secrets in JSON (RFC 8259): follows the names that lead to each value, without building a tree.
 * "user.email" is the member email of the member user; elements of arrays count as the array
 * itself; "*" is any one name, and "**" at the start any number of them. */
#include <string.h>

#include "filters/redact_internal.h"

#define DEPTH_MAX 128
#define NAME_ROOM 128 /* a longer name cannot be that of a rule, unless by a star */

/* One object or array that is open. */
struct level {
    bool object;
    bool secret; /* all that is in it is to be replaced */
    uint8_t name_len; /* of the member being read; 255: longer than NAME_ROOM */
    uint8_t name[NAME_ROOM]; /* escapes undone */
};

struct walk {
    struct redaction *r;
    const uint8_t *p, *end;
    bool broken; /* not JSON */
    size_t depth;
    struct level levels[DEPTH_MAX];
};

static void skip_space(struct walk *w)
{
    while (w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' || *w->p == '\r'))
        w->p++;
}

static bool accept(struct walk *w, uint8_t c)
{
    skip_space(w);
    if (w->p == w->end || *w->p != c)
        return false;
    w->p++;
    return true;
}

/* A string whose opening quote was read: what stands between the quotes. At the end of a body that
 * was cut, what there is of it. */
static struct span read_string(struct walk *w)
{
    const uint8_t *start = w->p;
    while (w->p < w->end && *w->p != '"')
        w->p += *w->p == '\\' && w->p + 1 < w->end ? 2 : 1;
    struct span text = span_of(start, (size_t)(w->p - start));
    if (w->p < w->end)
        w->p++;
    return text;
}

static int hex4(const uint8_t *p)
{
    int n = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t c = ascii_lower(p[i]);
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        n = n << 4 | digit;
    }
    return n;
}

/* The member's name with escapes undone; what is beyond ASCII in \u form matches no rule. */
static void set_name(struct level *level, struct span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '\\' && i + 1 < text.len) {
            c = text.ptr[++i];
            int code = c == 'u' && i + 4 < text.len ? hex4(text.ptr + i + 1) : -1;
            if (code >= 0) {
                c = code < 128 ? (uint8_t)code : 0;
                i += 4;
            }
        }
        if (n == NAME_ROOM) {
            level->name_len = UINT8_MAX;
            return;
        }
        level->name[n++] = c;
    }
    level->name_len = (uint8_t)n;
}

static struct span name_of(const struct level *level)
{
    return span_of(level->name, level->name_len == UINT8_MAX ? 0 : level->name_len);
}

/* The first name of path, which is cut off it. */
static struct span first_of(struct span *path)
{
    const uint8_t *dot = memchr(path->ptr, '.', path->len);
    size_t len = dot ? (size_t)(dot - path->ptr) : path->len;
    struct span first = span_of(path->ptr, len);
    *path = span_from(*path, dot ? len + 1 : len);
    return first;
}

static size_t count_names(struct span path)
{
    size_t n = 1;
    for (size_t i = 0; i < path.len; i++)
        n += path.ptr[i] == '.';
    return n;
}

/* Do the names of the open objects, from the outermost to the member being read, make path? */
static bool is_path(const struct walk *w, struct span path)
{
    size_t objects = 0, skip = 0;
    for (size_t i = 0; i < w->depth; i++)
        objects += w->levels[i].object;
    bool anywhere = path.len >= 3 && memcmp(path.ptr, "**.", 3) == 0;
    if (anywhere)
        path = span_from(path, 3);
    size_t wanted = count_names(path);
    if (objects < wanted || (!anywhere && objects != wanted))
        return false;
    skip = objects - wanted;
    for (size_t i = 0; i < w->depth; i++) {
        if (!w->levels[i].object)
            continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        struct span name = first_of(&path);
        if (!span_eq(name, span_str("*")) && !span_eq(name, name_of(&w->levels[i])))
            return false;
    }
    return true;
}

static bool is_secret(const struct walk *w)
{
    const struct redact *f = w->r->rules;
    if (w->depth > 0 && w->levels[w->depth - 1].secret)
        return true;
    for (size_t i = 0; i < f->n; i++)
        if (f->rules[i].kind == REDACT_JSON && is_path(w, f->rules[i].name))
            return true;
    return false;
}

static void open_level(struct walk *w, bool object, bool secret)
{
    if (w->depth == DEPTH_MAX) {
        w->broken = true;
        return;
    }
    struct level *level = &w->levels[w->depth++];
    level->object = object;
    level->secret = secret;
    level->name_len = 0;
}

/* A number, true, false or null. */
static void read_word(struct walk *w, bool secret)
{
    const uint8_t *start = w->p;
    while (w->p < w->end && !memchr(" \t\r\n,]}:\"[{", *w->p, 12))
        w->p++;
    struct span word = span_of(start, (size_t)(w->p - start));
    if (word.len == 0) {
        w->broken = true;
        return;
    }
    bool number = word.ptr[0] == '-' || (word.ptr[0] >= '0' && word.ptr[0] <= '9');
    if (secret && number)
        redact_value(w->r, word, TOKEN_DIGITS);
}

/* The name of a member and its colon; false when the object ends, or is broken. */
static bool read_name(struct walk *w)
{
    if (accept(w, '}')) {
        w->depth--;
        return false;
    }
    if (!accept(w, '"')) {
        w->broken = w->p < w->end;
        return false;
    }
    set_name(&w->levels[w->depth - 1], read_string(w));
    if (!accept(w, ':')) {
        w->broken = w->p < w->end;
        return false;
    }
    return true;
}

/* One step: a value, or the end of what is open. */
static void step(struct walk *w)
{
    bool in_object = w->depth > 0 && w->levels[w->depth - 1].object;
    if (accept(w, ','))
        return;
    if (in_object && !read_name(w))
        return;
    if (w->depth > 0 && !in_object && accept(w, ']')) {
        w->depth--;
        return;
    }
    skip_space(w);
    if (w->p == w->end)
        return;
    bool secret = is_secret(w);
    if (accept(w, '{') || accept(w, '[')) {
        open_level(w, w->p[-1] == '{', secret);
    } else if (accept(w, '"')) {
        struct span text = read_string(w);
        if (secret)
            redact_value(w->r, text, TOKEN_TEXT);
    } else {
        read_word(w, secret);
    }
}

bool redact_json(struct redaction *r, struct span text)
{
    struct walk w = {.r = r, .p = text.ptr, .end = text.ptr + text.len};
    skip_space(&w);
    while (w.p < w.end && !w.broken) {
        step(&w);
        skip_space(&w);
    }
    return !w.broken;
}
