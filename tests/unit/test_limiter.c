/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/limiter.h"
#include "lib/mem.h"
#include "tests/unit/messages.h"

static struct limiter *limiter_of(const char *suffix)
{
    struct limit limit;
    struct limiter *limiter;
    struct err err;
    size_t len;
    char text[64];
    snprintf(text, sizeof(text), "x|%s", suffix);
    ck_assert_int_eq(limit_parse("output-http", text, &len, &limit, &err), 0);
    ck_assert_int_eq(limiter_new(&limiter, &limit, 0), 0);
    return limiter;
}

static bool ask(struct limiter *limiter, unsigned n, int64_t now_ns)
{
    const struct msg *msg = numbered_request(n);
    bool admitted = limiter_admit(limiter, msg, now_ns);
    msg_unref(msg);
    return admitted;
}

static bool ask_as(struct limiter *limiter, unsigned user, int64_t now_ns)
{
    char text[96];
    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\nX-User: %u\r\n\r\n", user);
    struct msg *msg = message(MSG_REQUEST, "1", text);
    msg_parse_head(msg);
    bool admitted = limiter_admit(limiter, msg, now_ns);
    msg_unref(msg);
    return admitted;
}

/* How many of 1000 in a second. */
static unsigned admitted_in_a_second(struct limiter *limiter, int64_t *now_ns)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 1000; i++, *now_ns += NS_PER_MS)
        n += ask(limiter, i, *now_ns);
    return n;
}

START_TEST(another_rate_holds_from_the_moment_it_is_set)
{
    struct limit limit = {.rate = 100};
    struct limiter *limiter;
    int64_t now_ns = 5 * NS_PER_S;
    ck_assert_int_eq(limiter_new(&limiter, &limit, 0), 0);
    ck_assert_uint_le(admitted_in_a_second(limiter, &now_ns), 100);
    limiter_set_rate(&limiter, &limit, 500, 0, now_ns);
    unsigned n = admitted_in_a_second(limiter, &now_ns);
    ck_assert(n > 450 && n <= 500);
    limiter_set_rate(&limiter, &limit, 10, 0, now_ns);
    n = admitted_in_a_second(limiter, &now_ns);
    ck_assert(n >= 8 && n <= 10);
    limiter_set_rate(&limiter, &limit, 0, 0, now_ns);
    ck_assert_ptr_null(limiter);
    limit.rate = 0;
    limiter_set_rate(&limiter, &limit, 0, 0, now_ns);
    ck_assert_ptr_null(limiter);
    limiter_set_rate(&limiter, &limit, 20, 0, now_ns);
    ck_assert_uint_eq(admitted_in_a_second(limiter, &now_ns), 20);
    mem_fail_at(1);
    limiter_set_rate(&limiter, &limit, 500, 0, now_ns); /* no memory: as it was */
    mem_fail_at(0);
    ck_assert_uint_le(admitted_in_a_second(limiter, &now_ns), 20);
    limiter_set_rate(&limiter, &limit, 0, 0, now_ns);
    ck_assert_int_eq(mem_used(MEM_OTHER), 0);
}
END_TEST

START_TEST(no_second_ever_holds_more_than_the_rate)
{
    enum { RATE = 10, ASKED = 5000 };
    struct limiter *limiter = limiter_of("10");
    static int64_t admitted[ASKED];
    size_t n = 0;
    int64_t now = 5 * NS_PER_S;
    for (unsigned i = 0; i < ASKED; i++) {
        now += (i * 7919 % 13) * NS_PER_MS; /* uneven, with bursts at one instant */
        if (ask(limiter, i, now))
            admitted[n++] = now;
    }
    ck_assert_uint_gt(n, RATE * 20);
    for (size_t i = RATE; i < n; i++)
        ck_assert_int_gt(admitted[i] - admitted[i - RATE], NS_PER_S);
    /* and it is not needlessly strict: the asked-for rate is nearly used up */
    ck_assert_uint_ge(n, (size_t)((double)(now - 5 * NS_PER_S) / (double)NS_PER_S * RATE * 0.97));
    limiter_free(limiter);
}
END_TEST

START_TEST(a_burst_within_the_rate_passes_whole)
{
    struct limiter *limiter = limiter_of("10");
    for (unsigned second = 0; second < 5; second++)
        for (unsigned i = 0; i < 10; i++)
            ck_assert(ask(limiter, second * 10 + i, (10 + 2 * second) * NS_PER_S));
    limiter_free(limiter);
}
END_TEST

START_TEST(under_too_many_requests_those_admitted_come_evenly)
{
    enum { RATE = 100 };
    struct limiter *limiter = limiter_of("100");
    unsigned tenths[100] = {0}, n = 0;
    for (int64_t ms = 0; ms < 10000; ms++)
        if (ask(limiter, n++, NS_PER_S + ms * NS_PER_MS))
            tenths[ms / 100]++;
    /* the first second's burst is over; then each tenth of a second has its share */
    for (size_t i = 20; i < 100; i++) {
        ck_assert_uint_ge(tenths[i], RATE / 10 - 3);
        ck_assert_uint_le(tenths[i], RATE / 10 + 3);
    }
    limiter_free(limiter);
}
END_TEST

START_TEST(a_rate_below_one_lets_one_through_in_several_seconds)
{
    struct limiter *limiter = limiter_of("0.5");
    ck_assert(ask(limiter, 1, 10 * NS_PER_S));
    ck_assert(!ask(limiter, 2, 11 * NS_PER_S + NS_PER_S / 2));
    ck_assert(ask(limiter, 3, 12 * NS_PER_S + NS_PER_S / 2));
    limiter_free(limiter);
}
END_TEST

START_TEST(each_value_of_a_key_has_a_rate_of_its_own)
{
    enum { USERS = 100, RATE = 5, STEPS = 3000 };
    struct limiter *limiter = limiter_of("5,per=header:X-User");
    static int64_t admitted[USERS][STEPS];
    size_t n[USERS] = {0};
    for (int64_t step = 0; step < STEPS; step++) {
        int64_t now = NS_PER_S + step * 10 * NS_PER_MS;
        for (unsigned user = 0; user < USERS; user++)
            if ((step + user) % 3 == 0 && ask_as(limiter, user, now))
                admitted[user][n[user]++] = now;
    }
    for (unsigned user = 0; user < USERS; user++) {
        for (size_t i = RATE; i < n[user]; i++)
            ck_assert_int_gt(admitted[user][i] - admitted[user][i - RATE], NS_PER_S);
        /* 30 seconds; a window may be a sixteenth longer than a second */
        ck_assert_uint_ge(n[user], 30 * RATE * 90 / 100);
    }
    limiter_free(limiter);
}
END_TEST

START_TEST(a_silent_user_is_forgotten_before_an_active_one)
{
    struct limiter *limiter = limiter_of("1,per=header:X-User");
    ck_assert(ask_as(limiter, 1, NS_PER_S));
    for (unsigned user = 2; user < 5000; user++)
        ck_assert(ask_as(limiter, user, NS_PER_S + NS_PER_MS));
    ck_assert(!ask_as(limiter, 1, NS_PER_S + 2 * NS_PER_MS));
    limiter_free(limiter);
}
END_TEST

START_TEST(a_response_shares_the_fate_of_its_request_and_is_not_counted)
{
    struct limiter *limiter = limiter_of("10");
    for (unsigned n = 0; n < 1000; n++) {
        bool admitted = ask(limiter, n, NS_PER_S + n * NS_PER_MS);
        char id[32];
        snprintf(id, sizeof(id), "%024x", n);
        struct msg *response = message(MSG_RESPONSE, id, "HTTP/1.1 200 OK\r\n\r\n");
        ck_assert_int_eq(limiter_admit(limiter, response, 0), admitted);
        msg_unref(response);
    }
    struct msg *orphan = message(MSG_RESPONSE, "nobody", "HTTP/1.1 200 OK\r\n\r\n");
    ck_assert(!limiter_admit(limiter, orphan, 0));
    msg_unref(orphan);
    limiter_free(limiter);
}
END_TEST

START_TEST(without_memory_there_is_no_limiter_and_nothing_leaks)
{
    static const char *const suffixes[] = {"x|10", "x|10,per=ip"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        struct limit limit;
        struct err err;
        size_t len;
        ck_assert_int_eq(limit_parse("o", suffixes[i], &len, &limit, &err), 0);
        for (uint64_t nth = 1; nth <= 3; nth++) {
            struct limiter *limiter = NULL;
            mem_fail_at(nth);
            ck_assert_int_eq(limiter_new(&limiter, &limit, 0), -ENOMEM);
            mem_fail_at(0);
        }
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        another_rate_holds_from_the_moment_it_is_set,
        no_second_ever_holds_more_than_the_rate,
        a_burst_within_the_rate_passes_whole,
        under_too_many_requests_those_admitted_come_evenly,
        a_rate_below_one_lets_one_through_in_several_seconds,
        each_value_of_a_key_has_a_rate_of_its_own,
        a_silent_user_is_forgotten_before_an_active_one,
        a_response_shares_the_fate_of_its_request_and_is_not_counted,
        without_memory_there_is_no_limiter_and_nothing_leaks,
    };
    return suite_of("limiter", tests, ARRAY_LEN(tests));
}
