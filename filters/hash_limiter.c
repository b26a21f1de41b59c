/* SPDX-License-Identifier: MIT */
/* --http-header-limiter NAME:N%, --http-param-limiter NAME:N%: a share of the values of a field or
 * query parameter, always the same ones, and the same as gor's: FNV-1a of the value. A request
 * without the field (or with an empty one) or without the parameter passes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "filters/filters.h"
#include "filters/rule.h"
#include "lib/lookup.h"
#include "lib/mem.h"
#include "lib/units.h"

struct hash_rule {
    const char *text;
    struct span name;
    double percent;
};

struct hash_limiter {
    struct filter base;
    bool param;
    const char *failed; /* the rule that dropped the last one */
    size_t n;
    struct hash_rule rules[];
};

static void limiter_close(struct filter *filter)
{
    if (filter)
        mem_free(container_of(filter, struct hash_limiter, base));
}

/* "NAME:25%", "NAME:0.5%", and gor's old "NAME:1/4". */
static int read_rule(struct hash_rule *rule, const char *option, const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    double share, part, whole;
    char end;
    rule->text = text;
    rule->name = span_trim(span_of(text, len));
    if (!http_is_token(rule->name))
        return err_usage(err, "--%s \"%s\": at character 1: expected a name", option, text);
    if (colon && sscanf(colon + 1, "%lf/%lf%c", &part, &whole, &end) == 2 && whole > 0 &&
        part >= 0 && part <= whole) {
        rule->percent = part / whole * 100;
        return 0;
    }
    size_t value_len = colon ? strlen(colon + 1) : 0;
    if (value_len == 0 || colon[value_len] != '%' || units_parse_share(colon + 1, &share))
        return err_usage(err, "--%s \"%s\": at character %zu: expected :N%%, e.g. %.*s:25%%",
                         option, text, len + 1, (int)len, text);
    rule->percent = share * 100;
    return 0;
}

static int limiter_open(struct filter **filterp, const struct filter_ops *ops,
                        const struct options *options, struct err *err)
{
    size_t n = rule_count(options, ops->name);
    if (n == 0)
        return 0;
    struct hash_limiter *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(f->rules[0]));
    if (!f)
        return err_sys(err, ENOMEM, "--%s", ops->name);
    f->base.ops = ops;
    f->param = ops == &filter_param_limiter;
    int r = 0;
    for (; f->n < n && r == 0; f->n++)
        r = read_rule(&f->rules[f->n], ops->name, options_nth(options, ops->name, f->n), err);
    if (r < 0) {
        mem_free(f);
        return r;
    }
    *filterp = &f->base;
    return 0;
}

/* FNV-1a, 32 bits. */
static uint32_t fnv1a(struct span s)
{
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ s.ptr[i]) * UINT32_C(16777619);
    return hash;
}

/* gor compares the hash modulo 100 with a whole N; what is finer decides by the digits before. */
static bool is_in(struct span value, double percent)
{
    uint32_t hash = fnv1a(value);
    return hash % 100 + (hash / 100 % 1000) / 1000.0 < percent;
}

static enum verdict limiter_apply(struct filter *filter, const struct msg *msg,
                                  const struct msg **out)
{
    struct hash_limiter *f = container_of(filter, struct hash_limiter, base);
    (void)out;
    f->failed = NULL;
    if (msg->http.head_len == 0)
        return VERDICT_PASS;
    for (size_t i = 0; i < f->n; i++) {
        const struct hash_rule *rule = &f->rules[i];
        struct span value;
        bool found = f->param ? lookup_param(msg_target(msg), rule->name, &value)
                              : lookup_field(msg, rule->name, &value) && value.len > 0;
        if (!found || is_in(value, rule->percent))
            continue;
        f->failed = rule->text;
        return VERDICT_DROP;
    }
    return VERDICT_PASS;
}

static const char *limiter_failed(const struct filter *filter)
{
    return container_of(filter, struct hash_limiter, base)->failed;
}

static int header_open(struct filter **filterp, const struct options *options, struct err *err)
{
    return limiter_open(filterp, &filter_header_limiter, options, err);
}

static int param_open(struct filter **filterp, const struct options *options, struct err *err)
{
    return limiter_open(filterp, &filter_param_limiter, options, err);
}

const struct filter_ops filter_header_limiter = {
    .name = "http-header-limiter",
    .stage = FILTER_JUDGE,
    .open = header_open,
    .apply = limiter_apply,
    .close = limiter_close,
    .rule = limiter_failed,
};

const struct filter_ops filter_param_limiter = {
    .name = "http-param-limiter",
    .stage = FILTER_JUDGE,
    .open = param_open,
    .apply = limiter_apply,
    .close = limiter_close,
    .rule = limiter_failed,
};
