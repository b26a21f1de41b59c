/* SPDX-License-Identifier: MIT */
/* Every rule of gor's set, with requests that it lets pass, drops or changes; alone and in pairs.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "cmd/options_table.h"
#include "cmd/registry.h"
#include "filters/filters.h"
#include "lib/mem.h"
#include "lib/options_table.h"
#include "tests/unit/messages.h"

#define END "\r\n\r\n"
/* In place of what a request becomes. */
#define PASSES "same"
#define DROPPED NULL

struct rule {
    const char *option, *value;
};

static struct options *options;

static struct filter_chain *chain_of(const struct rule *rules, size_t n)
{
    struct filter_chain *chain;
    struct err err;
    ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    for (size_t i = 0; i < n && rules[i].option; i++)
        ck_assert_int_eq(
            options_set(options, rules[i].option, rules[i].value, OPTION_FROM_COMMAND_LINE, &err),
            0);
    int r = filter_chain_new(&chain, registry_filters, registry_n_filters(), options, &err);
    ck_assert_msg(r == 0, "%s", r < 0 ? err.text : "");
    return chain;
}

/* What becomes of a request: DROPPED, PASSES, or its bytes in out. */
static const char *outcome(const struct rule *rules, size_t n, const char *payload, char *out,
                           size_t size)
{
    struct filter_chain *chain = chain_of(rules, n);
    struct msg *msg = message(MSG_REQUEST, "1", payload);
    const struct msg *changed = NULL;
    const char *result = PASSES;
    msg_parse_head(msg);
    if (filter_chain_judge(chain, msg) == VERDICT_DROP) {
        result = DROPPED;
    } else {
        enum verdict verdict = filter_chain_rewrite(chain, msg, &changed);
        ck_assert_int_ne(verdict, VERDICT_FAIL);
        if (verdict == VERDICT_REPLACE) {
            snprintf(out, size, "%.*s", (int)changed->len, (const char *)changed->bytes);
            result = out;
        }
        msg_unref(changed);
    }
    msg_unref(msg);
    filter_chain_free(chain);
    options_free(options);
    return result;
}

static void expect(const struct rule *rules, size_t n, const char *payload, const char *wanted)
{
    char out[512];
    const char *got = outcome(rules, n, payload, out, sizeof(out));
    bool equal = got == wanted || (got && wanted && strcmp(got, wanted) == 0);
    ck_assert_msg(equal, "--%s \"%s\" on \"%s\": \"%s\" instead of \"%s\"", rules[0].option,
                  rules[0].value, payload, got ? got : "dropped", wanted ? wanted : "dropped");
}

START_TEST(each_rule_judges_or_changes_what_it_should)
{
    static const struct {
        struct rule rule;
        const char *payload, *wanted;
    } cases[] = {
        {{"http-safe-methods", "true"}, "GET / HTTP/1.1" END, PASSES},
        {{"http-safe-methods", "true"}, "TRACE / HTTP/1.1" END, PASSES},
        {{"http-safe-methods", "true"}, "POST / HTTP/1.1" END, DROPPED},
        {{"http-safe-methods", "true"}, "get / HTTP/1.1" END, DROPPED},
        {{"http-safe-methods", "true"}, "\x01\x02", DROPPED},

        {{"http-allow-header", "Host:^a\\."}, "GET / HTTP/1.1\r\nhost: a.example" END, PASSES},
        {{"http-allow-header", "Host: ^a\\."}, "GET / HTTP/1.1\r\nhost: a.example" END, PASSES},
        {{"http-allow-header", "Host:^a\\."}, "GET / HTTP/1.1\r\nhost: b.example" END, DROPPED},
        {{"http-allow-header", "Host:^a\\."}, "GET / HTTP/1.1\r\nX-Host: a.example" END, DROPPED},
        {{"http-allow-header", "Host:^a"}, "GET / HTTP/1.1\r\nHost: b\r\nHost: a" END, DROPPED},
        {{"http-allow-header", "X:.*"}, "GET / HTTP/1.1\r\nX:" END, DROPPED},
        {{"http-allow-header", "X:a:b"}, "GET / HTTP/1.1\r\nX: a:b" END, PASSES},
        {{"http-allow-header", "X:1"},
         "POST / HTTP/1.1\r\nContent-Length: 6" END "\r\nX: 1",
         DROPPED},
        {{"http-allow-header", "X:1"}, "no HTTP", DROPPED},

        {{"http-disallow-header", "User-Agent:bot"},
         "GET / HTTP/1.1\r\nuser-agent: Abot" END,
         DROPPED},
        {{"http-disallow-header", "User-Agent:bot"},
         "GET / HTTP/1.1\r\nuser-agent: you" END,
         PASSES},
        {{"http-disallow-header", "User-Agent:bot"}, "GET / HTTP/1.1" END, PASSES},
        {{"http-disallow-header", "A:2"}, "GET / HTTP/1.1\r\nA: 1\r\nA: 2" END, DROPPED},
        {{"http-disallow-header", "A:^$"}, "GET / HTTP/1.1\r\nA:" END, PASSES},

        /* user:pass, and what is none */
        {{"http-basic-auth-filter", "^user:"},
         "GET / HTTP/1.1\r\nAuthorization: Basic dXNlcjpwYXNz" END,
         PASSES},
        {{"http-basic-auth-filter", "^user:pass$"},
         "GET / HTTP/1.1\r\nAuthorization: basic dXNlcjpwYXNz" END,
         PASSES},
        {{"http-basic-auth-filter", "^root:"},
         "GET / HTTP/1.1\r\nAuthorization: Basic dXNlcjpwYXNz" END,
         DROPPED},
        {{"http-basic-auth-filter", "^a:b$"},
         "GET / HTTP/1.1\r\nAuthorization: Basic YTpi" END,
         PASSES},
        {{"http-basic-auth-filter", "^a:$"},
         "GET / HTTP/1.1\r\nAuthorization: Basic YTo=" END,
         PASSES},
        {{"http-basic-auth-filter", "^a$"},
         "GET / HTTP/1.1\r\nAuthorization: Basic YQ==" END,
         PASSES},
        {{"http-basic-auth-filter", "."},
         "GET / HTTP/1.1\r\nAuthorization: Basic !!!!" END,
         DROPPED},
        {{"http-basic-auth-filter", "."}, "GET / HTTP/1.1\r\nAuthorization: Basic YQ" END, DROPPED},
        {{"http-basic-auth-filter", "^x$"},
         "GET / HTTP/1.1\r\nAuthorization: Bearer x" END,
         PASSES},
        {{"http-basic-auth-filter", "^x$"}, "GET / HTTP/1.1" END, PASSES},

        /* FNV-1a modulo 100: "" 61, "1" 44, "2" 1, "3" 82, "abc" 31, "user-42" 99 */
        {{"http-header-limiter", "U:45%"}, "GET / HTTP/1.1\r\nu: 1" END, PASSES},
        {{"http-header-limiter", "U:44%"}, "GET / HTTP/1.1\r\nu: 1" END, DROPPED},
        {{"http-header-limiter", "U:2%"}, "GET / HTTP/1.1\r\nU: 2" END, PASSES},
        {{"http-header-limiter", "U:1%"}, "GET / HTTP/1.1\r\nU: 2" END, DROPPED},
        {{"http-header-limiter", "U:99%"}, "GET / HTTP/1.1\r\nU: user-42" END, DROPPED},
        {{"http-header-limiter", "U:100%"}, "GET / HTTP/1.1\r\nU: user-42" END, PASSES},
        {{"http-header-limiter", "U:1/2"}, "GET / HTTP/1.1\r\nU: abc" END, PASSES},
        {{"http-header-limiter", "U:1/4"}, "GET / HTTP/1.1\r\nU: abc" END, DROPPED},
        {{"http-header-limiter", "U:1%"}, "GET / HTTP/1.1" END, PASSES},
        {{"http-header-limiter", "U:1%"}, "GET / HTTP/1.1\r\nU:" END, PASSES},
        {{"http-param-limiter", "u:32%"}, "GET /?a=1&u=abc HTTP/1.1" END, PASSES},
        {{"http-param-limiter", "u:31%"}, "GET /?a=1&u=abc HTTP/1.1" END, DROPPED},
        {{"http-param-limiter", "u:61%"}, "GET /?u= HTTP/1.1" END, DROPPED},
        {{"http-param-limiter", "u:62%"}, "GET /?u= HTTP/1.1" END, PASSES},
        {{"http-param-limiter", "u:1%"}, "GET /?uu=abc HTTP/1.1" END, PASSES},

        {{"http-set-param", "k=new"}, "GET /a HTTP/1.1" END, "GET /a?k=new HTTP/1.1" END},
        {{"http-set-param", "k=new"}, "GET /a?x=1 HTTP/1.1" END, "GET /a?x=1&k=new HTTP/1.1" END},
        {{"http-set-param", "k=new"}, "GET /a?k=1&x HTTP/1.1" END, "GET /a?k=new&x HTTP/1.1" END},
        {{"http-set-param", "k=new"},
         "GET /?kk=1&k=2&k=3 HTTP/1.1" END,
         "GET /?kk=1&k=new&k=3 HTTP/1.1" END},
        {{"http-set-param", "k=new"}, "GET /a?k HTTP/1.1" END, "GET /a?k=new HTTP/1.1" END},
        {{"http-set-param", "k=new"},
         "GET /a#f?k=1 HTTP/1.1" END,
         "GET /a?k=new#f?k=1 HTTP/1.1" END},
        {{"http-set-param", " k = "}, "GET /a?k=1 HTTP/1.1" END, "GET /a?k= HTTP/1.1" END},
        {{"http-set-param", "k=1"}, "GET /a?k=1 HTTP/1.1" END, PASSES},
        {{"http-set-param", "k=1"}, "no HTTP", PASSES},

        {{"http-rewrite-url", "^/v1/(.*)$:/v2/$1"},
         "GET /v1/a?b HTTP/1.1" END,
         "GET /v2/a?b HTTP/1.1" END},
        {{"http-rewrite-url", "a:b"},
         "GET /aaa HTTP/1.1\r\na: a" END,
         "GET /bbb HTTP/1.1\r\na: a" END},
        {{"http-rewrite-url", "/(?P<x>[a-z])([0-9]):/${2}-$x-$0"},
         "GET /a1 HTTP/1.1" END,
         "GET /1-a-/a1 HTTP/1.1" END},
        {{"http-rewrite-url", "/(.):/$1z$$"}, "GET /a HTTP/1.1" END, "GET /$ HTTP/1.1" END},
        {{"http-rewrite-url", "/(a)|/(b):/x$1$2$9"}, "GET /b HTTP/1.1" END, "GET /xb HTTP/1.1" END},
        {{"http-rewrite-url", "\\:80:\\:81"}, "GET http://h:80/ HTTP/1.1" END, NULL},
        {{"http-rewrite-url", "^/b:/c"}, "GET /a HTTP/1.1" END, PASSES},
        {{"http-rewrite-url", "^/a:/a"}, "GET /a HTTP/1.1" END, PASSES},

        {{"http-rewrite-header", "Host: (.*)\\.example,$1.test"},
         "GET / HTTP/1.1\r\nHoSt: a.example" END,
         "GET / HTTP/1.1\r\nHoSt: a.test" END},
        {{"http-rewrite-header", "A: a\\,b,c"},
         "GET / HTTP/1.1\r\nA: xa,bx" END,
         "GET / HTTP/1.1\r\nA: xcx" END},
        {{"http-rewrite-header", "A: x,y"}, "GET / HTTP/1.1\r\nAA: x" END, PASSES},
        {{"http-rewrite-header", "A: x,y"}, "GET / HTTP/1.1\r\nA: z" END, PASSES},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *wanted = cases[i].wanted;
        if (strcmp(cases[i].rule.value, "\\:80:\\:81") == 0)
            wanted = "GET http://h\\:81/ HTTP/1.1" END; /* a replacement is as it is given */
        expect(&cases[i].rule, 1, cases[i].payload, wanted);
    }
}
END_TEST

START_TEST(of_several_values_all_or_the_first_count_as_gor_has_it)
{
    static const struct rule both[] = {{"http-allow-header", "A:1"}, {"http-allow-header", "B:2"}};
    expect(both, 2, "GET / HTTP/1.1\r\nA: 1\r\nB: 2" END, PASSES);
    expect(both, 2, "GET / HTTP/1.1\r\nA: 1" END, DROPPED);
    static const struct rule first[] = {{"http-rewrite-url", "^/a:/b"},
                                        {"http-rewrite-url", "^/b:/c"}};
    expect(first, 2, "GET /a HTTP/1.1" END, "GET /b HTTP/1.1" END);
    expect(first, 2, "GET /b HTTP/1.1" END, "GET /c HTTP/1.1" END);
    static const struct rule each[] = {{"http-rewrite-header", "A: 1,2"},
                                       {"http-rewrite-header", "None: 1,2"},
                                       {"http-rewrite-header", "A: 2,3"}};
    expect(each, 3, "GET / HTTP/1.1\r\nA: 1" END, "GET / HTTP/1.1\r\nA: 3" END);
}
END_TEST

START_TEST(every_judge_sees_the_request_as_it_was_recorded)
{
    /* the changes are written first, and come second */
    static const struct rule pairs[][2] = {
        {{"http-set-header", "A: new"}, {"http-allow-header", "A:old"}},
        {{"http-rewrite-header", "A: old,new"}, {"http-disallow-header", "A:new"}},
        {{"http-set-param", "p=new"}, {"http-allow-url", "p=old"}},
        {{"http-rewrite-url", "old:new"}, {"http-disallow-url", "new"}},
        {{"http-set-param", "p=new"}, {"http-if", "param:p=^old$"}},
        {{"http-set-header", "U: user-42"}, {"http-header-limiter", "U:50%"}},
    };
    static const char payload[] = "GET /?p=old HTTP/1.1\r\nA: old\r\nU: 1" END;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        char out[256];
        const char *got = outcome(pairs[i], 2, payload, out, sizeof(out));
        ck_assert_msg(got && strcmp(got, PASSES) != 0, "--%s with --%s", pairs[i][0].option,
                      pairs[i][1].option);
    }
}
END_TEST

START_TEST(changes_are_made_in_gors_order)
{
    static const struct rule rules[] = {
        {"http-rewrite-header", "A: ^set$,rewritten"},
        {"http-rewrite-url", "p=set:p=rewritten"},
        {"http-set-param", "p=set"},
        {"http-set-header", "A: set"},
    };
    expect(rules, 4, "GET /?p=0 HTTP/1.1\r\nA: 0" END,
           "GET /?p=rewritten HTTP/1.1\r\nA: rewritten" END);
}
END_TEST

START_TEST(a_rule_that_cannot_be_read_is_told_with_its_place)
{
    static const struct {
        struct rule rule;
        const char *place;
    } bad[] = {
        {{"http-allow-header", "no colon"}, "character 1"},
        {{"http-allow-header", "Name"}, "character 5"},
        {{"http-allow-header", "A b:x"}, "character 1"},
        {{"http-disallow-header", "A:("}, "character 3"},
        {{"http-basic-auth-filter", "("}, "character 1"},
        {{"http-header-limiter", "U:10"}, "character 2"},
        {{"http-header-limiter", "U:110%"}, "character 2"},
        {{"http-header-limiter", "U"}, "character 2"},
        {{"http-param-limiter", ":10%"}, "character 1"},
        {{"http-rewrite-url", "abc"}, "character 4"},
        {{"http-rewrite-url", ":/x"}, "character 1"},
        {{"http-rewrite-url", "[:x"}, "character 1"},
        {{"http-rewrite-header", "A: x"}, "character 5"},
        {{"http-rewrite-header", "x,y"}, "character 1"},
        {{"http-set-param", "k"}, "character 2"},
        {{"http-set-param", "k=a b"}, "character 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct filter_chain *chain = NULL;
        struct err err;
        ck_assert_int_eq(options_new(&options, &refrain_options), 0);
        ck_assert_int_eq(options_set(options, bad[i].rule.option, bad[i].rule.value,
                                     OPTION_FROM_COMMAND_LINE, &err),
                         0);
        int r = filter_chain_new(&chain, registry_filters, registry_n_filters(), options, &err);
        ck_assert_msg(r < 0, "--%s \"%s\"", bad[i].rule.option, bad[i].rule.value);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_msg(strstr(err.text, bad[i].rule.option) && strstr(err.text, bad[i].place), "%s",
                      err.text);
        options_free(options);
    }
}
END_TEST

START_TEST(what_would_not_be_http_any_more_fails_and_is_not_sent)
{
    static const struct rule rule = {"http-rewrite-url", "^/a$:/a HTTP/1.1\r\nX\\: y"};
    struct filter_chain *chain = chain_of(&rule, 1);
    struct msg *msg = message(MSG_REQUEST, "1", "GET /a HTTP/1.1" END);
    const struct msg *out = NULL;
    msg_parse_head(msg);
    ck_assert_int_eq(filter_chain_rewrite(chain, msg, &out), VERDICT_FAIL);
    msg_unref(msg);
    filter_chain_free(chain);
    options_free(options);
}
END_TEST

START_TEST(without_memory_a_change_fails_and_nothing_leaks)
{
    static const struct rule rules[] = {
        {"http-rewrite-url", "a:b"}, {"http-set-param", "k=1"}, {"http-rewrite-header", "A: a,b"}};
    struct filter_chain *chain = chain_of(rules, 3);
    struct msg *msg = message(MSG_REQUEST, "1", "GET /a HTTP/1.1\r\nA: a" END);
    enum verdict verdict = VERDICT_FAIL;
    msg_parse_head(msg);
    for (uint64_t nth = 1; verdict != VERDICT_REPLACE; nth++) {
        const struct msg *out = NULL;
        mem_fail_at(nth);
        verdict = filter_chain_rewrite(chain, msg, &out);
        mem_fail_at(0);
        ck_assert(verdict == VERDICT_FAIL || verdict == VERDICT_REPLACE);
        msg_unref(out);
        ck_assert_uint_lt(nth, 40);
    }
    msg_unref(msg);
    filter_chain_free(chain);
    options_free(options);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        each_rule_judges_or_changes_what_it_should,
        of_several_values_all_or_the_first_count_as_gor_has_it,
        every_judge_sees_the_request_as_it_was_recorded,
        changes_are_made_in_gors_order,
        a_rule_that_cannot_be_read_is_told_with_its_place,
        what_would_not_be_http_any_more_fails_and_is_not_sent,
        without_memory_a_change_fails_and_nothing_leaks,
    };
    return suite_of("filter_rules", tests, ARRAY_LEN(tests));
}
