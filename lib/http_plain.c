/* SPDX-License-Identifier: MIT */
#include "lib/http_plain.h"

#include <errno.h>

#include "lib/coding.h"
#include "lib/http_chunks.h"

/* What a coded body may become. */
#define BODY_MAX (UINT64_C(64) * MIB)
#define ALWAYS_ALLOWED (UINT64_C(1) * MIB)
#define GROWTH_MAX 128
#define KEPT_MAX (UINT64_C(1) * MIB) /* of a buffer, from one message to the next */
#define CODINGS_MAX 4 /* one after the other */

/* In the order in which they were applied. */
struct codings {
    enum coding list[CODINGS_MAX];
    size_t n;
    bool known; /* all of them, and not too many */
};

void http_plain_init(struct http_plain *plain)
{
    buf_init(&plain->room[0], BODY_MAX);
    buf_init(&plain->room[1], BODY_MAX);
}

void http_plain_fini(struct http_plain *plain)
{
    buf_fini(&plain->room[0]);
    buf_fini(&plain->room[1]);
}

void http_plain_trim(struct http_plain *plain)
{
    for (size_t i = 0; i < ARRAY_LEN(plain->room); i++)
        if (plain->room[i].cap > KEPT_MAX)
            buf_fini(&plain->room[i]);
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

/* --- undoing --- */

static void empty(struct buf *b)
{
    buf_consume(b, buf_span(b).len);
}

static int join_chunks(struct span body, bool cut, struct buf *out)
{
    struct span data;
    size_t pos = 0;
    enum http_chunk kind;
    while ((kind = http_chunk_next(body, &pos, &data)) == HTTP_CHUNK_DATA) {
        int r = buf_append(out, data.ptr, data.len);
        if (r < 0)
            return r;
    }
    return kind == HTTP_CHUNK_LAST || cut ? 0 : -EBADMSG;
}

static size_t bound_of(size_t coded)
{
    size_t bound = coded > BODY_MAX / GROWTH_MAX ? BODY_MAX : coded * GROWTH_MAX;
    return bound > ALWAYS_ALLOWED ? bound : ALWAYS_ALLOWED;
}

/* Undoes the last coding first; *body is what remains, and lies in plain. */
static int undo_all(struct http_plain *plain, const struct codings *c, struct span *body)
{
    struct buf *room = plain->room;
    for (size_t i = c->n; i-- > 0;) {
        bool in_first =
            room[0].data && body->ptr >= room[0].data && body->ptr < room[0].data + room[0].cap;
        struct buf *out = &room[in_first ? 1 : 0];
        empty(out);
        out->max = bound_of(body->len);
        int r = coding_undo(c->list[i], *body, out);
        if (r < 0)
            return r;
        *body = buf_span(out);
    }
    return 0;
}

enum http_plain_result http_plain_body(struct http_plain *plain, const struct msg *msg,
                                       struct span *body)
{
    struct codings codings = {.known = true};
    bool cut = (msg->flags & MSG_CUT) != 0, chunked = msg->http.body == HTTP_BODY_CHUNKED;
    *body = msg_body(msg);
    if (msg->http.head_len == 0 || body->len == 0)
        return HTTP_PLAIN_ALREADY;
    add_codings(&codings, msg, "content-encoding");
    add_codings(&codings, msg, "transfer-encoding");
    if (!chunked && codings.n == 0 && codings.known)
        return HTTP_PLAIN_ALREADY;
    if (!codings.known || (cut && codings.n > 0))
        return HTTP_PLAIN_NOT;
    if (chunked) {
        empty(&plain->room[0]);
        plain->room[0].max = body->len + 1;
        if (join_chunks(*body, cut, &plain->room[0]) < 0)
            return HTTP_PLAIN_NOT;
        *body = buf_span(&plain->room[0]);
    }
    return undo_all(plain, &codings, body) == 0 ? HTTP_PLAIN_UNDONE : HTTP_PLAIN_NOT;
}
