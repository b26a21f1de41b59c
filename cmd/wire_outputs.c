/* SPDX-License-Identifier: MIT */
/* Outputs, with the rules that are bound to each, and the split between them. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cmd/registry.h"
#include "cmd/wire_internal.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/options_table.h"
#include "lib/route.h"
#include "outputs/outputs.h"

/* One value of an output's option. */
struct wanted {
    const struct output_ops *ops;
    const char *value; /* "" for a switch */
    size_t nth; /* of the values of that option */
    const char *name; /* --to-name; "" when there is none */
    bool aside; /* not part of the split */
    struct limit limit;
};

struct outputs {
    size_t n;
    struct wanted wanted[ROUTE_OUTPUTS_MAX];
};

/* --- what was asked for --- */

static int check_name(struct wiring *w, const struct outputs *all, const struct wanted *wanted)
{
    const char *option = wanted->ops->option;
    const char *second = options_bound_nth(w->options, "to-name", option, wanted->nth, 1);
    if (second)
        return err_usage(w->err, "--to-name \"%s\": the output before it is \"%s\" already", second,
                         wanted->name);
    if (!http_is_token(span_str(wanted->name)))
        return err_usage(w->err, "--to-name \"%s\": a name is made of letters, digits, - and _",
                         wanted->name);
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->wanted[i].name, wanted->name) == 0)
            return err_usage(w->err, "--to-name \"%s\": two outputs have this name", wanted->name);
    return 0;
}

static int add_wanted(struct wiring *w, struct outputs *all, const struct output_ops *ops,
                      const char *value, size_t nth)
{
    struct wanted wanted = {.ops = ops, .value = value, .nth = nth, .name = ""};
    const char *name = options_bound_nth(w->options, "to-name", ops->option, nth, 0);
    if (all->n == ROUTE_OUTPUTS_MAX)
        return err_usage(w->err, "more than %d outputs", ROUTE_OUTPUTS_MAX);
    if (name) {
        wanted.name = name;
        int r = check_name(w, all, &wanted);
        if (r < 0)
            return r;
    }
    all->wanted[all->n++] = wanted;
    return 0;
}

static int collect(struct wiring *w, struct outputs *all)
{
    int r = 0;
    for (const struct output_ops *const *ops = registry_outputs; *ops && r == 0; ops++) {
        const char *option = (*ops)->option;
        const char *value;
        if ((*ops)->is_switch) {
            if (options_bool(w->options, option))
                r = add_wanted(w, all, *ops, "", 0);
            continue;
        }
        for (size_t i = 0; r == 0 && (value = options_nth(w->options, option, i)); i++)
            r = add_wanted(w, all, *ops, value, i);
    }
    return r;
}

/* --- the split --- */

int wire_read_split(const struct options *options, struct pipeline_config *config, struct err *err)
{
    static const char prefix[] = "hash:";
    const char *text = options_string(options, "split-output");
    size_t len = strlen(prefix);
    config->split = options_bool(options, "split-output");
    config->seed = (uint64_t)options_int(options, "seed");
    if (strncmp(text, prefix, len) != 0)
        return 0;
    const char *expected = key_parse(&config->split_by, text + len, strlen(text + len));
    if (!expected)
        return 0;
    return err_usage(err, "--split-output \"%s\": unknown key \"%s\" (expected %s)", text,
                     text + len, expected);
}

static struct wanted *find_name(struct outputs *all, const char *name, size_t len)
{
    for (size_t i = 0; i < all->n; i++)
        if (len > 0 && strlen(all->wanted[i].name) == len &&
            memcmp(all->wanted[i].name, name, len) == 0)
            return &all->wanted[i];
    return NULL;
}

/* --split-among: who is not named stands aside. */
static int read_among(struct wiring *w, struct outputs *all)
{
    const char *among = options_string(w->options, "split-among");
    if (!among[0])
        return 0;
    if (!options_bool(w->options, "split-output"))
        return err_usage(w->err, "--split-among is for --split-output, which was not given");
    for (size_t i = 0; i < all->n; i++)
        all->wanted[i].aside = true;
    const char *p = among;
    for (;;) {
        size_t len = strcspn(p, ",");
        struct wanted *wanted = find_name(all, p, len);
        if (!wanted)
            return err_usage(
                w->err,
                "--split-among \"%s\": no output is called \"%.*s\" (--to-name, behind "
                "an output, gives it a name)",
                among, (int)len, p);
        wanted->aside = false;
        if (p[len] == '\0')
            return 0;
        p += len + 1;
    }
}

static int read_limits(struct wiring *w, struct outputs *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct wanted *wanted = &all->wanted[i];
        const char *option = wanted->ops->option;
        size_t len;
        int r = limit_parse(option, wanted->value, &len, &wanted->limit, w->err);
        if (r == 0)
            r = wire_check_share(w, option, wanted->value, &wanted->limit);
        if (r == 0 && wanted->limit.rate_to > 0)
            r = err_usage(w->err, "--%s \"%s\": a ramp of the rate is for --input-file", option,
                          wanted->value);
        bool splits = options_bool(w->options, "split-output") && !wanted->aside;
        if (r == 0 && wanted->limit.weight > 0 && !splits)
            r = err_usage(w->err, "--%s \"%s\": a weight is for an output of --split-output",
                          option, wanted->value);
        if (r < 0)
            return r;
    }
    return 0;
}

static double weight_of(const struct wanted *wanted)
{
    return wanted->limit.weight > 0 ? wanted->limit.weight : 1;
}

static double total_weight(const struct outputs *all)
{
    double total = 0;
    for (size_t i = 0; i < all->n; i++)
        total += all->wanted[i].aside ? 0 : weight_of(&all->wanted[i]);
    return total;
}

static int check_weights(struct wiring *w, const struct outputs *all)
{
    double total = total_weight(all);
    if (!options_bool(w->options, "strict-weights") || fabs(total - 100) < 1e-6)
        return 0;
    if (!options_bool(w->options, "split-output"))
        return err_usage(w->err, "--strict-weights is for --split-output, which was not given");
    return err_usage(w->err, "--strict-weights: the weights of the split add up to %g, not to 100",
                     total);
}

void wire_tell_shares(const struct wiring *w)
{
    const struct outputs *all = w->outputs;
    if (!options_bool(w->options, "split-output"))
        return;
    for (size_t i = 0; i < all->n; i++) {
        const struct wanted *wanted = &all->wanted[i];
        char label[ACCOUNT_NAME_MAX];
        wire_label(label, sizeof(label), wanted->ops->option, wanted->value);
        log_info(NULL, "%s%s%s gets %.4g %% of the requests", label, wanted->name[0] ? " " : "",
                 wanted->name, wanted->aside ? 100 : 100 * weight_of(wanted) / total_weight(all));
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
    const struct filter_ops *rewriters[64];
    size_t n = 0;
    for (size_t i = 0; i < registry_n_filters(); i++)
        if (registry_filters[i]->stage == FILTER_REWRITE)
            rewriters[n++] = registry_filters[i];
    assert(n <= ARRAY_LEN(rewriters));
    int r = filter_chain_new(chainp, rewriters, n, bound, err);
    if (r < 0)
        name_bound_option(err);
    return r;
}

/* What is bound to an output, and its rewriters. */
static int open_rules(struct wiring *w, const struct wanted *wanted, struct output_rules *rules)
{
    const char *option = wanted->ops->option;
    *rules = (struct output_rules){
        .limit = wanted->limit,
        .name = wanted->name[0] ? wanted->name : wanted->value,
        .aside = wanted->aside,
    };
    int r = options_of_output(&rules->options, w->options, option, wanted->nth);
    if (r < 0)
        return err_sys(w->err, -r, "--%s", option);
    r = open_rewriters(&rules->rewriters, rules->options, w->err);
    if (r < 0)
        options_free(rules->options);
    return r;
}

static int open_output(struct wiring *w, const struct wanted *wanted)
{
    char label[ACCOUNT_NAME_MAX];
    struct output_rules rules;
    char *address = NULL;
    struct limit limit;
    wire_label(label, sizeof(label), wanted->ops->option, wanted->value);
    struct account *account = ledger_account(w->ledger, ACCOUNT_OUTPUT, label);
    struct output_args args = {.options = w->options};
    args.books = account ? account_page(account) : NULL;
    if (!args.books)
        return err_sys(w->err, ENOMEM, "%s", label);
    int r = wire_split_limit(w, wanted->ops->option, wanted->value, &address, &limit);
    if (r == 0)
        r = open_rules(w, wanted, &rules);
    if (r < 0) {
        mem_free(address);
        return r;
    }
    struct output *out = NULL;
    args.address = address;
    args.bound = rules.options;
    r = wanted->ops->open(&out, &args, w->err);
    mem_free(address);
    if (r < 0) {
        filter_chain_free(rules.rewriters);
        options_free(rules.options);
        return r;
    }
    return pipeline_add_output(w->pipe, out, account, &rules, w->err);
}

int wire_open_outputs(struct wiring *w)
{
    struct outputs *all = mem_zalloc(MEM_OTHER, sizeof(*all));
    if (!all)
        return err_sys(w->err, ENOMEM, "outputs");
    w->outputs = all;
    int r = collect(w, all);
    if (r == 0 && all->n == 0 && options_bool(w->options, "input-file-dry-run"))
        all->wanted[all->n++] = (struct wanted){.ops = &output_null, .value = "", .name = ""};
    if (r == 0 && all->n == 0)
        r = err_usage(w->err, "nowhere to write: give an output, e.g. --output-stdout or "
                              "--output-file requests.gor (see --help)");
    if (r == 0)
        r = read_among(w, all);
    if (r == 0)
        r = read_limits(w, all);
    if (r == 0)
        r = check_weights(w, all);
    for (size_t i = 0; i < all->n && r == 0; i++)
        r = open_output(w, &all->wanted[i]);
    return r;
}
