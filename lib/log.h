/* SPDX-License-Identifier: MIT */
/* The one way to say something on stderr while running. Never used per message or per packet: what
 * happens on the data path is counted in the ledger. A line is written with one write(2), so lines
 * of several threads do not mix. Control bytes in the formatted text are shown as \xNN, so foreign
 * bytes cannot forge or colour a line. May be called from any thread. */
#pragma once

#include "lib/base.h"

enum log_level {
    LOG_ERROR = 0, /* something asked for does not happen */
    LOG_WARN = 1, /* something is lost or odd */
    LOG_INFO = 2, /* what a person at the terminal wants to know once */
    LOG_DEBUG = 3,
};

/* Lines of a level above this one are not formatted. Default LOG_INFO. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* tag: the module or "output-http http://..."; shown as "refrain: TAG: text". tag may be NULL. */
void log_line(enum log_level level, const char *tag, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_error(tag, ...) log_line(LOG_ERROR, (tag), __VA_ARGS__)
#define log_warn(tag, ...) log_line(LOG_WARN, (tag), __VA_ARGS__)
#define log_info(tag, ...) log_line(LOG_INFO, (tag), __VA_ARGS__)
#define log_debug(tag, ...) log_line(LOG_DEBUG, (tag), __VA_ARGS__)

/* Writes text as it is, with one write(2): several lines, such as the summary. */
void log_block(const char *text, size_t len);

/* On a terminal: text becomes the last line, without a line end, and is written anew below all that
 * is logged from now on; "" takes it away. At most LOG_STATUS_MAX bytes of it. */
#define LOG_STATUS_MAX 512
void log_status(const char *text);

/* Lets a line through at most once a second, for faults that repeat: owned by one thread.
 *     if (log_limit(&self->refused)) log_warn(...); */
struct log_limit {
    int64_t last_ns; /* 0: never */
    uint64_t muted; /* lines swallowed since the last one shown */
};
bool log_limit(struct log_limit *limit);
