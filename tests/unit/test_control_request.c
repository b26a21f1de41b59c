/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "lib/control_request.h"

START_TEST(what_is_written_is_read_as_the_same)
{
    static const char *const words[] = {"set", "b", "x=\"'\\", "~!"};
    char line[CONTROL_LINE_MAX];
    struct control_request r;
    size_t len = control_request_write(line, words, ARRAY_LEN(words));
    ck_assert_uint_eq(len, strlen("1 set b x=\"'\\ ~!\n"));
    ck_assert_mem_eq(line, "1 set b x=\"'\\ ~!\n", len);
    ck_assert_ptr_null(control_request_parse(&r, span_of(line, len - 1)));
    ck_assert_uint_eq(r.n, ARRAY_LEN(words));
    for (size_t i = 0; i < r.n; i++)
        ck_assert_str_eq(r.words[i], words[i]);
}
END_TEST

START_TEST(what_is_no_request_is_told)
{
    static const struct {
        const char *line, *word;
    } cases[] = {
        {"", "version"},
        {"status", "version"},
        {"2 status", "version"},
        {"1status", "version"},
        {" 1 status", "version"},
        {"1", "no verb"},
        {"1 ", "space at the end"},
        {"1 status ", "space at the end"},
        {"1  status", "single spaces"},
        {"1 a\tb", "printable"},
        {"1 a\xc3\xa4", "printable"},
        {"1 a\x7f", "printable"},
    };
    struct control_request r;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *wrong = control_request_parse(&r, span_str(cases[i].line));
        ck_assert_msg(wrong && strstr(wrong, cases[i].word), "%s: %s", cases[i].line,
                      wrong ? wrong : "taken");
    }
    ck_assert_ptr_nonnull(control_request_parse(&r, span_of("1 a\0b", 5)));
}
END_TEST

START_TEST(lines_and_words_are_bounded)
{
    char line[2 * CONTROL_LINE_MAX], out[CONTROL_LINE_MAX], word[CONTROL_LINE_MAX];
    struct control_request r;
    const char *words[CONTROL_WORDS_MAX + 1];
    memset(line, 'x', sizeof(line));
    memcpy(line, "1 ", 2);
    ck_assert_ptr_null(control_request_parse(&r, span_of(line, CONTROL_LINE_MAX - 1)));
    ck_assert_ptr_nonnull(control_request_parse(&r, span_of(line, CONTROL_LINE_MAX)));
    for (size_t i = 1; i < sizeof(line); i += 2)
        line[i] = ' ';
    ck_assert_ptr_null(control_request_parse(&r, span_of(line, 1 + 2 * CONTROL_WORDS_MAX)));
    ck_assert_uint_eq(r.n, CONTROL_WORDS_MAX);
    ck_assert_ptr_nonnull(control_request_parse(&r, span_of(line, 3 + 2 * CONTROL_WORDS_MAX)));
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        words[i] = "w";
    ck_assert_uint_gt(control_request_write(out, words, CONTROL_WORDS_MAX), 0);
    ck_assert_uint_eq(control_request_write(out, words, CONTROL_WORDS_MAX + 1), 0);
    ck_assert_uint_eq(control_request_write(out, words, 0), 0);
    memset(word, 'y', sizeof(word));
    word[CONTROL_LINE_MAX - 3] = '\0'; /* with "1 " and LF it fills the line */
    words[0] = word;
    ck_assert_uint_eq(control_request_write(out, words, 1), CONTROL_LINE_MAX);
    ck_assert_uint_eq(control_request_write(out, words, 2), 0);
    word[CONTROL_LINE_MAX - 3] = 'y';
    word[CONTROL_LINE_MAX - 2] = '\0';
    ck_assert_uint_eq(control_request_write(out, words, 1), 0);
    words[0] = "a b";
    ck_assert_uint_eq(control_request_write(out, words, 1), 0);
    words[0] = "";
    ck_assert_uint_eq(control_request_write(out, words, 1), 0);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        what_is_written_is_read_as_the_same,
        what_is_no_request_is_told,
        lines_and_words_are_bounded,
    };
    return suite_of("control_request", tests, ARRAY_LEN(tests));
}
