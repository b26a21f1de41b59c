/* SPDX-License-Identifier: MIT */
/* output-http with several threads (outputs/http_worker.c). */
#include "tests/unit/http_run.h"

#include <sched.h>
#include <stdio.h>

#include "lib/exchange_stats.h"
#include "lib/log.h"
#include "outputs/outputs.h"

/* Two at least, whatever machine this is. */
static bool has_threads(void)
{
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
    return CPU_COUNT(&set) > 1;
}

struct listener {
    struct sink sink;
    unsigned heard; /* plainly counted: a thread sanitizer would see two at once */
};

static void hear(struct sink *sink, const struct msg *msg)
{
    container_of(sink, struct listener, sink)->heard += msg->replayed_by == 3;
    msg_unref(msg);
}

/* Requests "/ok/CONNECTION/NUMBER" came in order on each connection. */
static void expect_order(const struct run *r, unsigned conns, unsigned each)
{
    unsigned next[64] = {0};
    ck_assert_uint_le(conns, ARRAY_LEN(next));
    ck_assert_uint_eq(http_server_n_seen(r->server), (size_t)conns * each);
    for (size_t i = 0; i < http_server_n_seen(r->server); i++) {
        unsigned conn, n;
        ck_assert_int_eq(sscanf((const char *)seen(r, i).ptr, "GET /ok/%u/%u ", &conn, &n), 2);
        ck_assert_uint_lt(conn, conns);
        ck_assert_uint_eq(n, next[conn]++);
    }
}

START_TEST(several_threads_keep_order_books_and_answers)
{
    struct listener listener = {.sink = {.put = hear}};
    struct err err;
    values[WORKERS].number = 64;
    values[MAX_CONNECTIONS].number = 7;
    log_set_level(LOG_ERROR);
    struct run r = start("");
    r.out->answers = &listener.sink;
    r.out->answer_max = 1000;
    r.out->number = 3;
    ck_assert_int_eq(output_http.start(r.out, &err), 0);
    for (unsigned i = 0; i < 40 * 50; i++) {
        char target[32];
        snprintf(target, sizeof(target), "/ok/%u/%u", i % 40, i / 40);
        send_get(&r, i % 40, target);
    }
    drain(&r);
    output_http.stop(r.out);
    expect_order(&r, 40, 50);
    expect(&r, BOOK_DELIVERED, 2000);
    expect(&r, BOOK_HTTP_2XX, 2000);
    ck_assert_uint_le(http_server_most_open(r.server), 7);
    ck_assert_uint_ge(http_server_most_open(r.server), 2);
    ck_assert_uint_eq(listener.heard, 2000);
    ck_assert_uint_eq(histogram_count(account_latency(r.account)), 2000);
    const struct exchange_stats *exchanges = account_exchanges(r.account);
    uint64_t answered = 0, wanted = 0, sent = 0;
    for (size_t i = 0; i < exchanges->n_slots; i++) {
        wanted += exchanges->slots[i].wanted;
        sent += exchanges->slots[i].sent;
        answered += exchanges->slots[i].answered;
    }
    ck_assert_uint_eq(wanted, 2000);
    ck_assert_uint_eq(sent, 2000);
    ck_assert_uint_eq(answered, 2000);
    finish(&r);
}
END_TEST

START_TEST(what_threads_have_left_is_abandoned)
{
    struct err err;
    values[WORKERS].number = 2;
    values[QUEUE_LEN].number = 600; /* half of it are the threads' queues */
    values[MAX_CONNECTIONS].number = 4;
    struct run r = start("");
    ck_assert_int_eq(output_http.start(r.out, &err), 0);
    for (unsigned i = 0; i < 200; i++) /* and all are taken */
        send_get(&r, i, i % 2 ? "/never" : "/slow");
    if (has_threads())
        ck_assert_int_eq(output_http.flush(r.out), OUTPUT_BUSY);
    output_http.close(r.out);
    ck_assert_uint_gt(count(&r, BOOK_ABANDONED), 0);
    ck_assert_uint_eq(count(&r, BOOK_ABANDONED) + count(&r, BOOK_DELIVERED), 200);
    r.out = NULL;
    finish(&r);
}
END_TEST

START_TEST(threads_that_take_no_more_are_waited_for)
{
    struct err err;
    values[WORKERS].number = 2;
    values[QUEUE_LEN].number = 4;
    values[MAX_CONNECTIONS].number = 4;
    struct run r = start("");
    ck_assert_int_eq(output_http.start(r.out, &err), 0);
    for (unsigned i = 0; i < 3000; i++) /* more than all queues hold */
        send_get(&r, i, "/ok");
    drain(&r);
    expect(&r, BOOK_DELIVERED, 3000);
    finish(&r);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        several_threads_keep_order_books_and_answers,
        what_threads_have_left_is_abandoned,
        threads_that_take_no_more_are_waited_for,
    };
    return suite_of("http_worker", tests, ARRAY_LEN(tests));
}
