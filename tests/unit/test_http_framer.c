/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/http.h"

#define BYTES(literal) (literal), sizeof(literal) - 1
#define CRLF2 "\r\n\r\n"
#define POST "POST /p HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked" CRLF2
#define OK200 "HTTP/1.1 200 OK\r\n"
#define MAX_HEAD 600

/* What becomes of a message, and of the connection's end if the message goes on. */
struct outcome {
    enum http_verdict verdict, closed;
    enum http_fault fault;
    size_t total;
    struct http_view view;
};

struct vector {
    const char *bytes;
    size_t len;
    enum http_verdict verdict;
    enum http_fault fault;
    size_t behind; /* bytes that are not part of the message, or come at or after the fault */
};

#define DONE(literal)                                                                              \
    {                                                                                              \
        BYTES(literal), HTTP_DONE, HTTP_FAULT_NONE, 0                                              \
    }
#define DONE_BUT(behind, literal)                                                                  \
    {                                                                                              \
        BYTES(literal), HTTP_DONE, HTTP_FAULT_NONE, behind                                         \
    }
#define MORE(literal)                                                                              \
    {                                                                                              \
        BYTES(literal), HTTP_MORE, HTTP_FAULT_NONE, 0                                              \
    }
#define BAD(fault, literal)                                                                        \
    {                                                                                              \
        BYTES(literal), HTTP_BAD, HTTP_FAULT_##fault, 0                                            \
    }
#define BAD_BUT(behind, fault, literal)                                                            \
    {                                                                                              \
        BYTES(literal), HTTP_BAD, HTTP_FAULT_##fault, behind                                       \
    }

static const struct vector requests[] = {
    /* start lines */
    DONE("GET / HTTP/1.1\r\n\r\n"),
    DONE("GET / HTTP/1.0\r\n\r\n"),
    DONE("GET / HTTP/1.9\r\n\r\n"),
    DONE("GET / HTTP/1.1\n\n"),
    DONE("GET / HTTP/1.1\r\nHost: h\n\r\n"),
    DONE("GET / HTTP/1.1\nHost: h\r\n\n"),
    DONE("\r\nGET / HTTP/1.1\r\n\r\n"),
    DONE("\r\n\n\r\n\nGET / HTTP/1.1\r\n\r\n"),
    DONE("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n\r\n"),
    DONE("get * HTTP/1.1\r\n\r\n"),
    DONE("OPTIONS * HTTP/1.1\r\n\r\n"),
    DONE("CONNECT h:443 HTTP/1.1\r\n\r\n"),
    DONE("GET http://h/p?q#f HTTP/1.1\r\n\r\n"),
    DONE("GET /\xc3\xa4|{}\"<>\\^` HTTP/1.1\r\n\r\n"),
    DONE("GET   /   HTTP/1.1  \r\n\r\n"),
    DONE_BUT(15, "GET / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1"),
    DONE_BUT(4, "GET / HTTP/1.1\n\nabcd"),
    MORE("GET / HTTP/1.1\r\n"),
    MORE("GET / HTTP/1.1\r\nHost: h\r\n"),
    MORE("GET / HTTP/1.1\r\nHost: h\r\n\r"),
    MORE("\r\n\r\n"),
    MORE("G"),
    BAD(START_LINE, "GET /\r\n\r\n"),
    BAD(START_LINE, "GET / HTTP/2.0\r\n\r\n"),
    BAD_BUT(8, START_LINE, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\r\n"),
    BAD(START_LINE, "GET / HTTP/1\r\n\r\n"),
    BAD(START_LINE, "GET / HTTP/1.\r\n\r\n"),
    BAD(START_LINE, "GET / HTTP/1.x\r\n\r\n"),
    BAD(START_LINE, "GET / HTTP/1.10\r\n\r\n"),
    BAD(START_LINE, "GET / http/1.1\r\n\r\n"),
    DONE("GET /a b HTTP/1.1\r\n\r\n"),
    DONE("GET /a  b  HTTP c   HTTP/1.1  \r\n\r\n"),
    BAD(START_LINE, "GET a b HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET /a b\r\n\r\n"),
    BAD(START_LINE, "GET /a b HTTP/2.0\r\n\r\n"),
    BAD(START_LINE, "GET /a bHTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET /a\tb c HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET /a HTTP/1.0 HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET /a HTTP/1.1 b HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET /a HTTP/1.1 b\r\n\r\n"),
    BAD(START_LINE, "GET\t/ HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET /\t HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET /\x01 HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET /\x7f HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET /\0 HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET  HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, " GET / HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "G(T / HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "GET / HTTP/1.1\rX: y\r\n\r\n"),
    BAD(START_LINE, "\rGET / HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "\r\r\nGET / HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "HTTP/1.1 200 OK\r\n\r\n"),
    BAD(START_LINE, "\x16\x03\x01\n\n"),
    /* field lines */
    DONE("GET / HTTP/1.1\r\nA:\r\nB: \r\nC:x\r\nD:\t x \t\r\n\r\n"),
    DONE("GET / HTTP/1.1\r\nA: b\r\n c\r\n\td\r\nE: f\r\n\r\n"),
    DONE("GET / HTTP/1.1\r\nA: b\n c\n\n"),
    DONE("GET / HTTP/1.1\r\nA: \xff\x80\x01\t:\r\n\r\n"),
    DONE("GET / HTTP/1.1\r\nA[0]: b\r\n\xc3\xa4: c\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nHost : h\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nHost\t: h\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nHo st: h\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nHo\x01st: h\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nHo\x7fst: h\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nHost\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\n: h\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nA: b\rc: d\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nA: b\r\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nA: b\r\n c\rd\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nA: b\r\n\r\r\n\r\n"),
    BAD(FIELD, "GET / HTTP/1.1\r\nA: b\r\n\rC: d\r\n\r\n"),
    /* Content-Length */
    DONE(POST "Content-Length: 5\r\n\r\nhello"),
    DONE(POST "content-LENGTH:5\r\n\r\nhello"),
    DONE(POST "Content-Length: 0\r\n\r\n"),
    DONE(POST "Content-Length: 0005 \t\r\n\r\nhello"),
    DONE(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    DONE(POST "Content-Length: 5, 5 ,5\r\n\r\nhello"),
    DONE_BUT(2, POST "Content-Length: 5\r\n\r\nhello\r\n"),
    DONE("GET / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx"),
    MORE(POST "Content-Length: 5\r\n\r\nhell"),
    MORE(POST "Content-Length: 9223372036854775807\r\n\r\nhello"),
    BAD(LENGTH, POST "Content-Length: 9223372036854775808\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: 18446744073709551621\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: 99999999999999999999999999\r\n\r\n"),
    BAD_BUT(5, LENGTH, POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    BAD_BUT(5, LENGTH, POST "Content-Length: 5, 6\r\n\r\nhello"),
    BAD(LENGTH, POST "Content-Length: 5,\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: ,5\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: 5,,5\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length:\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: +5\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: -5\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: 0x5\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: 5 5\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: 5;\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: 5\x0b\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: \r\n 5\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: 5\r\n 5\r\n\r\n"),
    BAD(LENGTH, POST "Content-Length: 5\r\n \r\n\r\n"),
    BAD(FIELD, POST "Content-Length : 5\r\n\r\n"),
    /* Transfer-Encoding */
    DONE(CHUNKED "0\r\n\r\n"),
    DONE(CHUNKED "5\r\nhello\r\n0\r\n\r\n"),
    DONE(POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n"),
    DONE(POST "Transfer-Encoding:chunked \t\r\n\r\n0\r\n\r\n"),
    DONE(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    DONE(POST "Transfer-Encoding: gzip;q=1, chunked\r\n\r\n0\r\n\r\n"),
    DONE(POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD(TE_AND_CL, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(TE_AND_CL, POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    BAD(TE_AND_CL, POST "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: gzip\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: identity\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: chunked, gzip\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: chunked, chunked\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: xchunked\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: chunked;a=b\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: chunked,\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: , chunked\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: \x0b"
                       "chunked\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: chunked\x0c\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: \"chunked\"\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding: chun ked\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding:\r\n\r\n"),
    BAD(ENCODING, POST "Transfer-Encoding:\r\n chunked\r\n\r\n"),
    BAD(ENCODING, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(FIELD, POST "Transfer-Encoding : chunked\r\n\r\n"),
    BAD(FIELD, POST "Transfer-Encoding\r\n: chunked\r\n\r\n"),
    BAD(FIELD, POST "X: y\rTransfer-Encoding: chunked\r\n\r\n"),
    /* chunks */
    DONE(CHUNKED "5\nhello\n0\n\n"),
    DONE(CHUNKED "00000000000000000000005\r\nhello\r\n000\r\n\r\n"),
    DONE(CHUNKED "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"),
    DONE(CHUNKED "5;a=b;c=\"d;\\\"e\"\r\nhello\r\n0;x\r\n\r\n"),
    DONE(CHUNKED "5 \t;a\r\nhello\r\n0 \r\n\r\n"),
    DONE(CHUNKED "2\r\n\r\n\r\n0\r\n\r\n"),
    DONE(CHUNKED "0\r\nA: b\r\nC: d\r\n e\r\n\r\n"),
    DONE(CHUNKED "0\r\nA:\n\n"),
    DONE_BUT(5, CHUNKED "0\r\n\r\nGET /"),
    MORE(CHUNKED),
    MORE(CHUNKED "5"),
    MORE(CHUNKED "5\r\nhello"),
    MORE(CHUNKED "5\r\nhello\r\n0\r\n"),
    MORE(CHUNKED "5\r\nhello\r\n0\r\n\r"),
    MORE(CHUNKED "7fffffffffffffff\r\nhello"),
    BAD_BUT(1, CHUNK, CHUNKED "\n"),
    BAD_BUT(3, CHUNK, CHUNKED ";\r\n"),
    BAD_BUT(3, CHUNK, CHUNKED "g\r\n"),
    BAD_BUT(4, CHUNK, CHUNKED "-1\r\n"),
    BAD_BUT(4, CHUNK, CHUNKED "+1\r\n"),
    BAD_BUT(4, CHUNK, CHUNKED " 1\r\n"),
    BAD_BUT(4, CHUNK, CHUNKED "0x5\r\n"),
    BAD_BUT(3, CHUNK, CHUNKED "5 5\r\n"),
    BAD_BUT(5, CHUNK, CHUNKED "1_0\r\nx"),
    BAD_BUT(3, CHUNK, CHUNKED "8000000000000000\r\n"),
    BAD_BUT(3, CHUNK, CHUNKED "10000000000000005\r\n"),
    BAD_BUT(5, CHUNK, CHUNKED "5\rhello"),
    BAD_BUT(3, CHUNK, CHUNKED "5;a\rb\r\n"),
    BAD_BUT(8, CHUNK, CHUNKED "5\r\nhello60\r\n\r\n\r\n"),
    BAD_BUT(3, CHUNK, CHUNKED "5\r\nhello\r0\r\n"),
    BAD_BUT(7, CHUNK, CHUNKED "5\r\nhello\r\n\r\n0\r\n\r\n"),
    BAD_BUT(15, FIELD, CHUNKED "0\r\nGET / HTTP/1.1\r\n\r\n"),
    BAD_BUT(7, FIELD, CHUNKED "0\r\n A: b\r\n"),
    BAD_BUT(6, FIELD, CHUNKED "0\r\nA : b\r\n"),
    BAD_BUT(2, FIELD, CHUNKED "0\r\nA\r\n"),
    BAD_BUT(3, FIELD, CHUNKED "0\r\nA: b\rc\r\n"),
    BAD_BUT(3, FIELD, CHUNKED "0\r\n\rA\r\n"),
};

static const struct vector responses[] = {
    MORE(OK200 "\r\n"),
    MORE(OK200 "\r\nbody without end"),
    MORE("HTTP/1.0 200\r\n\r\n"),
    MORE("HTTP/1.1 200 \r\n\r\n"),
    MORE("HTTP/1.1 999 \xc3\xa4 b\tc\r\n\r\n"),
    MORE(OK200 "Transfer-Encoding: gzip\r\n\r\nabc"),
    MORE(OK200 "Transfer-Encoding: chunked, gzip\r\n\r\nabc"),
    DONE(OK200 "Content-Length: 5\r\n\r\nhello"),
    DONE(OK200 "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    DONE("\r\n" OK200 "Content-Length: 0\r\n\r\n"),
    DONE("HTTP/1.1 100 Continue\r\n\r\n"),
    DONE("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n"),
    DONE("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    DONE("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
    DONE("HTTP/1.1 304 Not Modified\r\nContent-Length: 5, 6\r\n\r\n"),
    DONE_BUT(3, "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\nHTT"),
    BAD(TE_AND_CL, OK200 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(ENCODING, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(ENCODING, OK200 "Transfer-Encoding: chunked, chunked\r\n\r\n"),
    BAD(ENCODING, OK200 "Transfer-Encoding: chunked;x, gzip\r\n\r\n"),
    BAD(LENGTH, OK200 "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    BAD(FIELD, OK200 "Content-Length : 5\r\n\r\n"),
    BAD(START_LINE, "HTTP/1.1 20 OK\r\n\r\n"),
    BAD(START_LINE, "HTTP/1.1 099 OK\r\n\r\n"),
    BAD(START_LINE, "HTTP/1.1 2000 OK\r\n\r\n"),
    BAD(START_LINE, "HTTP/1.1 2x0 OK\r\n\r\n"),
    BAD(START_LINE, "HTTP/1.1  200 OK\r\n\r\n"),
    BAD(START_LINE, "HTTP/1.1\r\n\r\n"),
    BAD(START_LINE, "HTTP/2 200\r\n\r\n"),
    BAD(START_LINE, "ICY 200 OK\r\n\r\n"),
    BAD(START_LINE, "GET / HTTP/1.1\r\n\r\n"),
};

/* An answer's body depends on what was asked. */
static const struct vector head_responses[] = {
    DONE(OK200 "Content-Length: 5\r\n\r\n"),
    DONE(OK200 "Transfer-Encoding: chunked\r\n\r\n"),
    DONE_BUT(4, "HTTP/1.1 404 Not Found\r\n\r\nHTTP"),
};
static const struct vector connect_responses[] = {
    DONE_BUT(3, OK200 "Content-Length: 5\r\n\r\n\x16\x03\x01"),
    DONE("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno"),
    MORE("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
};

static bool same_view(const struct http_view *a, const struct http_view *b)
{
    return a->head_len == b->head_len && a->start_off == b->start_off &&
           a->fields_off == b->fields_off && a->target_off == b->target_off &&
           a->target_len == b->target_len && a->method_len == b->method_len &&
           a->status == b->status && a->minor == b->minor && a->body == b->body &&
           a->close == b->close && a->upgrade == b->upgrade && a->length == b->length;
}

static bool same_outcome(const struct outcome *a, const struct outcome *b)
{
    return a->verdict == b->verdict && a->closed == b->closed && a->fault == b->fault &&
           a->total == b->total && same_view(&a->view, &b->view);
}

/* A copy in a block of exactly that size, so that the sanitizer sees any byte read beyond it. */
static uint8_t *exact(const void *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, n);
    return copy;
}

static enum http_verdict feed_piece(struct http_framer *f, const uint8_t *bytes, size_t off,
                                    size_t n, size_t *used)
{
    uint8_t *piece = exact(bytes + off, n);
    enum http_verdict v = http_framer_feed(f, piece, n, used);
    free(piece);
    ck_assert_uint_le(*used, n);
    if (v != HTTP_HEAD)
        return v;
    ck_assert_uint_eq(f->head_len, off + *used);
    uint8_t *head = exact(bytes, f->head_len);
    v = http_framer_head(f, head, f->head_len);
    free(head);
    return v;
}

/* The first piece has first bytes, the others step. */
static struct outcome frame(enum http_kind kind, const char *method, const struct vector *vector,
                            size_t first, size_t step)
{
    struct http_framer f;
    struct outcome out = {0};
    size_t off = 0, used;
    http_framer_init(&f, kind, &(struct http_limits){.max_head = MAX_HEAD});
    if (method)
        http_framer_answers(&f, span_str(method));
    for (size_t end = first; out.verdict == HTTP_MORE && off < vector->len; end += step) {
        end = end < vector->len ? end : vector->len;
        while (off < end && out.verdict == HTTP_MORE) {
            out.verdict = feed_piece(&f, (const uint8_t *)vector->bytes, off, end - off, &used);
            off += used;
        }
    }
    ck_assert_uint_eq(off, f.head_len + f.body_len);
    out.total = off;
    out.view = f.view;
    out.fault = f.fault;
    out.closed = http_framer_close(&f);
    return out;
}

static void check_outcome(const struct outcome *got, const struct vector *want)
{
    ck_assert_msg(got->verdict == want->verdict && got->fault == want->fault &&
                      got->total == want->len - want->behind,
                  "verdict %d, fault %s, total %zu of %zu for:\n%s", got->verdict,
                  http_fault_text(got->fault), got->total, want->len, want->bytes);
}

static void check_vector(enum http_kind kind, const char *method, const struct vector *v)
{
    struct outcome whole = frame(kind, method, v, v->len, 1);
    check_outcome(&whole, v);
    for (size_t cut = 0; cut <= v->len; cut++) {
        struct outcome o = frame(kind, method, v, cut, v->len);
        ck_assert_msg(same_outcome(&o, &whole), "cut at %zu:\n%s", cut, v->bytes);
    }
    for (size_t step = 1; step <= 3; step++) {
        struct outcome o = frame(kind, method, v, step, step);
        ck_assert_msg(same_outcome(&o, &whole), "pieces of %zu:\n%s", step, v->bytes);
    }
}

START_TEST(every_request_has_its_verdict_wherever_it_is_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        check_vector(HTTP_REQUEST, NULL, &requests[i]);
}
END_TEST

START_TEST(every_response_has_its_verdict_wherever_it_is_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(responses); i++)
        check_vector(HTTP_RESPONSE, NULL, &responses[i]);
}
END_TEST

START_TEST(the_method_that_was_asked_rules_the_body_of_the_answer)
{
    for (size_t i = 0; i < ARRAY_LEN(head_responses); i++)
        check_vector(HTTP_RESPONSE, "HEAD", &head_responses[i]);
    for (size_t i = 0; i < ARRAY_LEN(connect_responses); i++)
        check_vector(HTTP_RESPONSE, "CONNECT", &connect_responses[i]);
    for (size_t i = 0; i < ARRAY_LEN(responses); i++)
        check_vector(HTTP_RESPONSE, "GET", &responses[i]);
}
END_TEST

START_TEST(the_shorthand_for_whole_messages_agrees_with_the_framer)
{
    for (size_t i = 0; i < ARRAY_LEN(requests) + ARRAY_LEN(responses); i++) {
        bool request = i < ARRAY_LEN(requests);
        const struct vector *v = request ? &requests[i] : &responses[i - ARRAY_LEN(requests)];
        enum http_kind kind = request ? HTTP_REQUEST : HTTP_RESPONSE;
        struct outcome want = frame(kind, NULL, v, v->len, 1);
        struct http_view view, head_view;
        size_t total = 0;
        uint8_t *bytes = exact(v->bytes, v->len);
        ck_assert_int_eq(http_frame(kind, bytes, v->len, &view, &total), want.verdict);
        if (want.verdict == HTTP_DONE)
            ck_assert_uint_eq(total, want.total);
        ck_assert(same_view(&view, &want.view));
        ck_assert(http_parse_head(kind, bytes, v->len, &head_view) == (want.view.head_len > 0));
        if (want.view.head_len > 0)
            ck_assert(same_view(&head_view, &want.view));
        free(bytes);
    }
}
END_TEST

START_TEST(a_message_resumed_behind_its_head_ends_where_it_would_have)
{
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct vector *v = &requests[i];
        struct outcome want = frame(HTTP_REQUEST, NULL, v, v->len, 1);
        struct http_framer f;
        size_t used = 0;
        if (want.view.head_len == 0)
            continue;
        enum http_verdict verdict = http_framer_resume(&f, HTTP_REQUEST, &want.view);
        if (verdict == HTTP_MORE)
            verdict = http_framer_feed(&f, (const uint8_t *)v->bytes + f.head_len,
                                       v->len - f.head_len, &used);
        ck_assert_int_eq(verdict, want.verdict);
        ck_assert_uint_eq(f.head_len + used, want.total);
        ck_assert_int_eq(f.fault, want.fault);
    }
}
END_TEST

START_TEST(the_end_of_the_connection_ends_only_what_is_read_until_close)
{
    static const struct {
        const char *bytes;
        enum http_verdict verdict;
    } ends[] = {
        {OK200 "\r\n", HTTP_DONE},
        {OK200 "\r\nabc", HTTP_DONE},
        {OK200 "Content-Length: 5\r\n\r\nhello", HTTP_DONE},
        {OK200 "Content-Length: 5\r\n\r\nhell", HTTP_BAD},
        {OK200 "Transfer-Encoding: chunked\r\n\r\n0\r\n", HTTP_BAD},
        {OK200, HTTP_BAD},
        {"H", HTTP_BAD},
        {"\r\n", HTTP_MORE},
        {"", HTTP_MORE},
    };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct vector v = {.bytes = ends[i].bytes, .len = strlen(ends[i].bytes)};
        struct outcome o = frame(HTTP_RESPONSE, NULL, &v, v.len, 1);
        ck_assert_int_eq(o.closed, ends[i].verdict);
    }
}
END_TEST

START_TEST(a_head_or_trailer_beyond_the_limit_is_bad_and_one_at_the_limit_is_not)
{
    for (int over = 0; over <= 1; over++) {
        char head[MAX_HEAD + 2];
        memset(head, 'x', sizeof(head));
        memcpy(head, BYTES("GET / HTTP/1.1\r\nA: "));
        memcpy(head + MAX_HEAD + over - 4, CRLF2, 4);
        struct vector v = {head, (size_t)(MAX_HEAD + over), HTTP_DONE, HTTP_FAULT_NONE, 0};
        if (over)
            v = (struct vector){head, MAX_HEAD + 1, HTTP_BAD, HTTP_FAULT_HEAD_TOO_BIG, 1};
        check_vector(HTTP_REQUEST, NULL, &v);

        char trailer[2 * MAX_HEAD] = CHUNKED "0\r\n";
        size_t start = strlen(trailer), end = start + MAX_HEAD + (size_t)over;
        memset(trailer + start, 'x', MAX_HEAD + 1);
        memcpy(trailer + start, "A: ", 3);
        memcpy(trailer + end - 4, CRLF2, 4);
        v = (struct vector){trailer, end, HTTP_DONE, HTTP_FAULT_NONE, 0};
        if (over)
            v = (struct vector){trailer, end, HTTP_BAD, HTTP_FAULT_HEAD_TOO_BIG, 1};
        check_vector(HTTP_REQUEST, NULL, &v);
    }
}
END_TEST

START_TEST(a_chunk_line_without_end_is_bad)
{
    char bytes[2 * MAX_HEAD] = CHUNKED "5;";
    size_t start = strlen(CHUNKED);
    memset(bytes + start + 2, 'x', MAX_HEAD);
    struct vector v = {bytes, start + MAX_HEAD + 2, HTTP_BAD, HTTP_FAULT_CHUNK, 2};
    check_vector(HTTP_REQUEST, NULL, &v);
}
END_TEST

START_TEST(empty_lines_without_end_are_bad)
{
    char bytes[MAX_HEAD + 2];
    memset(bytes, '\n', sizeof(bytes));
    struct vector v = {bytes, sizeof(bytes), HTTP_BAD, HTTP_FAULT_HEAD_TOO_BIG, 2};
    check_vector(HTTP_REQUEST, NULL, &v);
}
END_TEST

START_TEST(every_fault_has_a_text_of_its_own)
{
    for (int a = HTTP_FAULT_NONE; a <= HTTP_FAULT_TRUNCATED; a++)
        for (int b = a + 1; b <= HTTP_FAULT_TRUNCATED + 1; b++)
            ck_assert_str_ne(http_fault_text((enum http_fault)a),
                             http_fault_text((enum http_fault)b));
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        every_request_has_its_verdict_wherever_it_is_cut,
        every_response_has_its_verdict_wherever_it_is_cut,
        the_method_that_was_asked_rules_the_body_of_the_answer,
        the_shorthand_for_whole_messages_agrees_with_the_framer,
        a_message_resumed_behind_its_head_ends_where_it_would_have,
        the_end_of_the_connection_ends_only_what_is_read_until_close,
        a_head_or_trailer_beyond_the_limit_is_bad_and_one_at_the_limit_is_not,
        a_chunk_line_without_end_is_bad,
        empty_lines_without_end_are_bad,
        every_fault_has_a_text_of_its_own,
    };
    return suite_of("http_framer", tests, ARRAY_LEN(tests));
}
