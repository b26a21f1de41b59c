/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http.h"
#include "lib/scan.h"
#include "tests/unit/heads.h"

static struct http_view view_of(enum http_kind kind, const char *text)
{
    struct http_view view;
    ck_assert(http_parse_head(kind, (const uint8_t *)text, strlen(text), &view));
    return view;
}

START_TEST(the_parts_of_a_request_are_where_the_view_says)
{
    struct http_view v = view_of(HTTP_REQUEST, "\r\n\nPATCH   /a?b  HTTP/1.1 \r\n"
                                               "Host: h\r\nContent-Length: 12345\r\n\r\nbody");
    ck_assert_uint_eq(v.start_off, 3);
    ck_assert_uint_eq(v.method_len, 5);
    ck_assert_uint_eq(v.target_off, 11);
    ck_assert_uint_eq(v.target_len, 4);
    ck_assert_uint_eq(v.fields_off, 28);
    ck_assert_uint_eq(v.head_len, 62);
    ck_assert_uint_eq(v.status, 0);
    ck_assert_uint_eq(v.minor, 1);
    ck_assert_uint_eq(v.body, HTTP_BODY_LENGTH);
    ck_assert_uint_eq(v.length, 12345);
}
END_TEST

START_TEST(the_parts_of_a_response_are_where_the_view_says)
{
    struct http_view v = view_of(HTTP_RESPONSE, "HTTP/1.0 404 Not Found\r\n\r\n");
    ck_assert_uint_eq(v.start_off, 0);
    ck_assert_uint_eq(v.method_len, 0);
    ck_assert_uint_eq(v.target_off, 13);
    ck_assert_uint_eq(v.target_len, 9);
    ck_assert_uint_eq(v.fields_off, 24);
    ck_assert_uint_eq(v.head_len, 26);
    ck_assert_uint_eq(v.status, 404);
    ck_assert_uint_eq(v.minor, 0);
    ck_assert_uint_eq(v.body, HTTP_BODY_UNTIL_CLOSE);
    v = view_of(HTTP_RESPONSE, "HTTP/1.1 200\n\n");
    ck_assert_uint_eq(v.target_off, 12);
    ck_assert_uint_eq(v.target_len, 0);
    ck_assert_uint_eq(v.fields_off, 13);
}
END_TEST

START_TEST(a_target_may_hold_spaces_when_the_line_has_one_reading)
{
    static const char *const lines[] = {
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET  /a  b c   HTTP/1.0 \r\n\r\n",
        "GET /a HTTP b HTTP/1.1\n\n",
    };
    static const char *const targets[] = {"/a b", "/a  b c", "/a HTTP b"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct http_view v = view_of(HTTP_REQUEST, lines[i]);
        ck_assert(span_eq(span_of(lines[i] + v.target_off, v.target_len), span_str(targets[i])));
        ck_assert_uint_eq(v.minor, i == 1 ? 0 : 1);
    }
}
END_TEST

START_TEST(the_connection_closes_when_the_sender_says_so_or_cannot_keep_it)
{
    static const struct {
        const char *text;
        bool close;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nconnection:CLOSE\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: te , Close ,x\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: x,\r\n close\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: x\r\nConnection: close\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: keep-alive, close\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: \"close\"\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nX-Connecti: close\r\nClose: close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_msg(view_of(HTTP_REQUEST, cases[i].text).close == cases[i].close, "%s",
                      cases[i].text);
    ck_assert(view_of(HTTP_RESPONSE, "HTTP/1.1 200 OK\r\n\r\n").close);
    ck_assert(!view_of(HTTP_RESPONSE, "HTTP/1.1 204 No Content\r\n\r\n").close);
    ck_assert(!view_of(HTTP_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").close);
}
END_TEST

START_TEST(a_change_of_protocol_is_seen_in_requests_and_responses)
{
    static const struct {
        enum http_kind kind;
        const char *text;
        bool upgrade;
    } cases[] = {
        {HTTP_REQUEST, "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true},
        {HTTP_REQUEST, "GET / HTTP/1.1\r\nUPGRADE: h2c\r\nConnection: x, upgrade\r\n\r\n", true},
        {HTTP_REQUEST, "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", false},
        {HTTP_REQUEST, "GET / HTTP/1.1\r\nConnection: Upgrade\r\n\r\n", false},
        {HTTP_REQUEST, "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", false},
        {HTTP_REQUEST, "CONNECT h:443 HTTP/1.1\r\n\r\n", true},
        {HTTP_REQUEST, "CONNECTX h:443 HTTP/1.1\r\n\r\n", false},
        {HTTP_RESPONSE, "HTTP/1.1 101 Switching Protocols\r\n\r\n", true},
        {HTTP_RESPONSE, "HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_msg(view_of(cases[i].kind, cases[i].text).upgrade == cases[i].upgrade, "%s",
                      cases[i].text);
}
END_TEST

START_TEST(a_head_of_any_size_can_be_parsed_once_it_is_all_there)
{
    size_t len = 2 * HTTP_MAX_HEAD;
    char *text = malloc(len + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', len);
    memcpy(text, "GET /", 5);
    memcpy(text + len / 2, " HTTP/1.1\r\nA: ", 14);
    memcpy(text + len - 4, "\r\n\r\n", 5);
    struct http_view v = view_of(HTTP_REQUEST, text);
    ck_assert_uint_eq(v.head_len, len);
    ck_assert_uint_eq(v.target_len, len / 2 - 4);
    free(text);
}
END_TEST

START_TEST(fields_are_found_in_order_by_name_and_never_in_the_body)
{
    static const char text[] = "POST / HTTP/1.1\r\nAb: 1\r\nA:\t2 \r\nFold: 3\r\n a: 4\r\n\t5\r\n"
                               "a:\r\nContent-Length: 9\r\n\r\nBody: no\n";
    static const char *const names[] = {"Ab", "A", "Fold", "a", "Content-Length"};
    static const char *const values[] = {"1", "2", "3\r\n a: 4\r\n\t5", "", "9"};
    struct span msg = span_str(text);
    struct http_view v = view_of(HTTP_REQUEST, text);
    struct http_field field;
    size_t pos = v.fields_off, off = v.fields_off;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        ck_assert(http_field_next(msg, &v, &pos, &field));
        ck_assert(span_eq(field.name, span_str(names[i])));
        ck_assert(span_eq(field.value, span_str(values[i])));
        ck_assert_uint_eq(field.off, off);
        off += field.len;
        ck_assert_uint_eq(off, pos);
    }
    ck_assert(!http_field_next(msg, &v, &pos, &field));
    ck_assert_uint_eq(pos, v.head_len - 2);
    ck_assert(http_field_find(msg, &v, span_str("a"), &field));
    ck_assert(span_eq(field.value, span_str("2")));
    ck_assert(http_field_find(msg, &v, span_str("CONTENT-length"), &field));
    ck_assert(span_eq(field.value, span_str("9")));
    ck_assert(!http_field_find(msg, &v, span_str("Body"), &field));
    ck_assert(!http_field_find(msg, &v, span_str("B"), &field));
    ck_assert(!http_field_find(msg, &v, span_str(""), &field));
    ck_assert(!http_field_find(msg, &v, span_str("A "), &field));
}
END_TEST

START_TEST(a_message_may_begin_as_long_as_nothing_contradicts_it)
{
    static const char request[] = "GET  /a?b  HTTP/1.1 \r\nHost: h\r\n\r\n";
    static const char spaced[] = "GET /a  b HTTP c HTTP/1.1 \r\nHost: h\r\n\r\n";
    static const char twice[] = "GET / HTTP/1.0 HTTP/1.1\r\n";
    static const char response[] = "HTTP/1.1 200 OK\r\n\r\n";
    for (size_t n = 1; n < sizeof(request); n++)
        ck_assert(http_may_begin(HTTP_REQUEST, (const uint8_t *)request, n));
    for (size_t n = 1; n < sizeof(spaced); n++)
        ck_assert(http_may_begin(HTTP_REQUEST, (const uint8_t *)spaced, n));
    ck_assert(http_may_begin(HTTP_REQUEST, (const uint8_t *)twice, sizeof(twice) - 1));
    for (size_t n = 1; n < sizeof(response); n++)
        ck_assert(http_may_begin(HTTP_RESPONSE, (const uint8_t *)response, n));
    ck_assert(http_may_begin(HTTP_RESPONSE, (const uint8_t *)"HTTP/1.1 200\n", 13));
    ck_assert(http_may_begin(HTTP_RESPONSE, (const uint8_t *)"HTTP/1.1 200\r\n", 14));
}
END_TEST

START_TEST(a_message_does_not_begin_where_a_byte_contradicts_it)
{
    static const char *const not_requests[] = {
        " ",
        "\r\n",
        "{",
        "GET\r",
        "GET\t/",
        "GET / X\r",
        "GET / X HTTP/2",
        "GET / HTTP/1.0 HTTP/1.1x",
        "GET / HTTP/1.0 X\r",
        "GET / X HTTP/1.1x",
        "GET / X \x01",
        "GET * X",
        "GET / HTTP/2",
        "GET / HTTP/1.x",
        "GET / HTTP/1.1x",
        "GET / HTTP/1.1\rx",
        "GET /\r",
        "HTTP/1.1 200 OK",
        "a word or two",
        "0123456789abcdef0123456789abcdef0",
        "\x16\x03\x01",
        "GET  \n",
        "GET /\x7f",
    };
    static const char *const not_responses[] = {
        "h",
        "HTTP/2",
        "HTTP/1.x",
        "HTTP/1.1\r",
        "HTTP/1.1 2x",
        "HTTP/1.1 200x",
        "HTTP/1.1 2000",
        "HTTP/1.1 200\rx",
        "GET / HTTP/1.1",
        "\r\nHTTP",
    };
    for (size_t i = 0; i < ARRAY_LEN(not_requests); i++)
        ck_assert_msg(!http_may_begin(HTTP_REQUEST, (const uint8_t *)not_requests[i],
                                      strlen(not_requests[i])),
                      "%s", not_requests[i]);
    for (size_t i = 0; i < ARRAY_LEN(not_responses); i++)
        ck_assert_msg(!http_may_begin(HTTP_RESPONSE, (const uint8_t *)not_responses[i],
                                      strlen(not_responses[i])),
                      "%s", not_responses[i]);
}
END_TEST

static const uint8_t *scan_slowly(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= 0x21 && *p != ':' && *p != 0x7f)
        p++;
    return p;
}

START_TEST(a_scan_of_many_bytes_at_a_time_finds_what_one_by_one_does)
{
    uint8_t *bytes = malloc(64);
    size_t wrong = 0;
    ck_assert_ptr_nonnull(bytes);
    for (size_t at = 0; at < 64; at++)
        for (unsigned c = 0; c < 256; c++) {
            memset(bytes, 0xa1, 64);
            bytes[at] = (uint8_t)c;
            bytes[63 - at / 2] = ':';
            for (size_t from = 0; from <= 64; from++)
                for (size_t begin = from < 3 ? 0 : from - 3; begin <= from; begin++)
                    wrong += scan(bytes + begin, bytes + from, bytes + 64, 0x21, ':', 0x7f) !=
                             scan_slowly(bytes + from, bytes + 64);
        }
    ck_assert_uint_eq(wrong, 0);
    free(bytes);
}
END_TEST

START_TEST(controls_are_found_in_order_wherever_the_bytes_end)
{
    size_t wrong = 0;
    for (size_t len = 0; len <= 200; len++) {
        uint8_t *bytes = malloc(len + 1); /* so that a sanitizer sees what is read behind it */
        ck_assert_ptr_nonnull(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(rand() % 9 == 0 ? rand() % 0x20 : 0x20 + rand() % 0xe0);
        for (size_t from = 0; from <= len; from++) {
            struct scan_lines lines = {.begin = bytes, .end = bytes + len};
            scan_lines_load(&lines, bytes + from);
            for (size_t i = from; i <= len; i++) {
                size_t next = i;
                while (next < len && bytes[next] >= 0x20)
                    next++;
                wrong += scan_lines_next(&lines, bytes + i) != bytes + next;
                i += (size_t)rand() % 100;
            }
        }
        free(bytes);
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

static const char *any(const char *const *of, size_t n)
{
    return of[(size_t)rand() % n];
}

/* Puts lines together, good ones and, now and then, bad ones; returns the length. */
static size_t make_head(char *head, size_t room)
{
    static const char *const starts[] = {
        "GET /a?b=c HTTP/1.1",   "POST  /a b  HTTP/1.0 ",        "CONNECT h:443 HTTP/1.1", "x",
        "HTTP/1.1 200 All fine", "HTTP/1.0 404 None of that\tx", "HTTP/1.1 101",
    };
    static const char *const good[] = {
        "Host: shop.example",
        "Connection: x, close",
        "Connection: keep-alive",
        "Connection: Upgrade",
        "Content-Length: 123",
        "Upgrade: websocket",
        "X-A-Name-That-Is-Longer-Than-Sixteen-Bytes: v",
        "A: \x80\xff",
        "Fold: one\r\n \tand more",
        "Cookie: 0123456789012345678901234567890123456789012345678901234567890123456789",
    };
    static const char *const bad[] = {
        "Transfer-Encoding: chunked", /* good by itself */
        "transfer-encoding: a, chunked, b",
        "content-LENGTH:\t 5 , 5",
        "Tab\t: x",
        ": x",
        "No colon",
    };
    size_t len = 0;
    int n = rand() % 12;
    for (int i = -1; i <= n; i++) {
        const char *line = i == -1 ? any(starts, ARRAY_LEN(starts)) : any(good, ARRAY_LEN(good));
        if (i >= 0 && rand() % 30 == 0)
            line = any(bad, ARRAY_LEN(bad));
        int end = rand() % 100;
        len += (size_t)snprintf(head + len, room - len, "%s%s", i == n ? "" : line,
                                end == 0   ? "\r"
                                : end < 10 ? "\n"
                                           : "\r\n");
    }
    ck_assert_uint_lt(len, room);
    return len;
}

/* One byte, now and then. */
static void damage(uint8_t *bytes, size_t len)
{
    static const uint8_t odd[] = {'\0', '\r', '\n', '\t', ' ', ':', 0x0b, 0x1f, 0x7f, 0x80, 0xff};
    if (rand() % 4 == 0)
        bytes[(size_t)rand() % len] = odd[(size_t)rand() % ARRAY_LEN(odd)];
}

START_TEST(a_head_is_read_the_same_with_and_without_vector_instructions)
{
    unsigned faults = 0, heads = 20000;
    for (unsigned i = 0; i < heads; i++) {
        char text[2048];
        size_t len = make_head(text, sizeof(text));
        len -= rand() % 8 == 0 ? (size_t)rand() % len : 0;
        uint8_t *bytes = malloc(len);
        ck_assert_ptr_nonnull(bytes);
        memcpy(bytes, text, len);
        damage(bytes, len);
        struct http_framer f, plain;
        http_framer_init(&f, text[4] == '/' ? HTTP_RESPONSE : HTTP_REQUEST, NULL);
        plain = f;
        enum http_fault fault = http_head_parse(&f, bytes, len);
        ck_assert_int_eq(plain_http_head_parse(&plain, bytes, len), fault);
        ck_assert_mem_eq(&f.view, &plain.view, sizeof(f.view));
        faults += fault != HTTP_FAULT_NONE;
        free(bytes);
    }
    ck_assert_uint_gt(faults, heads / 10);
    ck_assert_uint_lt(faults, heads - heads / 10);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        the_parts_of_a_request_are_where_the_view_says,
        the_parts_of_a_response_are_where_the_view_says,
        a_target_may_hold_spaces_when_the_line_has_one_reading,
        the_connection_closes_when_the_sender_says_so_or_cannot_keep_it,
        a_change_of_protocol_is_seen_in_requests_and_responses,
        a_head_of_any_size_can_be_parsed_once_it_is_all_there,
        fields_are_found_in_order_by_name_and_never_in_the_body,
        a_message_may_begin_as_long_as_nothing_contradicts_it,
        a_message_does_not_begin_where_a_byte_contradicts_it,
        a_scan_of_many_bytes_at_a_time_finds_what_one_by_one_does,
        controls_are_found_in_order_wherever_the_bytes_end,
        a_head_is_read_the_same_with_and_without_vector_instructions,
    };
    return suite_of("http_head", tests, ARRAY_LEN(tests));
}
