/* SPDX-License-Identifier: MIT */
#include "lib/lookup.h"

#include <string.h>

/* Cuts the part before the next separator off rest; the separator goes too. */
static struct span next_part(struct span *rest, char separator)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    struct span part = span_of(rest->ptr, len);
    size_t behind = end ? len + 1 : len;
    /* an empty rest lies behind the part, so that something can be put there */
    if (rest->len > 0)
        *rest = span_of(rest->ptr + behind, rest->len - behind);
    return part;
}

/* "name=value" with that name; a part without '=' has an empty value. */
static bool is_pair_of(struct span part, struct span name, struct span *value)
{
    struct span rest = part;
    struct span key = next_part(&rest, '=');
    if (!span_eq(key, name))
        return false;
    *value = rest;
    return true;
}

bool lookup_param(struct span target, struct span name, struct span *value)
{
    struct span query = next_part(&target, '#');
    next_part(&query, '?');
    while (query.len > 0)
        if (is_pair_of(next_part(&query, '&'), name, value))
            return true;
    return false;
}

bool lookup_cookie(const struct msg *msg, struct span name, struct span *value)
{
    struct http_field field;
    size_t pos = msg->http.fields_off;
    if (msg->http.head_len == 0)
        return false;
    while (http_field_next(msg_payload(msg), &msg->http, &pos, &field)) {
        if (!span_eq_nocase(field.name, span_str("cookie")))
            continue;
        struct span rest = field.value;
        while (rest.len > 0)
            if (is_pair_of(span_trim(next_part(&rest, ';')), name, value))
                return true;
    }
    return false;
}

bool lookup_field(const struct msg *msg, struct span name, struct span *value)
{
    struct http_field field;
    if (msg->http.head_len == 0 || !http_field_find(msg_payload(msg), &msg->http, name, &field))
        return false;
    *value = field.value;
    return true;
}

/* Behind "scheme://authority" of a target in absolute form (RFC 9112, 3.2.2); authority is set. */
static struct span behind_authority(struct span target, struct span *authority)
{
    *authority = span_of(NULL, 0);
    if (target.len == 0 || target.ptr[0] == '/')
        return target;
    const uint8_t *slashes = memmem(target.ptr, target.len, "://", 3);
    if (!slashes)
        return target;
    struct span rest = span_from(target, (size_t)(slashes - target.ptr) + 3);
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?' && rest.ptr[len] != '#')
        len++;
    *authority = span_of(rest.ptr, len);
    return span_from(rest, len);
}

struct span lookup_path(struct span target)
{
    struct span authority;
    struct span path = behind_authority(target, &authority);
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '?' || path.ptr[i] == '#')
            return span_of(path.ptr, i);
    return path;
}

struct span lookup_host(const struct msg *msg)
{
    struct span host;
    if (msg->http.head_len == 0)
        return span_of(NULL, 0);
    behind_authority(msg_target(msg), &host);
    if (host.len == 0 && !lookup_field(msg, span_str("host"), &host))
        return span_of(NULL, 0);
    /* userinfo and port are not the host; an IPv6 address keeps its brackets */
    const uint8_t *at = memrchr(host.ptr, '@', host.len);
    if (at)
        host = span_from(host, (size_t)(at - host.ptr) + 1);
    if (host.len > 0 && host.ptr[0] == '[') {
        const uint8_t *end = memchr(host.ptr, ']', host.len);
        return end ? span_of(host.ptr, (size_t)(end - host.ptr) + 1) : host;
    }
    return next_part(&host, ':');
}
