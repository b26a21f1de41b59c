/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "tools/curl.h"
#include "tools/shell_words.h"

#define USER_MAX 1024

/* What a command line says. */
struct wish {
    const struct shell_words *words;
    struct http_text t;
    struct span method, url, target, user, agent, referer, cookie;
    bool head, get, http10, json;
    bool has_data;
    struct buf data;
    size_t n_headers;
    struct span headers[SHELL_WORDS_MAX];
};

enum kind {
    KIND_IGNORED = 0, /* without argument */
    KIND_IGNORED_VALUE,
    KIND_METHOD,
    KIND_HEADER,
    KIND_DATA, /* @ names a file */
    KIND_DATA_RAW,
    KIND_JSON,
    KIND_URL,
    KIND_TARGET,
    KIND_AGENT,
    KIND_REFERER,
    KIND_COOKIE,
    KIND_USER,
    KIND_HEAD,
    KIND_GET,
    KIND_HTTP10,
};

static const struct {
    const char *name; /* "X" is a letter: -X */
    enum kind kind;
} options[] = {
    {"X", KIND_METHOD},
    {"request", KIND_METHOD},
    {"H", KIND_HEADER},
    {"header", KIND_HEADER},
    {"d", KIND_DATA},
    {"data", KIND_DATA},
    {"data-ascii", KIND_DATA},
    {"data-binary", KIND_DATA},
    {"data-raw", KIND_DATA_RAW},
    {"json", KIND_JSON},
    {"url", KIND_URL},
    {"request-target", KIND_TARGET},
    {"A", KIND_AGENT},
    {"user-agent", KIND_AGENT},
    {"e", KIND_REFERER},
    {"referer", KIND_REFERER},
    {"b", KIND_COOKIE},
    {"cookie", KIND_COOKIE},
    {"u", KIND_USER},
    {"user", KIND_USER},
    {"I", KIND_HEAD},
    {"head", KIND_HEAD},
    {"G", KIND_GET},
    {"get", KIND_GET},
    {"0", KIND_HTTP10},
    {"http1.0", KIND_HTTP10},
    {"s", KIND_IGNORED},
    {"S", KIND_IGNORED},
    {"k", KIND_IGNORED},
    {"L", KIND_IGNORED},
    {"i", KIND_IGNORED},
    {"v", KIND_IGNORED},
    {"f", KIND_IGNORED},
    {"g", KIND_IGNORED},
    {"N", KIND_IGNORED},
    {"q", KIND_IGNORED},
    {"silent", KIND_IGNORED},
    {"show-error", KIND_IGNORED},
    {"insecure", KIND_IGNORED},
    {"location", KIND_IGNORED},
    {"include", KIND_IGNORED},
    {"verbose", KIND_IGNORED},
    {"fail", KIND_IGNORED},
    {"globoff", KIND_IGNORED},
    {"path-as-is", KIND_IGNORED},
    {"no-buffer", KIND_IGNORED},
    {"http1.1", KIND_IGNORED},
    {"http2", KIND_IGNORED},
    {"compressed", KIND_IGNORED},
    {"o", KIND_IGNORED_VALUE},
    {"output", KIND_IGNORED_VALUE},
    {"m", KIND_IGNORED_VALUE},
    {"max-time", KIND_IGNORED_VALUE},
    {"connect-timeout", KIND_IGNORED_VALUE},
    {"w", KIND_IGNORED_VALUE},
    {"write-out", KIND_IGNORED_VALUE},
    {"x", KIND_IGNORED_VALUE},
    {"proxy", KIND_IGNORED_VALUE},
    {"retry", KIND_IGNORED_VALUE},
};

static bool find_option(struct span name, enum kind *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (span_eq(name, span_str(options[i].name))) {
            *kind = options[i].kind;
            return true;
        }
    return false;
}

static bool takes_value(enum kind kind)
{
    return kind != KIND_IGNORED && kind != KIND_HEAD && kind != KIND_GET && kind != KIND_HTTP10;
}

static void add_data(struct wish *w, struct span data, bool joins)
{
    int r = 0;
    if (w->has_data && joins)
        r = buf_append(&w->data, "&", 1);
    if (r == 0 && data.len > 0)
        r = buf_append(&w->data, data.ptr, data.len);
    if (r < 0 && w->t.error == 0)
        w->t.error = r;
    w->has_data = true;
}

/* What a pipe brings stands before it: printf and its output. */
static void add_data_or_file(struct wish *w, struct span data)
{
    if (data.len == 0 || data.ptr[0] != '@')
        add_data(w, data, true);
    else if (data.len == 2 && data.ptr[1] == '-' && w->words->pipe == 2 &&
             span_eq(shell_word(w->words, 0), span_str("printf")))
        add_data(w, shell_word(w->words, 1), true);
    else
        http_text_refuse(&w->t, "its body stands in a file");
}

static void apply(struct wish *w, enum kind kind, struct span value)
{
    switch (kind) {
    case KIND_METHOD:
        w->method = value;
        break;
    case KIND_HEADER:
        w->headers[w->n_headers++] = value; /* not more than words */
        break;
    case KIND_DATA:
        add_data_or_file(w, value);
        break;
    case KIND_JSON:
        w->json = true;
        add_data_or_file(w, value);
        break;
    case KIND_DATA_RAW:
        add_data(w, value, true);
        break;
    case KIND_URL:
        if (w->url.len > 0)
            http_text_refuse(&w->t, "it has several URLs");
        w->url = value;
        break;
    case KIND_TARGET:
        w->target = value;
        break;
    case KIND_USER:
        w->user = value;
        break;
    case KIND_HEAD:
        w->head = true;
        break;
    case KIND_GET:
        w->get = true;
        break;
    case KIND_HTTP10:
        w->http10 = true;
        break;
    case KIND_AGENT:
        w->agent = value;
        break;
    case KIND_REFERER:
        w->referer = value;
        break;
    case KIND_COOKIE:
        w->cookie = value;
        break;
    case KIND_IGNORED:
    case KIND_IGNORED_VALUE:
        break;
    }
}

/* "-sS", "-XPOST", "--request POST", "--request=POST" is none of curl's. Returns how many words. */
static size_t read_option(struct wish *w, size_t at)
{
    struct span word = shell_word(w->words, at), value = span_of("", 0);
    bool is_long = word.len > 2 && word.ptr[1] == '-';
    enum kind kind = KIND_IGNORED;
    size_t used = 1;
    for (size_t i = is_long ? 2 : 1; i < word.len; i++) {
        struct span name = is_long ? span_from(word, 2) : span_of(word.ptr + i, 1);
        if (!find_option(name, &kind)) {
            http_text_refuse(&w->t, "an option of curl that is not understood: %.*s",
                             (int)(word.len < 40 ? word.len : 40), (const char *)word.ptr);
            return used;
        }
        bool more = takes_value(kind);
        if (more && !is_long && i + 1 < word.len) {
            value = span_from(word, i + 1);
        } else if (more && at + 1 < w->words->n) {
            value = shell_word(w->words, at + 1);
            used = 2;
        } else if (more) {
            http_text_refuse(&w->t, "an option of curl lacks its value");
        }
        apply(w, kind, value);
        if (more || is_long)
            break;
    }
    return used;
}

/* The value of a header; false: it is another's. */
static bool header_value(struct span header, const char *name, struct span *value)
{
    size_t len = strlen(name);
    if (header.len <= len || !span_eq_nocase(span_of(header.ptr, len), span_str(name)) ||
        (header.ptr[len] != ':' && header.ptr[len] != ';'))
        return false;
    *value = span_trim(span_from(header, len + 1));
    return true;
}

/* Is it given, be it as one that curl shall not send? */
static bool names_header(const struct wish *w, const char *name)
{
    struct span value;
    for (size_t i = 0; i < w->n_headers; i++)
        if (header_value(w->headers[i], name, &value))
            return true;
    return false;
}

static void put_header(struct wish *w, struct span header)
{
    const uint8_t *colon = header.len > 0 ? memchr(header.ptr, ':', header.len) : NULL;
    size_t len = colon ? (size_t)(colon - header.ptr) : 0;
    struct span value = span_trim(span_from(header, len + 1));
    if (header.len > 0 && header.ptr[0] == '@')
        http_text_refuse(&w->t, "its header fields stand in a file");
    else if (!colon && header.len > 1 && header.ptr[header.len - 1] == ';')
        http_text_field(&w->t, span_of(header.ptr, header.len - 1), span_of("", 0));
    else if (!colon)
        http_text_refuse(&w->t, "a header without a colon");
    else if (value.len > 0)
        http_text_field(&w->t, span_of(header.ptr, len), value);
}

static void put_default(struct wish *w, const char *name, struct span value)
{
    if (value.len > 0 && !names_header(w, name))
        http_text_field(&w->t, span_str(name), value);
}

static void put_user(struct wish *w)
{
    uint8_t text[USER_MAX / 3 * 4 + 16] = "Basic ";
    if (w->user.len == 0)
        return;
    if (w->user.len > USER_MAX) {
        http_text_refuse(&w->t, "its user is too long");
        return;
    }
    int n = EVP_EncodeBlock(text + 6, w->user.ptr, (int)w->user.len);
    put_default(w, "Authorization", span_of(text, 6 + (size_t)n));
}

static void put_headers(struct wish *w, struct span host, bool sends)
{
    char length[24];
    struct span value;
    bool chunked = false;
    if (!names_header(w, "Host"))
        http_text_field(&w->t, span_str("Host"), host);
    for (size_t i = 0; i < w->n_headers; i++) {
        chunked |= header_value(w->headers[i], "Transfer-Encoding", &value) &&
                   span_eq_nocase(value, span_str("chunked"));
        if (!header_value(w->headers[i], "Content-Length", &value))
            put_header(w, w->headers[i]);
    }
    put_default(w, "User-Agent", w->agent);
    put_default(w, "Referer", w->referer);
    put_default(w, "Cookie", w->cookie);
    put_user(w);
    if (sends && w->json)
        put_default(w, "Accept", span_str("application/json"));
    if (sends)
        put_default(w, "Content-Type",
                    span_str(w->json ? "application/json" : "application/x-www-form-urlencoded"));
    snprintf(length, sizeof(length), "%zu", w->data.len);
    if (sends && !chunked)
        http_text_field(&w->t, span_str("Content-Length"), span_str(length));
    http_text_end_head(&w->t);
    if (!sends)
        return;
    snprintf(length, sizeof(length), "%zx\r\n", w->data.len);
    if (chunked && w->data.len > 0)
        http_text_body(&w->t, span_str(length));
    http_text_body(&w->t, buf_span(&w->data));
    if (chunked)
        http_text_body(&w->t, span_str(w->data.len > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n"));
}

static void put_request(struct wish *w)
{
    bool sends = w->has_data && !w->get;
    struct span host, target;
    struct buf path;
    buf_init(&path, MSG_LEN_MAX);
    if (!http_text_split_url(w->url, &host, &target)) {
        http_text_refuse(&w->t, "it has no URL");
        return;
    }
    int r = target.len == 0 || target.ptr[0] == '?' ? buf_append(&path, "/", 1) : 0;
    if (r == 0 && target.len > 0)
        r = buf_append(&path, target.ptr, target.len);
    if (r == 0 && w->get && w->data.len > 0)
        r = buf_append(&path, memchr(path.data, '?', path.len) ? "&" : "?", 1);
    if (r == 0 && w->get && w->data.len > 0)
        r = buf_append(&path, w->data.data, w->data.len);
    if (r < 0 && w->t.error == 0)
        w->t.error = r;
    const char *method = w->head ? "HEAD" : sends ? "POST" : "GET";
    http_text_request(&w->t, w->method.len > 0 ? w->method : span_str(method),
                      w->target.len > 0 ? w->target : buf_span(&path), w->http10 ? 0 : 1);
    put_headers(w, host, sends);
    buf_fini(&path);
}

static struct msg *read_words(struct wish *w)
{
    size_t at = w->words->pipe;
    if (!span_eq(shell_word(w->words, at), span_str("curl")))
        http_text_refuse(&w->t, "a command other than curl");
    if (at > 0 && (at != 2 || !span_eq(shell_word(w->words, 0), span_str("printf"))))
        http_text_refuse(&w->t, "a pipe that is not printf '...' | curl");
    for (at++; at < w->words->n && w->t.error == 0;) {
        struct span word = shell_word(w->words, at);
        if (word.len > 1 && word.ptr[0] == '-')
            at += read_option(w, at);
        else {
            apply(w, KIND_URL, word);
            at++;
        }
    }
    if (w->t.error == 0)
        put_request(w);
    return http_text_message(&w->t, MSG_REQUEST);
}

int curl_read(struct span command, struct msg **request, char why[WHY_MAX])
{
    struct shell_words *words = mem_alloc(MEM_IO, sizeof(*words));
    struct wish *w = mem_zalloc(MEM_IO, sizeof(*w));
    int r = -ENOMEM;
    *request = NULL;
    if (words && w) {
        shell_words_init(words);
        w->words = words;
        buf_init(&w->data, MSG_LEN_MAX);
        http_text_init(&w->t);
        r = shell_words_read(words, command, why);
        if (r == 0 && words->n > 0 && words->pipe < words->n) {
            *request = read_words(w);
            memcpy(why, w->t.why, WHY_MAX);
            r = w->t.error;
        } else if (r == 0 && words->n > 0) {
            snprintf(why, WHY_MAX, "nothing behind the pipe");
            r = -EINVAL;
        }
        http_text_fini(&w->t);
        buf_fini(&w->data);
        shell_words_fini(words);
    }
    mem_free(words);
    mem_free(w);
    return r == -ENOBUFS ? -EINVAL : r;
}
