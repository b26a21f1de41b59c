/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "reassembly/ipfrag.h"

#define LEN 1000 /* of the datagram that most tests cut */

static struct books books;
static struct ipfrag *frags;
static uint8_t whole[65536];

static void setup(void)
{
    memset(&books, 0, sizeof(books));
    for (size_t i = 0; i < sizeof(whole); i++)
        whole[i] = (uint8_t)(i * 7 + i / 256);
    ck_assert_int_eq(ipfrag_new(&frags, &books), 0);
}

static void teardown(void)
{
    ipfrag_free(frags);
    ck_assert_int_eq(mem_used(MEM_PIECES), 0);
}

static uint64_t lost(void)
{
    return book_get(&books, BOOK_FRAGMENTS_LOST);
}

/* Bytes [begin, end) of a datagram of len bytes. */
static struct fragment piece(uint32_t begin, uint32_t end, uint32_t len)
{
    static const uint8_t addr[16] = {10, 0, 0, 1};
    return (struct fragment){.src = addr,
                             .dst = addr,
                             .id = 1,
                             .offset = begin,
                             .bytes = whole + begin,
                             .len = end - begin,
                             .more = end < len,
                             .family = 4,
                             .protocol = 6};
}

/* Adds it; true when that completes a datagram, which is then as it should be. */
static bool add(const struct fragment *fragment, uint32_t len)
{
    struct datagram *d = ipfrag_add(frags, fragment);
    if (!d)
        return false;
    ck_assert_uint_eq(d->len, len);
    ck_assert_int_eq(memcmp(d->bytes, whole, len), 0);
    ck_assert_uint_eq(d->protocol, 6);
    mem_free(d);
    return true;
}

static bool add_piece(uint32_t begin, uint32_t end)
{
    struct fragment f = piece(begin, end, LEN);
    return add(&f, LEN);
}

START_TEST(fragments_in_any_order_make_the_datagram)
{
    enum { N = 6 };
    int order[N] = {0, 1, 2, 3, 4, 5};
    int n_orders = 0;
    for (int code = 0; code < 720; code++) { /* each permutation, by its factorial digits */
        int pool[N] = {0, 1, 2, 3, 4, 5}, rest = code;
        for (int i = 0; i < N; i++) {
            int at = rest % (N - i);
            rest /= N - i;
            order[i] = pool[at];
            memmove(pool + at, pool + at + 1, sizeof(int) * (size_t)(N - 1 - at));
        }
        for (int i = 0; i < N; i++) {
            uint32_t begin = (uint32_t)order[i] * 176;
            uint32_t end = order[i] == N - 1 ? LEN : begin + 176;
            ck_assert(add_piece(begin, end) == (i == N - 1));
        }
        n_orders++;
    }
    ck_assert_int_eq(n_orders, 720);
    ck_assert_uint_eq(lost(), 0);
    ck_assert_uint_eq(book_get(&books, BOOK_FRAGMENTS), 720 * N);
}
END_TEST

START_TEST(a_duplicate_changes_nothing)
{
    ck_assert(!add_piece(0, 400));
    ck_assert(!add_piece(0, 400));
    ck_assert(!add_piece(400, 800));
    ck_assert(!add_piece(400, 800));
    ck_assert(!add_piece(80, 720)); /* inside what came in one run */
    ck_assert(!add_piece(0, 400));
    ck_assert(add_piece(800, LEN));
    ck_assert_uint_eq(lost(), 0);
}
END_TEST

START_TEST(an_overlap_gives_up_the_whole_datagram)
{
    static const uint32_t overlaps[][2] = {{0, 408}, {392, 800}, {160, 240}, {0, LEN}, {632, 720}};
    for (size_t i = 0; i < ARRAY_LEN(overlaps); i++) {
        uint64_t before = lost();
        ck_assert(!add_piece(200, 400));
        ck_assert(!add_piece(640, 800));
        struct fragment f = piece(overlaps[i][0], overlaps[i][1], LEN);
        ck_assert(!add(&f, LEN));
        ck_assert_msg(lost() == before + 3, "overlap %zu", i);
        /* what comes then begins anew */
        ck_assert(!add_piece(0, 400));
        ck_assert(add_piece(400, LEN));
        ck_assert_uint_eq(lost(), before + 3);
    }
}
END_TEST

START_TEST(ends_that_contradict_each_other_give_it_up)
{
    ck_assert(!add_piece(800, LEN));
    struct fragment beyond = piece(LEN, LEN + 80, LEN + 160);
    beyond.offset = 1000;
    ck_assert(!add(&beyond, 0)); /* behind the last */
    ck_assert_uint_eq(lost(), 2);
    ck_assert(!add_piece(800, LEN));
    struct fragment other_last = piece(80, 160, 160);
    ck_assert(!add(&other_last, 0)); /* another last, before the first one */
    ck_assert_uint_eq(lost(), 4);
    ck_assert(!add_piece(400, 800));
    ck_assert(!add(&other_last, 0)); /* a last that is not */
    ck_assert_uint_eq(lost(), 6);
    struct fragment empty = piece(80, 80, LEN);
    ck_assert(!add(&empty, 0));
    ck_assert_uint_eq(lost(), 7);
}
END_TEST

START_TEST(ids_addresses_scopes_and_protocols_are_kept_apart)
{
    static const uint8_t other[16] = {10, 0, 0, 2};
    struct fragment last = piece(400, LEN, LEN);
    struct fragment variants[6];
    for (size_t i = 0; i < ARRAY_LEN(variants); i++)
        variants[i] = last;
    variants[0].id = 2;
    variants[1].src = other;
    variants[2].dst = other;
    variants[3].scope = 1;
    variants[4].protocol = 17;
    variants[5].family = 6;
    ck_assert(!add_piece(0, 400));
    for (size_t i = 0; i < ARRAY_LEN(variants); i++)
        ck_assert(!add(&variants[i], LEN));
    ck_assert(add(&last, LEN));
    ck_assert_uint_eq(lost(), 0);
}
END_TEST

START_TEST(the_first_fragment_of_ipv6_says_what_is_inside)
{
    struct fragment first = piece(0, 400, LEN), last = piece(400, LEN, LEN);
    first.family = last.family = 6;
    last.protocol = 59;
    ck_assert(!add(&last, LEN));
    ck_assert(add(&first, LEN));
    ck_assert(!add(&first, LEN));
    ck_assert(add(&last, LEN));
}
END_TEST

START_TEST(odd_lengths_are_cut_in_ipv4_and_refused_in_ipv6)
{
    struct fragment first = piece(0, 405, LEN);
    ck_assert(!add(&first, LEN));
    ck_assert(add_piece(400, LEN));
    first.family = 6;
    ck_assert(!add(&first, LEN));
    ck_assert_uint_eq(lost(), 1);
}
END_TEST

START_TEST(a_fragment_that_was_captured_cut_completes_nothing)
{
    struct fragment first = piece(0, 400, LEN);
    first.cut = true;
    ck_assert(!add(&first, LEN));
    ck_assert(!add_piece(400, LEN));
    ck_assert_uint_eq(lost(), 1);
    ck_assert(add_piece(0, 400));
}
END_TEST

START_TEST(no_datagram_is_longer_than_ip_allows)
{
    struct fragment last = piece(0, 8, 8);
    last.offset = 65528;
    ck_assert(!add(&last, 0));
    ck_assert_uint_eq(lost(), 1);
    last.offset = 0;
    last.len = SIZE_MAX;
    ck_assert(!add(&last, 0));
    last.len = (size_t)UINT32_MAX + 9;
    ck_assert(!add(&last, 0));
    ck_assert_uint_eq(lost(), 3);
    for (uint32_t at = 0; at < 65528; at += 32764 & ~7u) {
        struct fragment f = piece(at, at + (32764 & ~7u), 65535);
        ck_assert(!add(&f, 65535));
    }
    struct fragment end = piece(65520, 65535, 65535);
    ck_assert(add(&end, 65535));
}
END_TEST

START_TEST(what_is_not_whole_in_thirty_seconds_is_given_up)
{
    struct fragment first = piece(0, 400, LEN), last = piece(400, LEN, LEN);
    first.ts_ns = 5;
    last.ts_ns = 5 + IPFRAG_TIMEOUT_NS;
    ck_assert(!add(&first, LEN));
    ck_assert(add(&last, LEN));
    ck_assert(!add(&first, LEN));
    last.ts_ns++;
    ck_assert(!add(&last, LEN));
    ck_assert_uint_eq(lost(), 1);
}
END_TEST

START_TEST(time_may_jump_anywhere)
{
    static const int64_t times[] = {0, INT64_MAX, INT64_MIN, -1, INT64_MAX, 0};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct fragment first = piece(0, 400, LEN), last = piece(400, LEN, LEN);
        first.id = last.id = (uint32_t)i;
        first.ts_ns = last.ts_ns = times[i];
        ck_assert(!add(&first, LEN));
        first.id = (uint32_t)i + 100;
        ck_assert(!add(&first, LEN));
        ck_assert(add(&last, LEN));
    }
}
END_TEST

START_TEST(a_datagram_in_too_many_pieces_is_given_up)
{
    for (uint32_t at = 0; at < IPFRAG_MAX_PER_DATAGRAM * 8; at += 8) {
        struct fragment f = piece(at, at + 8, 60000);
        ck_assert(!add(&f, 0));
    }
    ck_assert_uint_eq(lost(), 0);
    struct fragment f = piece(IPFRAG_MAX_PER_DATAGRAM * 8, IPFRAG_MAX_PER_DATAGRAM * 8 + 8, 60000);
    ck_assert(!add(&f, 0));
    ck_assert_uint_eq(lost(), IPFRAG_MAX_PER_DATAGRAM + 1);
}
END_TEST

/* n first fragments of len bytes, each of a datagram of its own, with a genuine one in 100: those
 * are found, and memory stays below the cap. */
static void flood(uint32_t n, uint32_t len)
{
    int64_t empty = mem_used(MEM_PIECES), highest = 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct fragment f = piece(0, len, 65535);
        f.id = i;
        f.scope = i % 3;
        struct datagram *d = ipfrag_add(frags, &f);
        ck_assert(!d);
        int64_t now = mem_used(MEM_PIECES);
        highest = now > highest ? now : highest;
        if (i % 100 != 0)
            continue;
        struct fragment first = piece(0, 400, LEN), last = piece(400, LEN, LEN);
        first.id = last.id = i + n;
        ck_assert(!add(&first, LEN));
        found += add(&last, LEN);
    }
    ck_assert_uint_eq(found, (n + 99) / 100);
    ck_assert_int_le(highest - empty, (int64_t)IPFRAG_MAX_BYTES);
    ck_assert_uint_gt(lost(), n / 2);
}

START_TEST(a_million_first_fragments_stay_below_the_cap)
{
    flood(1000000, 8);
}
END_TEST

START_TEST(large_first_fragments_stay_below_the_cap)
{
    flood(60000, 1480);
}
END_TEST

START_TEST(what_is_incomplete_at_the_end_is_counted_as_lost)
{
    struct books page = {0};
    struct ipfrag *f;
    ck_assert_int_eq(ipfrag_new(&f, &page), 0);
    struct fragment first = piece(0, 400, LEN), third = piece(800, LEN, LEN);
    ck_assert_ptr_null(ipfrag_add(f, &first));
    ck_assert_ptr_null(ipfrag_add(f, &third));
    ipfrag_free(f);
    ck_assert_uint_eq(book_get(&page, BOOK_FRAGMENTS), 2);
    ck_assert_uint_eq(book_get(&page, BOOK_FRAGMENTS_LOST), 2);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    for (uint64_t nth = 1; nth <= 4; nth++) {
        uint64_t before = lost();
        mem_fail_at(nth);
        bool first = add_piece(0, 400), last = add_piece(400, LEN);
        mem_fail_at(0);
        ck_assert(!first && !last);
        ck_assert_uint_gt(lost(), before);
        add_piece(0, 408); /* overlaps what is left, and clears it */
        add_piece(0, 400);
        add_piece(8, 1000);
        ck_assert(!add_piece(0, 400));
        ck_assert(add_piece(400, LEN));
    }
    mem_fail_at(1);
    struct ipfrag *f = NULL;
    ck_assert_int_ne(ipfrag_new(&f, &books), 0);
    ck_assert_ptr_null(f);
}
END_TEST

/* Random pieces, duplicates and overlaps among them, against the rule: a datagram comes out only
 * when every byte came, and then with the right bytes. */
START_TEST(random_pieces_never_make_a_wrong_datagram)
{
    uint64_t state = 1;
    int complete = 0;
    for (int round = 0; round < 5000; round++) {
        bool have[LEN / 8] = {false};
        for (int n = 0; n < 12; n++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            uint32_t begin = (uint32_t)(state >> 33) % 5 * 200;
            uint32_t end = begin + 200 + (uint32_t)(state >> 40) % 2 * 200;
            end = end > LEN ? LEN : end;
            uint64_t before = lost();
            struct fragment f = piece(begin, end, LEN);
            f.id = (uint32_t)round;
            bool is_whole = add(&f, LEN);
            if (lost() != before)
                memset(have, 0, sizeof(have));
            else
                memset(have + begin / 8, 1, (end - begin) / 8);
            ck_assert(is_whole == !memchr(have, 0, sizeof(have)));
            if (is_whole) {
                memset(have, 0, sizeof(have));
                complete++;
            }
        }
    }
    ck_assert_int_gt(complete, 1000);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        fragments_in_any_order_make_the_datagram,
        a_duplicate_changes_nothing,
        an_overlap_gives_up_the_whole_datagram,
        ends_that_contradict_each_other_give_it_up,
        ids_addresses_scopes_and_protocols_are_kept_apart,
        the_first_fragment_of_ipv6_says_what_is_inside,
        odd_lengths_are_cut_in_ipv4_and_refused_in_ipv6,
        a_fragment_that_was_captured_cut_completes_nothing,
        no_datagram_is_longer_than_ip_allows,
        what_is_not_whole_in_thirty_seconds_is_given_up,
        time_may_jump_anywhere,
        a_datagram_in_too_many_pieces_is_given_up,
        a_million_first_fragments_stay_below_the_cap,
        large_first_fragments_stay_below_the_cap,
        what_is_incomplete_at_the_end_is_counted_as_lost,
        any_allocation_may_fail,
        random_pieces_never_make_a_wrong_datagram,
    };
    Suite *s = suite_create("ipfrag");
    TCase *tc = tcase_create("ipfrag");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
