/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "middleware/line.h"
#include "middleware/words.h"
#include "tests/unit/messages.h"

START_TEST(a_command_is_split_as_a_shell_does_it)
{
    static const struct {
        const char *text;
        const char *words[5];
    } cases[] = {
        {"", {NULL}},
        {" \t ", {NULL}},
        {"cat", {"cat"}},
        {"  python3  mw.py\t-v ", {"python3", "mw.py", "-v"}},
        {"sh -c 'a b \"c\" \\'", {"sh", "-c", "a b \"c\" \\"}},
        {"a \"b 'c' \\\" \\\\ \\x $d\"", {"a", "b 'c' \" \\ \\x $d"}},
        {"a\\ b c\\\\d", {"a b", "c\\d"}},
        {"a'b'\"c\"d", {"abcd"}},
        {"a '' \"\"", {"a", "", ""}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct words words;
        size_t bad_at, n = 0;
        ck_assert_int_eq(words_init(&words, cases[i].text, &bad_at), 0);
        while (cases[i].words[n])
            n++;
        ck_assert_msg(words.n == n, "%s: %zu words", cases[i].text, words.n);
        for (size_t k = 0; k < n; k++)
            ck_assert_str_eq(words.argv[k], cases[i].words[k]);
        ck_assert_ptr_null(words.argv[n]);
        words_fini(&words);
    }
}
END_TEST

START_TEST(what_is_not_closed_is_told_with_its_place)
{
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {{"cat 'x", 4}, {"\"", 0}, {"a b\\", 3}, {"a \"b\\\"", 2}, {"x 'a' 'b", 6}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct words words;
        size_t bad_at = 99;
        ck_assert_int_eq(words_init(&words, cases[i].text, &bad_at), -EINVAL);
        ck_assert_uint_eq(bad_at, cases[i].at);
    }
    ck_assert_int_eq(mem_used(MEM_OTHER), 0);
}
END_TEST

START_TEST(a_line_is_what_gor_writes)
{
    struct buf out;
    struct msg *msg = message(MSG_REQUEST, "0a", "GET / HTTP/1.1\r\n\r\n"), *back;
    msg->ts_ns = 17;
    msg->latency_ns = -1;
    buf_init(&out, 1000);
    ck_assert_int_eq(line_encode(&out, msg), 0);
    ck_assert(span_eq(buf_span(&out),
                      span_str("31203061203137202d310a474554202f20485454502f312e310d0a0d0a\n")));
    ck_assert_int_eq(line_decode(out.data + out.start, buf_span(&out).len - 1, &back), 0);
    ck_assert(span_eq(msg_payload(back), msg_payload(msg)) && span_eq(msg_id(back), msg_id(msg)));
    ck_assert(back->type == MSG_REQUEST && back->ts_ns == 17 && back->latency_ns == -1);
    ck_assert_uint_gt(back->http.head_len, 0);
    msg_unref(back);
    msg_unref(msg);
    buf_fini(&out);
    ck_assert_int_eq(mem_used(MEM_MSG) + mem_used(MEM_IO), 0);
}
END_TEST

START_TEST(a_line_is_read_in_other_spellings_too)
{
    static const struct {
        const char *line;
        int result;
    } cases[] = {
        {"312061203120300A47", 0}, /* upper case */
        {"312061203120300a47\r", 0},
        {"31206120310a47", 0}, /* three fields */
        {"31206120312030203520780a47", -EBADMSG}, /* LENGTH without its CRC32 */
        {"31206120312030207820780a47", 0}, /* more fields of somebody's */
        {"312061203120300a4", -EBADMSG}, /* odd */
        {"312061203120300a", -EBADMSG}, /* no payload */
        {"3120612031", -EBADMSG}, /* no line end */
        {"31206120310g47", -EBADMSG},
        {"78206120310a47", -EBADMSG}, /* type x */
        {"", -EBADMSG},
        {"GET / HTTP/1.1", -EBADMSG},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[128];
        struct msg *msg = NULL;
        size_t len = strlen(cases[i].line);
        memcpy(line, cases[i].line, len);
        int r = line_decode((uint8_t *)line, len, &msg);
        ck_assert_msg(r == cases[i].result, "%s: %d", cases[i].line, r);
        if (r == 0)
            ck_assert(span_eq(msg_payload(msg), span_str("G")));
        msg_unref(msg);
    }
}
END_TEST

START_TEST(a_body_that_became_shorter_than_it_says_is_known_to_be_cut)
{
    static const char payload[] = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    struct buf out;
    struct msg *msg = message(MSG_REQUEST, "0a", payload), *back;
    buf_init(&out, 1000);
    for (size_t cut = 0; cut < 2; cut++) {
        msg->len = strlen(payload) - cut;
        ck_assert_int_eq(line_encode(&out, msg), 0);
        ck_assert_int_eq(line_decode(out.data + out.start, buf_span(&out).len - 1, &back), 0);
        ck_assert_int_eq(back->flags, cut ? MSG_CUT : 0);
        msg_unref(back);
        buf_consume(&out, buf_span(&out).len);
    }
    msg_unref(msg);
    buf_fini(&out);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_command_is_split_as_a_shell_does_it,
        what_is_not_closed_is_told_with_its_place,
        a_line_is_what_gor_writes,
        a_line_is_read_in_other_spellings_too,
        a_body_that_became_shorter_than_it_says_is_known_to_be_cut,
    };
    return suite_of("middleware", tests, ARRAY_LEN(tests));
}
