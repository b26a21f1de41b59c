/* SPDX-License-Identifier: MIT */
/* --http-allow-method: a request passes when its method is one of those given, letter by letter
 * (methods are case-sensitive: RFC 9110, 9.1). What is no HTTP request has no method. */
#include <errno.h>

#include "filters/filters.h"
#include "lib/mem.h"

#define OPTION "http-allow-method"

struct allow_method {
    struct filter base;
    size_t n;
    struct span methods[];
};

static bool is_token(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~"; /* RFC 9110, 5.6.2 */
    const char *p = text;
    while ((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
           (*p && strchr(others, *p)))
        p++;
    return p > text && *p == '\0';
}

static int allow_method_open(struct filter **filterp, const struct options *options,
                             struct err *err)
{
    size_t n = 0;
    for (const char *text; (text = options_nth(options, OPTION, n)); n++)
        if (!is_token(text))
            return err_usage(err, "--" OPTION " \"%s\": expected a method, e.g. GET", text);
    if (n == 0)
        return 0;
    struct allow_method *f = mem_zalloc(MEM_OTHER, sizeof(*f) + n * sizeof(f->methods[0]));
    if (!f)
        return err_sys(err, ENOMEM, "--" OPTION);
    f->base.ops = &filter_allow_method;
    for (; f->n < n; f->n++)
        f->methods[f->n] = span_str(options_nth(options, OPTION, f->n));
    *filterp = &f->base;
    return 0;
}

static enum verdict allow_method_apply(struct filter *filter, const struct msg *msg,
                                       const struct msg **out)
{
    const struct allow_method *f = container_of(filter, struct allow_method, base);
    (void)out;
    if (msg->http.head_len == 0)
        return VERDICT_DROP;
    for (size_t i = 0; i < f->n; i++)
        if (span_eq(msg_method(msg), f->methods[i]))
            return VERDICT_PASS;
    return VERDICT_DROP;
}

static void allow_method_close(struct filter *filter)
{
    if (filter)
        mem_free(container_of(filter, struct allow_method, base));
}

const struct filter_ops filter_allow_method = {
    .name = OPTION,
    .stage = FILTER_JUDGE,
    .open = allow_method_open,
    .apply = allow_method_apply,
    .close = allow_method_close,
};
