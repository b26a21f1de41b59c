/* SPDX-License-Identifier: MIT */
#include "cmd/fail_on.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/assertion.h"
#include "lib/histogram.h"
#include "lib/log.h"
#include "report/json_object.h"

#define OPTION "fail-on"

bool fail_on_compares(const struct options *options)
{
    const char *text;
    for (size_t i = 0; (text = options_nth(options, OPTION, i)); i++) {
        const struct metric *metric = assertion_metric(span_of(text, strcspn(text, "<>")));
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
        int r = assertion_parse(&a, OPTION, text, err);
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
        f.holds = !f.no_answer && !assertion_breaks(a, (double)f.ns);
        return f;
    }
    f.n = a->metric->count(out);
    f.all = a->metric->compares ? account_sum(out, BOOK_COMPARED) : assertion_settled(out);
    double share = f.all > 0 ? (double)f.n / (double)f.all : 0;
    f.no_answer = a->metric->compares && f.all == 0;
    f.holds = !f.no_answer && !assertion_breaks(a, a->is_share ? share : (double)f.n);
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
        int r = assertion_parse(&a, OPTION, text, &err);
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
