/* SPDX-License-Identifier: MIT */
#include "cmd/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"

#define MIN_MS 10
#define EVERY_MS 5000 /* gor's, where it cannot be set */

/* The outputs that have an option of their own for it. */
static const struct {
    const char *output, *option, *every_ms; /* NULL: cannot be set */
} kinds[] = {
    {"output-http", "output-http-stats", "output-http-stats-ms"},
    {"compare-with", "output-http-stats", "output-http-stats-ms"},
    {"output-tcp", "output-tcp-stats", NULL},
    {"output-ws", "output-ws-stats", NULL},
};

int stats_check(const struct options *options, struct err *err)
{
    int64_t ms = options_int(options, "output-http-stats-ms");
    if (ms < MIN_MS || ms > INT32_MAX)
        return err_usage(err,
                         "--output-http-stats-ms %lld: a number of milliseconds from %d on is "
                         "wanted",
                         (long long)ms, MIN_MS);
    return 0;
}

/* How often it is told of an output; 0: never. */
static int64_t every_ms(const struct account *output, const struct options *options)
{
    const char *name = account_name(output);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t len = strlen(kinds[i].output);
        if (strncmp(name, kinds[i].output, len) != 0 || name[len] != ' ')
            continue;
        if (!options_bool(options, kinds[i].option) && !options_bool(options, "stats"))
            return 0;
        return kinds[i].every_ms ? options_int(options, kinds[i].every_ms) : EVERY_MS;
    }
    return options_bool(options, "stats") ? EVERY_MS : 0;
}

void stats_begin(struct stats *stats, const struct ledger *ledger, const struct options *options)
{
    const struct account *output;
    int64_t now_ns = clock_mono_ns();
    stats->n = 0;
    for (size_t i = 0; (output = ledger_nth(ledger, ACCOUNT_OUTPUT, i)); i++) {
        int64_t every_ns = every_ms(output, options) * NS_PER_MS;
        if (every_ns == 0 || stats->n == STATS_OUTPUTS_MAX)
            continue;
        stats->lines[stats->n++] = (struct stats_line){
            .output = output, .every_ns = every_ns, .due_ns = now_ns + every_ns, .told_ns = now_ns};
    }
}

/* What is told of outputs that get answers, if there were any yet; else "". */
static void answers_text(char *out, size_t size, const struct account *output)
{
    const struct histogram *latency = account_latency(output);
    out[0] = '\0';
    if (histogram_count(latency) == 0)
        return;
    snprintf(out, size,
             "; %" PRIu64 " connections opened so far; latency so far: p50 %.3f ms, p99 %.3f ms",
             account_sum(output, BOOK_HTTP_CONNECTIONS),
             (double)histogram_at_ns(latency, 0.5) / (double)NS_PER_MS,
             (double)histogram_at_ns(latency, 0.99) / (double)NS_PER_MS);
}

static void tell(struct stats_line *line, int64_t now_ns)
{
    char answers[128];
    uint64_t delivered = account_sum(line->output, BOOK_DELIVERED);
    uint64_t failed = account_sum(line->output, BOOK_FAILED);
    uint64_t dropped = account_sum(line->output, BOOK_DROPPED);
    double seconds = (double)(now_ns - line->told_ns) / (double)NS_PER_S;
    answers_text(answers, sizeof(answers), line->output);
    log_info(account_name(line->output),
             "%" PRIu64 " delivered (%.1f/s), %" PRIu64 " failed, %" PRIu64 " dropped, %" PRIu64
             " held%s",
             delivered - line->delivered, (double)(delivered - line->delivered) / seconds,
             failed - line->failed, dropped - line->dropped, account_open(line->output), answers);
    line->delivered = delivered;
    line->failed = failed;
    line->dropped = dropped;
    line->told_ns = now_ns;
    line->due_ns = now_ns + line->every_ns;
}

int64_t stats_tick(struct stats *stats, int64_t now_ns)
{
    int64_t due_ns = INT64_MAX;
    for (size_t i = 0; i < stats->n; i++) {
        struct stats_line *line = &stats->lines[i];
        if (line->due_ns <= now_ns)
            tell(line, now_ns);
        if (line->due_ns < due_ns)
            due_ns = line->due_ns;
    }
    return due_ns;
}
