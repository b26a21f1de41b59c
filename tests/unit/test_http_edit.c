/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http_edit.h"
#include "lib/mem.h"

#define BODY "Host: body\r\n\r\nHost: body\r\n"
#define LENGTH "Content-Length: 26\r\n"

static struct msg *new_msg(uint8_t type, const char *text)
{
    struct msg *msg = msg_new(strlen(text));
    ck_assert_ptr_nonnull(msg);
    msg->type = type;
    msg->ts_ns = 7;
    msg->len = strlen(text);
    memcpy(msg->bytes, text, msg->len);
    msg_parse_head(msg);
    return msg;
}

/* Drops changed; it is text, and is a message like msg. */
static void check_changed(const struct msg *msg, const struct msg *changed, const char *text)
{
    ck_assert_msg(span_eq(msg_payload(changed), span_str(text)), "%.*s is not %s",
                  (int)changed->len, (const char *)changed->bytes, text);
    ck_assert_int_eq(changed->type, msg->type);
    ck_assert_int_eq(changed->ts_ns, msg->ts_ns);
    if (msg->http.head_len > 0) {
        ck_assert_uint_gt(changed->http.head_len, 0);
        ck_assert(span_eq(msg_body(changed), msg_body(msg)));
    }
    msg_unref(changed);
}

static void check_set(const char *before, const char *name, const char *value, const char *after)
{
    struct msg *msg = new_msg(MSG_REQUEST, before);
    const struct msg *out = NULL;
    ck_assert_int_eq(http_edit_set_field(msg, span_str(name), span_str(value), &out), 0);
    check_changed(msg, out, after);
    ck_assert(span_eq(msg_payload(msg), span_str(before)));
    msg_unref(msg);
}

START_TEST(the_first_field_of_a_name_gets_the_value_and_keeps_its_spelling)
{
    check_set("GET / HTTP/1.1\r\nA: 1\r\nuSER-aGENT: old one\r\nUser-Agent: 2\r\n\r\n",
              "User-Agent", "x",
              "GET / HTTP/1.1\r\nA: 1\r\nuSER-aGENT: x\r\nUser-Agent: 2\r\n\r\n");
    check_set("GET / HTTP/1.1\nA:b\nC:\t d \t\n\n", "c", "longer",
              "GET / HTTP/1.1\nA:b\nC:\t longer \t\n\n");
    check_set("GET / HTTP/1.1\r\nA: b\r\n c\r\n\td\r\nE: f\r\n\r\n", "A", "x",
              "GET / HTTP/1.1\r\nA: x\r\nE: f\r\n\r\n");
    check_set("GET / HTTP/1.1\r\nXA: 1\r\nA-X: 2\r\nA: 3\r\n\r\n", "A", "",
              "GET / HTTP/1.1\r\nXA: 1\r\nA-X: 2\r\nA: \r\n\r\n");
}
END_TEST

START_TEST(an_empty_field_can_be_given_a_value)
{
    check_set("GET / HTTP/1.1\r\nA:\r\n\r\n", "A", "x", "GET / HTTP/1.1\r\nA: x\r\n\r\n");
    check_set("GET / HTTP/1.1\r\nA: \r\n\r\n", "A", "x", "GET / HTTP/1.1\r\nA: x\r\n\r\n");
    check_set("GET / HTTP/1.1\nA:\n\n", "A", "x", "GET / HTTP/1.1\nA: x\n\n");
}
END_TEST

START_TEST(a_field_that_is_not_there_comes_first)
{
    check_set("GET / HTTP/1.1\r\nA: 1\r\n\r\n", "B", "2", "GET / HTTP/1.1\r\nB: 2\r\nA: 1\r\n\r\n");
    check_set("\r\nGET / HTTP/1.0\r\n\r\n", "B", "2", "\r\nGET / HTTP/1.0\r\nB: 2\r\n\r\n");
}
END_TEST

START_TEST(the_body_is_never_searched_nor_changed)
{
    check_set("POST / HTTP/1.1\r\n" LENGTH "\r\n" BODY, "Host", "h",
              "POST / HTTP/1.1\r\nHost: h\r\n" LENGTH "\r\n" BODY);
    struct msg *msg = new_msg(MSG_REQUEST, "POST / HTTP/1.1\r\n" LENGTH "\r\n" BODY);
    const struct msg *out;
    ck_assert_int_eq(http_edit_remove_field(msg, span_str("Host"), &out), 0);
    check_changed(msg, out, "POST / HTTP/1.1\r\n" LENGTH "\r\n" BODY);
    msg_unref(msg);
}
END_TEST

START_TEST(every_field_of_a_name_is_removed)
{
    static const char *const cases[][2] = {
        {"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\na: 3\r\n 4\r\nC: 5\r\nA:\r\n\r\n",
         "GET / HTTP/1.1\r\nB: 2\r\nC: 5\r\n\r\n"},
        {"GET / HTTP/1.1\r\nA: 1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"},
        {"GET / HTTP/1.1\nAB: 1\nBA: 2\n\n", "GET / HTTP/1.1\nAB: 1\nBA: 2\n\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct msg *msg = new_msg(MSG_REQUEST, cases[i][0]);
        const struct msg *out;
        ck_assert_int_eq(http_edit_remove_field(msg, span_str("A"), &out), 0);
        check_changed(msg, out, cases[i][1]);
        msg_unref(msg);
    }
}
END_TEST

START_TEST(the_target_is_replaced_and_nothing_else)
{
    struct msg *msg = new_msg(MSG_REQUEST, "\r\nGET  /old  HTTP/1.1 \r\nA: /old\r\n\r\n");
    const struct msg *out;
    ck_assert_int_eq(http_edit_set_target(msg, span_str("/new?a=b"), &out), 0);
    check_changed(msg, out, "\r\nGET  /new?a=b  HTTP/1.1 \r\nA: /old\r\n\r\n");
    msg_unref(msg);
    msg = new_msg(MSG_RESPONSE, "HTTP/1.1 200 OK\r\n\r\n");
    ck_assert_int_eq(http_edit_set_target(msg, span_str("/new"), &out), 0);
    check_changed(msg, out, "HTTP/1.1 200 OK\r\n\r\n");
    msg_unref(msg);
}
END_TEST

START_TEST(what_is_not_http_or_as_wanted_already_is_the_same_message)
{
    const struct msg *out;
    struct msg *msg = new_msg(MSG_REQUEST, "no HTTP");
    ck_assert_int_eq(http_edit_set_field(msg, span_str("A"), span_str("b"), &out), 0);
    ck_assert_ptr_eq(out, msg);
    msg_unref(out);
    ck_assert_int_eq(http_edit_remove_field(msg, span_str("A"), &out), 0);
    ck_assert_ptr_eq(out, msg);
    msg_unref(out);
    ck_assert_int_eq(http_edit_set_target(msg, span_str("/"), &out), 0);
    ck_assert_ptr_eq(out, msg);
    msg_unref(out);
    msg_unref(msg);
    msg = new_msg(MSG_REQUEST, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    ck_assert_int_eq(http_edit_set_host(msg, span_str("h"), &out), 0);
    ck_assert_ptr_eq(out, msg);
    msg_unref(out);
    ck_assert_int_eq(http_edit_set_target(msg, span_str("/"), &out), 0);
    ck_assert_ptr_eq(out, msg);
    msg_unref(out);
    msg_unref(msg);
}
END_TEST

START_TEST(a_change_that_would_break_the_head_is_refused)
{
    static const struct span bad_values[] = {
        {(const uint8_t *)"a\rb", 3}, {(const uint8_t *)"a\nb", 3}, {(const uint8_t *)"a\0b", 3}};
    static const char *const bad_names[] = {"", "a b", "a:", "a\r\nb", "\xc3\xa4"};
    static const char *const bad_targets[] = {"", "/a b", "/a\r\n", "/\x7f", "/\t"};
    struct msg *msg = new_msg(MSG_REQUEST, "POST / HTTP/1.1\r\n" LENGTH "\r\n" BODY);
    const struct msg *out = NULL;
    for (size_t i = 0; i < ARRAY_LEN(bad_values); i++)
        ck_assert_int_eq(http_edit_set_field(msg, span_str("A"), bad_values[i], &out), -EINVAL);
    for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
        struct span name = span_str(bad_names[i]);
        ck_assert_int_eq(http_edit_set_field(msg, name, span_str("b"), &out), -EINVAL);
        ck_assert_int_eq(http_edit_remove_field(msg, name, &out), -EINVAL);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_targets); i++)
        ck_assert_int_eq(http_edit_set_target(msg, span_str(bad_targets[i]), &out), -EINVAL);
    ck_assert_int_eq(
        http_edit_set_field(msg, span_str("Transfer-Encoding"), span_str("chunked"), &out),
        -EINVAL);
    ck_assert_int_eq(http_edit_set_field(msg, span_str("Content-Length"), span_str("x"), &out),
                     -EINVAL);
    ck_assert_ptr_null(out);
    msg_unref(msg);
}
END_TEST

START_TEST(a_change_without_memory_leaves_everything_as_it_was)
{
    struct msg *msg = new_msg(MSG_REQUEST, "GET / HTTP/1.1\r\nA: b\r\n\r\n");
    const struct msg *out = NULL;
    mem_fail_at(1);
    ck_assert_int_eq(http_edit_set_field(msg, span_str("A"), span_str("c"), &out), -ENOMEM);
    mem_fail_at(1);
    ck_assert_int_eq(http_edit_remove_field(msg, span_str("A"), &out), -ENOMEM);
    mem_fail_at(1);
    ck_assert_int_eq(http_edit_set_target(msg, span_str("/c"), &out), -ENOMEM);
    mem_fail_at(1);
    struct buf buf;
    buf_init(&buf, 10000);
    ck_assert_int_eq(http_render_head(&buf, msg, span_str("h"), span_str("")), -ENOMEM);
    ck_assert_uint_eq(buf_span(&buf).len, 0);
    ck_assert_ptr_null(out);
    buf_fini(&buf);
    msg_unref(msg);
}
END_TEST

static void check_render(const char *before, const char *host, const char *prefix,
                         const char *after)
{
    struct buf buf;
    struct msg *msg = new_msg(MSG_REQUEST, before);
    buf_init(&buf, 10000);
    ck_assert_int_eq(buf_append(&buf, "+", 1), 0);
    ck_assert_int_eq(http_render_head(&buf, msg, span_str(host), span_str(prefix)), 0);
    struct span got = span_from(buf_span(&buf), 1);
    ck_assert_msg(span_eq(got, span_str(after)), "%.*s is not %s", (int)got.len,
                  (const char *)got.ptr, after);
    buf_fini(&buf);
    msg_unref(msg);
}

START_TEST(a_head_is_rendered_for_another_host_and_below_a_prefix)
{
    static const char *const cases[][4] = {
        /* as it was */
        {"\r\nPOST /a?b HTTP/1.1\r\nX: y\r\nHost: h\r\n" LENGTH "\r\n" BODY, "", "",
         "POST /a?b HTTP/1.1\r\nX: y\r\nHost: h\r\n" LENGTH "\r\n"},
        /* Host */
        {"GET / HTTP/1.1\r\nX: y\r\nhOST:  old \r\nZ: z\r\n\r\n", "t:8080", "",
         "GET / HTTP/1.1\r\nX: y\r\nhOST:  t:8080 \r\nZ: z\r\n\r\n"},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "t", "", "GET / HTTP/1.1\r\nHost: t\r\n\r\n"},
        {"GET / HTTP/1.1\r\n\r\n", "t", "", "GET / HTTP/1.1\r\nHost: t\r\n\r\n"},
        {"GET / HTTP/1.0\r\nX: y\r\n\r\n", "t", "", "GET / HTTP/1.0\r\nHost: t\r\nX: y\r\n\r\n"},
        /* a prefix */
        {"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", "", "/api",
         "GET /api/a?b HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "t", "/api", "GET /api/ HTTP/1.1\r\nHost: t\r\n\r\n"},
        /* the absolute form */
        {"GET http://u@h:1/a?b HTTP/1.1\r\nHost: h\r\n\r\n", "t", "",
         "GET /a?b HTTP/1.1\r\nHost: t\r\n\r\n"},
        {"GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", "", "",
         "GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", "t", "/api",
         "GET /api/ HTTP/1.1\r\nHost: t\r\n\r\n"},
        {"GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n", "t", "",
         "GET /?q HTTP/1.1\r\nHost: t\r\n\r\n"},
        {"GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", "", "/api",
         "GET http://h/api/a HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n", "t", "",
         "OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n"},
        /* what is no path stays */
        {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "t", "/api",
         "OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n"},
        {"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", "t", "/api",
         "CONNECT h:443 HTTP/1.1\r\nHost: t\r\n\r\n"},
        {"GET /a://b HTTP/1.1\r\nHost: h\r\n\r\n", "t", "",
         "GET /a://b HTTP/1.1\r\nHost: t\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_render(cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
}
END_TEST

START_TEST(only_a_request_and_a_valid_host_and_prefix_can_be_rendered)
{
    struct buf buf;
    buf_init(&buf, 20);
    struct msg *request = new_msg(MSG_REQUEST, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    struct msg *response = new_msg(MSG_RESPONSE, "HTTP/1.1 200 OK\r\n\r\n");
    struct msg *other = new_msg(MSG_REQUEST, "no HTTP");
    struct span none = span_str("");
    ck_assert_int_eq(http_render_head(&buf, response, none, none), -EINVAL);
    ck_assert_int_eq(http_render_head(&buf, other, none, none), -EINVAL);
    ck_assert_int_eq(http_render_head(&buf, request, span_str("a\r\nb"), none), -EINVAL);
    ck_assert_int_eq(http_render_head(&buf, request, none, span_str("api")), -EINVAL);
    ck_assert_int_eq(http_render_head(&buf, request, none, span_str("/a b")), -EINVAL);
    ck_assert_int_eq(http_render_head(&buf, request, none, none), -ENOBUFS);
    ck_assert_uint_eq(buf_span(&buf).len, 0);
    buf_fini(&buf);
    msg_unref(request);
    msg_unref(response);
    msg_unref(other);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        the_first_field_of_a_name_gets_the_value_and_keeps_its_spelling,
        an_empty_field_can_be_given_a_value,
        a_field_that_is_not_there_comes_first,
        the_body_is_never_searched_nor_changed,
        every_field_of_a_name_is_removed,
        the_target_is_replaced_and_nothing_else,
        what_is_not_http_or_as_wanted_already_is_the_same_message,
        a_change_that_would_break_the_head_is_refused,
        a_change_without_memory_leaves_everything_as_it_was,
        a_head_is_rendered_for_another_host_and_below_a_prefix,
        only_a_request_and_a_valid_host_and_prefix_can_be_rendered,
    };
    return suite_of("http_edit", tests, ARRAY_LEN(tests));
}
