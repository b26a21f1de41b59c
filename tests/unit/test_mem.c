/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

START_TEST(every_block_is_counted_and_uncounted)
{
    int64_t before = mem_used(MEM_IO);
    char *p = mem_zalloc(MEM_IO, 100);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(mem_used(MEM_IO), before + 100);
    p = mem_realloc(MEM_IO, p, 1000);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(mem_used(MEM_IO), before + 1000);
    mem_free(p);
    ck_assert_int_eq(mem_used(MEM_IO), before);
}
END_TEST

START_TEST(the_nth_allocation_fails_when_told_so)
{
    mem_fail_at(2);
    void *a = mem_alloc(MEM_OTHER, 1);
    void *b = mem_alloc(MEM_OTHER, 1);
    void *c = mem_alloc(MEM_OTHER, 1);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(b);
    ck_assert_ptr_nonnull(c);
    mem_free(a);
    mem_free(c);
}
END_TEST

START_TEST(a_buffer_never_grows_beyond_its_maximum)
{
    struct buf b;
    buf_init(&b, 10000);
    char block[6000];
    memset(block, 'x', sizeof(block));
    ck_assert_int_eq(buf_append(&b, block, sizeof(block)), 0);
    ck_assert_int_eq(buf_append(&b, block, sizeof(block)), -ENOBUFS);
    ck_assert_uint_eq(buf_span(&b).len, 6000);
    buf_consume(&b, 5000);
    ck_assert_int_eq(buf_append(&b, block, sizeof(block)), 0);
    ck_assert_uint_eq(buf_span(&b).len, 7000);
    ck_assert_uint_le(b.cap, 10000);
    buf_fini(&b);
}
END_TEST

START_TEST(a_buffer_keeps_its_bytes_when_it_moves_them)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    uint8_t next_in = 0, next_out = 0;
    for (int round = 0; round < 2000; round++) {
        uint8_t in[97];
        for (size_t i = 0; i < sizeof(in); i++)
            in[i] = next_in++;
        ck_assert_int_eq(buf_append(&b, in, sizeof(in)), 0);
        struct span s = buf_span(&b);
        size_t take = s.len < 90 ? s.len : 90;
        for (size_t i = 0; i < take; i++)
            ck_assert_uint_eq(s.ptr[i], next_out++);
        buf_consume(&b, take);
    }
    buf_fini(&b);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        every_block_is_counted_and_uncounted,
        the_nth_allocation_fails_when_told_so,
        a_buffer_never_grows_beyond_its_maximum,
        a_buffer_keeps_its_bytes_when_it_moves_them,
    };
    return suite_of("mem", tests, ARRAY_LEN(tests));
}
