/* SPDX-License-Identifier: MIT */
#include "lib/replacement.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

#define NO_GROUP (-1)
#define NAME_MAX_LEN 64 /* longer than any name that a group can have */

/* Literal bytes, then a group; either may be missing. */
struct piece {
    struct span literal; /* into text */
    int group;
};

struct replacement {
    char *text;
    size_t n;
    struct piece pieces[];
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The group that a name or number means; a number has no leading zero. */
static int group_of(const struct regex *regex, const char *name, size_t len)
{
    char copy[NAME_MAX_LEN + 1];
    int number = 0;
    if (len > NAME_MAX_LEN)
        return NO_GROUP;
    memcpy(copy, name, len);
    copy[len] = '\0';
    if (strspn(copy, "0123456789") != len)
        return regex_group_named(regex, copy);
    if ((len > 1 && copy[0] == '0') || len > 6)
        return NO_GROUP;
    for (size_t i = 0; i < len; i++)
        number = number * 10 + (copy[i] - '0');
    return number;
}

static void add(struct replacement *r, const char *literal, size_t len, int group)
{
    if (len > 0 || group != NO_GROUP)
        r->pieces[r->n++] = (struct piece){.literal = span_of(literal, len), .group = group};
}

/* What the $ at p means, behind len literal bytes that are still to be added; returns behind it. */
static const char *add_dollar(struct replacement *r, const struct regex *regex, const char *p,
                              size_t len)
{
    bool braces = p[1] == '{';
    const char *name = p + 1 + braces;
    size_t name_len = 0;
    while (is_name_char(name[name_len]))
        name_len++;
    if (p[1] == '$' || name_len == 0 || (braces && name[name_len] != '}')) {
        add(r, p - len, len + 1, NO_GROUP);
        return p + (p[1] == '$' ? 2 : 1);
    }
    add(r, p - len, len, group_of(regex, name, name_len));
    return name + name_len + braces;
}

int replacement_new(struct replacement **replacementp, const struct regex *regex, const char *text)
{
    size_t pieces = 1;
    for (const char *p = text; *p; p++)
        pieces += *p == '$';
    struct replacement *r = mem_zalloc(MEM_OTHER, sizeof(*r) + pieces * sizeof(r->pieces[0]));
    if (!r)
        return -ENOMEM;
    r->text = mem_strdup(MEM_OTHER, text);
    if (!r->text) {
        mem_free(r);
        return -ENOMEM;
    }
    const char *p = r->text;
    for (size_t len = strcspn(p, "$"); p[len] != '\0'; len = strcspn(p, "$"))
        p = add_dollar(r, regex, p + len, len);
    add(r, p, strlen(p), NO_GROUP);
    assert(r->n <= pieces);
    *replacementp = r;
    return 0;
}

void replacement_free(struct replacement *replacement)
{
    if (!replacement)
        return;
    mem_free(replacement->text);
    mem_free(replacement);
}

/* What stands for the match that was just found. */
static bool expand(const struct replacement *r, const struct regex *regex, struct span subject,
                   struct buf *out)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct piece *piece = &r->pieces[i];
        size_t start, end;
        if (buf_append(out, piece->literal.ptr, piece->literal.len) < 0)
            return false;
        if (piece->group != NO_GROUP && regex_group(regex, (unsigned)piece->group, &start, &end) &&
            buf_append(out, subject.ptr + start, end - start) < 0)
            return false;
    }
    return true;
}

enum regex_result replacement_apply(const struct replacement *r, struct regex *regex,
                                    struct span subject, struct buf *out)
{
    struct regex_search search = {.subject = subject};
    size_t done = 0, start, end; /* done: of the subject, in out or replaced */
    bool any = false;
    while (search.at <= subject.len) {
        enum regex_result result = regex_next(regex, &search);
        if (result == REGEX_NO_MATCH)
            break;
        if (result == REGEX_GAVE_UP || !regex_group(regex, 0, &start, &end) || start < done)
            return REGEX_GAVE_UP;
        if (buf_append(out, subject.ptr + done, start - done) < 0)
            return REGEX_GAVE_UP;
        if ((end > done || start == 0) && !expand(r, regex, subject, out))
            return REGEX_GAVE_UP;
        any = true;
        done = end;
        search.at = end > search.at ? end : search.at + 1;
    }
    if (!any)
        return REGEX_NO_MATCH;
    bool fits = buf_append(out, subject.ptr + done, subject.len - done) == 0;
    return fits ? REGEX_MATCH : REGEX_GAVE_UP;
}
