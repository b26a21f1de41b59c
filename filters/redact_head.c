/* SPDX-License-Identifier: MIT */
/* Secrets in the start line and in fields: header, cookie and param rules. */
#include <string.h>

#include "filters/redact_internal.h"

#define NAME_MAX_LEN 256 /* a longer name is compared without decoding */

static struct span cut_part(struct span *rest, char separator)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    struct span part = span_of(rest->ptr, len);
    *rest = span_from(*rest, end ? len + 1 : len);
    return part;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* name with %41 and + undone (RFC 1866, 8.2.1), in room of NAME_MAX_LEN. */
static struct span decoded(struct span name, uint8_t *room)
{
    size_t n = 0;
    if (name.len > NAME_MAX_LEN)
        return name;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if (c == '%' && i + 2 < name.len && hex_value(name.ptr[i + 1]) >= 0 &&
            hex_value(name.ptr[i + 2]) >= 0) {
            c = (uint8_t)(hex_value(name.ptr[i + 1]) * 16 + hex_value(name.ptr[i + 2]));
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        room[n++] = c;
    }
    return span_of(room, n);
}

void redact_pairs(struct redaction *r, struct span pairs, enum redact_kind kind)
{
    uint8_t room[NAME_MAX_LEN];
    while (pairs.len > 0) {
        struct span value = cut_part(&pairs, '&');
        struct span name = cut_part(&value, '=');
        if (redact_wants(r, kind, decoded(name, room)))
            redact_value(r, value, TOKEN_TEXT);
    }
}

/* The query of a target or URL. */
static void redact_url(struct redaction *r, struct span url)
{
    struct span query = cut_part(&url, '#');
    cut_part(&query, '?');
    redact_pairs(r, query, REDACT_PARAM);
    /* what stands behind '#' is often made like a query: single-page logins do that */
    redact_pairs(r, url, REDACT_PARAM);
}

/* "a=1; b=2" (RFC 6265, 4.2.1), or with attributes behind the first (4.1.1). */
static void redact_cookies(struct redaction *r, struct span value, bool first_only)
{
    while (value.len > 0) {
        struct span rest = span_trim(cut_part(&value, ';'));
        struct span name = span_trim(cut_part(&rest, '='));
        if (redact_wants(r, REDACT_COOKIE, name))
            redact_value(r, span_trim(rest), TOKEN_TEXT);
        if (first_only)
            return;
    }
}

static bool is_named(const struct http_field *field, const char *name)
{
    return span_eq_nocase(field->name, span_str(name));
}

/* The scheme of credentials is no secret, and what a server needs to read them (RFC 9110, 11.4). */
static struct span without_scheme(struct span value)
{
    const uint8_t *space = memchr(value.ptr, ' ', value.len);
    if (!space || !http_is_token(span_of(value.ptr, (size_t)(space - value.ptr))))
        return value;
    return span_trim(span_from(value, (size_t)(space - value.ptr)));
}

static void redact_field(struct redaction *r, const struct http_field *field)
{
    if (field->value.len == 0)
        return;
    if (redact_wants(r, REDACT_FIELD, field->name)) {
        bool credentials =
            is_named(field, "authorization") || is_named(field, "proxy-authorization");
        redact_value(r, credentials ? without_scheme(field->value) : field->value, TOKEN_TEXT);
        return;
    }
    if (r->rules->has[REDACT_COOKIE] && is_named(field, "cookie"))
        redact_cookies(r, field->value, false);
    if (r->rules->has[REDACT_COOKIE] && is_named(field, "set-cookie"))
        redact_cookies(r, field->value, true);
    if (r->rules->has[REDACT_PARAM] && (is_named(field, "referer") || is_named(field, "location")))
        redact_url(r, field->value);
}

void redact_head(struct redaction *r)
{
    const struct http_view *view = &r->msg->http;
    struct http_field field;
    size_t pos = view->fields_off;
    if (r->rules->has[REDACT_PARAM] && r->msg->type == MSG_REQUEST)
        redact_url(r, msg_target(r->msg));
    while (http_field_next(msg_payload(r->msg), view, &pos, &field))
        redact_field(r, &field);
}

void redact_trailer(struct redaction *r, struct span trailer)
{
    while (trailer.len > 0) {
        struct span value = cut_part(&trailer, '\n');
        struct http_field field = {.name = span_trim(cut_part(&value, ':'))};
        field.value = span_trim(value);
        redact_field(r, &field);
    }
}
