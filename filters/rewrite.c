/* SPDX-License-Identifier: MIT */
/* --http-rewrite-url REGEXP:REPLACEMENT: of several rules the first whose expression matches the
 * request target is applied. --http-rewrite-header "NAME: REGEXP,REPLACEMENT": every rule, to the
 * first field of that name; without one it does nothing. All matches are replaced. What no rule
 * changes is not copied; what would not be HTTP any more, or takes too long, fails. */
#include <errno.h>
#include <string.h>

#include "filters/filters.h"
#include "filters/rule.h"
#include "lib/buf.h"
#include "lib/http_edit.h"
#include "lib/lookup.h"
#include "lib/mem.h"
#include "lib/replacement.h"

#define RESULT_MAX (1 << 20)

struct rewrite_rule {
    struct span name; /* of the field; empty for the target */
    struct regex *regex;
    struct replacement *replacement;
};

struct rewrite {
    struct filter base;
    struct buf result;
    size_t n;
    struct rewrite_rule rules[];
};

static void rewrite_close(struct filter *filter)
{
    if (!filter)
        return;
    struct rewrite *f = container_of(filter, struct rewrite, base);
    for (size_t i = 0; i < f->n; i++) {
        regex_free(f->rules[i].regex);
        replacement_free(f->rules[i].replacement);
    }
    buf_fini(&f->result);
    mem_free(f);
}

/* rest: "REGEXP<separator>REPLACEMENT", in text. */
static int read_rule(struct rewrite_rule *rule, const char *option, const char *text,
                     const char *rest, char separator, struct err *err)
{
    struct span pattern;
    const char *replacement;
    if (!rule_split(rest, separator, &pattern, &replacement))
        return err_usage(err,
                         "--%s \"%s\": at character %zu: expected a %c between expression and "
                         "replacement (\\%c is one that belongs to the expression)",
                         option, text, strlen(text) + 1, separator, separator);
    if (pattern.len == 0)
        return err_usage(err, "--%s \"%s\": at character %zu: expected a regular expression",
                         option, text, (size_t)(rest - text) + 1);
    const struct regex_part part = {
        .option = option,
        .text = text,
        .at = (size_t)(rest - text),
        .len = pattern.len,
        .separator = separator,
    };
    int r = regex_new_part(&rule->regex, &part, err);
    if (r == 0 && replacement_new(&rule->replacement, rule->regex, replacement) < 0)
        r = err_sys(err, ENOMEM, "--%s", option);
    return r;
}

static int open_rule(struct rewrite *f, const char *text, struct err *err)
{
    struct rewrite_rule *rule = &f->rules[f->n++];
    const char *option = f->base.ops->name, *rest = text;
    if (f->base.ops == &filter_rewrite_url)
        return read_rule(rule, option, text, text, ':', err);
    int r = rule_field(option, text, &rule->name, &rest, err);
    return r < 0 ? r : read_rule(rule, option, text, rest, ',', err);
}

static int rewrite_open(struct filter **filterp, const struct filter_ops *ops,
                        const struct options *options, struct err *err)
{
    size_t n = rule_count(options, ops->name);
    int r = 0;
    if (n == 0)
        return 0;
    struct rewrite *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(f->rules[0]));
    if (!f)
        return err_sys(err, ENOMEM, "--%s", ops->name);
    f->base.ops = ops;
    buf_init(&f->result, RESULT_MAX);
    while (f->n < n && r == 0)
        r = open_rule(f, options_nth(options, ops->name, f->n), err);
    if (r < 0) {
        rewrite_close(&f->base);
        return r;
    }
    *filterp = &f->base;
    return 0;
}

/* The new value of what the rule is about; REGEX_NO_MATCH: it stays. */
static enum regex_result new_value(struct rewrite *f, const struct rewrite_rule *rule,
                                   struct span value)
{
    buf_consume(&f->result, buf_span(&f->result).len);
    return replacement_apply(rule->replacement, rule->regex, value, &f->result);
}

static enum verdict url_apply(struct filter *filter, const struct msg *msg, const struct msg **out)
{
    struct rewrite *f = container_of(filter, struct rewrite, base);
    if (msg->http.head_len == 0)
        return VERDICT_PASS;
    for (size_t i = 0; i < f->n; i++) {
        enum regex_result result = new_value(f, &f->rules[i], msg_target(msg));
        if (result == REGEX_NO_MATCH)
            continue;
        if (result == REGEX_GAVE_UP || http_edit_set_target(msg, buf_span(&f->result), out) < 0)
            return VERDICT_FAIL;
        if (*out != msg)
            return VERDICT_REPLACE;
        msg_unref(*out);
        *out = NULL;
        return VERDICT_PASS;
    }
    return VERDICT_PASS;
}

/* One rule. current is taken; NULL: it failed. */
static const struct msg *apply_rule(struct rewrite *f, const struct rewrite_rule *rule,
                                    const struct msg *current)
{
    const struct msg *next = NULL;
    struct span value;
    if (!lookup_field(current, rule->name, &value))
        return current;
    enum regex_result result = new_value(f, rule, value);
    if (result == REGEX_NO_MATCH)
        return current;
    if (result == REGEX_MATCH &&
        http_edit_set_field(current, rule->name, buf_span(&f->result), &next) < 0)
        next = NULL;
    msg_unref(current);
    return next;
}

static enum verdict header_apply(struct filter *filter, const struct msg *msg,
                                 const struct msg **out)
{
    struct rewrite *f = container_of(filter, struct rewrite, base);
    const struct msg *current = msg_ref(msg);
    for (size_t i = 0; i < f->n && current; i++)
        current = apply_rule(f, &f->rules[i], current);
    if (!current)
        return VERDICT_FAIL;
    if (current == msg) {
        msg_unref(current);
        return VERDICT_PASS;
    }
    *out = current;
    return VERDICT_REPLACE;
}

static int url_open(struct filter **filterp, const struct options *options, struct err *err)
{
    return rewrite_open(filterp, &filter_rewrite_url, options, err);
}

static int header_open(struct filter **filterp, const struct options *options, struct err *err)
{
    return rewrite_open(filterp, &filter_rewrite_header, options, err);
}

const struct filter_ops filter_rewrite_url = {
    .name = "http-rewrite-url",
    .stage = FILTER_REWRITE,
    .open = url_open,
    .apply = url_apply,
    .close = rewrite_close,
};

const struct filter_ops filter_rewrite_header = {
    .name = "http-rewrite-header",
    .stage = FILTER_REWRITE,
    .open = header_open,
    .apply = header_apply,
    .close = rewrite_close,
};
