/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "outputs/http_health.h"
#include "tests/unit/folder.h"

/* How many lines stderr has since it went into the file "said". */
static int lines(const char *with)
{
    size_t n;
    int found = 0;
    char *text = (char *)file_get("said", &n);
    for (const char *at = text; (at = strstr(at, with)); at++)
        found++;
    free(text);
    return found;
}

static struct http_voice voice;

static struct http_health begin(void)
{
    folder_enter();
    int fd = open("said", O_WRONLY | O_CREAT | O_APPEND, 0600);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
    struct http_health health;
    http_voice_init(&voice, "target");
    http_health_init(&health, &voice);
    return health;
}

START_TEST(each_kind_of_failure_is_told_once_until_it_is_over)
{
    struct http_health h = begin();
    for (int i = 0; i < 5; i++) {
        http_health_failed(&h, BOOK_HTTP_REFUSED, "no listener", clock_mono_ns());
        http_health_failed(&h, BOOK_HTTP_TLS, "expired", clock_mono_ns());
        ck_assert_int_eq(h.why, BOOK_HTTP_TLS);
        http_voice_alerted(&voice, "certificate required");
    }
    ck_assert_int_eq(lines("no listener"), 1);
    ck_assert_int_eq(lines("expired"), 1);
    ck_assert_int_eq(lines("certificate required"), 1);
    http_health_connected(&h);
    http_health_connected(&h);
    ck_assert_int_eq(lines(": connected"), 1);
    /* the connection does not say that requests are answered again */
    http_voice_alerted(&voice, "certificate required");
    ck_assert(voice.said_alert);
    http_voice_answered(&voice);
    ck_assert(!voice.said_alert);
    /* what comes and goes is told once a second at most */
    http_health_failed(&h, BOOK_HTTP_REFUSED, "no listener", clock_mono_ns());
    http_health_connected(&h);
    ck_assert_int_eq(lines("no listener"), 1);
    ck_assert_int_eq(lines(": connected"), 1);
    folder_leave();
}
END_TEST

START_TEST(attempts_become_rarer_until_one_succeeds)
{
    struct http_health h = begin();
    int64_t now_ns = NS_PER_S, last_ns = 0;
    for (int i = 0; i < 10; i++) {
        http_health_failed(&h, BOOK_HTTP_REFUSED, "no listener", now_ns);
        int64_t left_ns = backoff_left_ns(&h.backoff, now_ns);
        ck_assert_int_ge(left_ns, last_ns);
        ck_assert_int_le(left_ns, NS_PER_S);
        last_ns = left_ns;
    }
    ck_assert_int_eq(last_ns, NS_PER_S);
    h.down = true;
    http_health_connected(&h);
    ck_assert(!h.down);
    ck_assert_int_eq(backoff_left_ns(&h.backoff, now_ns), 0);
    folder_leave();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        each_kind_of_failure_is_told_once_until_it_is_over,
        attempts_become_rarer_until_one_succeeds,
    };
    return suite_of("http_health", tests, ARRAY_LEN(tests));
}
