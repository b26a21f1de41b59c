/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "outputs/file_keep.h"
#include "outputs/filename_match.h"
#include "tests/unit/folder.h"

#define HOUR_NS (3600 * NS_PER_S)

/* A file of size bytes, written to so many hours ago. */
static void make(const char *name, size_t size, int64_t hours_ago)
{
    static const char bytes[4096];
    file_put(name, bytes, size);
    int64_t ns = clock_wall_ns() - hours_ago * HOUR_NS;
    struct timespec t[2] = {{.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S}};
    t[1] = t[0];
    ck_assert_int_eq(utimensat(AT_FDCWD, name, t, 0), 0);
}

static bool is_there(const char *name)
{
    return file_size(name) >= 0;
}

static struct file_keep keep(const char *text)
{
    struct file_keep k;
    struct err err = {0};
    ck_assert_msg(file_keep_parse(&k, text, &err) == 0, "%s: %s", text, err.text);
    return k;
}

START_TEST(rules_are_a_number_of_files_bytes_or_an_age)
{
    static const char *const wrong[] = {
        "0", "-1", "10m", "x",  "1,",  ",1",   "7 d",
        "d", "0d", "0mb", "1x", "1,,", "1h5m", "99999999999999999d"};
    struct file_keep k = keep("");
    ck_assert(!file_keep_any(&k));
    k = keep("100");
    ck_assert(k.files == 100 && k.bytes == 0 && k.age_ns == 0);
    k = keep("20gb");
    ck_assert(k.files == 0 && k.bytes == 20 * GIB && k.age_ns == 0);
    k = keep("7d");
    ck_assert(k.files == 0 && k.bytes == 0 && k.age_ns == 7 * 24 * HOUR_NS);
    k = keep("36h,5k,3");
    ck_assert(k.files == 3 && k.bytes == 5120 && k.age_ns == 36 * HOUR_NS);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct err err = {0};
        ck_assert_msg(file_keep_parse(&k, wrong[i], &err) == -EINVAL, "%s is taken", wrong[i]);
        ck_assert_ptr_nonnull(strstr(err.text, "--output-file-keep"));
    }
}
END_TEST

START_TEST(a_template_knows_the_names_that_it_makes)
{
    static const struct {
        const char *pattern, *name;
        bool indexed, matches;
    } table[] = {
        {"x.gor", "x.gor", false, true},
        {"x.gor", "x_0.gor", false, false},
        {"x.gor", "x_0.gor", true, true},
        {"x.gor", "x_12.gor", true, true},
        {"x.gor", "x.gor", true, false},
        {"x.gor", "x_.gor", true, false},
        {"x.gor", "x_1a.gor", true, false},
        {"x.gor", "x_1_2.gor", true, false},
        {"x.gor", "xx_1.gor", true, false},
        {"x.gor", "x_1.gor.gz", true, false},
        {"x.gor", ".x_1.gor", true, false},
        {"x.gor.gz", "x_1.gor.gz", true, true},
        {"x.gor.zst", "x_1.gor.zst", true, true},
        {"x", "x_7", true, true},
        {"x", "_7", true, false},
        {"r-%Y%m%d-%H%M%S.gor", "r-20261121-091500_3.gor", true, true},
        {"r-%Y%m%d-%H%M%S.gor", "r-20261121-09150_3.gor", true, false},
        {"r-%Y.gor", "r-2o26_3.gor", true, false},
        {"%NS.gor", "5_0.gor", true, true},
        {"%NS.gor", "1234567890_0.gor", true, false},
        {"%i-%t", "abcdefgh-1", false, true},
        {"%i-%t", "abcdefg1-1", false, false},
        {"%r.gor", "9c40_x-_0.gor", true, true},
        {"%r%r-%r", "aaaaaaaaaaaa-", false, false},
        {"100%x.gor", "100%x.gor", false, true},
        {"%", "%", false, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        ck_assert_msg(filename_matches(table[i].pattern, table[i].name, table[i].indexed) ==
                          table[i].matches,
                      "%s, %s", table[i].pattern, table[i].name);
}
END_TEST

START_TEST(the_oldest_files_beyond_the_number_go)
{
    folder_enter();
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof(name), "x_%d.gor", i);
        make(name, 10, 6 - i);
    }
    make("x_old.gor", 10, 100); /* none of ours */
    make("y_0.gor", 10, 100);
    ck_assert_int_eq(mkdir("x_9.gor", 0700), 0);
    ck_assert_int_eq(symlink("y_0.gor", "x_10.gor"), 0);
    struct file_keep k = keep("4");
    struct file_keep_result r = file_keep_run(&k, "x.gor", true, 0);
    ck_assert_uint_eq(r.deleted, 2);
    ck_assert_uint_eq(r.bytes, 40);
    ck_assert_int_eq(r.fault, 0);
    ck_assert(!is_there("x_0.gor") && !is_there("x_1.gor") && is_there("x_2.gor"));
    ck_assert(is_there("x_old.gor") && is_there("y_0.gor") && is_there("x_9.gor") &&
              is_there("x_10.gor"));
    folder_leave();
}
END_TEST

START_TEST(bytes_and_age_are_kept_to_and_files_in_use_stay)
{
    folder_enter();
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof(name), "x_%d.gor", i);
        make(name, 1000, 6 - i);
    }
    int fd = open("x_0.gor", O_RDONLY);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    struct file_keep k = keep("4k");
    struct file_keep_result r = file_keep_run(&k, "x.gor", true, 1000);
    ck_assert_uint_eq(r.deleted, 3); /* 3000 and the 1000 to come fit into 4096 */
    ck_assert(is_there("x_0.gor") && !is_there("x_1.gor") && !is_there("x_3.gor"));
    ck_assert(is_there("x_4.gor") && is_there("x_5.gor"));
    close(fd);
    k = keep("5400s");
    r = file_keep_run(&k, "x.gor", true, 0);
    ck_assert_uint_eq(r.deleted, 2);
    ck_assert(is_there("x_5.gor") && !is_there("x_4.gor") && !is_there("x_0.gor"));
    folder_leave();
}
END_TEST

START_TEST(folders_with_placeholders_are_looked_into)
{
    folder_enter();
    ck_assert_int_eq(mkdir("d", 0700), 0);
    ck_assert_int_eq(mkdir("d/2025", 0700), 0);
    ck_assert_int_eq(mkdir("d/2026", 0700), 0);
    ck_assert_int_eq(mkdir("d/other", 0700), 0);
    make("d/2025/x_0.gor", 10, 9);
    make("d/2026/x_0.gor", 10, 2);
    make("d/2026/x_1.gor", 10, 1);
    make("d/other/x_0.gor", 10, 100);
    struct file_keep k = keep("2");
    struct file_keep_result r = file_keep_run(&k, "./d//%Y/x.gor", true, 0);
    ck_assert_uint_eq(r.deleted, 1);
    ck_assert(!is_there("d/2025/x_0.gor") && is_there("d/2026/x_0.gor"));
    ck_assert(is_there("d/other/x_0.gor"));
    folder_leave();
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    folder_enter();
    struct file_keep k = keep("1");
    for (uint64_t nth = 1; nth < 12; nth++) {
        for (int i = 0; i < 4; i++) {
            char name[32];
            snprintf(name, sizeof(name), "x_%d.gor", i);
            make(name, 10, 6 - i);
        }
        mem_fail_at(nth);
        struct file_keep_result r = file_keep_run(&k, "x.gor", true, 0);
        mem_fail_at(0);
        ck_assert(r.fault == ENOMEM || r.deleted == 3);
        ck_assert(is_there("x_3.gor") || r.fault == ENOMEM);
    }
    ck_assert_int_eq(mem_used(MEM_IO), 0);
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        rules_are_a_number_of_files_bytes_or_an_age,
        a_template_knows_the_names_that_it_makes,
        the_oldest_files_beyond_the_number_go,
        bytes_and_age_are_kept_to_and_files_in_use_stay,
        folders_with_placeholders_are_looked_into,
        every_allocation_may_fail,
    };
    return suite_of("file_keep", tests, ARRAY_LEN(tests));
}
