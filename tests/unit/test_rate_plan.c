/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/rate_plan.h"

static struct rate_plan plan_of(const char *text)
{
    struct rate_plan plan;
    struct limit limit;
    struct err err;
    size_t len;
    ck_assert_int_eq(limit_parse("input-file", text, &len, &limit, &err), 0);
    rate_plan_init(&plan, &limit);
    return plan;
}

START_TEST(a_fixed_rate_is_even)
{
    struct rate_plan plan = plan_of("x|500rps");
    for (uint64_t n = 0; n < 100000; n++) {
        int64_t off = rate_plan_due_ns(&plan, n) - (int64_t)n * 2 * NS_PER_MS;
        ck_assert_int_le(off < 0 ? -off : off, 1);
    }
}
END_TEST

START_TEST(a_ramp_grows_evenly_and_then_stays)
{
    struct rate_plan plan = plan_of("x|500rps..2000rps/60s");
    /* the mean of 60 s is 1250 per second; after them 2000 */
    ck_assert_int_eq(rate_plan_due_ns(&plan, 75000) / NS_PER_MS, 60000);
    ck_assert_int_eq(rate_plan_due_ns(&plan, 77000) / NS_PER_MS, 61000);
    /* at half of the time the rate is 1250, and 30 * (500 + 1250) / 2 are out */
    ck_assert_int_eq(rate_plan_due_ns(&plan, 26250) / NS_PER_MS, 30000);
    int64_t before = -1, gap_before = NS_PER_S;
    for (uint64_t n = 0; n < 75000; n++) {
        int64_t due = rate_plan_due_ns(&plan, n), gap = due - before;
        ck_assert_int_gt(gap, 0);
        ck_assert_int_le(gap, gap_before + 2); /* rounding */
        before = due;
        gap_before = n > 0 ? gap : NS_PER_S;
    }
}
END_TEST

START_TEST(a_ramp_may_go_down)
{
    struct rate_plan plan = plan_of("x|100rps..10rps/10s");
    ck_assert_int_eq(rate_plan_due_ns(&plan, 550) / NS_PER_MS, 10000);
    ck_assert_int_eq(rate_plan_due_ns(&plan, 560) / NS_PER_MS, 11000);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_fixed_rate_is_even,
        a_ramp_grows_evenly_and_then_stays,
        a_ramp_may_go_down,
    };
    return suite_of("rate_plan", tests, ARRAY_LEN(tests));
}
