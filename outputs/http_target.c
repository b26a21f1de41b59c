/* SPDX-License-Identifier: MIT */
#include "outputs/http_target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "lib/mem.h"
#include "lib/span.h"

/* What the two kinds of targets do not have in common. */
struct kind {
    const char *option;
    const char *plain, *tls; /* schemes */
    bool query; /* the URL is asked for as it stands; else it is put in front of paths */
    const char *form; /* how to write it */
};

static const struct kind kind_http = {NULL /* of several */, "http", "https", false,
                                      "http://HOST[:PORT][/PREFIX]"};
static const struct kind kind_ws = {"output-ws", "ws", "wss", true,
                                    "ws://HOST[:PORT][/PATH][?QUERY]"};

/* The text between the parts' borders; spans point into it. */
struct parts {
    struct span scheme, user, host, path;
};

static struct span until(struct span s, const char *stops)
{
    size_t n = 0;
    while (n < s.len && !strchr(stops, s.ptr[n]))
        n++;
    return span_of(s.ptr, n);
}

static void split(struct parts *p, const char *text)
{
    struct span all = span_str(text);
    const char *sep = strstr(text, "://");
    *p = (struct parts){0};
    /* what looks like a scheme behind the first slash is part of a path */
    if (sep && strcspn(text, "/?#") > (size_t)(sep - text)) {
        p->scheme = span_of(text, (size_t)(sep - text));
        all = span_from(all, p->scheme.len + 3);
    }
    struct span authority = until(all, "/?#");
    p->path = span_from(all, authority.len);
    p->host = authority;
    for (size_t i = authority.len; i > 0 && !p->user.ptr; i--)
        if (authority.ptr[i - 1] == '@') {
            p->user = span_of(authority.ptr, i - 1);
            p->host = span_from(authority, i);
        }
}

char *http_join(const struct span *pieces, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += pieces[i].len;
    char *out = mem_alloc(MEM_OTHER, len + 1), *p = out;
    for (size_t i = 0; out && i < n; i++) {
        if (pieces[i].len > 0)
            memcpy(p, pieces[i].ptr, pieces[i].len);
        p += pieces[i].len;
    }
    if (out)
        *p = '\0';
    return out;
}

/* RFC 4648, section 4. out has room for 4 * (len + 2) / 3 + 1 bytes. */
static void base64(char *out, const uint8_t *in, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t group = (uint32_t)in[i] << 16;
        if (left > 1)
            group |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            group |= in[i + 2];
        *out++ = digits[group >> 18 & 63];
        *out++ = digits[group >> 12 & 63];
        *out++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[group & 63] : '=';
    }
    *out = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoding (RFC 3986, 2.1); what is no escape stays. Returns the length. */
static size_t unescape(uint8_t *out, struct span in)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        int high = i + 2 < in.len && in.ptr[i] == '%' ? hex_digit(in.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(in.ptr[i + 2]) : -1;
        if (low < 0) {
            out[n++] = in.ptr[i];
            continue;
        }
        out[n++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    return n;
}

/* "Authorization: Basic ..." (RFC 7617) of user information; NULL when memory is short. */
static char *authorization_of(struct span user)
{
    if (!user.ptr)
        return mem_strdup(MEM_OTHER, "");
    uint8_t *plain = mem_alloc(MEM_OTHER, user.len + 1);
    char *encoded = mem_alloc(MEM_OTHER, 4 * (user.len + 3) / 3 + 5);
    char *field = NULL;
    if (plain && encoded) {
        struct span name = until(user, ":");
        size_t n = unescape(plain, name);
        plain[n++] = ':'; /* in front of the password, also of an empty one */
        n += unescape(plain + n, span_from(user, name.len + 1));
        base64(encoded, plain, n);
        const struct span pieces[] = {span_str("Authorization: Basic "), span_str(encoded),
                                      span_str("\r\n")};
        field = http_join(pieces, ARRAY_LEN(pieces));
    }
    mem_free(plain);
    mem_free(encoded);
    return field;
}

static struct span without_slashes(struct span path)
{
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    return path;
}

static int check_scheme(struct http_target *t, const struct kind *kind, struct span scheme,
                        const char *text, struct err *err)
{
    t->tls = span_eq_nocase(scheme, span_str(kind->tls));
    if (t->tls || !scheme.ptr || span_eq_nocase(scheme, span_str(kind->plain)))
        return 0;
    return err_usage(err, "--%s \"%s\": unknown scheme \"%.*s\" (use %s:// or %s://)", kind->option,
                     text, (int)scheme.len, (const char *)scheme.ptr, kind->plain, kind->tls);
}

static int check_path(const struct kind *kind, struct span path, const char *text, struct err *err)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '#' && kind->query)
            return err_usage(err, "--%s \"%s\": a WebSocket has no fragment (write %s)",
                             kind->option, text, kind->form);
        if ((path.ptr[i] == '?' || path.ptr[i] == '#') && !kind->query)
            return err_usage(err,
                             "--%s \"%s\": a query or fragment cannot be put in front of paths "
                             "(write %s)",
                             kind->option, text, kind->form);
        if (path.ptr[i] <= ' ' || path.ptr[i] >= 0x7f)
            return err_usage(err,
                             "--%s \"%s\": a path may not hold blanks, control or other "
                             "than ASCII characters (write them as %%XX)",
                             kind->option, text);
    }
    return 0;
}

/* libcurl knows what a host and a port may look like. */
static int check_host(const struct http_target *t, const struct kind *kind, const char *text,
                      struct err *err)
{
    CURLU *url = curl_url();
    if (!url)
        return err_sys(err, ENOMEM, "--%s \"%s\"", kind->option, text);
    CURLUcode r = curl_url_set(url, CURLUPART_URL, t->url, 0);
    curl_url_cleanup(url);
    if (r == CURLUE_OUT_OF_MEMORY)
        return err_sys(err, ENOMEM, "--%s \"%s\"", kind->option, text);
    if (r != CURLUE_OK)
        return err_usage(err, "--%s \"%s\": %s (write %s)", kind->option, text,
                         curl_url_strerror(r), kind->form);
    return 0;
}

/* The path that the target keeps. */
static char *prefix_of(const struct kind *kind, struct span path)
{
    struct span kept = kind->query ? path : without_slashes(path);
    const struct span pieces[] = {
        span_str(kind->query && (path.len == 0 || path.ptr[0] != '/') ? "/" : ""), kept};
    return http_join(pieces, ARRAY_LEN(pieces));
}

static int fill(struct http_target *t, const struct kind *kind, const struct parts *p)
{
    const struct span url[] = {span_str(t->tls ? "https://" : "http://"), p->host, span_str("/")};
    const struct span shown[] = {span_str(t->tls ? kind->tls : kind->plain), span_str("://"),
                                 p->host, p->path};
    t->url = http_join(url, ARRAY_LEN(url));
    t->shown = http_join(shown, ARRAY_LEN(shown));
    t->host = http_join(&p->host, 1);
    t->prefix = prefix_of(kind, p->path);
    t->authorization = authorization_of(p->user);
    return t->url && t->shown && t->host && t->prefix && t->authorization ? 0 : -ENOMEM;
}

static int parse(struct http_target *target, const struct kind *kind, const char *text,
                 struct err *err)
{
    struct http_target t = {0};
    struct parts parts;
    split(&parts, text);
    int r = check_scheme(&t, kind, parts.scheme, text, err);
    if (r == 0 && (parts.host.len == 0 || parts.host.ptr[0] == ':'))
        r = err_usage(err, "--%s \"%s\": no host (write %s)", kind->option, text, kind->form);
    if (r == 0)
        r = check_path(kind, parts.path, text, err);
    if (r == 0 && fill(&t, kind, &parts) < 0)
        r = err_sys(err, ENOMEM, "--%s \"%s\"", kind->option, text);
    if (r == 0)
        r = check_host(&t, kind, text, err);
    if (r < 0)
        http_target_fini(&t);
    else
        *target = t;
    return r;
}

int http_target_parse(struct http_target *target, const char *option, const char *text,
                      struct err *err)
{
    struct kind kind = kind_http;
    kind.option = option;
    return parse(target, &kind, text, err);
}

int http_target_parse_ws(struct http_target *target, const char *text, struct err *err)
{
    return parse(target, &kind_ws, text, err);
}

void http_target_fini(struct http_target *t)
{
    mem_free(t->url);
    mem_free(t->shown);
    mem_free(t->host);
    mem_free(t->prefix);
    mem_free(t->authorization);
    *t = (struct http_target){0};
}
