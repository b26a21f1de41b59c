/* SPDX-License-Identifier: MIT */
#include "outputs/http2_exchange.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/http_chunks.h"
#include "lib/mem.h"

#define KEEP_CAP ((size_t)64 * 1024) /* a buffer beyond this is given back */

/* --- the request --- */

/* RFC 9113, 8.2.2 and 8.3.1: what is about one connection, and what has a place of its own. */
static bool stays_out(struct span name, bool original_host)
{
    static const char *const names[] = {"Connection",        "Keep-Alive",    "Proxy-Connection",
                                        "Transfer-Encoding", "Upgrade",       "TE",
                                        "HTTP2-Settings",    "Content-Length"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (span_eq_nocase(name, span_str(names[i])))
            return true;
    return !original_host && span_eq_nocase(name, span_str("Host"));
}

static int add_line(struct http2_exchange *x, struct span name, struct span value)
{
    /* to libcurl "Name:" means that there is to be no such field, and "Name;" an empty one */
    const struct span parts[] = {name, span_str(value.len > 0 ? ": " : ";"), value};
    char *line = http_join(parts, ARRAY_LEN(parts));
    struct curl_slist *more = line ? curl_slist_append(x->fields, line) : NULL;
    mem_free(line);
    if (!more)
        return -ENOMEM;
    x->fields = more;
    return 0;
}

/* Nothing is added that was not recorded. */
static int suppress(struct http2_exchange *x, const struct msg *msg, const char *name)
{
    struct http_field field;
    if (http_field_find(msg_payload(msg), &msg->http, span_of(name, strlen(name) - 1), &field))
        return 0;
    struct curl_slist *more = curl_slist_append(x->fields, name);
    if (!more)
        return -ENOMEM;
    x->fields = more;
    return 0;
}

static int add_fields(struct http2_exchange *x, const struct http_work_config *config,
                      const struct msg *msg)
{
    static const char *const usual[] = {"Accept:", "User-Agent:", "Expect:", "Content-Type:"};
    struct http_field field;
    size_t pos = msg->http.fields_off;
    int r = 0;
    while (r == 0 && http_field_next(msg_payload(msg), &msg->http, &pos, &field))
        if (!stays_out(field.name, config->original_host))
            r = add_line(x, field.name, field.value);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(usual); i++)
        r = suppress(x, msg, usual[i]);
    const char *authorization = config->target->authorization;
    struct span line = span_trim(span_str(authorization));
    if (r == 0 && line.len > 0 &&
        !http_field_find(msg_payload(msg), &msg->http, span_str("Authorization"), &field)) {
        size_t name_len = strcspn(authorization, ":");
        r = add_line(x, span_of(authorization, name_len), span_trim(span_from(line, name_len + 1)));
    }
    return r;
}

/* The data of the body; *data lies in msg or in x->body. */
static int body_of(struct http2_exchange *x, const struct msg *msg, struct span *data)
{
    struct span piece;
    size_t pos = 0;
    *data = msg_body(msg);
    if (msg->http.body != HTTP_BODY_CHUNKED)
        return 0;
    while (http_chunk_next(msg_body(msg), &pos, &piece) == HTTP_CHUNK_DATA)
        if (buf_append(&x->body, piece.ptr, piece.len) < 0)
            return -ENOMEM;
    *data = buf_span(&x->body);
    return 0;
}

static int set_target(struct http2_exchange *x, const struct http_work_config *config,
                      const struct msg *msg)
{
    struct span target = msg_target(msg);
    const struct span parts[] = {span_str(target.ptr[0] == '/' ? config->target->prefix : ""),
                                 target};
    char *text = http_join(parts, ARRAY_LEN(parts));
    bool ok = text && curl_easy_setopt(x->easy, CURLOPT_REQUEST_TARGET, text) == CURLE_OK;
    mem_free(text);
    return ok ? 0 : -ENOMEM;
}

/* libcurl chooses what it does by these options; the method on the wire is the recorded one. */
static int set_method(struct http2_exchange *x, const struct msg *msg, struct span body)
{
    struct span name = msg_method(msg);
    bool head = span_eq(name, span_str("HEAD"));
    bool has_body = msg->http.body != HTTP_BODY_NONE;
    char *method = http_join(&name, 1);
    CURL *easy = x->easy;
    bool ok = method && curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_NOBODY, head ? 1L : 0L) == CURLE_OK;
    if (ok && has_body && !head)
        ok =
            curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                             body.len > 0 ? (const char *)body.ptr : "") == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
    mem_free(method);
    return ok ? 0 : -ENOMEM;
}

int http2_exchange_begin(struct http2_exchange *x, const struct http_work_config *config,
                         struct http_lane *lane, size_t keeps, int64_t now_ns)
{
    const struct msg *msg = http_lane_msg(lane);
    struct span body;
    x->sent_ns = now_ns;
    x->keeps = keeps;
    int r = add_fields(x, config, msg);
    if (r == 0)
        r = body_of(x, msg, &body);
    if (r == 0)
        r = set_target(x, config, msg);
    if (r == 0)
        r = set_method(x, msg, body);
    if (r == 0 && curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->fields) != CURLE_OK)
        r = -ENOMEM;
    if (r == 0)
        x->lane = lane;
    return r;
}

/* --- the answer --- */

static void keep(struct http2_exchange *x, const void *bytes, size_t n)
{
    size_t have = buf_span(&x->answer).len;
    size_t room = have < x->keeps ? x->keeps - have : 0;
    if (n > room || x->cut) {
        x->cut = true;
        n = x->head_len > 0 && room < n ? room : n; /* a head is kept whole */
    }
    if (buf_append(&x->answer, bytes, n) < 0)
        x->cut = true;
}

static bool is_field(struct span line, const char *name)
{
    size_t n = strlen(name);
    return line.len > n && line.ptr[n] == ':' &&
           span_eq_nocase(span_of(line.ptr, n), span_str(name));
}

/* A line of the head; of several heads (interim answers, RFC 9110, 15.2) the last one counts. */
static size_t on_head(char *bytes, size_t size, size_t n, void *user)
{
    struct http2_exchange *x = user;
    struct span line = span_of(bytes, size * n);
    struct span text = span_trim(line);
    if (x->first_ns == 0) {
        x->first_ns = clock_mono_ns();
        x->first_wall_ns = clock_wall_ns();
    }
    if (x->head_len > 0 && !(line.len > 5 && memcmp(line.ptr, "HTTP/", 5) == 0))
        return line.len; /* a trailer section */
    if (line.len > 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
        struct span rest = span_from(text, strcspn(bytes, " "));
        buf_consume(&x->answer, buf_span(&x->answer).len);
        x->head_len = 0;
        x->has_length = false;
        keep(x, "HTTP/1.1", 8);
        keep(x, rest.ptr, rest.len);
        keep(x, rest.len <= 4 ? " \r\n" : "\r\n", rest.len <= 4 ? 3 : 2);
    } else if (text.len == 0) {
        x->head_len = buf_span(&x->answer).len; /* its end is written when the length is known */
    } else {
        x->has_length |= is_field(text, "content-length");
        keep(x, text.ptr, text.len);
        keep(x, "\r\n", 2);
    }
    return line.len;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *user)
{
    struct http2_exchange *x = user;
    if (x->keeps > 0)
        keep(x, bytes, size * n);
    return size * n;
}

/* The body comes behind a head that tells its length. */
static bool close_head(struct http2_exchange *x)
{
    char line[64] = "\r\n";
    struct span all = buf_span(&x->answer);
    struct buf whole;
    size_t body = all.len - x->head_len;
    if (!x->has_length)
        snprintf(line, sizeof(line), "content-length: %zu\r\n\r\n", body);
    buf_init(&whole, SIZE_MAX);
    bool ok = buf_append(&whole, all.ptr, x->head_len) == 0 &&
              buf_append(&whole, line, strlen(line)) == 0 &&
              buf_append(&whole, all.ptr + x->head_len, body) == 0;
    buf_fini(&x->answer);
    x->answer = whole;
    x->head_len += strlen(line);
    return ok;
}

bool http2_exchange_answer(struct http2_exchange *x, struct http_answer *answer,
                           struct http_view *view)
{
    size_t total;
    if (x->head_len == 0 || !close_head(x))
        return false;
    *view = (struct http_view){0};
    struct span bytes = buf_span(&x->answer);
    (void)http_frame(HTTP_RESPONSE, bytes.ptr, bytes.len, view, &total);
    if (view->head_len == 0)
        return false;
    *answer = (struct http_answer){
        .bytes = bytes,
        .view = view,
        .cut = x->cut,
        .ts_ns = x->first_wall_ns,
        .latency_ns = x->first_ns - x->sent_ns,
        .sent_ns = x->sent_ns,
    };
    return true;
}

static void empty(struct buf *b)
{
    buf_consume(b, buf_span(b).len);
    if (b->cap > KEEP_CAP)
        buf_fini(b);
}

void http2_exchange_end(struct http2_exchange *x)
{
    (void)curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, NULL);
    curl_slist_free_all(x->fields);
    x->fields = NULL;
    x->lane = NULL;
    x->first_ns = x->first_wall_ns = 0;
    x->head_len = 0;
    x->has_length = x->cut = x->refused = false;
    empty(&x->body);
    empty(&x->answer);
}

bool http2_exchange_init(struct http2_exchange *x)
{
    buf_init(&x->body, SIZE_MAX);
    buf_init(&x->answer, SIZE_MAX);
    x->easy = curl_easy_init();
    return x->easy && curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x) == CURLE_OK &&
           curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x) == CURLE_OK &&
           curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x) == CURLE_OK;
}

void http2_exchange_fini(struct http2_exchange *x)
{
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->fields);
    buf_fini(&x->body);
    buf_fini(&x->answer);
}
