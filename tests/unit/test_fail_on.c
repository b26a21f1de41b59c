/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <string.h>

#include "cmd/fail_on.h"
#include "cmd/options_table.h"
#include "lib/clock.h"
#include "lib/histogram.h"

static struct options *with(const char *assertion, const char *output)
{
    struct options *options;
    struct err err;
    ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    ck_assert_int_eq(options_set(options, "fail-on", assertion, OPTION_FROM_COMMAND_LINE, &err), 0);
    if (output)
        ck_assert_int_eq(options_set(options, output, "http://x", OPTION_FROM_COMMAND_LINE, &err),
                         0);
    return options;
}

/* 200 requests: 190 answers, of which 8 are 5xx and 4 are 404; 6 failed, 4 dropped. Answers took 1
 * to 190 ms. A file took 100 and lost 1. */
static struct ledger *replay(void)
{
    struct ledger *ledger;
    ck_assert_int_eq(ledger_new(&ledger), 0);
    struct account *http = ledger_account(ledger, ACCOUNT_OUTPUT, "output-http http://x");
    struct account *file = ledger_account(ledger, ACCOUNT_OUTPUT, "output-file a.gor");
    struct books *books = account_page(http);
    book_add(books, BOOK_DELIVERED, 190);
    book_add(books, BOOK_HTTP_2XX, 178);
    book_add(books, BOOK_HTTP_4XX, 4);
    book_add(books, BOOK_HTTP_5XX, 8);
    book_add(books, BOOK_FAILED, 6);
    book_add(books, BOOK_HTTP_TIMEOUT, 5);
    book_add(books, BOOK_DROPPED, 4);
    for (int64_t ms = 1; ms <= 190; ms++)
        histogram_add(account_latency(http), ms * NS_PER_MS);
    books = account_page(ledger_account(ledger, ACCOUNT_OUTPUT, "compare"));
    book_add(books, BOOK_DELIVERED, 599);
    book_add(books, BOOK_FAILED, 1);
    book_add(books, BOOK_COMPARED, 190);
    book_add(books, BOOK_DIFFERENT, 19);
    book_add(books, BOOK_STATUS_CHANGES, 8);
    books = account_page(file);
    book_add(books, BOOK_DELIVERED, 99);
    book_add(books, BOOK_ABANDONED, 1);
    return ledger;
}

START_TEST(assertions_hold_or_break)
{
    static const struct {
        const char *text;
        bool holds;
    } cases[] = {
        {"errors>9%", true},
        {"errors>8.9%", false},
        {"errors>18", true},
        {"errors>17", false},
        {"errors>=18", false},
        {"errors>=9%", false},
        {"lost>10", true},
        {"lost>9", false},
        {"lost>5%", true},
        {"lost>0.9%", false},
        {"lost<1", true},
        {"lost<2", false},
        {"4xx>4", true},
        {"4xx>3", false},
        {"5xx>4%", true},
        {"5xx>3.9%", false},
        {"timeouts>5", true},
        {"timeouts>4", false},
        {"answers<190", true},
        {"answers<=190", false},
        {"answers<191", false},
        {"p50>96ms", true},
        {"p50>94ms", false},
        {"p90>173ms", true},
        {"p99>190ms", true},
        {"p99>187ms", false},
        {"p99.9>187ms", false},
        {"max>190ms", true},
        {"max>=190ms", false},
        {"max>0.1s", false},
        {"max<1ms", true},
        {"p99.99<1s", false},
        {"diff>10%", true},
        {"diff>9.9%", false},
        {"diff>19", true},
        {"diff>18", false},
        {"status-changes>8", true},
        {"status-changes>0", false},
    };
    struct ledger *ledger = replay();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options *options = with(cases[i].text, "output-http");
        struct err err;
        ck_assert_int_eq(fail_on_check(options, &err), 0);
        ck_assert_msg(fail_on_holds(ledger, options) == cases[i].holds, "%s", cases[i].text);
        options_free(options);
    }
    ledger_free(ledger);
}
END_TEST

START_TEST(without_answers_no_time_is_good_enough)
{
    struct ledger *ledger;
    ck_assert_int_eq(ledger_new(&ledger), 0);
    ck_assert_ptr_nonnull(ledger_account(ledger, ACCOUNT_OUTPUT, "output-http http://x"));
    struct options *options = with("p99>300ms", "output-http");
    ck_assert(!fail_on_holds(ledger, options));
    options_free(options);
    options = with("errors>1%", "output-http");
    ck_assert(fail_on_holds(ledger, options));
    options_free(options);
    options = with("diff>50%", "output-http");
    ck_assert(fail_on_compares(options));
    ck_assert_ptr_nonnull(ledger_account(ledger, ACCOUNT_OUTPUT, "compare"));
    ck_assert(!fail_on_holds(ledger, options)); /* nothing was compared */
    options_free(options);
    options = with("answers<1", "output-http");
    ck_assert(!fail_on_holds(ledger, options));
    options_free(options);
    ledger_free(ledger);
}
END_TEST

START_TEST(what_cannot_be_asked_is_told_with_its_place)
{
    static const struct {
        const char *text, *output, *words;
    } cases[] = {
        {"", "output-http", "at character 1: expected errors"},
        {"p98>1ms", "output-http", "at character 1"},
        {"errors", "output-http", "at character 7: expected >"},
        {"errors=1", "output-http", "at character 1"},
        {"errors>", "output-http", "at character 8: expected a number or a percentage"},
        {"errors>1x", "output-http", "at character 8"},
        {"errors>-1", "output-http", "at character 8"},
        {"errors>=101%", "output-http", "at character 9"},
        {"errors>1ms", "output-http", "at character 8"},
        {"p99>300", "output-http", "at character 5"},
        {"p99>1%", "output-http", "at character 5"},
        {"diff>1ms", "output-http", "at character 6"},
        {"diff>1%", "output-file", "no --output-http"},
        {"p99>1ms", "output-file", "no --output-http"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options *options = with(cases[i].text, cases[i].output);
        struct err err = {.status = STATUS_DONE};
        ck_assert_msg(fail_on_check(options, &err) < 0, "%s", cases[i].text);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_msg(strstr(err.text, cases[i].words) != NULL, "%s", err.text);
        options_free(options);
    }
    struct options *options = with("lost>0", "output-file");
    struct err err;
    ck_assert_int_eq(fail_on_check(options, &err), 0);
    options_free(options);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        assertions_hold_or_break,
        without_answers_no_time_is_good_enough,
        what_cannot_be_asked_is_told_with_its_place,
    };
    return suite_of("fail_on", tests, ARRAY_LEN(tests));
}
