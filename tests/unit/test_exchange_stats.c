/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>

#include "lib/exchange_stats.h"
#include "lib/mem.h"
#include "tests/unit/messages.h"

#define START (1000 * NS_PER_S)

static struct exchange_stats *begin(void)
{
    struct exchange_stats *s = NULL;
    ck_assert_int_eq(exchange_stats_new(&s), 0);
    return s;
}

static struct msg *get(const char *target)
{
    char bytes[256];
    snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
    struct msg *msg = message(MSG_REQUEST, "1", bytes);
    msg_parse_head(msg);
    return msg;
}

static void answer(struct exchange_stats *s, const char *target, uint16_t status, int64_t ms)
{
    struct msg *msg = get(target);
    exchange_answered(s, msg, status, ms * NS_PER_MS, START);
    msg_unref(msg);
}

static struct exchange_slot total(const struct exchange_stats *s)
{
    struct exchange_slot sum = {0};
    for (size_t i = 0; i < EXCHANGE_SLOTS; i++) {
        sum.wanted += s->slots[i].wanted;
        sum.sent += s->slots[i].sent;
        sum.answered += s->slots[i].answered;
        sum.failed += s->slots[i].failed;
        sum.status_4xx += s->slots[i].status_4xx;
        sum.status_5xx += s->slots[i].status_5xx;
        sum.latency_sum_ns += s->slots[i].latency_sum_ns;
        if (s->slots[i].latency_max_ns > sum.latency_max_ns)
            sum.latency_max_ns = s->slots[i].latency_max_ns;
        ck_assert(i < s->n_slots || s->slots[i].wanted + s->slots[i].sent == 0);
    }
    return sum;
}

START_TEST(slots_double_and_nothing_is_lost)
{
    struct exchange_stats *s = begin();
    /* one every 10 ms for an hour */
    for (int64_t i = 0; i < 360000; i++)
        exchange_wanted(s, START + i * 10 * NS_PER_MS, 0);
    ck_assert_int_eq(s->width_ns, 12800 * NS_PER_MS); /* 300 slots of 12 s do not double up to it */
    ck_assert_uint_eq(s->n_slots, 282);
    ck_assert_uint_eq(total(s).wanted, 360000);
    for (size_t i = 0; i + 1 < s->n_slots; i++)
        ck_assert_uint_eq(s->slots[i].wanted, 1280);
    exchange_stats_free(s);
}
END_TEST

START_TEST(what_happened_stays_in_its_time_when_slots_double)
{
    struct exchange_stats *s = begin();
    struct msg *msg = get("/");
    exchange_sent(s, START);
    exchange_answered(s, msg, 404, 30 * NS_PER_MS, START + 150 * NS_PER_MS);
    exchange_answered(s, msg, 503, 10 * NS_PER_MS, START + 250 * NS_PER_MS);
    exchange_failed(s, msg, START + 299 * 100 * NS_PER_MS);
    ck_assert_int_eq(s->width_ns, 100 * NS_PER_MS);
    ck_assert_uint_eq(s->slots[299].failed, 1);
    exchange_wanted(s, START - NS_PER_S, 0); /* due before the first: in the first */
    exchange_wanted(s, 0, START + 50 * NS_PER_MS); /* not due: now */
    ck_assert_uint_eq(s->slots[0].wanted, 2);
    exchange_sent(s, START + 300 * 100 * NS_PER_MS);
    ck_assert_int_eq(s->width_ns, 200 * NS_PER_MS);
    ck_assert_uint_eq(s->n_slots, 151);
    ck_assert_uint_eq(s->slots[0].sent, 1);
    ck_assert_uint_eq(s->slots[0].answered, 1);
    ck_assert_uint_eq(s->slots[0].status_4xx, 1);
    ck_assert_int_eq(s->slots[0].latency_max_ns, 30 * NS_PER_MS);
    ck_assert_uint_eq(s->slots[1].status_5xx, 1);
    ck_assert_uint_eq(s->slots[149].failed, 1);
    ck_assert_uint_eq(s->slots[150].sent, 1);
    exchange_answered(s, msg, 200, 70 * NS_PER_MS, START + 3600 * NS_PER_S);
    ck_assert_int_eq(s->slots[0].latency_max_ns, 30 * NS_PER_MS);
    ck_assert_int_eq(s->slots[0].latency_sum_ns, 40 * NS_PER_MS);
    struct exchange_slot sum = total(s);
    ck_assert_uint_eq(sum.answered, 3);
    ck_assert_int_eq(sum.latency_max_ns, 70 * NS_PER_MS);
    exchange_answered(s, msg, 200, -5, START); /* it came before it was due */
    ck_assert_int_eq(total(s).latency_sum_ns, sum.latency_sum_ns);
    msg_unref(msg);
    exchange_stats_free(s);
}
END_TEST

START_TEST(routes_are_counted_by_status_and_failure)
{
    struct exchange_stats *s = begin();
    for (int i = 1; i <= 100; i++) {
        char target[32];
        snprintf(target, sizeof(target), "/users/%d?x=%d", i, i);
        answer(s, target, i <= 90 ? 200 : 503, i);
    }
    answer(s, "/about", 999, 1);
    struct msg *msg = get("/users/101");
    exchange_failed(s, msg, START);
    msg_unref(msg);
    ck_assert_uint_eq(s->n_routes, 3);
    const struct exchange_route *users = &s->routes[1], *about = &s->routes[2];
    ck_assert_str_eq(users->name.text, "GET /users/{n}");
    ck_assert_uint_eq(users->requests, 101);
    ck_assert_uint_eq(users->failed, 1);
    ck_assert_uint_eq(users->classes[2], 90);
    ck_assert_uint_eq(users->classes[5], 10);
    ck_assert_uint_eq(histogram_count(users->latency), 100);
    ck_assert_int_eq(histogram_max_ns(users->latency), 100 * NS_PER_MS);
    ck_assert_str_eq(about->name.text, "GET /about");
    ck_assert_uint_eq(about->classes[0], 1);
    exchange_status(s, 200);
    exchange_status(s, 200);
    exchange_status(s, 65535);
    ck_assert_uint_eq(s->statuses[200], 2);
    ck_assert_uint_eq(s->statuses[0], 1);
    exchange_stats_free(s);
}
END_TEST

START_TEST(routes_beyond_the_last_one_are_counted_together)
{
    struct exchange_stats *s = begin();
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 1000; i++) {
            char target[32];
            snprintf(target, sizeof(target), "/word%c%c%c", 'a' + i % 10, 'a' + i / 10 % 10,
                     'a' + i / 100);
            answer(s, target, 200, 1);
        }
    ck_assert_uint_eq(s->n_routes, EXCHANGE_ROUTES + 1);
    ck_assert_uint_eq(s->routes[0].requests, 2 * (1000 - EXCHANGE_ROUTES));
    for (size_t i = 1; i < s->n_routes; i++)
        ck_assert_uint_eq(s->routes[i].requests, 2);
    exchange_stats_free(s);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct exchange_stats *s = NULL;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        mem_fail_at(nth);
        ck_assert_int_eq(exchange_stats_new(&s), -ENOMEM);
        ck_assert_ptr_null(s);
    }
    mem_fail_at(0);
    s = begin();
    struct msg *msg = get("/a");
    mem_fail_at(1);
    exchange_failed(s, msg, START);
    ck_assert_uint_eq(s->n_routes, 1);
    ck_assert_uint_eq(s->routes[0].failed, 1);
    exchange_failed(s, msg, START); /* now there is memory */
    ck_assert_uint_eq(s->n_routes, 2);
    ck_assert_uint_eq(s->routes[1].failed, 1);
    msg_unref(msg);
    exchange_stats_free(s);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        slots_double_and_nothing_is_lost,
        what_happened_stays_in_its_time_when_slots_double,
        routes_are_counted_by_status_and_failure,
        routes_beyond_the_last_one_are_counted_together,
        every_allocation_may_fail,
    };
    return suite_of("exchange_stats", tests, ARRAY_LEN(tests));
}
