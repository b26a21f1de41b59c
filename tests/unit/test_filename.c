/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "outputs/filename.h"
#include "tests/unit/folder.h"

/* 2021-03-04 05:06:07.000000089 in UTC */
#define MOMENT_NS (INT64_C(1614834367) * NS_PER_S + 89)

static void expect_expanded(const char *pattern, const char *wanted)
{
    char name[PATH_MAX];
    struct filename_values v = {.wall_ns = MOMENT_NS, .id = span_str("c0ffee"), .type = '2'};
    ck_assert_int_eq(filename_expand(name, pattern, &v), 0);
    ck_assert_str_eq(name, wanted);
}

START_TEST(all_placeholders_are_expanded_and_nothing_else)
{
    setenv("TZ", "UTC", 1);
    tzset();
    expect_expanded("%Y%m%d-%H:%M:%S.gor", "20210304-05:06:07.gor");
    expect_expanded("a%NSb", "a89b");
    expect_expanded("%r/%t.gor", "c0ffee/2.gor");
    expect_expanded("100%-%x-%", "100%-%x-%");
    expect_expanded("%%Y", "%2021");
}
END_TEST

START_TEST(the_time_in_a_name_is_local_time)
{
    setenv("TZ", "TEST-03:30", 1);
    tzset();
    expect_expanded("%H%M", "0836");
}
END_TEST

START_TEST(the_instance_is_eight_letters_and_stays_the_same)
{
    char a[PATH_MAX], b[PATH_MAX];
    struct filename_values v = {.wall_ns = MOMENT_NS};
    ck_assert_int_eq(filename_expand(a, "%i", &v), 0);
    ck_assert_int_eq(filename_expand(b, "%i", &v), 0);
    ck_assert_str_eq(a, b);
    ck_assert_uint_eq(strlen(a), 8);
    ck_assert_uint_eq(strspn(a, "abcdefghijklmnopqrstuvwxyz"), 8);
}
END_TEST

START_TEST(an_id_from_outside_cannot_leave_the_folder)
{
    char name[PATH_MAX];
    struct filename_values v = {.id = span_str("../../etc/x")};
    ck_assert_int_eq(filename_expand(name, "d/%r.gor", &v), 0);
    ck_assert_str_eq(name, "d/______etc_x.gor");
}
END_TEST

START_TEST(a_name_that_is_too_long_is_refused)
{
    char name[PATH_MAX];
    char *pattern = malloc(2 * PATH_MAX);
    memset(pattern, 'x', 2 * PATH_MAX);
    pattern[2 * PATH_MAX - 1] = '\0';
    struct filename_values v = {0};
    ck_assert_int_eq(filename_expand(name, pattern, &v), -ENAMETOOLONG);
    pattern[PATH_MAX - 1] = '\0';
    ck_assert_int_eq(filename_expand(name, pattern, &v), 0);
    ck_assert_int_eq(filename_chunk(name, pattern, 0), -ENAMETOOLONG);
    free(pattern);
}
END_TEST

START_TEST(the_index_stands_before_the_whole_extension)
{
    static const char *const table[][2] = {
        {"x.gor.gz", "x_7.gor.gz"},
        {"a.b.gor.gz", "a.b_7.gor.gz"},
        {"log.txt", "log_7.txt"},
        {"x.gor", "x_7.gor"},
        {"x.gz", "x_7.gz"},
        {"host.example.gz", "host.example_7.gz"},
        {"plain", "plain_7"},
        {"v.d/plain", "v.d/plain_7"},
        {"req-10.0.0.1", "req-10.0.0.1_7"},
        {".hidden", ".hidden_7"},
        {".gz", ".gz_7"},
        {"x_5.gor", "x_5_7.gor"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char name[PATH_MAX];
        ck_assert_int_eq(filename_chunk(name, table[i][0], 7), 0);
        ck_assert_str_eq(name, table[i][1]);
    }
}
END_TEST

START_TEST(the_next_index_follows_the_highest_of_exactly_this_name)
{
    uint64_t index = 99;
    folder_enter();
    ck_assert_int_eq(filename_next("x.gor.gz", &index), 0);
    ck_assert_uint_eq(index, 0);
    static const char *const others[] = {"x-old_9.gor.gz", "x_other_8.gor.gz", "x_7.gor",
                                         "x_.gor.gz",      "x_6a.gor.gz",      "ax_6.gor.gz",
                                         "x_5.gor.gz~",    "x.gor.gz",         "x.gor_8.gz.bak"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        file_put(others[i], "", 0);
    ck_assert_int_eq(mkdir("x_dir", 0700), 0);
    ck_assert_int_eq(filename_next("x.gor.gz", &index), 0);
    ck_assert_uint_eq(index, 0);
    file_put("x_2.gor.gz", "", 0);
    file_put("x_10.gor.gz", "", 0);
    ck_assert_int_eq(filename_next("x.gor.gz", &index), 0);
    ck_assert_uint_eq(index, 11);
    file_put("x.gor_14.gz", "", 0); /* as gor names it */
    ck_assert_int_eq(filename_next("./x.gor.gz", &index), 0);
    ck_assert_uint_eq(index, 15);
    file_put("x_99999999999999999999999.gor.gz", "", 0);
    ck_assert_int_eq(filename_next("x.gor.gz", &index), 0);
    ck_assert_uint_eq(index, 15);
    folder_leave();
}
END_TEST

START_TEST(brackets_and_stars_in_a_name_mean_themselves)
{
    uint64_t index = 99;
    folder_enter();
    file_put("a[1]*_3.gor", "", 0);
    ck_assert_int_eq(filename_next("a[1]*.gor", &index), 0);
    ck_assert_uint_eq(index, 4);
    folder_leave();
}
END_TEST

START_TEST(a_missing_folder_has_no_chunks_yet)
{
    uint64_t index = 99;
    folder_enter();
    ck_assert_int_eq(filename_next("not/there/x.gor", &index), 0);
    ck_assert_uint_eq(index, 0);
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        all_placeholders_are_expanded_and_nothing_else,
        the_time_in_a_name_is_local_time,
        the_instance_is_eight_letters_and_stays_the_same,
        an_id_from_outside_cannot_leave_the_folder,
        a_name_that_is_too_long_is_refused,
        the_index_stands_before_the_whole_extension,
        the_next_index_follows_the_highest_of_exactly_this_name,
        brackets_and_stars_in_a_name_mean_themselves,
        a_missing_folder_has_no_chunks_yet,
    };
    return suite_of("filename", tests, ARRAY_LEN(tests));
}
