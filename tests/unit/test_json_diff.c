/* SPDX-License-Identifier: MIT */
/* Differences in JSON, the paths that name them, and the rules that ignore them. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/options_table.h"
#include "compare/ignore.h"
#include "compare/json_diff.h"
#include "lib/mem.h"

/* "kind location first second; " for each. */
struct told {
    struct difference_sink sink;
    size_t n;
    char text[16384];
};

static void tell(struct difference_sink *sink, const struct difference *d)
{
    struct told *told = container_of(sink, struct told, sink);
    char value[2][VALUE_MAX];
    size_t len = strlen(told->text);
    difference_value(d, 0, value[0]);
    difference_value(d, 1, value[1]);
    told->n++;
    snprintf(told->text + len, sizeof(told->text) - len, "%s %s %s %s; ",
             difference_kind_name(d->kind), d->location, value[0], value[1]);
}

static struct ignore *ignoring(const char *const *rules)
{
    struct options *options;
    struct ignore *ignore;
    struct err err;
    ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    for (; *rules; rules++)
        ck_assert_int_eq(
            options_set(options, "compare-ignore", *rules, OPTION_FROM_COMMAND_LINE, &err), 0);
    ck_assert_msg(ignore_open(&ignore, options, &err) == 0, "%s", err.text);
    options_free(options);
    return ignore;
}

static void diff(struct told *told, const char *first, const char *second,
                 const struct ignore *ignore)
{
    *told = (struct told){.sink = {tell}};
    json_t *a = json_diff_parse(span_str(first)), *b = json_diff_parse(span_str(second));
    ck_assert_msg(a && b, "%s %s", first, second);
    json_diff(a, b, ignore, &told->sink);
    json_decref(a);
    json_decref(b);
}

START_TEST(differences_are_told_by_their_paths)
{
    static const struct {
        const char *first, *second, *told;
    } cases[] = {
        {"{\"a\":1,\"b\":[1,2]}", " { \"b\" : [ 1, 2.0 ], \"a\": 1 } ", ""},
        {"{\"a\":1}", "{\"a\":2}", "changed body:$.a 1 2; "},
        {"{\"a\":1}", "{\"a\":\"1\"}", "type body:$.a 1 \"1\"; "},
        {"{\"a\":null}", "{}", "missing body:$.a null ; "},
        {"{}", "{\"a\":{\"b\":1}}", "added body:$.a  {\"b\":1}; "},
        {"[true]", "[false]", "changed body:$[*] true false; "},
        {"[1]", "[1,2,3]", "added body:$[*]  2; "},
        {"[[1],[2]]", "[[1],[3]]", "changed body:$[*][*] 2 3; "},
        {"[]", "{}", "type body:$ [] {}; "},
        {"{\"items\":[{\"price\":1},{\"price\":2}]}", "{\"items\":[{\"price\":1},{\"price\":3}]}",
         "changed body:$.items[*].price 2 3; "},
        {"{\"a.b\":1}", "{\"a.b\":2}", "changed body:$[\"a.b\"] 1 2; "},
        {"{\"\":1}", "{\"\":2}", "changed body:$[\"\"] 1 2; "},
        {"{\"a\\\"\\u0001\\\\\":1}", "{\"a\\\"\\u0001\\\\\":2}",
         "changed body:$[\"a\\\"\\u0001\\\\\"] 1 2; "},
        {"{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000z\"}",
         "changed body:$.a \"x\\u0000y\" \"x\\u0000z\"; "},
        {"{\"a\":1e400}", "{\"a\":1}", NULL},
        {"{\"a\":99999999999999999999}", "{\"a\":1}", NULL},
    };
    struct ignore *nothing = ignoring((const char *const[]){NULL});
    struct told told;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (!cases[i].told) {
            ck_assert_ptr_null(json_diff_parse(span_str(cases[i].first)));
            continue;
        }
        diff(&told, cases[i].first, cases[i].second, nothing);
        ck_assert_str_eq(told.text, cases[i].told);
    }
    ignore_free(nothing);
    ck_assert_int_eq(mem_used(MEM_OTHER), 0);
}
END_TEST

START_TEST(rules_ignore_a_value_and_all_that_it_holds)
{
    static const char first[] =
        "{\"id\":1,\"user\":{\"id\":1,\"tags\":[{\"id\":1,\"x y\":1}]},\"list\":[1]}";
    static const char second[] =
        "{\"id\":2,\"user\":{\"id\":2,\"tags\":[{\"id\":2,\"x y\":2}]},\"list\":[2]}";
    static const struct {
        const char *rules[4];
        const char *left; /* the paths that are left, in their order */
    } cases[] = {
        {{"json:$"}, ""},
        {{"json:$.**"}, ""},
        {{"json:$.id"}, "$.user.id $.user.tags[*].id $.user.tags[*][\"x y\"] $.list[*]"},
        {{"json:$.**.id"}, "$.user.tags[*][\"x y\"] $.list[*]"},
        {{"json:$.*.id"}, "$.id $.user.tags[*].id $.user.tags[*][\"x y\"] $.list[*]"},
        {{"json:$.user"}, "$.id $.list[*]"},
        {{"json:$.user.**.id"}, "$.id $.user.tags[*][\"x y\"] $.list[*]"},
        {{"json:$.**[*].id"}, "$.id $.user.id $.user.tags[*][\"x y\"] $.list[*]"},
        {{"json:$.**.tags.**.id"}, "$.id $.user.id $.user.tags[*][\"x y\"] $.list[*]"},
        {{"json:$.**[\"x y\"]"}, "$.id $.user.id $.user.tags[*].id $.list[*]"},
        {{"json:$.*[*]"}, "$.id $.user.id $.user.tags[*].id $.user.tags[*][\"x y\"]"},
        {{"json:$.**[\"\\u0078 y\"]"}, "$.id $.user.id $.user.tags[*].id $.list[*]"},
        {{"json:$.list", "json:$.id", "json:$.user.tags"}, "$.user.id"},
        {{"json:$.user.idx", "json:$.lis", "json:$.user.id.more"},
         "$.id $.user.id $.user.tags[*].id $.user.tags[*][\"x y\"] $.list[*]"},
        {{"header:id"}, "$.id $.user.id $.user.tags[*].id $.user.tags[*][\"x y\"] $.list[*]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ignore *ignore = ignoring(cases[i].rules);
        struct told told;
        char left[1024] = "";
        diff(&told, first, second, ignore);
        for (char *p = strstr(told.text, "body:"); p; p = strstr(p + 1, "body:")) {
            const char *end = strstr(p, " 1 2;");
            size_t len = strlen(left);
            snprintf(left + len, sizeof(left) - len, "%s%.*s", len > 0 ? " " : "",
                     (int)(end - p - 5), p + 5);
        }
        ck_assert_msg(strcmp(left, cases[i].left) == 0, "%s: %s", cases[i].rules[0], left);
        ignore_free(ignore);
    }
    ck_assert_int_eq(mem_used(MEM_OTHER), 0);
}
END_TEST

START_TEST(rules_that_cannot_be_read_are_told_with_their_place)
{
    static const struct {
        const char *rule, *place;
    } cases[] = {
        {"", "character 1:"},
        {"x:y", "character 1:"},
        {"header:", "character 8:"},
        {"header:a:b", "character 9:"},
        {"json:", "character 6:"},
        {"json:a", "character 6:"},
        {"json:$a", "character 7:"},
        {"json:$.", "character 8:"},
        {"json:$.***", "character 8:"},
        {"json:$.a.", "character 10:"},
        {"json:$.a b", "character 9:"},
        {"json:$[", "character 8:"},
        {"json:$[1]", "character 8:"},
        {"json:$[\"a]", "character 11:"},
        {"json:$[\"a\\x\"]", "character 11:"},
        {"json:$[\"\\u12\"]", "character 10:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options *options;
        struct ignore *ignore = NULL;
        struct err err;
        ck_assert_int_eq(options_new(&options, &refrain_options), 0);
        ck_assert_int_eq(
            options_set(options, "compare-ignore", cases[i].rule, OPTION_FROM_COMMAND_LINE, &err),
            0);
        ck_assert_msg(ignore_open(&ignore, options, &err) < 0, "%s", cases[i].rule);
        ck_assert_msg(strstr(err.text, cases[i].place) != NULL, "%s: %s", cases[i].rule, err.text);
        options_free(options);
    }
    char rule[400] = "json:$";
    for (size_t i = 0; i < JSON_DEPTH_MAX + 1; i++)
        sprintf(rule + strlen(rule), ".a");
    size_t at;
    const char *expected;
    struct json_pattern *pattern;
    ck_assert_int_lt(json_pattern_parse(&pattern, rule + 5, &at, &expected), 0);
    ck_assert_uint_eq(at, 1 + 2 * JSON_DEPTH_MAX);
    ck_assert_int_eq(mem_used(MEM_OTHER), 0);
}
END_TEST

static char *nested(size_t depth, char inner)
{
    char *text = malloc(2 * depth + 2);
    memset(text, '[', depth);
    text[depth] = inner;
    memset(text + depth + 1, ']', depth);
    text[2 * depth + 1] = '\0';
    return text;
}

START_TEST(what_is_deep_long_or_much_is_bounded)
{
    struct ignore *nothing = ignoring((const char *const[]){NULL});
    struct told told;
    char *first = nested(1000, '1'), *second = nested(1000, '2');
    diff(&told, first, second, nothing);
    ck_assert_uint_eq(told.n, 1);
    ck_assert_ptr_nonnull(strstr(told.text, "changed body:$[*][*]"));
    free(first);
    free(second);
    first = nested(60000, '1');
    ck_assert_ptr_null(json_diff_parse(span_str(first)));
    free(first);
    /* a long name is cut, between characters */
    char a[1024], b[1024], name[700];
    for (size_t i = 0; i + 3 <= sizeof(name); i += 2)
        snprintf(name + i, 3, "\xc3\xa4");
    snprintf(a, sizeof(a), "{\"%s\":1}", name);
    snprintf(b, sizeof(b), "{\"%s\":2}", name);
    diff(&told, a, b, nothing);
    ck_assert_ptr_nonnull(strstr(told.text, "\xc3\xa4... 1 2; "));
    /* more differences than anyone reads */
    char *many = malloc(300000), *p = many;
    *p++ = '[';
    for (size_t i = 0; i < 30000; i++)
        p += sprintf(p, "%s%zu", i ? "," : "", i);
    memcpy(p, "]", 2);
    char *none = strdup(many);
    for (char *c = none; *c; c++)
        *c = *c == '7' ? '8' : *c;
    diff(&told, many, none, nothing);
    ck_assert_uint_gt(told.n, 8000);
    ck_assert_uint_le(told.n, 20001);
    free(many);
    free(none);
    ignore_free(nothing);
}
END_TEST

START_TEST(values_are_shown_short_and_harmless)
{
    static const struct {
        struct span in;
        const char *out;
    } cases[] = {
        {{(const uint8_t *)"plain", 5}, "plain"},
        {{(const uint8_t *)"a\0b\x1b[2J\x7f", 8}, "a\\x00b\\x1b[2J\\x7f"},
        {{(const uint8_t *)"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb5", 9},
         "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb5"},
        {{(const uint8_t *)"\xff\xc3", 2}, "\\xff\\xc3"},
        {{(const uint8_t *)"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", 9},
         "\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80"},
        {{(const uint8_t *)"\xc2\x9b", 2}, "\\xc2\\x9b"},
        {{NULL, 0}, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[VALUE_MAX];
        difference_escape(out, sizeof(out), cases[i].in);
        ck_assert_str_eq(out, cases[i].out);
    }
    static const uint8_t euro_and_control[] = {0xe2, 0x82, 0xac, 1};
    char out[VALUE_MAX], text[1000];
    for (size_t fill = 0; fill < 200; fill++) {
        memset(text, 'x', sizeof(text));
        memcpy(text + fill, euro_and_control, sizeof(euro_and_control));
        difference_escape(out, sizeof(out), span_of(text, sizeof(text)));
        ck_assert_uint_lt(strlen(out), VALUE_MAX);
        ck_assert_uint_gt(strlen(out), VALUE_MAX - 6);
    }
    json_t *large = json_array();
    for (int i = 0; i < 10000; i++)
        json_array_append_new(large, json_integer(i));
    struct difference d = {.json = {large, NULL}};
    difference_value(&d, 0, out);
    ck_assert_uint_eq(strlen(out), VALUE_MAX - 1);
    ck_assert_int_eq(strncmp(out, "[0,1,2,3,", 9), 0);
    difference_value(&d, 1, out);
    ck_assert_str_eq(out, "");
    json_decref(large);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        differences_are_told_by_their_paths,
        rules_ignore_a_value_and_all_that_it_holds,
        rules_that_cannot_be_read_are_told_with_their_place,
        what_is_deep_long_or_much_is_bounded,
        values_are_shown_short_and_harmless,
    };
    return suite_of("json_diff", tests, ARRAY_LEN(tests));
}
