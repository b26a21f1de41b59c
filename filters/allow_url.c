/* SPDX-License-Identifier: MIT */
/* --http-allow-url: a request passes when its target (path and query as they were sent, without the
 * host) matches one of the expressions. --http-disallow-url: when it matches none. What is no HTTP
 * request has no target: it passes no allow rule, and no disallow rule applies to it.
 *
 * An expression that gives up on a target lets nothing pass that might not: for allow it has not
 * matched, for disallow it has. */
#include <errno.h>

#include "filters/filters.h"
#include "lib/mem.h"
#include "lib/regex.h"

struct url {
    struct filter base;
    enum verdict if_match;
    size_t n;
    struct regex *regexes[];
};

static void url_close(struct filter *filter)
{
    if (!filter)
        return;
    struct url *f = container_of(filter, struct url, base);
    for (size_t i = 0; i < f->n; i++)
        regex_free(f->regexes[i]);
    mem_free(f);
}

static int url_open(struct filter **filterp, const struct filter_ops *ops,
                    const struct options *options, struct err *err)
{
    size_t n = 0;
    while (options_nth(options, ops->name, n))
        n++;
    if (n == 0)
        return 0;
    struct url *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(struct regex *));
    if (!f)
        return err_sys(err, ENOMEM, "--%s", ops->name);
    f->base.ops = ops;
    f->if_match = ops == &filter_allow_url ? VERDICT_PASS : VERDICT_DROP;
    for (; f->n < n; f->n++) {
        int r = regex_new(&f->regexes[f->n], ops->name, options_nth(options, ops->name, f->n), err);
        if (r < 0) {
            url_close(&f->base);
            return r;
        }
    }
    *filterp = &f->base;
    return 0;
}

static bool matches(struct url *f, struct regex *regex, struct span target)
{
    enum regex_result result = regex_match(regex, target);
    return result == REGEX_GAVE_UP ? f->if_match == VERDICT_DROP : result == REGEX_MATCH;
}

static enum verdict url_apply(struct filter *filter, const struct msg *msg, const struct msg **out)
{
    struct url *f = container_of(filter, struct url, base);
    enum verdict otherwise = f->if_match == VERDICT_PASS ? VERDICT_DROP : VERDICT_PASS;
    (void)out;
    if (msg->http.head_len == 0)
        return otherwise;
    for (size_t i = 0; i < f->n; i++)
        if (matches(f, f->regexes[i], msg_target(msg)))
            return f->if_match;
    return otherwise;
}

static int allow_url_open(struct filter **filterp, const struct options *options, struct err *err)
{
    return url_open(filterp, &filter_allow_url, options, err);
}

static int disallow_url_open(struct filter **filterp, const struct options *options,
                             struct err *err)
{
    return url_open(filterp, &filter_disallow_url, options, err);
}

const struct filter_ops filter_allow_url = {
    .name = "http-allow-url",
    .stage = FILTER_JUDGE,
    .open = allow_url_open,
    .apply = url_apply,
    .close = url_close,
};

const struct filter_ops filter_disallow_url = {
    .name = "http-disallow-url",
    .stage = FILTER_JUDGE,
    .open = disallow_url_open,
    .apply = url_apply,
    .close = url_close,
};
