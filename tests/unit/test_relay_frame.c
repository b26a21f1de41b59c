/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/relay_frame.h"
#include "lib/relay_pack.h"
#include "tests/unit/messages.h"

#define HELLO "refrain-relay/1 sender=00000000000000ab next=7"
#define MONKEYS "\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n"

static size_t data_frame(uint8_t *out)
{
    struct msg *msg = message(MSG_REQUEST, "9c4000500a00000100000007", "GET / HTTP/1.1\r\n\r\n");
    size_t n = relay_data_put(out, msg, 11, 22);
    ck_assert_uint_le(n, relay_data_max(msg));
    msg_unref(msg);
    return n;
}

START_TEST(a_data_frame_is_found_again_and_its_body_is_a_record)
{
    uint8_t bytes[1024];
    struct relay_head h;
    struct record_reader reader;
    struct msg *msg = NULL;
    size_t used, n = data_frame(bytes);
    for (size_t i = 0; i < RELAY_HEAD_LEN; i++)
        ck_assert_int_eq(relay_head_get(span_of(bytes, i), &h), RELAY_SHORT);
    ck_assert_int_eq(relay_head_get(span_of(bytes, n), &h), RELAY_FOUND);
    ck_assert_uint_eq(relay_frame_len(&h), n);
    ck_assert(h.type == RELAY_DATA && h.stream == 11 && h.number == 22);
    ck_assert_uint_eq(relay_payload_len(&h), 18);
    record_reader_init(&reader, 1000);
    reader.only_checked = true;
    ck_assert_int_eq(record_read(&reader, bytes + RELAY_HEAD_LEN, h.body_len, true, &used, &msg),
                     RECORD_MSG);
    ck_assert(used == h.body_len && msg->len == 18);
    msg_unref(msg);
}
END_TEST

START_TEST(a_flipped_bit_of_head_or_line_is_noticed)
{
    uint8_t bytes[1024];
    struct relay_head h;
    size_t n = data_frame(bytes);
    for (size_t bit = 0; bit < 8 * (n - 18); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_msg(relay_head_get(span_of(bytes, n), &h) != RELAY_FOUND, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}
END_TEST

START_TEST(lengths_beyond_the_limits_are_refused)
{
    static const struct relay_head wrong[] = {
        {.type = RELAY_DATA, .line_len = 20, .body_len = 20},
        {.type = RELAY_DATA, .line_len = 0, .body_len = 20},
        {.type = RELAY_DATA, .line_len = 513, .body_len = 600},
        {.type = RELAY_DATA, .line_len = 20, .body_len = (uint32_t)RELAY_PAYLOAD_MAX + 21},
        {.type = RELAY_DATA, .line_len = 20, .body_len = UINT32_MAX},
        {.type = RELAY_ZSTD, .body_len = 5, .number = (uint32_t)RELAY_PACKED_MAX + 1},
        {.type = RELAY_ACK, .body_len = 1},
        {.type = (enum relay_type)0},
        {.type = (enum relay_type)99},
    };
    uint8_t bytes[1024] = {0};
    struct relay_head h;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        relay_head_put(bytes, &wrong[i], span_of(bytes + RELAY_HEAD_LEN, wrong[i].line_len));
        ck_assert_msg(relay_head_get(span_of(bytes, sizeof(bytes)), &h) == RELAY_BAD, "%zu", i);
    }
}
END_TEST

START_TEST(a_hello_is_read_and_is_nothing_to_a_gor)
{
    char text[RELAY_HELLO_MAX];
    struct relay_hello hello = {.version = 1, .sender = 0xab, .next = 7}, got;
    size_t used, n = relay_hello_put(text, &hello);
    ck_assert_uint_eq(n, strlen(HELLO MONKEYS));
    ck_assert_int_eq(memcmp(text, HELLO MONKEYS, n), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(relay_hello_get(span_of(text, i), &got, &used), RELAY_SHORT);
    ck_assert_int_eq(relay_hello_get(span_of(text, n), &got, &used), RELAY_FOUND);
    ck_assert(used == n && got.version == 1 && got.sender == 0xab && got.next == 7);
    /* gor drops a record whose first line has fewer than three fields, or that has no second one */
    ck_assert_ptr_null(memchr(text, '\n', n - RECORD_SEPARATOR_LEN));
}
END_TEST

START_TEST(a_hello_of_a_later_version_is_read_and_rubbish_is_not)
{
    static const char *const bad[] = {
        "1 9c40 1700000000000000000 5\n",
        "refrain-relay/1 sender=ab\nx",
        "refrain-relay/0 sender=ab next=1" MONKEYS,
        "refrain-relay/1 sender=0 next=1" MONKEYS,
        "refrain-relay/1 sender=ab next=0" MONKEYS,
        "refrain-relay/1 sender=ab next=99999999999999999999" MONKEYS,
        "refrain-relay/1 sender=ab next=1x" MONKEYS,
        "refrain-relay/1 sender=ab next=1\nnothing",
    };
    struct relay_hello got;
    size_t used;
    ck_assert_int_eq(
        relay_hello_get(span_str("refrain-relay/9 sender=ab next=1 zeal=2" MONKEYS), &got, &used),
        RELAY_FOUND);
    ck_assert_uint_eq(got.version, 9);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(relay_hello_get(span_str(bad[i]), &got, &used) == RELAY_BAD, "%s", bad[i]);
}
END_TEST

START_TEST(a_welcome_is_read)
{
    char text[RELAY_HELLO_MAX];
    struct relay_welcome w = {.version = 1, .have = 123456789012}, got;
    size_t used, n = relay_welcome_put(text, &w);
    ck_assert_int_eq(relay_welcome_get(span_of(text, n - 1), &got, &used), RELAY_SHORT);
    ck_assert_int_eq(relay_welcome_get(span_of(text, n), &got, &used), RELAY_FOUND);
    ck_assert(used == n && got.version == 1 && got.have == 123456789012 && !got.zstd);
    ck_assert_int_eq(relay_welcome_get(span_str("HTTP/1.1 200 OK\n"), &got, &used), RELAY_BAD);
}
END_TEST

START_TEST(packing_is_agreed_on_in_hello_and_welcome)
{
    char text[RELAY_HELLO_MAX];
    size_t used, n;
    struct relay_hello hello = {.version = 1, .sender = 0xab, .next = 7, .zstd = true}, said;
    struct relay_welcome welcome = {.version = 1, .have = 6, .zstd = true}, got;
    n = relay_hello_put(text, &hello);
    ck_assert_int_eq(relay_hello_get(span_of(text, n), &said, &used), RELAY_FOUND);
    ck_assert(said.zstd && said.next == 7);
    n = relay_welcome_put(text, &welcome);
    ck_assert_int_eq(relay_welcome_get(span_of(text, n), &got, &used), RELAY_FOUND);
    ck_assert(got.zstd && got.have == 6);
    static const struct {
        const char *text;
        bool zstd;
    } cases[] = {
        {"refrain-relay/1 have=1 a=b pack=zstd c\n", true},
        {"refrain-relay/1 have=1 pack=zstd2\n", false},
        {"refrain-relay/1 have=1 pack=\n", false},
        {"refrain-relay/1 have=1  pack=zstd \n", true},
        {"refrain-relay/1 have=1 \n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_int_eq(relay_welcome_get(span_str(cases[i].text), &got, &used), RELAY_FOUND);
        ck_assert_msg(got.zstd == cases[i].zstd, "%s", cases[i].text);
    }
}
END_TEST

static struct span pack_back(struct relay_unpacker *u, struct span frame)
{
    struct relay_head h;
    ck_assert_int_eq(relay_head_get(frame, &h), RELAY_FOUND);
    ck_assert_uint_eq(relay_frame_len(&h), frame.len);
    return relay_unpack(u, &h, span_from(frame, RELAY_HEAD_LEN));
}

START_TEST(frames_are_packed_and_unpacked_and_bombs_are_refused)
{
    if (!relay_pack_is_built())
        return;
    struct relay_packer *p;
    struct relay_unpacker *u;
    static uint8_t bytes[RELAY_PACKED_MAX], copy[RELAY_PACKED_MAX];
    ck_assert_int_eq(relay_packer_new(&p), 0);
    ck_assert_int_eq(relay_unpacker_new(&u), 0);
    for (size_t n = 0; n + 200 < sizeof(bytes);)
        n += data_frame(bytes + n);
    struct span frame = relay_pack(p, span_of(bytes, 100000));
    ck_assert(frame.len > RELAY_HEAD_LEN && frame.len < 10000);
    memcpy(copy, frame.ptr, frame.len);
    frame = span_of(copy, frame.len);
    ck_assert(span_eq(pack_back(u, frame), span_of(bytes, 100000)));
    /* one that unpacks to more, or less, than it says */
    for (uint64_t number = 99999; number <= 100001; number += 2) {
        struct relay_head h = relay_head_peek(copy);
        h.number = number;
        relay_head_put(copy, &h, span_of(NULL, 0));
        ck_assert_uint_eq(pack_back(u, frame).len, 0);
    }
    /* all that fits, and no more; what does not shrink */
    ck_assert_uint_gt(relay_pack(p, span_of(bytes, sizeof(bytes))).len, 0);
    ck_assert_uint_eq(relay_pack(p, span_of(bytes, 100)).len, 0);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(hash_mix(hash_mix(i, 7), 9) >> 20);
    ck_assert_uint_eq(relay_pack(p, span_of(bytes, sizeof(bytes))).len, 0);
    ck_assert_uint_eq(relay_pack(p, span_of(bytes, 1000)).len, 0);
    relay_packer_free(p);
    relay_unpacker_free(u);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_data_frame_is_found_again_and_its_body_is_a_record,
        a_flipped_bit_of_head_or_line_is_noticed,
        lengths_beyond_the_limits_are_refused,
        a_hello_is_read_and_is_nothing_to_a_gor,
        a_hello_of_a_later_version_is_read_and_rubbish_is_not,
        a_welcome_is_read,
        packing_is_agreed_on_in_hello_and_welcome,
        frames_are_packed_and_unpacked_and_bombs_are_refused,
    };
    return suite_of("relay_frame", tests, ARRAY_LEN(tests));
}
