/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "compare/pairing.h"
#include "lib/mem.h"
#include "tests/unit/messages.h"

/* What was settled: how often which combination of roles (a bit each) came together. */
static struct {
    unsigned seen[1 << ROLES];
    unsigned crowded, met[ROLES];
} settled;

static void note(void *arg, const struct exchange *x)
{
    unsigned roles = 0;
    (void)arg;
    const struct msg *any = NULL;
    for (size_t i = 0; i < ROLES; i++) {
        if (!x->msg[i])
            continue;
        roles |= 1U << i;
        settled.met[i] += x->met[i];
        ck_assert(!any || span_eq(msg_id(any), msg_id(x->msg[i])));
        any = x->msg[i];
    }
    settled.seen[roles]++;
    settled.crowded += x->crowded;
}

static struct pairing *open_pairing(bool with_baseline, bool several, size_t max_msgs)
{
    const struct pairing_config config = {
        .max_msgs = max_msgs,
        .max_bytes = 1 << 20,
        .with_baseline = with_baseline,
        .several = several,
        .settle = note,
    };
    struct pairing *pairing;
    memset(&settled, 0, sizeof(settled));
    ck_assert_int_eq(pairing_new(&pairing, &config), 0);
    return pairing;
}

static void put(struct pairing *pairing, enum pairing_role role, unsigned n)
{
    static const enum msg_type types[ROLES] = {MSG_REQUEST, MSG_RESPONSE, MSG_REPLAYED,
                                               MSG_REPLAYED};
    char id[16];
    snprintf(id, sizeof(id), "%u", n);
    struct msg *msg = message(types[role], id, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    pairing_put(pairing, role, msg);
    msg_unref(msg);
}

static void close_pairing(struct pairing *pairing)
{
    pairing_free(pairing);
    ck_assert_int_eq(mem_used(MEM_OTHER) + mem_used(MEM_MSG), 0);
}

#define REQUEST (1 << ROLE_REQUEST)
#define RECORDED (1 << ROLE_RECORDED)
#define ANSWER (1 << ROLE_ANSWER)
#define BASELINE (1 << ROLE_BASELINE)

/* The nth order of all roles. */
static void permute(unsigned nth, enum pairing_role out[ROLES])
{
    enum pairing_role left[ROLES] = {ROLE_REQUEST, ROLE_RECORDED, ROLE_ANSWER, ROLE_BASELINE};
    for (unsigned n = ROLES; n > 0; n--) {
        unsigned i = nth % n;
        nth /= n;
        out[ROLES - n] = left[i];
        left[i] = left[n - 1];
    }
}

START_TEST(what_belongs_together_is_found_in_every_order)
{
    for (int with_baseline = 0; with_baseline < 2; with_baseline++) {
        struct pairing *pairing = open_pairing(with_baseline, false, 100);
        for (unsigned nth = 0; nth < 24; nth++) {
            enum pairing_role order[ROLES];
            permute(nth, order);
            for (size_t i = 0; i < ROLES; i++)
                if (with_baseline || order[i] != ROLE_BASELINE)
                    put(pairing, order[i], nth);
        }
        /* before the flush: nobody waits for more */
        ck_assert_uint_eq(
            settled.seen[REQUEST | RECORDED | ANSWER | (with_baseline ? BASELINE : 0)], 24);
        pairing_flush(pairing);
        unsigned sum = 0;
        for (size_t i = 0; i < ARRAY_LEN(settled.seen); i++)
            sum += settled.seen[i];
        ck_assert_uint_eq(sum, 24);
        ck_assert_uint_eq(settled.crowded, 0);
        close_pairing(pairing);
    }
}
END_TEST

START_TEST(what_is_missing_at_the_end_is_settled_without)
{
    struct pairing *pairing = open_pairing(true, false, 100);
    put(pairing, ROLE_REQUEST, 1); /* no answer */
    put(pairing, ROLE_RECORDED, 1);
    put(pairing, ROLE_ANSWER, 2); /* not recorded, nor its request known */
    put(pairing, ROLE_RECORDED, 3); /* the baseline fails */
    put(pairing, ROLE_REQUEST, 3);
    put(pairing, ROLE_ANSWER, 3);
    put(pairing, ROLE_BASELINE, 4); /* no responses in the recording */
    put(pairing, ROLE_ANSWER, 4);
    put(pairing, ROLE_REQUEST, 4);
    put(pairing, ROLE_REQUEST, 5);
    for (size_t i = 0; i < ARRAY_LEN(settled.seen); i++)
        ck_assert_uint_eq(settled.seen[i], 0);
    pairing_flush(pairing);
    ck_assert_uint_eq(settled.seen[REQUEST | RECORDED], 1);
    ck_assert_uint_eq(settled.seen[ANSWER], 1);
    ck_assert_uint_eq(settled.seen[REQUEST | RECORDED | ANSWER], 1);
    ck_assert_uint_eq(settled.seen[REQUEST | ANSWER | BASELINE], 1);
    ck_assert_uint_eq(settled.seen[REQUEST], 1);
    close_pairing(pairing);
}
END_TEST

START_TEST(too_many_leave_oldest_first_with_what_they_have)
{
    struct pairing *pairing = open_pairing(false, false, 10);
    for (unsigned n = 0; n < 100; n++) {
        put(pairing, ROLE_RECORDED, n);
        if (n < 50)
            put(pairing, ROLE_REQUEST, n);
    }
    ck_assert_uint_eq(settled.crowded, 90);
    ck_assert_uint_eq(settled.seen[REQUEST | RECORDED], 50);
    ck_assert_uint_eq(settled.seen[RECORDED], 40);
    for (unsigned n = 0; n < 100; n++) { /* too late, but for the last ten */
        put(pairing, ROLE_REQUEST, n);
        put(pairing, ROLE_ANSWER, n);
    }
    pairing_flush(pairing);
    ck_assert_uint_eq(settled.seen[REQUEST | RECORDED | ANSWER], 10);
    ck_assert_uint_eq(settled.seen[REQUEST | ANSWER], 90);
    close_pairing(pairing);
}
END_TEST

START_TEST(of_one_id_the_oldest_meet)
{
    struct pairing *pairing = open_pairing(false, false, 100);
    for (unsigned round = 0; round < 3; round++)
        for (size_t i = 0; i < ROLE_BASELINE; i++)
            put(pairing, (enum pairing_role)i, 7);
    ck_assert_uint_eq(settled.seen[REQUEST | RECORDED | ANSWER], 3);
    close_pairing(pairing);
}
END_TEST

START_TEST(several_targets_answer_to_what_was_recorded_once)
{
    struct pairing *pairing = open_pairing(true, true, 100);
    for (unsigned n = 0; n < 20; n++) {
        put(pairing, ROLE_ANSWER, n);
        put(pairing, ROLE_REQUEST, n);
        put(pairing, ROLE_RECORDED, n);
        put(pairing, ROLE_BASELINE, n);
        put(pairing, ROLE_ANSWER, n);
        put(pairing, ROLE_ANSWER, n);
    }
    ck_assert_uint_eq(settled.seen[REQUEST | RECORDED | ANSWER | BASELINE], 60);
    ck_assert_uint_eq(settled.met[ROLE_RECORDED], 40);
    ck_assert_uint_eq(settled.met[ROLE_BASELINE], 40);
    unsigned unmet = settled.met[ROLE_RECORDED];
    pairing_flush(pairing);
    ck_assert_uint_eq(settled.seen[REQUEST | RECORDED | ANSWER | BASELINE], 60);
    /* what is left has met an answer before, each time that it is told of */
    unsigned left = settled.seen[REQUEST | RECORDED | BASELINE] + settled.seen[REQUEST | RECORDED];
    ck_assert_uint_eq(settled.met[ROLE_RECORDED] - unmet, left);
    close_pairing(pairing);
}
END_TEST

START_TEST(several_targets_do_not_fill_the_rooms_beyond_their_bounds)
{
    struct pairing *pairing = open_pairing(true, true, 10);
    for (unsigned n = 0; n < 1000; n++) {
        unsigned order = n * 2654435761U >> 28;
        for (unsigned i = 0; i < ROLES; i++)
            put(pairing, (enum pairing_role)((order + i) % ROLES), n - (order % 3) * 7);
        put(pairing, ROLE_ANSWER, n);
    }
    pairing_flush(pairing);
    ck_assert_uint_gt(settled.seen[REQUEST | RECORDED | ANSWER | BASELINE], 100);
    close_pairing(pairing);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    const struct pairing_config config = {.max_msgs = 10, .max_bytes = 1 << 20, .settle = note};
    struct pairing *pairing = NULL;
    for (uint64_t n = 1;; n++) {
        mem_fail_at(n);
        int r = pairing_new(&pairing, &config);
        mem_fail_at(0);
        if (r == 0)
            break;
        ck_assert_uint_lt(n, 20);
    }
    close_pairing(pairing);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        what_belongs_together_is_found_in_every_order,
        what_is_missing_at_the_end_is_settled_without,
        too_many_leave_oldest_first_with_what_they_have,
        of_one_id_the_oldest_meet,
        several_targets_answer_to_what_was_recorded_once,
        several_targets_do_not_fill_the_rooms_beyond_their_bounds,
        every_allocation_may_fail,
    };
    return suite_of("pairing", tests, ARRAY_LEN(tests));
}
