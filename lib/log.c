/* SPDX-License-Identifier: MIT */
#include "lib/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"

static atomic_int max_level = LOG_INFO;

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
    if (write(STDERR_FILENO, line, len) == -1)
        return; /* there is nowhere left to say so */
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
