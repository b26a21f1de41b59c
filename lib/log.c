/* SPDX-License-Identifier: MIT */
#include "lib/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log_repeats.h"
#include "lib/mem.h"
#include "lib/userinfo.h"

#define CLEAR_LINE "\r\033[K"

static atomic_int max_level = LOG_INFO;
static atomic_int line_format = LOG_TEXT;
/* The last line of the terminal; of any thread, and changed by one. */
static pthread_mutex_t status_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool has_status;
static char status[LOG_STATUS_MAX + 1];
static pthread_mutex_t repeats_lock = PTHREAD_MUTEX_INITIALIZER; /* never held while writing */
static struct log_repeats repeats;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_set_format(enum log_format format)
{
    atomic_store_explicit(&line_format, (int)format, memory_order_relaxed);
}

enum log_format log_format(void)
{
    return (enum log_format)atomic_load_explicit(&line_format, memory_order_relaxed);
}

/* --- writing --- */

static bool on_terminal, in_colour;

static void look_at_stderr(void)
{
    const char *term = getenv("TERM"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    const char *no_color = getenv("NO_COLOR"); /* NOLINT(concurrency-mt-unsafe) */
    on_terminal =
        isatty(STDERR_FILENO) && term && strcmp(term, "") != 0 && strcmp(term, "dumb") != 0;
    in_colour = on_terminal && !(no_color && no_color[0]);
}

static void look_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look_at_stderr);
}

bool log_on_terminal(void)
{
    look_once();
    return on_terminal;
}

static struct iovec piece(const char *text, size_t len)
{
    return (struct iovec){.iov_base = (char *)(uintptr_t)text, .iov_len = len};
}

static void write_pieces(const struct iovec *pieces, int n)
{
    if (writev(STDERR_FILENO, pieces, n) == -1)
        return; /* there is nowhere left to say so */
}

static void write_out(const char *text, size_t len)
{
    struct iovec pieces[3] = {piece(text, len)};
    if (!atomic_load_explicit(&has_status, memory_order_relaxed)) {
        write_pieces(pieces, 1);
        return;
    }
    pthread_mutex_lock(&status_lock);
    pieces[0] = piece(CLEAR_LINE, strlen(CLEAR_LINE));
    pieces[1] = piece(text, len);
    pieces[2] = piece(status, strlen(status));
    write_pieces(pieces, ARRAY_LEN(pieces));
    pthread_mutex_unlock(&status_lock);
}

void log_block(const char *text, size_t len)
{
    char *out = mem_alloc(MEM_OTHER, len * 4 + 1);
    if (!out) {
        log_error(NULL, "no memory to show %zu bytes", len);
        return;
    }
    write_out(out, log_visible(out, text, len));
    mem_free(out);
}

void log_status(const char *text)
{
    pthread_mutex_lock(&status_lock);
    snprintf(status, sizeof(status), "%s", text);
    if (status[0] || atomic_load_explicit(&has_status, memory_order_relaxed)) {
        const struct iovec pieces[] = {piece(CLEAR_LINE, strlen(CLEAR_LINE)),
                                       piece(status, strlen(status))};
        write_pieces(pieces, ARRAY_LEN(pieces));
    }
    atomic_store_explicit(&has_status, status[0] != '\0', memory_order_relaxed);
    pthread_mutex_unlock(&status_lock);
}

/* --- lines --- */

static void tell(const struct log_line *line)
{
    char out[LOG_ROOM(0)];
    look_once();
    write_out(out, log_line_write(out, log_format(), in_colour, line));
}

/* What was held back of a line. */
static void tell_held(const struct log_repeat *held)
{
    tell(&(struct log_line){.wall_ns = clock_wall_ns(),
                            .level = held->level,
                            .tag = held->tag[0] ? held->tag : NULL,
                            .text = held->text,
                            .times = held->held});
}

static bool is_held(const struct log_saying *saying, int64_t now_ns)
{
    pthread_mutex_lock(&repeats_lock);
    bool held = log_repeats_hold(&repeats, saying, now_ns);
    pthread_mutex_unlock(&repeats_lock);
    return held;
}

PRINTF_LIKE(2, 0) static void say(struct log_saying saying, const char *fmt, va_list args)
{
    char text[LOG_TEXT_MAX + 2];
    struct log_repeat old;
    int64_t now_ns = clock_mono_ns();
    if (saying.words && is_held(&saying, now_ns))
        return;
    vsnprintf(text, sizeof(text), fmt, args);
    userinfo_hide(text, sizeof(text));
    saying.text = text;
    pthread_mutex_lock(&repeats_lock);
    bool held = log_repeats_hold(&repeats, &saying, now_ns);
    uint64_t times = held ? 0 : log_repeats_told(&repeats, &saying, now_ns, &old);
    pthread_mutex_unlock(&repeats_lock);
    if (held)
        return;
    if (old.held > 0)
        tell_held(&old);
    tell(&(struct log_line){.wall_ns = clock_wall_ns(),
                            .level = saying.level,
                            .tag = saying.tag[0] ? saying.tag : NULL,
                            .text = text,
                            .times = times});
}

void log_line(enum log_level level, const char *tag, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    struct log_saying saying = {.level = level, .tag = tag ? tag : ""};
    va_list args;
    va_start(args, fmt);
    say(saying, fmt, args);
    va_end(args);
}

void log_often(enum log_level level, const char *tag, const char *words, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    struct log_saying saying = {.level = level, .tag = tag ? tag : "", .words = words};
    va_list args;
    va_start(args, fmt);
    say(saying, fmt, args);
    va_end(args);
}

void log_event(const char *text, const struct log_field *fields, size_t n_fields)
{
    char out[LOG_ROOM(LOG_FIELDS_MAX)];
    assert(n_fields <= LOG_FIELDS_MAX);
    const struct log_line line = {.wall_ns = clock_wall_ns(),
                                  .level = LOG_INFO,
                                  .text = text,
                                  .fields = fields,
                                  .n_fields = n_fields};
    write_out(out, log_line_write(out, log_format(), false, &line));
}

static void tell_due(int64_t now_ns)
{
    struct log_repeat held;
    bool any = true;
    while (any) {
        pthread_mutex_lock(&repeats_lock);
        any = log_repeats_due(&repeats, now_ns, &held);
        pthread_mutex_unlock(&repeats_lock);
        if (any)
            tell_held(&held);
    }
}

int64_t log_tick(int64_t now_ns)
{
    tell_due(now_ns);
    return now_ns + NS_PER_S; /* another thread may say something meanwhile */
}

void log_flush(void)
{
    tell_due(INT64_MAX);
}
