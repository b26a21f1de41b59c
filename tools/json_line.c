/* SPDX-License-Identifier: MIT */
#include "tools/json_line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/json_get.h"
#include "tools/json_text.h"
#include "tools/moment.h"

static const struct {
    uint8_t type;
    const char *name;
} types[] = {
    {MSG_REQUEST, "request"},
    {MSG_RESPONSE, "response"},
    {MSG_REPLAYED, "replayed"},
};

/* --- writing --- */

static void put(struct json_text *t, const char *name, struct span value)
{
    json_text_key(t, name);
    json_text_string(t, value);
}

static void put_endpoint(struct json_text *t, const char *name, const struct endpoint *e)
{
    char text[ENDPOINT_TEXT_MAX];
    if (e->family != 0)
        put(t, name, span_of(text, endpoint_format(text, e)));
}

static void put_meta(struct json_text *t, const struct msg *msg)
{
    char text[MOMENT_TEXT_MAX];
    const char *type = (char[]){(char)msg->type, '\0'};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].type == msg->type)
            type = types[i].name;
    put(t, "type", span_str(type));
    put(t, "id", msg_id(msg));
    put(t, "time", span_of(text, moment_format(text, msg->ts_ns, 9)));
    if (msg->latency_ns != 0) {
        json_text_key(t, "latency_ns");
        json_text_int(t, msg->latency_ns);
    }
    put_endpoint(t, "src", &msg->src);
    put_endpoint(t, "dst", &msg->dst);
}

/* As a string, or as base64 beside a flag. */
static void put_bytes(struct json_text *t, const char *name, const char *flag, struct span bytes)
{
    json_text_key(t, name);
    if (json_text_is_plain(bytes)) {
        json_text_string(t, bytes);
        return;
    }
    json_text_base64(t, bytes);
    json_text_key(t, flag);
    json_text_bool(t, true);
}

static void put_head(struct json_text *t, const struct msg *msg)
{
    struct http_field field;
    size_t pos = msg->http.fields_off;
    if (msg->type == MSG_REQUEST) {
        put(t, "method", msg_method(msg));
        put(t, "target", msg_target(msg));
    } else {
        json_text_key(t, "status");
        json_text_int(t, msg->http.status);
        put(t, "reason", msg_target(msg));
    }
    put(t, "version", span_str(msg->http.minor == 0 ? "HTTP/1.0" : "HTTP/1.1"));
    json_text_key(t, "headers");
    json_text_open(t, '[');
    while (http_field_next(msg_payload(msg), &msg->http, &pos, &field)) {
        json_text_open(t, '{');
        put(t, "name", field.name);
        put(t, "value", field.value);
        json_text_close(t, '}');
    }
    json_text_close(t, ']');
}

int json_line_write(struct buf *out, const struct msg *msg)
{
    struct json_text t = {.buf = out};
    bool plain = msg->http.minor <= 1 && http_text_is_plain(msg) &&
                 json_text_is_plain(span_of(msg->bytes, msg->http.head_len));
    json_text_open(&t, '{');
    put_meta(&t, msg);
    if (plain) {
        put_head(&t, msg);
        put_bytes(&t, "body", "body_base64", msg_body(msg));
    } else {
        put_bytes(&t, "payload", "payload_base64", msg_payload(msg));
    }
    json_text_close(&t, '}');
    json_text_raw(&t, "\n");
    return t.error;
}

/* --- reading --- */

static uint8_t parse_type(struct span text)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (span_eq(text, span_str(types[i].name)))
            return types[i].type;
    return text.len == 1 && text.ptr[0] >= '4' && text.ptr[0] <= '9' ? text.ptr[0] : 0;
}

static void read_bytes(struct http_text *t, const json_t *line, const char *name, const char *flag)
{
    struct span bytes = span_of(NULL, 0);
    if (json_object_get(line, name) && !json_get_string(line, name, &bytes))
        http_text_refuse(t, "\"%s\" is no string", name);
    if (json_get_true(line, flag))
        http_text_body_base64(t, bytes);
    else
        http_text_body(t, bytes);
}

static int read_minor(struct http_text *t, const json_t *line)
{
    struct span version;
    if (!json_get_string(line, "version", &version) || span_eq(version, span_str("HTTP/1.1")))
        return 1;
    if (!span_eq(version, span_str("HTTP/1.0")))
        http_text_refuse(t, "the version is neither HTTP/1.0 nor HTTP/1.1");
    return 0;
}

static void read_start(struct http_text *t, const json_t *line, uint8_t type)
{
    struct span a = span_of(NULL, 0), b = span_of(NULL, 0);
    int64_t status = 0;
    int minor = read_minor(t, line);
    if (type == MSG_REQUEST) {
        if (!json_get_string(line, "method", &a) || !json_get_string(line, "target", &b))
            http_text_refuse(t, "\"method\" or \"target\" is missing");
        http_text_request(t, a, b, minor);
        return;
    }
    if (!json_get_int(line, "status", &status) || status < 0 || status > 999)
        http_text_refuse(t, "\"status\" is missing, or none");
    (void)json_get_string(line, "reason", &b);
    http_text_response(t, minor, (int)status, b);
}

static void read_headers(struct http_text *t, const json_t *line)
{
    const json_t *headers = json_object_get(line, "headers"), *field;
    size_t i;
    struct span name, value;
    if (headers && !json_is_array(headers))
        http_text_refuse(t, "\"headers\" is no array");
    json_array_foreach(headers, i, field)
    {
        if (!json_get_string(field, "name", &name) || !json_get_string(field, "value", &value)) {
            http_text_refuse(t, "header %zu has no \"name\" or \"value\"", i + 1);
            break;
        }
        http_text_field(t, name, value);
    }
}

static void read_endpoint(struct http_text *t, const json_t *line, const char *name,
                          struct endpoint *e)
{
    struct span text;
    if (json_get_string(line, name, &text) && !endpoint_parse(text, e))
        http_text_refuse(t, "\"%s\" is no address and port", name);
}

static void read_meta(struct http_text *t, const json_t *line, struct msg *msg)
{
    struct span text;
    if (json_get_string(line, "time", &text) && !moment_parse(text, &msg->ts_ns))
        http_text_refuse(t, "\"time\" is no moment as in 2026-11-21T08:30:00Z");
    if (json_get_string(line, "id", &text) && !msg_set_id(msg, text))
        http_text_refuse(t, "\"id\" is too long");
    (void)json_get_int(line, "latency_ns", &msg->latency_ns);
    read_endpoint(t, line, "src", &msg->src);
    read_endpoint(t, line, "dst", &msg->dst);
    msg_set_conn(msg);
}

static struct msg *read_message(struct http_text *t, const json_t *line)
{
    struct span text = span_of(NULL, 0);
    uint8_t type = json_get_string(line, "type", &text) ? parse_type(text) : 0;
    if (type == 0)
        http_text_refuse(t, "\"type\" is neither request, response nor replayed");
    if (json_object_get(line, "payload")) {
        read_bytes(t, line, "payload", "payload_base64");
    } else if (t->error == 0) {
        read_start(t, line, type);
        read_headers(t, line);
        http_text_end_head(t);
        read_bytes(t, line, "body", "body_base64");
    }
    struct msg *msg = http_text_message(t, (enum msg_type)type);
    if (!msg)
        return NULL;
    read_meta(t, line, msg);
    if (t->error == 0)
        return msg;
    msg_unref(msg);
    return NULL;
}

int json_line_read(struct span line, struct msg **msg, char why[WHY_MAX])
{
    json_error_t error;
    struct http_text t;
    int fault;
    json_t *json = json_get_all(line, &error, &fault);
    if (fault == -ENOMEM)
        return fault;
    http_text_init(&t);
    struct msg *made = NULL;
    if (!json)
        http_text_refuse(&t, "no JSON: %.100s at column %d", error.text, error.column);
    else if (!json_is_object(json))
        http_text_refuse(&t, "no JSON object");
    else
        made = read_message(&t, json);
    json_decref(json);
    memcpy(why, t.why, WHY_MAX);
    int r = t.error == -ENOBUFS ? -EINVAL : t.error;
    http_text_fini(&t);
    if (r == 0)
        *msg = made;
    return r;
}
