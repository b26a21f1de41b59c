/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/file_window.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/messages.h"
#include "tests/unit/options_fake.h"

/* 2026-11-20T12:00:00Z, 13:00 in Berlin */
#define NOON (INT64_C(1795176000) * NS_PER_S)

static struct option_value values[] = {{"from", 0, ""}, {"to", 0, ""}, {"skip", 0, NULL}};
static const struct options options = {.values = values, .n_values = ARRAY_LEN(values)};

static int try_window(struct file_window *w, const char *from, const char *to, int64_t skip,
                      struct err *err)
{
    values[0].text = from;
    values[1].text = to;
    values[2].number = skip;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    return file_window_init(w, &options, err);
}

static enum window_verdict judged(struct file_window *w, enum msg_type type, const char *id,
                                  int64_t seconds)
{
    struct msg *msg = message(type, id, "GET / HTTP/1.1\r\n\r\n");
    msg->ts_ns = NOON + seconds * NS_PER_S;
    enum window_verdict verdict = file_window_judge(w, msg);
    msg_unref(msg);
    return verdict;
}

/* Of requests in each minute of 26 hours from noon on: "first+count". */
static const char *taken(const char *from, const char *to, int64_t skip)
{
    static char text[40];
    struct file_window w;
    struct err err;
    int first = -1, count = 0;
    ck_assert_msg(try_window(&w, from, to, skip, &err) == 0, "%s", err.text);
    for (int minute = 0; minute < 26 * 60; minute++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", minute);
        enum window_verdict verdict = judged(&w, MSG_REQUEST, id, minute * 60);
        if (verdict == WINDOW_OVER)
            break;
        if (verdict == WINDOW_OUTSIDE)
            continue;
        first = first < 0 ? minute : first;
        count++;
    }
    file_window_fini(&w);
    snprintf(text, sizeof(text), "%d+%d", first, count);
    return text;
}

START_TEST(a_window_is_what_its_bounds_say)
{
    static const struct {
        const char *from, *to;
        int64_t skip;
        const char *taken;
    } cases[] = {
        {"", "", 0, "0+1560"},
        {"90s", "", 0, "2+1558"},
        {"2m", "", 0, "2+1558"},
        {"", "1h", 0, "0+60"},
        {"30m", "1h", 0, "30+30"},
        {"", "", 10, "10+1550"},
        {"30m", "1h", 10, "40+20"},
        {"30m", "1h", 30, "-1+0"},
        /* local time: the recording begins at 13:00 */
        {"13:30", "14:00", 0, "30+30"},
        {"13:00", "13:10:30", 0, "0+11"},
        {"12:00", "12:30", 0, "1380+30"}, /* the next day */
        {"23:50", "00:10", 0, "650+20"},
        {"13:30", "1h", 0, "30+30"},
        {"2026-11-20T12:30:00Z", "2026-11-20T14:00:00", 0, "30+30"},
        {"2026-11-20T13:30", "", 0, "30+1530"},
        {"2026-11-21", "", 0, "660+900"},
        {"2025-01-01", "2m", 0, "0+2"},
        {"", "2026-11-20T12:00:00Z", 0, "-1+0"},
        {"2027-01-01", "", 0, "-1+0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = taken(cases[i].from, cases[i].to, cases[i].skip);
        ck_assert_msg(strcmp(got, cases[i].taken) == 0, "%s to %s, skip %d: %s", cases[i].from,
                      cases[i].to, (int)cases[i].skip, got);
    }
    ck_assert_int_eq(mem_used(MEM_OTHER), 0);
}
END_TEST

START_TEST(a_response_is_inside_when_its_request_is)
{
    struct file_window w;
    struct err err;
    ck_assert_int_eq(try_window(&w, "10s", "20s", 1, &err), 0);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(judged(&w, MSG_REQUEST, "early", 0), WINDOW_OUTSIDE);
        ck_assert_int_eq(judged(&w, MSG_REQUEST, "skipped", 11), WINDOW_OUTSIDE);
        ck_assert_int_eq(judged(&w, MSG_RESPONSE, "early", 12), WINDOW_OUTSIDE);
        ck_assert_int_eq(judged(&w, MSG_REQUEST, "inside", 13), WINDOW_INSIDE);
        ck_assert_int_eq(judged(&w, MSG_RESPONSE, "skipped", 14), WINDOW_OUTSIDE);
        ck_assert_int_eq(judged(&w, MSG_RESPONSE, "inside", 25), WINDOW_INSIDE);
        ck_assert_int_eq(judged(&w, MSG_REQUEST, "late", 26), WINDOW_OVER);
        file_window_restart(&w);
    }
    file_window_fini(&w);
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
    static const struct {
        const char *from, *to;
        int64_t skip;
        const char *words;
    } cases[] = {
        {"x", "", 0, "--from \"x\": expected an offset"},
        {"", "25:00", 0, "--to \"25:00\""},
        {"14:05x", "", 0, "--from"},
        {"90", "", 0, "--from"},
        {"2026-13-01", "", 0, "--from"},
        {"-5s", "", 0, "--from"},
        {"", "", -1, "--skip -1"},
        {"2m", "1m", 0, "--to \"1m\" is not after --from \"2m\""},
        {"2026-11-20", "2026-11-20", 0, "is not after"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct file_window w;
        struct err err = {.status = STATUS_DONE};
        ck_assert_msg(try_window(&w, cases[i].from, cases[i].to, cases[i].skip, &err) < 0, "%s %s",
                      cases[i].from, cases[i].to);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_msg(strstr(err.text, cases[i].words) != NULL, "%s", err.text);
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_window_is_what_its_bounds_say,
        a_response_is_inside_when_its_request_is,
        what_is_no_time_is_refused,
    };
    return suite_of("file_window", tests, ARRAY_LEN(tests));
}
