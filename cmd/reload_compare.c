/* SPDX-License-Identifier: MIT */
#include "cmd/reload_compare.h"

#include <string.h>

#include "cmd/options_table.h"
#include "cmd/wire_compare.h"
#include "lib/options_table.h"

struct comparer {
    const struct wants *was, *is;
    struct differences *d;
    struct err *err;
};

static int fixed(const struct comparer *j, const char *what)
{
    return err_usage(j->err, "%s cannot be changed while refrain runs: nothing was changed", what);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_value(const struct comparer *j, const struct option_def *def)
{
    if (def->type != OPTION_LIST && def->type != OPTION_INTS)
        return strcmp(options_text(j->was->options, def->name),
                      options_text(j->is->options, def->name)) == 0;
    for (size_t i = 0;; i++) {
        const char *old = options_nth(j->was->options, def->name, i);
        if (!same_text(old, options_nth(j->is->options, def->name, i)))
            return false;
        if (!old)
            return true;
    }
}

static bool is_of_input(const struct comparer *j, const char *name)
{
    for (size_t i = 0; i < j->was->inputs.n; i++) {
        const struct input_ops *ops = j->was->inputs.wanted[i].ops;
        if (strcmp(ops->option, name) == 0 || same_text(ops->suffix_option, name))
            return true;
    }
    return false;
}

/* "Host: x" */
static bool is_host(const char *text)
{
    return span_eq_nocase(span_trim(span_of(text, strcspn(text, ":"))), span_str("Host"));
}

/* Does any rule set the Host field? The outputs over HTTP asked that when they were opened. */
static bool sets_host(const struct options *options)
{
    const char *text;
    for (size_t i = 0; (text = options_nth(options, "http-set-header", i)); i++)
        if (is_host(text))
            return true;
    return false;
}

/* New filters would make other tokens. */
static bool redacts_without_key(const struct options *options)
{
    return (options_nth(options, "redact", 0) || options_bool(options, "redact-default")) &&
           !options_given(options, "redact-key");
}

/* They are read into what is wanted of each output, which is compared one by one. */
static bool is_of_outputs(const struct option_def *def)
{
    static const char *const names[] = {"guard", "guard-window", "split-among", "strict-weights"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], def->name) == 0)
            return true;
    return (def->flags & (OPTION_OUTPUT | OPTION_BOUND)) != 0;
}

/* All options but those of inputs and outputs. */
static int compare_options(struct comparer *j)
{
    bool *filters = &j->d->filters;
    for (size_t i = 0; i < refrain_options.n_defs; i++) {
        const struct option_def *def = &refrain_options.defs[i];
        if (is_of_outputs(def) || is_of_input(j, def->name) || same_value(j, def))
            continue;
        if (!(def->flags & OPTION_LIVE))
            return fixed(j, def->name);
        *filters = true;
    }
    if (*filters && redacts_without_key(j->is->options))
        return err_usage(j->err, "filters cannot be changed while refrain redacts without "
                                 "redact-key: nothing was changed");
    return *filters && sets_host(j->was->options) != sets_host(j->is->options)
               ? fixed(j, "http-set-header of Host")
               : 0;
}

static bool same_key(const struct key *a, const struct key *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

/* But for what a dial turns, and a ramp, which turns one. */
static bool same_limit(const struct limit *a, const struct limit *b)
{
    return a->rps == b->rps && a->rate_to == b->rate_to && a->ramp_ns == b->ramp_ns &&
           a->copies == b->copies && same_key(&a->per, &b->per) && same_key(&a->by, &b->by);
}

static bool same_address(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* An input that replays may have other speeds, if it is of one file. */
static int compare_input(struct comparer *j, const struct wanted_input *was,
                         const struct wanted_input *is)
{
    size_t was_len = strcspn(was->value, "|"), is_len = strcspn(is->value, "|");
    bool same = was->ops == is->ops && was->n == is->n &&
                same_address(was->value, was_len, is->value, is_len) &&
                same_limit(&was->limit, &is->limit) && (was->rps > 0) == (is->rps > 0);
    for (size_t i = 1; i < was->n && same; i++)
        same = same_text(options_nth(j->was->options, was->ops->option, was->nth + i),
                         options_nth(j->is->options, is->ops->option, is->nth + i));
    return same ? 0 : fixed(j, was->ops->option);
}

/* --- outputs --- */

static bool same_target(const struct wanted *was, const struct wanted *is)
{
    return was->ops == is->ops &&
           same_address(was->value, was->address_len, is->value, is->address_len);
}

static bool is_taken(const struct differences *d, const struct wanted_outputs *all, size_t old)
{
    for (size_t i = 0; i < all->n; i++)
        if (d->was[i] == old)
            return true;
    return false;
}

static void match(struct comparer *j, size_t nth, bool by_name)
{
    const struct wanted_outputs *was = &j->was->outputs, *is = &j->is->outputs;
    for (size_t i = 0; i < was->n && j->d->was[nth] == OUTPUT_IS_NEW; i++)
        if (same_target(&was->wanted[i], &is->wanted[nth]) &&
            (!by_name || strcmp(was->wanted[i].name, is->wanted[nth].name) == 0) &&
            !is_taken(j->d, is, i))
            j->d->was[nth] = i;
}

static void match_all(struct comparer *j)
{
    const struct wanted_outputs *was = &j->was->outputs, *is = &j->is->outputs;
    for (size_t i = 0; i < is->n; i++)
        j->d->was[i] = OUTPUT_IS_NEW;
    for (size_t i = 0; i < is->n; i++)
        match(j, i, true);
    for (size_t i = 0; i < is->n; i++)
        match(j, i, false);
    for (size_t i = 0; i < was->n; i++)
        j->d->gone[i] = !is_taken(j->d, is, i);
}

static bool same_bound(const struct comparer *j, const struct option_def *def,
                       const struct wanted *was, const struct wanted *is)
{
    for (size_t k = 0;; k++) {
        const char *old =
            options_bound_nth(j->was->options, def->name, was->ops->option, was->nth, k);
        if (!same_text(old,
                       options_bound_nth(j->is->options, def->name, is->ops->option, is->nth, k)))
            return false;
        if (!old)
            return true;
    }
}

static bool sets_own_host(const struct options *options, const struct wanted *wanted)
{
    const char *text;
    for (size_t i = 0;
         (text = options_bound_nth(options, "to-set-header", wanted->ops->option, wanted->nth, i));
         i++)
        if (is_host(text))
            return true;
    return false;
}

static int compare_output(struct comparer *j, size_t nth)
{
    const struct wanted *was = &j->was->outputs.wanted[j->d->was[nth]];
    const struct wanted *is = &j->is->outputs.wanted[nth];
    bool same = was->aside == is->aside && same_limit(&was->limit, &is->limit) &&
                strcmp(was->name, is->name) == 0;
    for (size_t i = 0; i < refrain_options.n_defs; i++) {
        const struct option_def *def = &refrain_options.defs[i];
        if ((def->flags & OPTION_BOUND) && def->spec)
            same &= same_bound(j, def, was, is);
    }
    j->d->rules[nth] = !same;
    if (sets_own_host(j->was->options, was) != sets_own_host(j->is->options, is))
        return fixed(j, "to-set-header of Host");
    return 0;
}

/* Of some outputs others must know from the start. */
static int check_may_come_or_go(const struct comparer *j, const struct wanted *wanted)
{
    const struct output_ops *ops = wanted->ops;
    if (ops->documents || ops->baseline)
        return err_usage(j->err,
                         "%s cannot be added or removed while refrain runs: nothing was "
                         "changed",
                         ops->option);
    if (ops->exchanges && wire_compare_wanted(j->was->options, &j->was->outputs))
        return err_usage(j->err,
                         "%s cannot be added or removed while answers are compared or "
                         "reported on: nothing was changed",
                         ops->option);
    return 0;
}

static int compare_outputs(struct comparer *j)
{
    const struct wanted_outputs *was = &j->was->outputs, *is = &j->is->outputs;
    int r = 0;
    match_all(j);
    for (size_t i = 0; i < was->n && r == 0; i++)
        r = j->d->gone[i] ? check_may_come_or_go(j, &was->wanted[i]) : 0;
    for (size_t i = 0; i < is->n && r == 0; i++)
        r = j->d->was[i] == OUTPUT_IS_NEW ? check_may_come_or_go(j, &is->wanted[i])
                                          : compare_output(j, i);
    return r;
}

int reload_compare(struct differences *d, const struct wants *was, const struct wants *is,
                   struct err *err)
{
    struct comparer j = {.was = was, .is = is, .d = d, .err = err};
    *d = (struct differences){.filters = false};
    int r = compare_options(&j);
    if (r == 0 && was->inputs.n != is->inputs.n)
        r = fixed(&j, "the number of inputs");
    for (size_t i = 0; i < was->inputs.n && r == 0; i++)
        r = compare_input(&j, &was->inputs.wanted[i], &is->inputs.wanted[i]);
    return r == 0 ? compare_outputs(&j) : r;
}
