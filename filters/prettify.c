/* SPDX-License-Identifier: MIT */
/* --prettify-http: bodies of requests and responses as the application has them. Chunk framing and
 * compression are undone; the fields that told of them go, and Content-Length is set right. A
 * message for which that is not possible (cut, damaged, an unknown coding, too long or no memory)
 * stays as it was, and is counted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "filters/filters.h"
#include "lib/coding.h"
#include "lib/http_chunks.h"
#include "lib/mem.h"

/* What a coded body may become; refrain(1) names these. A stranger's few bytes must not keep the
 * input's thread busy. */
#define BODY_MAX (UINT64_C(64) * MIB)
#define ALWAYS_ALLOWED (UINT64_C(1) * MIB)
#define GROWTH_MAX 128
#define KEPT_MAX (UINT64_C(1) * MIB) /* of a buffer, from one message to the next */
#define CODINGS_MAX 4 /* one after the other */

struct prettify {
    struct filter base;
    struct buf plain[2]; /* in turn: one is read while the other is written */
};

/* In the order in which they were applied. */
struct codings {
    enum coding list[CODINGS_MAX];
    size_t n;
    bool known; /* all of them, and not too many */
};

static void prettify_close(struct filter *filter)
{
    if (!filter)
        return;
    struct prettify *f = container_of(filter, struct prettify, base);
    buf_fini(&f->plain[0]);
    buf_fini(&f->plain[1]);
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
    buf_init(&f->plain[0], BODY_MAX);
    buf_init(&f->plain[1], BODY_MAX);
    *filterp = &f->base;
    return 0;
}

/* --- which codings --- */

static void add_coding(struct codings *c, struct span name)
{
    enum coding coding;
    if (name.len == 0 || span_eq_nocase(name, span_str("chunked")))
        return;
    if (!coding_named(name, &coding) || c->n == CODINGS_MAX)
        c->known = false;
    else if (coding != CODING_IDENTITY)
        c->list[c->n++] = coding;
}

/* The members of all fields of that name (RFC 9110, 5.6.1). */
static void add_codings(struct codings *c, const struct msg *msg, const char *name)
{
    struct http_field field;
    size_t pos = msg->http.fields_off;
    while (http_field_next(msg_payload(msg), &msg->http, &pos, &field)) {
        if (!span_eq_nocase(field.name, span_str(name)))
            continue;
        size_t begin = 0;
        for (size_t i = 0; i <= field.value.len; i++) {
            if (i < field.value.len && field.value.ptr[i] != ',')
                continue;
            add_coding(c, span_trim(span_of(field.value.ptr + begin, i - begin)));
            begin = i + 1;
        }
    }
}

/* --- the body --- */

static void empty(struct buf *b)
{
    buf_consume(b, buf_span(b).len);
}

static int join_chunks(struct span body, struct buf *out)
{
    struct span data;
    size_t pos = 0;
    enum http_chunk kind;
    while ((kind = http_chunk_next(body, &pos, &data)) == HTTP_CHUNK_DATA) {
        int r = buf_append(out, data.ptr, data.len);
        if (r < 0)
            return r;
    }
    return kind == HTTP_CHUNK_LAST ? 0 : -EBADMSG;
}

static size_t bound_of(size_t coded)
{
    size_t bound = coded > BODY_MAX / GROWTH_MAX ? BODY_MAX : coded * GROWTH_MAX;
    return bound > ALWAYS_ALLOWED ? bound : ALWAYS_ALLOWED;
}

/* Undoes the last coding first; *body is what remains, and lies in a buffer of the filter. */
static int undo_all(struct prettify *f, const struct codings *c, struct span *body)
{
    for (size_t i = c->n; i-- > 0;) {
        bool in_first = f->plain[0].data && body->ptr >= f->plain[0].data &&
                        body->ptr < f->plain[0].data + f->plain[0].cap;
        struct buf *out = &f->plain[in_first ? 1 : 0];
        empty(out);
        out->max = bound_of(body->len);
        int r = coding_undo(c->list[i], *body, out);
        if (r < 0)
            return r;
        *body = buf_span(out);
    }
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

/* What a large body needed is given back. */
static void trim(struct prettify *f)
{
    for (size_t i = 0; i < ARRAY_LEN(f->plain); i++)
        if (f->plain[i].cap > KEPT_MAX)
            buf_fini(&f->plain[i]);
}

/* NULL: it cannot be undone. */
static const struct msg *undone(struct prettify *f, const struct msg *msg, const struct codings *c)
{
    struct span body = msg_body(msg);
    if (msg->flags & MSG_CUT || !c->known)
        return NULL;
    if (msg->http.body == HTTP_BODY_CHUNKED) {
        empty(&f->plain[0]);
        f->plain[0].max = body.len + 1;
        if (join_chunks(body, &f->plain[0]) < 0)
            return NULL;
        body = buf_span(&f->plain[0]);
    }
    return undo_all(f, c, &body) == 0 ? compose(msg, body) : NULL;
}

static enum verdict prettify_apply(struct filter *filter, const struct msg *msg,
                                   const struct msg **out)
{
    struct prettify *f = container_of(filter, struct prettify, base);
    struct codings codings = {.known = true};
    if (msg->http.head_len == 0 || msg_body(msg).len == 0)
        return VERDICT_PASS;
    add_codings(&codings, msg, "content-encoding");
    add_codings(&codings, msg, "transfer-encoding");
    if (msg->http.body != HTTP_BODY_CHUNKED && codings.n == 0 && codings.known)
        return VERDICT_PASS;
    *out = undone(f, msg, &codings);
    trim(f);
    if (*out)
        return VERDICT_REPLACE;
    filter_book(filter, BOOK_NOT_DECODED);
    return VERDICT_PASS;
}

const struct filter_ops filter_prettify = {
    .name = "prettify-http",
    .stage = FILTER_DECODE,
    .open = prettify_open,
    .apply = prettify_apply,
    .close = prettify_close,
};
