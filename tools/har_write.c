/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/coding.h"
#include "lib/http_chunks.h"
#include "lib/lookup.h"
#include "tools/har.h"
#include "tools/json_text.h"
#include "tools/moment.h"

/* A body that grows beyond this when it is decompressed stays as it is. */
#define DECODED_MAX (64 * MIB)

const char har_head[] =
    "{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"refrain\",\"version\":"
    "\"1\"},\"entries\":[\n";
const char har_tail[] = "\n]}}\n";

static void put(struct json_text *t, const char *name, struct span value)
{
    json_text_key(t, name);
    json_text_string(t, value);
}

static void put_int(struct json_text *t, const char *name, int64_t n)
{
    json_text_key(t, name);
    json_text_int(t, n);
}

static void put_moment(struct json_text *t, const char *name, int64_t ns)
{
    char text[MOMENT_TEXT_MAX];
    put(t, name, span_of(text, moment_format(text, ns, 9)));
}

static void put_endpoint(struct json_text *t, const char *name, const struct endpoint *e)
{
    char text[ENDPOINT_TEXT_MAX];
    if (e->family != 0)
        put(t, name, span_of(text, endpoint_format(text, e)));
}

/* {"name": …, "value": …} of "name=value". */
static void put_pair(struct json_text *t, struct span pair)
{
    const uint8_t *equals = pair.len > 0 ? memchr(pair.ptr, '=', pair.len) : NULL;
    size_t len = equals ? (size_t)(equals - pair.ptr) : pair.len;
    json_text_open(t, '{');
    put(t, "name", span_trim(span_of(pair.ptr, len)));
    put(t, "value", span_trim(span_from(pair, len + 1)));
    json_text_close(t, '}');
}

/* The pairs of a list; only the first of them when once. */
static void put_pairs(struct json_text *t, struct span list, char separator, bool once)
{
    while (list.len > 0) {
        const uint8_t *end = memchr(list.ptr, separator, list.len);
        size_t len = end ? (size_t)(end - list.ptr) : list.len;
        if (len > 0)
            put_pair(t, span_of(list.ptr, len));
        list = once ? span_of(list.ptr, 0) : span_from(list, len + 1);
    }
}

static void put_cookies(struct json_text *t, const struct msg *msg)
{
    bool request = msg->type == MSG_REQUEST;
    struct span name = span_str(request ? "cookie" : "set-cookie");
    struct http_field field;
    size_t pos = msg->http.fields_off;
    json_text_key(t, "cookies");
    json_text_open(t, '[');
    while (http_field_next(msg_payload(msg), &msg->http, &pos, &field))
        if (span_eq_nocase(field.name, name))
            put_pairs(t, field.value, ';', !request);
    json_text_close(t, ']');
}

static void put_headers(struct json_text *t, const struct msg *msg)
{
    struct http_field field;
    size_t pos = msg->http.fields_off;
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

static void put_version(struct json_text *t, const struct msg *msg)
{
    char text[16];
    snprintf(text, sizeof(text), "HTTP/1.%u", (unsigned)msg->http.minor);
    put(t, "httpVersion", span_str(text));
}

static void put_sizes(struct json_text *t, const struct msg *msg)
{
    put_int(t, "headersSize", msg->http.head_len);
    put_int(t, "bodySize", (int64_t)msg_body(msg).len);
}

/* Without chunk framing, into room. False: not chunked, or not well. */
static int undo_chunks(const struct msg *msg, struct buf *room)
{
    struct span data;
    size_t pos = 0;
    for (;;) {
        enum http_chunk chunk = http_chunk_next(msg_body(msg), &pos, &data);
        if (chunk != HTTP_CHUNK_DATA)
            return 0;
        int r = buf_append(room, data.ptr, data.len);
        if (r < 0)
            return r;
    }
}

/* What a browser would have shown. *coded: it is still as its Content-Encoding says. */
struct content {
    struct buf chunks, decoded;
    struct span bytes;
    bool coded;
};

static int undo_coding(struct content *c, const struct msg *msg)
{
    struct span name;
    enum coding coding;
    if (!lookup_field(msg, span_str("content-encoding"), &name))
        return 0;
    c->coded = true;
    if (c->bytes.len == 0 || !coding_named(span_trim(name), &coding))
        return 0;
    int r = coding_undo(coding, c->bytes, &c->decoded);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    c->coded = false;
    c->bytes = buf_span(&c->decoded);
    return 0;
}

static int content_of(struct content *c, const struct msg *msg, bool decode)
{
    int r = 0;
    c->coded = false;
    buf_init(&c->chunks, MSG_LEN_MAX);
    buf_init(&c->decoded, DECODED_MAX);
    c->bytes = msg_body(msg);
    if (msg->http.body == HTTP_BODY_CHUNKED) {
        r = undo_chunks(msg, &c->chunks);
        c->bytes = buf_span(&c->chunks);
    }
    return r == 0 && decode ? undo_coding(c, msg) : r;
}

static void content_fini(struct content *c)
{
    buf_fini(&c->chunks);
    buf_fini(&c->decoded);
}

static void put_content(struct json_text *t, const struct msg *msg, struct span bytes,
                        const char *encoding)
{
    struct span type = span_of(NULL, 0);
    (void)lookup_field(msg, span_str("content-type"), &type);
    put(t, "mimeType", type);
    json_text_key(t, "text");
    if (json_text_is_plain(bytes)) {
        json_text_string(t, bytes);
        return;
    }
    json_text_base64(t, bytes);
    put(t, encoding, span_str("base64"));
}

static void put_url(struct json_text *t, const struct msg *request)
{
    char dst[ENDPOINT_TEXT_MAX];
    struct span host, target = msg_target(request);
    bool origin = target.len > 0 && target.ptr[0] == '/';
    struct buf url;
    buf_init(&url, MSG_LEN_MAX);
    if (!lookup_field(request, span_str("host"), &host) || host.len == 0)
        host = request->dst.family != 0 ? span_of(dst, endpoint_format(dst, &request->dst))
                                        : span_str("unknown.invalid");
    bool absolute = target.len > 7 && (memcmp(target.ptr, "http://", 7) == 0 ||
                                       memcmp(target.ptr, "https:/", 7) == 0);
    int r = 0;
    if (!absolute)
        r = buf_append(&url, "http://", 7);
    if (r == 0 && !absolute)
        r = buf_append(&url, host.ptr, host.len);
    if (r == 0)
        r = origin || absolute ? buf_append(&url, target.ptr, target.len)
                               : buf_append(&url, "/", 1);
    if (r < 0)
        t->error = r;
    put(t, "url", buf_span(&url));
    if (!origin)
        put(t, "_target", target);
    buf_fini(&url);
}

static void put_query(struct json_text *t, struct span target)
{
    const uint8_t *query = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    json_text_key(t, "queryString");
    json_text_open(t, '[');
    if (query)
        put_pairs(t, span_from(target, (size_t)(query - target.ptr) + 1), '&', false);
    json_text_close(t, ']');
}

static int put_request(struct json_text *t, const struct msg *request)
{
    struct content content;
    int r = content_of(&content, request, false);
    json_text_key(t, "request");
    json_text_open(t, '{');
    put(t, "method", msg_method(request));
    put_url(t, request);
    put_version(t, request);
    put_cookies(t, request);
    put_headers(t, request);
    put_query(t, msg_target(request));
    if (content.bytes.len > 0) {
        json_text_key(t, "postData");
        json_text_open(t, '{');
        put_content(t, request, content.bytes, "_encoding");
        json_text_key(t, "params");
        json_text_open(t, '[');
        json_text_close(t, ']');
        json_text_close(t, '}');
    }
    put_sizes(t, request);
    if (request->latency_ns != 0)
        put_int(t, "_latencyNs", request->latency_ns);
    json_text_close(t, '}');
    content_fini(&content);
    return r;
}

/* As browsers write what had no answer. */
static void put_no_response(struct json_text *t)
{
    json_text_key(t, "response");
    json_text_raw(t, "{\"status\":0,\"statusText\":\"\",\"httpVersion\":\"\",\"cookies\":[],"
                     "\"headers\":[],\"content\":{\"size\":0,\"mimeType\":\"\"},\"redirectURL\":"
                     "\"\",\"headersSize\":-1,\"bodySize\":-1}");
    t->comma = true;
}

static int put_response(struct json_text *t, const struct msg *response)
{
    struct span location = span_of(NULL, 0);
    struct content content;
    int r = content_of(&content, response, true);
    json_text_key(t, "response");
    json_text_open(t, '{');
    put_int(t, "status", response->http.status);
    put(t, "statusText", msg_target(response));
    put_version(t, response);
    put_cookies(t, response);
    put_headers(t, response);
    json_text_key(t, "content");
    json_text_open(t, '{');
    put_int(t, "size", (int64_t)content.bytes.len);
    put_content(t, response, content.bytes, "encoding");
    if (content.coded) {
        json_text_key(t, "_coded");
        json_text_bool(t, true);
    }
    json_text_close(t, '}');
    (void)lookup_field(response, span_str("location"), &location);
    put(t, "redirectURL", location);
    put_sizes(t, response);
    put_moment(t, "_dateTime", response->ts_ns);
    put_int(t, "_latencyNs", response->latency_ns);
    json_text_close(t, '}');
    content_fini(&content);
    return r;
}

static void put_times(struct json_text *t, const struct msg *response)
{
    int64_t wait_ns = response && response->latency_ns > 0 ? response->latency_ns : 0;
    double wait_ms = (double)wait_ns / (double)NS_PER_MS;
    json_text_key(t, "time");
    json_text_real(t, wait_ms);
    json_text_key(t, "cache");
    json_text_open(t, '{');
    json_text_close(t, '}');
    json_text_key(t, "timings");
    json_text_open(t, '{');
    put_int(t, "send", 0);
    json_text_key(t, "wait");
    json_text_real(t, wait_ms);
    put_int(t, "receive", 0);
    json_text_close(t, '}');
}

int har_write_entry(struct buf *out, const struct msg *request, const struct msg *response)
{
    struct json_text t = {.buf = out};
    int r;
    json_text_open(&t, '{');
    put_moment(&t, "startedDateTime", request->ts_ns);
    put_times(&t, response);
    r = put_request(&t, request);
    if (response && r == 0)
        r = put_response(&t, response);
    else
        put_no_response(&t);
    put_endpoint(&t, "connection", &request->src);
    put_endpoint(&t, "_server", &request->dst);
    put(&t, "_id", msg_id(request));
    json_text_close(&t, '}');
    return r < 0 ? r : t.error;
}
