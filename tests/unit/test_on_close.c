/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "outputs/on_close.h"
#include "tests/unit/folder.h"

static struct on_close *make(const char *command)
{
    struct on_close *c = NULL;
    struct err err = {0};
    ck_assert_msg(on_close_prepare(command, &err) == 0 && on_close_new(&c, &err) == 0, "%s",
                  err.text);
    return c;
}

/* Of those that were prepared; NULL: there is none. */
static struct on_close *make_prepared(void)
{
    struct on_close *c = NULL;
    struct err err = {0};
    return on_close_new(&c, &err) == 0 ? c : NULL;
}

static void wait_for_all(struct on_close *c)
{
    int64_t start = clock_mono_ns();
    while (on_close_waiting(c) > 0) {
        ck_assert_int_lt(clock_mono_ns() - start, 30 * NS_PER_S);
        usleep(1000);
    }
}

static void expect_text(const char *name, const char *wanted)
{
    size_t n;
    char *text = (char *)file_get(name, &n);
    ck_assert_str_eq(text, wanted);
    free(text);
}

START_TEST(the_command_gets_each_file_once_and_in_order)
{
    folder_enter();
    struct on_close *c = make("printf '%s|' >>log");
    on_close_add(c, "a.gor");
    on_close_add(c, "b c.gor");
    on_close_add(c, "$(touch hacked); \"'`");
    wait_for_all(c);
    ck_assert_uint_eq(on_close_failed(c), 0);
    on_close_free(c);
    expect_text("log", "a.gor|b c.gor|$(touch hacked); \"'`|");
    ck_assert_int_eq(file_size("hacked"), -1);
    folder_leave();
}
END_TEST

START_TEST(braces_stand_for_the_name_as_often_as_they_are_there)
{
    folder_enter();
    struct on_close *c = make("printf '%s|' {} to {}.gz >>log");
    on_close_add(c, "a b");
    wait_for_all(c);
    on_close_free(c);
    expect_text("log", "a b|to|a b.gz|");
    folder_leave();
}
END_TEST

START_TEST(failures_are_counted)
{
    struct on_close *c = make("exit 3 #{}");
    on_close_add(c, "a");
    wait_for_all(c);
    ck_assert_uint_eq(on_close_failed(c), 1);
    ck_assert_uint_eq(on_close_failed(c), 0);
    on_close_free(c);
    c = make("kill -9 $$ #{}");
    on_close_add(c, "a");
    on_close_add(c, "b");
    wait_for_all(c);
    ck_assert_uint_eq(on_close_failed(c), 2);
    on_close_free(c);
    c = make("no-such-program");
    on_close_add(c, "a");
    wait_for_all(c);
    ck_assert_uint_eq(on_close_failed(c), 1);
    on_close_free(c);
}
END_TEST

START_TEST(a_slow_command_holds_up_nobody)
{
    struct on_close *c = make("sleep 3 #{}");
    int64_t start = clock_mono_ns();
    for (int i = 0; i < 100; i++)
        on_close_add(c, "a");
    ck_assert_uint_eq(on_close_waiting(c), 100);
    on_close_free(c); /* nor the end */
    ck_assert_int_lt(clock_mono_ns() - start, 2 * NS_PER_S);
    ck_assert_int_eq(mem_used(MEM_IO), 0);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    for (uint64_t nth = 1; nth < 6; nth++) {
        struct on_close *c = NULL;
        struct err err = {0};
        mem_fail_at(nth);
        int r = on_close_prepare("true", &err);
        if (r == 0)
            r = on_close_new(&c, &err);
        if (r == 0)
            on_close_add(c, "a");
        mem_fail_at(0);
        if (r == 0)
            wait_for_all(c);
        ck_assert(r == 0 || err.text[0]);
        on_close_free(c);
    }
    /* those that were prepared in vain go to whoever is next */
    for (struct on_close *c = make_prepared(); c; c = make_prepared())
        on_close_free(c);
    ck_assert_int_eq(mem_used(MEM_IO), 0);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        the_command_gets_each_file_once_and_in_order,
        braces_stand_for_the_name_as_often_as_they_are_there,
        failures_are_counted,
        a_slow_command_holds_up_nobody,
        every_allocation_may_fail,
    };
    return suite_of("on_close", tests, ARRAY_LEN(tests));
}
