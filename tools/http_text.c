/* SPDX-License-Identifier: MIT */
#include "tools/http_text.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of base64, at once: a multiple of 4. */
#define BASE64_PIECE 4096

void http_text_init(struct http_text *t)
{
    *t = (struct http_text){.error = 0};
    buf_init(&t->bytes, MSG_LEN_MAX);
}

void http_text_fini(struct http_text *t)
{
    buf_fini(&t->bytes);
}

void http_text_refuse(struct http_text *t, const char *fmt, ...)
{
    va_list args;
    if (t->error)
        return;
    va_start(args, fmt);
    vsnprintf(t->why, sizeof(t->why), fmt, args);
    va_end(args);
    t->error = -EINVAL;
}

static void put(struct http_text *t, struct span s)
{
    if (t->error)
        return;
    int r = buf_append(&t->bytes, s.len > 0 ? (const void *)s.ptr : "", s.len);
    if (r == -ENOBUFS)
        http_text_refuse(t, "the message is longer than any can be");
    else
        t->error = r;
}

static void put_text(struct http_text *t, const char *text)
{
    put(t, span_str(text));
}

static void put_checked(struct http_text *t, struct span s, const char *what)
{
    if (!http_is_value(s))
        http_text_refuse(t, "%s with a line end or NUL in it", what);
    put(t, s);
}

void http_text_request(struct http_text *t, struct span method, struct span target, int minor)
{
    char version[16];
    if (!http_is_token(method))
        http_text_refuse(t, "the method is no token");
    if (target.len == 0)
        http_text_refuse(t, "there is no request target");
    put(t, method);
    put_text(t, " ");
    put_checked(t, target, "a request target");
    snprintf(version, sizeof(version), " HTTP/1.%d\r\n", minor);
    put_text(t, version);
}

void http_text_response(struct http_text *t, int minor, int status, struct span reason)
{
    char start[32];
    if (status < 100 || status > 999)
        http_text_refuse(t, "the status %d is none", status);
    snprintf(start, sizeof(start), "HTTP/1.%d %d ", minor, status);
    put_text(t, start);
    put_checked(t, reason, "a reason");
    put_text(t, "\r\n");
}

void http_text_field(struct http_text *t, struct span name, struct span value)
{
    if (!http_is_token(name))
        http_text_refuse(t, "a field's name is no token");
    put(t, name);
    put_text(t, ": ");
    put_checked(t, value, "a field's value");
    put_text(t, "\r\n");
}

void http_text_end_head(struct http_text *t)
{
    put_text(t, "\r\n");
    t->head_len = t->bytes.len;
}

void http_text_body(struct http_text *t, struct span bytes)
{
    put(t, bytes);
}

static bool decode_piece(uint8_t *out, struct span text, bool last, size_t *n)
{
    size_t padding = 0;
    while (padding < 2 && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    if (memchr(text.ptr, '=', text.len - padding) || (padding > 0 && !last))
        return false;
    int decoded = EVP_DecodeBlock(out, text.ptr, (int)text.len);
    if (decoded < 0 || (size_t)decoded != text.len / 4 * 3)
        return false;
    *n = (size_t)decoded - padding; /* OpenSSL counts padding as zeros */
    return true;
}

void http_text_body_base64(struct http_text *t, struct span text)
{
    uint8_t bytes[BASE64_PIECE / 4 * 3];
    if (text.len % 4 != 0)
        http_text_refuse(t, "base64 of a length that it cannot have");
    while (t->error == 0 && text.len > 0) {
        size_t n = text.len < BASE64_PIECE ? text.len : BASE64_PIECE, len = 0;
        if (!decode_piece(bytes, span_of(text.ptr, n), n == text.len, &len))
            http_text_refuse(t, "what is said to be base64 is none");
        put(t, span_of(bytes, len));
        text = span_from(text, n);
    }
}

struct msg *http_text_message(struct http_text *t, enum msg_type type)
{
    struct span bytes = buf_span(&t->bytes);
    if (bytes.len == 0)
        http_text_refuse(t, "there is no payload");
    struct msg *msg = t->error ? NULL : msg_new(bytes.len);
    if (!msg) {
        t->error = t->error ? t->error : -ENOMEM;
        return NULL;
    }
    msg->type = (uint8_t)type;
    memcpy(msg->bytes, bytes.ptr, bytes.len);
    msg->len = bytes.len;
    msg_parse_head(msg);
    if (t->head_len == 0 || msg->http.head_len == t->head_len)
        return msg;
    http_text_refuse(t, "its parts do not make an HTTP message");
    msg_unref(msg);
    return NULL;
}

/* Does what stands at *at begin with s? Moves behind it. */
static bool next_is(const struct msg *msg, size_t *at, struct span s)
{
    if (s.len > msg->http.head_len - *at ||
        (s.len > 0 && memcmp(msg->bytes + *at, s.ptr, s.len) != 0))
        return false;
    *at += s.len;
    return true;
}

static bool text_is_next(const struct msg *msg, size_t *at, const char *text)
{
    return next_is(msg, at, span_str(text));
}

static bool start_is_plain(const struct msg *msg, size_t *at)
{
    const struct http_view *http = &msg->http;
    char text[32];
    if (msg->type == MSG_REQUEST) {
        snprintf(text, sizeof(text), " HTTP/1.%d\r\n", http->minor);
        return http_is_token(msg_method(msg)) && next_is(msg, at, msg_method(msg)) &&
               text_is_next(msg, at, " ") && next_is(msg, at, msg_target(msg)) &&
               text_is_next(msg, at, text);
    }
    snprintf(text, sizeof(text), "HTTP/1.%d %d ", http->minor, http->status);
    return text_is_next(msg, at, text) && next_is(msg, at, msg_target(msg)) &&
           text_is_next(msg, at, "\r\n");
}

bool http_text_is_plain(const struct msg *msg)
{
    struct http_field field;
    size_t at = 0, pos = msg->http.fields_off;
    if (msg->http.head_len == 0 || msg->http.start_off > 0 || !http_is_value(msg_target(msg)) ||
        !start_is_plain(msg, &at))
        return false;
    while (http_field_next(msg_payload(msg), &msg->http, &pos, &field))
        if (field.off != at || !http_is_token(field.name) || !http_is_value(field.value) ||
            !next_is(msg, &at, field.name) || !text_is_next(msg, &at, ": ") ||
            !next_is(msg, &at, field.value) || !text_is_next(msg, &at, "\r\n"))
            return false;
    return text_is_next(msg, &at, "\r\n") && at == msg->http.head_len;
}

bool http_text_split_url(struct span url, struct span *host, struct span *target)
{
    size_t at = 0;
    while (at < url.len && !strchr(":/?#", url.ptr[at]))
        at++;
    if (at + 3 <= url.len && memcmp(url.ptr + at, "://", 3) == 0)
        url = span_from(url, at + 3);
    for (at = 0; at < url.len && !strchr("/?#", url.ptr[at]); at++)
        ;
    *host = span_of(url.ptr, at);
    *target = span_from(url, at);
    const uint8_t *user = host->len > 0 ? memchr(host->ptr, '@', host->len) : NULL;
    if (user)
        *host = span_from(*host, (size_t)(user - host->ptr) + 1);
    const uint8_t *part = target->len > 0 ? memchr(target->ptr, '#', target->len) : NULL;
    if (part)
        target->len = (size_t)(part - target->ptr);
    return host->len > 0;
}
