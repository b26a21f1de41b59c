/* SPDX-License-Identifier: MIT */
#include "cmd/wire_compare.h"

#include <errno.h>
#include <string.h>

#include "cmd/fail_on.h"

static bool is_named(const struct options *options)
{
    return options_bool(options, "compare") || options_nth(options, "compare-with", 0) ||
           fail_on_compares(options);
}

/* Who is asked: targets, and what they are compared with. */
struct asked {
    size_t targets, baselines;
    const struct wanted *target, *baseline; /* the last of each */
};

static struct asked asked_of(const struct wanted_outputs *wanted)
{
    struct asked asked = {.targets = 0};
    for (size_t i = 0; i < wanted->n; i++) {
        const struct wanted *w = &wanted->wanted[i];
        if (w->ops->baseline) {
            asked.baselines++;
            asked.baseline = w;
        } else if (w->ops->exchanges) {
            asked.targets++;
            asked.target = w;
        }
    }
    return asked;
}

bool wire_compare_wanted(const struct options *options, const struct wanted_outputs *wanted)
{
    return is_named(options) || (options_nth(options, "report", 0) && asked_of(wanted).targets > 0);
}

/* An address without what does not matter: its limit, http:// and slashes at the end. */
static struct span bare(const struct wanted *wanted)
{
    struct span url = span_str(wanted->value), http = span_str("http://");
    struct limit limit;
    struct err ignored; /* wanted_read() has seen to it */
    size_t len;
    if (limit_parse(wanted->ops->option, wanted->value, &len, &limit, &ignored) == 0)
        url.len = len;
    if (url.len >= http.len && span_eq_nocase(span_of(url.ptr, http.len), http))
        url = span_from(url, http.len);
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    return url;
}

static int check(const struct asked *asked, const struct options *options, struct err *err)
{
    if (asked->targets == 0)
        return err_usage(err, "there is no --output-http whose answers could be compared");
    if (asked->baselines > 1)
        return err_usage(err, "--compare-with \"%s\": there can be only one",
                         options_nth(options, "compare-with", 1));
    return 0;
}

int wire_compare(struct comparing *comparing, struct pipeline *pipe, struct ledger *ledger,
                 const struct options *options, const struct wanted_outputs *wanted,
                 struct err *err)
{
    struct asked asked = asked_of(wanted);
    int r = check(&asked, options, err);
    if (r < 0)
        return r;
    struct account *account = ledger_account(ledger, ACCOUNT_OUTPUT, "compare");
    struct books *books = account ? account_page(account) : NULL;
    if (!books || comparison_new(&comparing->comparison) < 0)
        return err_sys(err, ENOMEM, "--compare");
    if (!is_named(options))
        comparison_on_offer(comparing->comparison);
    struct compare_config config = {
        .options = options,
        .books = books,
        .comparison = comparing->comparison,
        .with_baseline = asked.baselines > 0,
        .twice = asked.baselines > 0 && asked.targets == 1 &&
                 span_eq_nocase(bare(asked.target), bare(asked.baseline)),
        .several = asked.targets > 1,
    };
    r = compare_open(&comparing->out, &config, err);
    const struct output_rules rules = {.leg = LEG_LAST, .name = "", .aside = true};
    return r < 0 ? r : pipeline_add_output(pipe, comparing->out, account, &rules, err);
}
