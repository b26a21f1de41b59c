/* SPDX-License-Identifier: MIT */
/* Protocols that are not HTTP: messages by whose turn it is. */
#include "tests/unit/unit.h"

#include <string.h>

#include "tests/unit/segments.h"

static struct scene scene;
static struct conn c;

static void begin_with(struct reassembly_config config)
{
    scene = (struct scene){.config = config};
    scene.config.binary = true;
    scene_begin(&scene);
    c = conn_of(1);
}

static void setup(void)
{
    begin_with((struct reassembly_config){.track_responses = true, .expire_ns = 2 * NS_PER_S});
}

static void teardown(void)
{
    scene_end(&scene);
}

START_TEST(a_message_is_what_one_side_sends_until_the_other_does)
{
    conn_open(&scene, &c);
    conn_send(&scene, &c, TO_SERVER, "sel");
    conn_send(&scene, &c, TO_SERVER, "ect 1");
    ck_assert_uint_eq(scene.n, 0);
    conn_send(&scene, &c, TO_CLIENT, "on");
    scene_expect(&scene, 0, MSG_REQUEST, "select 1");
    conn_send(&scene, &c, TO_CLIENT, "e");
    conn_send(&scene, &c, TO_SERVER, "GET / HTTP/1.1\r\n\r\n");
    scene_expect(&scene, 1, MSG_RESPONSE, "one");
    conn_fin(&scene, &c, TO_SERVER);
    scene_expect(&scene, 2, MSG_REQUEST, "GET / HTTP/1.1\r\n\r\n");
    ck_assert_uint_eq(scene.msgs[0]->http.head_len, 0);
    ck_assert_uint_eq(scene.msgs[2]->http.head_len, 0);
    ck_assert(span_eq(msg_id(scene.msgs[0]), msg_id(scene.msgs[1])));
    ck_assert(!span_eq(msg_id(scene.msgs[0]), msg_id(scene.msgs[2])));
    ck_assert_int_eq(scene.msgs[1]->latency_ns, NS_PER_US);
}
END_TEST

START_TEST(with_one_direction_only_the_acknowledgements_tell_the_turns)
{
    scene_end(&scene);
    begin_with((struct reassembly_config){.expire_ns = 2 * NS_PER_S});
    conn_send(&scene, &c, TO_SERVER, "one");
    conn_send(&scene, &c, TO_SERVER, " more");
    conn_miss(&c, TO_CLIENT, 100);
    conn_send(&scene, &c, TO_SERVER, "two");
    scene_expect(&scene, 0, MSG_REQUEST, "one more");
    ck_assert_uint_eq(scene.n, 1);
    scene_pass(&scene, 2 * NS_PER_S);
    scene_expect(&scene, 1, MSG_REQUEST, "two");
}
END_TEST

START_TEST(a_server_that_speaks_first_answers_nothing)
{
    conn_open(&scene, &c);
    conn_send(&scene, &c, TO_CLIENT, "220 hello");
    conn_send(&scene, &c, TO_SERVER, "login");
    conn_send(&scene, &c, TO_CLIENT, "ok");
    conn_fin(&scene, &c, TO_CLIENT);
    ck_assert_uint_eq(scene.n, 2);
    scene_expect(&scene, 0, MSG_REQUEST, "login");
    scene_expect(&scene, 1, MSG_RESPONSE, "ok");
    ck_assert_uint_eq(scene_book(&scene, BOOK_RES_ORPHAN), 1);
}
END_TEST

START_TEST(a_turn_with_a_hole_is_counted_and_the_next_one_found)
{
    conn_open(&scene, &c);
    conn_send(&scene, &c, TO_SERVER, "abc");
    conn_miss(&c, TO_SERVER, 5);
    conn_send(&scene, &c, TO_SERVER, "def");
    conn_send(&scene, &c, TO_SERVER, "ghi");
    conn_send(&scene, &c, TO_CLIENT, "answer");
    scene_pass(&scene, NS_PER_S);
    conn_send(&scene, &c, TO_CLIENT, "!");
    conn_send(&scene, &c, TO_SERVER, "next");
    conn_fin(&scene, &c, TO_SERVER);
    ck_assert_uint_eq(scene.n, 1);
    scene_expect(&scene, 0, MSG_REQUEST, "next");
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_GAP), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_STARTED), 2);
}
END_TEST

START_TEST(a_turn_beyond_the_limit_is_dropped_or_cut)
{
    for (int allowed = 0; allowed <= 1; allowed++) {
        scene_end(&scene);
        begin_with((struct reassembly_config){
            .max_body = 10, .track_responses = true, .allow_incomplete = allowed});
        conn_open(&scene, &c);
        conn_send(&scene, &c, TO_SERVER, "01234567");
        conn_send(&scene, &c, TO_SERVER, "89abcdef");
        conn_send(&scene, &c, TO_CLIENT, "x");
        ck_assert_uint_eq(scene.n, (size_t)allowed);
        if (allowed)
            scene_expect(&scene, 0, MSG_REQUEST, "0123456789");
        ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_TOO_LARGE), (uint64_t)!allowed);
        ck_assert(!allowed || (scene.msgs[0]->flags & MSG_CUT));
    }
}
END_TEST

START_TEST(turns_come_out_whole_wherever_they_are_cut)
{
    static const char text[] = "\x16\x03\x01 PRI * HTTP/2.0 \r\n\r\n";
    for (uint32_t cut = 1; cut < sizeof(text) - 1; cut++) {
        struct conn one = conn_of(cut + 10);
        conn_open(&scene, &one);
        conn_send_bytes(&scene, &one, TO_SERVER, text, cut);
        conn_send_bytes(&scene, &one, TO_SERVER, text + cut, sizeof(text) - 1 - cut);
        conn_fin(&scene, &one, TO_SERVER);
        scene_expect(&scene, cut - 1, MSG_REQUEST, text);
    }
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS_TLS), 0);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_message_is_what_one_side_sends_until_the_other_does,
        with_one_direction_only_the_acknowledgements_tell_the_turns,
        a_server_that_speaks_first_answers_nothing,
        a_turn_with_a_hole_is_counted_and_the_next_one_found,
        a_turn_beyond_the_limit_is_dropped_or_cut,
        turns_come_out_whole_wherever_they_are_cut,
    };
    Suite *s = suite_create("turns");
    TCase *tc = tcase_create("turns");
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
