/* SPDX-License-Identifier: MIT */
#include "cmd/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/number.h"
#include "lib/clock.h"
#include "lib/log.h"

#define LIVE_NS (200 * NS_PER_MS)
#define PLAIN_NS (10 * NS_PER_S)
#define COLUMNS 80 /* of a terminal that does not say */
#define TEXT_MAX 256

/* --- the line --- */

/* A line under way. */
struct line {
    char *text;
    size_t len, room; /* room: without the end */
    bool full;
};

/* Adds a part, if it fits as a whole; once one did not, no other does. */
static void add(struct line *line, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct line *line, const char *fmt, ...)
{
    char part[64];
    const char *comma = line->len > 0 ? ", " : "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(part, sizeof(part), fmt, args);
    va_end(args);
    size_t len = strlen(comma) + strlen(part);
    line->full = line->full || len > line->room - line->len;
    if (line->full)
        return;
    snprintf(line->text + line->len, len + 1, "%s%s", comma, part);
    line->len += len;
}

static void add_left(struct line *line, int64_t ns)
{
    long long s = (ns + NS_PER_S / 2) / NS_PER_S;
    if (s >= 3600)
        add(line, "%lld:%02lld:%02lld left", s / 3600, s / 60 % 60, s % 60);
    else
        add(line, "%lld:%02lld left", s / 60, s % 60);
}

size_t progress_text(char *out, size_t size, const struct progress_figures *f, size_t width)
{
    struct line line = {.text = out, .room = width < size ? width : size - 1};
    out[0] = '\0';
    if (f->done >= 0)
        add(&line, "%.0f%%", f->done * 100);
    if (f->left_ns >= 0)
        add_left(&line, f->left_ns);
    add(&line, "%s requests", grouped(f->requests).text);
    add(&line, "%.*f/s", f->rate < 10 ? 1 : 0, f->rate);
    add(&line, "%s errors", grouped(f->errors).text);
    if (f->lateness_ns >= 0)
        add(&line, "lateness p99 %.1f ms", (double)f->lateness_ns / (double)NS_PER_MS);
    return line.len;
}

/* --- the figures --- */

static uint64_t lost(const struct account *a)
{
    return account_sum(a, BOOK_FAILED) + account_sum(a, BOOK_DROPPED) +
           account_sum(a, BOOK_ABANDONED);
}

/* The sample that lies furthest back among those kept. */
static const struct progress_sample *oldest(const struct progress *p)
{
    return &p->samples[p->n_samples < PROGRESS_SAMPLES ? 0 : p->n_samples % PROGRESS_SAMPLES];
}

static struct progress_figures figures(const struct progress *p, const struct progress_sample *now)
{
    const struct progress_sample *then = oldest(p);
    double passed_s = (double)(now->at_ns - then->at_ns) / (double)NS_PER_S;
    uint64_t total = atomic_load(&p->playing->total);
    struct progress_figures f = {
        .done = -1,
        .requests = now->requests,
        .errors = lost(p->output) + account_sum(p->output, BOOK_HTTP_5XX),
        .lateness_ns = -1,
        .left_ns = -1,
    };
    if (passed_s > 0)
        f.rate = (double)(now->requests - then->requests) / passed_s;
    if (histogram_count(account_lateness(p->output)) > 0)
        f.lateness_ns = histogram_at_ns(account_lateness(p->output), 0.99);
    if (total == 0 || atomic_load(&p->playing->endless))
        return f;
    uint64_t left = now->bytes < total ? total - now->bytes : 0;
    f.done = 1 - (double)left / (double)total;
    if (now->bytes > then->bytes)
        f.left_ns = (int64_t)((double)left / (double)(now->bytes - then->bytes) * passed_s *
                              (double)NS_PER_S);
    return f;
}

/* --- telling --- */

/* The first output over HTTP, or the first at all. */
static const struct account *main_output(const struct ledger *ledger)
{
    const struct account *a;
    for (size_t i = 0; (a = ledger_nth(ledger, ACCOUNT_OUTPUT, i)); i++)
        if (strncmp(account_name(a), "output-http ", strlen("output-http ")) == 0)
            return a;
    return ledger_nth(ledger, ACCOUNT_OUTPUT, 0);
}

static const struct account *file_input(const struct ledger *ledger)
{
    const struct account *a;
    for (size_t i = 0; (a = ledger_nth(ledger, ACCOUNT_INPUT, i)); i++)
        if (strncmp(account_name(a), "input-file ", strlen("input-file ")) == 0)
            return a;
    return NULL;
}

static size_t columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return COLUMNS;
}

static struct progress_sample sample(const struct progress *p, int64_t now_ns)
{
    return (struct progress_sample){
        .at_ns = now_ns,
        .requests = account_sum(p->output, BOOK_DELIVERED) + lost(p->output),
        .bytes = atomic_load(&p->playing->done),
    };
}

void progress_begin(struct progress *p, const struct ledger *ledger, const struct options *options)
{
    const char *how = options_string(options, "progress");
    int64_t now_ns = clock_mono_ns();
    *p = (struct progress){.input = file_input(ledger), .output = main_output(ledger)};
    p->every_ns = p->next_ns = INT64_MAX;
    if (!p->input || !p->output || strcmp(how, "off") == 0 ||
        options_bool(options, "input-file-dry-run"))
        return;
    p->playing = account_playing(p->input);
    p->live = strcmp(how, "auto") == 0 && log_format() == LOG_TEXT && log_on_terminal();
    p->every_ns = p->live ? LIVE_NS : PLAIN_NS;
    p->next_ns = now_ns + p->every_ns;
    p->samples[p->n_samples++] = sample(p, now_ns);
}

static void tell(const struct progress *p, const struct progress_figures *f)
{
    static const char tag[] = "refrain: ";
    char line[TEXT_MAX + sizeof(tag)];
    if (!p->live) {
        progress_text(line, sizeof(line), f, TEXT_MAX);
        log_info(NULL, "%s", line);
        return;
    }
    /* the last column stays free: a terminal may go to the next line when it is written */
    size_t room = columns() - 1;
    memcpy(line, tag, sizeof(tag));
    if (room <= sizeof(tag) - 1)
        return;
    progress_text(line + sizeof(tag) - 1, TEXT_MAX, f, room - (sizeof(tag) - 1));
    log_status(line);
}

int64_t progress_tick(struct progress *p, int64_t now_ns)
{
    if (now_ns < p->next_ns)
        return p->next_ns;
    struct progress_sample now = sample(p, now_ns);
    struct progress_figures f = figures(p, &now);
    tell(p, &f);
    p->samples[p->n_samples++ % PROGRESS_SAMPLES] = now;
    p->next_ns = now_ns + p->every_ns;
    return p->next_ns;
}

void progress_end(struct progress *p)
{
    if (p->live)
        log_status("");
    p->next_ns = INT64_MAX;
}
