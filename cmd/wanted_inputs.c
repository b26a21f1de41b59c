/* SPDX-License-Identifier: MIT */
#include "cmd/wanted_inputs.h"

#include <string.h>

#include "cmd/registry.h"
#include "cmd/wanted.h"

struct reader {
    const struct options *options;
    struct err *err;
    struct wanted_inputs *all;
};

static int check_limit(struct reader *r, const char *option, const char *value,
                       const struct limit *limit)
{
    if (limit->n_steps > 0)
        return err_usage(r->err, "--%s \"%s\": a ramp of the share is for outputs", option, value);
    if (limit->weight > 0 || limit->copies > 0)
        return err_usage(r->err, "--%s \"%s\": a weight and x%u are for outputs", option, value,
                         limit->copies > 0 ? limit->copies : 3);
    return 0;
}

/* The limit of an input whose address cannot carry one. */
static int other_limit(struct reader *r, const char *option, struct wanted_input *wanted)
{
    const char *text = options_string(r->options, option);
    struct limit *limit = &wanted->limit;
    size_t len;
    if (limit->rate > 0 || limit->percent > 0)
        return err_usage(r->err, "a limit of this input stands behind --%s", option);
    int rc = limit_parse(option, text, &len, limit, r->err);
    if (rc == 0 && limit->rps)
        return err_usage(r->err, "--%s \"%s\": rps is for --input-file", option, text);
    wanted->speed = limit->percent > 0 ? limit->percent : 100;
    limit->percent = 0; /* there it is a speed, which the input reads itself */
    return rc;
}

static int add(struct reader *r, const struct wanted_input *wanted)
{
    if (r->all->n == ARRAY_LEN(r->all->wanted))
        return err_usage(r->err, "more than %zu inputs", ARRAY_LEN(r->all->wanted));
    r->all->wanted[r->all->n++] = *wanted;
    return 0;
}

/* One input for each value. */
static int read_each(struct reader *r, const struct input_ops *ops)
{
    const char *value;
    int rc = 0;
    for (size_t i = 0; rc == 0 && (value = options_nth(r->options, ops->option, i)); i++) {
        struct wanted_input wanted = {.ops = ops, .value = value, .nth = i, .n = 1};
        rc = limit_parse(ops->option, value, &wanted.address_len, &wanted.limit, r->err);
        if (rc == 0)
            rc = wanted_check_share(ops->option, value, &wanted.limit, r->err);
        if (rc == 0 && ops->suffix_option)
            rc = other_limit(r, ops->suffix_option, &wanted);
        if (rc == 0 && wanted.limit.rate_to > 0)
            rc = err_usage(r->err, "--%s \"%s\": a ramp of the rate is for --input-file",
                           ops->option, value);
        if (rc == 0)
            rc = check_limit(r, ops->option, value, &wanted.limit);
        if (rc == 0)
            rc = add(r, &wanted);
    }
    return rc;
}

/* One input for all values, suffixes included; a rate ("|10") limits all of it. */
static int read_merged(struct reader *r, const struct input_ops *ops)
{
    struct wanted_input wanted = {.ops = ops};
    struct limit limit = {.rate = 0};
    const char *value;
    for (; (value = options_nth(r->options, ops->option, wanted.n)); wanted.n++) {
        struct limit one;
        size_t len;
        int rc = limit_parse(ops->option, value, &len, &one, r->err);
        if (rc < 0)
            return rc;
        if (one.rate > 0 && limit.rate > 0 &&
            (one.rate != limit.rate || one.rate_to != limit.rate_to || one.rps != limit.rps ||
             one.ramp_ns != limit.ramp_ns))
            return err_usage(r->err,
                             "--%s \"%s\": all values share one timeline, and so one rate limit",
                             ops->option, value);
        rc = check_limit(r, ops->option, value, &one);
        if (rc < 0)
            return rc;
        if (one.rate > 0)
            limit = one;
        if (wanted.n > 0)
            continue;
        wanted.value = value;
        wanted.address_len = strlen(value);
        wanted.speed = one.percent > 0 ? one.percent : 100;
    }
    limit.percent = 0; /* there it is a speed, which the input reads itself, */
    if (limit.rps) { /* as it does a rate to replay at */
        wanted.rps = limit.rate;
        limit.rate = 0;
    }
    wanted.limit = limit;
    return wanted.n > 0 ? add(r, &wanted) : 0;
}

int wanted_inputs_read(struct wanted_inputs *all, const struct options *options, struct err *err)
{
    struct reader r = {.options = options, .err = err, .all = all};
    int rc = 0;
    all->n = 0;
    for (const struct input_ops *const *ops = registry_inputs; *ops && rc == 0; ops++)
        rc = (*ops)->merges ? read_merged(&r, *ops) : read_each(&r, *ops);
    if (rc == 0 && all->n == 0)
        return err_usage(err, "nothing to read: give an input, e.g. --input-raw :8080 or "
                              "--input-file requests.gor (see --help)");
    return rc;
}
