/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>

#include "lib/mem.h"
#include "lib/seen.h"

START_TEST(what_was_added_is_known_in_any_order)
{
    struct seen *s;
    ck_assert_int_eq(seen_new(&s), 0);
    for (uint64_t n = 1; n < 100000; n += 3)
        ck_assert(seen_add(s, 5, n));
    for (uint64_t n = 99999 - SEEN_WINDOW + 3; n < 100000; n++) {
        ck_assert_int_eq(seen_has(s, 5, n), n % 3 == 1);
        ck_assert(!seen_has(s, 6, n));
    }
    uint64_t late = 99991; /* overtaken by many */
    ck_assert(!seen_has(s, 5, late + 1) && seen_add(s, 5, late + 1) && seen_has(s, 5, late + 1));
    ck_assert(seen_has(s, 5, 2)); /* too old to tell */
    ck_assert(seen_add(s, 5, 10 * SEEN_WINDOW) && !seen_has(s, 5, 10 * SEEN_WINDOW - 1));
    seen_free(s);
}
END_TEST

START_TEST(it_is_the_same_after_it_was_saved)
{
    struct seen *a, *b;
    struct buf bytes;
    buf_init(&bytes, 16 * MIB);
    ck_assert(seen_new(&a) == 0 && seen_new(&b) == 0);
    for (uint64_t n = 1; n < 1000; n++)
        ck_assert(seen_add(a, n % 7 + 1, n));
    ck_assert_int_eq(seen_save(a, &bytes), 0);
    ck_assert_int_eq(seen_load(b, span_from(buf_span(&bytes), 1)), -EINVAL);
    ck_assert_int_eq(seen_load(b, buf_span(&bytes)), 0);
    for (uint64_t n = 1; n < 1000; n++)
        for (uint64_t stream = 1; stream < 9; stream++)
            ck_assert_int_eq(seen_has(b, stream, n), seen_has(a, stream, n));
    buf_fini(&bytes);
    seen_free(a);
    seen_free(b);
}
END_TEST

START_TEST(the_stream_that_is_silent_for_longest_is_forgotten)
{
    struct seen *s;
    ck_assert_int_eq(seen_new(&s), 0);
    for (uint64_t stream = 1; stream <= SEEN_STREAMS; stream++)
        ck_assert(seen_add(s, stream, 1));
    ck_assert(seen_add(s, 1, 2));
    ck_assert(seen_add(s, 9999, 1));
    ck_assert(seen_has(s, 1, 1) && seen_has(s, 9999, 1) && !seen_has(s, 2, 1));
    seen_free(s);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    for (uint64_t nth = 1; nth < 4; nth++) {
        struct seen *s = NULL;
        mem_fail_at(nth);
        if (seen_new(&s) == 0) {
            bool added = seen_add(s, 1, 1);
            ck_assert_int_eq(seen_has(s, 1, 1), added);
        }
        seen_free(s);
        mem_fail_at(0);
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        what_was_added_is_known_in_any_order,
        it_is_the_same_after_it_was_saved,
        the_stream_that_is_silent_for_longest_is_forgotten,
        every_allocation_may_fail,
    };
    return suite_of("seen", tests, ARRAY_LEN(tests));
}
