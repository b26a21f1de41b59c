/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "lib/waiting.h"
#include "tests/unit/messages.h"

static struct msg *numbered(unsigned n)
{
    char id[32];
    snprintf(id, sizeof(id), "%u", n);
    return message(MSG_RESPONSE, id, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void put(struct waiting *waiting, unsigned n)
{
    struct msg *msg = numbered(n);
    waiting_put(waiting, msg, n);
    msg_unref(msg);
}

static bool take(struct waiting *waiting, unsigned n)
{
    char id[32];
    uint64_t note = 0;
    snprintf(id, sizeof(id), "%u", n);
    const struct msg *msg = waiting_take(waiting, span_str(id), &note);
    if (msg) {
        ck_assert_uint_eq(note, n);
        ck_assert(span_eq(msg_id(msg), span_str(id)));
    }
    msg_unref(msg);
    return msg != NULL;
}

START_TEST(each_is_found_once_in_any_order)
{
    struct waiting *waiting;
    ck_assert_int_eq(waiting_new(&waiting, 1000, SIZE_MAX), 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned n = 0; n < 1000; n++)
            put(waiting, n);
        for (unsigned n = 0; n < 1000; n++) {
            ck_assert(take(waiting, n * 7 % 1000));
            ck_assert(!take(waiting, n * 7 % 1000));
        }
    }
    waiting_free(waiting);
}
END_TEST

START_TEST(the_oldest_leave_when_there_are_too_many)
{
    struct waiting *waiting;
    unsigned left = 0;
    ck_assert_int_eq(waiting_new(&waiting, 100, SIZE_MAX), 0);
    for (unsigned n = 0; n < 5000; n++) {
        uint64_t note;
        put(waiting, n);
        if (n % 3 == 0)
            ck_assert(take(waiting, n));
        for (const struct msg *m = waiting_overflow(waiting, &note); m;
             m = waiting_overflow(waiting, &note)) {
            ck_assert_uint_ge(note, left);
            left = (unsigned)note;
            msg_unref(m);
        }
    }
    ck_assert(take(waiting, 4999 - 99));
    ck_assert_uint_gt(left, 4800);
    waiting_free(waiting); /* with what is left */
}
END_TEST

START_TEST(bytes_are_bounded_too)
{
    struct waiting *waiting;
    uint64_t note;
    struct msg *msg = numbered(1);
    size_t room = 10 * msg_cost(msg);
    msg_unref(msg);
    ck_assert_int_eq(waiting_new(&waiting, 1000, room), 0);
    for (unsigned n = 0; n < 10; n++)
        put(waiting, n);
    ck_assert_ptr_null(waiting_overflow(waiting, &note));
    put(waiting, 10);
    const struct msg *oldest = waiting_overflow(waiting, &note);
    ck_assert_ptr_nonnull(oldest);
    ck_assert_uint_eq(note, 0);
    msg_unref(oldest);
    ck_assert_ptr_null(waiting_overflow(waiting, &note));
    for (unsigned n = 1; n <= 10; n++) {
        const struct msg *next = waiting_leave(waiting, &note);
        ck_assert_uint_eq(note, n);
        msg_unref(next);
    }
    ck_assert_ptr_null(waiting_leave(waiting, &note));
    waiting_free(waiting);
}
END_TEST

START_TEST(of_several_with_one_id_the_oldest_is_met_first)
{
    struct waiting *waiting;
    uint64_t note;
    ck_assert_int_eq(waiting_new(&waiting, 100, SIZE_MAX), 0);
    struct msg *same = numbered(7);
    ck_assert(!waiting_has(waiting, msg_id(same), &note));
    for (uint64_t n = 0; n < 50; n++) {
        waiting_put(waiting, same, n);
        put(waiting, 100 + (unsigned)n);
    }
    for (uint64_t n = 0; n < 50; n++) {
        ck_assert(waiting_has(waiting, msg_id(same), &note));
        ck_assert_uint_eq(note, n);
        msg_unref(waiting_take(waiting, msg_id(same), &note));
        ck_assert_uint_eq(note, n);
        if (n == 25) { /* behind those that wait already */
            waiting_put(waiting, same, 50);
            waiting_put(waiting, same, 51);
        }
    }
    msg_unref(waiting_take(waiting, msg_id(same), &note));
    ck_assert_uint_eq(note, 50);
    waiting_free(waiting);
    msg_unref(same);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        each_is_found_once_in_any_order,
        the_oldest_leave_when_there_are_too_many,
        bytes_are_bounded_too,
        of_several_with_one_id_the_oldest_is_met_first,
    };
    return suite_of("waiting", tests, ARRAY_LEN(tests));
}
