/* SPDX-License-Identifier: MIT */
#include "lib/filter.h"

#include <errno.h>

#include "lib/mem.h"

struct filter_chain {
    void (*watch)(void *arg, const struct filter_step *step); /* may be NULL */
    void *watch_arg;
    size_t n;
    struct filter *filters[];
};

static size_t length(const struct filter_chain *chain)
{
    return chain ? chain->n : 0;
}

int filter_chain_new(struct filter_chain **chainp, const struct filter_ops *const *ops,
                     size_t n_ops, const struct options *options, struct err *err)
{
    size_t size = sizeof(struct filter_chain) + n_ops * sizeof(void *);
    struct filter_chain *chain = mem_zalloc(MEM_OTHER, size);
    if (!chain)
        return err_sys(err, ENOMEM, "filters");
    int r = 0;
    for (size_t i = 0; i < n_ops && r == 0; i++) {
        struct filter *filter = NULL;
        assert(ops[i]->open && ops[i]->apply && ops[i]->close);
        r = ops[i]->open(&filter, options, err);
        if (filter)
            chain->filters[chain->n++] = filter;
    }
    if (r < 0 || chain->n == 0) {
        filter_chain_free(chain);
        chain = NULL;
    }
    if (r == 0)
        *chainp = chain;
    return r;
}

void filter_chain_free(struct filter_chain *chain)
{
    if (!chain)
        return;
    for (size_t i = 0; i < chain->n; i++)
        chain->filters[i]->ops->close(chain->filters[i]);
    mem_free(chain);
}

void filter_chain_watch(struct filter_chain *chain,
                        void (*watch)(void *arg, const struct filter_step *step), void *arg)
{
    if (!chain)
        return;
    chain->watch = watch;
    chain->watch_arg = arg;
}

static void tell(const struct filter_chain *chain, const struct filter *filter,
                 enum verdict verdict, const struct msg *before, const struct msg *after)
{
    const struct filter_ops *ops = filter->ops;
    struct filter_step step = {
        .ops = ops,
        .rule = ops->rule ? ops->rule(filter) : NULL,
        .verdict = verdict,
        .before = before,
        .after = after,
    };
    if (chain->watch)
        chain->watch(chain->watch_arg, &step);
}

void filter_chain_count(struct filter_chain *chain, struct books *books)
{
    for (size_t i = 0; i < length(chain); i++)
        chain->filters[i]->books = books;
}

bool filter_chain_judges(const struct filter_chain *chain)
{
    for (size_t i = 0; i < length(chain); i++)
        if (chain->filters[i]->ops->stage == FILTER_JUDGE)
            return true;
    return false;
}

enum verdict filter_chain_judge(struct filter_chain *chain, const struct msg *msg)
{
    for (size_t i = 0; i < length(chain); i++) {
        struct filter *filter = chain->filters[i];
        if (filter->ops->stage != FILTER_JUDGE)
            continue;
        const struct msg *none = NULL;
        enum verdict verdict = filter->ops->apply(filter, msg, &none);
        assert((verdict == VERDICT_PASS || verdict == VERDICT_DROP) && !none);
        if (verdict == VERDICT_DROP) {
            tell(chain, filter, verdict, msg, NULL);
            return VERDICT_DROP;
        }
    }
    return VERDICT_PASS;
}

/* Asks the filters of one stage in turn, each about what the one before it made. */
static enum verdict change(struct filter_chain *chain, enum filter_stage stage,
                           const struct msg *msg, const struct msg **out)
{
    const struct msg *current = msg;
    for (size_t i = 0; i < length(chain); i++) {
        struct filter *filter = chain->filters[i];
        if (filter->ops->stage != stage)
            continue;
        const struct msg *next = NULL;
        enum verdict verdict = filter->ops->apply(filter, current, &next);
        if (verdict == VERDICT_PASS)
            continue;
        tell(chain, filter, verdict, current, next);
        if (current != msg)
            msg_unref(current);
        if (verdict != VERDICT_REPLACE)
            return verdict;
        current = next;
    }
    if (current == msg)
        return VERDICT_PASS;
    *out = current;
    return VERDICT_REPLACE;
}

enum verdict filter_chain_redact(struct filter_chain *chain, const struct msg *msg,
                                 const struct msg **out)
{
    return change(chain, FILTER_REDACT, msg, out);
}

enum verdict filter_chain_rewrite(struct filter_chain *chain, const struct msg *msg,
                                  const struct msg **out)
{
    const struct msg *rewritten = msg, *decoded = NULL;
    enum verdict verdict = VERDICT_PASS;
    if (!chain)
        return VERDICT_PASS;
    if (msg->type == MSG_REQUEST)
        verdict = change(chain, FILTER_REWRITE, msg, &rewritten);
    assert(verdict != VERDICT_DROP);
    if (verdict == VERDICT_FAIL)
        return verdict;
    enum verdict last = change(chain, FILTER_DECODE, rewritten, &decoded);
    assert(last == VERDICT_PASS || last == VERDICT_REPLACE);
    if (last == VERDICT_REPLACE && verdict == VERDICT_REPLACE)
        msg_unref(rewritten);
    if (last == VERDICT_REPLACE)
        *out = decoded;
    else if (verdict == VERDICT_REPLACE)
        *out = rewritten;
    return last == VERDICT_REPLACE ? last : verdict;
}
