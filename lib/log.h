/* SPDX-License-Identifier: MIT */
/* The one way to say something on stderr while running. Never used per message or per packet: what
 * happens on the data path is counted in the ledger. A line is written with one write(2), so lines
 * of several threads do not mix. What no terminal should get is shown as \xNN, so foreign bytes
 * cannot forge or colour a line. May be called from any thread.
 *
 * Lines that repeat are told once, and then how many there were (lib/log_repeats.h). */
#pragma once

#include "lib/base.h"
#include "lib/log_line.h"

/* Lines of a level above this one are not formatted. Default LOG_INFO. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Default LOG_TEXT. */
void log_set_format(enum log_format format);
enum log_format log_format(void);
/* Is stderr a terminal that can write a line anew? Warnings and errors are coloured there, unless
 * NO_COLOR is set (no-color.org). */
bool log_on_terminal(void);

/* tag: the module or "output-http http://..."; shown as "refrain: TAG: text". tag may be NULL. */
void log_line(enum log_level level, const char *tag, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_error(tag, ...) log_line(LOG_ERROR, (tag), __VA_ARGS__)
#define log_warn(tag, ...) log_line(LOG_WARN, (tag), __VA_ARGS__)
#define log_info(tag, ...) log_line(LOG_INFO, (tag), __VA_ARGS__)
#define log_debug(tag, ...) log_line(LOG_DEBUG, (tag), __VA_ARGS__)

/* For faults that come often, with changing details: lines of this tag with the same words, such as
 * the reason, are one thing that repeats. Costs little when it is held back. */
void log_often(enum log_level level, const char *tag, const char *words, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* An event with figures, at most LOG_FIELDS_MAX; told at every level, never held back. */
void log_event(const char *text, const struct log_field *fields, size_t n_fields);

/* Tells of repeats what is due. Returns when to call again. */
int64_t log_tick(int64_t now_ns);
/* Tells of all repeats, at the end. */
void log_flush(void);

/* Writes text with its line feeds, with one write(2): several lines, such as the summary. */
void log_block(const char *text, size_t len);

/* On a terminal: text becomes the last line, without a line end, and is written anew below all that
 * is logged from now on; "" takes it away. At most LOG_STATUS_MAX bytes of it. */
#define LOG_STATUS_MAX 512
void log_status(const char *text);
