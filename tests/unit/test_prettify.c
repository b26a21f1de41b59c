/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "cmd/options_table.h"
#include "filters/filters.h"
#include "lib/buf.h"
#include "lib/coding.h"
#include "lib/mem.h"
#include "tests/unit/messages.h"

#define RESPONSE "HTTP/1.1 200 OK\r\n"
#define REQUEST "POST /a HTTP/1.1\r\nHost: x\r\n"
#define GZIP 31
#define ZLIB 15
#define RAW (-15)

static struct ledger *ledger;
static struct books *books;
static struct filter_chain *chain;
static struct options *options;

static void open_chain(void)
{
    static const struct filter_ops *const ops[] = {&filter_prettify};
    struct err err;
    ck_assert_int_eq(ledger_new(&ledger), 0);
    books = account_page(ledger_account(ledger, ACCOUNT_INPUT, "test"));
    ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    ck_assert_int_eq(options_set(options, "prettify-http", "true", OPTION_FROM_COMMAND_LINE, &err),
                     0);
    ck_assert_int_eq(filter_chain_new(&chain, ops, 1, options, &err), 0);
    filter_chain_count(chain, books);
}

static void close_chain(void)
{
    filter_chain_free(chain);
    options_free(options);
    ledger_free(ledger);
    ck_assert_int_eq(mem_used(MEM_OTHER) + mem_used(MEM_MSG) + mem_used(MEM_IO), 0);
}

static struct buf packed(int window, struct span text)
{
    struct buf out;
    z_stream zip = {.zalloc = NULL};
    buf_init(&out, 4 << 20);
    ck_assert_int_eq(deflateInit2(&zip, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(buf_reserve(&out, deflateBound(&zip, text.len)), 0);
    zip.next_in = (z_const Bytef *)text.ptr;
    zip.avail_in = (uInt)text.len;
    zip.next_out = buf_tail(&out);
    zip.avail_out = (uInt)buf_room(&out);
    ck_assert_int_eq(deflate(&zip, Z_FINISH), Z_STREAM_END);
    buf_commit(&out, buf_room(&out) - zip.avail_out);
    deflateEnd(&zip);
    return out;
}

static struct msg *message_of(const char *head, struct span body)
{
    struct msg *msg = msg_new(strlen(head) + body.len);
    msg->type = head[0] == 'H' ? MSG_RESPONSE : MSG_REQUEST;
    memcpy(msg->bytes, head, strlen(head));
    if (body.len > 0)
        memcpy(msg->bytes + strlen(head), body.ptr, body.len);
    msg->len = strlen(head) + body.len;
    msg_parse_head(msg);
    ck_assert_uint_gt(msg->http.head_len, 0);
    return msg;
}

/* wanted NULL: it stays as it was. */
static void expect(const char *head, struct span body, const char *wanted, size_t not_decoded)
{
    struct msg *msg = message_of(head, body);
    const struct msg *out = NULL;
    uint64_t before = book_get(books, BOOK_NOT_DECODED);
    enum verdict verdict = filter_chain_rewrite(chain, msg, &out);
    ck_assert_msg(verdict == (wanted ? VERDICT_REPLACE : VERDICT_PASS), "%s", head);
    if (wanted)
        ck_assert_msg(span_eq(msg_payload(out), span_str(wanted)), "%s became %.*s", head,
                      (int)out->len, (const char *)out->bytes);
    ck_assert_uint_eq(book_get(books, BOOK_NOT_DECODED) - before, not_decoded);
    if (wanted) {
        ck_assert_uint_eq(out->http.length, msg_body(out).len);
        ck_assert_int_eq(out->http.body, HTTP_BODY_LENGTH);
    }
    msg_unref(out);
    msg_unref(msg);
}

START_TEST(chunks_become_a_length)
{
    static const struct {
        const char *head, *body, *wanted;
    } cases[] = {
        {REQUEST "Transfer-Encoding: chunked\r\nX: 1\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n",
         REQUEST "Content-Length: 5\r\nX: 1\r\n\r\nhello"},
        {RESPONSE "A: 1\r\ntransfer-encoding: Chunked\r\n\r\n",
         "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n",
         RESPONSE "A: 1\r\nContent-Length: 5\r\n\r\nhello"},
        {RESPONSE "Trailer: T\r\nTransfer-Encoding: chunked\r\nTransfer: x\r\n\r\n",
         "5\nhello\n0\n\n", RESPONSE "Content-Length: 5\r\nTransfer: x\r\n\r\nhello"},
        {REQUEST "Transfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n",
         REQUEST "Content-Length: 0\r\n\r\n"},
        {RESPONSE "Transfer-Encoding: identity, chunked\r\n\r\n", "1\r\na\r\n0\r\n\r\n",
         RESPONSE "Content-Length: 1\r\n\r\na"},
    };
    open_chain();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(cases[i].head, span_str(cases[i].body), cases[i].wanted, 0);
    close_chain();
}
END_TEST

START_TEST(compressed_bodies_become_plain)
{
    static const char plain[] = "{\"a\":[1,2,3]}";
    static const struct {
        const char *coding;
        int window;
    } codings[] = {
        {"gzip", GZIP}, {"GZip", GZIP}, {"x-gzip", GZIP}, {"deflate", ZLIB}, {"deflate", RAW},
    };
    open_chain();
    for (size_t i = 0; i < ARRAY_LEN(codings); i++) {
        char head[256], wanted[256];
        struct buf body = packed(codings[i].window, span_str(plain));
        snprintf(head, sizeof(head),
                 REQUEST "Content-Encoding: %s\r\nContent-Length: %zu\r\nB: 2\r\n\r\n",
                 codings[i].coding, buf_span(&body).len);
        snprintf(wanted, sizeof(wanted), REQUEST "Content-Length: %zu\r\nB: 2\r\n\r\n%s",
                 strlen(plain), plain);
        expect(head, buf_span(&body), wanted, 0);
        buf_fini(&body);
    }
    close_chain();
}
END_TEST

START_TEST(brotli_is_undone_where_the_library_is_there)
{
    static const uint8_t brotli[] = {0x0b, 0x02, 0x80, 'h', 'e', 'l', 'l', 'o', 0x03};
    enum coding coding;
    bool known = coding_named(span_str("br"), &coding);
    open_chain();
    expect(RESPONSE "Content-Encoding: br\r\nContent-Length: 9\r\n\r\n",
           span_of(brotli, sizeof(brotli)),
           known ? RESPONSE "Content-Length: 5\r\n\r\nhello" : NULL, !known);
    expect(RESPONSE "Content-Encoding: br\r\nContent-Length: 8\r\n\r\n", span_of(brotli, 8), NULL,
           1);
    close_chain();
}
END_TEST

START_TEST(several_codings_are_undone_from_the_last)
{
    open_chain();
    struct buf inner = packed(ZLIB, span_str("hello")), outer = packed(GZIP, buf_span(&inner));
    char chunks[300];
    int n = snprintf(chunks, sizeof(chunks), "%zx\r\n", buf_span(&outer).len);
    memcpy(chunks + n, buf_span(&outer).ptr, buf_span(&outer).len);
    n += (int)buf_span(&outer).len;
    n += snprintf(chunks + n, sizeof(chunks) - (size_t)n, "\r\n0\r\n\r\n");
    const char *wanted = RESPONSE "Content-Length: 5\r\n\r\nhello";
    expect(RESPONSE "Content-Encoding: deflate, gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
           span_of(chunks, (size_t)n), wanted, 0);
    expect(RESPONSE "Content-Encoding: deflate\r\nContent-Encoding:\r\nContent-Encoding: gzip\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n",
           span_of(chunks, (size_t)n), wanted, 0);
    expect(RESPONSE "Content-Encoding: deflate\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
           span_of(chunks, (size_t)n), wanted, 0);
    /* a body that ends with its connection has no length yet */
    expect(RESPONSE "Content-Encoding: deflate, gzip\r\n\r\n", buf_span(&outer), wanted, 0);
    expect(RESPONSE "Content-Encoding: gzip, deflate\r\n\r\n", buf_span(&outer), NULL, 1);
    expect(RESPONSE "Content-Encoding: a,deflate, gzip\r\n\r\n", buf_span(&outer), NULL, 1);
    expect(RESPONSE "Content-Encoding: gzip,gzip,gzip,gzip,gzip\r\n\r\n", buf_span(&outer), NULL,
           1);
    buf_fini(&inner);
    buf_fini(&outer);
    close_chain();
}
END_TEST

START_TEST(what_needs_nothing_is_not_copied)
{
    open_chain();
    expect("GET / HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n", span_str(""), NULL, 0);
    expect(REQUEST "Content-Length: 5\r\n\r\n", span_str("hello"), NULL, 0);
    expect(REQUEST "Content-Length: 5\r\nContent-Encoding: identity\r\n\r\n", span_str("hello"),
           NULL, 0);
    /* the answer to HEAD tells how the body would have been */
    expect(RESPONSE "Content-Encoding: gzip\r\nContent-Length: 500\r\n\r\n", span_str(""), NULL, 0);
    expect(RESPONSE "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", span_str(""),
           NULL, 0);
    expect("HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n", span_str(""), NULL, 0);
    close_chain();
}
END_TEST

START_TEST(what_cannot_be_undone_stays_and_is_counted)
{
    open_chain();
    struct buf body = packed(GZIP, span_str("hello hello hello"));
    struct span all = buf_span(&body);
    const char *head = RESPONSE "Content-Encoding: gzip\r\n\r\n";
    for (size_t n = 1; n < all.len; n++)
        expect(head, span_of(all.ptr, n), NULL, 1);
    ck_assert_int_eq(buf_append(&body, "x", 1), 0);
    expect(head, buf_span(&body), NULL, 1);
    expect(head, span_str("no gzip"), NULL, 1);
    expect(RESPONSE "Content-Encoding: zstd\r\n\r\n", span_str("?"), NULL, 1);
    expect(RESPONSE "Transfer-Encoding: chunked\r\n\r\n", span_str("5\r\nhel"), NULL, 1);
    expect(RESPONSE "Transfer-Encoding: chunked\r\n\r\n", span_str("5\r\nhello\r\nx"), NULL, 1);
    expect(RESPONSE "Transfer-Encoding: chunked\r\n\r\n", span_str("5\r\n"), NULL, 1);
    struct msg *cut =
        message_of(REQUEST "Content-Encoding: gzip\r\nContent-Length: 99\r\n\r\n", all);
    const struct msg *out = NULL;
    cut->flags |= MSG_CUT;
    ck_assert_int_eq(filter_chain_rewrite(chain, cut, &out), VERDICT_PASS);
    msg_unref(cut);
    buf_fini(&body);
    close_chain();
}
END_TEST

START_TEST(a_bomb_stays_packed_and_its_memory_is_given_back)
{
    static uint8_t zeros[2 << 20];
    char wanted_head[100];
    open_chain();
    /* 2 MiB in 2 KiB; with a member that does not shrink they are allowed */
    struct buf bomb = packed(GZIP, span_of(zeros, sizeof(zeros)));
    ck_assert_uint_lt(buf_span(&bomb).len, sizeof(zeros) / 200);
    int64_t before = mem_used(MEM_IO);
    expect(RESPONSE "Content-Encoding: gzip\r\n\r\n", buf_span(&bomb), NULL, 1);
    ck_assert_int_le(mem_used(MEM_IO) - before, 1 << 20);
    uint32_t noise = 1;
    for (size_t i = 0; i < 32768; i++)
        zeros[i] = (uint8_t)((noise = noise * 1664525 + 1013904223) >> 24);
    struct buf mixed = packed(GZIP, span_of(zeros, sizeof(zeros)));
    before = mem_used(MEM_IO);
    struct msg *msg = message_of(RESPONSE "Content-Encoding: gzip\r\n\r\n", buf_span(&mixed));
    const struct msg *out = NULL;
    ck_assert_int_eq(filter_chain_rewrite(chain, msg, &out), VERDICT_REPLACE);
    snprintf(wanted_head, sizeof(wanted_head), RESPONSE "Content-Length: %zu\r\n\r\n",
             sizeof(zeros));
    ck_assert_uint_eq(out->len, strlen(wanted_head) + sizeof(zeros));
    ck_assert_int_eq(memcmp(out->bytes, wanted_head, strlen(wanted_head)), 0);
    ck_assert_int_eq(memcmp(out->bytes + strlen(wanted_head), zeros, sizeof(zeros)), 0);
    msg_unref(out);
    msg_unref(msg);
    ck_assert_int_le(mem_used(MEM_IO) - before, 1 << 20);
    buf_fini(&bomb);
    buf_fini(&mixed);
    close_chain();
}
END_TEST

START_TEST(without_memory_a_message_stays_as_it_was)
{
    open_chain();
    struct buf body = packed(GZIP, span_str("hello"));
    for (uint64_t n = 1;; n++) {
        struct msg *msg = message_of(RESPONSE "Content-Encoding: gzip\r\nConnection: close\r\n\r\n",
                                     buf_span(&body));
        const struct msg *out = NULL;
        mem_fail_at(n);
        enum verdict verdict = filter_chain_rewrite(chain, msg, &out);
        mem_fail_at(0);
        msg_unref(msg);
        msg_unref(out);
        if (verdict == VERDICT_REPLACE)
            break;
        ck_assert_int_eq(verdict, VERDICT_PASS);
        ck_assert_uint_lt(n, 20);
    }
    buf_fini(&body);
    close_chain();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        chunks_become_a_length,
        compressed_bodies_become_plain,
        brotli_is_undone_where_the_library_is_there,
        several_codings_are_undone_from_the_last,
        what_needs_nothing_is_not_copied,
        what_cannot_be_undone_stays_and_is_counted,
        a_bomb_stays_packed_and_its_memory_is_given_back,
        without_memory_a_message_stays_as_it_was,
    };
    return suite_of("prettify", tests, ARRAY_LEN(tests));
}
