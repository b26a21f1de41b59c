/* SPDX-License-Identifier: MIT */
#include "cmd/reload.h"

#include <errno.h>
#include <string.h>

#include "cmd/options.h"
#include "cmd/options_table.h"
#include "cmd/reload_compare.h"
#include "cmd/wire.h"
#include "cmd/wire_check.h"
#include "cmd/wire_needs.h"
#include "cmd/wire_outputs.h"
#include "cmd/wire_self.h"
#include "config.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

struct job {
    struct options *options; /* the new ones */
    struct wants *was, *is;
    struct differences differences;
    struct steer *steer;
    struct output_wiring wiring;
    const struct sandbox *sandbox; /* may be NULL */
    struct pipeline_change *change;
    struct steered *added[ROUTE_OUTPUTS_MAX]; /* by their place among those wanted; or NULL */
    struct err *err;
};

void reload_init(struct reload *reload, const struct command_line *line, struct steer *steer,
                 struct ledger *ledger, const struct options *options)
{
    *reload = (struct reload){.line = *line, .steer = steer, .ledger = ledger, .options = options};
}

void reload_fini(struct reload *reload)
{
    options_free(reload->own);
}

bool reload_can(const struct reload *reload)
{
    return reload->steer->turns && options_string(reload->options, "config")[0] != '\0';
}

/* --- making it ready --- */

static int make_chain(void *arg, enum pipeline_leg leg, struct filter_chain **chain,
                      struct err *err)
{
    const struct job *j = arg;
    return wire_filters(j->options, leg, chain, err);
}

/* The nth of those that were wanted. */
static struct steered *find(const struct job *j, enum account_kind kind, size_t nth)
{
    struct steered *item = steer_next(j->steer, NULL);
    while (item->kind != kind || item->nth != nth)
        item = steer_next(j->steer, item);
    return item;
}

static int change_rules(struct job *j, size_t nth)
{
    const struct steered *item = find(j, ACCOUNT_OUTPUT, j->differences.was[nth]);
    struct output_rules rules;
    int r = wanted_open_rules(&rules, &j->is->outputs.wanted[nth], j->options, j->err);
    return r < 0 ? r : pipeline_change_rules(j->change, item->account, &rules, j->err);
}

static int add_answers(struct job *j, size_t nth, struct output *out)
{
    struct opened_answers answers;
    int r = wire_open_answers(&answers, &j->wiring, &j->is->outputs.wanted[nth]);
    if (r < 0)
        return r;
    j->added[nth]->answers = answers.account;
    return pipeline_change_answers(j->change, out, &answers.rules, answers.books, j->err);
}

/* What it will do must be possible inside, and what would start outside cannot any more. */
static int check_sandbox(struct job *j, const struct wanted *wanted)
{
    struct needs needs = {0};
    if (!j->sandbox)
        return 0;
    wire_needs_of(&needs, wanted, j->options);
    int r = sandbox_allows(j->sandbox, &needs, j->err);
    needs_fini(&needs);
    return r == 0 && j->sandbox->off ? wire_prepare_of(wanted, j->options, j->err) : r;
}

static int add_output(struct job *j, size_t nth)
{
    const struct wanted *wanted = &j->is->outputs.wanted[nth];
    struct opened_output opened = {0};
    const struct steered *leaving = steer_leaving(j->steer, wanted);
    if (leaving)
        return err_failure(j->err,
                           "%s was removed and still drains: nothing was changed; try again",
                           leaving->name);
    int r = check_sandbox(j, wanted);
    if (r == 0)
        r = wire_open_output(&opened, &j->wiring, wanted);
    if (r < 0)
        return r;
    struct steered *item = j->added[nth] =
        steer_add_output(j->steer, wanted, nth, j->is->outputs.split, opened.account);
    item->leaves = true; /* not to be seen before all is done */
    opened.rules.dials = &item->dials;
    r = pipeline_change_add(j->change, opened.out, opened.account, &opened.rules, j->err);
    if (r < 0)
        return r;
    steer_pause_as_all(j->steer, item);
    return wire_wants_answers(&j->wiring, wanted->ops) ? add_answers(j, nth, opened.out) : 0;
}

/* What may ask DNS, and wait for it, is done only when it has to be. */
static int check_new(const struct job *j)
{
    for (size_t i = 0; i < j->is->outputs.n; i++)
        if (j->differences.was[i] == OUTPUT_IS_NEW)
            return wire_check_self(j->options, j->err);
    return 0;
}

static int make_change(struct job *j)
{
    const struct differences *d = &j->differences;
    const struct filter_maker maker = {.make = make_chain, .arg = j};
    int r = pipeline_change_new(&j->change, j->steer->pipe, j->err);
    if (r == 0 && d->filters)
        r = pipeline_change_filters(j->change, &maker, j->err);
    for (size_t i = 0; i < j->was->outputs.n && r == 0; i++)
        if (d->gone[i])
            pipeline_change_remove(j->change, find(j, ACCOUNT_OUTPUT, i)->account);
    for (size_t i = 0; i < j->is->outputs.n && r == 0; i++) {
        if (d->was[i] == OUTPUT_IS_NEW)
            r = add_output(j, i);
        else if (d->rules[i])
            r = change_rules(j, i);
    }
    return r;
}

/* --- taking effect --- */

static bool same_ramp(const struct limit *a, const struct limit *b)
{
    bool same = a->n_steps == b->n_steps && a->every_ns == b->every_ns;
    for (size_t i = 0; i < a->n_steps && same; i++)
        same = a->steps[i] == b->steps[i];
    return same;
}

/* Dials whose limit has changed; the others stay as they were set. */
static void turn_limit(struct steered *item, const struct limit *was, const struct limit *is)
{
    struct dials usual, wanted;
    dials_init(&usual, was);
    dials_init(&wanted, is);
    if (!same_ramp(was, is)) {
        ramp_change(&item->ramp, is);
        atomic_store(&item->dials.percent,
                     item->ramp.n > 0 ? ramp_percent(&item->ramp) : wanted.percent);
    } else if (wanted.percent != usual.percent && item->ramp.n == 0) {
        atomic_store(&item->dials.percent, wanted.percent);
    }
    if (wanted.rate != usual.rate)
        atomic_store(&item->dials.rate, wanted.rate);
    if (wanted.weight != usual.weight)
        atomic_store(&item->dials.weight, wanted.weight);
}

static void turn_input(struct steered *item, const struct wanted_input *was,
                       const struct wanted_input *is)
{
    turn_limit(item, &was->limit, &is->limit);
    if (is->rps > 0 && is->rps != was->rps)
        atomic_store(&item->dials.speed, is->rps / item->rps);
    else if (is->rps == 0 && is->speed > 0 && is->speed != was->speed)
        atomic_store(&item->dials.speed, is->speed / item->speed);
}

static void say_gone(struct steered *item, int64_t now_ns)
{
    item->leaves = true;
    account_set_presence(item->account, now_ns);
    if (item->answers)
        account_set_presence(item->answers, now_ns);
    log_info(NULL, "%s is removed, and drains", item->name);
}

static void say_here(struct steered *item)
{
    item->leaves = false;
    account_set_presence(item->account, ACCOUNT_PRESENT);
    if (item->answers)
        account_set_presence(item->answers, ACCOUNT_PRESENT);
    log_info(NULL, "%s is added", item->name);
}

/* Names at last: they are told apart among those that are there then. */
static void turn_outputs(struct job *j)
{
    const struct wanted_outputs *was = &j->was->outputs, *is = &j->is->outputs;
    struct steered *items[ROUTE_OUTPUTS_MAX];
    for (size_t i = 0; i < was->n; i++)
        items[i] = find(j, ACCOUNT_OUTPUT, i);
    for (size_t i = 0; i < was->n; i++)
        if (j->differences.gone[i])
            say_gone(items[i], clock_wall_ns());
    for (size_t i = 0; i < is->n; i++) {
        if (j->added[i]) {
            say_here(j->added[i]);
            continue;
        }
        struct steered *item = items[j->differences.was[i]];
        turn_limit(item, &was->wanted[j->differences.was[i]].limit, &is->wanted[i].limit);
        steer_change_output(j->steer, item, &is->wanted[i], i, is->split);
    }
    steer_name_all(j->steer);
}

static void turn_all(struct job *j)
{
    for (size_t i = 0; i < j->was->inputs.n; i++)
        turn_input(find(j, ACCOUNT_INPUT, i), &j->was->inputs.wanted[i], &j->is->inputs.wanted[i]);
    turn_outputs(j);
    pipeline_turn(j->steer->pipe);
    j->steer->changes++;
}

static int read_wants(struct job *j)
{
    int r = wire_read(&j->was->inputs, &j->was->outputs, j->was->options, j->err);
    if (r == 0)
        r = wire_check(j->options, j->err);
    return r == 0 ? wire_read(&j->is->inputs, &j->is->outputs, j->options, j->err) : r;
}

static int apply(struct job *j)
{
    int r = read_wants(j);
    if (r == 0)
        r = reload_compare(&j->differences, j->was, j->is, j->err);
    if (r == 0)
        r = check_new(j);
    if (r == 0)
        r = make_change(j);
    if (r == 0)
        r = pipeline_change_apply(j->change, j->err);
    for (size_t i = 0; i < ROUTE_OUTPUTS_MAX && r < 0; i++)
        if (j->added[i])
            j->added[i]->used = false;
    pipeline_change_free(j->change);
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
    struct job *job = mem_zalloc(MEM_OTHER, sizeof(*job));
    if (wants && job) {
        wants[0].options = reload->options;
        wants[1].options = options;
        *job = (struct job){.options = options,
                            .was = &wants[0],
                            .is = &wants[1],
                            .steer = reload->steer,
                            .sandbox = reload->sandbox,
                            .wiring = {.options = options,
                                       .outputs = &wants[1].outputs,
                                       .ledger = reload->ledger,
                                       .lent = options,
                                       .err = err},
                            .err = err};
    }
    metrics_hold(reload->metrics);
    r = wants && job ? apply(job) : err_sys(err, ENOMEM, "reload");
    metrics_release(reload->metrics);
    mem_free(job);
    mem_free(wants);
    if (r < 0 && reload->sandbox)
        privileges_explain(&reload->sandbox->privileges, r, err);
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
