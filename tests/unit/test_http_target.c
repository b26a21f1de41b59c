/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "outputs/http_target.h"

static const struct {
    const char *text;
    bool tls;
    const char *url, *host, *prefix, *authorization;
} good[] = {
    {"http://a", false, "http://a/", "a", "", ""},
    {"http://a/", false, "http://a/", "a", "", ""},
    {"http://a:80/", false, "http://a:80/", "a:80", "", ""},
    {"https://a.example:8443", true, "https://a.example:8443/", "a.example:8443", "", ""},
    {"HTTPS://A", true, "https://A/", "A", "", ""},
    {"a", false, "http://a/", "a", "", ""},
    {"localhost:8080", false, "http://localhost:8080/", "localhost:8080", "", ""},
    {"127.0.0.1:9090", false, "http://127.0.0.1:9090/", "127.0.0.1:9090", "", ""},
    {"[::1]:9090/v1", false, "http://[::1]:9090/", "[::1]:9090", "/v1", ""},
    {"http://a/v1", false, "http://a/", "a", "/v1", ""},
    {"http://a/v1/x//", false, "http://a/", "a", "/v1/x", ""},
    {"http://a//", false, "http://a/", "a", "", ""},
    {"http://a/x@y", false, "http://a/", "a", "/x@y", ""},
    {"a/b://c", false, "http://a/", "a", "/b://c", ""},
    {"http://user:pass@a/p", false, "http://a/", "a", "/p",
     "Authorization: Basic dXNlcjpwYXNz\r\n"},
    {"http://user@a", false, "http://a/", "a", "", "Authorization: Basic dXNlcjo=\r\n"},
    {"http://u%40x:p%3Aq%zz@a", false, "http://a/", "a", "",
     "Authorization: Basic dUB4OnA6cSV6eg==\r\n"},
    {"http://us:p@ss@a", false, "http://a/", "a", "", "Authorization: Basic dXM6cEBzcw==\r\n"},
};

START_TEST(a_url_is_taken_apart)
{
    int64_t before = mem_used(MEM_OTHER);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct http_target t;
        struct err err;
        ck_assert_msg(http_target_parse(&t, "output-http", good[i].text, &err) == 0, "%s",
                      err.text);
        ck_assert_int_eq(t.tls, good[i].tls);
        ck_assert_str_eq(t.url, good[i].url);
        ck_assert_str_eq(t.host, good[i].host);
        ck_assert_str_eq(t.prefix, good[i].prefix);
        ck_assert_str_eq(t.authorization, good[i].authorization);
        http_target_fini(&t);
    }
    ck_assert_int_eq(mem_used(MEM_OTHER), before);
}
END_TEST

static const struct {
    const char *text, *complaint;
} bad[] = {
    {"htp://x", "unknown scheme \"htp\" (use http:// or https://)"},
    {"ftp://x", "unknown scheme \"ftp\""},
    {"://x", "unknown scheme \"\""},
    {"", "no host"},
    {"http://", "no host"},
    {"http:///path", "no host"},
    {":8080", "no host"},
    {"http://user@", "no host"},
    {"http://a?x=1", "query"},
    {"http://a/b?x=1", "query"},
    {"http://a/#top", "fragment"},
    {"http://a/b c", "blanks"},
    {"http://a/\r\nX: y", "blanks"},
    {"http://a b/", "write http://HOST"},
    {"http://a:port/", "write http://HOST"},
    {"http://a:99999", "write http://HOST"},
    {"http://[::1", "write http://HOST"},
    {"http://a\r\nX: y/", "write http://HOST"},
};

START_TEST(a_url_that_cannot_work_is_refused_with_its_text)
{
    int64_t before = mem_used(MEM_OTHER);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_target t;
        struct err err;
        ck_assert_msg(http_target_parse(&t, "output-http", bad[i].text, &err) == -EINVAL, "%s",
                      bad[i].text);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_msg(strstr(err.text, bad[i].complaint) != NULL, "%s", err.text);
        ck_assert_ptr_nonnull(strstr(err.text, "--output-http \""));
        if (!strchr(bad[i].text, '@')) /* who is hidden */
            ck_assert_ptr_nonnull(strstr(err.text, bad[i].text));
    }
    ck_assert_int_eq(mem_used(MEM_OTHER), before);
}
END_TEST

static const struct {
    const char *text;
    bool tls;
    const char *url, *shown, *host, *path, *authorization;
} good_ws[] = {
    {"ws://a", false, "http://a/", "ws://a", "a", "/", ""},
    {"a:8080/in", false, "http://a:8080/", "ws://a:8080/in", "a:8080", "/in", ""},
    {"wss://a/in/", true, "https://a/", "wss://a/in/", "a", "/in/", ""},
    {"WSS://[::1]:1?x=1", true, "https://[::1]:1/", "wss://[::1]:1?x=1", "[::1]:1", "/?x=1", ""},
    {"ws://u:p@a/in?x=/", false, "http://a/", "ws://a/in?x=/", "a", "/in?x=/",
     "Authorization: Basic dTpw\r\n"},
};

START_TEST(a_websocket_keeps_its_path_and_query)
{
    int64_t before = mem_used(MEM_OTHER);
    for (size_t i = 0; i < ARRAY_LEN(good_ws); i++) {
        struct http_target t;
        struct err err;
        ck_assert_msg(http_target_parse_ws(&t, good_ws[i].text, &err) == 0, "%s", err.text);
        ck_assert_int_eq(t.tls, good_ws[i].tls);
        ck_assert_str_eq(t.url, good_ws[i].url);
        ck_assert_str_eq(t.shown, good_ws[i].shown);
        ck_assert_str_eq(t.host, good_ws[i].host);
        ck_assert_str_eq(t.prefix, good_ws[i].path);
        ck_assert_str_eq(t.authorization, good_ws[i].authorization);
        http_target_fini(&t);
    }
    ck_assert_int_eq(mem_used(MEM_OTHER), before);
}
END_TEST

START_TEST(a_websocket_that_cannot_work_is_refused_with_its_text)
{
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"htp://x", "--output-ws \"htp://x\": unknown scheme \"htp\" (use ws:// or wss://)"},
        {"https://x", "unknown scheme \"https\""},
        {"ws://", "no host (write ws://HOST[:PORT][/PATH][?QUERY])"},
        {"ws://a/#top", "a WebSocket has no fragment"},
        {"ws://a/b c", "blanks"},
        {"ws://a:port", "write ws://HOST"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_target t;
        struct err err;
        ck_assert_int_eq(http_target_parse_ws(&t, cases[i].text, &err), -EINVAL);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_msg(strstr(err.text, cases[i].complaint) != NULL, "%s", err.text);
    }
}
END_TEST

START_TEST(a_password_is_never_shown)
{
    struct http_target t;
    struct err err;
    ck_assert_int_eq(http_target_parse(&t, "output-http", "http://user:secret@host:1/p/", &err), 0);
    ck_assert_str_eq(t.shown, "http://host:1/p/");
    ck_assert_ptr_null(strstr(t.url, "secret"));
    http_target_fini(&t);
    http_target_fini(&t);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    int64_t before = mem_used(MEM_OTHER);
    struct http_target t;
    struct err err;
    int r = -1;
    for (uint64_t n = 1; r < 0; n++) {
        ck_assert_uint_lt(n, 100);
        mem_fail_at(n);
        r = http_target_parse(&t, "output-http", "http://u:p@host/prefix", &err);
        ck_assert(r == 0 || r == -ENOMEM);
    }
    mem_fail_at(0);
    http_target_fini(&t);
    ck_assert_int_eq(mem_used(MEM_OTHER), before);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_url_is_taken_apart,
        a_url_that_cannot_work_is_refused_with_its_text,
        a_websocket_keeps_its_path_and_query,
        a_websocket_that_cannot_work_is_refused_with_its_text,
        a_password_is_never_shown,
        every_allocation_may_fail,
    };
    return suite_of("http_target", tests, ARRAY_LEN(tests));
}
