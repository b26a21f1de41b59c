/* SPDX-License-Identifier: MIT */
/* How much is left out when too much CPU is used, and that whole connections are. */
#include "lib/shed.h"

#include <string.h>

#include "tests/unit/segments.h"
#include "tests/unit/unit.h"

#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA"
#define CONNS 400
#define HALF (SHED_NOTHING / 2)

static struct shed shed;
static struct scene scene;
static int64_t now_ns, cpu_ns;

/* A period in which that much of what is allowed was used. */
static void use(double share)
{
    now_ns += NS_PER_S / 2;
    cpu_ns += (int64_t)(share * shed.max * (double)(NS_PER_S / 2));
    shed_look(&shed, now_ns, cpu_ns);
}

static void begin_shed(void)
{
    shed_init(&shed, 0.1);
    now_ns = NS_PER_S;
    cpu_ns = 12345;
    shed_look(&shed, now_ns, cpu_ns);
}

START_TEST(within_the_limit_everything_is_followed)
{
    begin_shed();
    for (int i = 0; i < 100; i++)
        use(1.0);
    ck_assert(!shed_is_active(&shed));
    ck_assert(shed_admits(&shed, UINT64_MAX, true));
}
END_TEST

START_TEST(new_connections_go_first_and_old_ones_only_when_that_does_not_help)
{
    begin_shed();
    use(3.0);
    ck_assert(shed_is_active(&shed));
    ck_assert(shed_keeps(&shed, UINT64_MAX));
    ck_assert(!shed_admits(&shed, (uint64_t)HALF << 32, true));
    ck_assert(!shed_admits(&shed, (uint64_t)HALF << 32, false));
    ck_assert(shed_admits(&shed, (uint64_t)(SHED_NOTHING / 4) << 32, true));
    use(3.0); /* what was followed before is still worked off */
    ck_assert(shed_keeps(&shed, UINT64_MAX));
    use(1.5);
    ck_assert(!shed_keeps(&shed, (uint64_t)HALF << 32));
    ck_assert(shed_keeps(&shed, (uint64_t)(SHED_NOTHING / 4) << 32));
}
END_TEST

START_TEST(however_much_is_used_some_connections_are_followed)
{
    begin_shed();
    for (int i = 0; i < 100; i++)
        use(50);
    ck_assert(shed_admits(&shed, 0, true));
    ck_assert(shed_keeps(&shed, (uint64_t)(SHED_NOTHING / 2000) << 32));
    ck_assert(!shed_keeps(&shed, (uint64_t)(SHED_NOTHING / 500) << 32));
}
END_TEST

START_TEST(with_room_new_connections_come_back_first_and_then_those_in_midstream)
{
    begin_shed();
    use(2.0);
    uint64_t some = (uint64_t)HALF << 32;
    int opened = 0, joined = 0;
    for (int i = 1; i <= 40 && !joined; i++) {
        use(0.01);
        opened = opened || !shed_admits(&shed, some, true) ? opened : i;
        joined = shed_admits(&shed, some, false) ? i : 0;
    }
    ck_assert_int_gt(opened, 0);
    ck_assert_int_ge(joined - opened, 10); /* 5 s */
    for (int i = 0; i < 40; i++)
        use(0.01);
    ck_assert(!shed_is_active(&shed));
}
END_TEST

/* Load whose cost is a part that is always paid and one for each connection that is followed. */
START_TEST(what_is_used_settles_below_the_limit_and_stays_there)
{
    begin_shed();
    int moves = 0;
    for (int i = 0; i < 200; i++) {
        double level = (double)atomic_load(&shed.keeps) / SHED_NOTHING;
        double used = 0.2 + 4.0 * level;
        uint32_t before = (uint32_t)atomic_load(&shed.opens);
        use(used);
        if (i >= 20) {
            ck_assert(used <= 1.0);
            ck_assert(used >= 0.6);
            moves += before != atomic_load(&shed.opens);
        }
    }
    ck_assert_int_le(moves, 1);
}
END_TEST

/* --- connections --- */

static void begin_scene(bool tracks)
{
    shed_init(&shed, 0.1);
    scene = (struct scene){
        .config = {.shed = &shed, .track_responses = tracks, .seed = UINT64_C(0x1234567)}};
    scene_begin(&scene);
}

static void set_levels(uint32_t opens, uint32_t joins, uint32_t keeps)
{
    atomic_store(&shed.opens, opens);
    atomic_store(&shed.joins, joins);
    atomic_store(&shed.keeps, keeps);
}

/* Messages of connection n that came. */
static size_t count_of(const struct conn *c)
{
    size_t n = 0;
    for (size_t i = 0; i < scene.n; i++) {
        const struct msg *m = scene.msgs[i];
        n += endpoint_eq(m->type == MSG_REQUEST ? &m->src : &m->dst, &c->end[TO_CLIENT]);
    }
    return n;
}

START_TEST(a_connection_is_followed_wholly_or_not_at_all)
{
    static struct conn all[CONNS];
    size_t followed = 0;
    begin_scene(true);
    set_levels(HALF, HALF, SHED_NOTHING);
    for (uint32_t i = 0; i < CONNS; i++) {
        all[i] = conn_of(i);
        conn_open(&scene, &all[i]);
    }
    for (int k = 0; k < 3; k++) {
        for (uint32_t i = 0; i < CONNS; i++) {
            conn_send(&scene, &all[i], TO_SERVER, GET);
            conn_send(&scene, &all[i], TO_CLIENT, OK);
        }
        /* more is opened now, but what was refused is not joined in its midst */
        set_levels(SHED_NOTHING, HALF, SHED_NOTHING);
    }
    for (uint32_t i = 0; i < CONNS; i++) {
        size_t n = count_of(&all[i]);
        ck_assert_msg(n == 0 || n == 6, "%zu messages of connection %u", n, i);
        followed += n == 6;
    }
    ck_assert_uint_gt(followed, CONNS * 4 / 10);
    ck_assert_uint_lt(followed, CONNS * 6 / 10);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS_SHED), CONNS - followed);
    ck_assert_uint_eq(scene_book(&scene, BOOK_FLOWS), followed);
    scene_finish(&scene);
    scene_end(&scene);
}
END_TEST

START_TEST(a_connection_that_is_given_up_ends_between_two_exchanges)
{
    static struct conn all[CONNS];
    begin_scene(true);
    for (uint32_t i = 0; i < CONNS; i++) {
        all[i] = conn_of(i);
        conn_open(&scene, &all[i]);
        conn_send(&scene, &all[i], TO_SERVER, "POST /p HTTP/1.1\r\nHost: x\r\n");
    }
    set_levels(HALF, HALF, HALF);
    for (uint32_t i = 0; i < CONNS; i++) {
        conn_send(&scene, &all[i], TO_SERVER, "Content-Length: 3\r\n\r\nabc");
        conn_send(&scene, &all[i], TO_CLIENT, OK);
    }
    ck_assert_uint_eq(scene.n, 2 * CONNS); /* all were in progress */
    for (uint32_t i = 0; i < CONNS; i++)
        conn_send(&scene, &all[i], TO_SERVER, GET);
    uint64_t given_up = scene_book(&scene, BOOK_FLOWS_SHED);
    ck_assert_uint_gt(given_up, CONNS * 4 / 10);
    ck_assert_uint_lt(given_up, CONNS * 6 / 10);
    ck_assert_uint_eq(scene.n, 2 * CONNS + (CONNS - given_up));
    ck_assert_uint_eq(scene_book(&scene, BOOK_SEGMENTS_SHED), given_up);
    set_levels(SHED_NOTHING, SHED_NOTHING, SHED_NOTHING);
    for (uint32_t i = 0; i < CONNS; i++)
        conn_send(&scene, &all[i], TO_SERVER, GET); /* followed again */
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_COMPLETE), 3 * CONNS - given_up);
    scene_finish(&scene);
    scene_end(&scene);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        within_the_limit_everything_is_followed,
        new_connections_go_first_and_old_ones_only_when_that_does_not_help,
        however_much_is_used_some_connections_are_followed,
        with_room_new_connections_come_back_first_and_then_those_in_midstream,
        what_is_used_settles_below_the_limit_and_stays_there,
        a_connection_is_followed_wholly_or_not_at_all,
        a_connection_that_is_given_up_ends_between_two_exchanges,
    };
    return suite_of("shed", tests, ARRAY_LEN(tests));
}
