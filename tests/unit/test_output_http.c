/* SPDX-License-Identifier: MIT */
/* output-http against a server of the test's own. Each run ends by checking that every message
 * taken has found one fate, and that no memory is left. */
#include "tests/unit/http_run.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "outputs/outputs.h"
#include "tests/unit/messages.h"

START_TEST(many_requests_share_one_connection)
{
    struct run r = start("");
    for (unsigned i = 0; i < 300; i++) {
        send_get(&r, i, "/ok");
        drain(&r);
    }
    ck_assert_uint_eq(http_server_connections(r.server), 1);
    expect(&r, BOOK_HTTP_CONNECTIONS, 1);
    expect(&r, BOOK_HTTP_2XX, 300);
    expect(&r, BOOK_DELIVERED, 300);
    finish(&r);
}
END_TEST

START_TEST(requests_of_one_recorded_connection_stay_in_order_on_one_connection)
{
    struct run r = start("");
    for (unsigned i = 0; i < 200; i++) {
        char target[32];
        snprintf(target, sizeof(target), "/ok/%u", i);
        send_get(&r, 7, target);
    }
    drain(&r);
    ck_assert_uint_eq(http_server_connections(r.server), 1);
    ck_assert_uint_eq(http_server_n_seen(r.server), 200);
    for (unsigned i = 0; i < 200; i++) {
        unsigned n = 0;
        ck_assert_int_eq(sscanf((const char *)seen(&r, i).ptr, "GET /ok/%u ", &n), 1);
        ck_assert_uint_eq(n, i);
    }
    finish(&r);
}
END_TEST

START_TEST(different_recorded_connections_go_side_by_side)
{
    struct run r = start("");
    int64_t begin = clock_mono_ns();
    for (unsigned i = 0; i < 20; i++)
        send_get(&r, i, "/slow");
    drain(&r);
    ck_assert_int_lt(clock_mono_ns() - begin, 3 * NS_PER_S); /* one by one: 6 s */
    ck_assert_uint_eq(http_server_most_open(r.server), 20);
    expect(&r, BOOK_DELIVERED, 20);
    finish(&r);
}
END_TEST

START_TEST(no_more_connections_than_allowed_and_nobody_starves)
{
    values[MAX_CONNECTIONS].number = 3;
    struct run r = start("");
    for (unsigned i = 0; i < 300; i++) {
        char target[32];
        snprintf(target, sizeof(target), "/ok/%u/%u", i % 10, i / 10);
        send_get(&r, i % 10, target);
    }
    drain(&r);
    ck_assert_uint_le(http_server_connections(r.server), 3);
    expect(&r, BOOK_DELIVERED, 300);
    unsigned next[10] = {0};
    for (size_t i = 0; i < http_server_n_seen(r.server); i++) {
        unsigned conn, n;
        ck_assert_int_eq(sscanf((const char *)seen(&r, i).ptr, "GET /ok/%u/%u ", &conn, &n), 2);
        ck_assert_uint_eq(n, next[conn]);
        next[conn]++;
        /* The first of each recorded connection is sent before the last of any other; the server
         * may not have looked yet at what is on the way over the two other connections. */
        unsigned unseen = 0;
        for (unsigned j = 0; j < 10; j++)
            unseen += next[j] == 0;
        if (n == 29)
            ck_assert_uint_le(unseen, 2);
    }
    finish(&r);
}
END_TEST

START_TEST(what_arrives_is_what_was_recorded_but_for_host)
{
    struct run r = start("");
    char want[1024];
    send_bytes(&r, 1,
               "POST /ok?a=%zz HTTP/1.1\r\nX-b:  2\r\nhost: recorded:80\r\nx-B: 1\r\n"
               "Content-Length: 5\r\nAccept: */*\r\n\r\nh\nllo");
    drain(&r);
    snprintf(want, sizeof(want),
             "POST /ok?a=%%zz HTTP/1.1\r\nX-b:  2\r\nhost: 127.0.0.1:%u\r\nx-B: 1\r\n"
             "Content-Length: 5\r\nAccept: */*\r\n\r\nh\nllo",
             http_server_port(r.server));
    expect_seen(&r, 0, want);
    send_bytes(&r, 1,
               "PUT /ok HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3;ext=1\r\nabc\r\n02\r\nde\r\n0\r\nTrailer: x\r\n\r\n");
    drain(&r);
    snprintf(want, sizeof(want),
             "PUT /ok HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3;ext=1\r\nabc\r\n02\r\nde\r\n0\r\nTrailer: x\r\n\r\n",
             http_server_port(r.server));
    expect_seen(&r, 1, want);
    send_bytes(&r, 1, "GET http://recorded/ok HTTP/1.0\r\nHost: b\r\n\r\n");
    drain(&r);
    snprintf(want, sizeof(want), "GET /ok HTTP/1.0\r\nHost: 127.0.0.1:%u\r\n\r\n",
             http_server_port(r.server));
    expect_seen(&r, 2, want);
    expect(&r, BOOK_DELIVERED, 3);
    finish(&r);
}
END_TEST

START_TEST(the_recorded_host_stays_when_asked_for)
{
    values[ORIGINAL_HOST].number = 1;
    struct run r = start("");
    send_bytes(&r, 1, "GET /ok HTTP/1.1\r\nHost: recorded\r\n\r\n");
    drain(&r);
    expect_seen(&r, 0, "GET /ok HTTP/1.1\r\nHost: recorded\r\n\r\n");
    finish(&r);
}
END_TEST

START_TEST(a_host_set_by_a_rule_stays)
{
    values[SET_HEADER].text = "host: chosen";
    struct run r = start("");
    send_bytes(&r, 1, "GET /ok HTTP/1.1\r\nHost: chosen\r\n\r\n");
    drain(&r);
    expect_seen(&r, 0, "GET /ok HTTP/1.1\r\nHost: chosen\r\n\r\n");
    finish(&r);
}
END_TEST

START_TEST(a_path_in_the_url_goes_in_front_of_every_path)
{
    values[ORIGINAL_HOST].number = 1;
    struct run r = start("/prefix/");
    send_get(&r, 1, "/ok?x");
    send_bytes(&r, 1, "OPTIONS * HTTP/1.1\r\nHost: recorded\r\n\r\n");
    drain(&r);
    expect_seen(&r, 0, "GET /prefix/ok?x HTTP/1.1\r\nHost: recorded\r\n\r\n");
    expect_seen(&r, 1, "OPTIONS * HTTP/1.1\r\nHost: recorded\r\n\r\n");
    expect(&r, BOOK_DELIVERED, 2);
    finish(&r);
}
END_TEST

START_TEST(user_information_is_for_requests_that_have_no_authorization)
{
    struct run r = {.server = http_server_start(0)};
    char address[128];
    values[ORIGINAL_HOST].number = 1;
    snprintf(address, sizeof(address), "http://user:pass@127.0.0.1:%u", http_server_port(r.server));
    open_output(&r, address);
    send_get(&r, 1, "/ok");
    send_bytes(&r, 1, "GET /ok HTTP/1.1\r\nHost: b\r\nauthorization: Bearer x\r\n\r\n");
    drain(&r);
    expect_seen(&r, 0,
                "GET /ok HTTP/1.1\r\nHost: recorded\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n");
    expect_seen(&r, 1, "GET /ok HTTP/1.1\r\nHost: b\r\nauthorization: Bearer x\r\n\r\n");
    finish(&r);
}
END_TEST

/* One way a server may answer. */
static const struct {
    const char *request; /* method and target */
    enum book class, why; /* status class, or for failures the reason */
    bool delivered, reused;
} ways[] = {
    {"GET /ok", BOOK_HTTP_2XX, 0, true, true},
    {"GET /chunked", BOOK_HTTP_2XX, 0, true, true},
    {"GET /drops", BOOK_HTTP_2XX, 0, true, true},
    {"GET /204", BOOK_HTTP_2XX, 0, true, true},
    {"GET /304", BOOK_HTTP_3XX, 0, true, true},
    {"HEAD /head", BOOK_HTTP_4XX, 0, true, true},
    {"GET /500", BOOK_HTTP_5XX, 0, true, true},
    {"GET /continue", BOOK_HTTP_3XX, 0, true, true},
    {"GET /big", BOOK_HTTP_2XX, 0, true, true},
    {"GET /close", BOOK_HTTP_2XX, 0, true, false},
    {"GET /until-close", BOOK_HTTP_2XX, 0, true, false},
    {"GET /http10", BOOK_HTTP_2XX, 0, true, false},
    {"GET /extra", BOOK_HTTP_2XX, 0, true, false},
    {"GET /switch", BOOK_HTTP_1XX, 0, true, false},
    {"GET /half", 0, BOOK_HTTP_RESET, false, false},
    {"GET /reset", 0, BOOK_HTTP_RESET, false, false},
    {"GET /silent", 0, BOOK_HTTP_RESET, false, false},
    {"GET /garbage", 0, BOOK_HTTP_BAD_ANSWER, false, false},
    {"GET /never", 0, BOOK_HTTP_TIMEOUT, false, false},
};

START_TEST(each_way_of_answering_is_understood)
{
    values[TIMEOUT].number = 400 * NS_PER_MS;
    struct run r = start("");
    char bytes[128];
    snprintf(bytes, sizeof(bytes), "%s HTTP/1.1\r\nHost: a\r\n\r\n", ways[_i].request);
    send_bytes(&r, 1, bytes);
    drain(&r);
    expect(&r, BOOK_DELIVERED, ways[_i].delivered);
    expect(&r, BOOK_FAILED, !ways[_i].delivered);
    if (ways[_i].delivered)
        expect(&r, ways[_i].class, 1);
    else
        expect(&r, ways[_i].why, 1);
    /* whatever it was, the next request is answered as if alone */
    send_get(&r, 1, "/500/after");
    drain(&r);
    expect(&r, BOOK_DELIVERED, ways[_i].delivered + 1u);
    expect(&r, BOOK_HTTP_CONNECTIONS, ways[_i].reused ? 1 : 2);
    ck_assert_uint_eq(http_server_n_seen(r.server), 2); /* nothing was sent twice */
    finish(&r);
}
END_TEST

START_TEST(interim_answers_are_counted_and_not_waited_for)
{
    struct run r = start("");
    int64_t begin = clock_mono_ns();
    send_bytes(&r, 1,
               "POST /continue HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
               "Content-Length: 3\r\n\r\nabc");
    drain(&r);
    ck_assert_int_lt(clock_mono_ns() - begin, NS_PER_S / 2);
    expect(&r, BOOK_HTTP_1XX, 2);
    expect(&r, BOOK_HTTP_3XX, 1);
    finish(&r);
}
END_TEST

START_TEST(a_request_that_asks_to_close_ends_its_connection)
{
    struct run r = start("");
    for (int i = 0; i < 3; i++) {
        send_bytes(&r, 1, "GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        drain(&r);
    }
    expect(&r, BOOK_HTTP_CONNECTIONS, 3);
    expect(&r, BOOK_DELIVERED, 3);
    finish(&r);
}
END_TEST

static struct msg *upload(const char *target, size_t body)
{
    struct msg *msg = msg_new(body + 256);
    ck_assert_ptr_nonnull(msg);
    msg->type = MSG_REQUEST;
    msg->len = (size_t)snprintf((char *)msg->bytes, 256,
                                "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                                target, body);
    memset(msg->bytes + msg->len, 'u', body);
    msg->len += body;
    msg_parse_head(msg);
    return msg;
}

START_TEST(large_bodies_arrive_whole)
{
    values[ORIGINAL_HOST].number = 1;
    struct run r = start("");
    static const size_t sizes[] = {1, 16384, 16385, 100000, 7000000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct msg *msg = upload("/ok", sizes[i]);
        const struct msg *copy = msg_ref(msg);
        ck_assert_int_eq(offer(&r, msg), OUTPUT_TAKEN);
        drain(&r);
        ck_assert_uint_eq(http_server_n_seen(r.server), i + 1);
        ck_assert(span_eq(seen(&r, i), msg_payload(copy)));
        msg_unref(copy);
    }
    expect(&r, BOOK_HTTP_CONNECTIONS, 1);
    finish(&r);
}
END_TEST

START_TEST(an_answer_before_the_end_of_the_body_counts)
{
    struct run r = start("");
    ck_assert_int_eq(offer(&r, upload("/early", 50000000)), OUTPUT_TAKEN);
    drain(&r);
    expect(&r, BOOK_HTTP_4XX, 1);
    expect(&r, BOOK_DELIVERED, 1);
    send_get(&r, 1, "/ok");
    drain(&r);
    expect(&r, BOOK_HTTP_CONNECTIONS, 2);
    finish(&r);
}
END_TEST

START_TEST(a_slow_answer_does_not_hold_up_other_recorded_connections)
{
    struct run r = start("");
    send_get(&r, 1, "/slow");
    send_get(&r, 1, "/ok/behind");
    send_get(&r, 2, "/ok/beside");
    drain(&r);
    ck_assert_ptr_nonnull(strstr((const char *)seen(&r, 2).ptr, "behind"));
    expect(&r, BOOK_DELIVERED, 3);
    finish(&r);
}
END_TEST

START_TEST(timeouts_free_the_recorded_connection)
{
    values[TIMEOUT].number = 200 * NS_PER_MS;
    struct run r = start("");
    int64_t begin = clock_mono_ns();
    send_get(&r, 1, "/never");
    send_get(&r, 1, "/ok");
    drain(&r);
    int64_t took = clock_mono_ns() - begin;
    ck_assert_int_ge(took, 200 * NS_PER_MS);
    ck_assert_int_lt(took, 2 * NS_PER_S);
    expect(&r, BOOK_HTTP_TIMEOUT, 1);
    expect(&r, BOOK_DELIVERED, 1);
    finish(&r);
}
END_TEST

START_TEST(a_target_that_is_not_there_fails_all_and_holds_up_nothing)
{
    struct run r = {0};
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%u", http_server_free_port());
    open_output(&r, address);
    int64_t begin = clock_mono_ns();
    for (unsigned i = 0; i < 20000; i++) {
        send_get(&r, i % 50, "/ok");
        if (i % 32 == 0)
            output_http.poll(r.out, -1, 0);
    }
    drain(&r);
    ck_assert_int_lt(clock_mono_ns() - begin, 10 * NS_PER_S);
    expect(&r, BOOK_HTTP_REFUSED, 20000);
    expect(&r, BOOK_FAILED, 20000);
    expect(&r, BOOK_HTTP_CONNECTIONS, 0);
    finish(&r);
}
END_TEST

START_TEST(a_target_that_comes_back_is_used_again)
{
    uint16_t port = http_server_free_port();
    struct run r = {0};
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    open_output(&r, address);
    send_get(&r, 1, "/ok");
    drain(&r);
    expect(&r, BOOK_HTTP_REFUSED, 1);
    r.server = http_server_start(port);
    send_get(&r, 1, "/ok");
    drain(&r);
    expect(&r, BOOK_DELIVERED, 1);
    http_server_stop(r.server);
    http_server_free(r.server);
    /* the server closed while the connection was idle: noticed, not failed */
    r.server = http_server_start(port);
    send_get(&r, 1, "/ok");
    drain(&r);
    expect(&r, BOOK_DELIVERED, 2);
    expect(&r, BOOK_FAILED, 1);
    finish(&r);
}
END_TEST

START_TEST(a_full_queue_says_busy_and_what_is_left_is_abandoned)
{
    values[QUEUE_LEN].number = 10;
    struct run r = start("");
    for (unsigned i = 0; i < 10; i++)
        send_get(&r, i, "/never");
    struct msg *msg = request(99, "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_int_eq(output_http.write(r.out, msg), OUTPUT_BUSY);
    output_http.poll(r.out, -1, 50);
    ck_assert_int_eq(output_http.write(r.out, msg), OUTPUT_BUSY);
    msg_unref(msg);
    output_http.close(r.out);
    expect(&r, BOOK_ABANDONED, 10);
    r.out = NULL;
    finish(&r);
}
END_TEST

static const char *const unsendable[] = {
    "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "not http at all",
    "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nshort",
    "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nlong",
    "GET /ok HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "POST /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
};

START_TEST(what_is_no_whole_request_is_not_sent)
{
    struct run r = start("");
    for (size_t i = 0; i < ARRAY_LEN(unsendable); i++)
        ck_assert_int_eq(offer(&r, request(1, unsendable[i])), OUTPUT_FAILED);
    struct msg *msg = request(1, "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
    msg->flags |= MSG_CUT;
    ck_assert_int_eq(offer(&r, msg), OUTPUT_FAILED);
    msg = message(MSG_RESPONSE, "1", "HTTP/1.1 200 OK\r\n\r\n");
    ck_assert_int_eq(offer(&r, msg), OUTPUT_SKIPPED);
    drain(&r);
    expect(&r, BOOK_HTTP_UNSENDABLE, ARRAY_LEN(unsendable) + 1);
    ck_assert_uint_eq(http_server_n_seen(r.server), 0);
    finish(&r);
}
END_TEST

START_TEST(poll_returns_when_it_is_woken)
{
    struct run r = start("");
    int pipe_fds[2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
    int64_t begin = clock_mono_ns();
    output_http.poll(r.out, pipe_fds[0], 5000);
    ck_assert_int_lt(clock_mono_ns() - begin, NS_PER_S);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    finish(&r);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct http_server *server = http_server_start(0);
    char address[64];
    struct books *books = aligned_alloc(64, sizeof(*books));
    snprintf(address, sizeof(address), "127.0.0.1:%u", http_server_port(server));
    int64_t before = mem_all();
    log_set_level(LOG_ERROR);
    for (uint64_t n = 1; n < 60; n++) {
        struct output *out = NULL;
        struct err err;
        struct output_args args = {.address = address, .options = &options, .books = books};
        memset(books, 0, sizeof(*books));
        struct msg *msg = request(1, "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
        mem_fail_at(n);
        if (output_http.open(&out, &args, &err) == 0) {
            ck_assert_int_eq(output_http.write(out, msg), OUTPUT_TAKEN);
            while (output_http.flush(out) == OUTPUT_BUSY)
                output_http.poll(out, -1, 50);
            ck_assert_uint_eq(book_get(books, BOOK_DELIVERED) + book_get(books, BOOK_FAILED), 1);
        }
        mem_fail_at(0);
        output_http.close(out);
        msg_unref(msg);
        ck_assert_int_eq(mem_all(), before);
    }
    free(books);
    http_server_stop(server);
    http_server_free(server);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        many_requests_share_one_connection,
        requests_of_one_recorded_connection_stay_in_order_on_one_connection,
        different_recorded_connections_go_side_by_side,
        no_more_connections_than_allowed_and_nobody_starves,
        what_arrives_is_what_was_recorded_but_for_host,
        the_recorded_host_stays_when_asked_for,
        a_host_set_by_a_rule_stays,
        a_path_in_the_url_goes_in_front_of_every_path,
        user_information_is_for_requests_that_have_no_authorization,
        interim_answers_are_counted_and_not_waited_for,
        a_request_that_asks_to_close_ends_its_connection,
        large_bodies_arrive_whole,
        an_answer_before_the_end_of_the_body_counts,
        a_slow_answer_does_not_hold_up_other_recorded_connections,
        timeouts_free_the_recorded_connection,
        a_target_that_is_not_there_fails_all_and_holds_up_nothing,
        a_target_that_comes_back_is_used_again,
        a_full_queue_says_busy_and_what_is_left_is_abandoned,
        what_is_no_whole_request_is_not_sent,
        poll_returns_when_it_is_woken,
        every_allocation_may_fail,
    };
    Suite *s = suite_of("output_http", tests, ARRAY_LEN(tests));
    TCase *tc = tcase_create("answers");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, each_way_of_answering_is_understood, 0, ARRAY_LEN(ways));
    suite_add_tcase(s, tc);
    return s;
}
