/* SPDX-License-Identifier: MIT */
/* The names of recordings: a template with placeholders, and the chunk index in front of the
 * extension. Pure but for reading a folder. refrain-file(5), FILE NAMES.
 *
 *   %Y %m %d %H %M %S  local time, as date(1)      %NS  nanoseconds of the second, not padded
 *   %i  8 random letters, the same for the whole run    %r  id of the record    %t  its type
 *
 * Everything else stays as it is. */
#pragma once

#include <limits.h>

#include "lib/base.h"
#include "lib/span.h"

/* What a template depends on beside the second of the clock. */
struct filename_uses {
    bool record; /* %r or %NS: each record has a name of its own */
    bool type; /* %t */
};
struct filename_uses filename_uses(const char *pattern);

struct filename_values {
    int64_t wall_ns;
    struct span id; /* of the record; bytes that do not belong into a name become '_' */
    char type; /* of the record */
};

/* Writes the name to out (room for PATH_MAX). 0 or -ENAMETOOLONG. */
MUST_CHECK int filename_expand(char *out, const char *pattern, const struct filename_values *v);

/* Where the extension of name begins, which is the whole of it: ".gor.gz". The length of name when
 * there is none. */
size_t filename_stem(const char *name);

/* "x.gor.gz" and 3: "x_3.gor.gz". out has room for PATH_MAX. 0 or -ENAMETOOLONG. */
MUST_CHECK int filename_chunk(char *out, const char *name, uint64_t index);

/* The index after the highest one that is there already for exactly this name: x_N.gor.gz, and
 * gor's x.gor_N.gz. 0 when there is none, or when the folder is missing or may not be read. */
MUST_CHECK int filename_next(const char *name, uint64_t *index);
