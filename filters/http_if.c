/* SPDX-License-Identifier: MIT */
/* --http-if: a request passes when it meets all conditions (lib/condition.h). */
#include <errno.h>

#include "filters/filters.h"
#include "lib/condition.h"
#include "lib/mem.h"

#define OPTION "http-if"

struct conditions {
    struct filter base;
    const struct condition *failed; /* the last one that did not hold */
    size_t n;
    struct condition *conditions[];
};

static void if_close(struct filter *filter)
{
    if (!filter)
        return;
    struct conditions *f = container_of(filter, struct conditions, base);
    for (size_t i = 0; i < f->n; i++)
        condition_free(f->conditions[i]);
    mem_free(f);
}

static int add(struct conditions *f, const char *text, struct err *err)
{
    struct condition **slot = &f->conditions[f->n];
    int r = condition_new(slot, OPTION, text, err);
    if (r < 0)
        return r;
    f->n++;
    if (condition_needs_status(*slot))
        return err_usage(err,
                         "--" OPTION " \"%s\": the status is known only when the response has come;"
                         " --to-if, behind an output, can wait for it",
                         text);
    return 0;
}

static int if_open(struct filter **filterp, const struct options *options, struct err *err)
{
    size_t n = 0;
    while (options_nth(options, OPTION, n))
        n++;
    if (n == 0)
        return 0;
    struct conditions *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(struct condition *));
    if (!f)
        return err_sys(err, ENOMEM, "--" OPTION);
    f->base.ops = &filter_if;
    while (f->n < n) {
        int r = add(f, options_nth(options, OPTION, f->n), err);
        if (r < 0) {
            if_close(&f->base);
            return r;
        }
    }
    *filterp = &f->base;
    return 0;
}

static enum verdict if_apply(struct filter *filter, const struct msg *msg, const struct msg **out)
{
    struct conditions *f = container_of(filter, struct conditions, base);
    (void)out;
    for (size_t i = 0; i < f->n; i++)
        if (!condition_holds(f->conditions[i], msg, 0)) {
            f->failed = f->conditions[i];
            return VERDICT_DROP;
        }
    return VERDICT_PASS;
}

static const char *if_rule(const struct filter *filter)
{
    const struct conditions *f = container_of(filter, struct conditions, base);
    return f->failed ? condition_text(f->failed) : NULL;
}

const struct filter_ops filter_if = {
    .name = OPTION,
    .stage = FILTER_JUDGE,
    .open = if_open,
    .apply = if_apply,
    .close = if_close,
    .rule = if_rule,
};
