/* SPDX-License-Identifier: MIT */
/* Numbers with units, as they are written on the command line. All return NULL and set *out, or
 * return what was expected, in words for the user ("a whole number"), and leave *out alone.
 * Integers follow Go's literals, as gor does: 0x, 0o, 0b, a leading 0 for octal, and _ between
 * digits. No white space, no locale. */
#pragma once

#include "lib/base.h"

MUST_CHECK const char *units_parse_int(const char *text, int64_t *out);

/* Bytes: a whole number, alone or with k, kb, m, mb, g, gb, t or tb in either case; powers of
 * 1024. */
MUST_CHECK const char *units_parse_size(const char *text, uint64_t *out);

/* Nanoseconds, never negative: one or more numbers with a unit (ns, us, µs, ms, s, m, h), as in
 * 300ms, 1.5s or 1h30m; 0 may stand alone. */
MUST_CHECK const char *units_parse_duration(const char *text, int64_t *out_ns);

/* A share from 0 to 1, written as 0.01 or as 1%. */
MUST_CHECK const char *units_parse_share(const char *text, double *out);

/* true, t, yes, on, 1 and their opposites, in either case. */
MUST_CHECK const char *units_parse_bool(const char *text, bool *out);
