/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/mem_pool.h"

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

#define HELD 500
#define ROUNDS 10000

/* A block holds its size, and a mark that follows from its number. */
static unsigned char *marked(unsigned number)
{
    size_t size = 1 + number * 37 % 5000;
    unsigned char *block = mem_alloc(MEM_MSG, sizeof(size) + size);
    ck_assert_ptr_nonnull(block);
    memcpy(block, &size, sizeof(size));
    memset(block + sizeof(size), (int)(size & 0xff), size);
    return block;
}

static void check_mark(const unsigned char *block)
{
    size_t size;
    memcpy(&size, block, sizeof(size));
    ck_assert_uint_le(size, 5000);
    block += sizeof(size);
    ck_assert_uint_eq(*block, size & 0xff);
    ck_assert_mem_eq(block, block + 1, size - 1); /* all the same */
}

static _Atomic(unsigned char *) slots[HELD];

/* Puts blocks of its own where others take them, and frees whosever it found there. */
static void *exchange_blocks(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned char *old = atomic_exchange(&slots[hash_mix(seed, i) % HELD], marked(seed + i));
        if (old)
            check_mark(old);
        if (old && i % 16 == 0)
            old = mem_realloc(MEM_MSG, old, sizeof(size_t) + 5000);
        if (old && i % 16 == 0)
            check_mark(old);
        mem_free(old);
    }
    mem_thread_flush();
    return NULL;
}

START_TEST(blocks_of_messages_go_from_thread_to_thread_and_outlive_them)
{
    int64_t before = mem_used(MEM_MSG);
    for (int round = 0; round < 2; round++) { /* the second takes over the first one's pools */
        pthread_t threads[3];
        unsigned seeds[3] = {1, 2, 3};
        for (size_t i = 0; i < 3; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, exchange_blocks, &seeds[i]), 0);
        for (size_t i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < HELD; i++) {
        if (slots[i])
            check_mark(slots[i]);
        mem_free(slots[i]);
    }
    mem_thread_flush();
    ck_assert_int_eq(mem_used(MEM_MSG), before);
}
END_TEST

START_TEST(blocks_that_come_back_are_used_again)
{
    unsigned char *first = mem_alloc(MEM_MSG, 700);
    mem_free(first);
    unsigned char *second = mem_alloc(MEM_MSG, 650);
    if (MEM_POOLED)
        ck_assert_ptr_eq(first, second);
    mem_free(second);
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
        blocks_of_messages_go_from_thread_to_thread_and_outlive_them,
        blocks_that_come_back_are_used_again,
        a_buffer_never_grows_beyond_its_maximum,
        a_buffer_keeps_its_bytes_when_it_moves_them,
    };
    return suite_of("mem", tests, ARRAY_LEN(tests));
}
