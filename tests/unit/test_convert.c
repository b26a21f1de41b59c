/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/unit/messages.h"
#include "tools/curl.h"
#include "tools/har.h"
#include "tools/json_get.h"
#include "tools/json_line.h"
#include "tools/json_text.h"
#include "tools/moment.h"

static const char get[] = "GET /a?b=c HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\n\r\n";
static const char post[] = "POST /\xc3\xa4 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nt\"\\\n";
static const char binary[] = "PUT / HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\n\x01\xff\x7f";
static const char odd[] = "GET  / HTTP/1.1\nHost:h\n\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: t\r\nContent-Length: 2\r\n\r\nok";
static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "2\r\nok\r\n0\r\n\r\n";

/* A message with everything about it set. */
static struct msg *full(enum msg_type type, const char *payload)
{
    struct msg *msg = message(type, "id-1", payload);
    msg_parse_head(msg);
    msg->ts_ns = INT64_C(1700000000123456789);
    msg->latency_ns = -7;
    ck_assert(endpoint_parse(span_str("[::1]:80"), &msg->src));
    ck_assert(endpoint_parse(span_str("10.0.0.1:4000"), &msg->dst));
    return msg;
}

static void check_same(const struct msg *a, const struct msg *b)
{
    ck_assert_int_eq(a->type, b->type);
    ck_assert_int_eq(a->ts_ns, b->ts_ns);
    ck_assert_int_eq(a->latency_ns, b->latency_ns);
    ck_assert(span_eq(msg_id(a), msg_id(b)));
    ck_assert(endpoint_eq(&a->src, &b->src) && endpoint_eq(&a->dst, &b->dst));
    ck_assert(span_eq(msg_payload(a), msg_payload(b)));
}

/* The line without its LF. */
static struct span written(struct buf *buf, const struct msg *msg)
{
    buf_init(buf, MIB);
    ck_assert_int_eq(json_line_write(buf, msg), 0);
    struct span line = buf_span(buf);
    ck_assert_int_eq(line.ptr[line.len - 1], '\n');
    return span_of(line.ptr, line.len - 1);
}

START_TEST(a_message_comes_back_from_its_line_to_the_byte)
{
    static const char *const payloads[] = {get, post, binary, odd, "no HTTP", "\x01\xfe"};
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        struct msg *msg = full(MSG_REQUEST, payloads[i]), *back = NULL;
        struct buf buf;
        char why[WHY_MAX];
        ck_assert_msg(json_line_read(written(&buf, msg), &back, why) == 0, "%zu: %s", i, why);
        check_same(msg, back);
        buf_fini(&buf);
        msg_unref(msg);
        msg_unref(back);
    }
}
END_TEST

static int read_line(const char *line, char why[WHY_MAX])
{
    struct msg *msg = NULL;
    int r = json_line_read(span_str(line), &msg, why);
    msg_unref(msg);
    return r;
}

START_TEST(a_line_that_would_forge_something_is_refused_with_the_reason)
{
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"x", "no JSON"},
        {"[]", "no JSON object"},
        {"{}", "\"type\""},
        {"{\"type\":\"request\"}", "\"method\" or \"target\""},
        {"{\"type\":\"request\",\"method\":\"G T\",\"target\":\"/\"}", "no token"},
        {"{\"type\":\"request\",\"method\":\"GET\",\"target\":\"/\\r\\nX: 1\"}", "line end"},
        {"{\"type\":\"response\",\"status\":20}", "status"},
        {"{\"type\":\"request\",\"payload\":\"a=b=\",\"payload_base64\":true}", "base64"},
        {"{\"type\":\"request\",\"payload\":\"abc\",\"payload_base64\":true}", "base64"},
        {"{\"type\":\"request\",\"payload\":\"x\",\"time\":\"2026-13-01T00:00:00Z\"}", "\"time\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char why[WHY_MAX] = "";
        ck_assert_int_eq(read_line(cases[i].line, why), -EINVAL);
        ck_assert_msg(strstr(why, cases[i].why), "%s: %s", cases[i].line, why);
    }
}
END_TEST

/* Writes a line and reads it. */
static int through_line(const struct msg *msg, const struct msg *unused)
{
    struct msg *back = NULL;
    struct buf buf;
    char why[WHY_MAX];
    (void)unused;
    buf_init(&buf, MIB);
    int r = json_line_write(&buf, msg);
    if (r == 0)
        r = json_line_read(buf_span(&buf), &back, why);
    buf_fini(&buf);
    msg_unref(back);
    return r;
}

/* One request and its answer into a HAR, and out of it. */
static int through_har(const struct msg *request, const struct msg *response)
{
    struct msg *made[2] = {NULL, NULL};
    struct har_ids ids = {.n = 0};
    struct buf buf;
    json_error_t error;
    char why[WHY_MAX];
    buf_init(&buf, MIB);
    int r = har_write_entry(&buf, request, response);
    struct span text = buf_span(&buf);
    json_t *json = r == 0 ? json_get_all(text, &error, &r) : NULL;
    if (r == 0)
        r = har_read_entry(json, &ids, &made[0], &made[1], why);
    json_decref(json);
    buf_fini(&buf);
    if (r == 0)
        ck_assert(span_eq(msg_payload(made[0]), msg_payload(request)));
    msg_unref(made[0]);
    msg_unref(made[1]);
    return r;
}

static int through_curl(const struct msg *request, const struct msg *unused)
{
    (void)unused;
    struct buf buf;
    const char *why;
    struct msg *back = NULL;
    char text[WHY_MAX];
    buf_init(&buf, MIB);
    int r = curl_write(&buf, request, &why);
    if (r == 0)
        r = curl_read(buf_span(&buf), &back, text);
    if (r == 0)
        ck_assert(span_eq(msg_body(back), msg_body(request)));
    buf_fini(&buf);
    msg_unref(back);
    return r;
}

/* All entries of a document. */
static int through_document(const struct msg *unused, const struct msg *unused_too)
{
    static const char text[] =
        " {\"a\":[1,{\"b\":\"]}\"}],\"log\":{\"x\":null,\"entries\":[ {\"n\":1} ,"
        " \"two\\\"\", 3]}}";
    struct har_place place = {.state = HAR_BEGIN};
    struct err err = {.status = STATUS_DONE};
    struct text_in *in = text_in_of(span_str(text));
    struct span entry;
    int r = in ? 1 : -ENOMEM, n = 0;
    (void)unused;
    (void)unused_too;
    while (r > 0 && (r = har_next(in, &place, &entry, &err)) > 0)
        n++;
    text_in_free(in);
    if (r == 0)
        ck_assert_int_eq(n, 3);
    return r;
}

START_TEST(every_allocation_may_fail)
{
    static int (*const ways[])(const struct msg *, const struct msg *) = {
        through_line, through_har, through_curl, through_document};
    static const char *const payloads[] = {get, post, binary};
    json_get_own_memory();
    for (size_t way = 0; way < ARRAY_LEN(ways); way++) {
        for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
            struct msg *msg = full(MSG_REQUEST, payloads[i]);
            struct msg *response = full(MSG_RESPONSE, i % 2 ? answer : chunked);
            mem_thread_flush();
            int64_t before = mem_used(MEM_MSG);
            uint64_t n = 1;
            for (int r = -ENOMEM; r != 0; n++) {
                ck_assert_uint_lt(n, 1000);
                mem_fail_at(n);
                r = ways[way](msg, response);
                mem_fail_at(0);
                ck_assert_msg(r == 0 || r == -ENOMEM, "way %zu, payload %zu, allocation %u: %d",
                              way, i, (unsigned)n, r);
                mem_thread_flush();
                ck_assert_int_eq(mem_used(MEM_IO), 0);
                ck_assert_int_eq(mem_used(MEM_MSG), before);
            }
            ck_assert_uint_gt(n, 2);
            msg_unref(msg);
            msg_unref(response);
            mem_thread_flush();
            ck_assert_int_eq(mem_used(MEM_MSG), 0);
        }
    }
}
END_TEST

START_TEST(moments_are_exact_to_the_nanosecond)
{
    static const int64_t cases[] = {0,
                                    1,
                                    -1,
                                    999999999,
                                    INT64_C(1700000000123456789),
                                    INT64_MIN,
                                    INT64_MIN + 1,
                                    INT64_MAX,
                                    -NS_PER_S,
                                    -NS_PER_S - 1};
    char text[MOMENT_TEXT_MAX];
    int64_t ns;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = moment_format(text, cases[i], 9);
        ck_assert_msg(moment_parse(span_of(text, len), &ns) && ns == cases[i], "%s", text);
    }
    ck_assert(moment_parse(span_str("2026-11-21T09:30:00.5+01:00"), &ns));
    ck_assert_int_eq(ns, INT64_C(1795249800500000000));
    static const char *const bad[] = {"",
                                      "2026-11-21",
                                      "2026-11-21T09:30:00",
                                      "2026-11-21T09:30:00X",
                                      "2026-00-21T09:30:00Z",
                                      "2026-11-21T24:30:00Z",
                                      "9999-11-21T09:30:00Z",
                                      "2026-11-21T09:30:00Zz",
                                      "1677-01-01T00:00:00Z",
                                      "2262-12-01T00:00:00Z"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!moment_parse(span_str(bad[i]), &ns), "%s", bad[i]);
}
END_TEST

START_TEST(plain_text_is_utf8_without_control_bytes)
{
    static const struct {
        const char *text;
        bool plain;
    } cases[] = {{"", true},
                 {"a\t\r\n", true},
                 {"\xc3\xa4", true},
                 {"\xf0\x9f\x90\xb5", true},
                 {"\x1b", false},
                 {"\x7f", false},
                 {"\xc3", false},
                 {"\xc0\x80", false},
                 {"\xed\xa0\x80", false},
                 {"\xf4\x90\x80\x80", false},
                 {"\xff", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_msg(json_text_is_plain(span_str(cases[i].text)) == cases[i].plain, "%zu", i);
    ck_assert(!json_text_is_plain(span_of("a\0b", 3)));
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_message_comes_back_from_its_line_to_the_byte,
        a_line_that_would_forge_something_is_refused_with_the_reason,
        every_allocation_may_fail,
        moments_are_exact_to_the_nanosecond,
        plain_text_is_utf8_without_control_bytes,
    };
    return suite_of("convert", tests, ARRAY_LEN(tests));
}
