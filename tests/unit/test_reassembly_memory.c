/* SPDX-License-Identifier: MIT */
/* Reassembly when memory is short: by its own limit, and because allocations fail. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/segments.h"

#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n0123456789abcdefghij"
#define OK_A "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA"

#define FLOOD 200000
#define GENUINE 1000
#define CAP (8 * MIB)
/* What the limit does not count: the table, malloc's headers, what one segment brings. */
#define SLACK (4 * MIB)

static struct scene scene;

enum flood {
    HALF_OPEN,
    HALF_A_REQUEST,
    OUT_OF_ORDER,
};

static void flood_one(enum flood kind, uint32_t i)
{
    struct conn c = conn_of(i);
    c.end[TO_SERVER].addr[3] = 2;
    struct segment syn = conn_segment(&c, TO_SERVER, 0, "", 0);
    syn.seq--;
    syn.flags = TCP_SYN;
    conn_give(&scene, &syn);
    if (kind == HALF_A_REQUEST)
        conn_send(&scene, &c, TO_SERVER, "GET / HTT");
    if (kind == OUT_OF_ORDER)
        conn_send_at(&scene, &c, TO_SERVER, 1000, GET GET GET GET GET GET GET GET);
}

/* FLOOD useless flows, with GENUINE requests among them that come in two segments with some of the
 * others between. */
static void flood(enum flood kind)
{
    enum { EVERY = FLOOD / GENUINE, BETWEEN = 50 };
    int64_t highest = 0;
    struct conn genuine = conn_of(0);
    scene = (struct scene){.config = {.max_memory = CAP}, .only_count = true};
    scene_begin(&scene);
    for (uint32_t i = 0; i < FLOOD; i++) {
        if (i % EVERY == 0) {
            genuine = conn_of(i);
            conn_open(&scene, &genuine);
            conn_send(&scene, &genuine, TO_SERVER, "POST /p HTTP/1.1\r\nHost: x\r\n");
        }
        if (i % EVERY == BETWEEN)
            conn_send(&scene, &genuine, TO_SERVER, "Content-Length: 3\r\n\r\nabc");
        flood_one(kind, i);
        int64_t now = scene_memory(&scene);
        highest = now > highest ? now : highest;
    }
    ck_assert_uint_eq(scene.n, GENUINE);
    ck_assert_int_lt(highest, (int64_t)(CAP + SLACK));
    ck_assert_int_gt(highest, (int64_t)CAP / 2); /* the limit was what bounded it */
    ck_assert_uint_gt(scene_book(&scene, BOOK_FLOWS_EVICTED), FLOOD / 2);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS), FLOOD + GENUINE);
    scene_end(&scene);
}

START_TEST(a_flood_of_half_open_connections_costs_no_request)
{
    flood(HALF_OPEN);
}
END_TEST

START_TEST(a_flood_of_half_requests_costs_no_request)
{
    flood(HALF_A_REQUEST);
}
END_TEST

START_TEST(a_flood_of_segments_out_of_order_costs_no_request)
{
    flood(OUT_OF_ORDER);
}
END_TEST

START_TEST(closed_connections_go_first)
{
    scene = (struct scene){.config = {.max_memory = 64 * KIB}};
    scene_begin(&scene);
    struct conn half = conn_of(1000);
    conn_open(&scene, &half);
    conn_send(&scene, &half, TO_SERVER, "GET /a ");
    for (uint32_t i = 0; i < 900; i++) {
        struct conn c = conn_of(i);
        conn_open(&scene, &c);
        conn_send(&scene, &c, TO_SERVER, GET);
        conn_fin(&scene, &c, TO_SERVER);
    }
    conn_send(&scene, &half, TO_SERVER, "HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_uint_eq(scene.n, 901);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS_EVICTED), 0);
    scene_end(&scene);
}
END_TEST

/* Everything that allocates: flows, pieces, messages in progress that grow, pending requests. */
static void mixed(void)
{
    static char block[8000];
    struct conn a = conn_of(1), b = conn_of(2);
    memset(block, 'x', sizeof(block));
    conn_open(&scene, &a);
    conn_open(&scene, &b);
    conn_send(&scene, &a, TO_SERVER, GET POST "POST /q HTTP/1.1\r\nContent-Length: 24000\r\n\r\n");
    for (int i = 0; i < 3; i++)
        conn_send_bytes(&scene, &a, TO_SERVER, block, sizeof(block));
    conn_send(&scene, &a, TO_CLIENT, OK_A "HTTP/1.1 200 OK\r\nContent-Le");
    conn_send(&scene, &a, TO_CLIENT, "ngth: 2\r\n\r\nhi" OK_A);
    conn_send_at(&scene, &b, TO_SERVER, 60, &POST[60]);
    conn_send_at(&scene, &b, TO_SERVER, 40, &POST[40]);
    conn_send_at(&scene, &b, TO_SERVER, 20, &POST[20]);
    conn_send_at(&scene, &b, TO_CLIENT, 0, OK_A); /* early */
    conn_send_at(&scene, &b, TO_SERVER, 0, POST);
    for (int i = 0; i < 6; i++)
        conn_send_at(&scene, &b, TO_SERVER, (uint32_t)(sizeof(POST) - 1 + strlen(GET) * (size_t)i),
                     GET);
    conn_fin(&scene, &a, TO_SERVER);
    conn_rst(&scene, &b, TO_CLIENT);
}

/* With the nth allocation failing; returns whether reassembly could begin at all. */
static bool mixed_failing_at(uint64_t nth)
{
    scene = (struct scene){.config = {.track_responses = true}};
    scene_begin(&scene);
    reassembly_free(scene.r);
    mem_fail_at(nth);
    bool began = scene_try(&scene) == 0;
    if (began)
        mixed();
    mem_fail_at(0);
    if (!began)
        scene.r = NULL;
    return began;
}

START_TEST(any_allocation_may_fail)
{
    enum { ENOUGH = 120 };
    size_t failures = 0;
    ck_assert(mixed_failing_at(0));
    size_t all = scene.n;
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_COMPLETE), 10);
    scene_end(&scene);
    for (uint64_t nth = 1; nth <= ENOUGH; nth++) {
        bool began = mixed_failing_at(nth);
        ck_assert_uint_le(scene.n, all);
        failures += scene.n < all;
        ck_assert_msg(nth < ENOUGH || scene.n == all, "not every allocation was tried");
        if (began)
            scene_finish(&scene);
        scene_end(&scene);
    }
    ck_assert_uint_gt(failures, 20);
}
END_TEST

START_TEST(the_longest_silent_goes_first_in_whatever_order_they_spoke)
{
    enum { CONNS = 20, GONE = 6 };
    struct conn all[CONNS];
    char text[64];
    scene = (struct scene){.config = {.max_memory = 100000}};
    scene_begin(&scene);
    for (uint32_t i = 0; i < CONNS; i++) {
        all[i] = conn_of(i);
        conn_open(&scene, &all[i]);
        snprintf(text, sizeof(text), "GET /%02u HTTP/1.1\r\n", i);
        conn_send(&scene, &all[i], TO_SERVER, text);
    }
    reassembly_tick(scene.r, scene.now_ns += 50 * NS_PER_S); /* they are in order now */
    for (uint32_t i = 0; i < CONNS; i++) /* and then in another */
        conn_send(&scene, &all[i * 7 % CONNS], TO_SERVER, "Host: x\r\n");
    for (uint32_t i = CONNS; scene_book(&scene, BOOK_FLOWS_EVICTED) < GONE; i++) {
        struct conn more = conn_of(i);
        conn_open(&scene, &more);
        conn_send(&scene, &more, TO_SERVER, "GET /more HTTP/1.1\r\n");
    }
    for (uint32_t i = GONE; i < CONNS; i++)
        conn_send(&scene, &all[i * 7 % CONNS], TO_SERVER, "\r\n");
    ck_assert_uint_eq(scene.n, CONNS - GONE);
    for (uint32_t i = GONE; i < CONNS; i++) {
        snprintf(text, sizeof(text), "GET /%02u HTTP/1.1\r\nHost: x\r\n\r\n", i * 7 % CONNS);
        scene_expect(&scene, i - GONE, MSG_REQUEST, text);
    }
    scene_end(&scene);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        the_longest_silent_goes_first_in_whatever_order_they_spoke,
        a_flood_of_half_open_connections_costs_no_request,
        a_flood_of_half_requests_costs_no_request,
        a_flood_of_segments_out_of_order_costs_no_request,
        closed_connections_go_first,
        any_allocation_may_fail,
    };
    return suite_of("reassembly_memory", tests, ARRAY_LEN(tests));
}
