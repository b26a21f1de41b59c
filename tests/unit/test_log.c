/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/log_repeats.h"
#include "tests/unit/folder.h"
#include "tests/unit/log_parse.h"

#define AT_NS (INT64_C(1796003173) * NS_PER_S + 7 * NS_PER_MS) /* 2026-11-30T00:26:13.007Z */
#define TIME "2026-11-30T01:46:13.007Z"

static const char *written(enum log_format format, bool colour, const struct log_line *line)
{
    static char out[LOG_ROOM(LOG_FIELDS_MAX) + 1];
    out[log_line_write(out, format, colour, line)] = '\0';
    return out;
}

START_TEST(a_line_has_three_forms)
{
    const struct log_field fields[] = {
        {"output", "seen", LOG_COUNT, {.count = 12}},
        {NULL, "loss", LOG_REAL, {.real = 0.25}},
        {NULL, "balanced", LOG_BOOL, {.holds = true}},
    };
    const struct log_line line = {
        .wall_ns = AT_NS,
        .level = LOG_WARN,
        .tag = "output-http http://x/?a=1",
        .text = "no \"way\" \\ back",
        .times = 3,
    };
    const struct log_line event = {
        .wall_ns = AT_NS, .level = LOG_INFO, .text = "summary", .fields = fields, .n_fields = 3};
    ck_assert_str_eq(written(LOG_TEXT, false, &line),
                     "refrain: output-http http://x/?a=1: warning: no \"way\" \\ back (repeated 3 "
                     "times)\n");
    ck_assert_str_eq(written(LOG_LOGFMT, true, &line),
                     "time=" TIME " level=warn source=\"output-http http://x/?a=1\" "
                     "msg=\"no \\\"way\\\" \\\\ back\" repeated=3\n");
    ck_assert_str_eq(written(LOG_JSON, true, &line),
                     "{\"time\":\"" TIME "\",\"level\":\"warn\",\"source\":\"output-http "
                     "http://x/?a=1\",\"msg\":\"no \\\"way\\\" \\\\ back\",\"repeated\":3}\n");
    ck_assert_str_eq(written(LOG_TEXT, false, &event),
                     "refrain: summary: output_seen 12, loss 0.25, balanced true\n");
    ck_assert_str_eq(written(LOG_LOGFMT, false, &event),
                     "time=" TIME " level=info msg=summary output_seen=12 loss=0.25 "
                     "balanced=true\n");
    ck_assert_str_eq(written(LOG_JSON, false, &event),
                     "{\"time\":\"" TIME "\",\"level\":\"info\",\"msg\":\"summary\","
                     "\"output_seen\":12,\"loss\":0.25,\"balanced\":true}\n");
}
END_TEST

START_TEST(colour_stands_around_what_is_told_of_warnings_and_errors)
{
    struct log_line line = {.level = LOG_WARN, .tag = "t", .text = "x"};
    ck_assert_str_eq(written(LOG_TEXT, true, &line), "refrain: t: \033[33mwarning: x\033[0m\n");
    line.level = LOG_ERROR;
    ck_assert_str_eq(written(LOG_TEXT, true, &line), "refrain: t: \033[31mx\033[0m\n");
    line.level = LOG_INFO;
    ck_assert_str_eq(written(LOG_TEXT, true, &line), "refrain: t: x\n");
}
END_TEST

START_TEST(what_no_terminal_should_get_is_shown_in_hex)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"plain", "plain"},
        {"\xc3\xa4 \xf0\x9f\x90\xb5", "\xc3\xa4 \xf0\x9f\x90\xb5"}, /* a letter, a monkey */
        {"a\033[31mb\a\r\n\t\x7f", "a\\x1b[31mb\\x07\\x0d\\x0a\\x09\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"}, /* CSI of C1 */
        {"\xff\xc3(\xe2\x82", "\\xff\\xc3(\\xe2\\x82"}, /* not UTF-8, cut */
        {"\xc0\xaf \xed\xa0\x80", "\\xc0\\xaf \\xed\\xa0\\x80"}, /* too long, surrogate */
        {"\xe2\x80\xae"
         "gpj.exe",
         "\\xe2\\x80\\xaegpj.exe"}, /* from right to left */
        {"\xe2\x80\xa8|\xe2\x80\x8b|\xef\xbb\xbf",
         "\\xe2\\x80\\xa8|\\xe2\\x80\\x8b|\\xef\\xbb\\xbf"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct log_line line = {.wall_ns = AT_NS, .level = LOG_INFO, .text = cases[i].text};
        const char *text = written(LOG_TEXT, false, &line);
        ck_assert_uint_eq(strncmp(text, "refrain: ", 9), 0);
        ck_assert_uint_eq(strlen(text) - 10, strlen(cases[i].shown));
        ck_assert_mem_eq(text + 9, cases[i].shown, strlen(cases[i].shown));
        for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
            const char *out = written((enum log_format)format, false, &line);
            json_t *read =
                format == LOG_JSON ? json_loads(out, 0, NULL) : logfmt_read(out, strlen(out) - 1);
            ck_assert_ptr_nonnull(read);
            ck_assert_str_eq(json_string_value(json_object_get(read, "msg")), cases[i].shown);
            json_decref(read);
        }
    }
}
END_TEST

START_TEST(empty_and_odd_values_are_quoted)
{
    static const char *const texts[] = {"", "a=b", "\"", "two words", "back\\slash", "\xc3\xa4"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct log_line line = {.level = LOG_DEBUG, .tag = texts[i], .text = texts[i]};
        const char *out = written(LOG_LOGFMT, false, &line);
        json_t *read = logfmt_read(out, strlen(out) - 1);
        ck_assert_msg(read, "%s", out);
        ck_assert_str_eq(json_string_value(json_object_get(read, "msg")), texts[i]);
        ck_assert_str_eq(json_string_value(json_object_get(read, "source")), texts[i]);
        ck_assert_str_eq(json_string_value(json_object_get(read, "level")), "debug");
        json_decref(read);
    }
}
END_TEST

START_TEST(what_is_too_long_is_cut_and_shows_it)
{
    static char text[3 * LOG_TEXT_MAX];
    memset(text, '\1', sizeof(text) - 1);
    struct log_line line = {.tag = text, .text = text};
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        size_t len = strlen(written((enum log_format)format, false, &line));
        ck_assert_uint_le(len, LOG_ROOM(0));
        ck_assert_uint_ge(len, 4 * (LOG_TEXT_MAX + LOG_TAG_MAX - 6));
    }
    json_t *read = json_loads(written(LOG_JSON, false, &line), 0, NULL);
    const char *msg = json_string_value(json_object_get(read, "msg"));
    ck_assert_uint_eq(strlen(msg), (LOG_TEXT_MAX - 3) * 4 + 3);
    ck_assert_str_eq(msg + (LOG_TEXT_MAX - 3) * 4, "...");
    json_decref(read);
    memset(text, 'x', sizeof(text));
    text[LOG_TEXT_MAX] = '\0';
    ck_assert_ptr_null(strstr(written(LOG_TEXT, false, &(struct log_line){.text = text}), "..."));
}
END_TEST

START_TEST(a_block_keeps_its_lines_and_nothing_else)
{
    char out[64];
    size_t n = log_visible(out, "a\n\033[2J\n\xff", 8);
    ck_assert_uint_eq(n, strlen("a\n\\x1b[2J\n\\xff"));
    ck_assert_mem_eq(out, "a\n\\x1b[2J\n\\xff", n);
}
END_TEST

/* --- repeats --- */

static struct log_repeats repeats;

/* Says it once; returns how many times the line stands for that is told, 0 for none. */
static uint64_t say(const char *tag, const char *words, const char *text, int64_t now_ns)
{
    const struct log_saying saying = {LOG_WARN, tag, words, text};
    struct log_repeat old;
    if (log_repeats_hold(&repeats, &saying, now_ns))
        return 0;
    uint64_t times = log_repeats_told(&repeats, &saying, now_ns, &old);
    return times + old.held;
}

static uint64_t due(int64_t now_ns)
{
    struct log_repeat out;
    uint64_t n = 0;
    while (log_repeats_due(&repeats, now_ns, &out))
        n += out.held;
    return n;
}

START_TEST(repeats_are_held_back_and_counted)
{
    int64_t now = 5 * NS_PER_S;
    ck_assert_uint_eq(say("t", NULL, "x", now), 1);
    for (int i = 0; i < 9; i++)
        ck_assert_uint_eq(say("t", NULL, "x", now + i), 0);
    ck_assert_uint_eq(say("t", NULL, "y", now), 1); /* other words, other tag: told */
    ck_assert_uint_eq(say("u", NULL, "x", now), 1);
    ck_assert_uint_eq(due(now + NS_PER_S - 1), 0);
    ck_assert_uint_eq(say("t", NULL, "x", now + NS_PER_S), 10); /* with the nine */
    ck_assert_uint_eq(say("t", NULL, "x", now + NS_PER_S + 1), 0);
    ck_assert_uint_eq(due(now + 3 * NS_PER_S - 1), 0); /* now it takes two seconds */
    ck_assert_uint_eq(due(now + 3 * NS_PER_S), 1);
    ck_assert_uint_eq(due(INT64_MAX), 0);
}
END_TEST

START_TEST(the_same_words_with_other_details_are_repeats)
{
    static const char words[] = "lost %d";
    ck_assert_uint_eq(say("t", words, "lost 1", 0), 1);
    ck_assert_uint_eq(say("t", words, "lost 2", 0), 0);
    ck_assert_uint_eq(say("t", NULL, "lost 1", 0), 1);
    struct log_repeat out;
    ck_assert(log_repeats_due(&repeats, INT64_MAX, &out));
    ck_assert_uint_eq(out.held, 1);
    ck_assert_str_eq(out.text, "lost 1");
    ck_assert_str_eq(out.tag, "t");
}
END_TEST

START_TEST(the_wait_grows_to_a_minute_and_begins_anew_after_quiet)
{
    int told = 0;
    int64_t now = 0;
    for (; now < 600 * NS_PER_S; now += 100 * NS_PER_MS)
        told += say("t", NULL, "x", now) > 0;
    ck_assert_int_ge(told, 10); /* 1 + 2 + 4 + 8 + 16 + 32 s, then each minute */
    ck_assert_int_le(told, 18);
    now += LOG_REPEAT_MAX_NS;
    due(now);
    now += LOG_REPEAT_MAX_NS;
    ck_assert_uint_eq(say("t", NULL, "x", now), 1);
    ck_assert_uint_eq(say("t", NULL, "x", now + 1), 0);
    ck_assert_uint_eq(say("t", NULL, "x", now + NS_PER_S), 2);
}
END_TEST

START_TEST(nothing_is_lost_whatever_is_said)
{
    uint64_t said = 0, told = 0, seed = 1;
    char text[32];
    int64_t now = 0;
    for (int i = 0; i < 100000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        now += (int64_t)(seed >> 40) * 8;
        snprintf(text, sizeof(text), "%d", (int)((seed >> 33) % (1 + i % 40)));
        told += say(i % 3 ? "a" : "b", i % 5 ? NULL : "w", text, now);
        said++;
        if (i % 7 == 0)
            told += due(now);
    }
    ck_assert_uint_lt(told, said + 1);
    told += due(INT64_MAX);
    ck_assert_uint_eq(told, said);
}
END_TEST

/* --- all of it --- */

#define THREADS 4
#define EACH 5000

static void *talk(void *arg)
{
    const char *tag = (const char *)arg;
    for (int i = 0; i < EACH; i++) {
        log_warn(tag, "again");
        log_often(LOG_WARN, "all", "number", "number %d", i);
        log_warn(NULL, "%d", i % 40); /* more than are watched */
        if (i % 1000 == 0)
            log_tick(clock_mono_ns());
    }
    return NULL;
}

/* The lines of the file said: how often in all each was said, by the first letter of its text. */
static void read_all(uint64_t sums[256])
{
    char line[256];
    FILE *f = fopen("said", "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f)) {
        json_t *read = json_loads(line, 0, NULL);
        ck_assert_msg(read, "%s", line);
        const json_t *times = json_object_get(read, "repeated");
        const char *text = json_string_value(json_object_get(read, "msg"));
        ck_assert_ptr_nonnull(text);
        sums[(unsigned char)text[0]] += times ? (uint64_t)json_integer_value(times) : 1;
        json_decref(read);
    }
    fclose(f);
}

START_TEST(threads_that_talk_at_once_have_whole_lines_and_right_sums)
{
    static const char *const tags[THREADS] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    uint64_t sums[256] = {0}, digits = 0;
    folder_enter();
    int fd = open("said", O_WRONLY | O_CREAT | O_APPEND, 0600);
    ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    log_set_format(LOG_JSON);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, talk, (void *)(uintptr_t)tags[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_flush();
    read_all(sums);
    for (int c = '0'; c <= '9'; c++)
        digits += sums[c];
    ck_assert_uint_eq(sums['a'], THREADS * EACH);
    ck_assert_uint_eq(sums['n'], THREADS * EACH);
    ck_assert_uint_eq(digits, THREADS * EACH);
    close(fd);
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_line_has_three_forms,
        colour_stands_around_what_is_told_of_warnings_and_errors,
        what_no_terminal_should_get_is_shown_in_hex,
        empty_and_odd_values_are_quoted,
        what_is_too_long_is_cut_and_shows_it,
        a_block_keeps_its_lines_and_nothing_else,
        repeats_are_held_back_and_counted,
        the_same_words_with_other_details_are_repeats,
        the_wait_grows_to_a_minute_and_begins_anew_after_quiet,
        nothing_is_lost_whatever_is_said,
        threads_that_talk_at_once_have_whole_lines_and_right_sums,
    };
    return suite_of("log", tests, ARRAY_LEN(tests));
}
