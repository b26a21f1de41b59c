/* SPDX-License-Identifier: MIT */
#include "outputs/ws_sender.h"

#include <errno.h>
#include <openssl/rand.h>
#include <string.h>

void ws_sender_init(struct ws_sender *s, struct held *held)
{
    s->held = held;
    s->closing = s->in_frame = s->pong.wanted = s->close.wanted = false;
    s->begun = s->at = s->len = 0;
    s->made = s->sent = 0;
}

/* The head of a frame with a mask of its own, which nobody can foresee (RFC 6455, 5.3). */
static int put_head(struct ws_sender *s, enum ws_opcode opcode, uint64_t len)
{
    if (RAND_bytes(s->mask, sizeof(s->mask)) != 1)
        return -EIO;
    s->len += ws_head(s->piece + s->len, opcode, len, s->mask);
    return 0;
}

static void put_masked(struct ws_sender *s, const void *bytes, size_t n, uint64_t offset)
{
    assert(n <= WS_PIECE_MAX - s->len);
    ws_mask(s->piece + s->len, bytes, n, s->mask, offset);
    s->len += n;
}

static int put_control(struct ws_sender *s, enum ws_opcode opcode, struct ws_control *control)
{
    int r = put_head(s, opcode, control->len);
    if (r == 0)
        put_masked(s, control->bytes, control->len, 0);
    control->wanted = false;
    return r;
}

static int begin_frame(struct ws_sender *s)
{
    const struct msg *msg = held_nth(s->held, s->begun)->msg;
    char header[RECORD_HEADER_MAX];
    s->header_len = record_header_gor(header, msg);
    int r = put_head(s, WS_BINARY, s->header_len + msg->len);
    if (r < 0)
        return r;
    put_masked(s, header, s->header_len, 0);
    s->begun++;
    s->in_frame = true;
    s->payload_at = 0;
    return 0;
}

static void go_on(struct ws_sender *s)
{
    struct held_msg *h = held_nth(s->held, s->begun - 1);
    size_t rest = h->msg->len - s->payload_at;
    size_t n = s->len < WS_PIECE ? WS_PIECE - s->len : 0;
    n = n < rest ? n : rest;
    put_masked(s, h->msg->bytes + s->payload_at, n, s->header_len + s->payload_at);
    s->payload_at += n;
    s->in_frame = n < rest;
    if (!s->in_frame)
        h->mark = s->made + s->len;
}

static int make(struct ws_sender *s)
{
    int r = 0;
    while (r == 0 && s->len < WS_PIECE && !s->closing) {
        if (s->in_frame) {
            go_on(s);
        } else if (s->pong.wanted) {
            r = put_control(s, WS_PONG, &s->pong);
        } else if (s->close.wanted) {
            r = put_control(s, WS_CLOSE, &s->close);
            s->closing = true;
        } else if (s->begun < s->held->n) {
            r = begin_frame(s);
        } else {
            break;
        }
    }
    s->made += s->len;
    return r;
}

int ws_sender_next(struct ws_sender *s, struct span *bytes)
{
    if (s->at == s->len) {
        s->at = s->len = 0;
        int r = make(s);
        if (r < 0)
            return r;
    }
    *bytes = span_of(s->piece + s->at, s->len - s->at);
    return 0;
}

size_t ws_sender_sent(struct ws_sender *s, size_t n)
{
    size_t delivered = 0;
    assert(n <= s->len - s->at);
    s->at += n;
    s->sent += n;
    while (s->begun > (s->in_frame ? 1 : 0) && held_nth(s->held, 0)->mark <= s->sent) {
        held_pop(s->held, BOOK_DELIVERED);
        s->begun--;
        delivered++;
    }
    return delivered;
}

bool ws_sender_busy(const struct ws_sender *s)
{
    if (s->at < s->len)
        return true;
    return !s->closing &&
           (s->in_frame || s->pong.wanted || s->close.wanted || s->begun < s->held->n);
}

static void want(struct ws_control *control, struct span payload)
{
    assert(payload.len <= WS_CONTROL_MAX);
    control->wanted = true;
    control->len = (uint8_t)payload.len;
    if (payload.len > 0)
        memcpy(control->bytes, payload.ptr, payload.len);
}

void ws_sender_pong(struct ws_sender *s, struct span payload)
{
    want(&s->pong, payload);
}

void ws_sender_close(struct ws_sender *s, struct span payload)
{
    if (!s->closing)
        want(&s->close, payload);
}
