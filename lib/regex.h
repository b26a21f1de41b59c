/* SPDX-License-Identifier: MIT */
/* Regular expressions over bytes that a stranger chose: PCRE2 with JIT, where no match may cost
 * more than a few milliseconds, whatever the pattern and the subject. Patterns that gor takes (RE2)
 * mean the same here. The differences: they are matched byte by byte and not as UTF-8, so \x{100}
 * is refused and '.' is one byte; an assertion that is repeated ("^*") and a group whose name
 * begins with a digit are refused. What PCRE2 has besides (look-around, back references) may be
 * used. An expression belongs to one thread. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/span.h"

struct regex;

/* Compiles pattern. A fault in it is a usage error that names option ("http-allow-url"), the
 * pattern and the character. */
MUST_CHECK int regex_new(struct regex **regexp, const char *option, const char *pattern,
                         struct err *err);
/* A pattern that is only a part of what the user wrote, from character at (counted from 0) on; the
 * error shows all of it, and points into it. separator: what ends patterns of that kind, and has a
 * backslash before it where it does not, which is no part of the pattern; 0: none. */
struct regex_part {
    const char *option, *text;
    size_t at, len;
    char separator;
};
MUST_CHECK int regex_new_part(struct regex **regexp, const struct regex_part *part,
                              struct err *err);
/* The part of text from pattern on, with no separator. */
MUST_CHECK int regex_new_tail(struct regex **regexp, const char *option, const char *text,
                              const char *pattern, struct err *err);
void regex_free(struct regex *regex);

enum regex_result {
    REGEX_NO_MATCH = 0,
    REGEX_MATCH = 1,
    REGEX_GAVE_UP = 2, /* too much work (or memory) to tell: the caller chooses the safe side */
};

/* Anywhere in subject, unless the pattern is anchored. */
enum regex_result regex_match(struct regex *regex, struct span subject);

/* Match after match in one subject, with one bound on the cost of all. {.subject = …} to begin. */
struct regex_search {
    struct span subject;
    size_t at; /* where the next match may begin: the caller moves it; at most subject.len */
    /* --- inside --- */
    int64_t begin_ns; /* CPU time of the thread; 0: the clock was not looked at */
    unsigned searches;
};
enum regex_result regex_next(struct regex *regex, struct regex_search *search);

/* Offsets in the subject of group n of the last match that was found; 0 is all of it. False: there
 * is no such group, or it took no part. */
bool regex_group(const struct regex *regex, unsigned n, size_t *start, size_t *end);
/* The number of the group of that name; -1: there is none. */
int regex_group_named(const struct regex *regex, const char *name);

/* How many matches of this process gave up. Any thread. */
uint64_t regex_gave_up(void);
