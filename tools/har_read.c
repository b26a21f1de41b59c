/* SPDX-License-Identifier: MIT */
/* Entries as messages. What a browser wrote down is not quite what was on the wire: bodies without
 * framing and compression, fields of HTTP/2. It is made HTTP/1.1 that can be sent. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/hash.h"
#include "tools/har.h"
#include "tools/json_get.h"
#include "tools/moment.h"

/* Longest time that is believed: a year. */
#define MS_MAX 31536e6

struct half {
    struct http_text t;
    const json_t *json; /* "request", "response" */
    struct span body; /* as text or as base64 */
    bool base64;
    bool drops_coding; /* the body is no longer as Content-Encoding says */
    bool keeps_length; /* an answer without body says how long it would be */
    bool has_length;
    size_t body_len;
};

static bool is_name(struct span name, const char *wanted)
{
    return span_eq_nocase(name, span_str(wanted));
}

static void put_length(struct half *h, struct span name)
{
    char text[24];
    if (h->has_length)
        return;
    h->has_length = true;
    snprintf(text, sizeof(text), "%zu", h->body_len);
    http_text_field(&h->t, name, span_str(text));
}

static void put_field(struct half *h, struct span name, struct span value)
{
    if (name.len > 0 && name.ptr[0] == ':')
        return; /* HTTP/2 */
    if (is_name(name, "transfer-encoding"))
        put_length(h, span_str("Content-Length"));
    else if (is_name(name, "content-length") && !h->keeps_length)
        put_length(h, name);
    else if (!is_name(name, "content-encoding") || !h->drops_coding)
        http_text_field(&h->t, name, value);
}

static void put_fields(struct half *h)
{
    const json_t *headers = json_object_get(h->json, "headers"), *field;
    size_t i;
    struct span name, value;
    json_array_foreach(headers, i, field)
    {
        if (!json_get_string(field, "name", &name) || !json_get_string(field, "value", &value)) {
            http_text_refuse(&h->t, "header %zu has no \"name\" or \"value\"", i + 1);
            return;
        }
        put_field(h, name, value);
    }
    if (h->body_len > 0)
        put_length(h, span_str("Content-Length"));
}

static void put_body(struct half *h)
{
    http_text_end_head(&h->t);
    if (h->base64)
        http_text_body_base64(&h->t, h->body);
    else
        http_text_body(&h->t, h->body);
}

static void read_body(struct half *h, const json_t *content, const char *encoding)
{
    struct span text;
    h->body = span_of(NULL, 0);
    (void)json_get_string(content, "text", &h->body);
    h->base64 = json_get_string(content, encoding, &text) && is_name(text, "base64");
    h->body_len = h->body.len;
    if (!h->base64)
        return;
    h->body_len = h->body.len / 4 * 3;
    for (size_t i = 0; i < 2 && i < h->body.len && h->body.ptr[h->body.len - 1 - i] == '='; i++)
        h->body_len--;
}

static int minor_of(const json_t *json)
{
    struct span version;
    return json_get_string(json, "httpVersion", &version) && is_name(version, "HTTP/1.0") ? 0 : 1;
}

static bool has_field(const json_t *json, const char *wanted)
{
    const json_t *headers = json_object_get(json, "headers"), *field;
    size_t i;
    struct span name;
    json_array_foreach(headers, i, field) if (json_get_string(field, "name", &name) &&
                                              is_name(name, wanted)) return true;
    return false;
}

static void put_request_line(struct half *h)
{
    struct span method = span_of(NULL, 0), url = method, host = method, target = method;
    char slash[] = "/";
    int minor = minor_of(h->json);
    (void)json_get_string(h->json, "method", &method);
    if (!json_get_string(h->json, "url", &url) || !memchr(url.ptr, ':', url.len) ||
        !http_text_split_url(url, &host, &target)) {
        http_text_refuse(&h->t, "\"url\" is missing, or none");
        return;
    }
    struct buf path;
    buf_init(&path, MSG_LEN_MAX);
    int r = 0;
    if (target.len == 0 || target.ptr[0] == '?')
        r = buf_append(&path, slash, 1);
    if (r == 0 && target.len > 0)
        r = buf_append(&path, target.ptr, target.len);
    if (r < 0 && h->t.error == 0)
        h->t.error = r;
    target = buf_span(&path);
    (void)json_get_string(h->json, "_target", &target);
    http_text_request(&h->t, method, target, minor);
    if (minor > 0 && !has_field(h->json, "host"))
        http_text_field(&h->t, span_str("Host"), host);
    buf_fini(&path);
}

static struct msg *read_request(struct half *h)
{
    read_body(h, json_object_get(h->json, "postData"), "_encoding");
    put_request_line(h);
    put_fields(h);
    put_body(h);
    return http_text_message(&h->t, MSG_REQUEST);
}

static struct msg *read_response(struct half *h, const json_t *request)
{
    struct span reason = span_of(NULL, 0), method = reason;
    const json_t *content = json_object_get(h->json, "content");
    int64_t status = 0;
    (void)json_get_int(h->json, "status", &status);
    (void)json_get_string(h->json, "statusText", &reason);
    (void)json_get_string(request, "method", &method);
    read_body(h, content, "encoding");
    h->drops_coding = !json_get_true(content, "_coded") && h->body_len > 0;
    h->keeps_length = h->body_len == 0 && (status == 304 || is_name(method, "head"));
    http_text_response(&h->t, minor_of(h->json), status > 0 && status < 1000 ? (int)status : -1,
                       reason);
    put_fields(h);
    put_body(h);
    return http_text_message(&h->t, MSG_RESPONSE);
}

/* --- what is known about them --- */

static int64_t ns_of_ms(const json_t *number)
{
    double ms = json_number_value(number);
    return ms > 0 && ms < MS_MAX ? (int64_t)(ms * (double)NS_PER_MS) : 0;
}

static void set_id(struct msg *msg, const json_t *entry, struct har_ids *ids)
{
    struct span id, connection = span_of("", 0);
    char made[40];
    if (ids->n == 0)
        ids->seed = hash64(&msg->ts_ns, sizeof(msg->ts_ns), 1);
    uint32_t n = ids->n++;
    if (json_get_string(entry, "_id", &id) && id.len > 0 && msg_set_id(msg, id))
        return;
    (void)json_get_string(entry, "connection", &connection);
    uint64_t conn = hash64(connection.ptr, connection.len, ids->seed);
    int len = snprintf(made, sizeof(made), "%016llx%08x", (unsigned long long)conn, n);
    bool fits = msg_set_id(msg, span_of(made, (size_t)len));
    assert(fits);
    (void)fits;
}

static void set_request_meta(struct half *h, struct msg *msg, const json_t *entry,
                             struct har_ids *ids)
{
    struct span text;
    if (!json_get_string(entry, "startedDateTime", &text) || !moment_parse(text, &msg->ts_ns))
        http_text_refuse(&h->t, "\"startedDateTime\" is missing, or none");
    (void)json_get_int(h->json, "_latencyNs", &msg->latency_ns);
    if (json_get_string(entry, "connection", &text))
        (void)endpoint_parse(text, &msg->src); /* others write any word there */
    if (json_get_string(entry, "_server", &text))
        (void)endpoint_parse(text, &msg->dst);
    set_id(msg, entry, ids);
    msg_set_conn(msg);
}

static void set_response_meta(const struct half *h, struct msg *msg, const json_t *entry,
                              const struct msg *request)
{
    struct span text;
    bool fits = msg_set_id(msg, msg_id(request));
    assert(fits);
    (void)fits;
    msg->src = request->dst;
    msg->dst = request->src;
    msg->latency_ns = ns_of_ms(json_object_get(json_object_get(entry, "timings"), "wait"));
    (void)json_get_int(h->json, "_latencyNs", &msg->latency_ns);
    int64_t time_ns = ns_of_ms(json_object_get(entry, "time"));
    if (__builtin_add_overflow(request->ts_ns, time_ns, &msg->ts_ns))
        msg->ts_ns = request->ts_ns;
    if (json_get_string(h->json, "_dateTime", &text))
        (void)moment_parse(text, &msg->ts_ns);
    msg_set_conn(msg);
}

static int outcome(const struct half *h, char why[WHY_MAX])
{
    memcpy(why, h->t.why, WHY_MAX);
    return h->t.error == -ENOBUFS ? -EINVAL : h->t.error;
}

static int read_answer(const json_t *entry, const struct msg *request, struct msg **out,
                       char why[WHY_MAX])
{
    struct half h = {.json = json_object_get(entry, "response")};
    int64_t status = 0;
    *out = NULL;
    if (!json_get_int(h.json, "status", &status) || status == 0)
        return 0;
    http_text_init(&h.t);
    struct msg *made = read_response(&h, json_object_get(entry, "request"));
    if (made)
        set_response_meta(&h, made, entry, request);
    int r = outcome(&h, why);
    http_text_fini(&h.t);
    *out = made;
    return r;
}

int har_read_entry(const json_t *entry, struct har_ids *ids, struct msg **request,
                   struct msg **response, char why[WHY_MAX])
{
    struct half h = {.json = json_object_get(entry, "request")};
    struct msg *answer = NULL;
    http_text_init(&h.t);
    struct msg *made = read_request(&h);
    if (made)
        set_request_meta(&h, made, entry, ids);
    int r = outcome(&h, why);
    http_text_fini(&h.t);
    assert(made || r < 0);
    if (made && r == 0)
        r = read_answer(entry, made, &answer, why);
    if (r < 0) {
        msg_unref(made);
        return r;
    }
    *request = made;
    *response = answer;
    return 0;
}
