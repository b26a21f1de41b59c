/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <string.h>

#include "cmd/ramp.h"

static struct ramp ramp_of(const char *text)
{
    struct limit limit;
    struct ramp ramp;
    struct err err;
    size_t len;
    ck_assert_msg(limit_parse("output-http", text, &len, &limit, &err) == 0, "%s", err.text);
    ramp_init(&ramp, &limit);
    return ramp;
}

START_TEST(a_ramp_is_read_with_a_key_that_nests_its_steps)
{
    struct limit limit;
    struct err err;
    size_t len;
    char text[64];
    ck_assert_int_eq(
        limit_parse("output-http", "u|ramp=1%,5%,20%;every=24h,10,weight=3", &len, &limit, &err),
        0);
    ck_assert_uint_eq(len, 1);
    ck_assert_uint_eq(limit.n_steps, 3);
    ck_assert(limit.percent == 1 && limit.rate == 10 && limit.weight == 3);
    ck_assert_int_eq(limit.every_ns, 24 * 3600 * NS_PER_S);
    ck_assert_int_eq(limit.by.kind, KEY_CONNECTION);
    ck_assert_int_eq(limit_parse("x", "u|by=ip,ramp=0.5%;every=1s", &len, &limit, &err), 0);
    ck_assert_int_eq(limit.by.kind, KEY_IP);
    struct ramp ramp = ramp_of("u|ramp=0.5%,1%,100%;every=1s");
    ramp_text(&ramp, text, sizeof(text));
    ck_assert_str_eq(text, "0.5%,1%,100%");
}
END_TEST

START_TEST(it_goes_on_when_it_has_run_for_long_enough)
{
    struct ramp ramp = ramp_of("u|ramp=1%,5%,20%;every=10s");
    int64_t now_ns = 100 * NS_PER_S;
    unsigned ups = 0;
    for (int i = 0; i < 300; i++, now_ns += NS_PER_S / 10) {
        bool up = ramp_tick(&ramp, true, now_ns);
        ck_assert_msg(up == (i == 100 || i == 200), "%d", i);
        ups += up;
    }
    ck_assert_uint_eq(ups, 2);
    ck_assert(ramp_percent(&ramp) == 20);
    ck_assert_int_eq(ramp_left_ns(&ramp), INT64_MAX);
}
END_TEST

START_TEST(time_does_not_count_while_it_is_paused)
{
    struct ramp ramp = ramp_of("u|ramp=1%,5%;every=10s");
    int64_t now_ns = NS_PER_S;
    ck_assert(!ramp_tick(&ramp, true, now_ns));
    ck_assert(!ramp_tick(&ramp, true, now_ns += 6 * NS_PER_S));
    ck_assert(!ramp_tick(&ramp, false, now_ns += NS_PER_S));
    ck_assert(!ramp_tick(&ramp, false, now_ns += 3600 * NS_PER_S));
    ck_assert(!ramp_tick(&ramp, true, now_ns += 3600 * NS_PER_S));
    ck_assert_int_eq(ramp_left_ns(&ramp), 4 * NS_PER_S);
    ck_assert(!ramp_tick(&ramp, true, now_ns += 3 * NS_PER_S));
    ck_assert(ramp_tick(&ramp, true, now_ns += 2 * NS_PER_S));
}
END_TEST

START_TEST(back_is_one_step_and_held_until_it_is_resumed)
{
    struct ramp ramp = ramp_of("u|ramp=1%,5%,20%;every=1s");
    int64_t now_ns = NS_PER_S;
    for (int i = 0; i < 25; i++)
        ramp_tick(&ramp, true, now_ns += NS_PER_S / 10);
    ck_assert(ramp_percent(&ramp) == 20);
    ck_assert(ramp_back(&ramp));
    ck_assert(ramp_percent(&ramp) == 5);
    for (int i = 0; i < 100; i++)
        ck_assert(!ramp_tick(&ramp, true, now_ns += NS_PER_S));
    ck_assert_int_eq(ramp_left_ns(&ramp), INT64_MAX);
    ck_assert(ramp_back(&ramp));
    ck_assert(!ramp_back(&ramp));
    ck_assert(ramp_percent(&ramp) == 1);
    ramp_resume(&ramp);
    ck_assert(!ramp_tick(&ramp, true, now_ns += NS_PER_S));
    ck_assert(ramp_tick(&ramp, true, now_ns += NS_PER_S));
    ck_assert(ramp_percent(&ramp) == 5);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_ramp_is_read_with_a_key_that_nests_its_steps,
        it_goes_on_when_it_has_run_for_long_enough,
        time_does_not_count_while_it_is_paused,
        back_is_one_step_and_held_until_it_is_resumed,
    };
    return suite_of("ramp", tests, ARRAY_LEN(tests));
}
