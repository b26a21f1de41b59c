/* SPDX-License-Identifier: MIT */
/* Regular expressions over bytes that a stranger chose: PCRE2 with JIT, where no match may cost
 * more than a few milliseconds, whatever the pattern and the subject. Patterns that gor takes (RE2)
 * mean the same here: bytes instead of UTF-8 is the difference, so \x{100} is refused, and a '.'
 * is one byte. An expression belongs to one thread. */
#pragma once

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/span.h"

struct regex;

/* Compiles pattern. A fault in it is a usage error that names option ("http-allow-url"), the
 * pattern and the character. */
MUST_CHECK int regex_new(struct regex **regexp, const char *option, const char *pattern,
                         struct err *err);
void regex_free(struct regex *regex);

enum regex_result {
    REGEX_NO_MATCH = 0,
    REGEX_MATCH = 1,
    REGEX_GAVE_UP = 2, /* too much work (or memory) to tell: the caller chooses the safe side */
};

/* Anywhere in subject, unless the pattern is anchored. */
enum regex_result regex_match(struct regex *regex, struct span subject);

/* A replacement in Go's syntax, as gor takes it: $1, ${1}, $name and ${name} stand for groups, $0
 * for the whole match and $$ for a dollar. The longest name counts, so $1x is the group named 1x; a
 * group that does not exist is empty. Bound to the expression that it was made for. */
struct template;
MUST_CHECK int template_new(struct template **templatep, const struct regex *regex,
                            const char *option, const char *text, struct err *err);
void template_free(struct template *template);

/* Replaces all matches in subject: appends the result to out. REGEX_NO_MATCH: out is as before.
 * REGEX_GAVE_UP: too much work, no memory, or too long for out. */
enum regex_result regex_replace(struct regex *regex, const struct template *template,
                                struct span subject, struct buf *out);

/* The pattern, as it was given. */
const char *regex_pattern(const struct regex *regex);
