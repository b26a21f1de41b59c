/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <string.h>

#include "cmd/guard.h"
#include "cmd/options_table.h"
#include "lib/options_table.h"

struct bed {
    struct options *options;
    struct guard guard;
    struct ledger *ledger;
    struct account *account;
    struct books *books;
    struct watch *watch;
    int64_t now_ns;
};

static void open_bed(struct bed *bed, const char *text)
{
    struct err err = {.text = ""};
    *bed = (struct bed){.now_ns = 100 * NS_PER_S};
    ck_assert_int_eq(options_new(&bed->options, &refrain_options), 0);
    ck_assert_int_eq(options_set(bed->options, "guard", text, OPTION_FROM_COMMAND_LINE, &err), 0);
    ck_assert_msg(guard_read(&bed->guard, bed->options, NULL, 0, &err) == 0, "%s", err.text);
    ck_assert_int_eq(ledger_new(&bed->ledger), 0);
    bed->account = ledger_account(bed->ledger, ACCOUNT_OUTPUT, "output-http http://x");
    bed->books = account_page(bed->account);
    bed->watch = watch_new(&bed->guard, bed->account);
}

static void close_bed(struct bed *bed)
{
    watch_free(bed->watch);
    ledger_free(bed->ledger);
    options_free(bed->options);
}

/* A second with so many requests; true: the guard is broken in it. */
static bool second(struct bed *bed, unsigned good, unsigned bad, char *why)
{
    bool broken = false;
    book_add(bed->books, BOOK_DELIVERED, good + bad);
    book_add(bed->books, BOOK_HTTP_5XX, bad);
    for (int i = 0; i < 10 && !broken; i++)
        broken = watch_tick(bed->watch, bed->now_ns += NS_PER_S / 10, why, 200);
    return broken;
}

START_TEST(only_what_lies_within_the_window_counts)
{
    struct bed bed;
    char why[200] = "";
    open_bed(&bed, "errors>10%,p99>1s");
    for (int i = 0; i < 300; i++)
        ck_assert(!second(&bed, 100, 9, why));
    /* 5 minutes of good ones weigh nothing against the last one */
    int n = 0;
    while (!second(&bed, 50, 50, why))
        n++;
    ck_assert_int_le(n, 25);
    ck_assert_ptr_nonnull(strstr(why, "errors>10%: errors are "));
    watch_restart(bed.watch, bed.now_ns);
    for (int i = 0; i < 70; i++)
        ck_assert(!second(&bed, 100, 5, why));
    close_bed(&bed);
}
END_TEST

START_TEST(a_handful_of_requests_is_no_share)
{
    struct bed bed;
    char why[200];
    open_bed(&bed, "errors>10%");
    for (int i = 0; i < 120; i++)
        ck_assert(!second(&bed, 0, i % 6 == 0, why)); /* 10 a minute, all of them errors */
    close_bed(&bed);
    open_bed(&bed, "5xx>3"); /* but a number is a number */
    unsigned n = 0;
    while (!second(&bed, 0, 1, why))
        n++;
    ck_assert_uint_lt(n, 20);
    close_bed(&bed);
}
END_TEST

START_TEST(percentiles_are_those_of_the_window)
{
    struct bed bed;
    char why[200] = "";
    open_bed(&bed, "p99>500ms");
    for (int i = 0; i < 100000; i++)
        histogram_add(account_latency(bed.account), NS_PER_MS);
    ck_assert(!second(&bed, 100, 0, why));
    for (int i = 0; i < 100; i++)
        ck_assert(!second(&bed, 100, 0, why));
    for (int i = 0; i < 30; i++)
        histogram_add(account_latency(bed.account), NS_PER_S);
    bool broken = false;
    for (int i = 0; i < 20 && !broken; i++)
        broken = second(&bed, 100, 0, why);
    ck_assert(broken);
    ck_assert_ptr_nonnull(strstr(why, "p99>500ms: p99 is 100"));
    close_bed(&bed);
}
END_TEST

START_TEST(an_output_has_its_own_guard_or_that_of_all)
{
    struct options *o;
    struct guard guard;
    struct err err = {.text = ""};
    const struct {
        const char *name, *value;
    } given[] = {
        {"guard", "errors>1%,p99>2s"}, {"output-http", "http://a"}, {"to-guard", "5xx>2%"},
        {"to-guard", "p50>1s"},        {"output-http", "http://b"}, {"to-guard-window", "7s"},
    };
    ck_assert_int_eq(options_new(&o, &refrain_options), 0);
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        ck_assert_int_eq(
            options_set(o, given[i].name, given[i].value, OPTION_FROM_COMMAND_LINE, &err), 0);
    ck_assert_int_eq(guard_read(&guard, o, "output-http", 0, &err), 0);
    ck_assert_uint_eq(guard.n, 2);
    ck_assert_str_eq(guard.assertions[0].text, "5xx>2%");
    ck_assert_str_eq(guard.assertions[1].text, "p50>1s");
    ck_assert_int_eq(guard.window_ns, 60 * NS_PER_S);
    ck_assert_int_eq(guard_read(&guard, o, "output-http", 1, &err), 0);
    ck_assert_uint_eq(guard.n, 2);
    ck_assert_str_eq(guard.assertions[0].text, "errors>1%");
    ck_assert_int_eq(guard.window_ns, 7 * NS_PER_S);
    options_free(o);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        an_output_has_its_own_guard_or_that_of_all,
        only_what_lies_within_the_window_counts,
        a_handful_of_requests_is_no_share,
        percentiles_are_those_of_the_window,
    };
    return suite_of("guard", tests, ARRAY_LEN(tests));
}
