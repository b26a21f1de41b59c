/* SPDX-License-Identifier: MIT */
/* The Elasticsearch output's address, documents, bulks, and what it reads in answers. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "outputs/elastic_answer.h"
#include "outputs/elastic_bulk.h"
#include "outputs/elastic_doc.h"
#include "outputs/elastic_url.h"
#include "tests/unit/messages.h"

/* An answer with its request; the caller's reference. */
static struct msg *exchange(const char *request, const char *answer)
{
    struct msg *sent = message(MSG_REQUEST, "a1", request);
    struct msg *msg = message(MSG_REPLAYED, "a1", answer);
    msg_parse_head(sent);
    msg_parse_head(msg);
    ck_assert_uint_gt(msg->http.head_len, 0);
    msg->request = sent;
    msg->ts_ns = INT64_C(1700000000) * NS_PER_S + 5;
    msg->latency_ns = 2 * NS_PER_S;
    msg->rtt_ns = 2 * NS_PER_S + 1999 * NS_PER_MS / 1000;
    return msg;
}

static struct msg *plain_exchange(void)
{
    return exchange("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
}

/* --- documents --- */

static void check_document(struct msg *msg, const char *wanted)
{
    struct buf out;
    buf_init(&out, MIB);
    ck_assert_int_eq(elastic_doc_write(&out, msg, "an-id"), 0);
    ck_assert_int_eq(buf_append(&out, "", 1), 0);
    ck_assert_str_eq((const char *)buf_span(&out).ptr, wanted);
    buf_fini(&out);
    msg_unref(msg);
}

#define ACTION "{\"index\":{\"_id\":\"an-id\"}}\n"

START_TEST(a_document_has_the_keys_of_gor_in_its_order)
{
    check_document(
        exchange(
            "POST /x?a=\"b\" HTTP/1.1\r\nCookie: c=1\r\nConnection: close\r\naccept: */*\r\n"
            "IF-Modified-Since: then\r\nAccept-Encoding: gzip\r\nUser-Agent: me\r\n"
            "Accept-Language: de\r\nAuthorization: no\r\n\r\nbody",
            "HTTP/1.1 503 Busy\r\nSet-Cookie: s\r\nVary: v\r\nCache-Control: c\r\nExpires: e\r\n"
            "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nContent-Type: t\r\n"
            "X: no\r\n\r\n"),
        ACTION "{\"Req_URL\":\"/x?a=\\\"b\\\"\",\"Req_Method\":\"POST\",\"Req_User-Agent\":\"me\","
               "\"Req_Accept-Language\":\"de\",\"Req_Accept\":\"*/*\","
               "\"Req_Accept-Encoding\":\"gzip\",\"Req_If-Modified-Since\":\"then\","
               "\"Req_Connection\":\"close\",\"Req_Cookies\":\"c=1\",\"Resp_Status\":\"503\","
               "\"Resp_Status-Code\":\"503\",\"Resp_Proto\":\"HTTP/1.1\","
               "\"Resp_Content-Type\":\"t\","
               "\"Resp_Transfer-Encoding\":\"chunked\",\"Resp_Content-Encoding\":\"gzip\","
               "\"Resp_Expires\":\"e\",\"Resp_Cache-Control\":\"c\",\"Resp_Vary\":\"v\","
               "\"Resp_Set-Cookie\":\"s\",\"RTT\":2001,"
               "\"Timestamp\":\"2023-11-14T22:13:20.001999005Z\"}\n");
}
END_TEST

START_TEST(what_is_missing_is_left_out_and_what_is_there_again_is_an_array)
{
    check_document(
        exchange("GET / HTTP/1.1\r\nCookie: a\r\nCookie: b\r\ncookie: c\r\n\r\n",
                 "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nSet-Cookie: x\xff\x01\r\n\r\n"),
        ACTION "{\"Req_URL\":\"/\",\"Req_Method\":\"GET\",\"Req_User-Agent\":\"\","
               "\"Req_Cookies\":[\"a\",\"b\",\"c\"],\"Resp_Status\":\"200\","
               "\"Resp_Status-Code\":\"200\",\"Resp_Proto\":\"HTTP/1.0\","
               "\"Resp_Content-Length\":\"0\",\"Resp_Set-Cookie\":\"x\\ufffd\\u0001\",\"RTT\":2001,"
               "\"Timestamp\":\"2023-11-14T22:13:20.001999005Z\"}\n");
}
END_TEST

/* --- answers --- */

static const struct {
    const char *text;
    size_t n;
    int r;
    const char *fates; /* s, a, r */
    int status;
    const char *type;
} answers[] = {
    {"{\"items\":[]}", 0, 0, "", 0, ""},
    {"{\"took\":1,\"errors\":false,\"items\":[{\"index\":{\"_id\":\"x\",\"status\":201}},"
     "{\"index\":{\"status\":200}}]}",
     2, 0, "ss", 0, ""},
    {"{\"items\":[{\"index\":{\"status\":201}},{\"index\":{\"status\":429,\"error\":{\"type\":"
     "\"es_rejected_execution_exception\",\"reason\":\"r\"}}},{\"index\":{\"status\":400}},"
     "{\"index\":{\"status\":503}},{\"index\":{\"status\":409}}]}",
     5, 0, "sarar", 429, "es_rejected_execution_exception"},
    {"{\"items\":[{\"index\":{\"status\":400,\"error\":{\"type\":\"a\\u001b[31m b\"}}}]}", 1, 0,
     "r", 400, "a????m?b"},
    {"{\"items\":[{\"index\":{\"status\":400,\"error\":\"text\"}}]}", 1, 0, "r", 400, ""},
    {"{\"items\":[{\"index\":{\"status\":201}}]}", 2, -EBADMSG, "", 0, ""},
    {"{\"items\":[{\"index\":{\"status\":201}}]}", 0, -EBADMSG, "", 0, ""},
    {"{\"items\":[{\"create\":{\"status\":201}}]}", 1, -EBADMSG, "", 0, ""},
    {"{\"items\":[{\"index\":{\"status\":\"201\"}}]}", 1, -EBADMSG, "", 0, ""},
    {"{\"items\":[{\"index\":{\"status\":2010}}]}", 1, -EBADMSG, "", 0, ""},
    {"{\"items\":[{\"index\":{}}]}", 1, -EBADMSG, "", 0, ""},
    {"{\"items\":[7]}", 1, -EBADMSG, "", 0, ""},
    {"{\"items\":{\"index\":{\"status\":201}}}", 1, -EBADMSG, "", 0, ""},
    {"{\"error\":\"no\"}", 1, -EBADMSG, "", 0, ""},
    {"[]", 0, -EBADMSG, "", 0, ""},
    {"<html>", 1, -EBADMSG, "", 0, ""},
    {"", 1, -EBADMSG, "", 0, ""},
};

START_TEST(an_answer_tells_the_fate_of_each_document_or_is_none)
{
    static const enum elastic_fate letters[] = {
        ['s'] = ELASTIC_STORED, ['a'] = ELASTIC_AGAIN, ['r'] = ELASTIC_REFUSED};
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        enum elastic_fate fates[8];
        struct elastic_fault fault;
        int r = elastic_answer_read(span_str(answers[i].text), answers[i].n, fates, &fault);
        ck_assert_msg(r == answers[i].r, "%s: %d", answers[i].text, r);
        if (r < 0)
            continue;
        for (size_t k = 0; k < answers[i].n; k++)
            ck_assert_msg(fates[k] == letters[(unsigned char)answers[i].fates[k]], "%s: %zu",
                          answers[i].text, k);
        ck_assert_int_eq(fault.status, answers[i].status);
        ck_assert_str_eq(fault.type, answers[i].type);
    }
}
END_TEST

/* --- bulks --- */

static struct books books;
static struct output out = {.books = &books};

static struct elastic_bulk *new_bulk(void)
{
    struct elastic_bulk *bulk = malloc(sizeof(*bulk));
    memset(&books, 0, sizeof(books));
    ck_assert_ptr_nonnull(bulk);
    elastic_bulk_init(bulk, &out);
    return bulk;
}

static void add(struct elastic_bulk *bulk, unsigned n)
{
    char request[64];
    snprintf(request, sizeof(request), "GET /%u HTTP/1.1\r\n\r\n", n);
    struct msg *msg = exchange(request, "HTTP/1.1 200 OK\r\n\r\n");
    ck_assert(elastic_bulk_has_room(bulk, msg));
    ck_assert_int_eq(elastic_bulk_add(bulk, msg), 0);
    msg_unref(msg);
}

static void free_bulk(struct elastic_bulk *bulk)
{
    elastic_bulk_fini(bulk);
    free(bulk);
    mem_thread_flush();
    ck_assert_int_eq(mem_used(MEM_MSG), 0);
    ck_assert_int_eq(mem_used(MEM_IO), 0);
}

/* "/0 /2 ": the requests of its documents. */
static void check_text(struct elastic_bulk *bulk, const char *wanted)
{
    struct span text = elastic_bulk_begin(bulk);
    char found[256] = "", copy[8192];
    static const char key[] = "\"Req_URL\":\"";
    ck_assert_uint_lt(text.len, sizeof(copy));
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    ck_assert_str_eq(copy + text.len - 2, "}\n");
    for (char *p = strstr(copy, key); p; p = strstr(p + 1, key)) {
        size_t len = strcspn(p + strlen(key), "\"");
        strncat(found, p + strlen(key), len);
        strcat(found, " ");
    }
    ck_assert_str_eq(found, wanted);
}

START_TEST(only_documents_that_were_not_taken_stay)
{
    static const enum elastic_fate fates[] = {ELASTIC_AGAIN, ELASTIC_STORED, ELASTIC_REFUSED,
                                              ELASTIC_AGAIN, ELASTIC_STORED};
    struct elastic_bulk *bulk = new_bulk();
    for (unsigned i = 0; i < 5; i++)
        add(bulk, i);
    check_text(bulk, "/0 /1 /2 /3 /4 ");
    ck_assert(elastic_bulk_answered(bulk, fates));
    add(bulk, 5);
    check_text(bulk, "/0 /3 /5 ");
    elastic_bulk_again(bulk);
    check_text(bulk, "/0 /3 /5 ");
    ck_assert(!elastic_bulk_answered(
        bulk, (enum elastic_fate[]){ELASTIC_STORED, ELASTIC_STORED, ELASTIC_STORED}));
    ck_assert_uint_eq(bulk->cost, 0);
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), 5);
    ck_assert_uint_eq(book_get(&books, BOOK_FAILED), 1);
    ck_assert_uint_eq(book_get(&books, BOOK_ELASTIC_REFUSED), 1);
    ck_assert_uint_eq(book_get(&books, BOOK_ELASTIC_RETRIES), 2 + 3);
    ck_assert_uint_eq(book_get(&books, BOOK_ELASTIC_BULKS), 3);
    add(bulk, 6);
    check_text(bulk, "/6 ");
    elastic_bulk_refused(bulk);
    ck_assert_uint_eq(book_get(&books, BOOK_ELASTIC_REFUSED), 2);
    add(bulk, 7);
    free_bulk(bulk);
    ck_assert_uint_eq(book_get(&books, BOOK_ABANDONED), 1);
    ck_assert_uint_eq(book_get(&books, BOOK_FAILED), 2);
}
END_TEST

START_TEST(a_document_that_never_finds_room_is_given_up)
{
    struct elastic_bulk *bulk = new_bulk();
    const enum elastic_fate fates[] = {ELASTIC_STORED, ELASTIC_AGAIN};
    unsigned tries = 1;
    add(bulk, 0);
    add(bulk, 1);
    (void)elastic_bulk_begin(bulk);
    for (unsigned i = 0; i < 100; i++) { /* that nobody takes anything is not its fault */
        elastic_bulk_again(bulk);
        (void)elastic_bulk_begin(bulk);
    }
    for (bool stays = elastic_bulk_answered(bulk, fates); stays; tries++) {
        (void)elastic_bulk_begin(bulk);
        stays = elastic_bulk_answered(bulk, &fates[1]);
    }
    ck_assert_uint_eq(tries, BULK_TRIES);
    ck_assert_uint_eq(book_get(&books, BOOK_ELASTIC_GAVE_UP), 1);
    ck_assert_uint_eq(book_get(&books, BOOK_FAILED), 1);
    ck_assert_uint_eq(book_get(&books, BOOK_DELIVERED), 1);
    free_bulk(bulk);
}
END_TEST

START_TEST(a_bulk_is_bounded_in_documents_in_text_and_in_cost)
{
    static char big[60000];
    struct elastic_bulk *bulk = new_bulk();
    struct msg *msg = plain_exchange();
    while (elastic_bulk_has_room(bulk, msg))
        ck_assert_int_eq(elastic_bulk_add(bulk, msg), 0);
    ck_assert_uint_eq(bulk->n, BULK_DOCS);
    elastic_bulk_fini(bulk);
    free(bulk);
    memset(big, '\"', sizeof(big) - 1);
    memcpy(big, "GET / HTTP/1.1\r\nCookie: ", 24);
    memcpy(big + sizeof(big) - 5, "\r\n\r\n", 4);
    bulk = new_bulk();
    struct msg *wide = exchange(big, "HTTP/1.1 200 OK\r\n\r\n");
    while (elastic_bulk_has_room(bulk, wide))
        ck_assert_int_eq(elastic_bulk_add(bulk, wide), 0);
    ck_assert_uint_eq(bulk->n, BULK_TEXT / (2 * sizeof(big)) + 1);
    elastic_bulk_fini(bulk);
    free(bulk);
    bulk = new_bulk();
    struct msg *heavy = message(MSG_REPLAYED, "a1", "HTTP/1.1 200 OK\r\n\r\n");
    heavy = msg_resize(heavy, 3 * MIB);
    ck_assert_ptr_nonnull(heavy);
    memset(heavy->bytes + heavy->len, 'x', 3 * MIB - heavy->len);
    heavy->len = 3 * MIB;
    msg_parse_head(heavy);
    heavy->request = msg_ref(msg->request);
    while (elastic_bulk_has_room(bulk, heavy))
        ck_assert_int_eq(elastic_bulk_add(bulk, heavy), 0);
    ck_assert_uint_eq(bulk->n, 5);
    msg_unref(heavy);
    msg_unref(wide);
    msg_unref(msg);
    free_bulk(bulk);
}
END_TEST

START_TEST(a_document_that_there_is_no_memory_for_leaves_the_bulk_as_it_was)
{
    struct elastic_bulk *bulk = new_bulk();
    struct msg *msg = plain_exchange();
    mem_fail_at(1);
    ck_assert_int_eq(elastic_bulk_add(bulk, msg), -ENOMEM);
    ck_assert_uint_eq(bulk->n, 0);
    add(bulk, 1);
    check_text(bulk, "/1 ");
    ck_assert(!elastic_bulk_has_room(bulk, msg));
    msg_unref(msg);
    free_bulk(bulk);
}
END_TEST

START_TEST(an_answer_keeps_its_request_when_it_is_rewritten)
{
    struct msg *msg = plain_exchange();
    struct msg *like = msg_like(msg, 0);
    size_t with = msg_cost(msg);
    ck_assert_ptr_eq(like->request, msg->request);
    ck_assert_uint_eq(with, sizeof(*msg) + msg->len + msg_cost(msg->request));
    msg_unref(msg);
    ck_assert_mem_eq(like->request->bytes, "GET /a", 6);
    msg_unref(like);
    mem_thread_flush();
    ck_assert_int_eq(mem_used(MEM_MSG), 0);
}
END_TEST

/* --- addresses --- */

#define QUERY "?timeout=20s&filter_path=items.*.status,items.*.error.type"

static const struct {
    const char *address, *password, *bulk, *user, *word, *shown;
} good[] = {
    {"h:1/gor", "", "http://h:1/gor/_bulk" QUERY, NULL, NULL, "http://h:1/gor"},
    {"h/gor", "", "http://h:9200/gor/_bulk" QUERY, NULL, NULL, "http://h/gor"},
    {"https://[::1]/es/g-o_r/", "", "https://[::1]:9200/es/g-o_r/_bulk" QUERY, NULL, NULL,
     "https://[::1]/es/g-o_r/"},
    {"http://me:a%40b:c@h:80/x", "", "http://h:80/x/_bulk" QUERY, "me", "a@b:c", "http://h:80/x"},
    {"me@h/x", "word", "http://h:9200/x/_bulk" QUERY, "me", "word", "http://h/x"},
    {"me@h/x", "", "http://h:9200/x/_bulk" QUERY, "me", "", "http://h/x"},
    {"a:b@c@h/x@y", "", "http://h:9200/x@y/_bulk" QUERY, "a", "b@c", "http://h/x@y"},
    {"h/%3Cgor-%7BYYYY%7D%3E", "", "http://h:9200/%3cgor-%7bYYYY%7d%3e/_bulk" QUERY, NULL, NULL,
     "http://h/%3Cgor-%7BYYYY%7D%3E"},
};

static void same(const char *a, const char *b)
{
    ck_assert((a == NULL) == (b == NULL));
    if (a)
        ck_assert_str_eq(a, b);
}

START_TEST(an_address_is_taken_apart)
{
    int64_t before = mem_used(MEM_OTHER);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct elastic_url url;
        struct err err;
        ck_assert_msg(elastic_url_parse(&url, good[i].address, good[i].password, &err) == 0, "%s",
                      err.text);
        ck_assert_str_eq(url.bulk, good[i].bulk);
        same(url.user, good[i].user);
        same(url.password, good[i].word);
        ck_assert_str_eq(url.shown, good[i].shown);
        elastic_url_fini(&url);
    }
    ck_assert_int_eq(mem_used(MEM_OTHER), before);
}
END_TEST

START_TEST(an_address_that_is_none_is_refused_without_its_password)
{
    static const char *const bad[] = {"u:pw@h",         "u:pw@h/",   "u:pw@/x",   "u:pw@h:x/i",
                                      "u:pw@h/A",       "u:pw@h/-a", "u:pw@h/a*", "u:pw@h/a?b",
                                      "ftp://u:pw@h/a", ":pw@h/a#b", "u:pw@h/a b"};
    int64_t before = mem_used(MEM_OTHER);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct elastic_url url;
        struct err err;
        ck_assert_msg(elastic_url_parse(&url, bad[i], "", &err) == -EINVAL, "%s", bad[i]);
        ck_assert_msg(!strstr(err.text, "pw"), "%s", err.text);
    }
    ck_assert_int_eq(mem_used(MEM_OTHER), before);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_document_has_the_keys_of_gor_in_its_order,
        what_is_missing_is_left_out_and_what_is_there_again_is_an_array,
        an_answer_tells_the_fate_of_each_document_or_is_none,
        only_documents_that_were_not_taken_stay,
        a_document_that_never_finds_room_is_given_up,
        a_bulk_is_bounded_in_documents_in_text_and_in_cost,
        a_document_that_there_is_no_memory_for_leaves_the_bulk_as_it_was,
        an_answer_keeps_its_request_when_it_is_rewritten,
        an_address_is_taken_apart,
        an_address_that_is_none_is_refused_without_its_password,
    };
    return suite_of("elastic", tests, ARRAY_LEN(tests));
}
