/* SPDX-License-Identifier: MIT */
/* Requests that cannot be found whole: counted, and the next one is found. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/segments.h"

#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define OTHER "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST_HEAD "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"
#define POST POST_HEAD "0123456789abcdefghij"

static struct scene scene;
static struct conn c;

static void begin_with(const struct reassembly_config *config)
{
    scene = (struct scene){.config = *config};
    scene_begin(&scene);
    c = conn_of(1);
    conn_open(&scene, &c);
}

static void setup(void)
{
    begin_with(&(struct reassembly_config){0});
}

static void teardown(void)
{
    scene_end(&scene);
}

static void request(const char *text)
{
    conn_send(&scene, &c, TO_SERVER, text);
}

/* What came: so many requests, the last of them text. */
static void expect_last(size_t n, const char *text)
{
    ck_assert_uint_eq(scene.n, n);
    scene_expect(&scene, n - 1, MSG_REQUEST, text);
}

static void expect_book(enum book book, uint64_t n)
{
    ck_assert_msg(scene_book(&scene, book) == n, "%s is %llu", book_name(book),
                  (unsigned long long)scene_book(&scene, book));
}

START_TEST(a_hole_that_the_peer_acknowledged_is_given_up_at_once)
{
    request("GET /x HTTP/1.1\r\n");
    conn_miss(&c, TO_SERVER, 100);
    request(GET);
    ck_assert_uint_eq(scene.n, 0);
    conn_ack(&scene, &c, TO_CLIENT);
    scene_pass(&scene, 10 * NS_PER_MS);
    ck_assert_uint_eq(scene.n, 0); /* the capture may still mix the two directions up */
    scene_pass(&scene, 11 * NS_PER_MS);
    expect_last(1, GET);
    expect_book(BOOK_UNSEEN_BYTES, 100);
    expect_book(BOOK_REQ_GAP, 1);
}
END_TEST

START_TEST(without_an_acknowledgement_a_hole_is_waited_for)
{
    request("GET /x HTTP/1.1\r\n");
    conn_miss(&c, TO_SERVER, 100);
    request(GET);
    scene_pass(&scene, 2900 * NS_PER_MS);
    ck_assert_uint_eq(scene.n, 0);
    scene_pass(&scene, 100 * NS_PER_MS);
    expect_last(1, GET);
    expect_book(BOOK_UNSEEN_BYTES, 0);
    expect_book(BOOK_HOLE_BYTES, 100);
    expect_book(BOOK_REQ_GAP, 1);
}
END_TEST

START_TEST(an_acknowledged_hole_does_not_wait_for_an_older_one)
{
    conn_miss(&c, TO_SERVER, 100); /* nothing tells of this one */
    request(GET);
    c = conn_of(2);
    conn_open(&scene, &c);
    conn_miss(&c, TO_SERVER, 100);
    request(OTHER);
    conn_ack(&scene, &c, TO_CLIENT);
    scene_pass(&scene, 21 * NS_PER_MS);
    expect_last(1, OTHER);
    scene_pass(&scene, 3 * NS_PER_S);
    expect_last(2, GET);
}
END_TEST

START_TEST(a_hole_that_is_filled_in_time_costs_nothing)
{
    conn_send_at(&scene, &c, TO_SERVER, 20, &POST[20]);
    scene_pass(&scene, 2900 * NS_PER_MS);
    struct segment first = conn_segment(&c, TO_SERVER, 0, POST, 20);
    conn_give(&scene, &first);
    expect_last(1, POST);
    expect_book(BOOK_REQ_GAP, 0);
}
END_TEST

START_TEST(what_fills_a_hole_too_late_is_a_duplicate)
{
    conn_send_at(&scene, &c, TO_SERVER, (uint32_t)strlen(GET), OTHER);
    scene_pass(&scene, 4 * NS_PER_S);
    expect_last(1, OTHER);
    conn_send_at(&scene, &c, TO_SERVER, 0, GET);
    ck_assert_uint_eq(scene.n, 1);
    expect_book(BOOK_DUPLICATE_BYTES, strlen(GET));
}
END_TEST

START_TEST(a_hole_inside_a_body_loses_that_request_only)
{
    for (uint32_t miss = 1; miss <= 16; miss++) {
        c = conn_of(miss);
        conn_open(&scene, &c);
        request(POST_HEAD "0123");
        conn_miss(&c, TO_SERVER, miss);
        request(&POST OTHER[sizeof(POST_HEAD) - 1 + 4 + miss]); /* both in one segment */
        request(GET);
        scene_pass(&scene, 4 * NS_PER_S);
        ck_assert_uint_eq(scene.n, miss * 2);
        scene_expect(&scene, miss * 2 - 2, MSG_REQUEST, OTHER);
        scene_expect(&scene, miss * 2 - 1, MSG_REQUEST, GET);
        expect_book(BOOK_REQ_GAP, miss);
    }
}
END_TEST

START_TEST(a_hole_inside_a_chunk_loses_that_request_only)
{
    request("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\n0123456789");
    conn_miss(&c, TO_SERVER, 10);
    request("0123456789\r\n0\r\n\r\n" OTHER);
    scene_pass(&scene, 4 * NS_PER_S);
    expect_last(1, OTHER);
    expect_book(BOOK_REQ_GAP, 1);
}
END_TEST

START_TEST(behind_a_hole_the_rest_of_a_body_is_no_request)
{
    request("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n012");
    conn_miss(&c, TO_SERVER, 30);
    request("X /in/a/body HTTP/1.1\r\n\r\n");
    request("GETTING on");
    request(OTHER);
    scene_pass(&scene, 4 * NS_PER_S);
    expect_last(1, OTHER);
    expect_book(BOOK_REQ_STARTED, 2);
    expect_book(BOOK_REQ_MALFORMED, 0);
}
END_TEST

START_TEST(behind_a_hole_a_request_may_begin_with_few_bytes)
{
    for (size_t cut = 1; cut < 8; cut++) {
        c = conn_of((uint32_t)cut);
        conn_open(&scene, &c);
        request("GET /x HTTP/1.1\r\n");
        conn_miss(&c, TO_SERVER, 100);
        conn_send_bytes(&scene, &c, TO_SERVER, OTHER, cut);
        request(&OTHER[cut]);
        scene_pass(&scene, 4 * NS_PER_S);
        expect_last(cut, OTHER);
    }
}
END_TEST

/* "D" could be the beginning of DELETE, and it is the end of a body. */
START_TEST(behind_a_hole_bytes_that_began_nothing_do_not_hide_a_request)
{
    for (size_t cut = 1; cut < 8; cut++) {
        c = conn_of((uint32_t)cut);
        conn_open(&scene, &c);
        request("GET /x HTTP/1.1\r\n");
        conn_miss(&c, TO_SERVER, 100);
        request("D");
        conn_send_bytes(&scene, &c, TO_SERVER, OTHER, cut);
        request(&OTHER[cut]);
        scene_pass(&scene, 4 * NS_PER_S);
        expect_last(cut, OTHER);
    }
}
END_TEST

START_TEST(a_segment_captured_cut_loses_its_request)
{
    struct segment cut = conn_segment(&c, TO_SERVER, 0, POST OTHER, sizeof(POST_HEAD) - 1 + 5);
    cut.wire_len = sizeof(POST OTHER) - 1;
    conn_give(&scene, &cut);
    c.sent[TO_SERVER] = cut.wire_len;
    request(GET);
    expect_last(1, GET);
    expect_book(BOOK_REQ_CUT, 1);
    expect_book(BOOK_REQ_GAP, 0);
    struct segment none = conn_segment(&c, TO_SERVER, c.sent[TO_SERVER], "", 0);
    none.wire_len = 500;
    conn_give(&scene, &none);
    conn_send_at(&scene, &c, TO_SERVER, c.sent[TO_SERVER] + 500, OTHER);
    expect_last(2, OTHER);
}
END_TEST

START_TEST(a_head_beyond_the_limit_is_counted_and_the_next_request_found)
{
    scene_end(&scene);
    begin_with(&(struct reassembly_config){.max_head = 64});
    request("GET /a HTTP/1.1\r\nHost: x\r\nX: 0123456789012345678901234567890123456789\r\n\r\n");
    conn_send(&scene, &c, TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    request("GET /a HTTP/1.1\r\nHost: x\r\nX: 01234567890123456789");
    request("0123456789012345678901234567890123456789\r\n\r\n");
    conn_send(&scene, &c, TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    request(GET);
    expect_last(1, GET);
    expect_book(BOOK_REQ_TOO_LARGE, 2);
}
END_TEST

START_TEST(a_body_beyond_the_limit_is_counted_and_the_next_request_found)
{
    scene_end(&scene);
    begin_with(&(struct reassembly_config){.max_body = 19});
    request(POST OTHER); /* whole in a segment, and in pieces */
    expect_last(1, OTHER);
    request(POST_HEAD);
    request("0123456789");
    request("abcdefghij" OTHER);
    expect_last(2, OTHER);
    expect_book(BOOK_REQ_TOO_LARGE, 2);
    request("POST /p HTTP/1.1\r\nContent-Length: 19\r\n\r\n0123456789abcdefghi");
    ck_assert_uint_eq(scene.n, 3);
}
END_TEST

START_TEST(incomplete_bodies_that_are_allowed_come_out_flagged)
{
    static const char expected[] = POST_HEAD "0123456789abcdefghi";
    scene_end(&scene);
    begin_with(&(struct reassembly_config){.max_body = 19, .allow_incomplete = true});
    request(POST OTHER);
    ck_assert_uint_eq(scene.n, 2);
    scene_expect(&scene, 0, MSG_REQUEST, expected);
    request(POST_HEAD "0123456789");
    request("abcdefghij" OTHER);
    ck_assert_uint_eq(scene.n, 4);
    scene_expect(&scene, 2, MSG_REQUEST, expected);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(scene.msgs[i]->flags & MSG_CUT, i % 2 == 0 ? MSG_CUT : 0);
    expect_book(BOOK_REQ_COMPLETE, 2);
    expect_book(BOOK_REQ_SHORT, 2);
}
END_TEST

START_TEST(a_declared_length_allocates_nothing)
{
    request("POST /p HTTP/1.1\r\nContent-Length: 9000000000000000000\r\n\r\n");
    ck_assert_int_lt(scene_memory(&scene), 100000);
    request(GET); /* body */
    ck_assert_uint_eq(scene.n, 0);
    scene_finish(&scene);
    expect_book(BOOK_REQ_OPEN, 1);
}
END_TEST

START_TEST(a_body_may_grow_to_its_limit)
{
    enum { BODY = 3000000 };
    char *body = malloc(BODY);
    ck_assert_ptr_nonnull(body);
    memset(body, 'x', BODY);
    request("POST /p HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n");
    for (size_t at = 0; at < BODY; at += 60000)
        conn_send_bytes(&scene, &c, TO_SERVER, body + at, 60000);
    ck_assert_uint_eq(scene.n, 1);
    ck_assert(span_eq(msg_body(scene.msgs[0]), span_of(body, BODY)));
    free(body);
    ck_assert_int_lt(scene_memory(&scene), BODY + 100000);
}
END_TEST

START_TEST(time_that_goes_back_or_far_ahead_breaks_nothing)
{
    static const int64_t steps[] = {-3600 * NS_PER_S, 7200 * NS_PER_S, -NS_PER_S, 0, 1000000000};
    for (uint32_t i = 0; i < ARRAY_LEN(steps); i++) {
        c = conn_of(10 + i);
        conn_open(&scene, &c);
        request("GET /a HTTP/1.1\r\n");
        request("Host: x\r\n\r\n");
        expect_last(i + 1, GET);
        scene.now_ns += steps[i];
    }
    expect_book(BOOK_REQ_EXPIRED, 0);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_hole_that_the_peer_acknowledged_is_given_up_at_once,
        without_an_acknowledgement_a_hole_is_waited_for,
        an_acknowledged_hole_does_not_wait_for_an_older_one,
        a_hole_that_is_filled_in_time_costs_nothing,
        what_fills_a_hole_too_late_is_a_duplicate,
        a_hole_inside_a_body_loses_that_request_only,
        a_hole_inside_a_chunk_loses_that_request_only,
        behind_a_hole_the_rest_of_a_body_is_no_request,
        behind_a_hole_a_request_may_begin_with_few_bytes,
        behind_a_hole_bytes_that_began_nothing_do_not_hide_a_request,
        a_segment_captured_cut_loses_its_request,
        a_head_beyond_the_limit_is_counted_and_the_next_request_found,
        a_body_beyond_the_limit_is_counted_and_the_next_request_found,
        incomplete_bodies_that_are_allowed_come_out_flagged,
        a_declared_length_allocates_nothing,
        a_body_may_grow_to_its_limit,
        time_that_goes_back_or_far_ahead_breaks_nothing,
    };
    Suite *s = suite_create("reassembly_loss");
    TCase *tc = tcase_create("loss");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
