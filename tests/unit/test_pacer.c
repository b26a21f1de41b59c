/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/pacer.h"

/* Time that passes only in sleep, which always sleeps late_ns too long. */
struct fake_time {
    int64_t now_ns, late_ns;
    uint64_t sleeps;
};

static int64_t fake_now(void *arg)
{
    return ((struct fake_time *)arg)->now_ns;
}

static void fake_sleep(void *arg, int64_t wait_ns, int wake_fd)
{
    struct fake_time *t = arg;
    (void)wake_fd;
    ck_assert_int_gt(wait_ns, 0);
    t->now_ns += wait_ns + t->late_ns;
    t->sleeps++;
}

static void init(struct pacer *p, struct fake_time *t, int64_t max_gap_ns)
{
    struct pacer_clock clock = {.now_ns = fake_now, .sleep = fake_sleep, .arg = t};
    pacer_init(p, &clock, max_gap_ns);
}

static int64_t play(struct pacer *p, int64_t offset_ns)
{
    int64_t deadline_ns = pacer_deadline(p, offset_ns);
    while (!pacer_is_due(p, deadline_ns))
        pacer_wait(p, deadline_ns, NS_PER_S, -1);
    return deadline_ns;
}

START_TEST(a_replay_takes_exactly_the_time_of_the_recording_by_its_speed)
{
    static const struct {
        double percent;
        int64_t total_ns;
    } table[] = {{100, 3000 * NS_PER_MS},
                 {200, 1500 * NS_PER_MS},
                 {1000, 300 * NS_PER_MS},
                 {50, 6000 * NS_PER_MS},
                 {12.5, 24000 * NS_PER_MS}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fake_time t = {.now_ns = 777 * NS_PER_S, .late_ns = 60 * NS_PER_US};
        struct pacer p;
        int64_t first = INT64_C(1700000000123456789), last = 0;
        init(&p, &t, 0);
        for (int64_t n = 0; n <= 3000; n++) /* 1 ms apart */
            last = play(&p, pacer_offset(first + n * NS_PER_MS, first, table[i].percent));
        ck_assert_int_eq(last, 777 * NS_PER_S + table[i].total_ns);
        /* errors of single sleeps do not add up */
        ck_assert_int_le(t.now_ns - last, t.late_ns);
        ck_assert_int_ge(t.now_ns - last, -PACER_EARLY_NS);
    }
}
END_TEST

START_TEST(the_first_record_is_due_at_once_whatever_its_timestamp)
{
    struct fake_time t = {.now_ns = 5};
    struct pacer p;
    init(&p, &t, 0);
    ck_assert_int_eq(play(&p, 123456), 5);
    ck_assert_int_eq(play(&p, 123456 + NS_PER_S), 5 + NS_PER_S);
    ck_assert_uint_eq(t.sleeps, 1);
}
END_TEST

START_TEST(a_late_record_goes_out_at_once_and_those_after_it_keep_their_times)
{
    struct fake_time t = {.now_ns = 0};
    struct pacer p;
    init(&p, &t, 0);
    play(&p, 0);
    t.now_ns = 10 * NS_PER_MS; /* a target stalled */
    uint64_t sleeps = t.sleeps;
    for (int64_t n = 1; n <= 10; n++)
        ck_assert_int_eq(play(&p, n * NS_PER_MS), n * NS_PER_MS);
    ck_assert_uint_eq(t.sleeps, sleeps);
    ck_assert_int_eq(t.now_ns, 10 * NS_PER_MS);
    ck_assert_int_eq(play(&p, 12 * NS_PER_MS), 12 * NS_PER_MS);
    ck_assert_int_eq(t.now_ns, 12 * NS_PER_MS - PACER_EARLY_NS);
}
END_TEST

START_TEST(a_long_gap_is_shortened_and_moves_all_that_follows)
{
    struct fake_time t = {.now_ns = 0};
    struct pacer p;
    init(&p, &t, NS_PER_S);
    ck_assert_int_eq(play(&p, 0), 0);
    ck_assert_int_eq(play(&p, 3600 * NS_PER_S), NS_PER_S);
    ck_assert_int_eq(play(&p, 3600 * NS_PER_S + 500), NS_PER_S + 500);
    ck_assert_int_eq(play(&p, 3602 * NS_PER_S + 500), 2 * NS_PER_S + 500);
}
END_TEST

START_TEST(a_second_round_goes_on_where_the_first_one_ended)
{
    struct fake_time t = {.now_ns = 0};
    struct pacer p;
    init(&p, &t, 0);
    play(&p, 0);
    play(&p, NS_PER_S);
    pacer_restart(&p);
    ck_assert_int_eq(play(&p, 0), NS_PER_S);
    ck_assert_int_eq(play(&p, NS_PER_S), 2 * NS_PER_S);
}
END_TEST

START_TEST(after_time_stood_still_all_deadlines_are_later_by_as_much)
{
    struct fake_time t = {.now_ns = 0};
    struct pacer p;
    init(&p, &t, NS_PER_S);
    play(&p, 0);
    play(&p, 500 * NS_PER_MS);
    t.now_ns += 3 * NS_PER_S;
    pacer_hold(&p, 3 * NS_PER_S);
    ck_assert_int_eq(play(&p, 600 * NS_PER_MS), 3600 * NS_PER_MS);
    ck_assert_int_eq(play(&p, 9 * NS_PER_S), 4600 * NS_PER_MS); /* gaps are cut as before */
}
END_TEST

START_TEST(another_speed_counts_from_the_moment_it_is_set)
{
    struct fake_time t = {.now_ns = 100 * NS_PER_S};
    struct pacer p;
    init(&p, &t, 0);
    play(&p, 7 * NS_PER_S);
    play(&p, 8 * NS_PER_S);
    t.now_ns = 101 * NS_PER_S + 500 * NS_PER_MS;
    int64_t next_ns = pacer_deadline(&p, 9 * NS_PER_S); /* due at 102 s; then half of 500 ms */
    ck_assert_int_eq(pacer_set_speed(&p, 2, next_ns), 101 * NS_PER_S + 750 * NS_PER_MS);
    ck_assert_int_eq(pacer_deadline(&p, 9 * NS_PER_S), 101 * NS_PER_S + 750 * NS_PER_MS);
    ck_assert_int_eq(play(&p, 10 * NS_PER_S), 102 * NS_PER_S + 250 * NS_PER_MS);
    t.now_ns = 102 * NS_PER_S + 250 * NS_PER_MS;
    ck_assert_int_eq(pacer_set_speed(&p, 1, 0), 0); /* what lies in the past stays there */
    ck_assert_int_eq(play(&p, 11 * NS_PER_S), 103 * NS_PER_S + 250 * NS_PER_MS);
    pacer_set_speed(&p, 0.5, 0);
    ck_assert_int_eq(play(&p, 12 * NS_PER_S), 105 * NS_PER_S + 250 * NS_PER_MS + PACER_EARLY_NS);
}
END_TEST

START_TEST(a_wait_is_never_longer_than_asked_for)
{
    struct fake_time t = {.now_ns = 0};
    struct pacer p;
    init(&p, &t, 0);
    pacer_deadline(&p, 0);
    int64_t deadline_ns = pacer_deadline(&p, NS_PER_S);
    pacer_wait(&p, deadline_ns, 200 * NS_PER_MS, -1);
    ck_assert_int_eq(t.now_ns, 200 * NS_PER_MS);
}
END_TEST

START_TEST(offsets_are_exact_over_years_and_never_overflow)
{
    int64_t first = INT64_C(1700000000000000001), year = 365 * 86400 * NS_PER_S;
    ck_assert_int_eq(pacer_offset(first + 10 * year + 1, first, 100), 10 * year + 1);
    ck_assert_int_eq(pacer_offset(first + 2, first, 200), 1);
    ck_assert_int_eq(pacer_offset(first - 2, first, 200), -1);
    ck_assert_int_gt(pacer_offset(INT64_MAX, INT64_MIN, 0.001), 0);
    ck_assert_int_lt(pacer_offset(INT64_MIN, INT64_MAX, 0.001), 0);
}
END_TEST

START_TEST(the_real_clock_wakes_up_when_the_descriptor_is_readable)
{
    struct pacer p;
    int fd = eventfd(1, EFD_CLOEXEC);
    pacer_init(&p, &pacer_real_clock, 0);
    pacer_deadline(&p, 0);
    int64_t before = clock_mono_ns();
    pacer_wait(&p, pacer_deadline(&p, 3600 * NS_PER_S), 3600 * NS_PER_S, fd);
    ck_assert_int_lt(clock_mono_ns() - before, 30 * NS_PER_S);
    close(fd);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_replay_takes_exactly_the_time_of_the_recording_by_its_speed,
        the_first_record_is_due_at_once_whatever_its_timestamp,
        a_late_record_goes_out_at_once_and_those_after_it_keep_their_times,
        a_long_gap_is_shortened_and_moves_all_that_follows,
        a_second_round_goes_on_where_the_first_one_ended,
        after_time_stood_still_all_deadlines_are_later_by_as_much,
        another_speed_counts_from_the_moment_it_is_set,
        a_wait_is_never_longer_than_asked_for,
        offsets_are_exact_over_years_and_never_overflow,
        the_real_clock_wakes_up_when_the_descriptor_is_readable,
    };
    return suite_of("pacer", tests, ARRAY_LEN(tests));
}
