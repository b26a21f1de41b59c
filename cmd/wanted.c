/* SPDX-License-Identifier: MIT */
#include "cmd/wanted.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cmd/registry.h"
#include "lib/log.h"
#include "lib/options_table.h"
#include "outputs/outputs.h"

void wanted_label(char *out, size_t size, const char *option, const char *value)
{
    const char *authority = strstr(value, "://");
    authority = authority ? authority + 3 : value;
    const char *end = authority + strcspn(authority, "/?#|");
    const char *at = NULL;
    for (const char *p = authority; p < end; p++)
        if (*p == '@')
            at = p;
    int scheme_len = (int)(authority - value);
    snprintf(out, size, "%s%s%.*s%s", option, *value ? " " : "", scheme_len, value,
             at ? at + 1 : authority);
}

int wanted_check_share(const char *option, const char *value, const struct limit *limit,
                       struct err *err)
{
    if (limit->percent <= 100)
        return 0;
    return err_usage(err,
                     "--%s \"%s\": a share cannot be more than 100%% (a speed above 100%% is for "
                     "--input-file)",
                     option, value);
}

/* --- what was asked for --- */

struct reader {
    const struct options *options;
    struct err *err;
    struct wanted_outputs *all;
};

static int check_name(struct reader *r, const struct wanted *wanted)
{
    const char *option = wanted->ops->option;
    const char *second = options_bound_nth(r->options, "to-name", option, wanted->nth, 1);
    if (second)
        return err_usage(r->err, "--to-name \"%s\": the output before it is \"%s\" already", second,
                         wanted->name);
    if (!http_is_token(span_str(wanted->name)))
        return err_usage(r->err, "--to-name \"%s\": a name is made of letters, digits, - and _",
                         wanted->name);
    for (size_t i = 0; i < r->all->n; i++)
        if (strcmp(r->all->wanted[i].name, wanted->name) == 0)
            return err_usage(r->err, "--to-name \"%s\": two outputs have this name", wanted->name);
    return 0;
}

static int add_wanted(struct reader *r, const struct output_ops *ops, const char *value, size_t nth)
{
    struct wanted wanted = {.ops = ops, .value = value, .nth = nth, .name = ""};
    const char *name = options_bound_nth(r->options, "to-name", ops->option, nth, 0);
    if (r->all->n == ROUTE_OUTPUTS_MAX)
        return err_usage(r->err, "more than %d outputs", ROUTE_OUTPUTS_MAX);
    if (name) {
        wanted.name = name;
        int rc = check_name(r, &wanted);
        if (rc < 0)
            return rc;
    }
    r->all->wanted[r->all->n++] = wanted;
    return 0;
}

static int collect(struct reader *r)
{
    int rc = 0;
    for (const struct output_ops *const *ops = registry_outputs; *ops && rc == 0; ops++) {
        const char *option = (*ops)->option;
        const char *value;
        if ((*ops)->is_switch) {
            if (options_bool(r->options, option))
                rc = add_wanted(r, *ops, "", 0);
            continue;
        }
        for (size_t i = 0; rc == 0 && (value = options_nth(r->options, option, i)); i++)
            rc = add_wanted(r, *ops, value, i);
    }
    return rc;
}

/* --- the split --- */

static int read_split(struct reader *r)
{
    static const char prefix[] = "hash:";
    const char *text = options_string(r->options, "split-output");
    size_t len = strlen(prefix);
    r->all->split = options_bool(r->options, "split-output");
    r->all->seed = (uint64_t)options_int(r->options, "seed");
    if (strncmp(text, prefix, len) != 0)
        return 0;
    const char *expected = key_parse(&r->all->split_by, text + len, strlen(text + len));
    if (!expected)
        return 0;
    return err_usage(r->err, "--split-output \"%s\": unknown key \"%s\" (expected %s)", text,
                     text + len, expected);
}

static struct wanted *find_name(struct wanted_outputs *all, const char *name, size_t len)
{
    for (size_t i = 0; i < all->n; i++)
        if (len > 0 && strlen(all->wanted[i].name) == len &&
            memcmp(all->wanted[i].name, name, len) == 0)
            return &all->wanted[i];
    return NULL;
}

/* --split-among: who is not named stands aside. */
static int read_among(struct reader *r)
{
    const char *among = options_string(r->options, "split-among");
    if (!among[0])
        return 0;
    if (!options_bool(r->options, "split-output"))
        return err_usage(r->err, "--split-among is for --split-output, which was not given");
    for (size_t i = 0; i < r->all->n; i++)
        r->all->wanted[i].aside = true;
    const char *p = among;
    for (;;) {
        size_t len = strcspn(p, ",");
        struct wanted *wanted = find_name(r->all, p, len);
        if (!wanted)
            return err_usage(
                r->err,
                "--split-among \"%s\": no output is called \"%.*s\" (--to-name, behind "
                "an output, gives it a name)",
                among, (int)len, p);
        wanted->aside = false;
        if (p[len] == '\0')
            return 0;
        p += len + 1;
    }
}

static int read_limit(struct reader *r, struct wanted *wanted)
{
    const char *option = wanted->ops->option;
    int rc = limit_parse(option, wanted->value, &wanted->address_len, &wanted->limit, r->err);
    if (rc == 0)
        rc = wanted_check_share(option, wanted->value, &wanted->limit, r->err);
    if (rc == 0 && wanted->limit.rate_to > 0)
        rc = err_usage(r->err, "--%s \"%s\": a ramp of the rate is for --input-file", option,
                       wanted->value);
    if (rc == 0 && wanted->limit.weight > 0 && (!r->all->split || wanted->aside))
        rc = err_usage(r->err, "--%s \"%s\": a weight is for an output of --split-output", option,
                       wanted->value);
    return rc;
}

/* Only of answers can be said how they are. */
static int read_guard(struct reader *r, struct wanted *wanted)
{
    const char *option = wanted->ops->option;
    const char *own = options_bound_nth(r->options, "to-guard", option, wanted->nth, 0);
    bool answers = wanted->ops->answers && !wanted->ops->baseline;
    if (own && !answers)
        return err_usage(r->err, "--to-guard \"%s\": --%s gets no answers that could be judged",
                         own, option);
    int rc = guard_read(&wanted->guard, r->options, option, wanted->nth, r->err);
    if (!answers)
        wanted->guard.n = 0;
    return rc;
}

double wanted_weight(const struct wanted *wanted)
{
    return wanted->limit.weight > 0 ? wanted->limit.weight : 1;
}

static double total_weight(const struct wanted_outputs *all)
{
    double total = 0;
    for (size_t i = 0; i < all->n; i++)
        total += all->wanted[i].aside ? 0 : wanted_weight(&all->wanted[i]);
    return total;
}

static int check_weights(struct reader *r)
{
    double total = total_weight(r->all);
    if (!options_bool(r->options, "strict-weights") || (r->all->split && fabs(total - 100) < 1e-6))
        return 0;
    if (!r->all->split)
        return err_usage(r->err, "--strict-weights is for --split-output, which was not given");
    return err_usage(r->err, "--strict-weights: the weights of the split add up to %g, not to 100",
                     total);
}

int wanted_read(struct wanted_outputs *all, const struct options *options, struct err *err)
{
    struct reader r = {.options = options, .err = err, .all = all};
    memset(all, 0, sizeof(*all));
    int rc = collect(&r);
    if (rc == 0)
        rc = read_split(&r);
    if (rc == 0)
        rc = read_among(&r);
    for (size_t i = 0; i < all->n; i++) /* they get theirs whatever the target is */
        all->wanted[i].aside |= all->wanted[i].ops->baseline || all->wanted[i].ops->documents;
    for (size_t i = 0; i < all->n && rc == 0; i++)
        rc = read_limit(&r, &all->wanted[i]);
    for (size_t i = 0; i < all->n && rc == 0; i++)
        rc = read_guard(&r, &all->wanted[i]);
    return rc == 0 ? check_weights(&r) : rc;
}

void wanted_tell_shares(const struct wanted_outputs *all)
{
    for (size_t i = 0; i < all->n && all->split; i++) {
        const struct wanted *wanted = &all->wanted[i];
        char label[LABEL_MAX];
        if (wanted->ops->documents)
            continue;
        wanted_label(label, sizeof(label), wanted->ops->option, wanted->value);
        log_info(NULL, "%s%s%s gets %.4g %% of the requests", label, wanted->name[0] ? " " : "",
                 wanted->name,
                 wanted->aside ? 100 : 100 * wanted_weight(wanted) / total_weight(all));
    }
}

/* --- opening --- */

/* A rewriter names the global option in its error; the user wrote the bound one: "http-set-header"
 * becomes "to-set-header". */
static void name_bound_option(struct err *err)
{
    static const char global[] = "--http-", bound[] = "--to-";
    size_t cut = sizeof(global) - 1, put = sizeof(bound) - 1;
    if (strncmp(err->text, global, cut) != 0)
        return;
    memmove(err->text + put, err->text + cut, strlen(err->text + cut) + 1);
    memcpy(err->text, bound, put);
}

/* The rewriters for what is bound to one output. */
static int open_rewriters(struct filter_chain **chainp, const struct options *bound,
                          struct err *err)
{
    const struct filter_ops *rewriters[REGISTRY_FILTERS_MAX];
    size_t n = registry_filters_of(1U << FILTER_REWRITE, rewriters);
    int r = filter_chain_new(chainp, rewriters, n, bound, err);
    if (r < 0)
        name_bound_option(err);
    return r;
}

int wanted_open_rules(struct output_rules *rules, const struct wanted *wanted,
                      const struct options *options, struct err *err)
{
    struct output_rules opened = {
        .limit = wanted->limit,
        .name = wanted->name[0] ? wanted->name : wanted->value,
        .aside = wanted->aside,
    };
    int r = options_of_output(&opened.options, options, wanted->ops->option, wanted->nth);
    if (r < 0)
        return err_sys(err, -r, "--%s", wanted->ops->option);
    r = open_rewriters(&opened.rewriters, opened.options, err);
    if (r < 0) {
        options_free(opened.options);
        return r;
    }
    *rules = opened;
    return 0;
}
