/* SPDX-License-Identifier: MIT */
/* --http-safe-methods: only requests that ask for nothing to change (RFC 9110, 9.2.1). */
#include <errno.h>

#include "filters/filters.h"
#include "lib/mem.h"

static int safe_open(struct filter **filterp, const struct options *options, struct err *err)
{
    if (!options_bool(options, "http-safe-methods"))
        return 0;
    struct filter *filter = mem_zalloc(MEM_OTHER, sizeof(*filter));
    if (!filter)
        return err_sys(err, ENOMEM, "--http-safe-methods");
    filter->ops = &filter_safe_methods;
    *filterp = filter;
    return 0;
}

static enum verdict safe_apply(struct filter *filter, const struct msg *msg, const struct msg **out)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    (void)filter;
    (void)out;
    if (msg->http.head_len == 0)
        return VERDICT_DROP;
    for (size_t i = 0; i < ARRAY_LEN(safe); i++)
        if (span_eq(msg_method(msg), span_str(safe[i])))
            return VERDICT_PASS;
    return VERDICT_DROP;
}

static void safe_close(struct filter *filter)
{
    mem_free(filter);
}

const struct filter_ops filter_safe_methods = {
    .name = "http-safe-methods",
    .stage = FILTER_JUDGE,
    .open = safe_open,
    .apply = safe_apply,
    .close = safe_close,
};
