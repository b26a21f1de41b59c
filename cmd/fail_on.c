/* SPDX-License-Identifier: MIT */
#include "cmd/fail_on.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/histogram.h"
#include "lib/log.h"
#include "lib/span.h"
#include "lib/units.h"

#define OPTION "fail-on"

struct metric {
    const char *name;
    uint64_t (*count)(const struct account *a); /* NULL: a time, of so large a share of answers: */
    double share;
    bool any_output; /* not only those that get answers */
};

struct assertion {
    const struct metric *metric;
    bool below, or_equal; /* <, <=, >=; else > */
    bool is_share; /* of the requests that were for the output */
    double bound; /* a number, a share, or nanoseconds */
};

/* --- what can be asked --- */

static uint64_t lost(const struct account *a)
{
    return account_sum(a, BOOK_FAILED) + account_sum(a, BOOK_ABANDONED) +
           account_sum(a, BOOK_DROPPED);
}

static uint64_t errors(const struct account *a)
{
    return lost(a) + account_sum(a, BOOK_HTTP_5XX);
}

static uint64_t status_4xx(const struct account *a)
{
    return account_sum(a, BOOK_HTTP_4XX);
}

static uint64_t status_5xx(const struct account *a)
{
    return account_sum(a, BOOK_HTTP_5XX);
}

static uint64_t timeouts(const struct account *a)
{
    return account_sum(a, BOOK_HTTP_TIMEOUT);
}

static uint64_t answers(const struct account *a)
{
    return histogram_count(account_latency(a));
}

static const struct metric metrics[] = {
    {.name = "errors", .count = errors},
    {.name = "lost", .count = lost, .any_output = true},
    {.name = "4xx", .count = status_4xx},
    {.name = "5xx", .count = status_5xx},
    {.name = "timeouts", .count = timeouts},
    {.name = "answers", .count = answers},
    {.name = "p50", .share = 0.5},
    {.name = "p90", .share = 0.9},
    {.name = "p95", .share = 0.95},
    {.name = "p99", .share = 0.99},
    {.name = "p99.9", .share = 0.999},
    {.name = "p99.99", .share = 0.9999},
    {.name = "max", .share = 1},
};

/* --- reading --- */

static const struct metric *find_metric(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
        if (span_eq(name, span_str(metrics[i].name)))
            return &metrics[i];
    return NULL;
}

/* The value; NULL, or what was expected. */
static const char *read_bound(struct assertion *a, const char *text)
{
    int64_t n;
    const char *expected;
    size_t len = strlen(text);
    if (!a->metric->count) {
        expected = units_parse_duration(text, &n);
        a->bound = expected ? 0 : (double)n;
        return expected;
    }
    a->is_share = len > 0 && text[len - 1] == '%';
    if (a->is_share)
        return units_parse_share(text, &a->bound) ? "a number or a percentage" : NULL;
    expected = units_parse_int(text, &n) || n < 0 ? "a number or a percentage" : NULL;
    a->bound = expected ? 0 : (double)n;
    return expected;
}

static int parse(struct assertion *a, const char *text, struct err *err)
{
    size_t name_len = strcspn(text, "<>");
    const char *p = text + name_len;
    *a = (struct assertion){.metric = find_metric(span_of(text, name_len))};
    if (!a->metric)
        return err_usage(err,
                         "--" OPTION " \"%s\": at character 1: expected errors, lost, 4xx, 5xx, "
                         "timeouts, answers, p50, p90, p95, p99, p99.9, p99.99 or max",
                         text);
    if (*p == '\0')
        return err_usage(err,
                         "--" OPTION " \"%s\": at character %zu: expected >, >=, < or <=", text,
                         name_len + 1);
    a->below = *p++ == '<';
    a->or_equal = *p == '=';
    p += a->or_equal;
    const char *expected = read_bound(a, p);
    if (expected)
        return err_usage(err, "--" OPTION " \"%s\": at character %zu: expected %s", text,
                         (size_t)(p - text) + 1, expected);
    return 0;
}

int fail_on_check(const struct options *options, struct err *err)
{
    const char *text;
    for (size_t i = 0; (text = options_nth(options, OPTION, i)); i++) {
        struct assertion a;
        int r = parse(&a, text, err);
        if (r < 0)
            return r;
        if (!a.metric->any_output && !options_nth(options, "output-http", 0))
            return err_usage(err, "--" OPTION " \"%s\": there is no --output-http to ask about",
                             text);
    }
    return 0;
}

/* --- judging --- */

static bool gets_answers(const struct account *a)
{
    return strncmp(account_name(a), "output-http ", strlen("output-http ")) == 0;
}

static bool breaks(const struct assertion *a, double value)
{
    if (a->or_equal && value == a->bound)
        return true;
    return a->below ? value < a->bound : value > a->bound;
}

static bool time_holds(const struct assertion *a, const struct account *out, const char *text)
{
    const struct histogram *h = account_latency(out);
    if (histogram_count(h) == 0) {
        log_error(NULL, "--" OPTION " \"%s\": %s got no answer", text, account_name(out));
        return false;
    }
    int64_t ns = histogram_at_ns(h, a->metric->share);
    if (!breaks(a, (double)ns))
        return true;
    log_error(NULL, "--" OPTION " \"%s\": %s of %s is %.3f ms", text, a->metric->name,
              account_name(out), (double)ns / 1e6);
    return false;
}

static bool count_holds(const struct assertion *a, const struct account *out, const char *text)
{
    uint64_t n = a->metric->count(out), all = account_sum(out, BOOK_DELIVERED) + lost(out);
    double share = all > 0 ? (double)n / (double)all : 0;
    if (!breaks(a, a->is_share ? share : (double)n))
        return true;
    log_error(NULL, "--" OPTION " \"%s\": %s of %s: %" PRIu64 " of %" PRIu64 " (%.3f%%)", text,
              a->metric->name, account_name(out), n, all, 100 * share);
    return false;
}

bool fail_on_holds(const struct ledger *ledger, const struct options *options)
{
    const char *text;
    bool holds = true;
    for (size_t i = 0; (text = options_nth(options, OPTION, i)); i++) {
        struct assertion a;
        struct err err;
        int r = parse(&a, text, &err);
        assert(r == 0); /* fail_on_check() saw to it */
        (void)r;
        const struct account *out;
        for (size_t k = 0; (out = ledger_nth(ledger, ACCOUNT_OUTPUT, k)); k++)
            if (a.metric->any_output || gets_answers(out))
                holds &= a.metric->count ? count_holds(&a, out, text) : time_holds(&a, out, text);
    }
    return holds;
}
