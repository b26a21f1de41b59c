/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <string.h>

#include "capture/kafka_start.h"

static struct kafka_start parsed(const char *text)
{
    struct kafka_start start;
    struct err err;
    ck_assert_msg(kafka_start_parse(&start, text, &err) == 0, "%s: %s", text, err.text);
    return start;
}

START_TEST(an_offset_says_where_and_how_fast)
{
    static const struct {
        const char *text;
        int kind;
        int64_t value;
        double percent;
        const char *reset;
    } cases[] = {
        {"-1", KAFKA_START_OFFSET, RD_KAFKA_OFFSET_END, 0, "latest"},
        {"-1|50%", KAFKA_START_OFFSET, RD_KAFKA_OFFSET_END, 50, "latest"},
        {"-2", KAFKA_START_OFFSET, RD_KAFKA_OFFSET_BEGINNING, 100, "earliest"},
        {"-2|200%", KAFKA_START_OFFSET, RD_KAFKA_OFFSET_BEGINNING, 200, "earliest"},
        {"0|100", KAFKA_START_OFFSET, 0, 100, "error"},
        {"4711", KAFKA_START_OFFSET, 4711, 100, "error"},
        {"@2026-11-20T12:00:00Z", KAFKA_START_TIME, INT64_C(1795176000000), 100, "error"},
        {"group", KAFKA_START_GROUP, 0, 0, "earliest"},
        {"group|3000", KAFKA_START_GROUP, 0, 0, "earliest"},
        {"group|200%", KAFKA_START_GROUP, 0, 200, "earliest"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kafka_start start = parsed(cases[i].text);
        ck_assert_int_eq(start.kind, cases[i].kind);
        ck_assert_int_eq(start.value, cases[i].value);
        ck_assert_double_eq(start.percent, cases[i].percent);
        ck_assert_str_eq(kafka_start_reset(&start), cases[i].reset);
    }
}
END_TEST

START_TEST(what_is_no_offset_is_refused_with_its_text)
{
    static const char *const texts[] = {"",
                                        "-3",
                                        "x",
                                        "@",
                                        "1x",
                                        "@now",
                                        "2026-11-20",
                                        "groups",
                                        "-2|x",
                                        "@2026-11-20T12:00:00",
                                        "@2026-11-20T12:00:00Zx"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct kafka_start start;
        struct err err;
        ck_assert_msg(kafka_start_parse(&start, texts[i], &err) < 0, "%s", texts[i]);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_ptr_nonnull(strstr(err.text, "--input-kafka-offset"));
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        an_offset_says_where_and_how_fast,
        what_is_no_offset_is_refused_with_its_text,
    };
    return suite_of("kafka_start", tests, ARRAY_LEN(tests));
}
