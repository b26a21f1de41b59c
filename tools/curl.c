/* SPDX-License-Identifier: MIT */
#include "tools/curl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/http_chunks.h"
#include "lib/lookup.h"
#include "tools/json_text.h"

/* A longer body is piped into curl: an argument may have 128 KiB on Linux. */
#define ARGUMENT_MAX (64 * KIB)

struct command {
    struct buf *out;
    int error; /* sticky */
};

static void put(struct command *c, struct span s)
{
    if (c->error == 0 && s.len > 0)
        c->error = buf_append(c->out, s.ptr, s.len);
}

static void put_text(struct command *c, const char *text)
{
    put(c, span_str(text));
}

/* For printf(1): plain bytes as they are, others as octal numbers. */
static void put_octal(struct command *c, struct span s)
{
    char text[8];
    put_text(c, "printf '");
    for (size_t i = 0; i < s.len; i++) {
        uint8_t b = s.ptr[i];
        if (b == '%')
            put_text(c, "%%");
        else if (b >= ' ' && b < 0x7f && b != '\\' && b != '\'')
            put(c, span_of(&s.ptr[i], 1));
        else
            put(c, span_of(text, (size_t)snprintf(text, sizeof(text), "\\%03o", (unsigned)b)));
    }
    put_text(c, "'");
}

static bool is_visible(struct span s)
{
    return json_text_is_plain(s) && (s.len == 0 || !memchr(s.ptr, '\r', s.len));
}

/* One word of the shell. What a terminal should not be shown is written as numbers; it does not end
 * in a line feed, which $() would eat. */
static void put_word(struct command *c, struct span s)
{
    if (!is_visible(s)) {
        put_text(c, "\"$(");
        put_octal(c, s);
        put_text(c, ")\"");
        return;
    }
    put_text(c, "'");
    while (s.len > 0) {
        const uint8_t *quote = memchr(s.ptr, '\'', s.len);
        size_t len = quote ? (size_t)(quote - s.ptr) : s.len;
        put(c, span_of(s.ptr, len));
        if (quote)
            put_text(c, "'\\''");
        s = span_from(s, len + 1);
    }
    put_text(c, "'");
}

/* " -H 'name: value'", or what curl wants for an empty value. */
static int put_header(struct command *c, struct span name, struct span value)
{
    struct buf field;
    buf_init(&field, MSG_LEN_MAX);
    int r = buf_append(&field, name.ptr, name.len);
    if (r == 0 && value.len > 0)
        r = buf_append(&field, ": ", 2);
    if (r == 0)
        r = value.len > 0 ? buf_append(&field, value.ptr, value.len) : buf_append(&field, ";", 1);
    put_text(c, " -H ");
    if (r == 0)
        put_word(c, buf_span(&field));
    buf_fini(&field);
    return r;
}

/* Those that curl makes itself. */
static bool is_made(struct span name, bool chunked)
{
    return span_eq_nocase(name, span_str("host")) ||
           span_eq_nocase(name, span_str("content-length")) ||
           (span_eq_nocase(name, span_str("transfer-encoding")) && !chunked);
}

static int put_headers(struct command *c, const struct msg *request, bool data)
{
    static const char *const own[] = {"User-Agent", "Accept", "Content-Type", "Expect"};
    bool chunked = request->http.body == HTTP_BODY_CHUNKED;
    struct http_field field;
    struct span value;
    size_t pos = request->http.fields_off;
    char text[32];
    while (http_field_next(msg_payload(request), &request->http, &pos, &field)) {
        int r = is_made(field.name, chunked) ? 0 : put_header(c, field.name, field.value);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (lookup_field(request, span_str(own[i]), &value) || (i > 1 && !data))
            continue;
        snprintf(text, sizeof(text), " -H '%s:'", own[i]);
        put_text(c, text);
    }
    return 0;
}

static bool all_of(struct span s, const char *others)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t b = s.ptr[i];
        bool alphanumeric =
            (b >= '0' && b <= '9') || (ascii_lower(b) >= 'a' && ascii_lower(b) <= 'z');
        if (!alphanumeric && (b == '\0' || !strchr(others, b)))
            return false;
    }
    return s.len > 0;
}

/* Where to, and what for. A target that curl would not send as it is, it is given apart. */
static int put_url(struct command *c, const struct msg *request, struct span host)
{
    struct span target = msg_target(request);
    bool plain = target.ptr[0] == '/' && all_of(target, "/?&=.-_~%:@!$'()*+,;[]{}|");
    struct buf url;
    buf_init(&url, MSG_LEN_MAX);
    int r = buf_append(&url, "http://", 7);
    if (r == 0)
        r = buf_append(&url, host.ptr, host.len);
    if (r == 0)
        r = plain ? buf_append(&url, target.ptr, target.len) : buf_append(&url, "/", 1);
    put_text(c, " ");
    put_word(c, buf_span(&url));
    if (!plain) {
        put_text(c, " --request-target ");
        put_word(c, target);
    }
    buf_fini(&url);
    return r;
}

/* curl would write the host otherwise than it was: without the port that is the usual one. */
static bool is_odd_host(struct span host)
{
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] != ascii_lower(host.ptr[i]))
            return true;
    return host.len > 3 && memcmp(host.ptr + host.len - 3, ":80", 3) == 0;
}

static void put_method(struct command *c, const struct msg *request, bool data)
{
    struct span method = msg_method(request);
    if (span_eq(method, span_str("HEAD"))) {
        put_text(c, " --head");
    } else if (!span_eq(method, span_str(data ? "POST" : "GET"))) {
        put_text(c, " -X ");
        put_word(c, method);
    }
}

/* The body without its chunks. */
static int plain_body(const struct msg *request, struct buf *room, struct span *body)
{
    struct span data;
    size_t pos = 0;
    *body = msg_body(request);
    if (request->http.body != HTTP_BODY_CHUNKED)
        return 0;
    while (http_chunk_next(msg_body(request), &pos, &data) == HTTP_CHUNK_DATA) {
        int r = buf_append(room, data.ptr, data.len);
        if (r < 0)
            return r;
    }
    *body = buf_span(room);
    return 0;
}

static const char *unfit(const struct msg *request, struct span host)
{
    struct http_field field;
    size_t pos = request->http.fields_off, hosts = 0;
    bool head = span_eq(msg_method(request), span_str("HEAD"));
    if (request->http.head_len == 0)
        return "not HTTP";
    if (request->flags & MSG_CUT)
        return "body cut at capture";
    if (!all_of(host, ".-_:[]"))
        return "no host to send it to";
    if (head && msg_body(request).len > 0)
        return "HEAD with a body";
    if (!http_is_token(msg_method(request)) || !http_is_value(msg_target(request)))
        return "odd request line";
    while (http_field_next(msg_payload(request), &request->http, &pos, &field)) {
        hosts += span_eq_nocase(field.name, span_str("host"));
        /* -H @name would read a file of that name */
        if (!http_is_token(field.name) || !http_is_value(field.value))
            return "odd header field";
    }
    return hosts > 1 ? "two Host fields" : NULL;
}

static int put_command(struct command *c, const struct msg *request, struct span host,
                       struct span body)
{
    struct span value;
    bool piped = body.len > ARGUMENT_MAX || !is_visible(body);
    bool head = span_eq(msg_method(request), span_str("HEAD"));
    bool data =
        !head && (body.len > 0 || lookup_field(request, span_str("content-length"), &value) ||
                  request->http.body == HTTP_BODY_CHUNKED);
    if (piped) {
        put_octal(c, body);
        put_text(c, " | ");
    }
    put_text(c, request->http.minor == 0 ? "curl -sS --http1.0" : "curl -sS --http1.1");
    put_text(c, " --globoff --path-as-is");
    put_method(c, request, data);
    int r = put_url(c, request, host);
    if (!lookup_field(request, span_str("host"), &value))
        put_text(c, " -H 'Host:'");
    else if (r == 0 && is_odd_host(value))
        r = put_header(c, span_str("Host"), value);
    if (r == 0)
        r = put_headers(c, request, data);
    if (piped)
        put_text(c, " --data-binary @-");
    else if (data) {
        put_text(c, " --data-raw ");
        put_word(c, body);
    }
    put_text(c, "\n");
    return r;
}

int curl_write(struct buf *out, const struct msg *request, const char **why)
{
    struct command c = {.out = out};
    struct span host = span_of(NULL, 0), body;
    struct buf room;
    char dst[ENDPOINT_TEXT_MAX];
    if (!lookup_field(request, span_str("host"), &host) && request->dst.family != 0)
        host = span_of(dst, endpoint_format(dst, &request->dst));
    *why = unfit(request, host);
    if (*why)
        return -EINVAL;
    buf_init(&room, MSG_LEN_MAX);
    int r = plain_body(request, &room, &body);
    if (r == 0)
        r = put_command(&c, request, host, body);
    buf_fini(&room);
    return r < 0 ? r : c.error;
}
