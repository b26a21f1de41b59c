/* SPDX-License-Identifier: MIT */
#include "cmd/wire_outputs.h"

#include <errno.h>

#include "cmd/registry.h"
#include "lib/mem.h"
#include "lib/options_table.h"

static struct account *new_account(const struct output_wiring *w, enum account_kind kind,
                                   const char *name)
{
    return w->lent ? ledger_account_again(w->ledger, kind, name)
                   : ledger_account(w->ledger, kind, name);
}

static int fill_args(struct output_args *args, const struct output_wiring *w,
                     const struct wanted *wanted, const char *label)
{
    struct account *account = new_account(w, ACCOUNT_OUTPUT, label);
    *args = (struct output_args){.options = w->options, .account = account};
    args->books = account ? account_page(account) : NULL;
    if (!args->books)
        return err_sys(w->err, ENOMEM, "%s", label);
    args->latency = account_latency(account);
    if (wanted->ops->exchanges && options_nth(w->options, "report", 0) &&
        account_track_exchanges(account) < 0)
        return err_sys(w->err, ENOMEM, "%s", label);
    args->exchanges = account_exchanges(account);
    return 0;
}

static int open_out(struct output **out, struct output_args *args, const struct output_wiring *w,
                    const struct wanted *wanted)
{
    char *address = mem_strdup(MEM_OTHER, wanted->value);
    if (!address)
        return err_sys(w->err, ENOMEM, "--%s", wanted->ops->option);
    address[wanted->address_len] = '\0';
    args->address = address;
    int r = wanted->ops->open(out, args, w->err);
    mem_free(address);
    return r;
}

int wire_open_output(struct opened_output *opened, const struct output_wiring *w,
                     const struct wanted *wanted)
{
    char label[LABEL_MAX];
    struct output_args args;
    wanted_label(label, sizeof(label), wanted->ops->option, wanted->value);
    int r = fill_args(&args, w, wanted, label);
    if (r == 0)
        r = wanted_open_rules(&opened->rules, wanted, w->options, w->err);
    if (r == 0) {
        args.bound = opened->rules.options;
        r = open_out(&opened->out, &args, w, wanted);
        if (r < 0) {
            filter_chain_free(opened->rules.rewriters);
            options_free(opened->rules.options);
        }
    }
    opened->account = args.account;
    if (r < 0 && w->lent && args.account)
        account_hand_back(args.account);
    if (r == 0 && w->lent)
        opened->rules.lent = options_ref(w->lent);
    return r;
}

/* Who wants its answers: those that look at all of them, and those that look at their heads. */
static bool wants_bodies(const struct output_wiring *w, const struct output_ops *ops)
{
    return ops->answers &&
           ((w->compares && ops->exchanges) || options_bool(w->options, ops->answers));
}

bool wire_wants_answers(const struct output_wiring *w, const struct output_ops *ops)
{
    bool documents = false;
    for (size_t i = 0; i < w->outputs->n; i++)
        documents |= w->outputs->wanted[i].ops->documents;
    return wants_bodies(w, ops) || (documents && ops->exchanges);
}

int wire_open_answers(struct opened_answers *answers, const struct output_wiring *w,
                      const struct wanted *wanted)
{
    const struct output_ops *ops = wanted->ops;
    struct answer_rules *rules = &answers->rules;
    bool bodies = wants_bodies(w, ops);
    char label[LABEL_MAX];
    wanted_label(label, sizeof(label), "answers", wanted->value);
    answers->account = new_account(w, ACCOUNT_INPUT, label);
    answers->books = answers->account ? account_page(answers->account) : NULL;
    if (!answers->books)
        return err_sys(w->err, ENOMEM, "%s", label);
    *rules = (struct answer_rules){
        .to_all = !ops->baseline && options_bool(w->options, ops->answers),
        .max_len = bodies ? options_size(w->options, ops->answer_max) : HTTP_MAX_HEAD,
    };
    const struct filter_ops *filters[REGISTRY_FILTERS_MAX];
    unsigned stages = 1U << FILTER_REDACT | (bodies ? 1U << FILTER_DECODE : 0);
    size_t n = registry_filters_of(stages, filters);
    int r = filter_chain_new(&rules->chain, filters, n, w->options, w->err);
    if (r == 0 && rules->chain)
        filter_chain_count(rules->chain, answers->books);
    if (r < 0 && w->lent)
        books_hand_back(answers->books);
    return r;
}
