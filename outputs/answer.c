/* SPDX-License-Identifier: MIT */
#include "outputs/answer.h"

#include <string.h>

static struct msg *message_of(const struct output *out, const struct msg *request,
                              const struct answer *answer)
{
    size_t max = out->answer_max;
    size_t len = answer->bytes.len < max ? answer->bytes.len : max;
    struct msg *msg = msg_like(request, len);
    if (!msg)
        return NULL;
    if (len > 0)
        memcpy(msg->bytes, answer->bytes.ptr, len);
    msg->len = len;
    msg->type = MSG_REPLAYED;
    msg->flags = answer->cut || len < answer->bytes.len ? MSG_CUT : 0;
    msg->ts_ns = answer->ts_ns;
    msg->latency_ns = answer->latency_ns;
    msg->rtt_ns = answer->rtt_ns;
    msg->due_ns = 0;
    msg->src = request->dst;
    msg->dst = request->src;
    msg->replayed_by = out->number;
    msg_parse_head(msg);
    if (!out->answer_tells || (msg->request = msg_head(request)))
        return msg;
    msg_unref(msg);
    return NULL;
}

void answer_tell(struct output *out, const struct msg *request, const struct answer *answer)
{
    struct msg *msg = message_of(out, request, answer);
    if (msg)
        sink_put(out->answers, msg);
    else
        book_one(out->books, BOOK_UNTOLD);
}
