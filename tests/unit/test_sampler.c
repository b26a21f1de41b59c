/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "lib/sampler.h"
#include "lib/split.h"
#include "tests/unit/messages.h"

#define MANY 100000

static struct sampler sampler_of(const char *suffix, uint64_t seed)
{
    struct limit limit;
    struct sampler sampler;
    struct err err;
    size_t len;
    char text[64];
    snprintf(text, sizeof(text), "x|%s", suffix);
    ck_assert_int_eq(limit_parse("output-http", text, &len, &limit, &err), 0);
    sampler_init(&sampler, &limit, seed);
    return sampler;
}

/* A request of that user, the nth of its kind. */
static struct msg *request_of(unsigned user, unsigned n)
{
    char text[160], id[32];
    snprintf(text, sizeof(text),
             "GET /%u?u=%u HTTP/1.1\r\nHost: h\r\nX-User: user-%u\r\nCookie: a=1; sid=%u\r\n\r\n",
             n, user, user, user);
    snprintf(id, sizeof(id), "%024x", n);
    struct msg *msg = message(MSG_REQUEST, id, text);
    msg_parse_head(msg);
    msg->src = (struct endpoint){.family = 4, .port = (uint16_t)(1024 + n % 60000)};
    msg->src.addr[0] = 10;
    msg->src.addr[1] = (uint8_t)(user >> 16);
    msg->src.addr[2] = (uint8_t)(user >> 8);
    msg->src.addr[3] = (uint8_t)user;
    return msg;
}

static bool choose(struct sampler *sampler, unsigned user, unsigned n)
{
    struct msg *msg = request_of(user, n);
    bool chosen = sampler_choose(sampler, msg);
    msg_unref(msg);
    return chosen;
}

START_TEST(a_percentage_is_exact_to_one_request_at_every_moment)
{
    static const char *const shares[] = {"10%", "0.5%", "33.3%", "99.9%", "100%", "50%"};
    const struct msg *msg = numbered_request(1);
    for (size_t s = 0; s < ARRAY_LEN(shares); s++) {
        struct sampler sampler = sampler_of(shares[s], 0);
        double percent = 0, passed = 0;
        ck_assert_int_eq(sscanf(shares[s], "%lf", &percent), 1);
        for (unsigned n = 1; n <= MANY; n++) {
            passed += sampler_choose(&sampler, msg);
            double ideal = n * percent / 100;
            ck_assert_msg(passed <= ideal + 1e-6 && passed > ideal - 1 - 1e-6,
                          "%s: %g passed of %u", shares[s], passed, n);
        }
    }
    msg_unref(msg);
}
END_TEST

START_TEST(the_same_value_is_always_in_or_always_out)
{
    static const char *const keys[] = {"header:X-User", "cookie:sid", "param:u", "ip"};
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        char suffix[64];
        snprintf(suffix, sizeof(suffix), "10%%,by=%s", keys[k]);
        struct sampler first = sampler_of(suffix, 7), again = sampler_of(suffix, 7);
        unsigned in = 0;
        for (unsigned user = 0; user < MANY / 4; user++) {
            bool chosen = choose(&first, user, user);
            in += chosen;
            ck_assert_int_eq(choose(&again, user, MANY + user), chosen);
        }
        /* 25,000 values: five standard deviations are 237 */
        ck_assert_uint_ge(in, MANY / 40 - 237);
        ck_assert_uint_le(in, MANY / 40 + 237);
    }
}
END_TEST

START_TEST(a_smaller_share_lies_inside_a_larger_one)
{
    struct sampler five = sampler_of("5%,by=header:X-User", 1);
    struct sampler ten = sampler_of("10%,by=header:X-User", 1);
    struct sampler other_seed = sampler_of("10%,by=header:X-User", 2);
    unsigned in_five = 0, in_both_seeds = 0;
    for (unsigned user = 0; user < MANY; user++) {
        bool small = choose(&five, user, user), large = choose(&ten, user, user);
        in_five += small;
        ck_assert(!small || large);
        in_both_seeds += large && choose(&other_seed, user, user);
    }
    ck_assert_uint_ge(in_five, MANY / 20 - 350);
    ck_assert_uint_le(in_five, MANY / 20 + 350);
    ck_assert_uint_le(in_both_seeds, MANY / 100 + 160); /* another seed, other users */
}
END_TEST

START_TEST(a_request_without_the_value_goes_by_its_connection)
{
    struct sampler sampler = sampler_of("50%,by=header:X-None", 0);
    unsigned in = 0;
    for (unsigned n = 0; n < 2000; n++) {
        struct msg *msg = request_of(1, n);
        msg->conn = n;
        bool chosen = sampler_choose(&sampler, msg);
        ck_assert_int_eq(sampler_choose(&sampler, msg), chosen);
        in += chosen;
        msg_unref(msg);
    }
    ck_assert_uint_ge(in, 1000 - 112);
    ck_assert_uint_le(in, 1000 + 112);
}
END_TEST

START_TEST(another_share_is_exact_from_the_moment_it_is_set)
{
    static const double percents[] = {10, 50, 0, 100, 0.5};
    const struct msg *msg = numbered_request(1);
    struct sampler sampler = sampler_of("10%", 0);
    for (size_t p = 0; p < ARRAY_LEN(percents); p++) {
        double passed = 0;
        sampler_set_percent(&sampler, percents[p]);
        for (unsigned n = 1; n <= MANY / 10; n++) {
            passed += sampler_choose(&sampler, msg);
            double ideal = n * percents[p] / 100;
            ck_assert_msg(passed <= ideal + 1 && passed >= ideal - 1, "%g%%: %g of %u", percents[p],
                          passed, n);
        }
    }
    msg_unref(msg);
}
END_TEST

/* --- splits --- */

static void split_of(struct split *split, const char *key, const double *weights, size_t n)
{
    static const char *const names[] = {"http://a", "http://b", "http://c", "http://d"};
    struct key by = {.kind = KEY_NONE};
    if (key)
        ck_assert_ptr_null(key_parse(&by, key, strlen(key)));
    split_init(split, &by, 0);
    for (size_t i = 0; i < n; i++)
        split_add(split, i, weights[i], names[i]);
}

static size_t place(struct split *split, unsigned user, unsigned n)
{
    struct msg *msg = request_of(user, n);
    size_t output = split_choose(split, msg, UINT64_MAX);
    msg_unref(msg);
    return output;
}

START_TEST(turns_are_within_one_request_of_the_weights_at_every_moment)
{
    static const double weights[][4] = {
        {1, 1, 1, 1}, {33, 33, 34, 1}, {70, 20, 9, 1}, {1, 2, 3, 94}};
    for (size_t w = 0; w < ARRAY_LEN(weights); w++) {
        struct split split;
        double got[4] = {0};
        split_of(&split, NULL, weights[w], 4);
        for (unsigned n = 1; n <= MANY; n++) {
            got[place(&split, 1, n)]++;
            for (size_t i = 0; i < 4; i++) {
                double off = got[i] - n * split_share(&split, i);
                ck_assert_msg(off <= 1 && off >= -1, "output %zu has %g of %u", i, got[i], n);
            }
        }
    }
}
END_TEST

START_TEST(equal_weights_take_turns_in_order)
{
    struct split split;
    split_of(&split, NULL, (const double[]){1, 1, 1}, 3);
    for (unsigned n = 0; n < 300; n++)
        ck_assert_uint_eq(place(&split, 1, n), n % 3);
}
END_TEST

START_TEST(by_key_each_value_keeps_its_output_and_the_weights_hold)
{
    static const double weights[] = {50, 30, 20};
    struct split split;
    unsigned got[3] = {0};
    split_of(&split, "header:X-User", weights, 3);
    for (unsigned user = 0; user < MANY; user++) {
        size_t output = place(&split, user, user);
        got[output]++;
        if (user % 10 == 0)
            ck_assert_uint_eq(place(&split, user, user + MANY), output);
    }
    for (size_t i = 0; i < 3; i++) {
        double off = got[i] - MANY * weights[i] / 100;
        ck_assert_msg(off < 800 && off > -800, "output %zu has %u", i, got[i]);
    }
}
END_TEST

START_TEST(a_weight_of_zero_gets_nothing_and_the_others_share)
{
    static const char *const keys[] = {NULL, "header:X-User"};
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        struct split split;
        unsigned got[3] = {0};
        split_of(&split, keys[k], (const double[]){1, 1, 1}, 3);
        split_set_weight(&split, 1, 0);
        split_set_weight(&split, 2, 3);
        for (unsigned n = 0; n < MANY; n++)
            got[place(&split, n, n)]++;
        ck_assert_uint_eq(got[1], 0);
        ck_assert(got[0] > MANY / 4 - 800 && got[0] < MANY / 4 + 800);
        split_set_weight(&split, 0, 0);
        split_set_weight(&split, 2, 0);
        ck_assert_uint_eq(place(&split, 1, 1), SPLIT_MAX);
    }
}
END_TEST

START_TEST(a_further_output_moves_only_its_share_of_the_values)
{
    struct split three, four;
    unsigned moved = 0;
    split_of(&three, "header:X-User", (const double[]){1, 1, 1}, 3);
    split_of(&four, "header:X-User", (const double[]){1, 1, 1, 1}, 4);
    for (unsigned user = 0; user < MANY; user++) {
        size_t before = place(&three, user, user), after = place(&four, user, user);
        ck_assert(after == before || after == 3);
        moved += after != before;
    }
    ck_assert_uint_ge(moved, MANY / 4 - 700);
    ck_assert_uint_le(moved, MANY / 4 + 700);
}
END_TEST

START_TEST(only_candidates_are_chosen)
{
    static const char *const keys[] = {NULL, "header:X-User"};
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        struct split split;
        split_of(&split, keys[k], (const double[]){1, 1, 1}, 3);
        for (unsigned n = 0; n < 1000; n++) {
            struct msg *msg = request_of(n, n);
            ck_assert_uint_ne(split_choose(&split, msg, 5), 1);
            ck_assert_uint_eq(split_choose(&split, msg, 0), SPLIT_MAX);
            msg_unref(msg);
        }
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_percentage_is_exact_to_one_request_at_every_moment,
        the_same_value_is_always_in_or_always_out,
        a_smaller_share_lies_inside_a_larger_one,
        a_request_without_the_value_goes_by_its_connection,
        turns_are_within_one_request_of_the_weights_at_every_moment,
        equal_weights_take_turns_in_order,
        by_key_each_value_keeps_its_output_and_the_weights_hold,
        another_share_is_exact_from_the_moment_it_is_set,
        a_weight_of_zero_gets_nothing_and_the_others_share,
        a_further_output_moves_only_its_share_of_the_values,
        only_candidates_are_chosen,
    };
    return suite_of("sampler", tests, ARRAY_LEN(tests));
}
