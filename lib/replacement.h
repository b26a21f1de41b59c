/* SPDX-License-Identifier: MIT */
/* Replacements for what a regular expression matches, in Go's syntax, as gor takes them: $1, ${1},
 * $name and ${name} stand for groups, $0 for the whole match and $$ for a dollar. The longest name
 * counts, so $1x is the group named 1x; a group that does not exist or took no part is empty; a $
 * with no name behind it stands for itself. */
#pragma once

#include "lib/buf.h"
#include "lib/regex.h"

/* Bound to the expression that it was made for. */
struct replacement;

/* text is copied. 0 or -ENOMEM. */
MUST_CHECK int replacement_new(struct replacement **replacementp, const struct regex *regex,
                               const char *text);
void replacement_free(struct replacement *replacement);

/* Replaces all matches in subject: appends the result to out. REGEX_NO_MATCH: out is as before.
 * REGEX_GAVE_UP: too much work, no memory, or too long for out, which then holds anything. Of
 * matches of nothing, the one right behind another match is left out, as in Go. */
enum regex_result replacement_apply(const struct replacement *replacement, struct regex *regex,
                                    struct span subject, struct buf *out);
