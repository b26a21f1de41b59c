/* SPDX-License-Identifier: MIT */
/* A line of the log as text, in one of three forms:
 *
 *   text    refrain: TAG: warning: what happened (repeated 3 times)
 *   logfmt  time=2026-11-30T10:00:00.000Z level=warn source=TAG msg="what happened" repeated=3
 *   json {"time":"2026-11-30T10:00:00.000Z","level":"warn","source":"TAG","msg":"...","repeated":3}
 *
 * First, in all of them, what no terminal should get becomes \xNN: control characters (C1 as well),
 * characters that turn or hide text, and bytes that are not UTF-8. Only then are quotes put around
 * it. So what a reader of logfmt or JSON takes out of a line has no such bytes either. Pure. */
#pragma once

#include "lib/base.h"

enum log_level {
    LOG_ERROR = 0, /* something asked for does not happen */
    LOG_WARN = 1, /* something is lost or odd */
    LOG_INFO = 2, /* what a person at the terminal wants to know once */
    LOG_DEBUG = 3,
};

enum log_format {
    LOG_TEXT = 0,
    LOG_LOGFMT = 1,
    LOG_JSON = 2,
};

/* A figure of an event; its name is scope_key, or key. */
struct log_field {
    const char *scope; /* NULL: none */
    const char *key; /* letters, digits, '_' */
    enum { LOG_COUNT = 0, LOG_REAL = 1, LOG_BOOL = 2 } kind;
    union {
        uint64_t count;
        double real; /* finite */
        bool holds;
    } value;
};

struct log_line {
    int64_t wall_ns;
    enum log_level level;
    const char *tag; /* NULL: none */
    const char *text;
    uint64_t times; /* that it was said; 0 is 1 */
    const struct log_field *fields;
    size_t n_fields;
};

/* Of tag and text: so much is shown, then "...". */
#define LOG_TAG_MAX 256
#define LOG_TEXT_MAX 2048
#define LOG_FIELDS_MAX 320
/* Room for any line with so many fields, and its LF: a byte can become \\xNN. */
#define LOG_ROOM(n_fields) (((size_t)LOG_TAG_MAX + LOG_TEXT_MAX) * 5 + 256 + (size_t)(n_fields)*96)

/* Writes the line and its LF; returns the length. out has LOG_ROOM(line->n_fields). colour: for
 * text, on a terminal. */
size_t log_line_write(char *out, enum log_format format, bool colour, const struct log_line *line);

/* text, len long, with LF as they are and otherwise as above; out has room for 4 times len. */
size_t log_visible(char *out, const char *text, size_t len);
