/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/units.h"

START_TEST(integers_follow_go_literals)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},     {"10", 10},      {"-2", -2},     {"+3", 3},
                {"0x10", 16}, {"0X1f", 31},    {"010", 8},     {"0o17", 15},
                {"0b101", 5}, {"1_000", 1000}, {"0x_ff", 255}, {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      "many",
                                      "1.5",
                                      " 1",
                                      "1 ",
                                      "1__0",
                                      "_1",
                                      "1_",
                                      "0x",
                                      "08",
                                      "0b2",
                                      "--1",
                                      "1a",
                                      "\xc3\xa9",
                                      "9223372036854775808",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t value = 77;
        ck_assert_msg(!units_parse_int(good[i].text, &value), "%s", good[i].text);
        ck_assert_int_eq(value, good[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t value = 77;
        const char *expected = units_parse_int(bad[i], &value);
        ck_assert_msg(expected && strcmp(expected, "a whole number") == 0, "%s", bad[i]);
        ck_assert_int_eq(value, 77);
    }
}
END_TEST

START_TEST(sizes_take_gors_suffixes_and_single_letters)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"0", 0},
                {"10485760", 10485760},
                {"5mb", 5 * MIB},
                {"5MB", 5 * MIB},
                {"32m", 32 * MIB},
                {"64K", 64 * KIB},
                {"1Gb", GIB},
                {"1t", TIB},
                {"1tb", TIB},
                {"0x10kb", 16 * KIB},
                {"0x1b", 27},
                {"1_000k", 1000 * KIB},
                {"8388607tb", UINT64_C(8388607) << 40}};
    static const char *const bad[] = {"",
                                      "mb",
                                      "-1",
                                      "1.5mb",
                                      "5b",
                                      "ff",
                                      "32q",
                                      "1 mb",
                                      "1mbx",
                                      "+1k",
                                      "1kkb",
                                      "8388608tb",
                                      "18446744073709551616",
                                      "9223372036854775808"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t value = 77;
        ck_assert_msg(!units_parse_size(good[i].text, &value), "%s", good[i].text);
        ck_assert_uint_eq(value, good[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t value = 77;
        ck_assert_msg(units_parse_size(bad[i], &value) != NULL, "%s", bad[i]);
        ck_assert_uint_eq(value, 77);
    }
}
END_TEST

START_TEST(durations_follow_go)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"0", 0},
                {"0s", 0},
                {"300ms", 300 * NS_PER_MS},
                {"1.5s", 1500 * NS_PER_MS},
                {".5s", 500 * NS_PER_MS},
                {"1.s", NS_PER_S},
                {"2m", 120 * NS_PER_S},
                {"1h30m", 5400 * NS_PER_S},
                {"1h1m1s1ms1us1ns", 3661001001001},
                {"7us", 7000},
                {"7\xc2\xb5s", 7000},
                {"9ns", 9},
                {"0.1h", 360 * NS_PER_S},
                {"0.000000001s", 1},
                {"2562047h47m16.854775807s", INT64_MAX}};
    static const struct {
        const char *text, *expected;
    } bad[] = {{"5", "a duration: add a unit, e.g. 5s"},
               {"1.5", "a duration: add a unit, e.g. 5s"},
               {"1h30", "a duration: add a unit, e.g. 5s"},
               {"", "a duration, e.g. 300ms, 1.5s or 1h30m"},
               {"soon", "a duration, e.g. 300ms, 1.5s or 1h30m"},
               {"-5s", "a duration, e.g. 300ms, 1.5s or 1h30m"},
               {"5 s", "a duration, e.g. 300ms, 1.5s or 1h30m"},
               {"s", "a duration, e.g. 300ms, 1.5s or 1h30m"},
               {".s", "a duration, e.g. 300ms, 1.5s or 1h30m"},
               {"5d", "a duration, e.g. 300ms, 1.5s or 1h30m"},
               {"1h-5m", "a duration, e.g. 300ms, 1.5s or 1h30m"},
               {"2562048h", "a duration below 292 years"},
               {"2562047h47m16.854775808s", "a duration below 292 years"},
               {"99999999999999999999s", "a duration below 292 years"}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ns = 77;
        ck_assert_msg(!units_parse_duration(good[i].text, &ns), "%s", good[i].text);
        ck_assert_int_eq(ns, good[i].ns);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ns = 77;
        const char *expected = units_parse_duration(bad[i].text, &ns);
        ck_assert_msg(expected != NULL, "%s", bad[i].text);
        ck_assert_str_eq(expected, bad[i].expected);
        ck_assert_int_eq(ns, 77);
    }
}
END_TEST

START_TEST(shares_are_percentages_or_fractions)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"1%", 0.01}, {"0.5%", 0.005}, {"0.01", 0.01}, {"0", 0},
                {"1", 1},     {"100%", 1},     {".5", 0.5},    {"0%", 0}};
    static const char *const bad[] = {"",    "%",   ".",   "1.1",  "101%", "-1%",   "1%%", "a",
                                      "nan", "inf", "0x1", "1e-2", "1 %",  "1.2.3", "1%x"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        double value = 77;
        ck_assert_msg(!units_parse_share(good[i].text, &value), "%s", good[i].text);
        ck_assert_double_eq_tol(value, good[i].value, 1e-12);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        double value = 77;
        ck_assert_msg(units_parse_share(bad[i], &value) != NULL, "%s", bad[i]);
        ck_assert(value > 76);
    }
}
END_TEST

START_TEST(booleans_have_their_usual_spellings)
{
    static const char *const yes[] = {"true", "TRUE", "t", "T", "1", "yes", "on", "On"};
    static const char *const no[] = {"false", "False", "f", "0", "no", "off"};
    static const char *const bad[] = {"", "tru", "2", "perhaps", " true", "y"};
    bool value = false;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        ck_assert(!units_parse_bool(yes[i], &value) && value);
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        ck_assert(!units_parse_bool(no[i], &value) && !value);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_ptr_nonnull(units_parse_bool(bad[i], &value));
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        integers_follow_go_literals,
        sizes_take_gors_suffixes_and_single_letters,
        durations_follow_go,
        shares_are_percentages_or_fractions,
        booleans_have_their_usual_spellings,
    };
    return suite_of("units", tests, ARRAY_LEN(tests));
}
