/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/ledger.h"
#include "lib/msg.h"

START_TEST(pages_of_one_account_are_summed)
{
    struct ledger *ledger;
    ck_assert_int_eq(ledger_new(&ledger), 0);
    struct account *out = ledger_account(ledger, ACCOUNT_OUTPUT, "output-null");
    struct books *a = account_page(out), *b = account_page(out);
    book_add(a, BOOK_SEEN, 10);
    book_add(b, BOOK_SEEN, 5);
    book_one(b, BOOK_DELIVERED);
    ck_assert_uint_eq(account_sum(out, BOOK_SEEN), 15);
    ck_assert_uint_eq(ledger_sum(ledger, ACCOUNT_OUTPUT, BOOK_SEEN), 15);
    ck_assert_uint_eq(ledger_sum(ledger, ACCOUNT_INPUT, BOOK_SEEN), 0);
    ck_assert_uint_eq(account_open(out), 14);
    ledger_free(ledger);
}
END_TEST

START_TEST(each_fate_closes_the_books_of_an_output_and_nothing_else_does)
{
    for (int book = 0; book < BOOKS; book++) {
        static const enum book fates[] = {
            BOOK_DELIVERED, BOOK_FILTERED, BOOK_SAMPLED, BOOK_LIMITED, BOOK_DROPPED, BOOK_FAILED,
            BOOK_ABANDONED, BOOK_SPLIT,    BOOK_PAUSED,  BOOK_SKIPPED, BOOK_SPOOLED};
        bool is_fate = false;
        for (size_t i = 0; i < ARRAY_LEN(fates); i++)
            is_fate |= fates[i] == (enum book)book;
        struct ledger *ledger;
        char text[256] = "";
        ck_assert_int_eq(ledger_new(&ledger), 0);
        struct books *page = account_page(ledger_account(ledger, ACCOUNT_OUTPUT, "out"));
        book_one(page, BOOK_SEEN);
        if (book != BOOK_SEEN)
            book_one(page, (enum book)book);
        ck_assert_int_eq(ledger_balances(ledger, text, sizeof(text)), is_fate);
        ck_assert(is_fate || strstr(text, "out") != NULL);
        ledger_free(ledger);
    }
}
END_TEST

START_TEST(each_end_of_a_request_closes_the_books_of_an_input)
{
    for (int book = BOOK_REQ_COMPLETE; book <= BOOK_REQ_OPEN; book++) {
        struct ledger *ledger;
        char text[256];
        ck_assert_int_eq(ledger_new(&ledger), 0);
        struct books *page = account_page(ledger_account(ledger, ACCOUNT_INPUT, "in"));
        book_one(page, BOOK_REQ_STARTED);
        ck_assert(!ledger_balances(ledger, text, sizeof(text)));
        book_one(page, (enum book)book);
        ck_assert(ledger_balances(ledger, text, sizeof(text)));
        book_one(page, BOOK_RES_STARTED);
        ck_assert(!ledger_balances(ledger, text, sizeof(text)));
        ledger_free(ledger);
    }
}
END_TEST

START_TEST(the_loss_is_the_worst_share_of_all_places)
{
    struct ledger *ledger;
    ck_assert_int_eq(ledger_new(&ledger), 0);
    struct books *in = account_page(ledger_account(ledger, ACCOUNT_INPUT, "in"));
    struct books *out = account_page(ledger_account(ledger, ACCOUNT_OUTPUT, "out"));
    ck_assert(ledger_loss(ledger) == 0);
    book_add(in, BOOK_REQ_STARTED, 100);
    book_add(in, BOOK_REQ_GAP, 1);
    ck_assert(ledger_loss(ledger) == 0.01);
    book_add(out, BOOK_SEEN, 100);
    book_add(out, BOOK_FILTERED, 50); /* wanted, so no loss */
    book_add(out, BOOK_FAILED, 20);
    ck_assert(ledger_loss(ledger) == 0.2);
    ledger_free(ledger);
}
END_TEST

START_TEST(percentiles_are_right_to_a_hundredth)
{
    static struct histogram h;
    for (int64_t ns = 1; ns <= 100000; ns++)
        histogram_add(&h, ns * 1000);
    ck_assert_uint_eq(histogram_count(&h), 100000);
    for (int percent = 1; percent <= 100; percent++) {
        int64_t ideal = percent * 1000 * INT64_C(1000);
        int64_t found = histogram_at_ns(&h, percent / 100.0);
        ck_assert_msg(found >= ideal && found <= ideal + ideal / 128, "p%d: %ld for %ld", percent,
                      (long)found, (long)ideal);
    }
    ck_assert_int_eq(histogram_max_ns(&h), 100000 * INT64_C(1000));
    histogram_add(&h, -5);
    histogram_add(&h, INT64_MAX);
    ck_assert_int_eq(histogram_max_ns(&h), INT64_MAX);
}
END_TEST

START_TEST(endpoints_survive_being_written_and_read)
{
    static const char *const good[] = {"1.2.3.4:80", "[::1]:65535", "[2001:db8::7]:1",
                                       "255.255.255.255:0"};
    static const char *const bad[] = {
        "",       "-",       "1.2.3.4",      "1.2.3.4:", "1.2.3.4:65536",
        "::1:80", "[::1:80", "[1.2.3.4]:80", "1.2.3:4",  ":80",
        "[]:80"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct endpoint e;
        char text[ENDPOINT_TEXT_MAX];
        ck_assert(endpoint_parse(span_str(good[i]), &e));
        ck_assert_uint_eq(endpoint_format(text, &e), strlen(good[i]));
        ck_assert_str_eq(text, good[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct endpoint e;
        ck_assert_msg(!endpoint_parse(span_str(bad[i]), &e), "%s", bad[i]);
    }
}
END_TEST

START_TEST(both_directions_of_a_connection_have_one_key)
{
    struct msg *a = msg_new(0), *b = msg_new(0);
    ck_assert(endpoint_parse(span_str("1.2.3.4:1000"), &a->src));
    ck_assert(endpoint_parse(span_str("5.6.7.8:80"), &a->dst));
    b->src = a->dst;
    b->dst = a->src;
    msg_set_conn(a);
    msg_set_conn(b);
    ck_assert_uint_eq(a->conn, b->conn);
    b->dst.port++;
    msg_set_conn(b);
    ck_assert_uint_ne(a->conn, b->conn);
    msg_unref(a);
    msg_unref(b);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        pages_of_one_account_are_summed,
        each_fate_closes_the_books_of_an_output_and_nothing_else_does,
        each_end_of_a_request_closes_the_books_of_an_input,
        the_loss_is_the_worst_share_of_all_places,
        percentiles_are_right_to_a_hundredth,
        endpoints_survive_being_written_and_read,
        both_directions_of_a_connection_have_one_key,
    };
    return suite_of("ledger", tests, ARRAY_LEN(tests));
}
