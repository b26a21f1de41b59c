/* SPDX-License-Identifier: MIT */
#include "cmd/fail_on.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/histogram.h"
#include "lib/log.h"
#include "lib/span.h"
#include "lib/units.h"
#include "report/json_object.h"

#define OPTION "fail-on"

struct metric {
    const char *name;
    uint64_t (*count)(const struct account *a); /* NULL: a time, of so large a share of answers: */
    double share;
    bool any_output; /* not only those that get answers */
    bool compares; /* of the comparison, as a share of the pairs */
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
    {.name = "answers", .count = answers},
    {.name = "diff", .count = different, .compares = true},
    {.name = "status-changes", .count = status_changes, .compares = true},
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
        return err_usage(
            err,
            "--" OPTION " \"%s\": at character 1: expected errors, lost, 4xx, 5xx, "
            "timeouts, answers, diff, status-changes, p50, p90, p95, p99, p99.9, p99.99 or max",
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

bool fail_on_compares(const struct options *options)
{
    const char *text;
    for (size_t i = 0; (text = options_nth(options, OPTION, i)); i++) {
        const struct metric *metric = find_metric(span_of(text, strcspn(text, "<>")));
        if (metric && metric->compares)
            return true;
    }
    return false;
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

/* What became of an assertion at one output. */
struct finding {
    const char *text;
    const struct metric *metric;
    const struct account *out;
    bool holds;
    bool no_answer; /* there is nothing that it could be judged by */
    int64_t ns; /* of a time */
    uint64_t n, all; /* of a number: so many, of so many requests */
};

static struct finding judge(const struct assertion *a, const struct account *out, const char *text)
{
    struct finding f = {.text = text, .metric = a->metric, .out = out};
    if (!a->metric->count) {
        const struct histogram *h = account_latency(out);
        f.no_answer = histogram_count(h) == 0;
        f.ns = histogram_at_ns(h, a->metric->share);
        f.holds = !f.no_answer && !breaks(a, (double)f.ns);
        return f;
    }
    f.n = a->metric->count(out);
    f.all = a->metric->compares ? account_sum(out, BOOK_COMPARED)
                                : account_sum(out, BOOK_DELIVERED) + lost(out);
    double share = f.all > 0 ? (double)f.n / (double)f.all : 0;
    f.no_answer = a->metric->compares && f.all == 0;
    f.holds = !f.no_answer && !breaks(a, a->is_share ? share : (double)f.n);
    return f;
}

static bool is_meant(const struct metric *metric, const struct account *out)
{
    bool compares = strcmp(account_name(out), "compare") == 0;
    return metric->compares ? compares : metric->any_output || gets_answers(out);
}

/* All of them, at all outputs that they ask about. */
static void judge_all(const struct ledger *ledger, const struct options *options,
                      void (*tell)(const struct finding *f, void *arg), void *arg)
{
    const char *text;
    for (size_t i = 0; (text = options_nth(options, OPTION, i)); i++) {
        struct assertion a;
        struct err err;
        int r = parse(&a, text, &err);
        assert(r == 0); /* fail_on_check() saw to it */
        (void)r;
        const struct account *out;
        for (size_t k = 0; (out = ledger_nth(ledger, ACCOUNT_OUTPUT, k)); k++)
            if (is_meant(a.metric, out)) {
                struct finding f = judge(&a, out, text);
                tell(&f, arg);
            }
    }
}

static void log_finding(const struct finding *f, void *arg)
{
    bool *holds = arg;
    const char *name = account_name(f->out), *metric = f->metric->name;
    *holds &= f->holds;
    if (f->holds)
        return;
    if (f->no_answer && f->metric->compares)
        log_error(NULL,
                  "--" OPTION " \"%s\": no answer was compared: there were no recorded responses, "
                  "no answers, or not to the same requests",
                  f->text);
    else if (f->no_answer)
        log_error(NULL, "--" OPTION " \"%s\": %s got no answer", f->text, name);
    else if (!f->metric->count)
        log_error(NULL, "--" OPTION " \"%s\": %s of %s is %.3f ms", f->text, metric, name,
                  (double)f->ns / 1e6);
    else
        log_error(NULL, "--" OPTION " \"%s\": %s of %s: %" PRIu64 " of %" PRIu64 " (%.3f%%)",
                  f->text, metric, name, f->n, f->all,
                  f->all > 0 ? 100 * (double)f->n / (double)f->all : 0);
}

bool fail_on_holds(const struct ledger *ledger, const struct options *options)
{
    bool holds = true;
    judge_all(ledger, options, log_finding, &holds);
    return holds;
}

static void append_finding(const struct finding *f, void *arg)
{
    struct object o = object_new();
    put_text(&o, "assertion", f->text);
    put_text(&o, "output", account_name(f->out));
    put(&o, "holds", json_boolean(f->holds));
    if (f->metric->count) {
        put_integer(&o, "count", f->n);
        put_integer(&o, "of", f->all);
    } else if (!f->no_answer) {
        put_seconds(&o, "value_s", f->ns);
    }
    append(arg, o.json);
}

json_t *fail_on_json(const struct ledger *ledger, const struct options *options)
{
    json_t *list = json_array();
    judge_all(ledger, options, append_finding, &list);
    return list;
}
