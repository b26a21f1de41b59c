/* SPDX-License-Identifier: MIT */
/* Between regex.c and regex_syntax.c only: the few constructs that RE2 and PCRE2 write alike and
 * mean differently. RE2's \s has no VT and its \v is VT alone; "{,5}" stands for itself. A
 * separator that a backslash keeps from ending a rule's expression loses that backslash, so that
 * "(?\:a)" and "a{1\,3}" can be written. What only PCRE2 knows stays as it is. */
#pragma once

#include "lib/span.h"

/* One byte of pattern becomes no more than these. */
#define REGEX_SYNTAX_GROWTH 20

/* Writes pattern as PCRE2 takes it to out, which has room for REGEX_SYNTAX_GROWTH times as many
 * bytes; returns how many they are. separator: 0 for none. */
size_t regex_syntax(char *out, struct span pattern, char separator);
/* The offset in pattern of what stands at offset in that. */
size_t regex_syntax_origin(struct span pattern, char separator, size_t offset);
