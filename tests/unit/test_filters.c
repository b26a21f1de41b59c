/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/options_table.h"
#include "filters/filters.h"
#include "lib/mem.h"
#include "tests/unit/messages.h"

static const struct filter_ops *const all[] = {&filter_allow_method, &filter_allow_url,
                                               &filter_disallow_url, &filter_set_header};

static struct options *options;
static struct filter_chain *chain;

static void give(const char *name, const char *value)
{
    struct err err;
    if (!options)
        ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    int r = options_set(options, name, value, OPTION_FROM_COMMAND_LINE, &err);
    ck_assert_msg(r == 0, "%s", r < 0 ? err.text : "");
}

static void close_chain(void)
{
    filter_chain_free(chain);
    options_free(options);
    chain = NULL;
    options = NULL;
    ck_assert_int_eq(mem_used(MEM_OTHER) + mem_used(MEM_MSG), 0);
}

static enum verdict judged(const char *payload, char *out, size_t size)
{
    struct err err;
    if (!chain) {
        int r = filter_chain_new(&chain, all, ARRAY_LEN(all), options, &err);
        ck_assert_msg(r == 0, "%s", r < 0 ? err.text : "");
    }
    struct msg *msg = message(MSG_REQUEST, "0a", payload);
    msg_parse_head(msg);
    const struct msg *changed = NULL;
    enum verdict verdict = filter_chain_judge(chain, msg);
    if (verdict == VERDICT_PASS)
        verdict = filter_chain_rewrite(chain, msg, &changed);
    if (verdict == VERDICT_REPLACE) {
        ck_assert_ptr_ne(changed, msg);
        snprintf(out, size, "%.*s", (int)changed->len, (const char *)changed->bytes);
        msg_unref(changed);
    }
    msg_unref(msg);
    return verdict;
}

static bool passes(const char *payload)
{
    char out[512];
    enum verdict verdict = judged(payload, out, sizeof(out));
    ck_assert_int_ne(verdict, VERDICT_FAIL);
    return verdict != VERDICT_DROP;
}

static void becomes(const char *payload, const char *expected)
{
    char out[512] = "";
    ck_assert_int_eq(judged(payload, out, sizeof(out)), VERDICT_REPLACE);
    ck_assert_str_eq(out, expected);
}

static void refused(const char *name, const char *value, const char *text)
{
    struct err err = {.status = STATUS_DONE};
    give(name, value);
    ck_assert_int_lt(filter_chain_new(&chain, all, ARRAY_LEN(all), options, &err), 0);
    ck_assert_ptr_null(chain);
    ck_assert_int_eq(err.status, STATUS_USAGE);
    ck_assert_str_eq(err.text, text);
    close_chain();
}

START_TEST(a_method_passes_when_it_is_one_of_those_allowed)
{
    give("http-allow-method", "GET");
    give("http-allow-method", "PROPFIND");
    ck_assert(passes("GET / HTTP/1.1\r\n\r\n"));
    ck_assert(passes("PROPFIND / HTTP/1.1\r\n\r\n"));
    ck_assert(!passes("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
    ck_assert(!passes("get / HTTP/1.1\r\n\r\n"));
    ck_assert(!passes("GETS / HTTP/1.1\r\n\r\n"));
    ck_assert(!passes("GE / HTTP/1.1\r\n\r\n"));
    close_chain();
}
END_TEST

START_TEST(a_target_passes_when_any_expression_matches_it)
{
    give("http-allow-url", "^/api/");
    give("http-allow-url", "\\.png$");
    ck_assert(passes("GET /api/users?x=1 HTTP/1.1\r\n\r\n"));
    ck_assert(passes("BREW /logo.png HTTP/1.1\r\n\r\n"));
    ck_assert(!passes("GET /v1/api/ HTTP/1.1\r\n\r\n"));
    ck_assert(!passes("GET /logo.png?x HTTP/1.1\r\n\r\n"));
    ck_assert(!passes("GET / HTTP/1.1\r\nHost: x/api/\r\nReferer: /api/\r\n\r\n"));
    close_chain();
}
END_TEST

START_TEST(a_target_is_dropped_when_any_expression_matches_it)
{
    give("http-disallow-url", "^/admin");
    give("http-disallow-url", "token=");
    ck_assert(!passes("GET /admin HTTP/1.1\r\n\r\n"));
    ck_assert(!passes("PROPFIND /a?b=1&token=2 HTTP/1.1\r\n\r\n"));
    ck_assert(passes("GET /user/admin HTTP/1.1\r\nX: token=\r\n\r\n"));
    close_chain();
}
END_TEST

START_TEST(what_is_no_request_passes_no_allow_rule)
{
    static const char junk[] = "\x16\x03\x01 /api/ this is no HTTP";
    give("http-allow-url", ".*");
    ck_assert(!passes(junk));
    close_chain();
    give("http-allow-method", "GET");
    ck_assert(!passes(junk));
    close_chain();
    give("http-disallow-url", "never");
    ck_assert(passes(junk));
    close_chain();
    give("http-set-header", "A: 1");
    ck_assert_int_eq(judged(junk, NULL, 0), VERDICT_PASS);
    close_chain();
}
END_TEST

START_TEST(an_expression_that_gives_up_lets_nothing_pass)
{
    char request[5100];
    char name[5000];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(request, sizeof(request), "GET /%s! HTTP/1.1\r\n\r\n", name);
    give("http-allow-url", "^/(a+)+$");
    ck_assert(!passes(request));
    close_chain();
    give("http-disallow-url", "^/(a+)+$");
    ck_assert(!passes(request));
    ck_assert(passes("GET /aaa! HTTP/1.1\r\n\r\n"));
    close_chain();
    give("http-allow-url", "^/(a+)+$");
    give("http-allow-url", "^/a");
    ck_assert(passes(request));
    close_chain();
}
END_TEST

START_TEST(a_field_is_replaced_in_place_or_added_in_front)
{
    give("http-set-header", "User-Agent: x");
    becomes("GET / HTTP/1.1\r\nHost: h\r\nuser-agent:  old \r\nA: 1\r\n\r\nbody",
            "GET / HTTP/1.1\r\nHost: h\r\nuser-agent:  x \r\nA: 1\r\n\r\nbody");
    becomes("GET / HTTP/1.1\r\nHost: h\r\n\r\nUser-Agent: body",
            "GET / HTTP/1.1\r\nUser-Agent: x\r\nHost: h\r\n\r\nUser-Agent: body");
    close_chain();
}
END_TEST

START_TEST(several_fields_are_set_in_order_so_new_ones_appear_reversed)
{
    give("http-set-header", "A: 1");
    give("http-set-header", " B :2 ");
    becomes("GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nB: 2\r\nA: 1\r\nHost: h\r\n\r\n");
    close_chain();
    give("http-set-header", "A: 1");
    give("http-set-header", "a: 2");
    becomes("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nA: 2\r\n\r\n");
    close_chain();
}
END_TEST

START_TEST(a_field_that_is_as_wanted_makes_no_new_message)
{
    give("http-set-header", "A: 1");
    ck_assert_int_eq(judged("GET / HTTP/1.1\r\nA: 1\r\n\r\n", NULL, 0), VERDICT_PASS);
    close_chain();
}
END_TEST

START_TEST(filters_judge_what_was_recorded_and_change_it_after)
{
    give("http-allow-method", "GET");
    give("http-allow-url", "^/a");
    give("http-disallow-url", "no$");
    give("http-set-header", "A: 1");
    ck_assert(!passes("POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
    ck_assert(!passes("GET /b HTTP/1.1\r\n\r\n"));
    ck_assert(!passes("GET /a/no HTTP/1.1\r\n\r\n"));
    becomes("GET /a HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1\r\nA: 1\r\n\r\n");
    close_chain();
}
END_TEST

START_TEST(bad_arguments_are_refused_with_their_text)
{
    refused("http-allow-method", "GET,POST",
            "--http-allow-method \"GET,POST\": expected a method, e.g. GET");
    refused("http-allow-method", "", "--http-allow-method \"\": expected a method, e.g. GET");
    refused("http-allow-url", "(a",
            "--http-allow-url \"(a\": missing closing parenthesis at character 2");
    refused("http-disallow-url", "a)",
            "--http-disallow-url \"a)\": unmatched closing parenthesis at character 2");
    refused("http-set-header", "no colon",
            "--http-set-header \"no colon\": expected \"Name: Value\"");
    refused("http-set-header", ": x", "--http-set-header \": x\": expected \"Name: Value\"");
    refused("http-set-header", "A B: x",
            "--http-set-header \"A B: x\": not a header field that could be sent");
    refused("http-set-header", "A: x\r\nB: y",
            "--http-set-header \"A: x\r\nB: y\": not a header field that could be sent");
}
END_TEST

START_TEST(every_allocation_at_the_start_may_fail)
{
    int r = -1;
    for (uint64_t n = 1; r < 0; n++) {
        struct err err;
        give("http-allow-method", "GET");
        give("http-allow-url", "^/a");
        give("http-disallow-url", "^/b");
        give("http-set-header", "A: 1");
        mem_fail_at(n);
        r = filter_chain_new(&chain, all, ARRAY_LEN(all), options, &err);
        mem_fail_at(0);
        ck_assert(r == 0 || r == -ENOMEM);
        ck_assert_uint_lt(n, 200);
        close_chain();
    }
}
END_TEST

START_TEST(no_memory_for_a_change_fails_that_message_alone)
{
    char out[128];
    give("http-set-header", "A: 1");
    ck_assert_int_eq(judged("GET /a HTTP/1.1\r\n\r\n", out, sizeof(out)), VERDICT_REPLACE);
    struct msg *msg = message(MSG_REQUEST, "0b", "GET /b HTTP/1.1\r\n\r\n");
    msg_parse_head(msg);
    const struct msg *changed = NULL;
    mem_fail_at(1);
    ck_assert_int_eq(filter_chain_rewrite(chain, msg, &changed), VERDICT_FAIL);
    mem_fail_at(0);
    ck_assert_ptr_null(changed);
    msg_unref(msg);
    ck_assert_int_eq(judged("GET /c HTTP/1.1\r\n\r\n", out, sizeof(out)), VERDICT_REPLACE);
    close_chain();
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_method_passes_when_it_is_one_of_those_allowed,
        a_target_passes_when_any_expression_matches_it,
        a_target_is_dropped_when_any_expression_matches_it,
        what_is_no_request_passes_no_allow_rule,
        an_expression_that_gives_up_lets_nothing_pass,
        a_field_is_replaced_in_place_or_added_in_front,
        several_fields_are_set_in_order_so_new_ones_appear_reversed,
        a_field_that_is_as_wanted_makes_no_new_message,
        filters_judge_what_was_recorded_and_change_it_after,
        bad_arguments_are_refused_with_their_text,
        every_allocation_at_the_start_may_fail,
        no_memory_for_a_change_fails_that_message_alone,
    };
    return suite_of("filters", tests, ARRAY_LEN(tests));
}
