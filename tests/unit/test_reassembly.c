/* SPDX-License-Identifier: MIT */
/* Requests: found whole, however their bytes come. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/segments.h"

#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define OTHER "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST_HEAD "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"
#define POST_BODY "0123456789abcdefghij"
#define POST POST_HEAD POST_BODY
#define CHUNKED                                                                                    \
    "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"                             \
    "5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"

static struct scene scene;
static struct conn c;

static void setup(void)
{
    scene = (struct scene){0};
    scene_begin(&scene);
    c = conn_of(1);
}

static void teardown(void)
{
    scene_end(&scene);
}

/* The same, with another set-up: the scene that setup() made goes. */
static void begin_with(const struct reassembly_config *config)
{
    scene_end(&scene);
    scene.config = *config;
    scene_begin(&scene);
}

static void expect_only(const char *text)
{
    ck_assert_uint_eq(scene.n, 1);
    scene_expect(&scene, 0, MSG_REQUEST, text);
}

START_TEST(a_request_in_one_segment_comes_out_as_it_was)
{
    conn_open(&scene, &c);
    conn_send(&scene, &c, TO_SERVER, POST);
    expect_only(POST);
    const struct msg *m = scene.msgs[0];
    ck_assert(endpoint_eq(&m->src, &c.end[TO_CLIENT]) && m->src.port == c.end[TO_CLIENT].port);
    ck_assert(endpoint_eq(&m->dst, &c.end[TO_SERVER]) && m->dst.port == 80);
    ck_assert(span_eq(msg_method(m), span_str("POST")) && span_eq(msg_target(m), span_str("/p")));
    ck_assert(span_eq(msg_body(m), span_str(POST_BODY)));
    ck_assert_int_eq(m->ts_ns, scene.now_ns - NS_PER_US);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_COMPLETE), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS), 1);
}
END_TEST

START_TEST(a_request_may_be_split_at_every_byte)
{
    static const char *const texts[] = {GET, POST, CHUNKED};
    uint32_t n = 0;
    size_t expected = 0;
    for (size_t t = 0; t < ARRAY_LEN(texts); t++) {
        size_t len = strlen(texts[t]);
        for (size_t cut = 1; cut < len; cut++) {
            struct conn one = conn_of(n++);
            conn_open(&scene, &one);
            conn_send_bytes(&scene, &one, TO_SERVER, texts[t], cut);
            ck_assert_uint_eq(scene.n, expected);
            conn_send_bytes(&scene, &one, TO_SERVER, texts[t] + cut, len - cut);
            scene_expect(&scene, expected++, MSG_REQUEST, texts[t]);
        }
        struct conn bytewise = conn_of(n++);
        conn_open(&scene, &bytewise);
        for (size_t i = 0; i < len; i++)
            conn_send_bytes(&scene, &bytewise, TO_SERVER, texts[t] + i, 1);
        scene_expect(&scene, expected++, MSG_REQUEST, texts[t]);
    }
    ck_assert_uint_eq(scene.n, expected);
}
END_TEST

START_TEST(several_requests_in_one_segment_come_out_in_order)
{
    conn_open(&scene, &c);
    conn_send(&scene, &c, TO_SERVER, GET "\r\n" POST CHUNKED "GET /b HT");
    ck_assert_uint_eq(scene.n, 3);
    conn_send(&scene, &c, TO_SERVER, "TP/1.1\r\nHost: x\r\n\r\n" GET);
    ck_assert_uint_eq(scene.n, 5);
    scene_expect(&scene, 0, MSG_REQUEST, GET);
    scene_expect(&scene, 1, MSG_REQUEST, POST);
    scene_expect(&scene, 2, MSG_REQUEST, CHUNKED);
    scene_expect(&scene, 3, MSG_REQUEST, OTHER);
    scene_expect(&scene, 4, MSG_REQUEST, GET);
}
END_TEST

START_TEST(segments_in_any_order_make_the_request)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const uint32_t at[4] = {0, 11, 40, sizeof(POST) - 1};
    for (uint32_t o = 0; o < 6; o++) {
        struct conn one = conn_of(o);
        conn_open(&scene, &one);
        for (int i = 0; i < 3; i++) {
            int part = orders[o][i];
            struct segment seg =
                conn_segment(&one, TO_SERVER, at[part], &POST[at[part]], at[part + 1] - at[part]);
            ck_assert_uint_eq(scene.n, o);
            conn_give(&scene, &seg);
        }
        scene_expect(&scene, o, MSG_REQUEST, POST);
    }
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_GAP), 0);
}
END_TEST

START_TEST(retransmissions_with_other_boundaries_change_nothing)
{
    conn_open(&scene, &c);
    conn_send_at(&scene, &c, TO_SERVER, 0, "POST /p HTTP/1.1\r\nHo");
    conn_send_at(&scene, &c, TO_SERVER, 0, "POST /p HTTP/1.1\r\nHo");
    conn_send_at(&scene, &c, TO_SERVER, 5, "/p HTTP/1.1\r\nHost: x\r\nContent");
    conn_send_at(&scene, &c, TO_SERVER, 0, "POST");
    conn_send_at(&scene, &c, TO_SERVER, 0, POST);
    expect_only(POST);
    ck_assert_uint_eq(scene_book(&scene, BOOK_DUPLICATE_BYTES), 20 + 15 + 4 + 34);
}
END_TEST

START_TEST(where_copies_differ_the_first_one_counts)
{
    conn_open(&scene, &c);
    conn_send_at(&scene, &c, TO_SERVER, 0, POST_HEAD "01234");
    conn_send_at(&scene, &c, TO_SERVER, sizeof(POST_HEAD) - 1, "XXXXX5678");
    conn_send_at(&scene, &c, TO_SERVER, sizeof(POST_HEAD) - 1, "YYYYYYYYY9abcdefghij");
    expect_only(POST);
}
END_TEST

START_TEST(a_complete_request_seen_again_is_not_emitted_twice)
{
    conn_open(&scene, &c);
    conn_send_at(&scene, &c, TO_SERVER, 0, POST);
    conn_send_at(&scene, &c, TO_SERVER, 0, POST);
    c.sent[TO_SERVER] = sizeof(POST) - 1;
    conn_fin(&scene, &c, TO_SERVER);
    conn_send_at(&scene, &c, TO_SERVER, 0, POST);
    conn_fin(&scene, &c, TO_CLIENT);
    conn_send_at(&scene, &c, TO_SERVER, 0, POST);
    scene_pass(&scene, 5 * NS_PER_S);
    conn_send_at(&scene, &c, TO_SERVER, 0, POST);
    expect_only(POST);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS), 1);
}
END_TEST

START_TEST(after_rst_a_retransmission_is_known_as_one)
{
    conn_open(&scene, &c);
    conn_send_at(&scene, &c, TO_SERVER, 0, GET);
    conn_rst(&scene, &c, TO_CLIENT);
    conn_send_at(&scene, &c, TO_SERVER, 0, GET);
    expect_only(GET);
}
END_TEST

START_TEST(the_sequence_number_may_wrap_anywhere)
{
    size_t len = strlen(POST GET);
    for (uint32_t before = 0; before <= len; before++) {
        struct conn one = conn_of(before);
        one.start[TO_SERVER] = 0u - before;
        conn_open(&scene, &one);
        conn_send_at(&scene, &one, TO_SERVER, 30, &(POST GET)[30]);
        conn_send_at(&scene, &one, TO_SERVER, 0, "POST /p HTTP/1.1\r\nHost: x\r\nCont");
        ck_assert_uint_eq(scene.n, 2 * before + 2);
        scene_expect(&scene, 2 * before, MSG_REQUEST, POST);
        scene_expect(&scene, 2 * before + 1, MSG_REQUEST, GET);
    }
}
END_TEST

START_TEST(data_in_the_syn_counts)
{
    struct segment syn = conn_segment(&c, TO_SERVER, 0, POST, 30);
    syn.seq--;
    syn.flags = TCP_SYN;
    conn_give(&scene, &syn);
    conn_send_at(&scene, &c, TO_SERVER, 30, &POST[30]);
    expect_only(POST);
}
END_TEST

START_TEST(keep_alive_and_zero_window_probes_change_nothing)
{
    conn_open(&scene, &c);
    for (uint32_t i = 0; i < sizeof(POST) - 1; i += 17) {
        uint32_t n = sizeof(POST) - 1 - i < 17 ? (uint32_t)sizeof(POST) - 1 - i : 17;
        struct segment probe = conn_segment(&c, TO_SERVER, i - 1, "\0", 1);
        conn_give(&scene, &probe); /* with the byte before the next, as keep-alive has it */
        probe.len = probe.wire_len = 0;
        conn_give(&scene, &probe);
        struct segment window = conn_segment(&c, TO_SERVER, i, &POST[i], 1);
        conn_give(&scene, &window); /* one byte into a closed window */
        struct segment closed = conn_segment(&c, TO_CLIENT, 0, "", 0);
        closed.window = 0;
        conn_give(&scene, &closed);
        struct segment seg = conn_segment(&c, TO_SERVER, i, &POST[i], n);
        conn_give(&scene, &seg);
    }
    expect_only(POST);
}
END_TEST

START_TEST(a_request_that_the_connections_end_cuts_short_is_counted)
{
    for (int how = 0; how < 3; how++) {
        struct conn one = conn_of((uint32_t)how);
        conn_open(&scene, &one);
        conn_send(&scene, &one, TO_SERVER, POST_HEAD "0123");
        if (how == 0)
            conn_fin(&scene, &one, TO_SERVER);
        else
            conn_rst(&scene, &one, how == 1 ? TO_SERVER : TO_CLIENT);
        ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_CLOSED), (uint64_t)how + 1);
    }
    ck_assert_uint_eq(scene.n, 0);
}
END_TEST

START_TEST(a_fin_that_comes_early_waits_for_what_is_before_it)
{
    conn_open(&scene, &c);
    struct segment fin = conn_segment(&c, TO_SERVER, 30, &POST[30], sizeof(POST) - 1 - 30);
    fin.flags |= TCP_FIN;
    conn_give(&scene, &fin);
    struct segment first = conn_segment(&c, TO_SERVER, 0, POST, 30);
    conn_give(&scene, &first);
    expect_only(POST);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_CLOSED), 0);
}
END_TEST

START_TEST(a_port_that_is_used_again_is_a_new_connection)
{
    for (uint32_t i = 0; i < 4; i++) {
        c.start[TO_SERVER] = i * 100; /* among the numbers that were seen before */
        c.sent[TO_SERVER] = c.sent[TO_CLIENT] = 0;
        conn_open(&scene, &c);
        conn_send(&scene, &c, TO_SERVER, i == 2 ? POST_HEAD : GET);
        if (i == 0)
            conn_rst(&scene, &c, TO_SERVER);
        if (i == 1)
            conn_fin(&scene, &c, TO_SERVER);
    }
    ck_assert_uint_eq(scene.n, 3);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS), 4);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_CLOSED), 1);
}
END_TEST

START_TEST(a_syn_that_is_repeated_begins_nothing_anew)
{
    conn_open(&scene, &c);
    conn_send(&scene, &c, TO_SERVER, "GET /a ");
    conn_open(&scene,
              &(struct conn){.end = {c.end[0], c.end[1]}, .start = {c.start[0], c.start[1]}});
    conn_send(&scene, &c, TO_SERVER, "HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_only(GET);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS), 1);
}
END_TEST

START_TEST(a_capture_that_begins_in_mid_stream_finds_the_next_request)
{
    conn_send(&scene, &c, TO_SERVER, "rest of a body GET /no HTTP/1.1\r\n\r\n");
    conn_send(&scene, &c, TO_SERVER, "and more of it");
    conn_send(&scene, &c, TO_SERVER, GET);
    expect_only(GET);
    struct conn other = conn_of(2);
    conn_ack(&scene, &other, TO_SERVER);
    conn_send(&scene, &other, TO_SERVER, OTHER);
    ck_assert_uint_eq(scene.n, 2);
    scene_expect(&scene, 1, MSG_REQUEST, OTHER);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_STARTED), 2);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS_OTHER), 0);
}
END_TEST

START_TEST(tls_http2_and_other_protocols_are_counted_and_left_alone)
{
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    struct conn tls = conn_of(2), h2 = conn_of(3), other = conn_of(4);
    conn_open(&scene, &tls);
    conn_send_bytes(&scene, &tls, TO_SERVER, hello, sizeof(hello) - 1);
    conn_send(&scene, &tls, TO_SERVER, GET);
    conn_open(&scene, &h2);
    conn_send(&scene, &h2, TO_SERVER, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    conn_send(&scene, &h2, TO_SERVER, GET);
    conn_open(&scene, &other);
    conn_send(&scene, &other, TO_SERVER, "\x01\x02 binary");
    ck_assert_uint_eq(scene.n, 0);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS_TLS), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS_H2C), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS_OTHER), 1);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_STARTED), 0);
}
END_TEST

START_TEST(behind_a_request_that_breaks_the_rules_one_is_found_once_the_server_has_answered)
{
    conn_open(&scene, &c);
    conn_send(&scene, &c, TO_SERVER,
              "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc");
    conn_send(&scene, &c, TO_SERVER, "0\r\n\r\n");
    conn_send(&scene, &c, TO_SERVER, OTHER); /* part of a body, or not: readers differ */
    ck_assert_uint_eq(scene.n, 0);
    conn_send(&scene, &c, TO_CLIENT, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    conn_send(&scene, &c, TO_SERVER, GET);
    expect_only(GET);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_STARTED), 2);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_MALFORMED), 1);
}
END_TEST

START_TEST(ids_are_unique_and_of_24_hex_digits)
{
    enum { N = 2000 };
    static char ids[N][25];
    for (uint32_t i = 0; i < N; i++) {
        struct conn one = conn_of(i % 7);
        one.sent[TO_SERVER] = i / 7 * (uint32_t)strlen(GET);
        conn_send(&scene, &one, TO_SERVER, GET);
    }
    ck_assert_uint_eq(scene.n, N);
    for (size_t i = 0; i < N; i++) {
        const struct msg *m = scene.msgs[i];
        ck_assert_uint_eq(m->id_len, 24);
        memcpy(ids[i], m->id, 24);
        ck_assert_uint_eq(strspn(ids[i], "0123456789abcdef"), 24);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(ids[i], ids[j]);
    }
    ck_assert_int_eq(strncmp(ids[1], "04010050ac100000", 16), 0);
}
END_TEST

START_TEST(with_a_list_of_ports_others_are_left_alone)
{
    static const uint16_t ports[] = {8080, 80};
    begin_with(&(struct reassembly_config){.ports = ports, .n_ports = 2});
    conn_open(&scene, &c);
    conn_send(&scene, &c, TO_SERVER, GET);
    struct conn other = conn_of(2);
    other.end[TO_SERVER].port = 8081;
    conn_open(&scene, &other);
    conn_send(&scene, &other, TO_SERVER, GET);
    expect_only(GET);
    ck_assert_uint_eq(scene_book(&scene, BOOK_SKIPPED_PORT), 4);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS), 1);
}
END_TEST

START_TEST(with_a_list_of_ports_the_port_tells_the_direction)
{
    static const uint16_t ports[] = {50000};
    begin_with(&(struct reassembly_config){.ports = ports, .n_ports = 1});
    c.end[TO_SERVER].port = 50000;
    conn_send(&scene, &c, TO_CLIENT, "GET /looks/like HTTP/1.1\r\n\r\n");
    conn_send(&scene, &c, TO_SERVER, GET);
    expect_only(GET);
}
END_TEST

START_TEST(without_a_list_syn_and_content_tell_the_direction)
{
    /* servers with higher ports than their clients */
    for (uint32_t i = 0; i < 4; i++) {
        struct conn one = conn_of(i);
        one.end[TO_SERVER].port = 65000;
        if (i == 0)
            conn_open(&scene, &one);
        if (i == 1) {
            struct segment answer = conn_segment(&one, TO_CLIENT, 0, "", 0);
            answer.seq--;
            answer.flags = TCP_SYN | TCP_ACK;
            conn_give(&scene, &answer);
        }
        if (i == 2)
            conn_send(&scene, &one, TO_CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        conn_send(&scene, &one, TO_SERVER, GET);
        ck_assert_uint_eq(scene.n, i + 1);
        ck_assert_uint_eq(scene.msgs[i]->dst.port, 65000);
    }
}
END_TEST

START_TEST(flows_of_other_scopes_are_other_flows)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct segment seg = conn_segment(&c, TO_SERVER, 0, GET, strlen(GET));
        seg.scope = i;
        conn_give(&scene, &seg);
    }
    ck_assert_uint_eq(scene.n, 2);
    ck_assert_uint_eq(reassembly_flows(scene.r), 2);
}
END_TEST

/* Each connection's next request, given with those of others in one call. */
static void give_together(struct conn *all, uint32_t n)
{
    enum { TOGETHER = 24 };
    struct segment segs[TOGETHER];
    for (uint32_t i = 0; i < n; i += TOGETHER) {
        uint32_t some = n - i < TOGETHER ? n - i : TOGETHER;
        for (uint32_t k = 0; k < some; k++) {
            struct conn *one = &all[(i + k) * 7919 % n]; /* not in the order of their numbers */
            segs[k] = conn_segment(one, TO_SERVER, one->sent[TO_SERVER], GET, strlen(GET));
            segs[k].ts_ns = scene.now_ns;
            one->sent[TO_SERVER] += (uint32_t)strlen(GET);
        }
        reassembly_segments(scene.r, segs, some);
    }
}

START_TEST(segments_of_many_flows_may_come_together)
{
    enum { CONNS = 5000 };
    struct conn *all = calloc(CONNS, sizeof(*all));
    ck_assert_ptr_nonnull(all);
    for (uint32_t i = 0; i < CONNS; i++)
        all[i] = conn_of(i);
    give_together(all, CONNS); /* of which none is known yet */
    give_together(all, CONNS);
    ck_assert_uint_eq(reassembly_flows(scene.r), CONNS);
    ck_assert_uint_eq(scene.n, 2 * CONNS);
    for (size_t i = 0; i < scene.n; i++)
        scene_expect(&scene, i, MSG_REQUEST, GET);
    free(all);
}
END_TEST

START_TEST(ipv6_works_as_ipv4_does)
{
    for (int i = 0; i < 2; i++) {
        c.end[i].family = 6;
        memset(c.end[i].addr, i + 1, 16);
    }
    conn_open(&scene, &c);
    conn_send(&scene, &c, TO_SERVER, GET);
    expect_only(GET);
    ck_assert_int_eq(memcmp(scene.msgs[0]->id, "0401005002020202", 16), 0);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_request_in_one_segment_comes_out_as_it_was,
        a_request_may_be_split_at_every_byte,
        several_requests_in_one_segment_come_out_in_order,
        segments_in_any_order_make_the_request,
        retransmissions_with_other_boundaries_change_nothing,
        where_copies_differ_the_first_one_counts,
        a_complete_request_seen_again_is_not_emitted_twice,
        after_rst_a_retransmission_is_known_as_one,
        the_sequence_number_may_wrap_anywhere,
        data_in_the_syn_counts,
        keep_alive_and_zero_window_probes_change_nothing,
        a_request_that_the_connections_end_cuts_short_is_counted,
        a_fin_that_comes_early_waits_for_what_is_before_it,
        a_port_that_is_used_again_is_a_new_connection,
        a_syn_that_is_repeated_begins_nothing_anew,
        a_capture_that_begins_in_mid_stream_finds_the_next_request,
        tls_http2_and_other_protocols_are_counted_and_left_alone,
        behind_a_request_that_breaks_the_rules_one_is_found_once_the_server_has_answered,
        ids_are_unique_and_of_24_hex_digits,
        with_a_list_of_ports_others_are_left_alone,
        with_a_list_of_ports_the_port_tells_the_direction,
        without_a_list_syn_and_content_tell_the_direction,
        flows_of_other_scopes_are_other_flows,
        segments_of_many_flows_may_come_together,
        ipv6_works_as_ipv4_does,
    };
    Suite *s = suite_create("reassembly");
    TCase *tc = tcase_create("requests");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
