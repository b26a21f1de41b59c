/* SPDX-License-Identifier: MIT */
#include "tests/unit/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct msg *message(enum msg_type type, const char *id, const char *payload)
{
    struct msg *msg = msg_new(strlen(payload));
    if (!msg || !msg_set_id(msg, span_str(id)))
        abort();
    msg->type = (uint8_t)type;
    msg->len = strlen(payload);
    memcpy(msg->bytes, payload, msg->len);
    msg_set_conn(msg);
    return msg;
}

const struct msg *numbered_request(unsigned n)
{
    char id[32], payload[64];
    snprintf(id, sizeof(id), "%024x", n);
    snprintf(payload, sizeof(payload), "GET /%u HTTP/1.1\r\nHost: test\r\n\r\n", n);
    return message(MSG_REQUEST, id, payload);
}
