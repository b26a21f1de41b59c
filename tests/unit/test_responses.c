/* SPDX-License-Identifier: MIT */
/* Responses: paired with their requests, or counted. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/segments.h"

#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define OTHER "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
#define HEAD "HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST_HEAD "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
#define OK_A "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA"
#define OK_B "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nB\r\n0\r\n\r\n"
#define UNTIL_CLOSE "HTTP/1.0 200 OK\r\n\r\nall of it"

static struct scene scene;
static struct conn c;

static void setup(void)
{
    scene = (struct scene){.config = {.track_responses = true}};
    scene_begin(&scene);
    c = conn_of(1);
    conn_open(&scene, &c);
}

static void teardown(void)
{
    scene_end(&scene);
}

static void request(const char *text)
{
    conn_send(&scene, &c, TO_SERVER, text);
}

static void response(const char *text)
{
    conn_send(&scene, &c, TO_CLIENT, text);
}

static bool same_id(size_t i, size_t j)
{
    return span_eq(msg_id(scene.msgs[i]), msg_id(scene.msgs[j]));
}

/* The messages i (request) and j (its response). */
static void expect_pair(size_t i, const char *asked, size_t j, const char *answered)
{
    scene_expect(&scene, i, MSG_REQUEST, asked);
    scene_expect(&scene, j, MSG_RESPONSE, answered);
    ck_assert_msg(same_id(i, j), "%zu and %zu are no pair", i, j);
    ck_assert_uint_eq(scene.msgs[i]->conn, scene.msgs[j]->conn);
    ck_assert(endpoint_eq(&scene.msgs[i]->src, &scene.msgs[j]->dst));
}

START_TEST(a_response_has_the_id_of_its_request)
{
    request(GET);
    response(OK_A);
    request(OTHER);
    response(OK_B);
    ck_assert_uint_eq(scene.n, 4);
    expect_pair(0, GET, 1, OK_A);
    expect_pair(2, OTHER, 3, OK_B);
    ck_assert(!same_id(0, 2));
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_COMPLETE), 2);
}
END_TEST

START_TEST(without_tracking_no_response_comes)
{
    scene_end(&scene);
    scene_begin(&scene);
    conn_open(&scene, &c);
    request(GET);
    response(OK_A);
    ck_assert_uint_eq(scene.n, 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_STARTED), 0);
}
END_TEST

START_TEST(a_response_may_be_split_at_every_byte)
{
    static const char *const texts[] = {OK_A, OK_B};
    for (size_t t = 0; t < ARRAY_LEN(texts); t++)
        for (size_t cut = 1; cut < strlen(texts[t]); cut++) {
            size_t n = scene.n;
            request(GET);
            conn_send_bytes(&scene, &c, TO_CLIENT, texts[t], cut);
            ck_assert_uint_eq(scene.n, n + 1);
            response(texts[t] + cut);
            expect_pair(n, GET, n + 1, texts[t]);
        }
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_their_order)
{
    request(GET OTHER HEAD GET);
    response(OK_A OK_B);
    response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" OK_B);
    ck_assert_uint_eq(scene.n, 8);
    expect_pair(0, GET, 4, OK_A);
    expect_pair(1, OTHER, 5, OK_B);
    expect_pair(2, HEAD, 6, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    expect_pair(3, GET, 7, OK_B);
}
END_TEST

START_TEST(interim_responses_answer_nothing)
{
    request(POST_HEAD);
    response("HTTP/1.1 100 Continue\r\n\r\n");
    request("body");
    response("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" OK_A);
    ck_assert_uint_eq(scene.n, 2);
    expect_pair(0, POST_HEAD "body", 1, OK_A);
}
END_TEST

START_TEST(responses_without_body_end_with_their_head)
{
    static const char *const heads[] = {
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        size_t n = scene.n;
        request(GET);
        response(heads[i]);
        expect_pair(n, GET, n + 1, heads[i]);
    }
    request(HEAD);
    response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    ck_assert_uint_eq(scene.n, 6);
}
END_TEST

START_TEST(a_response_without_length_ends_with_the_connection)
{
    for (int how = 0; how < 4; how++) {
        size_t n = scene.n;
        c = conn_of((uint32_t)how + 10);
        conn_open(&scene, &c);
        request(GET);
        response(UNTIL_CLOSE);
        ck_assert_uint_eq(scene.n, n + 1);
        if (how == 0)
            conn_fin(&scene, &c, TO_CLIENT);
        else if (how < 3)
            conn_rst(&scene, &c, how == 1 ? TO_CLIENT : TO_SERVER);
        else
            scene_finish(&scene);
        ck_assert_uint_eq(scene.n, n + 2);
        expect_pair(n, GET, n + 1, UNTIL_CLOSE);
    }
}
END_TEST

START_TEST(a_response_that_is_minutes_late_finds_its_request)
{
    request(GET);
    scene_pass(&scene, 240 * NS_PER_S);
    response(OK_A);
    ck_assert_uint_eq(scene.n, 2);
    expect_pair(0, GET, 1, OK_A);
    ck_assert_int_eq(scene.msgs[1]->latency_ns, 240 * NS_PER_S + NS_PER_US);
}
END_TEST

START_TEST(what_never_goes_on_expires)
{
    request(GET POST_HEAD);
    scene_pass(&scene, 59 * NS_PER_S);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_EXPIRED), 0);
    scene_pass(&scene, 2 * NS_PER_S);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_EXPIRED), 1);
    response("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    scene_pass(&scene, 601 * NS_PER_S);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_EXPIRED), 1);
    ck_assert_uint_eq(reassembly_flows(scene.r), 0);
}
END_TEST

START_TEST(an_early_response_comes_out_behind_its_request)
{
    request(POST_HEAD "bo");
    response(OK_A);
    ck_assert_uint_eq(scene.n, 0);
    request("dy");
    ck_assert_uint_eq(scene.n, 2);
    expect_pair(0, POST_HEAD "body", 1, OK_A);
    ck_assert_int_eq(scene.msgs[1]->latency_ns, 0);
}
END_TEST

START_TEST(an_early_response_to_a_request_that_is_lost_is_an_orphan)
{
    request(POST_HEAD "bo");
    response(OK_A);
    conn_rst(&scene, &c, TO_CLIENT);
    ck_assert_uint_eq(scene.n, 0);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_CLOSED), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_ORPHAN), 1);
}
END_TEST

START_TEST(a_second_response_to_an_incomplete_request_is_an_orphan)
{
    request(POST_HEAD "bo");
    response(OK_A);
    response(OK_B);
    request("dy" OTHER);
    response(OK_B);
    ck_assert_uint_eq(scene.n, 4);
    expect_pair(0, POST_HEAD "body", 1, OK_A);
    expect_pair(2, OTHER, 3, OK_B);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_ORPHAN), 1);
}
END_TEST

START_TEST(a_broken_response_behind_an_early_one_costs_only_itself)
{
    request(POST_HEAD "bo");
    response(OK_A);
    response("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n");
    request("dy");
    ck_assert_uint_eq(scene.n, 2);
    expect_pair(0, POST_HEAD "body", 1, OK_A);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_MALFORMED), 1);
}
END_TEST

START_TEST(early_responses_count_against_the_memory_limit)
{
    static char body[100000];
    char head[100];
    scene_end(&scene);
    scene.config = (struct reassembly_config){.track_responses = true, .max_memory = MIB};
    scene_begin(&scene);
    memset(body, 'b', sizeof(body));
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", sizeof(body));
    for (uint32_t i = 0; i < 100; i++) {
        c = conn_of(i);
        conn_open(&scene, &c);
        request(POST_HEAD "bo");
        response(head);
        for (size_t at = 0; at < sizeof(body); at += 50000)
            conn_send_bytes(&scene, &c, TO_CLIENT, body + at, 50000);
        ck_assert_int_lt(scene_memory(&scene), (int64_t)(MIB + 300 * KIB));
    }
    ck_assert_uint_eq(scene.n, 0);
    ck_assert_uint_gt(scene_book(&scene, BOOK_REQ_EVICTED), 80);
}
END_TEST

START_TEST(the_response_to_a_lost_request_is_an_orphan_and_the_next_pair_is_right)
{
    request(GET);
    response(OK_A);
    request(POST_HEAD);
    conn_miss(&c, TO_SERVER, 4); /* the body */
    request(OTHER);
    response(OK_A);
    scene_pass(&scene, NS_PER_S);
    response(OK_B);
    ck_assert_uint_eq(scene.n, 4);
    expect_pair(0, GET, 1, OK_A);
    expect_pair(2, OTHER, 3, OK_B);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_GAP), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_ORPHAN), 1);
}
END_TEST

START_TEST(a_request_that_turns_up_after_its_response_takes_no_other)
{
    request(GET);
    response(OK_A);
    conn_miss(&c, TO_SERVER, 50); /* a whole request */
    request(OTHER);
    response(OK_A);
    response(OK_B); /* while the hole is still waited for */
    scene_pass(&scene, NS_PER_S);
    ck_assert_uint_eq(scene.n, 3);
    scene_expect(&scene, 2, MSG_REQUEST, OTHER);
    request(HEAD);
    response("HTTP/1.1 204 No Content\r\n\r\n");
    ck_assert_uint_eq(scene.n, 5);
    expect_pair(3, HEAD, 4, "HTTP/1.1 204 No Content\r\n\r\n");
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_ORPHAN), 2);
}
END_TEST

START_TEST(a_response_to_nothing_is_an_orphan)
{
    response(OK_A);
    request(GET);
    response(OK_B);
    ck_assert_uint_eq(scene.n, 2);
    expect_pair(0, GET, 1, OK_B);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_ORPHAN), 1);
}
END_TEST

START_TEST(a_lost_response_does_not_shift_the_others)
{
    request(GET);
    conn_miss(&c, TO_CLIENT, 200); /* a whole response */
    request(OTHER);
    response(OK_B);
    conn_ack(&scene, &c, TO_SERVER);
    scene_pass(&scene, NS_PER_S);
    ck_assert_uint_eq(scene.n, 3);
    scene_expect(&scene, 0, MSG_REQUEST, GET);
    expect_pair(1, OTHER, 2, OK_B);
    ck_assert_uint_eq(scene_book(&scene, BOOK_UNSEEN_BYTES), 200);
}
END_TEST

START_TEST(a_hole_in_a_response_body_loses_that_response_only)
{
    request(GET OTHER);
    response("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n0123456789");
    conn_miss(&c, TO_CLIENT, 10);
    response("0123456789" OK_B);
    scene_pass(&scene, 4 * NS_PER_S);
    ck_assert_uint_eq(scene.n, 3);
    scene_expect(&scene, 0, MSG_REQUEST, GET);
    expect_pair(1, OTHER, 2, OK_B);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_GAP), 1);
}
END_TEST

START_TEST(pipelined_responses_behind_a_hole_are_not_paired_by_guess)
{
    request(GET OTHER);
    request(GET);
    response("HTTP/1.1 200 OK\r\nConte");
    conn_miss(&c, TO_CLIENT, 40);
    response(OK_B);
    response(OK_A);
    scene_pass(&scene, 4 * NS_PER_S);
    ck_assert_uint_eq(scene.n, 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(scene.msgs[i]->type, MSG_REQUEST);
}
END_TEST

/* What began before the client sent its request is none of its. */
START_TEST(a_response_that_the_client_was_receiving_already_answers_something_else)
{
    response("HTTP/1.1 200 OK\r\nContent-Le"); /* its request was not seen */
    request(OTHER);
    response("ngth: 1\r\n\r\nA");
    response(OK_B);
    ck_assert_uint_eq(scene.n, 2);
    expect_pair(0, OTHER, 1, OK_B);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_ORPHAN), 1);
}
END_TEST

/* Requests behind a hole come out late: what they acknowledged when they were sent counts. */
START_TEST(a_request_that_was_held_back_by_a_hole_finds_its_response)
{
    request("GET /x HTTP/1.1\r\n");
    conn_miss(&c, TO_SERVER, 100);
    request(OTHER);
    conn_ack(&scene, &c, TO_CLIENT);
    scene_pass(&scene, 10 * NS_PER_MS);
    response("HTTP/1.1 200 OK\r\nContent-Le");
    conn_ack(&scene, &c, TO_SERVER); /* more than OTHER acknowledged */
    scene_pass(&scene, 10 * NS_PER_MS);
    response("ngth: 1\r\n\r\nA"); /* to the lost request */
    request(GET);
    response(OK_B);
    ck_assert_uint_eq(scene.n, 3);
    expect_pair(0, OTHER, 2, OK_B);
    scene_expect(&scene, 1, MSG_REQUEST, GET);
}
END_TEST

START_TEST(the_response_behind_one_that_lost_its_head_finds_its_own_request)
{
    request(GET);
    response("HTTP/1.1 200 OK\r\nContent");
    conn_miss(&c, TO_CLIENT, 40);
    response("the rest of the body");
    conn_ack(&scene, &c, TO_SERVER);
    scene_pass(&scene, 25 * NS_PER_MS);
    request(OTHER);
    response(OK_B);
    ck_assert_uint_eq(scene.n, 3);
    scene_expect(&scene, 0, MSG_REQUEST, GET);
    expect_pair(1, OTHER, 2, OK_B);
}
END_TEST

/* Its request waits behind a hole of its own, longer than the response does. */
START_TEST(a_response_that_is_found_before_its_request_is_not_given_to_another)
{
    request("PUT /x HT");
    conn_miss(&c, TO_SERVER, 100);
    response("HTTP/1.1 200 OK\r\nConte");
    conn_miss(&c, TO_CLIENT, 40);
    response("the rest");
    conn_ack(&scene, &c, TO_SERVER);
    scene_pass(&scene, 10 * NS_PER_MS);
    request(OTHER);
    conn_ack(&scene, &c, TO_CLIENT);
    response("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    scene_pass(&scene, 15 * NS_PER_MS); /* the server's hole is given up, */
    ck_assert_uint_eq(scene.n, 0);
    scene_pass(&scene, 15 * NS_PER_MS); /* and the client's */
    ck_assert_uint_eq(scene.n, 1);
    response("cd");
    request(GET);
    response(OK_B);
    ck_assert_uint_eq(scene.n, 4);
    expect_pair(0, OTHER, 1, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd");
    expect_pair(2, GET, 3, OK_B);
}
END_TEST

START_TEST(a_lost_response_in_mid_stream_does_not_shift_the_others)
{
    c = conn_of(2); /* its beginning is not in the capture */
    request(GET);
    conn_miss(&c, TO_CLIENT, 200);
    request(OTHER);
    response(OK_B);
    conn_ack(&scene, &c, TO_SERVER);
    scene_pass(&scene, NS_PER_S);
    ck_assert_uint_eq(scene.n, 3);
    scene_expect(&scene, 0, MSG_REQUEST, GET);
    expect_pair(1, OTHER, 2, OK_B);
}
END_TEST

START_TEST(a_lost_interim_response_leaves_the_final_one_its_place)
{
    request(GET);
    response("HTTP/1.1 1");
    conn_miss(&c, TO_CLIENT, 20);
    response(OK_B);
    scene_pass(&scene, 4 * NS_PER_S);
    ck_assert_uint_eq(scene.n, 2);
    expect_pair(0, GET, 1, OK_B);
}
END_TEST

START_TEST(a_response_to_what_was_not_seen_is_not_taken_for_one_that_was_lost)
{
    request(GET);
    response("HTTP/1.1 2");
    conn_miss(&c, TO_CLIENT, 40);
    conn_miss(&c, TO_SERVER, 50); /* a whole request */
    response(OK_B);
    scene_pass(&scene, 4 * NS_PER_S);
    ck_assert_uint_eq(scene.n, 1);
    scene_expect(&scene, 0, MSG_REQUEST, GET);
}
END_TEST

START_TEST(connect_ends_http_quietly)
{
    request("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n");
    response("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    request("\x16\x03\x01 hello");
    response("\x16\x03\x03 hello");
    request(GET);
    response(OK_A);
    ck_assert_uint_eq(scene.n, 2);
    ck_assert(same_id(0, 1));
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_STARTED), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_STARTED), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS_OTHER), 0);
}
END_TEST

START_TEST(an_upgrade_ends_http_quietly)
{
    request("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    response(
        "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi");
    request("\x81\x82....");
    request(GET);
    ck_assert_uint_eq(scene.n, 2);
    ck_assert(same_id(0, 1));
    ck_assert_uint_eq(scene.msgs[1]->http.status, 101);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_STARTED), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_MALFORMED), 0);
}
END_TEST

START_TEST(an_upgrade_to_http2_is_counted_once)
{
    request("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    response("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: H2C\r\n\r\n\0\0\0\4");
    request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    request(GET);
    ck_assert_uint_eq(scene.n, 2);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS_H2C), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_STARTED), 1);
}
END_TEST

START_TEST(a_refused_upgrade_goes_on_with_http)
{
    request("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    response(OK_A);
    request(GET);
    response(OK_B);
    ck_assert_uint_eq(scene.n, 4);
    expect_pair(2, GET, 3, OK_B);
}
END_TEST

START_TEST(latency_runs_from_the_requests_last_byte_to_the_responses_first)
{
    request(POST_HEAD "bo");
    scene.now_ns += 5 * NS_PER_S;
    request("dy");
    int64_t sent = scene.now_ns - NS_PER_US;
    scene.now_ns += 120 * NS_PER_MS;
    int64_t first = scene.now_ns;
    response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na");
    scene.now_ns += 5 * NS_PER_S;
    response("bc");
    ck_assert_uint_eq(scene.n, 2);
    ck_assert_int_eq(scene.msgs[1]->latency_ns, first - sent);
    ck_assert_int_eq(scene.msgs[1]->ts_ns, first);
}
END_TEST

START_TEST(a_capture_of_one_direction_gives_what_it_has)
{
    struct conn client = conn_of(20), server = conn_of(21);
    conn_send(&scene, &client, TO_SERVER, GET OTHER);
    conn_send(&scene, &server, TO_CLIENT, OK_A OK_B);
    ck_assert_uint_eq(scene.n, 2);
    scene_expect(&scene, 1, MSG_REQUEST, OTHER);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_ORPHAN), 2);
}
END_TEST

START_TEST(a_response_that_is_still_on_the_wire_at_the_end_is_open)
{
    request(GET);
    response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na");
    scene_finish(&scene);
    ck_assert_uint_eq(scene.n, 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_OPEN), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_OPEN), 0);
}
END_TEST

START_TEST(more_requests_than_anyone_pipelines_end_the_pairing_not_the_requests)
{
    for (int i = 0; i < 5000; i++)
        request(GET);
    for (int i = 0; i < 5000; i++)
        response(OK_A);
    ck_assert_uint_ge(scene.n, 5000);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_COMPLETE), 5000);
    for (size_t i = 5000; i < scene.n; i++)
        ck_assert(same_id(i, i - 5000));
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_response_has_the_id_of_its_request,
        without_tracking_no_response_comes,
        a_response_may_be_split_at_every_byte,
        pipelined_requests_are_answered_in_their_order,
        interim_responses_answer_nothing,
        responses_without_body_end_with_their_head,
        a_response_without_length_ends_with_the_connection,
        a_response_that_is_minutes_late_finds_its_request,
        what_never_goes_on_expires,
        an_early_response_comes_out_behind_its_request,
        an_early_response_to_a_request_that_is_lost_is_an_orphan,
        a_second_response_to_an_incomplete_request_is_an_orphan,
        a_broken_response_behind_an_early_one_costs_only_itself,
        early_responses_count_against_the_memory_limit,
        the_response_to_a_lost_request_is_an_orphan_and_the_next_pair_is_right,
        a_request_that_turns_up_after_its_response_takes_no_other,
        a_response_to_nothing_is_an_orphan,
        a_lost_response_does_not_shift_the_others,
        a_hole_in_a_response_body_loses_that_response_only,
        pipelined_responses_behind_a_hole_are_not_paired_by_guess,
        a_response_that_the_client_was_receiving_already_answers_something_else,
        a_request_that_was_held_back_by_a_hole_finds_its_response,
        the_response_behind_one_that_lost_its_head_finds_its_own_request,
        a_response_that_is_found_before_its_request_is_not_given_to_another,
        a_lost_response_in_mid_stream_does_not_shift_the_others,
        a_lost_interim_response_leaves_the_final_one_its_place,
        a_response_to_what_was_not_seen_is_not_taken_for_one_that_was_lost,
        connect_ends_http_quietly,
        an_upgrade_ends_http_quietly,
        an_upgrade_to_http2_is_counted_once,
        a_refused_upgrade_goes_on_with_http,
        latency_runs_from_the_requests_last_byte_to_the_responses_first,
        a_capture_of_one_direction_gives_what_it_has,
        a_response_that_is_still_on_the_wire_at_the_end_is_open,
        more_requests_than_anyone_pipelines_end_the_pairing_not_the_requests,
    };
    Suite *s = suite_create("responses");
    TCase *tc = tcase_create("responses");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
