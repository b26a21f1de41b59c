/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "reassembly/stream.h"

#define LEN 400

static struct stream stream;
static uint8_t text[LEN], other[LEN];
static uint32_t first; /* sequence number of text[0] */

/* What was delivered; bytes of gaps are left zero, and counted. */
static struct {
    struct stream_sink sink;
    uint8_t bytes[LEN];
    uint32_t len, gaps, gap_bytes, ends, starts;
    enum gap_reason reason;
} got;

static void got_data(struct stream_sink *sink, struct span bytes, int64_t ts_ns, bool starts)
{
    ck_assert_ptr_eq(sink, &got.sink);
    ck_assert_int_gt(ts_ns, 0);
    ck_assert_uint_gt(bytes.len, 0);
    ck_assert_uint_le(got.len + bytes.len, LEN);
    memcpy(got.bytes + got.len, bytes.ptr, bytes.len);
    got.len += (uint32_t)bytes.len;
    got.starts += starts;
}

static void got_gap(struct stream_sink *sink, uint32_t n, enum gap_reason reason)
{
    ck_assert_ptr_eq(sink, &got.sink);
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_le(got.len + n, LEN);
    memset(got.bytes + got.len, 0, n);
    got.len += n;
    got.gaps++;
    got.gap_bytes += n;
    got.reason = reason;
}

static void got_end(struct stream_sink *sink)
{
    ck_assert_ptr_eq(sink, &got.sink);
    got.ends++;
}

static void begin_at(uint32_t seq)
{
    memset(&got, 0, sizeof(got));
    got.sink = (struct stream_sink){.data = got_data, .gap = got_gap, .end = got_end};
    stream = (struct stream){.synced = true, .next = seq};
    first = seq;
}

static void setup(void)
{
    for (size_t i = 0; i < LEN; i++) {
        text[i] = (uint8_t)(i % 251 + 1);
        other[i] = 255;
    }
    begin_at(0u - 150); /* the numbers wrap on the way */
}

static void teardown(void)
{
    stream_clear(&stream);
    ck_assert_int_eq(mem_used(MEM_PIECES), 0);
}

static struct segment segment_of(const uint8_t *bytes, uint32_t begin, uint32_t end)
{
    return (struct segment){.seq = first + begin,
                            .payload = bytes + begin,
                            .len = end - begin,
                            .wire_len = end - begin,
                            .flags = TCP_ACK,
                            .ts_ns = 1};
}

static struct stream_result give(const struct segment *seg)
{
    uint8_t *exact = malloc(seg->len ? seg->len : 1);
    struct segment copy = *seg;
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, seg->payload, seg->len);
    copy.payload = exact;
    struct stream_result result = stream_segment(&stream, &copy, &got.sink);
    free(exact);
    return result;
}

static struct stream_result bytes(uint32_t begin, uint32_t end)
{
    struct segment seg = segment_of(text, begin, end);
    return give(&seg);
}

static struct stream_result other_bytes(uint32_t begin, uint32_t end)
{
    struct segment seg = segment_of(other, begin, end);
    return give(&seg);
}

static void expect(const uint8_t *expected, uint32_t len)
{
    ck_assert_uint_eq(got.len, len);
    ck_assert_int_eq(memcmp(got.bytes, expected, len), 0);
}

START_TEST(bytes_in_sequence_are_delivered_at_once)
{
    for (uint32_t i = 0; i < LEN; i += 50) {
        struct stream_result r = bytes(i, i + 50);
        ck_assert_uint_eq(r.duplicate, 0);
        ck_assert_int_eq(r.held, 0);
        expect(text, i + 50);
    }
    ck_assert_uint_eq(got.starts, LEN / 50);
}
END_TEST

START_TEST(bytes_that_are_early_wait)
{
    int32_t held = 0;
    for (uint32_t i = LEN; i > 0; i -= 50) {
        ck_assert_uint_eq(got.len, 0);
        held += bytes(i - 50, i).held;
        ck_assert_int_ge(held, i == 50 ? 0 : (int32_t)(LEN - i + 50));
    }
    expect(text, LEN);
    ck_assert_int_eq(held, 0);
    ck_assert_uint_eq(got.starts, LEN / 50);
    ck_assert(!stream_waits(&stream));
}
END_TEST

START_TEST(what_was_delivered_is_a_duplicate)
{
    bytes(0, 100);
    ck_assert_uint_eq(bytes(0, 100).duplicate, 100);
    ck_assert_uint_eq(bytes(20, 30).duplicate, 10);
    ck_assert_uint_eq(other_bytes(90, 110).duplicate, 10);
    ck_assert_uint_eq(got.starts, 1); /* the rest of a segment begins none */
    ck_assert_uint_eq(got.len, 110);
    ck_assert_int_eq(memcmp(got.bytes, text, 100), 0);
    ck_assert_int_eq(memcmp(got.bytes + 100, other, 10), 0);
}
END_TEST

START_TEST(what_waits_and_comes_again_is_a_duplicate)
{
    bytes(50, 100);
    ck_assert_uint_eq(other_bytes(50, 100).duplicate, 50);
    ck_assert_uint_eq(other_bytes(60, 90).duplicate, 30);
    bytes(0, 50);
    expect(text, 100);
}
END_TEST

START_TEST(a_new_piece_replaces_old_ones_that_it_covers)
{
    other_bytes(50, 60);
    other_bytes(70, 80);
    ck_assert_int_lt(bytes(40, 100).held, 200);
    ck_assert_uint_eq(stream.hole->pieces.n, 1);
    ck_assert_uint_eq(stream.hole->pieces.len, 60);
    bytes(0, 40);
    expect(text, 100);
}
END_TEST

START_TEST(a_piece_that_continues_a_waiting_one_is_met_as_one_with_it)
{
    bytes(50, 60);
    bytes(60, 70);
    ck_assert_uint_eq(stream.hole->pieces.n, 2);
    /* longer than the first piece, which it would replace if that stood alone */
    ck_assert_uint_eq(other_bytes(50, 65).duplicate, 15);
    ck_assert_uint_eq(other_bytes(50, 75).duplicate, 0);
    ck_assert_uint_eq(stream.hole->pieces.n, 1);
    bytes(0, 50);
    ck_assert_uint_eq(got.len, 75);
    ck_assert_int_eq(memcmp(got.bytes + 50, other + 50, 25), 0);
}
END_TEST

START_TEST(of_pieces_that_overlap_the_one_that_begins_first_counts)
{
    other_bytes(60, 100);
    bytes(40, 80);
    bytes(0, 40);
    ck_assert_uint_eq(got.len, 100);
    ck_assert_int_eq(memcmp(got.bytes, text, 80), 0);
    ck_assert_int_eq(memcmp(got.bytes + 80, other, 20), 0);
}
END_TEST

START_TEST(a_segment_that_is_next_counts_more_than_what_waits)
{
    other_bytes(50, 100);
    bytes(0, 80);
    ck_assert_int_eq(memcmp(got.bytes, text, 80), 0);
    ck_assert_uint_eq(got.len, 100);
}
END_TEST

START_TEST(a_hole_is_skipped_with_its_reason)
{
    bytes(50, 100);
    ck_assert_int_lt(stream_skip_hole(&stream, &got.sink), 200);
    ck_assert_uint_eq(got.gap_bytes, 50);
    ck_assert_int_eq(got.reason, GAP_LOST);
    bytes(120, 150);
    stream_acked(&stream, first + 120, 5);
    stream_skip_hole(&stream, &got.sink);
    ck_assert_int_eq(got.reason, GAP_ACKED);
    ck_assert_uint_eq(got.gap_bytes, 70);
    ck_assert_uint_eq(got.len, 150);
    ck_assert_uint_eq(stream_skip_hole(&stream, &got.sink), 0);
    ck_assert_uint_eq(got.gaps, 2);
}
END_TEST

START_TEST(a_hole_is_lost_by_time_or_by_an_ack_beyond_it)
{
    const int64_t gap = 3 * NS_PER_S, grace = 20 * NS_PER_MS;
    ck_assert(!stream_hole_is_lost(&stream, 100 * gap, gap));
    bytes(50, 100);
    ck_assert(!stream_hole_is_lost(&stream, gap, gap));
    ck_assert(stream_hole_is_lost(&stream, gap + 1, gap));
    stream_acked(&stream, first + 49, 1000);
    ck_assert(!stream_hole_is_lost(&stream, 1000 + grace, gap));
    stream_acked(&stream, first + 50, 2000);
    stream_acked(&stream, first + 60, 3000);
    stream_acked(&stream, first + 10, 4000); /* an old one, late */
    ck_assert(!stream_hole_is_lost(&stream, 2000 + grace - 1, gap));
    ck_assert(stream_hole_is_lost(&stream, 2000 + grace, gap));
}
END_TEST

START_TEST(an_ack_that_came_before_the_piece_counts_too)
{
    stream_acked(&stream, first + 100, 1);
    struct segment late = segment_of(text, 50, 100);
    late.ts_ns = NS_PER_S;
    give(&late);
    ck_assert(!stream_hole_is_lost(&stream, NS_PER_S, 3 * NS_PER_S));
    ck_assert(stream_hole_is_lost(&stream, NS_PER_S + 20 * NS_PER_MS, 3 * NS_PER_S));
}
END_TEST

START_TEST(a_cut_segment_delivers_what_it_has_and_a_gap)
{
    struct segment cut = segment_of(text, 0, 40);
    cut.wire_len = 100;
    give(&cut);
    ck_assert_uint_eq(got.gap_bytes, 60);
    ck_assert_int_eq(got.reason, GAP_CUT);
    bytes(100, 150);
    cut = segment_of(text, 200, 210); /* one that waits */
    cut.wire_len = 50;
    give(&cut);
    bytes(150, 200);
    ck_assert_uint_eq(got.len, 250);
    ck_assert_uint_eq(got.gap_bytes, 100);
    ck_assert_int_eq(memcmp(got.bytes + 100, text + 100, 110), 0);
}
END_TEST

START_TEST(the_end_comes_once_and_behind_all_bytes)
{
    struct segment last = segment_of(text, 50, 100);
    last.flags |= TCP_FIN;
    give(&last);
    ck_assert_uint_eq(got.ends, 0);
    bytes(0, 50);
    expect(text, 100);
    ck_assert_uint_eq(got.ends, 1);
    give(&last);
    struct segment bare = segment_of(text, 100, 100);
    bare.flags |= TCP_FIN;
    give(&bare);
    ck_assert_uint_eq(got.ends, 1);
}
END_TEST

START_TEST(a_fin_behind_a_hole_ends_the_stream_when_the_hole_is_skipped)
{
    struct segment last = segment_of(text, 50, 100);
    last.flags |= TCP_FIN;
    give(&last);
    stream_skip_hole(&stream, &got.sink);
    ck_assert_uint_eq(got.ends, 1);
}
END_TEST

START_TEST(without_syn_the_first_data_tells_where_the_stream_stands)
{
    stream = (struct stream){0};
    bytes(100, 100); /* a probe */
    ck_assert(!stream.synced);
    bytes(100, 150);
    ck_assert_uint_eq(got.len, 50);
    stream = (struct stream){0};
    struct segment syn = segment_of(text, 0, 30);
    syn.seq--;
    syn.flags = TCP_SYN;
    got.len = 0;
    give(&syn);
    expect(text, 30);
    bytes(30, 60);
    expect(text, 60);
}
END_TEST

START_TEST(a_piece_without_memory_is_a_hole)
{
    mem_fail_at(1);
    ck_assert(bytes(50, 100).no_memory);
    mem_fail_at(0);
    ck_assert(!stream_waits(&stream));
    bytes(100, 150);
    bytes(0, 50);
    ck_assert_uint_eq(got.len, 50);
    stream_skip_hole(&stream, &got.sink);
    ck_assert_uint_eq(got.gap_bytes, 50);
    ck_assert_uint_eq(got.len, 150);
}
END_TEST

static uint32_t skipped_at; /* pieces that waited when the hole was given up */

static void count_data(struct stream_sink *sink, struct span delivered, int64_t ts_ns, bool starts)
{
    (void)sink, (void)delivered, (void)ts_ns, (void)starts;
}

static void count_gap(struct stream_sink *sink, uint32_t n, enum gap_reason reason)
{
    (void)sink, (void)n, (void)reason;
    skipped_at = skipped_at ? skipped_at : stream.hole->pieces.n;
}

START_TEST(a_hole_is_not_waited_for_when_too_much_lies_behind_it)
{
    static uint8_t block[60000];
    struct stream_sink counting = {.data = count_data, .gap = count_gap, .end = got_end};
    struct segment small = {.payload = block, .len = 1, .wire_len = 1, .ts_ns = 1};
    struct segment large = {.payload = block, .len = 60000, .wire_len = 60000, .ts_ns = 1};
    stream = (struct stream){.synced = true};
    for (uint32_t i = 0; i < 70000 && !skipped_at; i++) {
        small.seq = 0x40000000 - i * 2; /* each in front of the others */
        stream_segment(&stream, &small, &counting);
    }
    ck_assert_uint_eq(skipped_at, 65537);
    stream_clear(&stream);
    stream = (struct stream){.synced = true};
    skipped_at = 0;
    for (uint32_t i = 0; i < 300 && !skipped_at; i++) {
        large.seq = 0x40000000 - i * 60000;
        stream_segment(&stream, &large, &counting);
    }
    ck_assert_uint_eq(skipped_at, 16 * MIB / 60000 + 1);
}
END_TEST

/* Random segments of one text, in any order and with any overlap, against the text. */
START_TEST(random_segments_always_give_the_text)
{
    uint64_t state = 1;
    for (int round = 0; round < 500; round++) {
        int32_t held = 0;
        uint32_t covered = 0;
        bool have[LEN] = {false};
        begin_at((uint32_t)(state >> 32));
        while (covered < LEN) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            uint32_t begin = (uint32_t)(state >> 33) % LEN;
            uint32_t end = begin + 1 + (uint32_t)(state >> 50) % 80;
            end = end > LEN ? LEN : end;
            held += bytes(begin, end).held;
            memset(have + begin, 1, end - begin);
            while (covered < LEN && have[covered])
                covered++;
            ck_assert_uint_eq(got.len, covered); /* neither late nor early */
        }
        expect(text, LEN);
        ck_assert_uint_eq(got.gaps, 0);
        ck_assert_int_eq(held, 0);
        ck_assert_int_eq(mem_used(MEM_PIECES), 0);
    }
}
END_TEST

/* The same with holes given up at random: each byte is delivered once, or in a gap. */
START_TEST(random_segments_and_skips_keep_every_byte_in_its_place)
{
    uint64_t state = 7;
    for (int round = 0; round < 500; round++) {
        int64_t held = 0;
        begin_at((uint32_t)(state >> 32));
        for (int i = 0; i < 30; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            uint32_t begin = (uint32_t)(state >> 33) % LEN;
            uint32_t end = begin + 1 + (uint32_t)(state >> 50) % 60;
            held += bytes(begin, end > LEN ? LEN : end).held;
            if ((state >> 60) == 0)
                held -= stream_skip_hole(&stream, &got.sink);
        }
        ck_assert_uint_eq(got.len, stream.next - first);
        for (uint32_t i = 0; i < got.len; i++)
            ck_assert(got.bytes[i] == text[i] || got.bytes[i] == 0);
        held -= stream_clear(&stream);
        ck_assert_int_eq(held, 0);
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        bytes_in_sequence_are_delivered_at_once,
        bytes_that_are_early_wait,
        what_was_delivered_is_a_duplicate,
        what_waits_and_comes_again_is_a_duplicate,
        a_new_piece_replaces_old_ones_that_it_covers,
        a_piece_that_continues_a_waiting_one_is_met_as_one_with_it,
        of_pieces_that_overlap_the_one_that_begins_first_counts,
        a_segment_that_is_next_counts_more_than_what_waits,
        a_hole_is_skipped_with_its_reason,
        a_hole_is_lost_by_time_or_by_an_ack_beyond_it,
        an_ack_that_came_before_the_piece_counts_too,
        a_cut_segment_delivers_what_it_has_and_a_gap,
        the_end_comes_once_and_behind_all_bytes,
        a_fin_behind_a_hole_ends_the_stream_when_the_hole_is_skipped,
        without_syn_the_first_data_tells_where_the_stream_stands,
        a_piece_without_memory_is_a_hole,
        a_hole_is_not_waited_for_when_too_much_lies_behind_it,
        random_segments_always_give_the_text,
        random_segments_and_skips_keep_every_byte_in_its_place,
    };
    Suite *s = suite_create("stream");
    TCase *tc = tcase_create("stream");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
