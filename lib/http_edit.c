/* SPDX-License-Identifier: MIT */
#include "lib/http_edit.h"

#include <errno.h>
#include <string.h>

#define PIECES_MAX 4

/* What replaces len bytes at off. */
struct splice {
    size_t off, len;
    struct span pieces[PIECES_MAX];
};

static uint8_t *put(uint8_t *p, struct span s)
{
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    return p + s.len;
}

static int same(const struct msg *msg, const struct msg **out)
{
    *out = msg_ref(msg);
    return 0;
}

/* Takes changed over into *out once its head is known to be valid. */
static int finish(struct msg *changed, const struct msg **out)
{
    msg_parse_head(changed);
    if (changed->http.head_len == 0) {
        msg_unref(changed);
        return -EINVAL;
    }
    *out = changed;
    return 0;
}

static int apply(const struct msg *msg, const struct splice *s, const struct msg **out)
{
    size_t added = 0;
    assert(s->off <= msg->len && s->len <= msg->len - s->off);
    for (size_t i = 0; i < PIECES_MAX; i++) {
        if (s->pieces[i].len > MSG_LEN_MAX)
            return -EINVAL;
        added += s->pieces[i].len;
    }
    size_t len = msg->len - s->len + added;
    if (len > MSG_LEN_MAX)
        return -EINVAL;
    struct msg *changed = msg_like(msg, len);
    if (!changed)
        return -ENOMEM;
    uint8_t *p = put(changed->bytes, span_of(msg->bytes, s->off));
    for (size_t i = 0; i < PIECES_MAX; i++)
        p = put(p, s->pieces[i]);
    put(p, span_from(msg_payload(msg), s->off + s->len));
    changed->len = len;
    return finish(changed, out);
}

/* A value directly behind its colon (the old one was empty) gets a space in between. */
static struct span space_before(const struct http_field *field)
{
    return span_of(" ", field->value.ptr == field->name.ptr + field->name.len + 1 ? 1 : 0);
}

int http_edit_set_field(const struct msg *msg, struct span name, struct span value,
                        const struct msg **out)
{
    struct http_field field;
    if (!http_is_token(name) || !http_is_value(value))
        return -EINVAL;
    if (msg->http.head_len == 0)
        return same(msg, out);
    if (!http_field_find(msg_payload(msg), &msg->http, name, &field)) {
        const struct splice s = {
            .off = msg->http.fields_off,
            .pieces = {name, span_str(": "), value, span_str("\r\n")},
        };
        return apply(msg, &s, out);
    }
    if (span_eq(field.value, value))
        return same(msg, out);
    const struct splice s = {
        .off = (size_t)(field.value.ptr - msg->bytes),
        .len = field.value.len,
        .pieces = {field.value.len == 0 ? space_before(&field) : span_of(NULL, 0), value},
    };
    return apply(msg, &s, out);
}

int http_edit_set_host(const struct msg *msg, struct span host, const struct msg **out)
{
    return http_edit_set_field(msg, span_str("Host"), host, out);
}

int http_edit_set_target(const struct msg *msg, struct span target, const struct msg **out)
{
    if (!http_is_target(target))
        return -EINVAL;
    /* a response has no method, and its reason phrase is not for us to change */
    if (msg->http.head_len == 0 || msg->http.method_len == 0 || span_eq(msg_target(msg), target))
        return same(msg, out);
    const struct splice s = {
        .off = msg->http.target_off,
        .len = msg->http.target_len,
        .pieces = {target},
    };
    return apply(msg, &s, out);
}

int http_edit_remove_field(const struct msg *msg, struct span name, const struct msg **out)
{
    struct http_field field;
    if (!http_is_token(name))
        return -EINVAL;
    if (msg->http.head_len == 0 || !http_field_find(msg_payload(msg), &msg->http, name, &field))
        return same(msg, out);
    struct msg *changed = msg_like(msg, msg->len);
    if (!changed)
        return -ENOMEM;
    size_t pos = field.off, copied = 0;
    uint8_t *p = changed->bytes;
    while (http_field_next(msg_payload(msg), &msg->http, &pos, &field)) {
        if (!span_eq_nocase(field.name, name))
            continue;
        p = put(p, span_of(msg->bytes + copied, field.off - copied));
        copied = field.off + field.len;
    }
    p = put(p, span_from(msg_payload(msg), copied));
    changed->len = (size_t)(p - changed->bytes);
    return finish(changed, out);
}

/* Where a target falls apart. base: "scheme://authority" of the absolute form; path: the rest, from
 * its first '/' or '?' on. */
struct target {
    struct span base, path;
};

static struct target split_target(struct span target)
{
    struct target t = {.base = span_of(target.ptr, 0), .path = target};
    const uint8_t *colon = memchr(target.ptr, ':', target.len);
    const uint8_t *end = target.ptr + target.len;
    if (target.ptr[0] == '/' || !colon || end - colon < 3 || memcmp(colon, "://", 3) != 0)
        return t;
    const uint8_t *p = colon + 3;
    while (p < end && *p != '/' && *p != '?')
        p++;
    t.base.len = (size_t)(p - target.ptr);
    t.path = span_of(p, (size_t)(end - p));
    return t;
}

#define RENDER_MAX 10

/* The spans that make up a head, in order. */
struct render {
    struct span part[RENDER_MAX];
    size_t n;
};

static void add(struct render *r, struct span s)
{
    assert(r->n < RENDER_MAX);
    r->part[r->n++] = s;
}

static void render_target(struct render *r, const struct msg *msg, bool to_origin,
                          struct span prefix)
{
    struct target t = split_target(msg_target(msg));
    if (t.base.len == 0) {
        if (t.path.ptr[0] == '/')
            add(r, prefix);
        add(r, t.path);
        return;
    }
    if (!to_origin)
        add(r, t.base);
    /* RFC 9112, 3.2.4: how a client asks a server as a whole through a proxy */
    if (t.path.len == 0 && prefix.len == 0 && span_eq(msg_method(msg), span_str("OPTIONS"))) {
        if (to_origin)
            add(r, span_str("*"));
        return;
    }
    add(r, prefix);
    if (to_origin && (t.path.len == 0 || t.path.ptr[0] != '/'))
        add(r, span_str("/"));
    add(r, t.path);
}

/* From the target's end to the head's, with the Host field that is wanted. */
static void render_rest(struct render *r, const struct msg *msg, struct span host)
{
    const struct http_view *view = &msg->http;
    struct http_field field;
    size_t from = view->target_off + view->target_len, value_end = view->fields_off;
    if (host.len > 0 && http_field_find(msg_payload(msg), view, span_str("Host"), &field)) {
        size_t value_off = (size_t)(field.value.ptr - msg->bytes);
        add(r, span_of(msg->bytes + from, value_off - from));
        if (field.value.len == 0)
            add(r, space_before(&field));
        add(r, host);
        value_end = value_off + field.value.len;
    } else {
        add(r, span_of(msg->bytes + from, view->fields_off - from));
        if (host.len > 0) {
            add(r, span_str("Host: "));
            add(r, host);
            add(r, span_str("\r\n"));
        }
    }
    add(r, span_of(msg->bytes + value_end, view->head_len - value_end));
}

int http_render_head(struct buf *out, const struct msg *msg, struct span host, struct span prefix)
{
    const struct http_view *view = &msg->http;
    struct render r = {.n = 0};
    size_t len = 0;
    if (view->head_len == 0 || view->method_len == 0 || !http_is_value(host) ||
        (prefix.len > 0 && (prefix.ptr[0] != '/' || !http_is_target(prefix))))
        return -EINVAL;
    add(&r, span_of(msg->bytes + view->start_off, view->target_off - view->start_off));
    if (span_eq(msg_method(msg), span_str("CONNECT")))
        add(&r, msg_target(msg));
    else
        render_target(&r, msg, host.len > 0, prefix);
    render_rest(&r, msg, host);
    for (size_t i = 0; i < r.n; i++)
        len += r.part[i].len;
    int err = buf_reserve(out, len);
    if (err < 0)
        return err;
    uint8_t *p = buf_tail(out);
    for (size_t i = 0; i < r.n; i++)
        p = put(p, r.part[i]);
    buf_commit(out, len);
    return 0;
}
