/* SPDX-License-Identifier: MIT */
/* Any text as a HAR: what comes out of its entries are HTTP messages, and a HAR made from them is
 * JSON with messages in it again. Input: the document. */
#include <stdlib.h>
#include <string.h>

#include "tools/har.h"
#include "tools/json_get.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static json_t *load(struct span text)
{
    json_error_t error;
    int fault;
    json_get_own_memory();
    return json_get_all(text, &error, &fault);
}

static void write_again(const struct msg *request, const struct msg *response)
{
    struct har_ids ids = {.n = 0};
    struct msg *made[2] = {NULL, NULL};
    struct buf buf;
    char why[WHY_MAX];
    buf_init(&buf, 64 * MIB);
    check(har_write_entry(&buf, request, response) == 0);
    json_t *json = load(buf_span(&buf));
    check(json != NULL);
    int r = har_read_entry(json, &ids, &made[0], &made[1], why);
    check(r == 0 || r == -22);
    json_decref(json);
    buf_fini(&buf);
    msg_unref(made[0]);
    msg_unref(made[1]);
}

static void read_entry(struct span text, struct har_ids *ids)
{
    struct msg *request, *response;
    char why[WHY_MAX];
    json_t *json = load(text);
    if (json && har_read_entry(json, ids, &request, &response, why) == 0) {
        check(request->http.head_len > 0 && request->type == MSG_REQUEST);
        check(!response || response->http.head_len > 0);
        write_again(request, response);
        msg_unref(request);
        msg_unref(response);
    }
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct har_place place = {.state = HAR_BEGIN};
    struct har_ids ids = {.n = 0};
    struct err err;
    struct span text;
    struct text_in *in = text_in_of(span_of(data, size));
    check(in != NULL);
    while (har_next(in, &place, &text, &err) > 0)
        read_entry(text, &ids);
    text_in_free(in);
    return 0;
}
