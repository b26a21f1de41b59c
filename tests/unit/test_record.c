/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "lib/mem.h"
#include "lib/record.h"

#define SEP "\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n"
#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define BYTES_OF(literal) (literal), sizeof(literal) - 1
#define MAX_PAYLOAD 4096
#define TAPE_MAX (4 << 20)

/* Bytes that a test puts together, and what came of reading them. */
static uint8_t tape[TAPE_MAX];
static size_t tape_len;

static char results[1 << 16]; /* 'm' and the payload's first bytes, 'd': damaged, 'n': no memory */
static uint32_t payload_crc; /* over all payloads and headers, in order */
static size_t n_messages, n_damaged;
static size_t max_payload = MAX_PAYLOAD;

static void put(const void *bytes, size_t n)
{
    ck_assert_uint_le(n, TAPE_MAX - tape_len);
    memcpy(tape + tape_len, bytes, n);
    tape_len += n;
}

static void put_text(const char *text)
{
    put(text, strlen(text));
}

static void start(void)
{
    tape_len = 0;
}

/* What tells a message from another, added to a checksum. */
static uint32_t add_message(uint32_t crc, const struct msg *msg)
{
    crc = (uint32_t)crc32_z(crc, msg->bytes, msg->len);
    crc = (uint32_t)crc32_z(crc, (const uint8_t *)msg->id, msg->id_len);
    crc = (uint32_t)crc32_z(crc, (const uint8_t *)&msg->ts_ns, sizeof(msg->ts_ns));
    return (uint32_t)crc32_z(crc, &msg->type, 1);
}

static void note(const char *text, size_t n)
{
    size_t len = strlen(results);
    if (n < sizeof(results) - len) {
        memcpy(results + len, text, n);
        results[len + n] = '\0';
    }
}

static void note_message(const struct msg *msg)
{
    char text[7] = "m";
    size_t n = msg->len < 6 ? msg->len : 6;
    for (size_t i = 0; i < n; i++)
        text[1 + i] = msg->bytes[i] > ' ' && msg->bytes[i] < 127 ? (char)msg->bytes[i] : '.';
    note(text, 1 + n);
    payload_crc = add_message(payload_crc, msg);
    n_messages++;
}

/* Reads what it can of [*from, to); the bytes lie in a block of exactly that size. */
static void read_some(struct record_reader *r, size_t *from, size_t to, bool at_end)
{
    uint8_t *block = malloc(to - *from + 1);
    ck_assert_ptr_nonnull(block);
    size_t off = 0, n = to - *from;
    memcpy(block + 1, tape + *from, n);
    for (;;) {
        size_t used = SIZE_MAX;
        struct msg *msg = NULL;
        enum record_result result = record_read(r, block + 1 + off, n - off, at_end, &used, &msg);
        ck_assert_uint_le(used, n - off);
        off += used;
        if (result == RECORD_MORE)
            break;
        if (result == RECORD_MSG)
            note_message(msg);
        else
            note(result == RECORD_DAMAGED ? "d" : "n", 1);
        n_damaged += result == RECORD_DAMAGED;
        msg_unref(msg);
    }
    *from += off;
    if (at_end)
        ck_assert_uint_eq(*from, to);
    free(block);
}

/* The first piece ends at first, the others have step bytes. */
static const char *play(size_t first, size_t step)
{
    struct record_reader r;
    size_t from = 0, end = first;
    record_reader_init(&r, max_payload);
    results[0] = '\0';
    payload_crc = 0;
    n_messages = n_damaged = 0;
    for (; end < tape_len; end += step)
        read_some(&r, &from, end, false);
    read_some(&r, &from, tape_len, false);
    read_some(&r, &from, tape_len, true);
    return results;
}

/* The same results in the same order, however the tape is cut. */
static void check_tape(const char *want)
{
    ck_assert_str_eq(play(tape_len, 1), want);
    uint32_t crc = payload_crc;
    for (size_t cut = 0; cut < tape_len; cut++) {
        ck_assert_str_eq(play(cut, tape_len), want);
        ck_assert_uint_eq(payload_crc, crc);
    }
    for (size_t step = 1; step < 20; step++) {
        ck_assert_str_eq(play(step, step), want);
        ck_assert_uint_eq(payload_crc, crc);
    }
}

static struct msg *new_msg(uint8_t type, const void *bytes, size_t n)
{
    struct msg *msg = msg_new(n);
    ck_assert_ptr_nonnull(msg);
    msg->type = type;
    msg->ts_ns = INT64_C(1700000000123456789);
    msg->latency_ns = 42;
    ck_assert(msg_set_id(msg, span_str("9c4000500a00000100000007")));
    ck_assert(endpoint_parse(span_str("10.0.0.1:40000"), &msg->src));
    ck_assert(endpoint_parse(span_str("[2001:db8::1]:80"), &msg->dst));
    memcpy(msg->bytes, bytes, n);
    msg->len = n;
    return msg;
}

static void put_record(uint8_t type, const void *bytes, size_t n)
{
    char header[RECORD_HEADER_MAX];
    struct msg *msg = new_msg(type, bytes, n);
    put(header, record_header(header, msg));
    put(bytes, n);
    put(SEP, RECORD_SEPARATOR_LEN);
    msg_unref(msg);
}

/* As gor writes them: no LENGTH, and no checksum. */
static void put_gor(const char *header, const char *payload)
{
    put_text(header);
    put_text("\n");
    put_text(payload);
    put_text(SEP);
}

/* Reads exactly one message. */
static struct msg *read_one(void)
{
    struct record_reader r;
    struct msg *msg = NULL;
    size_t used;
    record_reader_init(&r, MAX_PAYLOAD);
    ck_assert_int_eq(record_read(&r, tape, tape_len, true, &used, &msg), RECORD_MSG);
    ck_assert_uint_eq(used, tape_len);
    return msg;
}

START_TEST(a_header_line_has_the_eight_fields_of_the_format)
{
    char header[RECORD_HEADER_MAX + 1];
    struct msg *msg = new_msg(MSG_REQUEST, "hello", 5);
    header[record_header(header, msg)] = '\0';
    ck_assert_str_eq(header, "1 9c4000500a00000100000007 1700000000123456789 42 5 3610a686 "
                             "10.0.0.1:40000 [2001:db8::1]:80\n");
    msg->latency_ns = -1;
    msg->ts_ns = INT64_MIN;
    msg->src = msg->dst = (struct endpoint){0};
    msg->id_len = 0;
    header[record_header(header, msg)] = '\0';
    ck_assert_str_eq(header, "1 - -9223372036854775808 -1 5 3610a686 - -\n");
    msg_unref(msg);
}
END_TEST

START_TEST(an_id_with_white_space_cannot_forge_a_header)
{
    char header[RECORD_HEADER_MAX + 1];
    struct msg *msg = new_msg(MSG_REQUEST, "hello", 5);
    ck_assert(msg_set_id(msg, span_str("a b\nc\x7f\x80")));
    header[record_header(header, msg)] = '\0';
    ck_assert_str_eq(header, "1 a_b_c_\x80 1700000000123456789 42 5 3610a686 "
                             "10.0.0.1:40000 [2001:db8::1]:80\n");
    msg_unref(msg);
}
END_TEST

START_TEST(the_longest_header_line_fits)
{
    char header[RECORD_HEADER_MAX];
    char id[MSG_ID_MAX];
    struct msg *msg = new_msg(MSG_REQUEST, "hello", 5);
    memset(id, 'x', sizeof(id));
    ck_assert(msg_set_id(msg, span_of(id, sizeof(id))));
    msg->ts_ns = msg->latency_ns = INT64_MIN;
    memset(&msg->src, 0xff, sizeof(msg->src));
    msg->src.family = 6;
    msg->dst = msg->src;
    ck_assert_uint_le(record_header(header, msg), RECORD_HEADER_MAX);
    msg_unref(msg);
}
END_TEST

START_TEST(everything_known_of_a_message_survives_a_record)
{
    start();
    put_record(MSG_RESPONSE, BYTES_OF("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    struct msg *want = new_msg(MSG_RESPONSE, tape, 0), *got = read_one();
    msg_set_conn(want);
    ck_assert_uint_eq(got->type, MSG_RESPONSE);
    ck_assert(span_eq(msg_id(got), msg_id(want)));
    ck_assert_int_eq(got->ts_ns, want->ts_ns);
    ck_assert_int_eq(got->latency_ns, want->latency_ns);
    ck_assert(endpoint_eq(&got->src, &want->src) && endpoint_eq(&got->dst, &want->dst));
    ck_assert_uint_eq(got->conn, want->conn);
    ck_assert_uint_eq(got->http.status, 200);
    ck_assert(span_eq(msg_body(got), span_str("ok")));
    ck_assert_uint_eq(got->flags, 0);
    msg_unref(want);
    msg_unref(got);
}
END_TEST

/* Bodies of random bytes, a third of which are pieces of records. */
static size_t random_body(uint8_t *body, size_t max)
{
    static const char *const pieces[] = {
        SEP,        SEP SEP,         "\xf0\x9f\x90\xb5",
        "\n",       SEP "1 a 5 6\n", SEP "2 b 7 8 3 00000000 - -\nabc" SEP,
        "\r\n\r\n", "0\r\n\r\n",
    };
    static unsigned seed = 1;
    size_t len = 0, want = 1 + (size_t)rand_r(&seed) % (max - 64);
    while (len < want) {
        if (rand_r(&seed) % 3 > 0) {
            body[len++] = (uint8_t)rand_r(&seed);
            continue;
        }
        const char *piece = pieces[(size_t)rand_r(&seed) % ARRAY_LEN(pieces)];
        while (*piece)
            body[len++] = (uint8_t)*piece++;
    }
    return len;
}

START_TEST(a_thousand_random_bodies_with_separators_come_back_as_they_were)
{
    static uint8_t body[MAX_PAYLOAD];
    uint32_t crc = 0;
    start();
    for (int i = 0; i < 1000; i++) {
        size_t len = random_body(body, i % 10 ? 300 : MAX_PAYLOAD);
        put_record(MSG_REQUEST, body, len);
        struct msg *msg = new_msg(MSG_REQUEST, body, len);
        crc = add_message(crc, msg);
        msg_unref(msg);
    }
    static const size_t steps[] = {TAPE_MAX, 100000, 4096, 1009, 64};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        play(steps[i], steps[i]);
        ck_assert_uint_eq(n_damaged, 0);
        ck_assert_uint_eq(n_messages, 1000);
        ck_assert_uint_eq(payload_crc, crc);
    }
}
END_TEST

START_TEST(records_are_found_wherever_the_bytes_are_cut)
{
    start();
    put_record(MSG_REQUEST, BYTES_OF(GET));
    put_record(MSG_REQUEST, BYTES_OF("1"));
    put_record(MSG_RESPONSE, BYTES_OF(SEP SEP));
    put_record(MSG_REPLAYED, BYTES_OF("\n"));
    put_record('9', BYTES_OF("nine"));
    check_tape("mGET./.m1m......m.mnine");
}
END_TEST

START_TEST(records_of_gor_are_read)
{
    start();
    put_gor("1 9c4000500a00000100000007 1700000000000000001 5", GET);
    put_gor("2 9c4000500a00000100000007 1700000000000000002 -1",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    put_gor("1 0123456789012345678901234567890123456789 3", "POST / HTTP/1.0\r\n\r\n");
    put_gor("1 a 4 0 extra fields of some tool", "PUT / HTTP/1.1\r\n\r\n");
    put_gor("1 a 4 0 17", "DELETE / HTTP/1.1\r\n\r\n");
    put_gor("1 a 4 x", "not HTTP at all");
    put_gor("2 a 4 0", "HTTP/1.0 200 OK\r\n\r\nuntil close\n");
    check_tape("mGET./.mHTTP/1mPOST./mPUT./.mDELETEmnot.HTmHTTP/1");
}
END_TEST

START_TEST(a_record_of_gor_has_its_times_id_and_connection)
{
    start();
    put_gor("1 9c4000500a00000100000007 1700000000000000001 5", GET);
    struct msg *got = read_one();
    ck_assert_int_eq(got->ts_ns, INT64_C(1700000000000000001));
    ck_assert_int_eq(got->latency_ns, 5);
    ck_assert_uint_eq(got->src.family, 0);
    ck_assert(span_eq(msg_id(got), span_str("9c4000500a00000100000007")));
    ck_assert_uint_ne(got->conn, 0);
    ck_assert(span_eq(msg_target(got), span_str("/")));
    msg_unref(got);
}
END_TEST

START_TEST(a_framed_body_may_hold_the_separator_though_its_record_has_no_length)
{
    start();
    put_gor("1 a 1 0", "POST / HTTP/1.1\r\nContent-Length: 16\r\n\r\na" SEP "b");
    put_gor("1 a 1 0", "PUT / HTTP/1.1\r\nContent-Length: 41\r\n\r\n" SEP "1 b 2 0\nGET /" SEP);
    put_gor("1 a 1 0", "BIG / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "10\r\na" SEP "b\r\n0\r\n\r\n");
    check_tape("mPOST./mPUT./.mBIG./.");
}
END_TEST

START_TEST(a_body_cut_short_by_gor_ends_at_the_separator_and_is_marked)
{
    start();
    put_gor("1 a 1 0", "POST / HTTP/1.1\r\nContent-Length: 90\r\n\r\nabc");
    put_gor("1 a 1 0", "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5a\r\nabc");
    put_gor("1 a 1 0", "ONE / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\nabc");
    put_gor("2 a 1 0", "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n");
    put_gor("1 a 1 0", GET);
    check_tape("mPOST./mPUT./.mONE./.mHTTP/1mGET./.");
    start();
    put_gor("1 a 1 0", "POST / HTTP/1.1\r\nContent-Length: 90\r\n\r\nabc");
    struct msg *got = read_one();
    ck_assert_uint_eq(got->flags, MSG_CUT);
    ck_assert(span_eq(msg_body(got), span_str("abc")));
    msg_unref(got);
    start();
    put_record(MSG_REQUEST,
               BYTES_OF("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"));
    got = read_one();
    ck_assert_uint_eq(got->flags, MSG_CUT);
    msg_unref(got);
}
END_TEST

START_TEST(line_feeds_that_hops_of_gor_added_are_left_out)
{
    static const char *const payloads[] = {
        GET,
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        start();
        put_text(i == 1 ? "2 a 1 0\n" : "1 a 1 0\n");
        put_text(payloads[i]);
        put_text("\n\n" SEP);
        struct msg *got = read_one();
        ck_assert(span_eq(msg_payload(got), span_str(payloads[i])));
        msg_unref(got);
    }
    start();
    put_record(MSG_REQUEST, BYTES_OF("\n"));
    tape_len -= RECORD_SEPARATOR_LEN;
    put_text("\n" SEP);
    put_gor("1 a 1 0", GET "\n");
    put_gor("1 a 1 0", GET);
    check_tape("m.mGET./.mGET./.");
}
END_TEST

START_TEST(the_last_record_may_lack_its_separator_or_part_of_it)
{
    for (size_t missing = 0; missing <= RECORD_SEPARATOR_LEN; missing++) {
        start();
        put_record(MSG_REQUEST, BYTES_OF(GET));
        put_record(MSG_REQUEST, BYTES_OF("\n" SEP "\n"));
        tape_len -= missing;
        check_tape("mGET./.m......");
        start();
        put_gor("1 a 1 0", GET);
        put_gor("1 a 1 0", "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n\n");
        tape_len -= missing;
        check_tape("mGET./.mPOST./");
        start();
        put_gor("2 a 1 0", "HTTP/1.0 200 OK\r\n\r\nuntil close");
        tape_len -= missing;
        check_tape("mHTTP/1");
    }
}
END_TEST

START_TEST(a_torn_last_record_is_damage)
{
    start();
    put_record(MSG_REQUEST, BYTES_OF(GET));
    size_t whole = tape_len;
    put_record(MSG_REQUEST, BYTES_OF("POST / HTTP/1.1\r\n\r\n"));
    size_t end = tape_len - RECORD_SEPARATOR_LEN;
    for (tape_len = whole + 1; tape_len < end; tape_len++)
        ck_assert_str_eq(play(tape_len, 1), "mGET./.d");
    check_tape("mGET./.mPOST./");
    tape_len = whole;
    put_gor("1 a 1 0", "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd");
    end = tape_len - RECORD_SEPARATOR_LEN;
    for (tape_len = whole + 1; tape_len < end; tape_len++)
        ck_assert_str_eq(play(tape_len, 1), "mGET./.d");
}
END_TEST

/* One changed byte at off, in the second of three records. */
static const char *play_with_damage(size_t off, uint8_t with)
{
    uint8_t old = tape[off];
    tape[off] = with;
    const char *got = play(tape_len, 1);
    tape[off] = old;
    return got;
}

START_TEST(damage_in_any_part_of_a_record_costs_that_record_only)
{
    start();
    put_record(MSG_REQUEST, BYTES_OF(GET));
    size_t header = tape_len;
    put_record(MSG_REQUEST, BYTES_OF("POST / HTTP/1.1\r\n\r\n"));
    size_t end = tape_len;
    size_t payload = end - RECORD_SEPARATOR_LEN - strlen("POST / HTTP/1.1\r\n\r\n");
    put_record(MSG_REQUEST, BYTES_OF("PUT / HTTP/1.1\r\n\r\n"));
    for (size_t off = payload; off < end; off++)
        ck_assert_str_eq(play_with_damage(off, 'x'), "mGET./.dmPUT./.");
    /* type and the space behind it, timestamp, LENGTH */
    static const size_t places[] = {0, 1, 30, 50};
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        ck_assert_str_eq(play_with_damage(header + places[i], 'x'), "mGET./.dmPUT./.");
    ck_assert_int_eq(tape[header + 50], '1');
    ck_assert_str_eq(play_with_damage(header + 50, '2'), "mGET./.dmPUT./.");
    ck_assert_str_eq(play_with_damage(header + 50, '0'), "mGET./.dmPUT./.");
    ck_assert_str_eq(play_with_damage(header + 54, '~'), "mGET./.dmPUT./.");
}
END_TEST

START_TEST(damage_is_skipped_to_the_next_header_and_counted_once)
{
    start();
    put_text("the rest of something" SEP "that is no header" SEP SEP "neither\n" SEP);
    put_gor("1 a 1 0", GET);
    put_text("0 a 1 0\nxyz" SEP "4\n" SEP);
    put_record(MSG_REQUEST, BYTES_OF("POST"));
    put_text("garbage at the end");
    check_tape("dmGET./.dmPOSTd");
    start();
    for (int i = 0; i < 2000; i++)
        put_text("no line end here ");
    put_text(SEP);
    put_gor("1 a 1 0", GET);
    ck_assert_str_eq(play(tape_len, 1), "dmGET./.");
    ck_assert_str_eq(play(7, 7), "dmGET./.");
}
END_TEST

START_TEST(an_empty_payload_is_damage)
{
    start();
    put_gor("1 a 1 0", "");
    put_gor("1 a 1 0", GET);
    put_text("1 a 1 0" SEP);
    put_gor("1 a 1 0 0 00000000 - -", "");
    put_gor("1 a 1 0", GET);
    put_text("1 a 1 0\n");
    check_tape("dmGET./.ddmGET./.d");
}
END_TEST

START_TEST(a_separator_that_only_closes_what_was_torn_is_no_damage)
{
    start();
    put_text(SEP);
    put_gor("1 a 1 0", GET);
    put_text(SEP SEP);
    put_gor("1 a 1 0", GET);
    put_text(SEP "\n");
    check_tape("mGET./.mGET./.");
}
END_TEST

static void put_two(char c)
{
    char payload[] = {'P', 'O', 'S', 'T', c};
    put_record(MSG_REQUEST, payload, sizeof(payload));
    put_record(MSG_REQUEST, BYTES_OF(GET));
}

/* What LENGTH covers is then a part of the next record, whose id may look like the beginning of a
 * header, just where one would be welcome: with some checksums it looks like all of one. */
START_TEST(a_record_torn_at_any_byte_and_closed_with_a_separator_costs_only_itself)
{
    start();
    put_record(MSG_REQUEST, BYTES_OF(GET));
    size_t whole = tape_len - RECORD_SEPARATOR_LEN;
    for (char c = 'a'; c <= 'h'; c++) {
        start();
        put_two(c);
        play(tape_len, 1);
        uint32_t crc = payload_crc;
        for (size_t cut = whole - 1; cut > 0; cut--) {
            start();
            put_record(MSG_REQUEST, BYTES_OF(GET));
            tape_len = cut;
            put_text(SEP);
            put_two(c);
            play(tape_len, 1);
            ck_assert_uint_eq(n_messages, 2);
            ck_assert_uint_eq(n_damaged, 1);
            ck_assert_uint_eq(payload_crc, crc);
        }
    }
}
END_TEST

START_TEST(where_bytes_are_in_doubt_only_checked_records_count)
{
    struct record_reader r;
    size_t from = 0;
    start();
    put_gor("1 a 1 0", GET);
    put_record(MSG_REQUEST, BYTES_OF("POST"));
    put_gor("1 b 2 0", GET);
    record_reader_init(&r, MAX_PAYLOAD);
    r.only_checked = true;
    results[0] = '\0';
    read_some(&r, &from, tape_len, true);
    ck_assert_str_eq(results, "dmPOSTd");
}
END_TEST

START_TEST(a_payload_beyond_the_limit_is_damage_at_once)
{
    static char big[MAX_PAYLOAD + 2];
    memset(big, 'x', MAX_PAYLOAD + 1);
    start();
    put_record(MSG_REQUEST, big, MAX_PAYLOAD);
    put_gor("1 a 1 0", big + 1);
    ck_assert_str_eq(play(tape_len, 1), "mxxxxxxmxxxxxx");
    start();
    put_record(MSG_REQUEST, big, MAX_PAYLOAD + 1);
    put_gor("1 a 1 0", big);
    put_gor("1 a 1 0", GET);
    ck_assert_str_eq(play(tape_len, 1), "ddmGET./.");
    ck_assert_str_eq(play(11, 11), "ddmGET./.");
    /* … before the rest of it has come */
    start();
    put_text("1 a 1 0 4097 00000000 - -\n");
    struct record_reader r;
    struct msg *msg;
    size_t used;
    record_reader_init(&r, MAX_PAYLOAD);
    ck_assert_int_eq(record_read(&r, tape, tape_len, false, &used, &msg), RECORD_DAMAGED);
    start();
    put_text("1 a 1 0 99999999999999999999 00000000 - -\n");
    record_reader_init(&r, MAX_PAYLOAD);
    ck_assert_int_eq(record_read(&r, tape, tape_len, false, &used, &msg), RECORD_DAMAGED);
}
END_TEST

START_TEST(a_record_costs_only_itself_when_memory_is_short)
{
    struct record_reader r;
    struct msg *msg = NULL;
    size_t used, off = 0;
    start();
    put_record(MSG_REQUEST, BYTES_OF(GET));
    put_record(MSG_REQUEST, BYTES_OF("POST"));
    record_reader_init(&r, MAX_PAYLOAD);
    mem_fail_at(1);
    ck_assert_int_eq(record_read(&r, tape, tape_len, true, &used, &msg), RECORD_NO_MEMORY);
    ck_assert_ptr_null(msg);
    off = used;
    ck_assert_int_eq(record_read(&r, tape + off, tape_len - off, true, &used, &msg), RECORD_MSG);
    ck_assert_uint_eq(off + used, tape_len);
    ck_assert(span_eq(msg_payload(msg), span_str("POST")));
    msg_unref(msg);
}
END_TEST

static double seconds_to_play(size_t step)
{
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    play(step, step);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

/* Each tape is two megabytes and made to be looked at again and again by a reader that lets it:
 * chunked bodies that lead through all records behind them, heads without end, headers that claim
 * the rest of the tape, separators without end. */
START_TEST(hostile_bytes_are_read_in_linear_time)
{
    static const char *const units[] = {
        "1 a 1 0\nP / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" SEP,
        "1\r\nx\r\n",
        "1 a 1 0\nP / HTTP/1.1\r\nA: b\r\n" SEP,
        "1 a 1 0\nP / HTTP/1.1\r\nContent-Length: 400000\r\n\r\n" SEP,
        "1 a 1 0 400000 00000000 - -\nx" SEP,
        "x" SEP,
        "\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89",
        "\xf0",
    };
    max_payload = TAPE_MAX;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        start();
        while (tape_len < (1 << 21))
            put_text(units[i]);
        ck_assert_double_lt(seconds_to_play(TAPE_MAX), 5);
        ck_assert_double_lt(seconds_to_play(8192), 5);
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_header_line_has_the_eight_fields_of_the_format,
        an_id_with_white_space_cannot_forge_a_header,
        the_longest_header_line_fits,
        everything_known_of_a_message_survives_a_record,
        a_thousand_random_bodies_with_separators_come_back_as_they_were,
        records_are_found_wherever_the_bytes_are_cut,
        records_of_gor_are_read,
        a_record_of_gor_has_its_times_id_and_connection,
        a_framed_body_may_hold_the_separator_though_its_record_has_no_length,
        a_body_cut_short_by_gor_ends_at_the_separator_and_is_marked,
        line_feeds_that_hops_of_gor_added_are_left_out,
        the_last_record_may_lack_its_separator_or_part_of_it,
        a_torn_last_record_is_damage,
        damage_in_any_part_of_a_record_costs_that_record_only,
        damage_is_skipped_to_the_next_header_and_counted_once,
        an_empty_payload_is_damage,
        a_separator_that_only_closes_what_was_torn_is_no_damage,
        a_record_torn_at_any_byte_and_closed_with_a_separator_costs_only_itself,
        where_bytes_are_in_doubt_only_checked_records_count,
        a_payload_beyond_the_limit_is_damage_at_once,
        a_record_costs_only_itself_when_memory_is_short,
        hostile_bytes_are_read_in_linear_time,
    };
    return suite_of("record", tests, ARRAY_LEN(tests));
}
