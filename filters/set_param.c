/* SPDX-License-Identifier: MIT */
/* --http-set-param NAME=VALUE: the value of the first query parameter of that name is replaced, or
 * the parameter added at the end of the query. Nothing is encoded: what is given is what is sent.
 */
#include <errno.h>
#include <string.h>

#include "filters/filters.h"
#include "filters/rule.h"
#include "lib/buf.h"
#include "lib/http_edit.h"
#include "lib/lookup.h"
#include "lib/mem.h"

#define OPTION "http-set-param"
#define TARGET_MAX (1 << 20)

struct set_param {
    struct filter base;
    struct buf target;
    size_t n;
    struct {
        struct span name, value;
    } params[]; /* point into the options */
};

static void param_close(struct filter *filter)
{
    if (!filter)
        return;
    struct set_param *f = container_of(filter, struct set_param, base);
    buf_fini(&f->target);
    mem_free(f);
}

static int read_param(struct set_param *f, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    struct span name = span_trim(span_of(text, equals ? (size_t)(equals - text) : 0));
    struct span value = span_trim(span_str(equals ? equals + 1 : ""));
    if (name.len == 0 || !http_is_target(name) || memchr(name.ptr, '&', name.len) ||
        (value.len > 0 && !http_is_target(value)))
        return err_usage(err,
                         "--" OPTION " \"%s\": at character %zu: expected name=value without "
                         "spaces",
                         text, equals ? (size_t)1 : strlen(text) + 1);
    f->params[f->n].name = name;
    f->params[f->n].value = value;
    f->n++;
    return 0;
}

static int param_open(struct filter **filterp, const struct options *options, struct err *err)
{
    size_t n = rule_count(options, OPTION);
    int r = 0;
    if (n == 0)
        return 0;
    struct set_param *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(f->params[0]));
    if (!f)
        return err_sys(err, ENOMEM, "--" OPTION);
    f->base.ops = &filter_set_param;
    buf_init(&f->target, TARGET_MAX);
    while (f->n < n && r == 0)
        r = read_param(f, options_nth(options, OPTION, f->n), err);
    if (r < 0) {
        param_close(&f->base);
        return r;
    }
    *filterp = &f->base;
    return 0;
}

/* The target with one parameter set, into f->target. */
static int build_target(struct set_param *f, size_t i, struct span target)
{
    struct span name = f->params[i].name, value = f->params[i].value, old;
    struct buf *b = &f->target;
    buf_consume(b, buf_span(b).len);
    if (lookup_param(target, name, &old)) {
        size_t at = (size_t)(old.ptr - target.ptr);
        bool bare = old.len == 0 && (at == 0 || target.ptr[at - 1] != '='); /* "?a" has no '=' */
        int r = buf_append(b, target.ptr, at);
        if (r == 0 && bare)
            r = buf_append(b, "=", 1);
        if (r == 0)
            r = buf_append(b, value.ptr, value.len);
        struct span rest = span_from(target, at + old.len);
        return r == 0 ? buf_append(b, rest.ptr, rest.len) : r;
    }
    const uint8_t *hash = memchr(target.ptr, '#', target.len);
    size_t end = hash ? (size_t)(hash - target.ptr) : target.len;
    const char *joint = memchr(target.ptr, '?', end) ? "&" : "?";
    int r = buf_append(b, target.ptr, end);
    if (r == 0)
        r = buf_append(b, joint, 1);
    if (r == 0)
        r = buf_append(b, name.ptr, name.len);
    if (r == 0)
        r = buf_append(b, "=", 1);
    if (r == 0)
        r = buf_append(b, value.ptr, value.len);
    return r == 0 ? buf_append(b, target.ptr + end, target.len - end) : r;
}

static enum verdict param_apply(struct filter *filter, const struct msg *msg,
                                const struct msg **out)
{
    struct set_param *f = container_of(filter, struct set_param, base);
    if (msg->http.head_len == 0)
        return VERDICT_PASS;
    const struct msg *current = msg_ref(msg);
    for (size_t i = 0; i < f->n; i++) {
        const struct msg *next = NULL;
        int r = build_target(f, i, msg_target(current));
        if (r == 0)
            r = http_edit_set_target(current, buf_span(&f->target), &next);
        msg_unref(current);
        if (r != 0)
            return VERDICT_FAIL;
        current = next;
    }
    if (current == msg) {
        msg_unref(current);
        return VERDICT_PASS;
    }
    *out = current;
    return VERDICT_REPLACE;
}

const struct filter_ops filter_set_param = {
    .name = OPTION,
    .stage = FILTER_REWRITE,
    .open = param_open,
    .apply = param_apply,
    .close = param_close,
};
