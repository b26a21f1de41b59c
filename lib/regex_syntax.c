/* SPDX-License-Identifier: MIT */
#include "lib/regex_syntax.h"

#include <string.h>

/* Where the reader of a pattern is. */
enum place {
    PLACE_OUTSIDE = 0,
    PLACE_CLASS = 1, /* between [ and ] */
    PLACE_QUOTE = 2, /* between \Q and \E */
};

struct syntax {
    struct span in;
    size_t at; /* in in */
    char separator;
    enum place place;
    char *out; /* NULL: only counting */
    size_t len; /* written */
};

static void put(struct syntax *x, const char *bytes, size_t n)
{
    if (x->out)
        memcpy(x->out + x->len, bytes, n);
    x->len += n;
}

static void put_text(struct syntax *x, const char *text)
{
    put(x, text, strlen(text));
}

/* The next n bytes as they are. */
static void copy(struct syntax *x, size_t n)
{
    put(x, (const char *)x->in.ptr + x->at, n);
    x->at += n;
}

/* The byte n further on; 0 behind the end. */
static char peek(const struct syntax *x, size_t n)
{
    return x->at + n < x->in.len ? (char)x->in.ptr[x->at + n] : '\0';
}

static void read_escape(struct syntax *x)
{
    bool inside = x->place == PLACE_CLASS;
    char c = peek(x, 1);
    const char *instead = NULL;
    if (c == 's')
        instead = inside ? "\\t\\n\\f\\r\\x20" : "[\\t\\n\\f\\r\\x20]";
    else if (c == 'S')
        instead = inside ? "\\x00-\\x08\\x0b\\x0e-\\x1f\\x21-\\xff" : "[^\\t\\n\\f\\r\\x20]";
    else if (c == 'v')
        instead = "\\x0b";
    else if (c == 'Q' && !inside)
        x->place = PLACE_QUOTE;
    if (instead) {
        put_text(x, instead);
        x->at += 2;
        return;
    }
    copy(x, c == '\0' ? 1 : 2);
}

/* "[", and what may follow it without meaning what it means elsewhere. */
static void open_class(struct syntax *x)
{
    x->place = PLACE_CLASS;
    copy(x, 1);
    if (peek(x, 0) == '^')
        copy(x, 1);
    if (peek(x, 0) == ']')
        copy(x, 1);
}

/* "[:alpha:]" in a class; a '[' alone stands for itself. */
static void read_named_class(struct syntax *x)
{
    size_t n = 2;
    while (peek(x, 1) == ':' && peek(x, n) != '\0' && peek(x, n) != ':' && peek(x, n) != ']')
        n++;
    copy(x, peek(x, 1) == ':' && peek(x, n) == ':' && peek(x, n + 1) == ']' ? n + 2 : 1);
}

/* One construct. */
static void step(struct syntax *x)
{
    char c = peek(x, 0);
    if (c == '\\' && x->separator && peek(x, 1) == x->separator) {
        x->at++;
        copy(x, 1);
    } else if (x->place == PLACE_QUOTE) {
        bool end = c == '\\' && peek(x, 1) == 'E';
        x->place = end ? PLACE_OUTSIDE : PLACE_QUOTE;
        copy(x, end ? 2 : 1);
    } else if (c == '\\') {
        read_escape(x);
    } else if (x->place == PLACE_CLASS) {
        x->place = c == ']' ? PLACE_OUTSIDE : PLACE_CLASS;
        if (c == '[')
            read_named_class(x);
        else
            copy(x, 1);
    } else if (c == '[') {
        open_class(x);
    } else {
        if (c == '{' && peek(x, 1) == ',')
            put(x, "\\", 1);
        copy(x, 1);
    }
}

size_t regex_syntax(char *out, struct span pattern, char separator)
{
    struct syntax x = {.in = pattern, .separator = separator, .out = out};
    while (x.at < pattern.len)
        step(&x);
    assert(x.len <= pattern.len * REGEX_SYNTAX_GROWTH);
    return x.len;
}

size_t regex_syntax_origin(struct span pattern, char separator, size_t offset)
{
    struct syntax x = {.in = pattern, .separator = separator};
    size_t origin = 0;
    while (x.at < pattern.len) {
        size_t at = x.at, len = x.len;
        step(&x);
        if (x.len <= offset) {
            origin = x.at;
            continue;
        }
        /* inside of a construct that was copied, byte by byte; else at its start */
        bool copied = x.at - at == x.len - len;
        return copied ? at + offset - len : at;
    }
    return origin;
}
