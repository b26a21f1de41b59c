/* SPDX-License-Identifier: MIT */
#include "cmd/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/metrics.h"
#include "cmd/registry.h"
#include "cmd/wanted.h"
#include "cmd/wanted_inputs.h"
#include "cmd/wire_check.h"
#include "cmd/wire_compare.h"
#include "cmd/wire_needs.h"
#include "cmd/wire_outputs.h"
#include "cmd/wire_self.h"
#include "config.h"
#include "lib/limit.h"
#include "lib/mem.h"
#include "lib/options_table.h"
#include "middleware/middleware.h"
#include "outputs/outputs.h"

/* An input that is open, until it is given to the pipeline. */
struct opened_input {
    struct input *in;
    struct dials *dials;
    struct histogram *recorded; /* NULL: nobody asks */
    struct books *books;
    struct limit limit;
};

struct wiring {
    const struct options *options;
    struct ledger *ledger;
    struct pipeline *pipe;
    struct err *err;
    struct wanted_inputs wanted_inputs;
    size_t n_inputs;
    struct opened_input inputs[WANTED_INPUTS_MAX];
    struct wanted_outputs outputs;
    struct output *opened[ROUTE_OUTPUTS_MAX]; /* as wanted; the pipeline's */
    struct steered *items[ROUTE_OUTPUTS_MAX]; /* the same; the steer's */
    struct steer *steer;
    struct comparing comparing;
    struct shed *shed; /* --max-cpu; NULL: no limit */
    struct sandbox *sandbox; /* borrowed */
};

/* One of args->n_workers; the first one makes args->first. */
static int open_worker(struct wiring *w, const struct wanted_input *wanted, struct account *account,
                       struct dials *dials, struct input_args *args)
{
    struct opened_input *slot = &w->inputs[w->n_inputs];
    if (w->n_inputs == ARRAY_LEN(w->inputs))
        return err_usage(w->err, "more than %zu inputs, workers counted", ARRAY_LEN(w->inputs));
    args->books = slot->books = account_page(account);
    slot->recorded = metrics_wanted(w->options) ? account_recorded_page(account) : NULL;
    if (!slot->books || (metrics_wanted(w->options) && !slot->recorded))
        return err_sys(w->err, ENOMEM, "--%s", wanted->ops->option);
    slot->limit = wanted->limit;
    slot->dials = dials;
    int r = wanted->ops->open(&slot->in, args, w->err);
    if (r < 0)
        return r;
    if (args->n_workers > 1)
        slot->in->share = 1.0 / args->n_workers;
    args->first = args->first ? args->first : slot->in;
    w->n_inputs++;
    return 0;
}

static int open_workers(struct wiring *w, size_t nth, const char *const *values)
{
    const struct wanted_input *wanted = &w->wanted_inputs.wanted[nth];
    char name[LABEL_MAX];
    wanted_label(name, sizeof(name), wanted->ops->option, values[0]);
    struct account *account = ledger_account(w->ledger, ACCOUNT_INPUT, name);
    if (!account)
        return err_sys(w->err, ENOMEM, "%s", name);
    struct input_args args = {
        .addresses = values,
        .n_addresses = wanted->n,
        .options = w->options,
        .playing = account_playing(account),
        .shed = w->shed,
        .stop_fd = pipeline_stop_fd(w->pipe),
    };
    args.n_workers = wanted->ops->workers ? wanted->ops->workers(&args) : 1;
    struct dials *dials = steer_add_input(w->steer, wanted, nth, account);
    int r = 0;
    for (args.worker = 0; args.worker < args.n_workers && r == 0; args.worker++)
        r = open_worker(w, wanted, account, dials, &args);
    if (r == 0 && args.first->device)
        steer_set_device(w->steer, account, args.first->device);
    return r;
}

/* The values of a merged input go to it as they are; of the others the address, without its limit.
 */
static int open_input(struct wiring *w, size_t nth)
{
    const struct wanted_input *wanted = &w->wanted_inputs.wanted[nth];
    const char *option = wanted->ops->option;
    char *address = mem_strdup(MEM_OTHER, wanted->value);
    const char **values = mem_zalloc(MEM_OTHER, wanted->n * sizeof(*values));
    int r;
    if (!address || !values) {
        r = err_sys(w->err, ENOMEM, "--%s", option);
    } else {
        address[wanted->address_len] = '\0';
        for (size_t i = 0; i < wanted->n; i++)
            values[i] = options_nth(w->options, option, wanted->nth + i);
        values[0] = address;
        r = open_workers(w, nth, values);
    }
    mem_free(address);
    mem_free(values);
    return r;
}

static int open_inputs(struct wiring *w)
{
    int r = 0;
    for (size_t i = 0; i < w->wanted_inputs.n && r == 0; i++)
        r = open_input(w, i);
    return r;
}

static int open_output(const struct output_wiring *ow, struct wiring *w, size_t nth)
{
    const struct wanted *wanted = &w->outputs.wanted[nth];
    struct opened_output opened = {0};
    int r = wire_open_output(&opened, ow, wanted);
    if (r < 0)
        return r;
    struct steered *item = w->items[nth] =
        steer_add_output(w->steer, wanted, nth, w->outputs.split, opened.account);
    opened.rules.dials = &item->dials;
    w->opened[nth] = opened.out;
    return pipeline_add_output(w->pipe, opened.out, opened.account, &opened.rules, w->err);
}

static int track_answers(const struct output_wiring *ow, struct wiring *w, size_t nth)
{
    const struct wanted *wanted = &w->outputs.wanted[nth];
    struct opened_answers answers;
    int r = wire_open_answers(&answers, ow, wanted);
    if (r < 0)
        return r;
    w->items[nth]->answers = answers.account;
    r = pipeline_track_answers(w->pipe, w->opened[nth], &answers.rules, answers.books, w->err);
    if (r == 0 && wanted->ops->baseline)
        compare_set_baseline(w->comparing.out, w->opened[nth]->number);
    return r;
}

static int open_outputs(struct wiring *w)
{
    struct wanted_outputs *all = &w->outputs;
    const struct output_wiring ow = {
        .options = w->options,
        .outputs = all,
        .ledger = w->ledger,
        .compares = wire_compare_wanted(w->options, all),
        .err = w->err,
    };
    int r = 0;
    for (size_t i = 0; i < all->n && r == 0; i++)
        r = open_output(&ow, w, i);
    if (r == 0 && ow.compares)
        r = wire_compare(&w->comparing, w->pipe, w->ledger, w->options, all, w->err);
    for (size_t i = 0; i < all->n && r == 0; i++)
        if (wire_wants_answers(&ow, all->wanted[i].ops))
            r = track_answers(&ow, w, i);
    return r;
}

static bool has_middleware(const struct wiring *w)
{
    return options_string(w->options, "middleware")[0] != '\0';
}

int wire_filters(const struct options *options, enum pipeline_leg leg, struct filter_chain **chain,
                 struct err *err)
{
    const struct filter_ops *filters[REGISTRY_FILTERS_MAX];
    unsigned stages = ~0U;
    if (options_string(options, "middleware")[0])
        stages = leg == LEG_FIRST ? 1U << FILTER_REDACT : ~(1U << FILTER_REDACT);
    size_t n = registry_filters_of(stages, filters);
    return filter_chain_new(chain, filters, n, options, err);
}

/* Takes in. */
static int add_input(struct wiring *w, struct input *in, struct books *books,
                     struct input_rules *rules)
{
    int r = wire_filters(w->options, rules->leg, &rules->chain, w->err);
    if (r == 0)
        return pipeline_add_input(w->pipe, in, books, rules, w->err);
    in->ops->close(in);
    return r;
}

/* Gives the opened inputs to the pipeline, each with filters of its own. */
static int add_inputs(struct wiring *w)
{
    int r = 0;
    for (size_t i = 0; i < w->n_inputs && r == 0; i++) {
        struct opened_input *opened = &w->inputs[i];
        struct input_rules rules = {.leg = has_middleware(w) ? LEG_FIRST : LEG_LAST,
                                    .limit = opened->limit,
                                    .dials = opened->dials,
                                    .recorded = opened->recorded};
        struct input *in = opened->in;
        opened->in = NULL;
        r = add_input(w, in, opened->books, &rules);
    }
    return r;
}

/* Starts it. Its input comes after all others: see may_wait() in pipeline.c. */
static int open_middleware(struct wiring *w, struct input **in, struct books **in_books)
{
    const char *command = options_string(w->options, "middleware");
    char label[LABEL_MAX];
    struct output *out = NULL;
    wanted_label(label, sizeof(label), "middleware", command);
    struct account *to = ledger_account(w->ledger, ACCOUNT_OUTPUT, label);
    struct account *from = ledger_account(w->ledger, ACCOUNT_INPUT, label);
    struct books *out_books = to ? account_page(to) : NULL;
    *in_books = from ? account_page(from) : NULL;
    if (!out_books || !*in_books)
        return err_sys(w->err, ENOMEM, "%s", label);
    int r = middleware_open(&out, in, command, out_books, *in_books, w->err);
    if (r < 0)
        return r;
    const struct output_rules rules = {.leg = LEG_FIRST, .name = "", .aside = true};
    r = pipeline_add_output(w->pipe, out, to, &rules, w->err);
    if (r < 0) {
        (*in)->ops->close(*in);
        *in = NULL;
    }
    return r;
}

static enum when_full parse_when_full(const char *text)
{
    if (strcmp(text, "drop") == 0)
        return WHEN_FULL_DROP;
    return strcmp(text, "block") == 0 ? WHEN_FULL_BLOCK : WHEN_FULL_AUTO;
}

static int open_shed(struct wiring *w)
{
    if (!options_given(w->options, "max-cpu"))
        return 0;
    w->shed = mem_zalloc(MEM_OTHER, sizeof(*w->shed));
    if (!w->shed)
        return err_sys(w->err, ENOMEM, "--max-cpu");
    shed_init(w->shed, options_share(w->options, "max-cpu"));
    return 0;
}

/* Between its two steps what stays outside starts: the middleware, and commands. */
static int enter_sandbox(struct wiring *w, struct input **back, struct books **back_books)
{
    struct needs needs = {0};
    wire_needs(&needs, &w->wanted_inputs, &w->outputs, w->options); /* as who may see everything */
    int r = sandbox_drop(w->sandbox, w->err);
    if (r == 0 && has_middleware(w))
        r = open_middleware(w, back, back_books);
    if (r == 0)
        r = wire_prepare(&w->outputs, w->options, w->err);
    if (r == 0)
        r = sandbox_close(w->sandbox, &needs, has_middleware(w), w->err);
    needs_fini(&needs);
    return r;
}

static int open_all(struct wiring *w)
{
    struct pipeline_config config = {
        .queue_msgs = (size_t)options_int(w->options, "output-queue-len"),
        .queue_bytes = options_size(w->options, "output-queue-size"),
        .when_full = parse_when_full(options_string(w->options, "output-when-full")),
        .drain_ns = options_duration_ns(w->options, "drain-timeout"),
        .split = w->outputs.split,
        .split_by = w->outputs.split_by,
        .seed = w->outputs.seed,
        .steerable = w->steer->turns,
        .ledger = w->ledger,
    };
    struct input *back = NULL;
    struct books *back_books = NULL;
    int r = pipeline_new(&w->pipe, &config, w->err);
    w->steer->pipe = w->pipe;
    if (r == 0)
        r = open_shed(w);
    if (r == 0)
        r = open_inputs(w);
    if (r == 0)
        r = enter_sandbox(w, &back, &back_books);
    if (r == 0)
        r = open_outputs(w);
    if (r == 0)
        r = add_inputs(w);
    if (r == 0 && back)
        return add_input(w, back, back_books, &(struct input_rules){.leg = LEG_LAST});
    if (back)
        back->ops->close(back);
    return r;
}

/* Will anything be turned while it runs? */
static bool is_steered(const struct options *options, const struct wanted_outputs *outputs)
{
    static const char *const names[] = {"control",  "stop-file", "guard",
                                        "to-guard", "state",     "config"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (options_given(options, names[i]))
            return true;
    for (size_t i = 0; i < outputs->n; i++)
        if (outputs->wanted[i].limit.n_steps > 0)
            return true;
    return false;
}

int wire(struct wired *wired, struct ledger *ledger, const struct options *options,
         struct sandbox *sandbox, struct err *err)
{
    struct wiring *w = mem_zalloc(MEM_OTHER, sizeof(*w));
    struct steer *steer = mem_zalloc(MEM_OTHER, sizeof(*steer));
    if (!w || !steer) {
        mem_free(w);
        mem_free(steer);
        return err_sys(err, ENOMEM, "start");
    }
    w->options = options;
    w->ledger = ledger;
    w->sandbox = sandbox;
    w->steer = steer;
    w->err = err;
    int r = wire_read(&w->wanted_inputs, &w->outputs, options, err);
    if (r == 0)
        w->steer->turns = is_steered(options, &w->outputs);
    if (r == 0)
        r = wire_check_self(options, err);
    if (r == 0)
        r = open_all(w);
    if (r == 0) {
        wanted_tell_shares(&w->outputs);
        steer_name_all(w->steer);
        *wired = (struct wired){.pipe = w->pipe,
                                .comparison = w->comparing.comparison,
                                .steer = w->steer,
                                .shed = w->shed};
    } else {
        for (size_t i = 0; i < w->n_inputs; i++)
            if (w->inputs[i].in)
                w->inputs[i].in->ops->close(w->inputs[i].in);
        pipeline_free(w->pipe);
        comparison_free(w->comparing.comparison);
        mem_free(w->steer);
        mem_free(w->shed);
    }
    mem_free(w);
    return r;
}

void wired_free(struct wired *wired)
{
    pipeline_free(wired->pipe);
    comparison_free(wired->comparison);
    mem_free(wired->steer);
    mem_free(wired->shed);
}
