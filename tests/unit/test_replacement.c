/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/replacement.h"

static enum regex_result replace(const char *pattern, const char *text, struct span subject,
                                 struct buf *out)
{
    struct err err;
    struct regex *regex = NULL;
    struct replacement *replacement = NULL;
    ck_assert_int_eq(regex_new(&regex, "o", pattern, &err), 0);
    ck_assert_int_eq(replacement_new(&replacement, regex, text), 0);
    enum regex_result result = replacement_apply(replacement, regex, subject, out);
    replacement_free(replacement);
    regex_free(regex);
    return result;
}

/* The results are what Go's ReplaceAll gives. */
START_TEST(replacements_mean_what_they_mean_to_gor)
{
    static const struct {
        const char *pattern, *text, *subject, *result; /* NULL: no match */
    } cases[] = {
        {"/v1/", "/v2/", "/v1/a/v1/b", "/v2/a/v2/b"},
        {"/v1/", "/v2/", "/v3/", NULL},
        {"/v1/user/([^/]+)/ping", "/v2/user/$1/ping", "/v1/user/7/ping", "/v2/user/7/ping"},
        {"(a)(b)", "$2$1", "abab", "baba"},
        {"(a)(b)", "${2}x${1}", "ab", "bxa"},
        {"(a)(b)", "$2x$1", "ab", "a"}, /* the group named 2x */
        {"(a)(?P<two>b)", "$two-${two}", "ab", "b-b"},
        {"(a)(?P<two>b)", "$other|${other}", "ab", "|"},
        {"(a)", "$0$0", "xax", "xaax"},
        {"(a)", "$01", "a", ""},
        {"(a)", "$9", "a", ""},
        {"(a)", "$1234567", "a", ""},
        {"(a)|(b)", "[$1$2]", "ab", "[a][b]"},
        {"a", "$$1", "a", "$1"},
        {"a", "$", "a", "$"},
        {"a", "$-", "a", "$-"},
        {"a", "${1", "a", "${1"},
        {"a", "${}", "a", "${}"},
        {"a", "", "banana", "bnn"},
        {"", "-", "ab", "-a-b-"},
        {"", "-", "", "-"},
        {"a*", "x", "baac", "xbxcx"},
        {"b*", "x", "ab", "xax"},
        {"^", "/p", "/a", "/p/a"},
        {"$", "?x", "/a", "/a?x"},
        {"a|", "-", "aa", "--"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 1000);
        ck_assert_int_eq(buf_append(&out, "kept", 4), 0);
        enum regex_result result =
            replace(cases[i].pattern, cases[i].text, span_str(cases[i].subject), &out);
        struct span got = span_from(buf_span(&out), 4);
        ck_assert_msg(result == (cases[i].result ? REGEX_MATCH : REGEX_NO_MATCH), "%s in %s",
                      cases[i].pattern, cases[i].subject);
        ck_assert_msg(span_eq(got, span_str(cases[i].result ? cases[i].result : "")),
                      "%s by %s in %s gave %.*s", cases[i].pattern, cases[i].text, cases[i].subject,
                      (int)got.len, (const char *)got.ptr);
        buf_fini(&out);
    }
}
END_TEST

START_TEST(a_result_that_is_too_long_gives_up)
{
    struct buf out;
    buf_init(&out, 64);
    ck_assert_int_eq(replace("a", "0123456789", span_str("aaaaaaa"), &out), REGEX_GAVE_UP);
    buf_fini(&out);
}
END_TEST

/* Each match is cheap here, and there are many; the bound is on all of them. */
START_TEST(many_matches_cost_no_more_than_one)
{
    static char subject[65536];
    struct buf out;
    memset(subject, 'a', sizeof(subject));
    buf_init(&out, 1 << 20);
    int64_t begin = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    (void)replace("a(?=a*$)|b", "x", span_of(subject, sizeof(subject)), &out);
    int64_t took = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
    printf("# %.3f ms\n", (double)took / 1e6);
    ck_assert_int_lt(took, 200 * NS_PER_MS);
    buf_fini(&out);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        replacements_mean_what_they_mean_to_gor,
        a_result_that_is_too_long_gives_up,
        many_matches_cost_no_more_than_one,
    };
    return suite_of("replacement", tests, ARRAY_LEN(tests));
}
