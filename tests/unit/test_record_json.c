/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/record_json.h"
#include "tests/unit/messages.h"

#define BYTES_OF(literal) span_of((literal), sizeof(literal) - 1)
#define ID "000102030405060708090a0b"

static struct msg *of(enum msg_type type, struct span payload)
{
    struct msg *msg = msg_new(payload.len);
    ck_assert_ptr_nonnull(msg);
    ck_assert(msg_set_id(msg, span_str(ID)));
    msg->type = (uint8_t)type;
    msg->ts_ns = INT64_C(1700000000123456789);
    msg->latency_ns = -1;
    msg->len = payload.len;
    memcpy(msg->bytes, payload.ptr, payload.len);
    record_finish(msg);
    return msg;
}

/* NUL behind it. */
static char *written(const struct msg *msg)
{
    struct buf out;
    buf_init(&out, MIB);
    ck_assert_int_eq(record_json_write(&out, msg), 0);
    ck_assert_int_eq(buf_append(&out, "", 1), 0);
    char *text = strdup((const char *)buf_span(&out).ptr);
    buf_fini(&out);
    return text;
}

static void writes(enum msg_type type, const char *payload, const char *wanted)
{
    struct msg *msg = of(type, span_str(payload));
    char *text = written(msg);
    ck_assert_str_eq(text, wanted);
    free(text);
    msg_unref(msg);
}

START_TEST(gors_keys_come_first_and_as_gor_writes_them)
{
    writes(MSG_REQUEST,
           "POST /a?b=<&> HTTP/1.1\r\nhost: x\r\naccept: a\r\nAccept: b\r\n\r\n\"\\\n\r\t\x01é",
           "{\"Req_URL\":\"/a?b=\\u003c\\u0026\\u003e\",\"Req_Type\":\"1\",\"Req_ID\":\"" ID
           "\",\"Req_Ts\":\"1700000000123456789\",\"Req_Method\":\"POST\",\"Req_Body\":"
           "\"\\\"\\\\\\n\\r\\t\\u0001é\",\"Req_Headers\":{\"Accept\":\"a, b\",\"Host\":\"x\"},"
           "\"Req_Latency\":\"-1\",\"Req_Proto\":\"HTTP/1.1\",\"Req_Lines\":[\"host: x\","
           "\"accept: a\",\"Accept: b\"]}");
    writes(MSG_RESPONSE, "HTTP/1.0 404 Not here\r\n\r\n",
           "{\"Req_URL\":\"\",\"Req_Type\":\"2\",\"Req_ID\":\"" ID
           "\",\"Req_Ts\":\"1700000000123456789\",\"Req_Method\":\"HTTP/1.0\",\"Req_Latency\":"
           "\"-1\",\"Req_Proto\":\"HTTP/1.0\",\"Req_Status\":\"404 Not here\",\"Req_Lines\":[]}");
    writes(MSG_REQUEST, "GET / HTTP/1.1\n\n\xff",
           "{\"Req_URL\":\"/\",\"Req_Type\":\"1\",\"Req_ID\":\"" ID
           "\",\"Req_Ts\":\"1700000000123456789\",\"Req_Method\":\"GET\",\"Req_Body\":\"/w==\","
           "\"Req_Latency\":\"-1\",\"Req_Head\":\"R0VUIC8gSFRUUC8xLjEKCg==\","
           "\"Req_Body_Base64\":true}");
}
END_TEST

static void comes_back(enum msg_type type, struct span payload)
{
    struct msg *msg = of(type, payload), *again = NULL;
    ck_assert(endpoint_parse(span_str("10.0.0.1:1234"), &msg->src));
    ck_assert(endpoint_parse(span_str("[::1]:80"), &msg->dst));
    msg_set_conn(msg);
    char *text = written(msg);
    ck_assert_int_eq(record_json_read(span_str(text), &again), RECORD_MSG);
    ck_assert(span_eq(msg_payload(msg), msg_payload(again)));
    ck_assert(span_eq(msg_id(msg), msg_id(again)));
    ck_assert(endpoint_eq(&msg->src, &again->src) && endpoint_eq(&msg->dst, &again->dst));
    ck_assert_int_eq(msg->ts_ns, again->ts_ns);
    ck_assert_int_eq(msg->latency_ns, again->latency_ns);
    ck_assert_uint_eq(msg->type, again->type);
    ck_assert_uint_eq(msg->conn, again->conn);
    ck_assert_uint_eq(msg->http.head_len, again->http.head_len);
    free(text);
    msg_unref(again);
    msg_unref(msg);
}

START_TEST(every_message_comes_back_to_the_byte)
{
    comes_back(MSG_REQUEST, BYTES_OF("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    comes_back(MSG_REQUEST, BYTES_OF("GET  /two HTTP/1.0\r\nHost:h \r\n\r\n"));
    comes_back(MSG_REQUEST, BYTES_OF("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"));
    comes_back(MSG_REQUEST, BYTES_OF("GET /old\r\n"));
    comes_back(MSG_REQUEST, BYTES_OF("\r\nGET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n"));
    comes_back(MSG_REQUEST, BYTES_OF("GET / HTTP/1.1\r\nX: \xe9\r\n\r\n"));
    comes_back(MSG_REQUEST, BYTES_OF("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\0b"));
    comes_back(MSG_REQUEST, BYTES_OF("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n\xff\xfe"));
    comes_back(MSG_REQUEST, BYTES_OF("\xe2\x80\xa8\xf0\x9f\x90\xb5 is no HTTP"));
    comes_back(MSG_RESPONSE, BYTES_OF("HTTP/1.1 200\r\nA: b\r\n\r\nx"));
    comes_back(MSG_RESPONSE, BYTES_OF("HTTP/1.1 200 \r\nA: b\r\n\r\nx"));
    comes_back(MSG_REPLAYED, BYTES_OF("HTTP/1.1 200 OK\nA: b\n\n\x80"));
    struct msg *cut = of(MSG_REQUEST, BYTES_OF("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"));
    ck_assert_uint_eq(cut->flags, MSG_CUT);
    msg_unref(cut);
}
END_TEST

START_TEST(what_gor_wrote_is_put_together_from_its_headers)
{
    struct msg *msg = NULL;
    ck_assert_int_eq(
        record_json_read(BYTES_OF("{\"Req_URL\":\"/x\",\"Req_Type\":\"1\",\"Req_ID\":\"ab\","
                                  "\"Req_Ts\":\"7\",\"Req_Method\":\"PUT\",\"Req_Body\":\"b\","
                                  "\"Req_Headers\":{\"Host\":\"h\",\"X\":[\"1\",\"2\"]}}"),
                         &msg),
        RECORD_MSG);
    ck_assert(
        span_eq(msg_payload(msg), span_str("PUT /x HTTP/1.1\r\nHost: h\r\nX: 1\r\nX: 2\r\n\r\nb")));
    ck_assert_int_eq(msg->ts_ns, 7);
    msg_unref(msg);
}
END_TEST

#define FRONT "{\"Req_Type\":\"1\",\"Req_ID\":\"ab\",\"Req_Ts\":\"7\","
#define GET "\"Req_Method\":\"GET\",\"Req_URL\":\"/\""

START_TEST(what_cannot_be_a_message_is_damaged)
{
    static const char *const texts[] = {
        "",
        "1 a",
        "null",
        "[]",
        "{}",
        "{\"Req_Type\":\"1\"",
        "{\"Req_Type\":1,\"Req_Ts\":\"7\"," GET "}",
        "{\"Req_Type\":\"4\",\"Req_Ts\":\"7\"," GET "}",
        "{\"Req_Type\":\"1\",\"Req_Ts\":\"x\"," GET "}",
        "{\"Req_Type\":\"1\"," GET "}",
        FRONT "\"Req_Method\":\"GET\"}",
        FRONT "\"Req_Method\":\"G T\",\"Req_URL\":\"/\"}",
        FRONT "\"Req_Method\":\"GET\",\"Req_URL\":\"/ HTTP/1.1\\r\\nX: y\"}",
        FRONT GET ",\"Req_Headers\":{\"A\":\"b\\r\\nX: y\"}}",
        FRONT GET ",\"Req_Headers\":{\"A b\":\"c\"}}",
        FRONT GET ",\"Req_Headers\":{\"A\":7}}",
        FRONT GET ",\"Req_Lines\":[\"A: b\",\"\",\"x\"]}",
        FRONT GET ",\"Req_Lines\":[\"A: b\\r\\nC: d\"]}",
        FRONT GET ",\"Req_Lines\":\"A: b\"}",
        FRONT GET ",\"Req_Proto\":\"HTTP/2\"}",
        FRONT GET ",\"Req_Body\":\"###=\",\"Req_Body_Base64\":true}",
        FRONT GET ",\"Req_Src\":\"nobody\"}",
        FRONT "\"Req_Head\":\"R0VU*\"}",
        FRONT "\"Req_Head\":\"\"}",
        "{\"Req_Type\":\"2\",\"Req_ID\":\"ab\",\"Req_Ts\":\"7\",\"Req_Method\":\"HTTP/1.1\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct msg *msg = NULL;
        ck_assert_msg(record_json_read(span_str(texts[i]), &msg) == RECORD_DAMAGED, "%s", texts[i]);
        ck_assert_ptr_null(msg);
    }
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    int64_t before_msg = mem_used(MEM_MSG), before_io = mem_used(MEM_IO);
    for (uint64_t n = 1; n < 40; n++) {
        struct msg *msg = of(MSG_REQUEST, BYTES_OF("GET / HTTP/1.1\r\nB: c\r\nA: b\r\n\r\n\xff"));
        struct msg *again = NULL;
        struct buf out;
        buf_init(&out, MIB);
        mem_fail_at(n);
        int r = record_json_write(&out, msg);
        ck_assert(r == 0 || r == -ENOMEM);
        enum record_result got = r < 0 ? RECORD_DAMAGED : record_json_read(buf_span(&out), &again);
        ck_assert(r < 0 || got == RECORD_MSG || got == RECORD_NO_MEMORY);
        mem_fail_at(0);
        ck_assert(n > 2 || r < 0); /* it was reached */
        msg_unref(again);
        msg_unref(msg);
        buf_fini(&out);
    }
    mem_thread_flush();
    ck_assert_int_eq(mem_used(MEM_MSG), before_msg);
    ck_assert_int_eq(mem_used(MEM_IO), before_io);
}
END_TEST

START_TEST(a_record_alone_is_checked_by_its_length_and_crc)
{
    struct msg *msg = NULL;
    static const char gors[] = "1 ab 7 8\nGET / HTTP/1.1\r\n\r\nx\n\xf0\x9f\x90\xb5";
    ck_assert_int_eq(record_alone(BYTES_OF(gors), &msg), RECORD_MSG);
    ck_assert_uint_eq(msg->len, strlen(gors) - 9);
    msg_unref(msg);
    static const char *const damaged[] = {"",
                                          "1 a",
                                          "1 a\n",
                                          "1 a 7\n",
                                          "1 ab 7 8 4 00000000 - -\nGET ",
                                          "1 ab 7 8 9 00000000 - -\nGET ",
                                          "x ab 7 8\nGET / HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(damaged); i++)
        ck_assert_int_eq(record_alone(span_str(damaged[i]), &msg), RECORD_DAMAGED);
}
END_TEST

/* A message's receipt, as an input makes it. */
static struct receipt *new_receipt(void)
{
    struct receipt *receipt = mem_zalloc(MEM_OTHER, sizeof(*receipt));
    ck_assert_ptr_nonnull(receipt);
    receipt_init(receipt);
    return receipt;
}

START_TEST(a_receipt_is_settled_when_the_last_of_a_message_is_gone)
{
    struct receipt *receipt = new_receipt();
    struct msg *msg = message(MSG_REQUEST, "1", "x");
    msg_set_receipt(msg, receipt);
    struct msg *changed = msg_like(msg, 10);
    ck_assert_ptr_nonnull(changed);
    ck_assert(!receipt_is_settled(receipt));
    msg_unref(msg);
    ck_assert(!receipt_is_settled(receipt));
    (void)msg_ref(changed);
    msg_unref(changed);
    ck_assert(!receipt_is_settled(receipt));
    msg_unref(changed);
    ck_assert(receipt_is_settled(receipt));
    ck_assert(!receipt_is_abandoned(receipt));
    receipt_unref(receipt);

    receipt = new_receipt(); /* and its input may be gone before */
    msg = message(MSG_REQUEST, "1", "x");
    msg_set_receipt(msg, receipt);
    receipt_abandon(msg->receipt);
    ck_assert(receipt_is_abandoned(receipt));
    receipt_unref(receipt);
    msg_unref(msg);
    mem_thread_flush();
    ck_assert_int_eq(mem_used(MEM_OTHER), 0);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        gors_keys_come_first_and_as_gor_writes_them,
        every_message_comes_back_to_the_byte,
        what_gor_wrote_is_put_together_from_its_headers,
        what_cannot_be_a_message_is_damaged,
        every_allocation_may_fail,
        a_record_alone_is_checked_by_its_length_and_crc,
        a_receipt_is_settled_when_the_last_of_a_message_is_gone,
    };
    return suite_of("record_json", tests, ARRAY_LEN(tests));
}
