/* SPDX-License-Identifier: MIT */
#include "lib/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/clock.h"

#define CLEAR_LINE "\r\033[K"

static atomic_int max_level = LOG_INFO;
/* The last line of the terminal; of any thread, and changed by one. */
static pthread_mutex_t status_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool has_status;
static char status[LOG_STATUS_MAX + 1];

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

/* Copies text to out with control bytes made visible; out has room for 4 times the length. */
static size_t escape(char *out, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p >= 0x20 && *p != 0x7f) {
            out[n++] = (char)*p;
            continue;
        }
        out[n++] = '\\';
        out[n++] = 'x';
        out[n++] = hex[*p >> 4];
        out[n++] = hex[*p & 15];
    }
    return n;
}

void log_line(enum log_level level, const char *tag, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    char text[2048];
    size_t used = (size_t)snprintf(text, sizeof(text), "refrain: %s%s%s", tag ? tag : "",
                                   tag ? ": " : "", level == LOG_WARN ? "warning: " : "");
    if (used < sizeof(text)) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(text + used, sizeof(text) - used, fmt, args);
        va_end(args);
    }
    char line[sizeof(text) * 4 + 1];
    size_t len = escape(line, text);
    line[len++] = '\n';
    log_block(line, len);
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

void log_block(const char *text, size_t len)
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

bool log_limit(struct log_limit *limit)
{
    int64_t now = clock_mono_ns();
    if (limit->last_ns != 0 && now - limit->last_ns < NS_PER_S) {
        limit->muted++;
        return false;
    }
    limit->last_ns = now;
    limit->muted = 0;
    return true;
}
