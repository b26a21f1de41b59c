/* SPDX-License-Identifier: MIT */
#include "tools/shell_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* In the order of a shell's (POSIX 2.2, 2.3). */
struct reading {
    struct shell_words *w;
    struct span left;
    bool in_word;
    int error; /* sticky */
    char *why;
};

void shell_words_init(struct shell_words *w)
{
    w->n = w->pipe = 0;
    buf_init(&w->bytes, TEXT_MAX);
}

void shell_words_fini(struct shell_words *w)
{
    buf_fini(&w->bytes);
}

struct span shell_word(const struct shell_words *w, size_t i)
{
    struct span all = span_of(w->bytes.data, w->bytes.len);
    return span_of(span_from(all, w->words[i].off).ptr, w->words[i].len);
}

size_t shell_command_len(struct span text)
{
    enum { PLAIN, SINGLE, ANSI, DOUBLE, COMMENT } state = PLAIN;
    unsigned inner = 0; /* inside "$(printf '…')": 1, and 2 in its quotes */
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i], before = i > 0 ? text.ptr[i - 1] : '\n';
        if (state == PLAIN && c == '\n')
            return i + 1;
        if (state == COMMENT && c == '\n')
            return i + 1;
        if (c == '\\' && state != SINGLE && state != COMMENT && inner != 2)
            i++;
        else if (state == PLAIN && c == '\'')
            state = before == '$' ? ANSI : SINGLE;
        else if (state == PLAIN && c == '"')
            state = DOUBLE;
        else if (state == PLAIN && c == '#' && (before == '\n' || before == ' '))
            state = COMMENT;
        else if ((state == SINGLE || state == ANSI) && c == '\'')
            state = PLAIN;
        else if (state == DOUBLE && inner == 0 && c == '(' && before == '$')
            inner = 1;
        else if (inner > 0 && c == '\'')
            inner = inner == 1 ? 2 : 1;
        else if (inner == 1 && c == ')')
            inner = 0;
        else if (state == DOUBLE && inner == 0 && c == '"')
            state = PLAIN;
    }
    return 0;
}

static void refuse(struct reading *r, const char *what)
{
    if (r->error == 0)
        snprintf(r->why, WHY_MAX, "%s", what);
    r->error = r->error ? r->error : -EINVAL;
}

static void begin_word(struct reading *r)
{
    struct shell_words *w = r->w;
    if (r->in_word)
        return;
    if (w->n == SHELL_WORDS_MAX) {
        refuse(r, "too many words");
        return;
    }
    w->words[w->n].off = w->bytes.len;
    w->words[w->n++].len = 0;
    r->in_word = true;
}

static void put(struct reading *r, const void *bytes, size_t n)
{
    begin_word(r);
    if (r->error == 0)
        r->error = buf_append(&r->w->bytes, bytes, n);
    if (r->error == 0)
        r->w->words[r->w->n - 1].len += n;
}

static void skip(struct reading *r, size_t n)
{
    r->left = span_from(r->left, n);
}

static uint8_t peek(const struct reading *r)
{
    return r->left.len > 0 ? r->left.ptr[0] : '\0';
}

static int digit_of(uint8_t c, int base)
{
    c = ascii_lower(c);
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
    return digit < base ? digit : -1;
}

/* Up to max digits, taken. */
static unsigned take_number(struct reading *r, int base, int max)
{
    unsigned n = 0;
    for (; max > 0 && r->left.len > 0 && digit_of(peek(r), base) >= 0; max--) {
        n = n * (unsigned)base + (unsigned)digit_of(peek(r), base);
        skip(r, 1);
    }
    return n;
}

static void put_utf8(struct reading *r, unsigned code)
{
    uint8_t bytes[3] = {(uint8_t)(0xe0 | code >> 12), (uint8_t)(0x80 | (code >> 6 & 0x3f)),
                        (uint8_t)(0x80 | (code & 0x3f))};
    if (code < 0x80)
        put(r, &(uint8_t){(uint8_t)code}, 1);
    else if (code < 0x800)
        put(r, (uint8_t[]){(uint8_t)(0xc0 | code >> 6), bytes[2]}, 2);
    else
        put(r, bytes, 3);
}

/* Behind a backslash in $'…' or in printf's format. */
static void put_escape(struct reading *r)
{
    static const char letters[] = "n\nt\tr\ra\ab\bf\fv\ve\x1b";
    uint8_t c = peek(r);
    const char *letter = c ? strchr(letters, c) : NULL;
    if (digit_of(c, 8) >= 0) {
        put(r, &(uint8_t){(uint8_t)take_number(r, 8, 3)}, 1);
        return;
    }
    skip(r, 1);
    if (c == 'x')
        put(r, &(uint8_t){(uint8_t)take_number(r, 16, 2)}, 1);
    else if (c == 'u')
        put_utf8(r, take_number(r, 16, 4));
    else if (letter && (letter - letters) % 2 == 0)
        put(r, letter + 1, 1);
    else
        put(r, &c, 1);
}

enum quoted {
    QUOTED_RAW = 0, /* 'text' */
    QUOTED_ANSI, /* $'text' */
    QUOTED_FORMAT, /* of printf */
};

/* As far as the quote that ends it, behind its first one. */
static void read_single(struct reading *r, enum quoted quoted)
{
    begin_word(r);
    while (r->error == 0) {
        if (r->left.len == 0) {
            refuse(r, "a quote is not closed");
            return;
        }
        uint8_t c = peek(r);
        skip(r, 1);
        if (c == '\'')
            return;
        if (c == '\\' && quoted != QUOTED_RAW) {
            put_escape(r);
            continue;
        }
        if (c == '%' && quoted == QUOTED_FORMAT) {
            if (peek(r) != '%')
                refuse(r, "a printf with arguments");
            skip(r, 1);
        }
        put(r, &c, 1);
    }
}

/* "printf '…')": as its output. */
static void read_printf(struct reading *r)
{
    static const char start[] = "printf '";
    if (r->left.len < sizeof(start) - 1 || memcmp(r->left.ptr, start, sizeof(start) - 1) != 0) {
        refuse(r, "a command inside $() other than printf '...'");
        return;
    }
    skip(r, sizeof(start) - 1);
    read_single(r, QUOTED_FORMAT);
    if (peek(r) != ')')
        refuse(r, "a command inside $() other than printf '...'");
    skip(r, 1);
}

static void read_double(struct reading *r)
{
    begin_word(r);
    while (r->error == 0) {
        uint8_t c = peek(r);
        if (r->left.len == 0) {
            refuse(r, "a quote is not closed");
            return;
        }
        skip(r, 1);
        if (c == '"')
            return;
        if (c == '\\' && r->left.len > 0 && peek(r) != '\0' && strchr("$`\"\\\n", peek(r))) {
            if (peek(r) != '\n')
                put(r, r->left.ptr, 1);
            skip(r, 1);
        } else if (c == '$' && peek(r) == '(') {
            skip(r, 1);
            read_printf(r);
        } else if (c == '`' ||
                   (c == '$' && (peek(r) == '{' || peek(r) == '_' || digit_of(peek(r), 10) >= 0 ||
                                 (ascii_lower(peek(r)) >= 'a' && ascii_lower(peek(r)) <= 'z')))) {
            refuse(r, "something that the shell would expand");
        } else {
            put(r, &c, 1);
        }
    }
}

static void read_plain(struct reading *r)
{
    uint8_t c = peek(r);
    skip(r, 1);
    if (c == '\\' && peek(r) == '\n') {
        skip(r, 1);
    } else if (c == '\\' && r->left.len > 0) {
        put(r, r->left.ptr, 1);
        skip(r, 1);
    } else if (c == '$' && peek(r) == '\'') {
        skip(r, 1);
        read_single(r, QUOTED_ANSI);
    } else if (c == '|' && r->w->pipe == 0 && r->w->n > 0) {
        r->in_word = false;
        r->w->pipe = r->w->n;
    } else if (c == '\0' || strchr("$`;&|<>()", c)) {
        refuse(r, "something that the shell would expand, or another command");
    } else {
        put(r, &c, 1);
    }
}

int shell_words_read(struct shell_words *w, struct span command, char why[WHY_MAX])
{
    struct reading r = {.w = w, .left = command, .why = why};
    w->n = w->pipe = 0;
    buf_consume(&w->bytes, buf_span(&w->bytes).len);
    w->bytes.start = w->bytes.len = 0;
    while (r.left.len > 0 && r.error == 0) {
        uint8_t c = peek(&r);
        if (c == '#' && !r.in_word)
            break;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            r.in_word = false;
            skip(&r, 1);
        } else if (c == '\'') {
            bool format = w->n == 1 && !r.in_word && span_eq(shell_word(w, 0), span_str("printf"));
            skip(&r, 1);
            read_single(&r, format ? QUOTED_FORMAT : QUOTED_RAW);
        } else if (c == '"') {
            skip(&r, 1);
            read_double(&r);
        } else {
            read_plain(&r);
        }
    }
    return r.error;
}
