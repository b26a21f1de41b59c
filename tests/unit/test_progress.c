/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <string.h>

#include "cmd/options_table.h"
#include "cmd/progress.h"
#include "lib/options_table.h"

START_TEST(the_line_has_what_is_known_and_fits)
{
    static const struct {
        struct progress_figures figures;
        size_t width;
        const char *text;
    } cases[] = {
        {{0.424, 12345, 3, 500.4, 1200000, 72 * NS_PER_S},
         200,
         "42%, 1:12 left, 12,345 requests, 500/s, 3 errors, lateness p99 1.2 ms"},
        {{1, 1, 0, 0.25, -1, 0}, 200, "100%, 0:00 left, 1 requests, 0.2/s, 0 errors"},
        {{-1, 0, 0, 0, -1, -1}, 200, "0 requests, 0.0/s, 0 errors"},
        {{0, 7, 0, 0, -1, 36061 * NS_PER_S}, 200, "0%, 10:01:01 left, 7 requests, 0.0/s, 0 errors"},
        {{0.424, 12345, 3, 500.4, 1200000, -1}, 38, "42%, 12,345 requests, 500/s, 3 errors"},
        {{0.424, 12345, 3, 500.4, 1200000, -1}, 37, "42%, 12,345 requests, 500/s, 3 errors"},
        {{0.424, 12345, 3, 500.4, 1200000, -1}, 36, "42%, 12,345 requests, 500/s"},
        {{0.424, 12345, 3, 500.4, 1200000, -1}, 2, ""},
        {{0.424, 12345, 3, 500.4, 1200000, -1}, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[256];
        size_t len = progress_text(out, sizeof(out), &cases[i].figures, cases[i].width);
        ck_assert_str_eq(out, cases[i].text);
        ck_assert_uint_eq(len, strlen(out));
        ck_assert_uint_eq(progress_text(out, 1, &cases[i].figures, 200), 0);
        ck_assert_str_eq(out, "");
    }
}
END_TEST

static int64_t first_tick(const char *input, const char *how, bool output)
{
    struct ledger *ledger;
    struct options *options;
    struct err err;
    struct progress p;
    ck_assert_int_eq(ledger_new(&ledger), 0);
    ck_assert_ptr_nonnull(ledger_account(ledger, ACCOUNT_INPUT, input));
    if (output)
        ck_assert_ptr_nonnull(ledger_account(ledger, ACCOUNT_OUTPUT, "output-null"));
    ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    ck_assert_int_eq(options_set(options, "progress", how, OPTION_FROM_COMMAND_LINE, &err), 0);
    progress_begin(&p, ledger, options);
    int64_t next_ns = progress_tick(&p, 0);
    progress_end(&p);
    options_free(options);
    ledger_free(ledger);
    return next_ns;
}

START_TEST(only_the_replay_of_a_recording_is_told_of)
{
    ck_assert_int_lt(first_tick("input-file a.gor", "plain", true), INT64_MAX);
    ck_assert_int_eq(first_tick("input-file a.gor", "off", true), INT64_MAX);
    ck_assert_int_eq(first_tick("input-file a.gor", "plain", false), INT64_MAX);
    ck_assert_int_eq(first_tick("input-raw :80", "plain", true), INT64_MAX);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        the_line_has_what_is_known_and_fits,
        only_the_replay_of_a_recording_is_told_of,
    };
    return suite_of("progress", tests, ARRAY_LEN(tests));
}
