/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include <string.h>

#include "cmd/command_line.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/userinfo.h"

START_TEST(what_is_secret_is_not_shown)
{
    static const struct {
        const char *first, *second; /* words of a command line */
        const char *shown[2];
    } cases[] = {
        {"--input-raw", ":8080", {"--input-raw", ":8080"}},
        {"--output-http", "http://u:p@h/x@y", {"--output-http", "http://***@h/x@y"}},
        {"--output-http=https://u:p@w@h|10%", NULL, {"--output-http=https://***@h|10%"}},
        {"-output-http", "u:p@h:80", {"-output-http", "***@h:80"}},
        {"--output-http", "http://h/?a=b@c", {"--output-http", "http://h/?a=b@c"}},
        {"--middleware",
         "x http://a:b@h http://c@h",
         {"--middleware", "x http://***@h http://***@h"}},
        {"--redact-key", "@/etc/key", {"--redact-key", "***"}},
        {"--http-set-header",
         "Authorization: Bearer x",
         {"--http-set-header", "Authorization:***"}},
        {"--http-header", "x-api-key: 5", {"--http-header", "x-api-key:***"}},
        {"--http-header=Cookie: a=b", NULL, {"--http-header=Cookie:***"}},
        {"--to-set-header", "X-Shadow: 1", {"--to-set-header", "X-Shadow: 1"}},
        {"--http-set-param", "token=5", {"--http-set-param", "token=***"}},
        {"--http-set-param", "x=5", {"--http-set-param", "x=5"}},
        {"--http-basic-auth-filter", "^me:", {"--http-basic-auth-filter", "***"}},
        {"--to-if", "cookie:sid=abc", {"--to-if", "cookie:sid=***"}},
        {"--to-if", "path:/a", {"--to-if", "path:/a"}},
        {"--output-file", "a\xff.gor", {"--output-file", "a\\xff.gor"}},
        {"--", "@", {"--", "@"}},
        {"", "", {"", ""}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char program[] = "/home/me/refrain";
        char *argv[] = {program, (char *)cases[i].first, (char *)cases[i].second, NULL};
        int argc = cases[i].second ? 3 : 2;
        json_t *list = command_line_json(argc, argv);
        ck_assert_uint_eq(json_array_size(list), (size_t)argc);
        ck_assert_str_eq(json_string_value(json_array_get(list, 0)), "refrain");
        for (int k = 1; k < argc; k++)
            ck_assert_str_eq(json_string_value(json_array_get(list, (size_t)k)),
                             cases[i].shown[k - 1]);
        json_decref(list);
    }
}
END_TEST

START_TEST(what_ps_shows_is_overwritten_and_the_copy_is_not)
{
    char program[] = "refrain", option[] = "--output-http", url[] = "http://me:sesame@host/x?a",
         shorter[] = "--output-http=http://a:b@h", header[] = "--http-header=Cookie: sid=sesame",
         property[] = "--kafka-property=ssl.key.password=sesame", plain[] = "--verbose=1";
    char *argv[] = {program, option, url, shorter, header, property, plain, NULL};
    char **copy = command_line_copy(7, argv);
    ck_assert_ptr_nonnull(copy);
    command_line_hide(7, argv);
    ck_assert_str_eq(copy[2], "http://me:sesame@host/x?a");
    ck_assert_str_eq(copy[4], "--http-header=Cookie: sid=sesame");
    ck_assert_ptr_null(copy[7]);
    mem_free(copy);
    ck_assert_str_eq(url, "http://***@host/x?a");
    ck_assert_str_eq(shorter, "--output-http=http://***@h");
    ck_assert_str_eq(header, "--http-header=Cookie:***");
    ck_assert_str_eq(property, "--kafka-property=ssl.key.password=***");
    ck_assert_str_eq(plain, "--verbose=1");
    ck_assert_ptr_null(memmem(url, sizeof(url), "same", 4)); /* nor behind its end */
    ck_assert_ptr_null(memmem(header, sizeof(header), "same", 4));
}
END_TEST

static const char *hidden(const char *text, size_t size)
{
    static char copy[128];
    snprintf(copy, sizeof(copy), "%s", text);
    userinfo_hide(copy, size);
    return copy;
}

START_TEST(errors_and_logs_show_no_password_of_a_url)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"--output-http \"http://me:s@me@h:1/x@y\": no",
         "--output-http \"http://***@h:1/x@y\": no"},
        {"--output-tcp me:sesame@h:1: no", "--output-tcp ***@h:1: no"},
        {"--output-http=me:sesame@h|x2", "--output-http=***@h|x2"},
        {"\"http://me:sesame@h\" is neither", "\"http://***@h\" is neither"},
        {"two http://a:b@c and ws://d:e@f", "two http://***@c and ws://***@f"},
        {"--tcp-key @FILE, --input-kafka-offset @2026-11-20T12:00", NULL},
        {"--http-allow-header \"From:.*@corp\"", NULL},
        {"http://h/path?to=a:b@c", NULL},
        {"://@", NULL},
        {"", NULL},
    };
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *wanted = cases[i].shown ? cases[i].shown : cases[i].text;
        ck_assert_str_eq(hidden(cases[i].text, 128), wanted);
        (void)err_usage(&err, "%s", cases[i].text);
        ck_assert_str_eq(err.text, wanted);
    }
    /* a name shorter than what stands for it, at the very end of the room */
    ck_assert_str_eq(hidden("http://a@host", 14), "http://***@ho");
    ck_assert_str_eq(hidden("x http://a@h", 13), "x http://***");
    ck_assert_str_eq(hidden("abcd http://a@", 15), "abcd http://");
}
END_TEST

START_TEST(any_bytes_are_copied_within_bounds)
{
    static const char *const words[] = {"://@", "://@://@://@", "@",
                                        "@@@@", "://",          "a://b@c://d@e"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char *argv[] = {(char *)"x", (char *)"--output-http", (char *)words[i], NULL};
        json_t *list = command_line_json(3, argv);
        ck_assert_uint_eq(json_array_size(list), 3);
        json_decref(list);
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        what_is_secret_is_not_shown,
        what_ps_shows_is_overwritten_and_the_copy_is_not,
        errors_and_logs_show_no_password_of_a_url,
        any_bytes_are_copied_within_bounds,
    };
    return suite_of("command_line", tests, ARRAY_LEN(tests));
}
