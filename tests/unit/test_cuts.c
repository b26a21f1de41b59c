/* SPDX-License-Identifier: MIT */
/* What comes out of a connection, and what is counted, does not depend on how its bytes were cut
 * into segments: valid requests, smuggling shapes, other protocols. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/segments.h"

#define BYTES(literal) (literal), sizeof(literal) - 1
#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST "POST /p HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
#define UPGRADE "GET /u HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

/* What a client sends, and what becomes of it. */
struct sample {
    const char *bytes;
    size_t len;
    size_t complete, malformed;
    enum book flow; /* BOOKS: an HTTP connection */
};

static const struct sample samples[] = {
    {BYTES(GET), 1, 0, BOOKS},
    {BYTES(GET GET GET), 3, 0, BOOKS},
    {BYTES("\r\n\n" GET "\r\n" GET), 2, 0, BOOKS},
    {BYTES(POST "Content-Length: 5\r\n\r\nhello" GET), 2, 0, BOOKS},
    {BYTES(CHUNKED "5;x=\"y\"\r\nhello\r\n0\r\nA: b\r\n\r\n" GET), 2, 0, BOOKS},
    {BYTES("GET /a b  c HTTP/1.1\nHost: x\n\n" GET), 2, 0, BOOKS},
    {BYTES("!#$%&'*+-.^_`|~0 * HTTP/1.1\r\nA: b\r\n c\r\n\r\n" GET), 2, 0, BOOKS},
    {BYTES(POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" GET), 2, 0, BOOKS},
    /* HTTP/0.9, and what is not */
    {BYTES("GET /\r\n"), 1, 0, BOOKS},
    {BYTES("GET /a?b\r\n\r\n"), 1, 0, BOOKS},
    {BYTES("GET /HTTP/1.1\r\nHost: x\r\n\r\n"), 0, 0, BOOK_FLOWS_OTHER},
    {BYTES(GET "GET /\r\n"), 1, 1, BOOKS},
    {BYTES("GET key\r\n"), 0, 0, BOOK_FLOWS_OTHER},
    {BYTES("POST /\r\n\r\n"), 0, 0, BOOK_FLOWS_OTHER},
    /* smuggling shapes: neither they nor what seems to follow */
    {BYTES(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED), 0, 1,
     BOOKS},
    {BYTES(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" SMUGGLED), 0, 1, BOOKS},
    {BYTES(CHUNKED "10000000000000000\r\n\r\n" SMUGGLED), 0, 1, BOOKS},
    {BYTES(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n" SMUGGLED), 0, 1, BOOKS},
    {BYTES(CHUNKED "5\r\nhelloxx0\r\n\r\n" SMUGGLED), 0, 1, BOOKS},
    {BYTES(POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" SMUGGLED), 0, 1, BOOKS},
    {BYTES(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" SMUGGLED), 0, 1, BOOKS},
    {BYTES(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SMUGGLED), 0, 1, BOOKS},
    {BYTES(POST "A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED), 0, 1, BOOKS},
    {BYTES(POST "A: b\0c\r\nContent-Length: 0\r\n\r\n" SMUGGLED), 0, 1, BOOKS},
    {BYTES("GET /a HTTP/1.0 HTTP/1.1\r\nHost: x\r\n\r\n" SMUGGLED), 0, 1, BOOKS},
    {BYTES(GET "garbage\r\n" SMUGGLED), 1, 1, BOOKS},
    {BYTES(GET "\x01\x02" SMUGGLED), 1, 1, BOOKS},
    /* other protocols */
    {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" SMUGGLED), 0, 0, BOOK_FLOWS_H2C},
    {BYTES(UPGRADE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" SMUGGLED), 1, 0, BOOK_FLOWS_H2C},
    {BYTES("CONNECT h:443 HTTP/1.1\r\n\r\n\x16\x03\x01" SMUGGLED), 1, 0, BOOKS},
    {BYTES("CONNECT h:22 HTTP/1.1\r\n\r\nSSH-2.0-x y\r\n" SMUGGLED), 1, 0, BOOKS},
    {BYTES("\x16\x03\x01\x02" SMUGGLED), 0, 0, BOOK_FLOWS_TLS},
    {BYTES("SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), 0, 0, BOOK_FLOWS_OTHER},
    {BYTES("USER anonymous\r\n"), 0, 0, BOOK_FLOWS_OTHER},
};

static const struct sample *sample;
static struct scene scene;

/* step 0: two segments, cut at first; else the segments behind first are of so many bytes. */
static void check_cut(size_t first, size_t step)
{
    scene = (struct scene){0};
    scene_begin(&scene);
    struct conn c = conn_of(1);
    conn_open(&scene, &c);
    for (size_t at = 0, end = first; at < sample->len; at = end, end += step ? step : sample->len) {
        end = end < sample->len ? end : sample->len;
        conn_send_bytes(&scene, &c, TO_SERVER, sample->bytes + at, end - at);
    }
    conn_fin(&scene, &c, TO_SERVER);
    conn_fin(&scene, &c, TO_CLIENT);
    ck_assert_msg(scene.n == sample->complete, "%zu requests, cut at %zu, step %zu: %s", scene.n,
                  first, step, sample->bytes);
    uint64_t malformed = scene_book(&scene, BOOK_REQ_MALFORMED);
    ck_assert_msg(malformed == sample->malformed, "%lu malformed, cut at %zu, step %zu: %s",
                  (unsigned long)malformed, first, step, sample->bytes);
    ck_assert_uint_eq(scene_book(&scene, BOOK_REQ_STARTED), sample->complete + sample->malformed);
    static const enum book kinds[] = {BOOK_FLOWS_TLS, BOOK_FLOWS_H2C, BOOK_FLOWS_OTHER};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        ck_assert_msg(scene_book(&scene, kinds[i]) == (kinds[i] == sample->flow),
                      "%s %lu, cut at %zu, step %zu: %s", book_name(kinds[i]),
                      (unsigned long)scene_book(&scene, kinds[i]), first, step, sample->bytes);
    for (size_t i = 0; i < scene.n; i++)
        ck_assert(!memmem(scene.msgs[i]->bytes, scene.msgs[i]->len, BYTES("/smuggled")));
    scene_end(&scene);
}

START_TEST(a_stream_has_the_same_outcome_wherever_it_is_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        sample = &samples[i];
        for (size_t cut = 1; cut <= sample->len; cut++)
            check_cut(cut, 0);
        for (size_t step = 1; step <= 3; step++)
            check_cut(step, step);
    }
}
END_TEST

START_TEST(a_long_first_line_has_the_same_outcome_wherever_it_is_cut)
{
    char *bytes = malloc(60000);
    ck_assert_ptr_nonnull(bytes);
    for (int valid = 0; valid <= 1; valid++) {
        memset(bytes, 'x', 60000);
        memcpy(bytes, "GET /", 5);
        memcpy(bytes + 60000 - 14, valid ? " HTTP/1.1\n\n\n\n" : " HTTP/3.3\n\n\n\n", 13);
        struct sample one = {bytes, 59999, (size_t)valid, (size_t)!valid, BOOKS};
        sample = &one;
        for (size_t cut = 1; cut < 300; cut++)
            check_cut(cut, 0);
        for (size_t cut = 300; cut < one.len; cut += 997)
            check_cut(cut, 0);
        for (size_t cut = one.len - 20; cut < one.len; cut++)
            check_cut(cut, 0);
    }
    free(bytes);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_stream_has_the_same_outcome_wherever_it_is_cut,
        a_long_first_line_has_the_same_outcome_wherever_it_is_cut,
    };
    return suite_of("cuts", tests, ARRAY_LEN(tests));
}
