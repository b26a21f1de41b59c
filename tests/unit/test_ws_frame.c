/* SPDX-License-Identifier: MIT */
/* WebSocket frames: what goes out, read again by the rules of RFC 6455, and what comes in, cut at
 * every place. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/span.h"
#include "outputs/ws_frame.h"
#include "outputs/ws_sender.h"
#include "tests/unit/messages.h"

static const uint8_t mask[WS_MASK_LEN] = {0x37, 0xfa, 0x21, 0x3d};

START_TEST(a_head_is_the_shortest_for_its_length)
{
    static const struct {
        uint64_t len;
        const char *bytes;
        size_t n;
    } cases[] = {
        {0, "\x82\x80", 2},
        {125, "\x82\xfd", 2},
        {126, "\x82\xfe\x00\x7e", 4},
        {65535, "\x82\xfe\xff\xff", 4},
        {65536, "\x82\xff\0\0\0\0\0\x01\0\0", 10},
        {UINT64_C(0x123456789a), "\x82\xff\0\0\0\x12\x34\x56\x78\x9a", 10},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t out[WS_HEAD_MAX];
        ck_assert_uint_eq(ws_head(out, WS_BINARY, cases[i].len, mask), cases[i].n + WS_MASK_LEN);
        ck_assert_mem_eq(out, cases[i].bytes, cases[i].n);
        ck_assert_mem_eq(out + cases[i].n, mask, WS_MASK_LEN);
    }
}
END_TEST

START_TEST(the_frame_of_the_rfc)
{
    uint8_t out[32];
    size_t n = ws_head(out, WS_TEXT, 5, mask); /* RFC 6455, 5.7 */
    ws_mask(out + n, (const uint8_t *)"Hello", 5, mask, 0);
    ck_assert_uint_eq(n + 5, 11);
    ck_assert_mem_eq(out, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
}
END_TEST

START_TEST(masking_in_pieces_is_masking)
{
    uint8_t in[64], out[64];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 37);
    for (size_t from = 0; from < 9; from++)
        for (size_t n = 0; from + n <= sizeof(in); n++) {
            memset(out, 0, sizeof(out));
            ws_mask(out + from, in + from, n, mask, from);
            bool same = true;
            for (size_t i = 0; i < sizeof(in); i++)
                same &= out[i] == (i >= from && i < from + n ? in[i] ^ mask[i % WS_MASK_LEN] : 0);
            ck_assert(same);
        }
}
END_TEST

/* What a reader tells of bytes that come in pieces, as text. */
struct told {
    char text[512];
    uint64_t data_bytes;
    bool bad;
};

static void feed(struct told *t, struct ws_reader *r, struct span bytes)
{
    while (bytes.len > 0 && !t->bad) {
        size_t used = 0, at = strlen(t->text);
        uint8_t *piece = malloc(bytes.len); /* so that the sanitizer sees a read beyond */
        if (!piece)
            abort();
        memcpy(piece, bytes.ptr, bytes.len);
        enum ws_event event = ws_read(r, piece, bytes.len, &used);
        free(piece);
        if (used > bytes.len || (event == WS_MORE && used < bytes.len))
            ck_abort_msg("%zu of %zu bytes used", used, bytes.len);
        if (event == WS_CONTROL)
            snprintf(t->text + at, sizeof(t->text) - at, "%d:%.*s ", r->opcode, (int)r->control_len,
                     (const char *)r->control);
        if (event == WS_BAD)
            snprintf(t->text + at, sizeof(t->text) - at, "bad: %s", r->fault);
        t->bad = event == WS_BAD;
        bytes = span_from(bytes, used);
    }
    t->data_bytes = r->data_bytes;
}

static struct told tell(struct span bytes, size_t first, size_t second)
{
    struct told t = {.bad = false};
    struct ws_reader r;
    ws_reader_init(&r);
    feed(&t, &r, span_of(bytes.ptr, first));
    feed(&t, &r, span_of(bytes.ptr + first, second - first));
    feed(&t, &r, span_from(bytes, second));
    return t;
}

static void expect_told(struct span bytes, const char *text, uint64_t data_bytes)
{
    for (size_t i = 0; i <= bytes.len; i++)
        for (size_t k = i; k <= bytes.len; k++) {
            struct told t = tell(bytes, i, k);
            if (strcmp(t.text, text) != 0 || t.data_bytes != data_bytes)
                ck_abort_msg("cut at %zu and %zu: \"%s\", %llu bytes", i, k, t.text,
                             (unsigned long long)t.data_bytes);
        }
}

#define BYTES(text) span_of(text, sizeof(text) - 1)

START_TEST(what_a_server_sends_is_read_however_it_is_cut)
{
    char longer[700] = "\x82\x7e\x00\x80";
    size_t n = 4 + 128;
    memcpy(longer + n, "\x89\x7d", 2);
    memset(longer + n + 2, 'p', 125);
    n += 127;
    expect_told(BYTES("\x89\x02hi\x81\x03"
                      "abc\x8a\x00\x01\x02"
                      "ab\x89\x01x\x00\x01"
                      "c\x80\x00\x88\x02\x03\xe8"),
                "9:hi 10: 9:x 8:\x03\xe8 ", 6);
    struct told t = tell(span_of(longer, n), n, n);
    expect_told(span_of(longer, n), t.text, 128);
    ck_assert_uint_eq(strlen(t.text), strlen("9: ") + 125);
}
END_TEST

START_TEST(a_frame_of_any_length_is_passed_over)
{
    struct ws_reader r;
    size_t used;
    uint8_t zeros[4096] = {0};
    ws_reader_init(&r);
    ck_assert_int_eq(
        ws_read(&r, (const uint8_t *)"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, &used),
        WS_MORE);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(ws_read(&r, zeros, sizeof(zeros), &used), WS_MORE);
    ck_assert_uint_eq(r.data_bytes, 100 * sizeof(zeros));
}
END_TEST

START_TEST(what_no_server_may_send_is_told)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *words;
    } cases[] = {
        {"\x82\x81zzzza", 7, "bad: a masked frame"},
        {"\xc2\x00", 2, "bad: an extension that was not agreed on"},
        {"\x83\x00", 2, "bad: an unknown kind of frame"},
        {"\x8b\x00", 2, "bad: an unknown kind of frame"},
        {"\x80\x00", 2, "bad: a continuation of nothing"},
        {"\x01\x00\x02\x00", 4, "bad: a message inside another"},
        {"\x09\x00", 2, "bad: a control frame in pieces, or too long"},
        {"\x89\x7e\x00\x7e", 4, "bad: a control frame in pieces, or too long"},
        {"\x82\x7e\x00\x7d", 4, "bad: a length that is not the shortest, or too long"},
        {"\x82\x7f\0\0\0\0\0\0\xff\xff", 10, "bad: a length that is not the shortest, or too long"},
        {"\x82\x7f\x80\0\0\0\0\0\0\0", 10, "bad: a length that is not the shortest, or too long"},
        {"\x88\x01z", 3, "bad: a closing with half a reason"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_told(span_of(cases[i].bytes, cases[i].n), cases[i].words, 0);
}
END_TEST

/* --- the sender --- */

static enum output_result no_write(struct output *out, const struct msg *msg)
{
    (void)out, (void)msg;
    return OUTPUT_FAILED;
}

struct scene {
    struct output out;
    struct books *books;
    struct held held;
    struct ws_sender sender;
    uint8_t *got;
    size_t n_got;
    int64_t mem_before;
};

#define GOT_MAX ((size_t)1 << 20)

static struct scene *scene_new(void)
{
    static const struct output_ops ops = {.option = "output-ws", .write = no_write};
    struct scene *s = calloc(1, sizeof(*s));
    ck_assert_ptr_nonnull(s);
    s->mem_before = mem_used(MEM_MSG);
    s->books = aligned_alloc(64, sizeof(*s->books));
    s->got = malloc(GOT_MAX);
    ck_assert(s->books && s->got);
    memset(s->books, 0, sizeof(*s->books));
    s->out = (struct output){.ops = &ops, .books = s->books};
    held_init(&s->held, &s->out);
    ws_sender_init(&s->sender, &s->held);
    return s;
}

static void scene_free(struct scene *s)
{
    held_pop_all(&s->held, BOOK_ABANDONED);
    ck_assert_int_eq(mem_used(MEM_MSG), s->mem_before);
    free(s->books);
    free(s->got);
    free(s);
}

static void hold(struct scene *s, const char *id, size_t len)
{
    struct msg *msg = msg_new(len + 1);
    ck_assert_ptr_nonnull(msg);
    msg->type = MSG_REQUEST;
    ck_assert(msg_set_id(msg, span_str(id)));
    msg->ts_ns = 17;
    for (size_t i = 0; i < len; i++)
        msg->bytes[i] = (uint8_t)(i * 7 + i / 256);
    msg->len = len;
    held_put(&s->held, msg, 0);
    msg_unref(msg);
}

/* Takes at most max bytes at a time, until there are no more or n in all have come. */
static void take(struct scene *s, size_t max, size_t n)
{
    while (ws_sender_busy(&s->sender) && n > 0) {
        struct span bytes;
        if (ws_sender_next(&s->sender, &bytes) < 0 || bytes.len == 0)
            ck_abort_msg("busy with nothing");
        size_t part = bytes.len < max ? bytes.len : max;
        part = part < n ? part : n;
        if (s->n_got + part > GOT_MAX)
            ck_abort_msg("more than was held");
        memcpy(s->got + s->n_got, bytes.ptr, part);
        s->n_got += part;
        ws_sender_sent(&s->sender, part);
        n -= part;
    }
}

/* Takes a frame off the front of what was got, unmasked. */
static struct span next_frame(struct scene *s, enum ws_opcode opcode)
{
    static uint8_t frame[GOT_MAX];
    const uint8_t *p = s->got;
    ck_assert_uint_ge(s->n_got, 6);
    ck_assert_uint_eq(p[0], 0x80 | (unsigned)opcode);
    ck_assert(p[1] & 0x80);
    uint64_t len = p[1] & 0x7f;
    p += 2;
    size_t more = len == 126 ? 2 : len == 127 ? 8 : 0;
    for (size_t i = 0; i < more; i++)
        len = (i == 0 ? 0 : len << 8) | *p++;
    ck_assert_uint_le((size_t)(p - s->got) + WS_MASK_LEN + len, s->n_got);
    for (size_t i = 0; i < len; i++)
        frame[i] = p[WS_MASK_LEN + i] ^ p[i % WS_MASK_LEN];
    size_t used = (size_t)(p - s->got) + WS_MASK_LEN + len;
    memmove(s->got, s->got + used, s->n_got - used);
    s->n_got -= used;
    return span_of(frame, len);
}

static void expect_message(struct scene *s, const char *id, size_t len)
{
    char header[128];
    int n = snprintf(header, sizeof(header), "1 %s 17 0\n", id);
    struct span frame = next_frame(s, WS_BINARY);
    ck_assert_uint_eq(frame.len, (size_t)n + len);
    ck_assert_mem_eq(frame.ptr, header, (size_t)n);
    bool same = true;
    for (size_t i = 0; i < len; i++)
        same &= frame.ptr[(size_t)n + i] == (uint8_t)(i * 7 + i / 256);
    ck_assert(same);
}

START_TEST(messages_are_frames_however_they_are_taken)
{
    static const size_t lengths[] = {0, 1, 100, 125, 126, 65535, 65536, 200000};
    static const size_t pieces[] = {1, 2, 7, 1000, 65536, GOT_MAX};
    for (size_t k = 0; k < ARRAY_LEN(pieces); k++) {
        struct scene *s = scene_new();
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
            hold(s, "00ff", lengths[i]);
        take(s, pieces[k], SIZE_MAX);
        ck_assert_uint_eq(book_get(s->books, BOOK_DELIVERED), ARRAY_LEN(lengths));
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
            expect_message(s, "00ff", lengths[i]);
        ck_assert_uint_eq(s->n_got, 0);
        scene_free(s);
    }
}
END_TEST

START_TEST(what_is_not_sent_whole_goes_out_again_on_the_next_connection)
{
    enum { FRAME = 6 + 9 + 90 }; /* head, header line, payload */
    for (size_t cut = 0; cut < 3 * FRAME + 10; cut++) {
        struct scene *s = scene_new();
        for (int i = 0; i < 3; i++)
            hold(s, "a", 90); /* a frame of FRAME bytes */
        take(s, GOT_MAX, cut);
        size_t whole = cut / FRAME < 3 ? cut / FRAME : 3;
        ck_assert_uint_eq(book_get(s->books, BOOK_DELIVERED), whole);
        ws_sender_init(&s->sender, &s->held);
        s->n_got = 0;
        hold(s, "b", 0);
        take(s, 50, SIZE_MAX);
        for (size_t i = whole; i < 3; i++)
            expect_message(s, "a", 90);
        expect_message(s, "b", 0);
        ck_assert_uint_eq(book_get(s->books, BOOK_DELIVERED), 4);
        scene_free(s);
    }
}
END_TEST

START_TEST(pongs_and_the_closing_stand_between_messages)
{
    struct scene *s = scene_new();
    hold(s, "a", 150000);
    hold(s, "b", 10);
    take(s, 1000, 2000);
    ws_sender_pong(&s->sender, span_str("first"));
    ws_sender_pong(&s->sender, span_str("second")); /* only this one is answered */
    take(s, 1000, 150000);
    ws_sender_close(&s->sender, span_str("\x03\xe8"));
    hold(s, "c", 10);
    take(s, 1000, SIZE_MAX);
    ck_assert(!ws_sender_busy(&s->sender));
    expect_message(s, "a", 150000);
    ck_assert(span_eq(next_frame(s, WS_PONG), span_str("second")));
    expect_message(s, "b", 10);
    ck_assert(span_eq(next_frame(s, WS_CLOSE), span_str("\x03\xe8")));
    ck_assert_uint_eq(s->n_got, 0);
    ck_assert_uint_eq(s->held.n, 1);
    scene_free(s);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_head_is_the_shortest_for_its_length,
        the_frame_of_the_rfc,
        masking_in_pieces_is_masking,
        what_a_server_sends_is_read_however_it_is_cut,
        a_frame_of_any_length_is_passed_over,
        what_no_server_may_send_is_told,
        messages_are_frames_however_they_are_taken,
        what_is_not_sent_whole_goes_out_again_on_the_next_connection,
        pongs_and_the_closing_stand_between_messages,
    };
    return suite_of("ws_frame", tests, ARRAY_LEN(tests));
}
