/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "lib/fates.h"
#include "lib/limit.h"
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
    ck_assert_int_eq(limiter_new(&limiter, &limit), 0);
    return limiter;
}

static enum admission ask(struct limiter *limiter, unsigned n, int64_t now_ns)
{
    const struct msg *msg = numbered_request(n);
    enum admission a = limiter_admit(limiter, msg, now_ns);
    msg_unref(msg);
    return a;
}

START_TEST(suffixes_are_read_as_gor_reads_them_with_decimals)
{
    static const struct {
        const char *text;
        size_t len;
        enum limit_kind kind;
        double value;
    } good[] = {
        {"http://a", 8, LIMIT_NONE, 0},          {"http://a|", 8, LIMIT_NONE, 0},
        {"http://a|10", 8, LIMIT_RATE, 10},      {"http://a|0.5", 8, LIMIT_RATE, 0.5},
        {"http://a|10%", 8, LIMIT_PERCENT, 10},  {"http://a|0.5%", 8, LIMIT_PERCENT, 0.5},
        {"x.gor|200%", 5, LIMIT_PERCENT, 200},   {"a|b|5", 3, LIMIT_RATE, 5},
        {"http://a|500rps", 8, LIMIT_RATE, 500},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct limit limit;
        struct err err;
        size_t len;
        ck_assert_int_eq(limit_parse("o", good[i].text, &len, &limit, &err), 0);
        ck_assert_uint_eq(len, good[i].len);
        ck_assert_int_eq(limit.kind, good[i].kind);
        double value = limit.kind == LIMIT_RATE ? limit.rate : limit.percent;
        ck_assert(limit.kind == LIMIT_NONE || value == good[i].value);
    }
}
END_TEST

START_TEST(what_is_no_limit_is_an_error_that_quotes_it)
{
    static const char *const bad[] = {"a|abc",  "a|12x", "a|0",     "a|0%",         "a|-1",
                                      "a|1e3",  "a|%",   "a|5%%",   "a|.",          "a| 10",
                                      "a|0x10", "a|rps", "a|5%rps", "a|99999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct limit limit;
        struct err err;
        size_t len;
        ck_assert_int_lt(limit_parse("output-http", bad[i], &len, &limit, &err), 0);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_ptr_nonnull(strstr(err.text, bad[i]));
        ck_assert_ptr_nonnull(strstr(err.text, "--output-http"));
    }
}
END_TEST

START_TEST(a_percentage_is_exact_to_one_request_at_every_moment)
{
    static const char *const shares[] = {"10%", "0.5%", "33.3%", "99.9%", "100%", "50%"};
    for (size_t s = 0; s < ARRAY_LEN(shares); s++) {
        struct limiter *limiter = limiter_of(shares[s]);
        double percent = 0, passed = 0;
        ck_assert_int_eq(sscanf(shares[s], "%lf", &percent), 1);
        for (unsigned n = 1; n <= 20000; n++) {
            passed += ask(limiter, n, 0) == ADMIT;
            double ideal = n * percent / 100;
            ck_assert_msg(passed <= ideal + 1e-6 && passed > ideal - 1 - 1e-6,
                          "%s: %g passed of %u", shares[s], passed, n);
        }
        limiter_free(limiter);
    }
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
        if (ask(limiter, i, now) == ADMIT)
            admitted[n++] = now;
    }
    ck_assert_uint_gt(n, RATE * 20);
    for (size_t i = RATE; i < n; i++)
        ck_assert_int_gt(admitted[i] - admitted[i - RATE], NS_PER_S);
    /* and it is not needlessly strict: the asked-for rate is nearly used up */
    ck_assert_uint_ge(n, (size_t)((double)(now - 5 * NS_PER_S) / (double)NS_PER_S * RATE * 0.98));
    limiter_free(limiter);
}
END_TEST

START_TEST(a_rate_below_one_lets_one_through_in_several_seconds)
{
    struct limiter *limiter = limiter_of("0.5");
    ck_assert_int_eq(ask(limiter, 1, 10 * NS_PER_S), ADMIT);
    ck_assert_int_eq(ask(limiter, 2, 11 * NS_PER_S + NS_PER_S / 2), RATE_LIMITED);
    ck_assert_int_eq(ask(limiter, 3, 12 * NS_PER_S + NS_PER_S / 2), ADMIT);
    limiter_free(limiter);
}
END_TEST

START_TEST(a_response_shares_the_fate_of_its_request_and_is_not_counted)
{
    struct limiter *limiter = limiter_of("50%");
    for (unsigned n = 0; n < 1000; n++) {
        enum admission request = ask(limiter, n, 0);
        ck_assert_int_eq(request, n % 2 ? ADMIT : SAMPLED_OUT);
        char id[32];
        snprintf(id, sizeof(id), "%024x", n);
        struct msg *response = message(MSG_RESPONSE, id, "HTTP/1.1 200 OK\r\n\r\n");
        ck_assert_int_eq(limiter_admit(limiter, response, 0), request);
        msg_unref(response);
    }
    struct msg *orphan = message(MSG_RESPONSE, "nobody", "HTTP/1.1 200 OK\r\n\r\n");
    ck_assert_int_eq(limiter_admit(limiter, orphan, 0), SAMPLED_OUT);
    msg_unref(orphan);
    limiter_free(limiter);
}
END_TEST

START_TEST(recent_fates_are_remembered_and_old_ones_unknown)
{
    struct fates *fates;
    char id[32];
    ck_assert_int_eq(fates_new(&fates, 1024), 0);
    for (int n = 0; n < 100000; n++) {
        snprintf(id, sizeof(id), "%d", n);
        fates_put(fates, span_str(id), n % 7);
        snprintf(id, sizeof(id), "%d", n > 100 ? n - 100 : 0);
        int fate = fates_get(fates, span_str(id));
        ck_assert(fate == FATE_UNKNOWN || fate == (n > 100 ? n - 100 : 0) % 7);
        snprintf(id, sizeof(id), "%d", n);
        ck_assert_int_eq(fates_get(fates, span_str(id)), n % 7);
    }
    ck_assert_int_eq(fates_get(fates, span_str("5")), FATE_UNKNOWN);
    fates_free(fates);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        suffixes_are_read_as_gor_reads_them_with_decimals,
        what_is_no_limit_is_an_error_that_quotes_it,
        a_percentage_is_exact_to_one_request_at_every_moment,
        no_second_ever_holds_more_than_the_rate,
        a_rate_below_one_lets_one_through_in_several_seconds,
        a_response_shares_the_fate_of_its_request_and_is_not_counted,
        recent_fates_are_remembered_and_old_ones_unknown,
    };
    return suite_of("limit", tests, ARRAY_LEN(tests));
}
