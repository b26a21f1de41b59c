/* SPDX-License-Identifier: MIT */
/* Whatever body comes with whatever codings: no crash, no leak, and what comes out is framed by its
 * length, holds the same other fields, and needs nothing more. Input: a whole message. */
#include <stdlib.h>
#include <string.h>

#include "cmd/options_table.h"
#include "filters/filters.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct filter_chain *chain;

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void open_chain(void)
{
    static const struct filter_ops *const ops[] = {&filter_prettify};
    struct options *options;
    struct err err;
    check(options_new(&options, &refrain_options) == 0);
    check(options_set(options, "prettify-http", "true", OPTION_FROM_COMMAND_LINE, &err) == 0);
    check(filter_chain_new(&chain, ops, 1, options, &err) == 0);
    options_free(options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct msg *out = NULL, *again = NULL;
    if (!chain)
        open_chain();
    struct msg *msg = msg_new(size + 1);
    check(msg != NULL);
    msg->type = size > 4 && data[0] == 'H' && data[4] == '/' ? MSG_RESPONSE : MSG_REQUEST;
    memcpy(msg->bytes, data, size);
    msg->len = size;
    msg_parse_head(msg);
    enum verdict verdict = filter_chain_rewrite(chain, msg, &out);
    check(verdict == VERDICT_PASS || verdict == VERDICT_REPLACE);
    if (verdict == VERDICT_REPLACE) {
        /* 204 and the like have no body, whatever comes behind them */
        check(out->http.head_len > 0 && out->http.status == msg->http.status);
        check(out->http.body != HTTP_BODY_LENGTH || out->http.length == msg_body(out).len);
        check(filter_chain_rewrite(chain, out, &again) == VERDICT_PASS);
    }
    msg_unref(out);
    msg_unref(msg);
    return 0;
}
