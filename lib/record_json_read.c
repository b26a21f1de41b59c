/* SPDX-License-Identifier: MIT */
/* Reading a message from gor's JSON. What it says is put on the wire later, so that a name, a value
 * or a line that would make two of one is damage. */
#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include <jansson.h>

#include "lib/mem.h"
#include "lib/record_json.h"
#include "lib/units.h"

#define HEAD_MAX (16 * MIB)

struct reader {
    json_t *root;
    struct msg *msg; /* what stands before the payload, until that is known */
    struct buf head;
    bool damaged, no_memory;
};

/* A string of that key; false when it is not there. One of another type is damage. */
static bool get(struct reader *r, const char *key, struct span *out)
{
    const json_t *value = json_object_get(r->root, key);
    *out = span_of(NULL, 0);
    if (!value || json_is_null(value))
        return false;
    if (!json_is_string(value)) {
        r->damaged = true;
        return false;
    }
    *out = span_of(json_string_value(value), json_string_length(value));
    return true;
}

static int64_t get_number(struct reader *r, const char *key, bool wanted)
{
    struct span text;
    int64_t n = 0;
    char digits[24];
    const json_t *value = json_object_get(r->root, key);
    if (json_is_integer(value))
        return json_integer_value(value);
    if (!get(r, key, &text)) {
        r->damaged |= wanted;
        return 0;
    }
    if (text.len >= sizeof(digits)) {
        r->damaged = true;
        return 0;
    }
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    if (strlen(digits) != text.len || units_parse_int(digits, &n))
        r->damaged = true;
    return n;
}

static void add(struct reader *r, struct span s)
{
    if (!r->no_memory && buf_append(&r->head, s.ptr, s.len) < 0)
        r->no_memory = true;
}

static void add_text(struct reader *r, const char *text)
{
    add(r, span_str(text));
}

/* A field line, whatever it holds. */
static void add_line(struct reader *r, struct span line)
{
    r->damaged |= line.len == 0 || !http_is_value(line);
    add(r, line);
    add_text(r, "\r\n");
}

static void add_field(struct reader *r, const char *name, const json_t *value)
{
    struct span text = span_of(json_string_value(value), json_string_length(value));
    if (!json_is_string(value) || !http_is_token(span_str(name)) || !http_is_value(text)) {
        r->damaged = true;
        return;
    }
    add_text(r, name);
    add_text(r, ": ");
    add(r, text);
    add_text(r, "\r\n");
}

static void add_fields(struct reader *r)
{
    const char *name;
    json_t *value, *one;
    size_t i;
    json_t *headers = json_object_get(r->root, "Req_Headers");
    json_object_foreach(headers, name, value)
    {
        if (!json_is_array(value)) {
            add_field(r, name, value);
            continue;
        }
        json_array_foreach(value, i, one) add_field(r, name, one);
    }
}

static void add_lines(struct reader *r)
{
    const json_t *lines = json_object_get(r->root, "Req_Lines");
    json_t *line;
    size_t i;
    if (!json_is_array(lines)) {
        r->damaged |= lines != NULL;
        add_fields(r);
        return;
    }
    json_array_foreach(lines, i, line)
    {
        if (json_is_string(line))
            add_line(r, span_of(json_string_value(line), json_string_length(line)));
        else
            r->damaged = true;
    }
}

static bool is_version(struct span s)
{
    return s.len == strlen("HTTP/1.1") && memcmp(s.ptr, "HTTP/1.", strlen("HTTP/1.")) == 0 &&
           s.ptr[s.len - 1] >= '0' && s.ptr[s.len - 1] <= '9';
}

/* The start line; false: the payload is not HTTP, and there is no head. */
static bool add_start(struct reader *r)
{
    struct span method, url, proto, status;
    (void)get(r, "Req_Method", &method);
    (void)get(r, "Req_URL", &url);
    if (!get(r, "Req_Proto", &proto))
        proto = span_str("HTTP/1.1");
    bool has_status = get(r, "Req_Status", &status);
    if (method.len == 0 && url.len == 0)
        return false;
    r->damaged |= !is_version(proto);
    if (r->msg->type == MSG_REQUEST) {
        r->damaged |= !http_is_token(method) || !http_is_target(url);
        add(r, method);
        add_text(r, " ");
        add(r, url);
        add_text(r, " ");
        add(r, proto);
    } else {
        r->damaged |= !has_status || !http_is_value(status);
        add(r, proto);
        add_text(r, " ");
        add(r, status);
    }
    add_text(r, "\r\n");
    return true;
}

/* Decodes text to out, which has room for text.len / 4 * 3 bytes. The number of bytes, or -1. */
static int64_t undo_base64(uint8_t *out, struct span text)
{
    if (text.len == 0)
        return 0;
    if (text.len % 4 != 0 || text.len > INT_MAX)
        return -1;
    int n = EVP_DecodeBlock(out, text.ptr, (int)text.len);
    int padding = (text.ptr[text.len - 1] == '=') + (text.ptr[text.len - 2] == '=');
    /* it forgives white space, by which its length is not what it seems */
    if (n < 0 || (size_t)n != text.len / 4 * 3)
        return -1;
    return n - padding;
}

static void make_head(struct reader *r)
{
    struct span coded;
    if (!get(r, "Req_Head", &coded)) {
        if (add_start(r)) {
            add_lines(r);
            add_text(r, "\r\n");
        }
        return;
    }
    if (buf_reserve(&r->head, coded.len / 4 * 3 + 1) < 0) {
        r->no_memory = true;
        return;
    }
    int64_t n = undo_base64(buf_tail(&r->head), coded);
    if (n < 0)
        r->damaged = true;
    else
        buf_commit(&r->head, (size_t)n);
}

static void read_meta(struct reader *r, struct msg *msg)
{
    struct span type, id, end;
    bool has_type = get(r, "Req_Type", &type);
    (void)get(r, "Req_ID", &id);
    r->damaged |= !has_type || type.len != 1 || type.ptr[0] < MSG_REQUEST ||
                  type.ptr[0] > MSG_REPLAYED || (id.len > 0 && !msg_set_id(msg, id));
    if (r->damaged)
        return;
    msg->type = type.ptr[0];
    msg->ts_ns = get_number(r, "Req_Ts", true);
    msg->latency_ns = get_number(r, "Req_Latency", false);
    if (get(r, "Req_Src", &end))
        r->damaged |= !endpoint_parse(end, &msg->src);
    if (get(r, "Req_Dst", &end))
        r->damaged |= !endpoint_parse(end, &msg->dst);
}

/* The whole message: r->msg with head and body behind it. */
static struct msg *compose(struct reader *r)
{
    struct span body, head = buf_span(&r->head);
    bool coded = json_is_true(json_object_get(r->root, "Req_Body_Base64"));
    (void)get(r, "Req_Body", &body);
    if (r->damaged || head.len + body.len == 0 || head.len + body.len > MSG_LEN_MAX) {
        r->damaged = true;
        return NULL;
    }
    struct msg *msg = msg_like(r->msg, head.len + body.len + 1);
    if (!msg) {
        r->no_memory = true;
        return NULL;
    }
    if (head.len > 0)
        memcpy(msg->bytes, head.ptr, head.len);
    int64_t n = (int64_t)body.len;
    if (coded)
        n = undo_base64(msg->bytes + head.len, body);
    else if (body.len > 0)
        memcpy(msg->bytes + head.len, body.ptr, body.len);
    if (n < 0 || head.len + (size_t)n == 0) {
        r->damaged = true;
        msg_unref(msg);
        return NULL;
    }
    msg->len = head.len + (size_t)n;
    record_finish(msg);
    return msg;
}

enum record_result record_json_read(struct span bytes, struct msg **msg)
{
    struct reader r = {.root = NULL};
    struct msg *found = NULL;
    json_error_t where;
    r.msg = msg_new(0);
    if (!r.msg)
        return RECORD_NO_MEMORY;
    buf_init(&r.head, HEAD_MAX);
    r.root = json_loadb((const char *)bytes.ptr, bytes.len, JSON_ALLOW_NUL, &where);
    r.damaged = !json_is_object(r.root);
    if (!r.damaged)
        read_meta(&r, r.msg);
    if (!r.damaged)
        make_head(&r);
    if (!r.damaged && !r.no_memory)
        found = compose(&r);
    json_decref(r.root);
    buf_fini(&r.head);
    msg_unref(r.msg);
    if (found) {
        *msg = found;
        return RECORD_MSG;
    }
    return r.no_memory ? RECORD_NO_MEMORY : RECORD_DAMAGED;
}
