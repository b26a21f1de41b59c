/* SPDX-License-Identifier: MIT */
#include "cmd/assertion.h"

#include <string.h>

#include "lib/histogram.h"
#include "lib/units.h"

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

static uint64_t different(const struct account *a)
{
    return account_sum(a, BOOK_DIFFERENT);
}

static uint64_t status_changes(const struct account *a)
{
    return account_sum(a, BOOK_STATUS_CHANGES);
}

static const struct metric metrics[] = {
    {.name = "errors", .count = errors},
    {.name = "lost", .count = lost, .any_output = true},
    {.name = "4xx", .count = status_4xx},
    {.name = "5xx", .count = status_5xx},
    {.name = "timeouts", .count = timeouts},
    {.name = "answers", .count = answers, .at_end = true},
    {.name = "diff", .count = different, .compares = true, .at_end = true},
    {.name = "status-changes", .count = status_changes, .compares = true, .at_end = true},
    {.name = "p50", .share = 0.5},
    {.name = "p90", .share = 0.9},
    {.name = "p95", .share = 0.95},
    {.name = "p99", .share = 0.99},
    {.name = "p99.9", .share = 0.999},
    {.name = "p99.99", .share = 0.9999},
    {.name = "max", .share = 1, .at_end = true},
};

const struct metric *assertion_metric(struct span name)
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

int assertion_parse(struct assertion *a, const char *option, const char *text, struct err *err)
{
    size_t name_len = strcspn(text, "<>");
    const char *p = text + name_len;
    *a = (struct assertion){.metric = assertion_metric(span_of(text, name_len))};
    if (!a->metric)
        return err_usage(
            err,
            "--%s \"%s\": at character 1: expected errors, lost, 4xx, 5xx, "
            "timeouts, answers, diff, status-changes, p50, p90, p95, p99, p99.9, p99.99 or max",
            option, text);
    if (*p == '\0')
        return err_usage(err, "--%s \"%s\": at character %zu: expected >, >=, < or <=", option,
                         text, name_len + 1);
    a->below = *p++ == '<';
    a->or_equal = *p == '=';
    p += a->or_equal;
    const char *expected = read_bound(a, p);
    if (expected)
        return err_usage(err, "--%s \"%s\": at character %zu: expected %s", option, text,
                         (size_t)(p - text) + 1, expected);
    return 0;
}

bool assertion_breaks(const struct assertion *a, double value)
{
    if (a->or_equal && value == a->bound)
        return true;
    return a->below ? value < a->bound : value > a->bound;
}

uint64_t assertion_settled(const struct account *a)
{
    return account_sum(a, BOOK_DELIVERED) + lost(a);
}
