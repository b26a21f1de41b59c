/* SPDX-License-Identifier: MIT */
/* Writing a message as JSON: gor's own bytes come out where gor has the key. */
#include "lib/record_json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/utf8.h"

struct writer {
    struct json_text json;
    const struct msg *msg;
    struct span head, body;
};

static void put_number(struct writer *w, const char *key, int64_t n)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, n);
    json_put_pair(&w->json, key, span_str(text));
}

static void put_base64(struct writer *w, struct span s)
{
    size_t len = (s.len + 2) / 3 * 4;
    json_put_raw(&w->json, "\"");
    if (w->json.r == 0)
        w->json.r = len < INT_MAX ? buf_reserve(w->json.out, len + 1) : -ENOBUFS;
    if (w->json.r == 0 && s.len > 0) {
        int n = EVP_EncodeBlock(buf_tail(w->json.out), s.ptr, (int)s.len);
        assert(n >= 0 && (size_t)n == len);
        buf_commit(w->json.out, len);
    }
    json_put_raw(&w->json, "\"");
}

/* --- gor's object of header fields --- */

/* The nth byte of a name as Go writes it: Content-Type, whatever the case was. */
static uint8_t canonical(struct span name, size_t n)
{
    uint8_t c = ascii_lower(name.ptr[n]);
    bool first = n == 0 || name.ptr[n - 1] == '-';
    return first && c >= 'a' && c <= 'z' ? (uint8_t)(c - 0x20) : c;
}

static int compare_fields(const void *a, const void *b)
{
    const struct http_field *x = a, *y = b;
    size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
    for (size_t i = 0; i < n; i++) {
        int d = canonical(x->name, i) - canonical(y->name, i);
        if (d != 0)
            return d;
    }
    if (x->name.len != y->name.len)
        return x->name.len < y->name.len ? -1 : 1;
    return x->off < y->off ? -1 : x->off > y->off;
}

static void put_name(struct writer *w, struct span name)
{
    json_put_raw(&w->json, "\"");
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = canonical(name, i);
        json_put_escaped(&w->json, span_of(&c, 1));
    }
    json_put_raw(&w->json, "\":\"");
}

static void put_sorted(struct writer *w, const struct http_field *fields, size_t n)
{
    json_put_key(&w->json, "Req_Headers");
    json_put_raw(&w->json, "{");
    for (size_t i = 0; i < n; i++) {
        bool again = i > 0 && span_eq_nocase(fields[i].name, fields[i - 1].name);
        if (again) {
            json_put_raw(&w->json, ", ");
        } else {
            json_put_raw(&w->json, i > 0 ? "\"," : "");
            put_name(w, fields[i].name);
        }
        json_put_escaped(&w->json, fields[i].value);
    }
    json_put_raw(&w->json, "\"}");
}

static void put_headers(struct writer *w)
{
    struct span bytes = msg_payload(w->msg);
    struct http_field field;
    size_t n = 0, pos = w->msg->http.fields_off;
    while (http_field_next(bytes, &w->msg->http, &pos, &field))
        n++;
    if (n == 0 || w->json.r < 0)
        return;
    struct http_field *fields = mem_alloc(MEM_IO, n * sizeof(*fields));
    if (!fields) {
        w->json.r = -ENOMEM;
        return;
    }
    pos = w->msg->http.fields_off;
    for (size_t i = 0; i < n; i++)
        if (!http_field_next(bytes, &w->msg->http, &pos, &fields[i]))
            break;
    qsort(fields, n, sizeof(*fields), compare_fields);
    put_sorted(w, fields, n);
    mem_free(fields);
}

/* --- what gor leaves out --- */

/* The first line of head without its CRLF. */
static struct span first_line(struct span head)
{
    const uint8_t *lf = memchr(head.ptr, '\n', head.len);
    size_t len = lf ? (size_t)(lf - head.ptr) : head.len;
    return span_of(head.ptr, len > 0 && head.ptr[len - 1] == '\r' ? len - 1 : len);
}

/* Does the start line say no more than its parts, joined by one SP? */
static bool start_is_plain(const struct msg *msg, struct span line)
{
    const struct http_view *v = &msg->http;
    if (v->start_off != 0)
        return false;
    if (msg->type == MSG_REQUEST)
        return http_is_target(msg_target(msg)) && v->target_off == v->method_len + 1U &&
               line.len == v->target_off + v->target_len + strlen(" HTTP/1.1") &&
               line.ptr[v->method_len] == ' ' && line.ptr[v->target_off + v->target_len] == ' ';
    return line.len > strlen("HTTP/1.1 ") && line.ptr[strlen("HTTP/1.1")] == ' ';
}

/* Can the head be put together again from its lines? All end in CRLF, hold no other CR or LF, and
 * are UTF-8. */
static bool head_is_plain(const struct writer *w)
{
    struct span left = w->head;
    if (left.len == 0 || !start_is_plain(w->msg, first_line(left)) || !utf8_valid(left))
        return false;
    for (;;) {
        struct span line = first_line(left);
        if (memchr(line.ptr, '\r', line.len) || memchr(line.ptr, '\0', line.len) ||
            left.len < line.len + 2 || left.ptr[line.len] != '\r')
            return false;
        left = span_from(left, line.len + 2);
        if (line.len == 0)
            return left.len == 0;
        if (left.len == 0)
            return false;
    }
}

static void put_lines(struct writer *w)
{
    struct span start = first_line(w->head), left = span_from(w->head, start.len + 2), line;
    size_t version = strlen("HTTP/1.1");
    if (w->msg->type == MSG_REQUEST) {
        json_put_pair(&w->json, "Req_Proto", span_from(start, start.len - version));
    } else {
        json_put_pair(&w->json, "Req_Proto", span_of(start.ptr, version));
        json_put_pair(&w->json, "Req_Status", span_from(start, version + 1));
    }
    json_put_key(&w->json, "Req_Lines");
    json_put_raw(&w->json, "[");
    for (bool first = true; (line = first_line(left)).len > 0; first = false) {
        json_put_raw(&w->json, first ? "" : ",");
        json_put_string(&w->json, line);
        left = span_from(left, line.len + 2);
    }
    json_put_raw(&w->json, "]");
}

static void put_endpoint(struct writer *w, const char *key, const struct endpoint *e)
{
    char text[ENDPOINT_TEXT_MAX];
    if (e->family != 0)
        json_put_pair(&w->json, key, span_of(text, endpoint_format(text, e)));
}

static void put_extras(struct writer *w, bool coded)
{
    put_number(w, "Req_Latency", w->msg->latency_ns);
    put_endpoint(w, "Req_Src", &w->msg->src);
    put_endpoint(w, "Req_Dst", &w->msg->dst);
    if (head_is_plain(w)) {
        put_lines(w);
    } else if (w->head.len > 0) {
        json_put_key(&w->json, "Req_Head");
        put_base64(w, w->head);
    }
    if (coded) {
        json_put_key(&w->json, "Req_Body_Base64");
        json_put_raw(&w->json, "true");
    }
}

int record_json_write(struct buf *out, const struct msg *msg)
{
    struct writer w = {.json = {.out = out}, .msg = msg};
    bool request = msg->type == MSG_REQUEST;
    w.head = span_of(msg->bytes, msg->http.head_len);
    w.body = msg_body(msg);
    bool coded = !utf8_valid(w.body);
    json_put_raw(&w.json, "{");
    if (w.json.r < 0)
        return w.json.r;
    json_put_pair(&w.json, "Req_URL", request ? msg_target(msg) : span_of(NULL, 0));
    json_put_pair(&w.json, "Req_Type", span_of(&msg->type, 1));
    json_put_pair(&w.json, "Req_ID", msg_id(msg));
    put_number(&w, "Req_Ts", msg->ts_ns);
    json_put_pair(&w.json, "Req_Method",
                  request ? msg_method(msg)
                          : span_str(!w.head.len            ? ""
                                     : msg->http.minor == 0 ? "HTTP/1.0"
                                                            : "HTTP/1.1"));
    if (w.body.len > 0) {
        json_put_key(&w.json, "Req_Body");
        if (coded)
            put_base64(&w, w.body);
        else
            json_put_string(&w.json, w.body);
    }
    put_headers(&w);
    put_extras(&w, coded);
    json_put_raw(&w.json, "}");
    return w.json.r;
}
