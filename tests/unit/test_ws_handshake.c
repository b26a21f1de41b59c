/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "outputs/ws_handshake.h"

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* to the key below: RFC 6455, 1.3 */
#define START "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static struct ws_handshake sample(void)
{
    struct ws_handshake shake;
    ck_assert_int_eq(ws_handshake_with(&shake, (const uint8_t *)"the sample nonce"), 0);
    return shake;
}

START_TEST(the_key_of_the_rfc_is_answered_as_there)
{
    struct ws_handshake shake = sample();
    ck_assert_str_eq(shake.key, "dGhlIHNhbXBsZSBub25jZQ==");
    ck_assert_str_eq(shake.accept, ACCEPT);
}
END_TEST

START_TEST(every_handshake_has_a_key_of_its_own)
{
    struct ws_handshake a, b;
    ck_assert_int_eq(ws_handshake_init(&a), 0);
    ck_assert_int_eq(ws_handshake_init(&b), 0);
    ck_assert_uint_eq(strlen(a.key), WS_KEY_LEN);
    ck_assert_uint_eq(strlen(a.accept), WS_ACCEPT_LEN);
    ck_assert_str_ne(a.key, b.key);
}
END_TEST

START_TEST(the_request_asks_for_the_path_of_the_url)
{
    static const char wanted[] = "GET /in?x=1 HTTP/1.1\r\nHost: a:8080\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                 "Authorization: Basic dTpw\r\n\r\n";
    struct ws_handshake shake = sample();
    struct http_target target;
    struct buf out;
    struct err err;
    ck_assert_int_eq(http_target_parse_ws(&target, "ws://u:p@a:8080/in?x=1", &err), 0);
    buf_init(&out, sizeof(wanted) - 1);
    ck_assert_int_eq(ws_handshake_request(&shake, &target, &out), 0);
    ck_assert(span_eq(buf_span(&out), span_str(wanted)));
    buf_fini(&out);
    buf_init(&out, 100);
    ck_assert_int_lt(ws_handshake_request(&shake, &target, &out), 0);
    buf_fini(&out);
    http_target_fini(&target);
    ck_assert_int_eq(mem_used(MEM_OTHER) + mem_used(MEM_IO), 0);
}
END_TEST

/* The verdict on an answer, of which first the bytes up to cut are there; why is "" when agreed. */
static enum ws_agreement judge(const char *answer, size_t cut, char why[160], size_t *head_len)
{
    struct ws_handshake shake = sample();
    enum ws_agreement r = ws_handshake_answer(&shake, span_of(answer, cut), head_len);
    if (r == WS_UNDECIDED)
        r = ws_handshake_answer(&shake, span_str(answer), head_len);
    snprintf(why, 160, "%s", shake.why);
    return r;
}

START_TEST(an_answer_that_agrees_is_found_however_it_is_cut)
{
    static const char *const good[] = {
        START UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        "HTTP/1.1 101\r\nconnection: keep-alive, upgrade\r\nUPGRADE: WebSocket\r\n"
        "Server: x\r\nsec-websocket-accept:" ACCEPT "  \r\n\r\n",
        START "Upgrade: a\r\nUpgrade: b , websocket\r\nConnection: x\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: " ACCEPT "\n\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char bytes[512], why[160];
        size_t len = strlen(good[i]), head_len = 0;
        snprintf(bytes, sizeof(bytes), "%s\x89%c", good[i], 5); /* the first frame */
        for (size_t cut = 0; cut <= len; cut++) {
            head_len = 0;
            ck_assert_msg(judge(bytes, cut, why, &head_len) == WS_AGREED, "%zu %zu: %s", i, cut,
                          why);
            ck_assert_uint_eq(head_len, len);
        }
    }
}
END_TEST

START_TEST(an_answer_that_does_not_agree_is_refused_with_the_reason)
{
    static const struct {
        const char *answer, *why;
    } bad[] = {
        {START UPGRADE "\r\n", "Sec-WebSocket-Accept is not the answer to our key"},
        {START UPGRADE "Sec-WebSocket-Accept: x" ACCEPT "\r\n\r\n", "not the answer to our key"},
        {START UPGRADE "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n\r\n",
         "not the answer to our key"},
        {START "Connection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
         "does not upgrade"},
        {START "Upgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
         "does not upgrade"},
        {START "Upgrade: websockets\r\nConnection: Upgrade\r\n\r\n", "does not upgrade"},
        {START UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: x\r\n\r\n",
         "that nobody asked for"},
        {START UPGRADE "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Extensions: x\r\n\r\n",
         "that nobody asked for"},
        {"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "the server answers \"HTTP/1.1 302 Found\""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "the server answers \"HTTP/1.1 200 OK\""},
        {"GET / HTTP/1.1\r\n\r\n", "not HTTP/1.x"},
        {"HTTP/2 200\r\n\r\n", "not HTTP/1.x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        for (size_t cut = 0; cut <= strlen(bad[i].answer); cut++) {
            char why[160];
            size_t head_len;
            ck_assert_int_eq(judge(bad[i].answer, cut, why, &head_len), WS_REFUSED);
            ck_assert_msg(strstr(why, bad[i].why) != NULL, "%s", why);
        }
}
END_TEST

START_TEST(a_head_without_an_end_is_refused)
{
    static char answer[WS_ANSWER_MAX + 2];
    struct ws_handshake shake = sample();
    size_t head_len;
    memset(answer, 'x', sizeof(answer) - 1);
    memcpy(answer, START, strlen(START));
    ck_assert_int_eq(ws_handshake_answer(&shake, span_of(answer, 1000), &head_len), WS_UNDECIDED);
    ck_assert_int_eq(ws_handshake_answer(&shake, span_str(answer), &head_len), WS_REFUSED);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        the_key_of_the_rfc_is_answered_as_there,
        every_handshake_has_a_key_of_its_own,
        the_request_asks_for_the_path_of_the_url,
        an_answer_that_agrees_is_found_however_it_is_cut,
        an_answer_that_does_not_agree_is_refused_with_the_reason,
        a_head_without_an_end_is_refused,
    };
    return suite_of("ws_handshake", tests, ARRAY_LEN(tests));
}
