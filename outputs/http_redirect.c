/* SPDX-License-Identifier: MIT */
#include "outputs/http_redirect.h"

#include <errno.h>
#include <string.h>

#include <curl/curl.h>

#include "lib/http_edit.h"
#include "lib/mem.h"

static bool same_part(CURLU *a, CURLU *b, CURLUPart part, unsigned flags)
{
    char *x = NULL, *y = NULL;
    bool same = curl_url_get(a, part, &x, flags) == CURLUE_OK &&
                curl_url_get(b, part, &y, flags) == CURLUE_OK && strcasecmp(x, y) == 0;
    curl_free(x);
    curl_free(y);
    return same;
}

/* Is it the target itself, or what the request calls it? */
static bool is_here(CURLU *url, CURLU *base, const struct msg *request)
{
    struct http_field host;
    char *name = NULL, *port = NULL, *authority = NULL;
    if (same_part(url, base, CURLUPART_SCHEME, 0) && same_part(url, base, CURLUPART_HOST, 0) &&
        same_part(url, base, CURLUPART_PORT, CURLU_DEFAULT_PORT))
        return true;
    if (!http_field_find(msg_payload(request), &request->http, span_str("Host"), &host))
        return false;
    if (curl_url_get(url, CURLUPART_HOST, &name, 0) == CURLUE_OK) {
        bool has_port = curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK;
        const struct span parts[] = {span_str(name), span_str(":"), span_str(has_port ? port : "")};
        authority = http_join(parts, has_port ? 3 : 1);
    }
    bool same = authority && span_eq_nocase(host.value, span_str(authority));
    mem_free(authority);
    curl_free(name);
    curl_free(port);
    return same;
}

/* The path and query of url without prefix; NULL: it has not got it. To be freed with mem_free().
 */
static char *target_of(CURLU *url, struct span prefix)
{
    char *path = NULL, *query = NULL, *target = NULL;
    if (curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK)
        return NULL;
    struct span left = span_str(path);
    bool inside = left.len > prefix.len && memcmp(left.ptr, prefix.ptr, prefix.len) == 0 &&
                  left.ptr[prefix.len] == '/';
    left = inside ? span_from(left, prefix.len) : left;
    if (inside) {
        bool asks = curl_url_get(url, CURLUPART_QUERY, &query, 0) == CURLUE_OK;
        const struct span parts[] = {left, span_str("?"), span_str(asks ? query : "")};
        target = http_join(parts, asks ? 3 : 1);
    }
    curl_free(path);
    curl_free(query);
    return target;
}

/* GET instead of another method, without the body and what describes it. */
static int as_get(const struct msg *request, const struct msg **out)
{
    static const char *const describing[] = {"Content-Length", "Transfer-Encoding", "Content-Type",
                                             "Content-Encoding"};
    size_t rest = request->http.start_off + request->http.method_len;
    struct msg *get = msg_like(request, request->http.head_len - rest + 3);
    if (!get)
        return -ENOMEM;
    memcpy(get->bytes, "GET", 3);
    memcpy(get->bytes + 3, request->bytes + rest, request->http.head_len - rest);
    get->len = request->http.head_len - rest + 3;
    get->flags = 0;
    msg_parse_head(get);
    const struct msg *now = get;
    for (size_t i = 0; i < ARRAY_LEN(describing); i++) {
        const struct msg *next = NULL;
        int r = http_edit_remove_field(now, span_str(describing[i]), &next);
        msg_unref(now);
        if (r < 0)
            return r;
        now = next;
    }
    *out = now;
    return 0;
}

/* RFC 9110, 15.4.2 to 15.4.4: what every user agent does. */
static bool becomes_get(struct span method, unsigned status)
{
    if (status == 303)
        return !span_eq(method, span_str("HEAD")) && !span_eq(method, span_str("GET"));
    return (status == 301 || status == 302) && span_eq(method, span_str("POST"));
}

static enum redirect rewrite(const struct msg *request, unsigned status, const char *target,
                             const struct msg **out)
{
    const struct msg *changed = NULL;
    int r = becomes_get(msg_method(request), status) ? as_get(request, &changed) : 0;
    if (r < 0)
        return r == -ENOMEM ? REDIRECT_NO_MEMORY : REDIRECT_NONE;
    r = http_edit_set_target(changed ? changed : request, span_str(target), out);
    msg_unref(changed);
    if (r == 0)
        return REDIRECT_FOLLOW;
    return r == -ENOMEM ? REDIRECT_NO_MEMORY : REDIRECT_NONE;
}

static enum redirect follow(CURLU *url, CURLU *base, const struct msg *request,
                            const struct http_target *target, unsigned status,
                            const struct msg **out)
{
    if (!is_here(url, base, request))
        return REDIRECT_ELSEWHERE;
    char *path = target_of(url, span_str(target->prefix));
    if (!path)
        return REDIRECT_ELSEWHERE;
    enum redirect r = rewrite(request, status, path, out);
    mem_free(path);
    return r;
}

enum redirect http_redirect(const struct msg *request, const struct http_target *target,
                            struct span answer, const struct http_view *v, const struct msg **out)
{
    struct http_field field;
    unsigned status = v->status;
    if ((status != 301 && status != 302 && status != 303 && status != 307 && status != 308) ||
        answer.len < v->head_len || !http_field_find(answer, v, span_str("Location"), &field))
        return REDIRECT_NONE;
    struct span origin = span_of(target->url, strlen(target->url) - 1); /* without its '/' */
    const struct span parts[] = {origin, span_str(target->prefix), msg_target(request)};
    char *here = http_join(parts, ARRAY_LEN(parts));
    char *location = http_join(&field.value, 1);
    CURLU *base = curl_url(), *url = curl_url();
    enum redirect r = REDIRECT_NO_MEMORY;
    if (here && location && base && url) {
        bool whole = msg_target(request).len > 0 && msg_target(request).ptr[0] == '/';
        r = REDIRECT_NONE;
        if (curl_url_set(base, CURLUPART_URL, whole ? here : target->url, 0) == CURLUE_OK &&
            curl_url_set(url, CURLUPART_URL, whole ? here : target->url, 0) == CURLUE_OK &&
            curl_url_set(url, CURLUPART_URL, location, 0) == CURLUE_OK)
            r = follow(url, base, request, target, status, out);
    }
    curl_url_cleanup(base);
    curl_url_cleanup(url);
    mem_free(here);
    mem_free(location);
    return r;
}
