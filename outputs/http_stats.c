/* SPDX-License-Identifier: MIT */
#include "outputs/http_stats.h"

#include <inttypes.h>

#include "lib/clock.h"
#include "lib/log.h"

#define MIN_MS 10

int http_stats_init(struct http_stats *s, const struct options *options, struct err *err)
{
    int64_t ms = options_int(options, "output-http-stats-ms");
    *s = (struct http_stats){0};
    if (!options_bool(options, "output-http-stats"))
        return 0;
    if (ms < MIN_MS || ms > INT32_MAX)
        return err_usage(err,
                         "--output-http-stats-ms %lld: a number of milliseconds from %d on is "
                         "wanted",
                         (long long)ms, MIN_MS);
    s->every_ns = ms * NS_PER_MS;
    s->told_ns = clock_mono_ns();
    s->due_ns = s->told_ns + s->every_ns;
    return 0;
}

void http_stats_tick(struct http_stats *s, const char *tag, const struct books *books,
                     const struct histogram *latency, size_t held, int64_t now_ns)
{
    if (s->every_ns == 0 || now_ns < s->due_ns)
        return;
    uint64_t answers = book_get(books, BOOK_DELIVERED), failed = book_get(books, BOOK_FAILED);
    double seconds = (double)(now_ns - s->told_ns) / (double)NS_PER_S;
    log_info(tag,
             "%" PRIu64 " answers (%.1f/s), %" PRIu64 " failed, %zu held, %" PRIu64
             " connections opened so far; latency so far: p50 %.3f ms, p99 %.3f ms",
             answers - s->answers, (double)(answers - s->answers) / seconds, failed - s->failed,
             held, book_get(books, BOOK_HTTP_CONNECTIONS),
             (double)histogram_at_ns(latency, 0.5) / (double)NS_PER_MS,
             (double)histogram_at_ns(latency, 0.99) / (double)NS_PER_MS);
    s->answers = answers;
    s->failed = failed;
    s->told_ns = now_ns;
    s->due_ns = now_ns + s->every_ns;
}
