/* SPDX-License-Identifier: MIT */
#include "lib/condition.h"

#include <errno.h>
#include <string.h>

#include "lib/lookup.h"
#include "lib/mem.h"
#include "lib/network.h"
#include "lib/regex.h"

enum answer {
    ANSWER_NO = 0,
    ANSWER_YES = 1,
    ANSWER_NONE = 2, /* it cannot be asked: not met, turned round or not */
};

struct kind {
    const char *prefix; /* "url:" */
    enum answer (*holds)(struct condition *c, const struct msg *request, unsigned status);
    /* value: what stands behind the prefix. 0, or a negative errno with err. */
    int (*parse)(struct condition *c, struct span value, struct err *err);
    bool http; /* asks something that only an HTTP request has */
};

struct condition {
    const struct kind *kind;
    const char *option;
    char *text;
    bool turned; /* by a leading '!' */
    bool any_value; /* header:, cookie:, param: without '=' */
    struct span name; /* into text */
    struct span value; /* into text */
    struct regex *regex;
    struct network network; /* family 0: any address */
    unsigned low, high; /* port or status, both included */
};

/* The offset of value within the condition as it was written, counted from 1. */
static size_t place(const struct condition *c, struct span value)
{
    return (size_t)((const char *)value.ptr - c->text) + 1;
}

static int bad(const struct condition *c, struct span at, struct err *err, const char *expected)
{
    return err_usage(err, "--%s \"%s\": at character %zu: expected %s", c->option, c->text,
                     place(c, at), expected);
}

/* --- regular expressions: url, host, header, cookie, param --- */

static enum answer matches(struct condition *c, struct span subject)
{
    switch (regex_match(c->regex, subject)) {
    case REGEX_MATCH:
        return ANSWER_YES;
    case REGEX_NO_MATCH:
        return ANSWER_NO;
    case REGEX_GAVE_UP:
        break;
    }
    return ANSWER_NONE;
}

static int parse_regex(struct condition *c, struct span value, struct err *err)
{
    if (value.len == 0)
        return bad(c, value, err, "a regular expression");
    return regex_new_tail(&c->regex, c->option, c->text, (const char *)value.ptr, err);
}

static int parse_named(struct condition *c, struct span value, struct err *err)
{
    const uint8_t *equals = value.len > 0 ? memchr(value.ptr, '=', value.len) : NULL;
    size_t len = equals ? (size_t)(equals - value.ptr) : value.len;
    c->name = span_of(value.ptr, len);
    c->any_value = !equals;
    if (!http_is_token(c->name))
        return bad(c, value, err, "a name, then = and a regular expression");
    return equals ? parse_regex(c, span_of(equals + 1, value.len - len - 1), err) : 0;
}

static enum answer named_holds(struct condition *c, bool found, struct span value)
{
    if (!found)
        return ANSWER_NO;
    return c->any_value ? ANSWER_YES : matches(c, value);
}

static enum answer url_holds(struct condition *c, const struct msg *request, unsigned status)
{
    (void)status;
    return matches(c, msg_target(request));
}

static enum answer host_holds(struct condition *c, const struct msg *request, unsigned status)
{
    (void)status;
    return matches(c, lookup_host(request));
}

static enum answer header_holds(struct condition *c, const struct msg *request, unsigned status)
{
    struct span value = span_of(NULL, 0);
    (void)status;
    return named_holds(c, lookup_field(request, c->name, &value), value);
}

static enum answer cookie_holds(struct condition *c, const struct msg *request, unsigned status)
{
    struct span value = span_of(NULL, 0);
    (void)status;
    return named_holds(c, lookup_cookie(request, c->name, &value), value);
}

static enum answer param_holds(struct condition *c, const struct msg *request, unsigned status)
{
    struct span value = span_of(NULL, 0);
    (void)status;
    return named_holds(c, lookup_param(msg_target(request), c->name, &value), value);
}

/* --- words: method, path --- */

static int parse_methods(struct condition *c, struct span value, struct err *err)
{
    struct span rest = value;
    do {
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != ',')
            len++;
        if (!http_is_token(span_of(rest.ptr, len)))
            return bad(c, rest, err, "a method, or several with commas");
        rest = len < rest.len ? span_of(rest.ptr + len + 1, rest.len - len - 1) : span_of(NULL, 0);
    } while (rest.ptr);
    c->value = value;
    return 0;
}

static enum answer method_holds(struct condition *c, const struct msg *request, unsigned status)
{
    struct span rest = c->value, method = msg_method(request);
    (void)status;
    while (rest.len > 0) {
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != ',')
            len++;
        if (span_eq(span_of(rest.ptr, len), method))
            return ANSWER_YES;
        rest = span_from(rest, len + 1);
    }
    return ANSWER_NO;
}

static int parse_path(struct condition *c, struct span value, struct err *err)
{
    if (value.len == 0 || value.ptr[0] != '/')
        return bad(c, value, err, "a path that begins with /");
    while (value.len > 0 && value.ptr[value.len - 1] == '/')
        value.len--; /* "/api/" and "/api" are the same here, and "/" is everything */
    c->value = value;
    return 0;
}

static enum answer path_holds(struct condition *c, const struct msg *request, unsigned status)
{
    struct span path = lookup_path(msg_target(request));
    (void)status;
    if (path.len < c->value.len || !span_eq(span_of(path.ptr, c->value.len), c->value))
        return ANSWER_NO;
    return path.len == c->value.len || path.ptr[c->value.len] == '/' ? ANSWER_YES : ANSWER_NO;
}

/* --- addresses: client, server, port --- */

/* A whole number without sign in [1, max]; false when it is none. */
static bool parse_number(struct span text, unsigned max, unsigned *out)
{
    unsigned n = 0;
    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        n = n * 10 + (unsigned)(text.ptr[i] - '0');
    }
    *out = n;
    return n >= 1 && n <= max;
}

/* "8080" or "8000-8099" */
static bool parse_range(struct span text, unsigned max, struct condition *c)
{
    const uint8_t *dash = text.len > 0 ? memchr(text.ptr, '-', text.len) : NULL;
    size_t len = dash ? (size_t)(dash - text.ptr) : text.len;
    if (!parse_number(span_of(text.ptr, len), max, &c->low))
        return false;
    c->high = c->low;
    return !dash || (parse_number(span_from(text, len + 1), max, &c->high) && c->low <= c->high);
}

static int parse_port(struct condition *c, struct span value, struct err *err)
{
    return parse_range(value, UINT16_MAX, c)
               ? 0
               : bad(c, value, err, "a port, or a range as 8000-8099");
}

static int parse_client(struct condition *c, struct span value, struct err *err)
{
    return network_parse(&c->network, value)
               ? 0
               : bad(c, value, err, "an address or a network, e.g. 10.0.0.0/8");
}

static int parse_server(struct condition *c, struct span value, struct err *err)
{
    /* the last colon parts the port, unless it lies inside of an IPv6 address */
    const uint8_t *colon = value.len > 0 ? memrchr(value.ptr, ':', value.len) : NULL;
    c->low = 0;
    c->high = UINT16_MAX;
    if (network_parse(&c->network, value))
        return 0;
    size_t len = colon ? (size_t)(colon - value.ptr) : value.len;
    if (!colon || !parse_range(span_from(value, len + 1), UINT16_MAX, c) ||
        (len > 0 && !network_parse(&c->network, span_of(value.ptr, len))))
        return bad(c, value, err, "an address or network, with or without :PORT");
    return 0;
}

static enum answer in_range(const struct condition *c, unsigned n)
{
    return n >= c->low && n <= c->high ? ANSWER_YES : ANSWER_NO;
}

static enum answer client_holds(struct condition *c, const struct msg *request, unsigned status)
{
    (void)status;
    if (request->src.family == 0)
        return ANSWER_NONE;
    return network_has(&c->network, &request->src) ? ANSWER_YES : ANSWER_NO;
}

static enum answer server_holds(struct condition *c, const struct msg *request, unsigned status)
{
    (void)status;
    if (request->dst.family == 0)
        return ANSWER_NONE;
    if (c->network.family != 0 && !network_has(&c->network, &request->dst))
        return ANSWER_NO;
    return in_range(c, request->dst.port);
}

/* --- the response --- */

static int parse_status(struct condition *c, struct span value, struct err *err)
{
    if (value.len == 3 && value.ptr[0] >= '1' && value.ptr[0] <= '9' &&
        memcmp(value.ptr + 1, "xx", 2) == 0) {
        c->low = (unsigned)(value.ptr[0] - '0') * 100;
        c->high = c->low + 99;
        return 0;
    }
    return parse_range(value, 999, c) ? 0 : bad(c, value, err, "a status: 404, 5xx or 500-599");
}

static enum answer status_holds(struct condition *c, const struct msg *request, unsigned status)
{
    (void)request;
    return status == 0 ? ANSWER_NONE : in_range(c, status);
}

static const struct kind kinds[] = {
    {"method:", method_holds, parse_methods, true}, {"url:", url_holds, parse_regex, true},
    {"path:", path_holds, parse_path, true},        {"host:", host_holds, parse_regex, true},
    {"header:", header_holds, parse_named, true},   {"cookie:", cookie_holds, parse_named, true},
    {"param:", param_holds, parse_named, true},     {"client:", client_holds, parse_client, false},
    {"server:", server_holds, parse_server, false}, {"port:", server_holds, parse_port, false},
    {"status:", status_holds, parse_status, false},
};

static int parse(struct condition *c, struct err *err)
{
    struct span rest = span_str(c->text);
    c->turned = rest.len > 0 && rest.ptr[0] == '!';
    if (c->turned)
        rest = span_of(rest.ptr + 1, rest.len - 1);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t len = strlen(kinds[i].prefix);
        if (rest.len < len || memcmp(rest.ptr, kinds[i].prefix, len) != 0)
            continue;
        c->kind = &kinds[i];
        return kinds[i].parse(c, span_of(rest.ptr + len, rest.len - len), err);
    }
    return bad(c, rest, err,
               "method:, url:, path:, host:, header:, cookie:, param:, client:, server:, port: or "
               "status:");
}

int condition_new(struct condition **conditionp, const char *option, const char *text,
                  struct err *err)
{
    struct condition *c = mem_zalloc(MEM_OTHER, sizeof(*c));
    if (!c)
        return err_sys(err, ENOMEM, "--%s", option);
    c->option = option;
    c->text = mem_strdup(MEM_OTHER, text);
    int r = c->text ? parse(c, err) : err_sys(err, ENOMEM, "--%s", option);
    if (r < 0) {
        condition_free(c);
        return r;
    }
    *conditionp = c;
    return 0;
}

void condition_free(struct condition *condition)
{
    if (!condition)
        return;
    regex_free(condition->regex);
    mem_free(condition->text);
    mem_free(condition);
}

bool condition_needs_status(const struct condition *condition)
{
    return condition->kind->holds == status_holds;
}

bool condition_holds(struct condition *condition, const struct msg *request, unsigned status)
{
    if (condition->kind->http && request->http.head_len == 0)
        return false;
    enum answer answer = condition->kind->holds(condition, request, status);
    return answer != ANSWER_NONE && (answer == ANSWER_YES) != condition->turned;
}

const char *condition_text(const struct condition *condition)
{
    return condition->text;
}
