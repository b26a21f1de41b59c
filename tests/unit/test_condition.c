/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/condition.h"
#include "lib/mem.h"
#include "tests/unit/messages.h"

static struct msg *request(const char *payload)
{
    struct msg *msg = message(MSG_REQUEST, "1", payload);
    msg_parse_head(msg);
    ck_assert(endpoint_parse(span_str("10.1.2.3:40000"), &msg->src));
    ck_assert(endpoint_parse(span_str("[2001:db8::7]:8080"), &msg->dst));
    return msg;
}

#define USUAL                                                                                      \
    "POST /api/v1/items?a=1&debug=yes&debug=no&e HTTP/1.1\r\nHost: Beta.example:8080\r\n"          \
    "x-plan: gold\r\nX-Plan: silver\r\nCookie: a=b; lang=de-AT; empty=\r\nX-Empty:\r\n"            \
    "Content-Length: 0\r\n\r\n"

static bool holds(const char *text, const struct msg *msg, unsigned status)
{
    struct condition *c;
    struct err err;
    int r = condition_new(&c, "to-if", text, &err);
    ck_assert_msg(r == 0, "%s: %s", text, r < 0 ? err.text : "");
    ck_assert_str_eq(condition_text(c), text);
    bool result = condition_holds(c, msg, status);
    condition_free(c);
    return result;
}

START_TEST(every_kind_says_yes_and_no_and_can_be_turned_round)
{
    static const struct {
        const char *text;
        bool holds;
    } cases[] = {
        {"method:POST", true},
        {"method:GET,POST", true},
        {"method:GET,HEAD", false},
        {"method:post", false},
        {"method:POS", false},
        {"url:^/api", true},
        {"url:debug=yes", true},
        {"url:^/$", false},
        {"path:/api", true},
        {"path:/api/", true},
        {"path:/api/v1/items", true},
        {"path:/", true},
        {"path:/ap", false},
        {"path:/api/v1/items/7", false},
        {"host:^Beta\\.example$", true},
        {"host:8080", false},
        {"header:X-PLAN=^gold$", true},
        {"header:x-plan=silver", false},
        {"header:X-Plan", true},
        {"header:Plan", false},
        {"header:X-Empty=^$", true},
        {"header:X-None=^$", false},
        {"cookie:lang=^de", true},
        {"cookie:Lang", false},
        {"cookie:empty=^$", true},
        {"param:debug=^yes$", true},
        {"param:debug=no", false},
        {"param:e", true},
        {"param:E", false},
        {"client:10.0.0.0/8", true},
        {"client:10.1.2.3", true},
        {"client:10.1.2.2/31", true},
        {"client:10.1.2.4/30", false},
        {"client:0.0.0.0/0", true},
        {"client:2001:db8::/32", false},
        {"server:2001:db8::/32", true},
        {"server:[2001:db8::7]:8080", true},
        {"server:[2001:db8::7]:80", false},
        {"server:2001:db8::8", false},
        {"server::8080", true},
        {"port:8080", true},
        {"port:8000-8099", true},
        {"port:80", false},
        {"status:404", true},
        {"status:4xx", true},
        {"status:400-499", true},
        {"status:5xx", false},
        {"status:200", false},
    };
    struct msg *msg = request(USUAL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char turned[64] = "!";
        strncat(turned, cases[i].text, sizeof(turned) - 2);
        ck_assert_msg(holds(cases[i].text, msg, 404) == cases[i].holds, "%s", cases[i].text);
        ck_assert_msg(holds(turned, msg, 404) == !cases[i].holds, "%s", turned);
    }
    msg_unref(msg);
}
END_TEST

START_TEST(what_cannot_be_asked_is_not_met_turned_round_or_not)
{
    static const char *const http[] = {"method:GET", "url:.", "header:Host", "path:/"};
    struct msg *not_http = message(MSG_REQUEST, "1", "\x16\x03\x01 no HTTP at all");
    struct msg *plain = message(MSG_REQUEST, "1", "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    msg_parse_head(not_http);
    msg_parse_head(plain);
    for (size_t i = 0; i < ARRAY_LEN(http); i++) {
        char turned[32] = "!";
        strncat(turned, http[i], sizeof(turned) - 2);
        ck_assert(!holds(http[i], not_http, 0));
        ck_assert(!holds(turned, not_http, 0));
    }
    /* a record of gor's has no addresses; no response, no status */
    ck_assert(!holds("client:0.0.0.0/0", plain, 0));
    ck_assert(!holds("!client:0.0.0.0/0", plain, 0));
    ck_assert(!holds("port:80", plain, 0));
    ck_assert(!holds("!port:80", plain, 0));
    ck_assert(!holds("status:200", plain, 0));
    ck_assert(!holds("!status:200", plain, 0));
    msg_unref(not_http);
    msg_unref(plain);
}
END_TEST

START_TEST(the_host_of_an_absolute_target_wins_over_the_field)
{
    struct msg *msg = request("GET http://user@one.example:81/p?q HTTP/1.1\r\nHost: two\r\n\r\n");
    ck_assert(holds("host:^one\\.example$", msg, 0));
    ck_assert(holds("path:/p", msg, 0));
    ck_assert(!holds("path:/p/q", msg, 0));
    msg_unref(msg);
}
END_TEST

START_TEST(a_mapped_address_is_the_ipv4_address)
{
    struct msg *msg = request(USUAL);
    ck_assert(endpoint_parse(span_str("[::ffff:192.0.2.9]:1"), &msg->src));
    ck_assert(holds("client:192.0.2.0/24", msg, 0));
    ck_assert(!holds("client:192.0.3.0/24", msg, 0));
    msg_unref(msg);
}
END_TEST

START_TEST(a_fault_is_told_with_the_place_of_the_character)
{
    static const struct {
        const char *text, *place;
    } bad[] = {
        {"", "character 1"},
        {"usr:x", "character 1"},
        {"!urls:x", "character 2"},
        {"url:", "character 5"},
        {"url:a(b", "character 7"},
        {"header:", "character 8"},
        {"header:=x", "character 8"},
        {"header:a b=x", "character 8"},
        {"header:X=", "character 10"},
        {"method:", "character 8"},
        {"method:GET,", "character 12"},
        {"method:GET,P OST", "character 12"},
        {"path:api", "character 6"},
        {"client:10.0.0.0/33", "character 8"},
        {"client:10.0.0", "character 8"},
        {"client:host", "character 8"},
        {"server:1.2.3.4:99999", "character 8"},
        {"port:0", "character 6"},
        {"port:9-8", "character 6"},
        {"port:80x", "character 6"},
        {"status:6xy", "character 8"},
        {"status:1000", "character 8"},
        {"!status:", "character 9"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct condition *c = NULL;
        struct err err;
        ck_assert_msg(condition_new(&c, "to-if", bad[i].text, &err) < 0, "%s", bad[i].text);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_ptr_nonnull(strstr(err.text, "--to-if"));
        ck_assert_msg(strstr(err.text, bad[i].place), "%s: %s", bad[i].text, err.text);
    }
}
END_TEST

START_TEST(without_memory_there_is_an_error_and_nothing_leaks)
{
    for (uint64_t nth = 1; nth < 20; nth++) {
        struct condition *c = NULL;
        struct err err;
        mem_fail_at(nth);
        int r = condition_new(&c, "to-if", "header:A=^b", &err);
        mem_fail_at(0);
        if (r == 0)
            condition_free(c);
        else
            ck_assert_ptr_null(c);
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        every_kind_says_yes_and_no_and_can_be_turned_round,
        what_cannot_be_asked_is_not_met_turned_round_or_not,
        the_host_of_an_absolute_target_wins_over_the_field,
        a_mapped_address_is_the_ipv4_address,
        a_fault_is_told_with_the_place_of_the_character,
        without_memory_there_is_an_error_and_nothing_leaks,
    };
    return suite_of("condition", tests, ARRAY_LEN(tests));
}
