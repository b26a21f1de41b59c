/* SPDX-License-Identifier: MIT */
#include "middleware/line.h"

#include <errno.h>
#include <string.h>

#include "lib/record.h"

static const char digits[] = "0123456789abcdef";

static uint8_t *put_hex(uint8_t *out, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        *out++ = (uint8_t)digits[p[i] >> 4];
        *out++ = (uint8_t)digits[p[i] & 15];
    }
    return out;
}

int line_encode(struct buf *out, const struct msg *msg)
{
    char head[RECORD_HEADER_MAX];
    size_t head_len = record_header_gor(head, msg), len = 2 * (head_len + msg->len) + 1;
    int r = buf_reserve(out, len);
    if (r < 0)
        return r;
    uint8_t *p = put_hex(buf_tail(out), head, head_len);
    p = put_hex(p, msg->bytes, msg->len);
    *p = '\n';
    buf_commit(out, len);
    return 0;
}

/* 16 for what is no digit. */
static unsigned value_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - (unsigned)'0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : 16;
}

int line_decode(uint8_t *line, size_t len, struct msg **msg)
{
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len % 2 != 0)
        return -EBADMSG;
    for (size_t i = 0; i < len; i += 2) {
        unsigned high = value_of(line[i]), low = value_of(line[i + 1]);
        if (high > 15 || low > 15)
            return -EBADMSG;
        line[i / 2] = (uint8_t)(high << 4 | low);
    }
    switch (record_whole(span_of(line, len / 2), msg)) {
    case RECORD_MSG:
        return 0;
    case RECORD_NO_MEMORY:
        return -ENOMEM;
    case RECORD_MORE:
    case RECORD_DAMAGED:
        break;
    }
    return -EBADMSG;
}
