/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/regex.h"

static struct regex *compiled(const char *pattern)
{
    struct err err;
    struct regex *re = NULL;
    int r = regex_new(&re, "http-allow-url", pattern, &err);
    ck_assert_msg(r == 0, "%s", r == 0 ? "" : err.text);
    return re;
}

static enum regex_result match(const char *pattern, const char *subject)
{
    struct regex *re = compiled(pattern);
    enum regex_result result = regex_match(re, span_str(subject));
    regex_free(re);
    return result;
}

START_TEST(patterns_of_gor_mean_the_same)
{
    static const struct {
        const char *pattern, *subject;
        enum regex_result result;
    } cases[] = {
        {"/api", "/v1/api/x", REGEX_MATCH},
        {"^/api", "/v1/api", REGEX_NO_MATCH},
        {"^/api/v[0-9]+/", "/api/v12/users", REGEX_MATCH},
        {"", "/", REGEX_MATCH},
        {"", "", REGEX_MATCH},
        {"^$", "", REGEX_MATCH},
        {"x", "", REGEX_NO_MATCH},
        {"(?i)/API", "/api", REGEX_MATCH},
        {"(?P<name>[a-z]+)\\.json\\z", "/a.json", REGEX_MATCH},
        {"\\.json$", "/a.json\n", REGEX_NO_MATCH}, /* RE2: $ is the end and nothing else */
        {"(?U)a+?b", "aab", REGEX_MATCH},
        {"[[:alpha:]]{3}", "ab1abc", REGEX_MATCH},
        {"\\Qa.b\\E", "a.b", REGEX_MATCH},
        {"\\Qa.b\\E", "axb", REGEX_NO_MATCH},
        {"a.b",
         "a\xff"
         "b",
         REGEX_MATCH},
        {"\\bfoo\\b", "/foo/", REGEX_MATCH},
        {"\\bfoo\\b", "/xfoo/", REGEX_NO_MATCH},
        /* what PCRE2 would read in another way */
        {"^\\s$", "\v", REGEX_NO_MATCH},
        {"^\\S$", "\v", REGEX_MATCH},
        {"^[\\s]$", "\v", REGEX_NO_MATCH},
        {"^[\\s]$", "\t", REGEX_MATCH},
        {"^[^\\s]$", "\v", REGEX_MATCH},
        {"^[\\S]$", "\v", REGEX_MATCH},
        {"^[^\\S]$", " ", REGEX_MATCH},
        {"^\\v$", "\n", REGEX_NO_MATCH},
        {"^\\v$", "\v", REGEX_MATCH},
        {"^a{,2}$", "a{,2}", REGEX_MATCH},
        {"^a{,2}$", "aa", REGEX_NO_MATCH},
        {"^a{2,}$", "aaa", REGEX_MATCH},
        {"^[a{,2}]$", "{", REGEX_MATCH},
        {"^[]\\s]$", "]", REGEX_MATCH},
        {"^[^]]$", "]", REGEX_NO_MATCH},
        {"^[[:space:]x]\\s$", "x ", REGEX_MATCH},
        {"^[[x]\\s$", "[ ", REGEX_MATCH},
        {"\\Q\\s[\\E\\s", "\\s[ ", REGEX_MATCH},
        {"(?m)^$", "a\n", REGEX_MATCH},
        {"(?m)^b", "a\rb", REGEX_NO_MATCH},
        {"(?s)a.b", "a\nb", REGEX_MATCH},
        {"a.b", "a\nb", REGEX_NO_MATCH},
        {"a.b", "a\rb", REGEX_MATCH},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_msg(match(cases[i].pattern, cases[i].subject) == cases[i].result, "%s on \"%s\"",
                      cases[i].pattern, cases[i].subject);
}
END_TEST

START_TEST(a_pattern_that_does_not_compile_is_refused_with_its_place)
{
    static const struct {
        const char *pattern, *text;
    } cases[] = {
        {"(a", "--http-allow-url \"(a\": missing closing parenthesis at character 2"},
        {"a)", "--http-allow-url \"a)\": unmatched closing parenthesis at character 2"},
        {"[a", "--http-allow-url \"[a\": missing terminating ] for character class at character 2"},
        {"a**", NULL},
        {"*a", NULL},
        {"\\x{100}", NULL},
        {"(*UTF)a", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {.status = STATUS_DONE};
        struct regex *re = NULL;
        ck_assert_int_lt(regex_new(&re, "http-allow-url", cases[i].pattern, &err), 0);
        ck_assert_ptr_null(re);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        if (cases[i].text)
            ck_assert_str_eq(err.text, cases[i].text);
        ck_assert_ptr_nonnull(strstr(err.text, cases[i].pattern));
    }
}
END_TEST

/* Of "NAME: PATTERN,REST" and the like. */
START_TEST(a_part_of_a_rule_is_read_without_its_separator)
{
    static const struct {
        const char *text;
        size_t at, len;
        char separator;
        const char *subject, *error;
    } cases[] = {
        {"a\\:b:c", 0, 4, ':', "a:b", NULL},
        {"(?\\:a)+b:c", 0, 8, ':', "aab", NULL},
        {"X: a{1\\,2}b,c", 3, 8, ',', "aab", NULL},
        {"X: \\Qa\\,b\\E,c", 3, 8, ',', "a,b", NULL},
        {"a\\,b:c", 0, 4, ':', "a,b", NULL},
        {"X: a(b,c", 3, 3, ',', NULL,
         "--o \"X: a(b,c\": missing closing parenthesis at character 6"},
        {"a{1\\,2}{,9}\\s):c", 0, 14, ':', NULL,
         "--o \"a{1\\,2}{,9}\\s):c\": unmatched closing parenthesis at character 14"},
        {"\\s[[:foo:]]:c", 0, 11, ':', NULL,
         "--o \"\\s[[:foo:]]:c\": unknown POSIX class name at character 6"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {.status = STATUS_DONE};
        struct regex *re = NULL;
        const struct regex_part part = {.option = "o",
                                        .text = cases[i].text,
                                        .at = cases[i].at,
                                        .len = cases[i].len,
                                        .separator = cases[i].separator};
        int r = regex_new_part(&re, &part, &err);
        if (cases[i].error) {
            ck_assert_int_lt(r, 0);
            ck_assert_str_eq(err.text, cases[i].error);
            continue;
        }
        ck_assert_msg(r == 0, "%s: %s", cases[i].text, err.text);
        ck_assert_msg(regex_match(re, span_str(cases[i].subject)) == REGEX_MATCH, "%s",
                      cases[i].text);
        regex_free(re);
    }
}
END_TEST

START_TEST(a_match_is_found_wherever_it_begins)
{
    static const size_t lens[] = {1, 127, 128, 129, 143, 144, 145, 300, 4096, 20000};
    static char subject[20001];
    struct regex *re = compiled("x[yz]+$");
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        size_t len = lens[i], step = len > 1000 ? 61 : 1;
        for (size_t at = 0; at + 2 <= len; at += step) {
            memset(subject, 'a', len);
            subject[at] = 'x';
            memset(subject + at + 1, 'y', len - at - 1);
            ck_assert_msg(regex_match(re, span_of(subject, len)) == REGEX_MATCH, "len %zu at %zu",
                          len, at);
        }
        memset(subject, 'a', len);
        ck_assert_int_eq(regex_match(re, span_of(subject, len)), REGEX_NO_MATCH);
    }
    regex_free(re);
}
END_TEST

/* What comes before the place where a match begins counts, also where the search is cut. */
START_TEST(looking_back_works_at_every_place)
{
    static char subject[2000];
    struct regex *bound = compiled("\\bx"), *behind = compiled("(?<=ab)x"),
                 *first = compiled("(?:^|/)x");
    for (size_t at = 2; at < sizeof(subject); at++) {
        memset(subject, 'a', sizeof(subject));
        subject[at] = 'x';
        struct span s = span_of(subject, sizeof(subject));
        ck_assert_int_eq(regex_match(bound, s), REGEX_NO_MATCH);
        ck_assert_int_eq(regex_match(behind, s), REGEX_NO_MATCH);
        ck_assert_int_eq(regex_match(first, s), REGEX_NO_MATCH);
        subject[at - 1] = 'b';
        ck_assert_int_eq(regex_match(behind, s), REGEX_MATCH);
        subject[at - 1] = '/';
        ck_assert_int_eq(regex_match(bound, s), REGEX_MATCH);
        ck_assert_int_eq(regex_match(first, s), REGEX_MATCH);
    }
    regex_free(bound);
    regex_free(behind);
    regex_free(first);
}
END_TEST

/* Ordinary expressions must not give up, however long the target is. */
START_TEST(ordinary_expressions_do_not_give_up)
{
    static const struct {
        const char *pattern, *unit, *tail;
        enum regex_result result;
    } cases[] = {
        {"^/api/.*\\.json$", "/api/", ".json", REGEX_MATCH},
        {"^/api/.*\\.json$", "/api/", ".jsonx", REGEX_NO_MATCH},
        {"\\.(png|jpe?g|gif)(\\?|$)", "/a.pn", ".jpeg?x=1", REGEX_MATCH},
        {"\\.(png|jpe?g|gif)(\\?|$)", "/a.pn", "", REGEX_NO_MATCH},
        {"[?&]token=[^&]*", "&tok=a", "&token=", REGEX_MATCH},
        {"^/(users|orders)/[0-9]+/items", "/users/1", "", REGEX_NO_MATCH},
        {"foo|bar|baz", "fobab", "baz", REGEX_MATCH},
        {"(?i)secret", "secre", "SECRET", REGEX_MATCH},
    };
    static const size_t lens[] = {60, 500, 2000, 8192, 65536};
    static char subject[65536 + 64];
    for (size_t i = 0; i < ARRAY_LEN(cases) * ARRAY_LEN(lens); i++) {
        const char *unit = cases[i / ARRAY_LEN(lens)].unit;
        const char *tail = cases[i / ARRAY_LEN(lens)].tail;
        size_t len = lens[i % ARRAY_LEN(lens)];
        for (size_t k = 0; k < len; k++)
            subject[k] = unit[k % strlen(unit)];
        snprintf(subject + len, 64, "%s", tail);
        ck_assert_msg(match(cases[i / ARRAY_LEN(lens)].pattern, subject) ==
                          cases[i / ARRAY_LEN(lens)].result,
                      "%s on %zu bytes", cases[i / ARRAY_LEN(lens)].pattern, len);
    }
}
END_TEST

/* Known for catastrophic backtracking, with what makes them fail late. */
static const struct {
    const char *pattern, *unit, *tail;
} bombs[] = {
    {"(a+)+$", "a", "!"},
    {"^(a+)+$", "a", "!"},
    {"([a-zA-Z]+)*$", "a", "!"},
    {"(a|aa)+$", "a", "!"},
    {"(a|a?)+$", "a", "!"},
    {"(.*a){20}", "a", "!"},
    {"(.*a){12}b", "a", "!"},
    {"^(.*?,){11}P", "1,", "!"},
    {"(x+x+)+y", "x", "!"},
    {"(?:a?){30}a{30}b", "a", "!"},
    {"(a*)*b", "a", "!"},
    {"(a*a*)*b", "a", "!"},
    {"((a*)*)*b", "a", "!"},
    {"a*a*a*a*a*b", "a", "!"},
    {".*.*.*=.*", "a", "!"},
    {"(?:.*(?:.*=.*))", "x", "!"}, /* a firewall rule that took a network down in 2019 */
    {"(?:(?:\"|'|\\]|\\}|\\\\|\\d|(?:nan|infinity|true|false|null|undefined|symbol|math)|`|\\-|\\+)"
     "+"
     "[)]*;?((?:\\s|-|~|!|\\{\\}|\\|\\||\\+)*.*(?:.*=.*)))",
     "\"x", "!"},
    {"^\\s+|\\s+$", " ", "x"}, /* a web forum, 2016 */
    {"\\s+$", " ", "x"},
    {"^(([a-z])+.)+[A-Z]([a-z])+$", "a", "!"},
    {"^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}"
     "[.]{1}[a-z]{2,3}))$",
     "a", "!"},
    {"^([\\w-]+(?:\\.[\\w-]+)*)@((?:[\\w-]+\\.)*\\w[\\w-]{0,66})\\.([a-z]{2,6})$", "a-", "!"},
    {"(https?://)?([\\da-z.-]+)\\.([a-z.]{2,6})([/\\w .-]*)*/?$", "a.bc/", "!"},
    {"^(\\w+\\s?)*$", "aa ", "!"},
    {"^(\\d+)*[^\\d]x$", "1", "!"},
    {"([^&=]+=[^&]*&?)+$", "a=b&", "\n"},
    {"(\\/[^/]+)+\\/end$", "/ab", "!"},
    {"^.*?a*[bc]", "a", "!"},
    {"x.*?a*[bc]", "xa", "!"},
    {"x[^/]{0,50}?a*[bc]", "xa", "!"},
    {"[a-z]*[0-9][a-z]*[0-9][a-z]*[0-9]$", "a1", "!"},
    {"(a|b|ab)*(c|d)*e", "ab", "!"},
    {"(?=(a+))a*b\\1", "a", "!"},
    {"(.+)\\1\\1\\1x", "a", "!"},
    {"(?<!x)(\\w+\\d?)+!", "a1", "?"},
};

/* The bound is on work, and time is only printed: how long the work takes depends on the machine
 * and on who else uses it. 200 ms is far below what each of these would take without the bound. */
START_TEST(no_expression_burns_the_processor)
{
    static char subject[65536 + 8];
    ck_assert_uint_ge(ARRAY_LEN(bombs), 30);
    for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
        int64_t worst = 0;
        static const size_t lens[] = {30, 100, 128, 200, 500, 1000, 4000, 16000, 65536};
        struct regex *re = compiled(bombs[i].pattern);
        enum regex_result last = REGEX_NO_MATCH;
        for (size_t k = 0; k < ARRAY_LEN(lens); k++) {
            size_t unit = strlen(bombs[i].unit);
            for (size_t at = 0; at < lens[k]; at++)
                subject[at] = bombs[i].unit[at % unit];
            snprintf(subject + lens[k], 8, "%s", bombs[i].tail);
            int64_t begin = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
            last = regex_match(re, span_str(subject));
            int64_t took = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
            worst = took > worst ? took : worst;
        }
        regex_free(re);
        static const char *const results[] = {"no match", "match", "gave up"};
        printf("# %8.3f ms at worst, %s: %.60s\n", (double)worst / 1e6, results[last],
               bombs[i].pattern);
        ck_assert_int_lt(worst, 200 * NS_PER_MS);
    }
    fflush(stdout);
}
END_TEST

START_TEST(one_that_would_take_for_ever_gives_up)
{
    static char subject[8193];
    uint64_t before = regex_gave_up();
    memset(subject, 'a', 8192);
    subject[8191] = '!';
    ck_assert_int_eq(match("^(a+)+$", subject), REGEX_GAVE_UP);
    ck_assert_int_eq(match("(x?a+)+$", subject), REGEX_GAVE_UP);
    ck_assert_uint_eq(regex_gave_up(), before + 2);
    memcpy(subject, "!", 2);
    ck_assert_int_eq(match("^(a+)+$", subject), REGEX_NO_MATCH);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        patterns_of_gor_mean_the_same,
        a_pattern_that_does_not_compile_is_refused_with_its_place,
        a_part_of_a_rule_is_read_without_its_separator,
        a_match_is_found_wherever_it_begins,
        looking_back_works_at_every_place,
        ordinary_expressions_do_not_give_up,
        no_expression_burns_the_processor,
        one_that_would_take_for_ever_gives_up,
    };
    return suite_of("regex", tests, ARRAY_LEN(tests));
}
