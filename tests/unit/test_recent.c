/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>

#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/recent.h"

START_TEST(a_key_is_known_the_second_time_only)
{
    struct recent *recent;
    ck_assert_int_eq(recent_new(&recent), 0);
    static const uint64_t keys[] = {0, 2, 3, UINT64_MAX, RECENT_KEYS + 4};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        ck_assert(!recent_add(recent, keys[i]));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        ck_assert(recent_add(recent, keys[i]));
    recent_free(recent);
}
END_TEST

START_TEST(a_later_key_takes_the_place_and_none_is_taken_for_another)
{
    struct recent *recent;
    size_t known = 0;
    ck_assert_int_eq(recent_new(&recent), 0);
    ck_assert(!recent_add(recent, 7));
    ck_assert(!recent_add(recent, 7 + RECENT_KEYS));
    ck_assert(!recent_add(recent, 7));
    for (uint64_t n = 0; n < 4 * RECENT_KEYS; n++)
        ck_assert(!recent_add(recent, hash64(&n, sizeof(n), 1)));
    for (uint64_t n = 4 * RECENT_KEYS - 1000; n < 4 * RECENT_KEYS; n++)
        known += recent_add(recent, hash64(&n, sizeof(n), 1));
    ck_assert_uint_gt(known, 950); /* of the last thousand few were overwritten */
    recent_free(recent);
}
END_TEST

START_TEST(without_memory_there_is_none)
{
    struct recent *recent;
    mem_fail_at(1);
    ck_assert_int_eq(recent_new(&recent), -ENOMEM);
    mem_fail_at(0);
    recent_free(NULL);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_key_is_known_the_second_time_only,
        a_later_key_takes_the_place_and_none_is_taken_for_another,
        without_memory_there_is_none,
    };
    return suite_of("recent", tests, ARRAY_LEN(tests));
}
