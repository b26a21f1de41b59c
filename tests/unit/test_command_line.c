/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <string.h>

#include "cmd/command_line.h"

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
        any_bytes_are_copied_within_bounds,
    };
    return suite_of("command_line", tests, ARRAY_LEN(tests));
}
