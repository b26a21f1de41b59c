/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/options_table.h"
#include "filters/filters.h"
#include "lib/mem.h"
#include "lib/options_table.h"
#include "tests/unit/messages.h"

static const struct filter_ops *const ops[] = {&filter_redact};

static struct options *options; /* names of rules point into them */

/* A chain with these rules (words apart by one space), and a key. */
static struct filter_chain *chain_of(const char *rules)
{
    struct filter_chain *chain;
    struct err err;
    char copy[512], *save = NULL;
    snprintf(copy, sizeof(copy), "%s", rules);
    ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    ck_assert_int_eq(options_set(options, "redact-key", "a key", OPTION_FROM_ENVIRONMENT, &err), 0);
    for (char *rule = strtok_r(copy, " ", &save); rule; rule = strtok_r(NULL, " ", &save))
        ck_assert_int_eq(
            strcmp(rule, "default") == 0
                ? options_set(options, "redact-default", "true", OPTION_FROM_COMMAND_LINE, &err)
                : options_set(options, "redact", rule, OPTION_FROM_COMMAND_LINE, &err),
            0);
    int r = filter_chain_new(&chain, ops, ARRAY_LEN(ops), options, &err);
    ck_assert_msg(r == 0, "%s", r < 0 ? err.text : "");
    return chain;
}

static void close_chain(struct filter_chain *chain)
{
    filter_chain_free(chain);
    options_free(options);
}

/* A new reference to what becomes of msg. */
static const struct msg *redacted(const char *rules, struct msg *msg)
{
    struct filter_chain *chain = chain_of(rules);
    const struct msg *changed = NULL;
    msg_parse_head(msg);
    ck_assert_msg(msg->http.head_len > 0, "not HTTP: %.*s", (int)msg->len, (char *)msg->bytes);
    enum verdict verdict = filter_chain_redact(chain, msg, &changed);
    ck_assert(verdict == VERDICT_PASS || verdict == VERDICT_REPLACE);
    close_chain(chain);
    if (verdict == VERDICT_PASS)
        return msg_ref(msg);
    ck_assert_uint_eq(changed->len, msg->len);
    return changed;
}

static bool has(const struct msg *msg, const char *text)
{
    return memmem(msg->bytes, msg->len, text, strlen(text)) != NULL;
}

/* SECRET must be gone wherever it stands; everything else must be as it was. */
static void check_redacted(const char *rules, enum msg_type type, const char *payload)
{
    struct msg *msg = message(type, "1", payload);
    const struct msg *out = redacted(rules, msg);
    ck_assert_msg(!has(out, "SECRET"), "%s: %.*s", rules, (int)out->len, (const char *)out->bytes);
    for (const char *at = payload; *at;) {
        const char *secret = strstr(at, "SECRET");
        size_t len = secret ? (size_t)(secret - at) : strlen(at);
        size_t off = (size_t)(at - payload);
        ck_assert_msg(memcmp(out->bytes + off, at, len) == 0, "%s: \"%.*s\" became \"%.*s\"", rules,
                      (int)len, at, (int)len, (const char *)out->bytes + off);
        at += len + (secret ? 6 : 0);
    }
    msg_unref(out);
    msg_unref(msg);
}

#define HEAD "POST /p?a=1 HTTP/1.1\r\nHost: h\r\n"
#define JSON_TYPE "Content-Type: application/json\r\n"
#define FORM_TYPE "Content-Type: application/x-www-form-urlencoded\r\n"

START_TEST(each_kind_finds_its_secret_and_leaves_the_rest)
{
    static const struct {
        const char *rules, *payload;
    } requests[] = {
        {"header:X-Key", HEAD "X-KEY: SECRET\r\nX-Keys: stays\r\n\r\n"},
        {"header:X-Key", HEAD "x-key:SECRET \r\nx-key: SECRET\r\n\r\n"},
        {"header:Authorization", HEAD "Authorization: Bearer SECRET\r\n\r\n"},
        {"header:Authorization", HEAD "Authorization: SECRET\r\n\r\n"},
        {"cookie:sid", HEAD "Cookie: a=1; sid=SECRET; sids=stays\r\nCookie: sid=SECRET\r\n\r\n"},
        {"cookie:*", HEAD "Cookie: a=SECRET; b=SECRET\r\n\r\n"},
        {"param:token", "GET /x?a=1&token=SECRET&tokens=stays HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"param:token", "GET /x?%74o%6ben=SECRET#token=SECRET HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"param:token", HEAD "Referer: http://h/?token=SECRET&b=2\r\n\r\n"},
        {"form:pw", HEAD FORM_TYPE "Content-Length: 22\r\n\r\na=1&pw=SECRET&pwd=stay"},
        {"form:p+w", HEAD FORM_TYPE "Content-Length: 11\r\n\r\np%2Bw=SECRET"},
        {"json:user.email", HEAD JSON_TYPE "Content-Length: 77\r\n\r\n"
                                           "{\"email\":\"stays\",\"user\":{\"email\":\"SECRET\","
                                           "\"x\":{\"email\":\"stays\"}},\"n\":[1,2]}"},
        {"json:a.b", HEAD JSON_TYPE "Content-Length: 60\r\n\r\n"
                                    "[{\"a\":[{\"b\":\"SECRET\"},{\"b\":[\"SECRET\",true]},7]}]\n"
                                    "{\"a\":1}  "},
        {"json:**.pw", HEAD JSON_TYPE "Content-Length: 60\r\n\r\n"
                                      "{\"x\":{\"y\":{\"p\\u0077\":\"SECRET\"}},\"pw\":{\"any\":"
                                      "\"SECRET\"}}"},
        {"json:*.pw",
         HEAD "Content-Length: 40\r\n\r\n {\"pw\":\"stays\",\"q\":{\"pw\":\"SECRET\"}}   "},
        {"form:pw", HEAD "Content-Type: multipart/form-data; boundary=\"b-b\"\r\nContent-Length: "
                         "130\r\n\r\n--b-b\r\nContent-Disposition: form-data; name=\"pw\"\r\n\r\n"
                         "SECRET\r\n--b-b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n"
                         "stays\r\n--b-b--\r\n"},
        {"default", "GET /?access_token=SECRET HTTP/1.1\r\nCookie: any=SECRET\r\nAuthorization: "
                    "Basic SECRET\r\n\r\n"},
        {"header:X-T",
         HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: SECRET\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        check_redacted(requests[i].rules, MSG_REQUEST, requests[i].payload);
    check_redacted("cookie:sid", MSG_RESPONSE,
                   "HTTP/1.1 200 OK\r\nSet-Cookie: sid=SECRET; Path=/; sid=attribute\r\n"
                   "Content-Length: 0\r\n\r\n");
    check_redacted("param:code", MSG_RESPONSE,
                   "HTTP/1.1 302 Found\r\nLocation: /x?code=SECRET\r\nContent-Length: 0\r\n\r\n");
    check_redacted("json:token", MSG_RESPONSE,
                   "HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"token\":\"SECRET\"}");
}
END_TEST

START_TEST(a_secret_is_found_however_chunks_cut_the_body)
{
    static const char body[] = "{\"user\":{\"email\":\"SECRET\"},\"n\":1}";
    size_t n = sizeof(body) - 1;
    for (size_t first = 1; first < n; first++)
        for (size_t second = 1; first + second < n; second += 5) {
            char payload[512];
            int len =
                snprintf(payload, sizeof(payload),
                         HEAD JSON_TYPE "Transfer-Encoding: chunked\r\n\r\n"
                                        "%zx;x=y\r\n%.*s\r\n%zX\r\n%.*s\r\n%zx\r\n%s\r\n0\r\n\r\n",
                         first, (int)first, body, second, (int)second, body + first,
                         n - first - second, body + first + second);
            ck_assert(len > 0 && (size_t)len < sizeof(payload));
            struct msg *msg = message(MSG_REQUEST, "1", payload);
            const struct msg *out = redacted("json:user.email", msg);
            /* put together again: all as it was, but for six bytes */
            char plain[64];
            size_t at = out->http.head_len, got = 0;
            const char *bytes = (const char *)out->bytes;
            for (;;) {
                size_t size = strtoul(bytes + at, NULL, 16);
                const char *data = strchr(bytes + at, '\n') + 1;
                if (size == 0)
                    break;
                memcpy(plain + got, data, size);
                got += size;
                at = (size_t)(data - bytes) + size + 2;
            }
            ck_assert_uint_eq(got, n);
            ck_assert(memcmp(plain, body, 18) == 0 && memcmp(plain + 24, body + 24, n - 24) == 0);
            ck_assert(memcmp(plain + 18, "SECRET", 6) != 0);
            msg_unref(out);
            msg_unref(msg);
        }
}
END_TEST

START_TEST(the_same_value_gives_the_same_token_in_any_place)
{
    struct msg *msg = message(MSG_REQUEST, "1",
                              "GET /?t=value-1&u=value-2 HTTP/1.1\r\nCookie: t=value-1\r\n"
                              "X-T: value-1\r\n\r\n");
    const struct msg *out = redacted("param:t param:u cookie:t header:x-t", msg);
    char one[8] = "", other[8] = "", cookie[8] = "", field[8] = "";
    ck_assert_int_eq(sscanf((const char *)out->bytes,
                            "GET /?t=%7[0-9a-v]&u=%7[0-9a-v] HTTP/1.1\r\nCookie: t=%7[0-9a-v]\r\n"
                            "X-T: %7[0-9a-v]\r\n",
                            one, other, cookie, field),
                     4);
    ck_assert_str_eq(one, cookie);
    ck_assert_str_eq(one, field);
    ck_assert_str_ne(one, other);
    msg_unref(out);
    msg_unref(msg);
}
END_TEST

START_TEST(numbers_stay_numbers)
{
    struct msg *msg = message(MSG_REQUEST, "1",
                              HEAD JSON_TYPE "Content-Length: 32\r\n\r\n"
                                             "{\"card\":4111111111111111,\"a\":-1}");
    const struct msg *out = redacted("json:card json:a", msg);
    char digits[17] = "", a[3] = "";
    ck_assert_int_eq(
        sscanf((const char *)msg_body(out).ptr, "{\"card\":%16[0-9],\"a\":%2[0-9]}", digits, a), 2);
    ck_assert_str_ne(digits, "4111111111111111");
    ck_assert(digits[0] != '0' && strlen(digits) == 16 && strlen(a) == 2);
    msg_unref(out);
    msg_unref(msg);
}
END_TEST

START_TEST(what_cannot_be_searched_does_not_pass_as_it_was)
{
    static const char *const payloads[] = {
        /* compressed */
        HEAD JSON_TYPE "Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\nxxSECRETxx",
        /* says that it is JSON, and is not */
        HEAD JSON_TYPE "Content-Length: 29\r\n\r\n{\"a\" \"b\" {\"token\":\"SECRET\"}}",
        /* a form without a boundary */
        HEAD "Content-Type: multipart/form-data\r\nContent-Length: 10\r\n\r\nxxSECRETxx",
    };
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        struct msg *msg = message(MSG_REQUEST, "1", payloads[i]);
        const struct msg *out = redacted("json:token form:pw", msg);
        ck_assert_msg(!has(out, "SECRET"), "%zu", i);
        msg_unref(out);
        msg_unref(msg);
    }
    struct filter_chain *chain = chain_of("json:token");
    const struct msg *none = NULL;
    struct msg *not_http = message(MSG_REQUEST, "1", "\x01SECRET");
    msg_parse_head(not_http);
    ck_assert_int_eq(filter_chain_redact(chain, not_http, &none), VERDICT_DROP);
    msg_unref(not_http);
    close_chain(chain);
}
END_TEST

START_TEST(a_message_without_secrets_is_not_copied)
{
    struct filter_chain *chain = chain_of("default");
    const struct msg *out = NULL;
    struct msg *msg = message(MSG_REQUEST, "1", HEAD "Content-Length: 2\r\n\r\n{}");
    msg_parse_head(msg);
    ck_assert_int_eq(filter_chain_redact(chain, msg, &out), VERDICT_PASS);
    msg_unref(msg);
    close_chain(chain);
}
END_TEST

START_TEST(a_rule_that_cannot_be_read_is_told_with_its_place)
{
    static const char *const bad[][2] = {
        {"", "character 1"},           {"Authorization", "character 1"}, {"header:", "character 8"},
        {"header:a b", "character 8"}, {"json:", "character 6"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct filter_chain *chain = NULL;
        struct err err;
        ck_assert_int_eq(options_new(&options, &refrain_options), 0);
        ck_assert_int_eq(options_set(options, "redact", bad[i][0], OPTION_FROM_COMMAND_LINE, &err),
                         0);
        ck_assert_int_lt(filter_chain_new(&chain, ops, ARRAY_LEN(ops), options, &err), 0);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_msg(strstr(err.text, bad[i][1]), "%s", err.text);
        options_free(options);
    }
}
END_TEST

START_TEST(without_memory_nothing_passes)
{
    struct filter_chain *chain = chain_of("json:**.token cookie:*");
    struct msg *msg =
        message(MSG_REQUEST, "1",
                HEAD "Cookie: a=SECRET\r\n" JSON_TYPE "Transfer-Encoding: chunked\r\n\r\n"
                     "9\r\n{\"token\":\r\n9\r\n\"SECRET\"}\r\n0\r\n\r\n");
    enum verdict verdict = VERDICT_FAIL;
    msg_parse_head(msg);
    for (uint64_t nth = 1; verdict != VERDICT_REPLACE; nth++) {
        const struct msg *out = NULL;
        mem_fail_at(nth);
        verdict = filter_chain_redact(chain, msg, &out);
        mem_fail_at(0);
        ck_assert(verdict == VERDICT_FAIL || verdict == VERDICT_REPLACE);
        ck_assert(verdict == VERDICT_FAIL || !has(out, "SECRET"));
        msg_unref(out);
        ck_assert_uint_lt(nth, 30);
    }
    msg_unref(msg);
    close_chain(chain);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        each_kind_finds_its_secret_and_leaves_the_rest,
        a_secret_is_found_however_chunks_cut_the_body,
        the_same_value_gives_the_same_token_in_any_place,
        numbers_stay_numbers,
        what_cannot_be_searched_does_not_pass_as_it_was,
        a_message_without_secrets_is_not_copied,
        a_rule_that_cannot_be_read_is_told_with_its_place,
        without_memory_nothing_passes,
    };
    return suite_of("redact", tests, ARRAY_LEN(tests));
}
