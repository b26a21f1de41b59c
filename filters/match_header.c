/* SPDX-License-Identifier: MIT */
/* --http-allow-header NAME:REGEXP: a request passes when the first field of that name has a value
 * that matches; of several rules all must hold. --http-disallow-header: when no field of that name
 * has one. What is no HTTP request passes no allow rule.
 *
 * An expression that gives up lets nothing pass that might not. */
#include <errno.h>

#include "filters/filters.h"
#include "filters/rule.h"
#include "lib/mem.h"
#include "lib/regex.h"

struct match_rule {
    const char *text;
    struct span name;
    struct regex *regex;
};

struct match_header {
    struct filter base;
    bool allow;
    const char *failed; /* the rule that dropped the last one */
    size_t n;
    struct match_rule rules[];
};

static void match_close(struct filter *filter)
{
    if (!filter)
        return;
    struct match_header *f = container_of(filter, struct match_header, base);
    for (size_t i = 0; i < f->n; i++)
        regex_free(f->rules[i].regex);
    mem_free(f);
}

static int match_open(struct filter **filterp, const struct filter_ops *ops,
                      const struct options *options, struct err *err)
{
    size_t n = rule_count(options, ops->name);
    if (n == 0)
        return 0;
    struct match_header *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(f->rules[0]));
    if (!f)
        return err_sys(err, ENOMEM, "--%s", ops->name);
    f->base.ops = ops;
    f->allow = ops == &filter_allow_header;
    int r = 0;
    while (f->n < n && r == 0) {
        struct match_rule *rule = &f->rules[f->n];
        const char *pattern;
        rule->text = options_nth(options, ops->name, f->n);
        r = rule_field(ops->name, rule->text, &rule->name, &pattern, err);
        if (r == 0)
            r = regex_new_tail(&rule->regex, ops->name, rule->text, pattern, err);
        f->n++;
    }
    if (r < 0) {
        match_close(&f->base);
        return r;
    }
    *filterp = &f->base;
    return 0;
}

/* Does the first field of that name match? A field without a value counts as none, as gor has it.
 */
static bool allows(const struct match_rule *rule, const struct msg *msg)
{
    struct http_field field;
    return http_field_find(msg_payload(msg), &msg->http, rule->name, &field) &&
           field.value.len > 0 && regex_match(rule->regex, field.value) == REGEX_MATCH;
}

/* May any field of that name match? */
static bool disallows(const struct match_rule *rule, const struct msg *msg)
{
    struct http_field field;
    size_t pos = msg->http.fields_off;
    while (http_field_next(msg_payload(msg), &msg->http, &pos, &field))
        if (span_eq_nocase(field.name, rule->name) && field.value.len > 0 &&
            regex_match(rule->regex, field.value) != REGEX_NO_MATCH)
            return true;
    return false;
}

static enum verdict match_apply(struct filter *filter, const struct msg *msg,
                                const struct msg **out)
{
    struct match_header *f = container_of(filter, struct match_header, base);
    (void)out;
    f->failed = NULL;
    if (msg->http.head_len == 0)
        return f->allow ? VERDICT_DROP : VERDICT_PASS;
    for (size_t i = 0; i < f->n; i++) {
        const struct match_rule *rule = &f->rules[i];
        if (f->allow ? allows(rule, msg) : !disallows(rule, msg))
            continue;
        f->failed = rule->text;
        return VERDICT_DROP;
    }
    return VERDICT_PASS;
}

static const char *match_failed(const struct filter *filter)
{
    return container_of(filter, struct match_header, base)->failed;
}

static int allow_open(struct filter **filterp, const struct options *options, struct err *err)
{
    return match_open(filterp, &filter_allow_header, options, err);
}

static int disallow_open(struct filter **filterp, const struct options *options, struct err *err)
{
    return match_open(filterp, &filter_disallow_header, options, err);
}

const struct filter_ops filter_allow_header = {
    .name = "http-allow-header",
    .stage = FILTER_JUDGE,
    .open = allow_open,
    .apply = match_apply,
    .close = match_close,
    .rule = match_failed,
};

const struct filter_ops filter_disallow_header = {
    .name = "http-disallow-header",
    .stage = FILTER_JUDGE,
    .open = disallow_open,
    .apply = match_apply,
    .close = match_close,
    .rule = match_failed,
};
