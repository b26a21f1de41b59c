/* SPDX-License-Identifier: MIT */
/* --prettify-http: bodies of requests and responses as the application has them. Chunk framing and
 * compression are undone; the fields that told of them go, and Content-Length is set right. A
 * message for which that is not possible (cut, damaged, an unknown coding, too long or no memory)
 * stays as it was, and is counted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "filters/filters.h"
#include "lib/http_plain.h"
#include "lib/mem.h"

struct prettify {
    struct filter base;
    struct http_plain plain;
};

static void prettify_close(struct filter *filter)
{
    if (!filter)
        return;
    struct prettify *f = container_of(filter, struct prettify, base);
    http_plain_fini(&f->plain);
    mem_free(f);
}

static int prettify_open(struct filter **filterp, const struct options *options, struct err *err)
{
    if (!options_bool(options, "prettify-http"))
        return 0;
    struct prettify *f = mem_zalloc(MEM_OTHER, sizeof(*f));
    if (!f)
        return err_sys(err, ENOMEM, "--prettify-http");
    f->base.ops = &filter_prettify;
    http_plain_init(&f->plain);
    *filterp = &f->base;
    return 0;
}

/* --- the new message --- */

static bool is_named(const struct http_field *field, const char *name)
{
    return span_eq_nocase(field->name, span_str(name));
}

static bool tells_length(const struct http_field *field)
{
    return is_named(field, "transfer-encoding") || is_named(field, "content-length");
}

static void put(struct msg *out, struct span s)
{
    if (s.len > 0)
        memcpy(out->bytes + out->len, s.ptr, s.len);
    out->len += s.len;
}

static bool has_length(const struct msg *msg)
{
    struct http_field field;
    size_t pos = msg->http.fields_off;
    while (http_field_next(msg_payload(msg), &msg->http, &pos, &field))
        if (tells_length(&field))
            return true;
    return false;
}

/* Content-Length takes the place of what told the length, or is the first field. */
static const struct msg *compose(const struct msg *msg, struct span body)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "Content-Length: %zu\r\n", body.len);
    struct span line = span_of(text, (size_t)len);
    struct msg *out = msg_like(msg, msg->http.head_len + line.len + body.len);
    struct http_field field;
    size_t pos = msg->http.fields_off, copied = 0;
    bool told = has_length(msg);
    if (!out)
        return NULL;
    if (!told) {
        put(out, span_of(msg->bytes, pos));
        put(out, line);
        copied = pos;
    }
    for (bool to_tell = told; http_field_next(msg_payload(msg), &msg->http, &pos, &field);) {
        bool length = tells_length(&field);
        if (!length && !is_named(&field, "trailer") && !is_named(&field, "content-encoding"))
            continue;
        put(out, span_of(msg->bytes + copied, field.off - copied));
        copied = field.off + field.len;
        if (length && to_tell) {
            put(out, line);
            to_tell = false;
        }
    }
    put(out, span_of(msg->bytes + copied, msg->http.head_len - copied));
    put(out, body);
    msg_parse_head(out);
    return out;
}

static enum verdict prettify_apply(struct filter *filter, const struct msg *msg,
                                   const struct msg **out)
{
    struct prettify *f = container_of(filter, struct prettify, base);
    const struct msg *decoded = NULL;
    struct span body;
    enum http_plain_result result = http_plain_body(&f->plain, msg, &body);
    if (result == HTTP_PLAIN_ALREADY)
        return VERDICT_PASS;
    if (result == HTTP_PLAIN_UNDONE && !(msg->flags & MSG_CUT))
        decoded = compose(msg, body);
    http_plain_trim(&f->plain);
    if (!decoded) {
        filter_book(filter, BOOK_NOT_DECODED);
        return VERDICT_PASS;
    }
    *out = decoded;
    return VERDICT_REPLACE;
}

const struct filter_ops filter_prettify = {
    .name = "prettify-http",
    .stage = FILTER_DECODE,
    .open = prettify_open,
    .apply = prettify_apply,
    .close = prettify_close,
};
