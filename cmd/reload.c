/* SPDX-License-Identifier: MIT */
#include "cmd/reload.h"

#include <errno.h>
#include <string.h>

#include "cmd/options.h"
#include "cmd/options_table.h"
#include "cmd/wire.h"
#include "cmd/wire_check.h"
#include "lib/log.h"
#include "lib/mem.h"

/* What was asked for, in one set of options. */
struct wants {
    struct wanted_inputs inputs;
    struct wanted_outputs outputs;
};

struct job {
    const struct options *old, *new;
    struct wants *was, *is;
    struct steer *steer;
    struct err *err;
};

void reload_init(struct reload *reload, const struct command_line *line, struct steer *steer,
                 const struct options *options)
{
    *reload = (struct reload){.line = *line, .steer = steer, .options = options};
}

void reload_fini(struct reload *reload)
{
    options_free(reload->own);
}

bool reload_can(const struct reload *reload)
{
    return reload->steer && options_string(reload->options, "config")[0] != '\0';
}

/* --- what has changed --- */

static int fixed(struct job *j, const char *what)
{
    return err_usage(j->err, "%s cannot be changed while refrain runs: nothing was changed", what);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_value(const struct job *j, const struct option_def *def)
{
    if (def->type != OPTION_LIST && def->type != OPTION_INTS)
        return strcmp(options_text(j->old, def->name), options_text(j->new, def->name)) == 0;
    for (size_t i = 0;; i++) {
        const char *old = options_nth(j->old, def->name, i);
        if (!same_text(old, options_nth(j->new, def->name, i)))
            return false;
        if (!old)
            return true;
    }
}

static bool is_of_input(const struct job *j, const char *name)
{
    for (size_t i = 0; i < j->was->inputs.n; i++) {
        const struct input_ops *ops = j->was->inputs.wanted[i].ops;
        if (strcmp(ops->option, name) == 0 || same_text(ops->suffix_option, name))
            return true;
    }
    return false;
}

/* Does any rule set the Host field? The outputs over HTTP asked that when they were opened. */
static bool sets_host(const struct options *options)
{
    const char *text;
    for (size_t i = 0; (text = options_nth(options, "http-set-header", i)); i++)
        if (span_eq_nocase(span_trim(span_of(text, strcspn(text, ":"))), span_str("Host")))
            return true;
    return false;
}

/* New filters would make other tokens. */
static bool redacts_without_key(const struct options *options)
{
    return (options_nth(options, "redact", 0) || options_bool(options, "redact-default")) &&
           !options_given(options, "redact-key");
}

/* All options but those of inputs and outputs, which are compared one by one. */
static int compare_options(struct job *j, bool *filters)
{
    for (size_t i = 0; i < refrain_options.n_defs; i++) {
        const struct option_def *def = &refrain_options.defs[i];
        if ((def->flags & (OPTION_OUTPUT | OPTION_BOUND)) || is_of_input(j, def->name) ||
            same_value(j, def))
            continue;
        if (!(def->flags & OPTION_LIVE))
            return fixed(j, def->name);
        *filters = true;
    }
    if (*filters && redacts_without_key(j->new))
        return err_usage(j->err, "filters cannot be changed while refrain redacts without "
                                 "redact-key: nothing was changed");
    return *filters && sets_host(j->old) != sets_host(j->new) ? fixed(j, "http-set-header of Host")
                                                              : 0;
}

static bool same_key(const struct key *a, const struct key *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static bool same_ramp(const struct limit *a, const struct limit *b)
{
    bool same = a->n_steps == b->n_steps && a->every_ns == b->every_ns;
    for (size_t i = 0; i < a->n_steps && same; i++)
        same = a->steps[i] == b->steps[i];
    return same;
}

/* But for what a dial turns. */
static bool same_limit(const struct limit *a, const struct limit *b)
{
    return a->rps == b->rps && a->rate_to == b->rate_to && a->ramp_ns == b->ramp_ns &&
           a->copies == b->copies && same_key(&a->per, &b->per) && same_key(&a->by, &b->by) &&
           same_ramp(a, b);
}

static bool same_address(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* An input that replays may have other speeds, if it is of one file. */
static int compare_input(struct job *j, const struct wanted_input *was,
                         const struct wanted_input *is)
{
    size_t was_len = strcspn(was->value, "|"), is_len = strcspn(is->value, "|");
    bool same = was->ops == is->ops && was->n == is->n &&
                same_address(was->value, was_len, is->value, is_len) &&
                same_limit(&was->limit, &is->limit) && (was->rps > 0) == (is->rps > 0);
    for (size_t i = 1; i < was->n && same; i++)
        same = same_text(options_nth(j->old, was->ops->option, was->nth + i),
                         options_nth(j->new, is->ops->option, is->nth + i));
    return same ? 0 : fixed(j, was->ops->option);
}

static int compare_bound(struct job *j, const struct wanted *was, const struct wanted *is)
{
    for (size_t i = 0; i < refrain_options.n_defs; i++) {
        const struct option_def *def = &refrain_options.defs[i];
        const char *old = "";
        for (size_t k = 0; (def->flags & OPTION_BOUND) && old; k++) {
            old = options_bound_nth(j->old, def->name, was->ops->option, was->nth, k);
            if (!same_text(old, options_bound_nth(j->new, def->name, is->ops->option, is->nth, k)))
                return fixed(j, def->name);
        }
    }
    return 0;
}

static int compare_output(struct job *j, const struct wanted *was, const struct wanted *is)
{
    if (was->ops != is->ops || was->aside != is->aside ||
        !same_address(was->value, was->address_len, is->value, is->address_len) ||
        !same_limit(&was->limit, &is->limit))
        return fixed(j, was->ops->option);
    return compare_bound(j, was, is);
}

static int compare(struct job *j, bool *filters)
{
    int r = compare_options(j, filters);
    if (r == 0 && j->was->inputs.n != j->is->inputs.n)
        r = fixed(j, "the number of inputs");
    if (r == 0 && j->was->outputs.n != j->is->outputs.n)
        r = fixed(j, "the number of outputs");
    for (size_t i = 0; i < j->was->inputs.n && r == 0; i++)
        r = compare_input(j, &j->was->inputs.wanted[i], &j->is->inputs.wanted[i]);
    for (size_t i = 0; i < j->was->outputs.n && r == 0; i++)
        r = compare_output(j, &j->was->outputs.wanted[i], &j->is->outputs.wanted[i]);
    return r;
}

/* --- taking effect --- */

/* Dials whose limit has changed; the others stay as they were set. */
static void turn_limit(struct steered *item, const struct limit *was, const struct limit *is)
{
    struct dials usual, wanted;
    dials_init(&usual, was);
    dials_init(&wanted, is);
    if (wanted.percent != usual.percent && item->ramp.n == 0)
        atomic_store(&item->dials.percent, wanted.percent);
    if (wanted.rate != usual.rate)
        atomic_store(&item->dials.rate, wanted.rate);
    if (wanted.weight != usual.weight)
        atomic_store(&item->dials.weight, wanted.weight);
}

static void turn_speed(struct steered *item, const struct wanted_input *was,
                       const struct wanted_input *is)
{
    if (is->rps > 0 && is->rps != was->rps)
        atomic_store(&item->dials.speed, is->rps / item->rps);
    else if (is->rps == 0 && is->speed > 0 && is->speed != was->speed)
        atomic_store(&item->dials.speed, is->speed / item->speed);
}

/* Inputs and outputs are steered in the order in which they were wanted. */
static void turn_all(struct job *j)
{
    struct steer *steer = j->steer;
    size_t nth[2] = {0, 0};
    for (size_t i = 0; i < steer->n; i++) {
        struct steered *item = &steer->items[i];
        size_t n = nth[item->kind]++;
        if (item->kind == ACCOUNT_OUTPUT) {
            turn_limit(item, &j->was->outputs.wanted[n].limit, &j->is->outputs.wanted[n].limit);
            continue;
        }
        turn_limit(item, &j->was->inputs.wanted[n].limit, &j->is->inputs.wanted[n].limit);
        turn_speed(item, &j->was->inputs.wanted[n], &j->is->inputs.wanted[n]);
    }
    pipeline_turn(steer->pipe);
}

static int make_chain(void *arg, enum pipeline_leg leg, struct filter_chain **chain,
                      struct err *err)
{
    const struct job *j = arg;
    return wire_filters(j->new, leg, chain, err);
}

static int apply(struct job *j)
{
    bool filters = false;
    int r = wire_read(&j->was->inputs, &j->was->outputs, j->old, j->err);
    if (r == 0)
        r = wire_check(j->new, j->err);
    if (r == 0)
        r = wire_read(&j->is->inputs, &j->is->outputs, j->new, j->err);
    if (r == 0)
        r = compare(j, &filters);
    const struct filter_maker maker = {.make = make_chain, .arg = j};
    if (r == 0 && filters)
        r = pipeline_change_filters(j->steer->pipe, &maker, j->err);
    if (r == 0)
        turn_all(j);
    return r;
}

int reload_run(struct reload *reload, struct err *err)
{
    struct options *options;
    if (!reload_can(reload))
        return err_usage(err, "there is no --config that could be read again");
    int r = options_parse(&options, &refrain_options, reload->line.argc, reload->line.argv, err);
    if (r < 0)
        return r;
    struct wants *wants = mem_zalloc(MEM_OTHER, 2 * sizeof(*wants));
    struct job job = {.old = reload->options,
                      .new = options,
                      .was = wants,
                      .is = wants + 1,
                      .steer = reload->steer,
                      .err = err};
    r = wants ? apply(&job) : err_sys(err, ENOMEM, "reload");
    mem_free(wants);
    if (r < 0) {
        options_free(options);
        return r;
    }
    options_free(reload->own);
    reload->own = options;
    reload->options = options;
    log_info(NULL, "%s is in effect", options_string(options, "config"));
    return 0;
}
