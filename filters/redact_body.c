/* SPDX-License-Identifier: MIT */
/* Secrets in bodies: finds the body behind chunk framing, and what kind it is. */
#include <errno.h>
#include <string.h>

#include "filters/redact_internal.h"
#include "lib/http_chunks.h"
#include "lib/mem.h"

static bool holds_word(struct span text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (span_eq_nocase(span_of(text.ptr + i, len), span_str(word)))
            return true;
    return false;
}

static struct span field_value(const struct msg *msg, const char *name)
{
    struct http_field field;
    if (!http_field_find(msg_payload(msg), &msg->http, span_str(name), &field))
        return span_of(NULL, 0);
    return field.value;
}

/* --- chunks --- */

static int add_piece(struct redaction *r, size_t plain, size_t raw, size_t len)
{
    /* doubled whenever the count reaches a power of two */
    if ((r->n_pieces & (r->n_pieces - 1)) == 0) {
        size_t room = r->n_pieces ? 2 * r->n_pieces : 1;
        void *pieces = mem_realloc(MEM_OTHER, r->pieces, room * sizeof(*r->pieces));
        if (!pieces)
            return -ENOMEM;
        r->pieces = pieces;
    }
    r->pieces[r->n_pieces++] = (struct redact_piece){.plain = plain, .raw = raw, .len = len};
    return 0;
}

/* Where the data of each chunk lies. A body that was cut at capture ends where it ends. */
static int find_chunks(struct redaction *r, size_t *plain_len)
{
    struct span data;
    size_t pos = 0, plain = 0;
    enum http_chunk kind;
    while ((kind = http_chunk_next(msg_body(r->msg), &pos, &data)) == HTTP_CHUNK_DATA) {
        if (data.len > 0 && add_piece(r, plain, (size_t)(data.ptr - r->msg->bytes), data.len) < 0)
            return -ENOMEM;
        plain += data.len;
    }
    if (kind == HTTP_CHUNK_LAST)
        r->trailer = data;
    *plain_len = plain;
    return 0;
}

/* The body as the application has it. */
static int find_body(struct redaction *r)
{
    size_t len = 0;
    r->body = msg_body(r->msg);
    if (r->msg->http.body != HTTP_BODY_CHUNKED)
        return 0;
    if (find_chunks(r, &len) < 0)
        return -ENOMEM;
    r->body = span_of(NULL, 0);
    if (len == 0)
        return 0;
    r->plain = mem_alloc(MEM_OTHER, len);
    if (!r->plain)
        return -ENOMEM;
    for (size_t i = 0; i < r->n_pieces; i++)
        memcpy(r->plain + r->pieces[i].plain, r->msg->bytes + r->pieces[i].raw, r->pieces[i].len);
    r->body = span_of(r->plain, len);
    return 0;
}

/* --- multipart/form-data (RFC 7578) --- */

/* The value of a parameter of a field: boundary=x, name="x". */
static struct span parameter(struct span value, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i + len + 1 < value.len; i++) {
        bool begins = i == 0 || value.ptr[i - 1] == ';' || value.ptr[i - 1] == ' ';
        if (!begins || value.ptr[i + len] != '=' ||
            !span_eq_nocase(span_of(value.ptr + i, len), span_str(name)))
            continue;
        struct span rest = span_from(value, i + len + 1);
        char end = rest.ptr[0] == '"' ? '"' : ';';
        rest = end == '"' ? span_from(rest, 1) : rest;
        const uint8_t *stop = rest.len > 0 ? memchr(rest.ptr, end, rest.len) : NULL;
        return span_of(rest.ptr, stop ? (size_t)(stop - rest.ptr) : rest.len);
    }
    return span_of(NULL, 0);
}

/* The offset behind the empty line that ends a part's head; part.len when there is none. */
static size_t behind_head(struct span part)
{
    const uint8_t *end = memmem(part.ptr, part.len, "\r\n\r\n", 4);
    return end ? (size_t)(end - part.ptr) + 4 : part.len;
}

static void redact_part(struct redaction *r, struct span part)
{
    size_t head_len = behind_head(part);
    struct span head = span_of(part.ptr, head_len);
    const char *disposition = "content-disposition:";
    for (size_t i = 0; i + strlen(disposition) <= head.len; i++) {
        if (!span_eq_nocase(span_of(head.ptr + i, strlen(disposition)), span_str(disposition)))
            continue;
        const uint8_t *eol = memchr(head.ptr + i, '\n', head.len - i);
        size_t len = eol ? (size_t)(eol - head.ptr) - i : head.len - i;
        struct span name = parameter(span_trim(span_of(head.ptr + i, len)), "name");
        if (name.len > 0 && redact_wants(r, REDACT_FORM, name))
            redact_value(r, span_from(part, head_len), TOKEN_TEXT);
        return;
    }
}

static void redact_multipart(struct redaction *r, struct span boundary)
{
    uint8_t mark[80]; /* a boundary has at most 70 bytes (RFC 2046, 5.1.1) */
    if (boundary.len == 0 || boundary.len > sizeof(mark) - 4) {
        redact_whole_body(r);
        return;
    }
    static const uint8_t before[] = {'\r', '\n', '-', '-'};
    memcpy(mark, before, sizeof(before));
    memcpy(mark + 4, boundary.ptr, boundary.len);
    const uint8_t *end = r->body.ptr + r->body.len;
    /* the first boundary has no line end before it */
    const uint8_t *at = memmem(r->body.ptr, r->body.len, mark + 2, boundary.len + 2);
    while (at) {
        const uint8_t *part = at + boundary.len + 2;
        at = memmem(part, (size_t)(end - part), mark, boundary.len + 4);
        redact_part(r, span_of(part, (size_t)((at ? at : end) - part)));
        at = at ? at + 2 : NULL;
    }
}

/* --- the kind of body --- */

static uint8_t first_byte(struct span body)
{
    size_t i = 0;
    while (i < body.len && (body.ptr[i] == ' ' || (body.ptr[i] >= '\t' && body.ptr[i] <= '\r')))
        i++;
    return i < body.len ? body.ptr[i] : 0;
}

static void search_body(struct redaction *r)
{
    struct span type = field_value(r->msg, "content-type");
    bool declared = holds_word(type, "json");
    uint8_t first = first_byte(r->body);
    if (r->rules->has[REDACT_JSON] && (declared || first == '{' || first == '[')) {
        /* what says that it is JSON, and cannot be read as such, may hold anything */
        if (!redact_json(r, r->body) && declared)
            redact_whole_body(r);
        return;
    }
    if (!r->rules->has[REDACT_FORM])
        return;
    if (holds_word(type, "multipart/form-data"))
        redact_multipart(r, parameter(type, "boundary"));
    else if (holds_word(type, "application/x-www-form-urlencoded"))
        redact_pairs(r, r->body, REDACT_FORM);
}

/* Compressed, so that it cannot be searched? */
static bool is_coded(const struct msg *msg)
{
    struct span content = field_value(msg, "content-encoding");
    struct span transfer = field_value(msg, "transfer-encoding");
    return (content.len > 0 && !span_eq_nocase(content, span_str("identity"))) ||
           (transfer.len > 0 && !span_eq_nocase(transfer, span_str("chunked")));
}

/* Could a body of that type hold what there are rules for? */
static bool may_hold_secrets(const struct redaction *r)
{
    struct span type = field_value(r->msg, "content-type");
    if (r->rules->has[REDACT_JSON] &&
        (type.len == 0 || holds_word(type, "json") || holds_word(type, "text/plain")))
        return true;
    return r->rules->has[REDACT_FORM] && holds_word(type, "form");
}

void redact_body(struct redaction *r)
{
    if (find_body(r) < 0) {
        r->failed = true;
        return;
    }
    redact_trailer(r, r->trailer);
    if (r->body.len == 0 || !(r->rules->has[REDACT_JSON] || r->rules->has[REDACT_FORM]))
        return;
    if (!is_coded(r->msg))
        search_body(r);
    else if (may_hold_secrets(r))
        redact_whole_body(r);
}
