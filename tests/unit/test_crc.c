/* SPDX-License-Identifier: MIT */
#include "lib/crc.h"

#include <stdlib.h>
#include <zlib.h>

#include "tests/unit/unit.h"

#define LONGEST 700

static uint8_t noise[LONGEST + 64];

static void fill(void)
{
    srandom(1);
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)random();
}

START_TEST(any_length_at_any_place_is_what_zlib_says)
{
    fill();
    for (size_t off = 0; off < 17; off++)
        for (size_t n = 0; n <= LONGEST; n++)
            ck_assert_uint_eq(crc32_add(0, noise + off, n), (uint32_t)crc32_z(0, noise + off, n));
}
END_TEST

START_TEST(pieces_make_the_same_sum_as_the_whole)
{
    fill();
    uint32_t whole = (uint32_t)crc32_z(0, noise, LONGEST);
    for (size_t cut = 0; cut <= LONGEST; cut++)
        ck_assert_uint_eq(crc32_add(crc32_add(0, noise, cut), noise + cut, LONGEST - cut), whole);
}
END_TEST

START_TEST(the_sum_of_zeros_and_of_nothing_is_right)
{
    static const uint8_t zeros[256];
    ck_assert_uint_eq(crc32_add(0, zeros, sizeof(zeros)),
                      (uint32_t)crc32_z(0, zeros, sizeof(zeros)));
    ck_assert_uint_eq(crc32_add(0x12345678, zeros, 0), 0x12345678);
    ck_assert_uint_eq(crc32_add(0, "123456789", 9), 0xcbf43926); /* the usual check value */
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        any_length_at_any_place_is_what_zlib_says,
        pieces_make_the_same_sum_as_the_whole,
        the_sum_of_zeros_and_of_nothing_is_right,
    };
    return suite_of("crc", tests, ARRAY_LEN(tests));
}
