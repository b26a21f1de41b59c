/* SPDX-License-Identifier: MIT */
/* Any message through all kinds of --redact: its length and framing stay as they were, and no
 * memory stays behind.
 *
 * Input: one byte, odd for a response; then the payload. */
#include <stdlib.h>
#include <string.h>

#include "filters/filters.h"
#include "lib/mem.h"
#include "lib/options_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct option_def defs[] = {
    {.name = "redact", .type = OPTION_LIST},
    {.name = "redact-default", .type = OPTION_BOOL, .value = "false"},
    {.name = "redact-key", .type = OPTION_STRING, .value = ""},
};
static const struct option_table table = {.defs = defs, .n_defs = ARRAY_LEN(defs)};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static struct filter_chain *open_chain(void)
{
    static const struct filter_ops *const ops[] = {&filter_redact};
    static const char *const rules[] = {"header:A",   "cookie:*",  "param:a",
                                        "json:a.*.b", "json:**.c", "form:a"};
    static struct options *options; /* kept: rules point into it */
    struct filter_chain *chain;
    struct err err;
    check(options_new(&options, &table) == 0);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        check(options_set(options, "redact", rules[i], OPTION_FROM_COMMAND_LINE, &err) == 0);
    check(filter_chain_new(&chain, ops, ARRAY_LEN(ops), options, &err) == 0);
    return chain;
}

static void compare(const struct msg *before, const struct msg *after)
{
    struct http_view view = after->http;
    enum http_kind kind = before->type == MSG_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE;
    size_t total_before = 0, total_after = 0;
    check(after->len == before->len && after != before);
    check(http_parse_head(kind, after->bytes, after->len, &view));
    check(memcmp(&view, &before->http, sizeof(view)) == 0);
    enum http_verdict verdict = http_frame(kind, before->bytes, before->len, &view, &total_before);
    /* a fault may lie in what is secret, and go away with it */
    if (verdict == HTTP_BAD)
        return;
    check(http_frame(kind, after->bytes, after->len, &view, &total_after) == verdict);
    check(total_before == total_after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct filter_chain *chain;
    if (!chain)
        chain = open_chain();
    if (size < 2)
        return 0;
    struct msg *msg = msg_new(size - 1);
    check(msg != NULL);
    msg->type = data[0] & 1 ? MSG_RESPONSE : MSG_REQUEST;
    memcpy(msg->bytes, data + 1, size - 1);
    msg->len = size - 1;
    msg_parse_head(msg);
    const struct msg *out = NULL;
    enum verdict verdict = filter_chain_redact(chain, msg, &out);
    check(verdict == VERDICT_PASS || verdict == VERDICT_REPLACE || msg->http.head_len == 0);
    if (verdict == VERDICT_REPLACE)
        compare(msg, out);
    msg_unref(out);
    msg_unref(msg);
    return 0;
}
