/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "lib/limit.h"

static int parse(const char *text, size_t *len, struct limit *limit, struct err *err)
{
    return limit_parse("output-http", text, len, limit, err);
}

START_TEST(suffixes_are_read_as_gor_reads_them_with_decimals)
{
    static const struct {
        const char *text;
        size_t len;
        double rate, percent;
    } good[] = {
        {"http://a", 8, 0, 0},       {"http://a|", 8, 0, 0},     {"http://a|10", 8, 10, 0},
        {"http://a|0.5", 8, 0.5, 0}, {"http://a|10%", 8, 0, 10}, {"http://a|0.5%", 8, 0, 0.5},
        {"x.gor|200%", 5, 0, 200},   {"a|b|5", 3, 5, 0},         {"http://a|500rps", 8, 500, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct limit limit;
        struct err err;
        size_t len;
        ck_assert_int_eq(parse(good[i].text, &len, &limit, &err), 0);
        ck_assert_uint_eq(len, good[i].len);
        ck_assert_double_eq(limit.rate, good[i].rate);
        ck_assert_double_eq(limit.percent, good[i].percent);
        ck_assert_int_eq(limit.rps, strstr(good[i].text, "rps") != NULL);
    }
}
END_TEST

START_TEST(terms_stand_beside_each_other_with_commas)
{
    struct limit limit;
    struct err err;
    size_t len;
    ck_assert_int_eq(parse("http://a|10%,by=header:X-User,weight=33.5,x3", &len, &limit, &err), 0);
    ck_assert_uint_eq(len, 8);
    ck_assert_double_eq(limit.percent, 10);
    ck_assert_double_eq(limit.weight, 33.5);
    ck_assert_uint_eq(limit.copies, 3);
    ck_assert_int_eq(limit.by.kind, KEY_FIELD);
    ck_assert_str_eq(limit.by.name, "X-User");
    ck_assert_int_eq(parse("a|10,per=ip,5%", &len, &limit, &err), 0);
    ck_assert_double_eq(limit.rate, 10);
    ck_assert_double_eq(limit.percent, 5);
    ck_assert_int_eq(limit.per.kind, KEY_IP);
    ck_assert_int_eq(limit.by.kind, KEY_NONE);
    ck_assert_int_eq(parse("a|500rps..2000rps/1m30s", &len, &limit, &err), 0);
    ck_assert_double_eq(limit.rate, 500);
    ck_assert_double_eq(limit.rate_to, 2000);
    ck_assert_int_eq(limit.ramp_ns, 90 * NS_PER_S);
}
END_TEST

START_TEST(what_is_no_limit_is_an_error_that_quotes_it)
{
    static const char *const bad[] = {
        "a|abc",
        "a|12x",
        "a|0",
        "a|0%",
        "a|-1",
        "a|1e3",
        "a|%",
        "a|5%%",
        "a|.",
        "a| 10",
        "a|0x10",
        "a|rps",
        "a|5%rps",
        "a|99999999999",
        "a|by=ip",
        "a|per=ip",
        "a|5,per=",
        "a|5%,by=user",
        "a|5%,by=header:",
        "a|x0",
        "a|x2.5",
        "a|x1001",
        "a|weight=",
        "a|weight=0",
        "a|weight=-3",
        "a|1rps..2rps",
        "a|1rps..2/5s",
        "a|1..2rps/5s",
        "a|1rps..2rps/5",
        "a|5%,by=cookie:a b",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct limit limit;
        struct err err;
        size_t len;
        ck_assert_int_lt(parse(bad[i], &len, &limit, &err), 0);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_ptr_nonnull(strstr(err.text, bad[i]));
        ck_assert_ptr_nonnull(strstr(err.text, "--output-http"));
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        suffixes_are_read_as_gor_reads_them_with_decimals,
        terms_stand_beside_each_other_with_commas,
        what_is_no_limit_is_an_error_that_quotes_it,
    };
    return suite_of("limit", tests, ARRAY_LEN(tests));
}
