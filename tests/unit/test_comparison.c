/* SPDX-License-Identifier: MIT */
/* Answers compared, counted, and told: which differences are noise, and what stays bounded. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/options_table.h"
#include "compare/compare.h"
#include "compare/locations.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/unit/messages.h"

static struct comparison *comparison;
static struct answer_diff diff;
static struct ignore *ignore;

static int64_t in_use(void)
{
    int64_t sum = 0;
    for (int tag = 0; tag < MEM_TAGS; tag++)
        sum += mem_used(tag);
    return sum;
}

static void open_comparison(void)
{
    struct options *options;
    struct err err;
    ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    ck_assert_int_eq(
        options_set(options, "compare-ignore", "header:x-any", OPTION_FROM_COMMAND_LINE, &err), 0);
    ck_assert_int_eq(ignore_open(&ignore, options, &err), 0);
    options_free(options);
    ck_assert_int_eq(comparison_new(&comparison), 0);
    answer_diff_init(&diff, ignore);
}

static void close_comparison(void)
{
    answer_diff_fini(&diff);
    comparison_free(comparison);
    ignore_free(ignore);
    ck_assert_int_eq(in_use(), 0);
}

static struct msg *response(const char *payload)
{
    struct msg *msg = message(MSG_RESPONSE, "17", payload);
    msg_parse_head(msg);
    ck_assert_uint_gt(msg->http.head_len, 0);
    return msg;
}

/* An answer whose body is JSON. */
static struct msg *json_answer(const char *body)
{
    char payload[4096];
    snprintf(payload, sizeof(payload), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    return response(payload);
}

/* Takes both. The nth allocation fails. */
static void add_failing(struct msg *wanted, struct msg *got, bool for_noise, uint64_t nth)
{
    struct msg *request = message(MSG_REQUEST, "17", "GET /a\xff?b HTTP/1.1\r\nHost: x\r\n\r\n");
    msg_parse_head(request);
    struct pair pair = {request, wanted, got};
    mem_fail_at(nth);
    if (for_noise)
        comparison_learn(comparison, &diff, &pair);
    else
        comparison_add(comparison, &diff, &pair);
    mem_fail_at(0);
    msg_unref(wanted);
    msg_unref(got);
    msg_unref(request);
}

static void add(struct msg *wanted, struct msg *got, bool for_noise)
{
    add_failing(wanted, got, for_noise, 0);
}

static void add_json(const char *wanted, const char *got)
{
    add(json_answer(wanted), json_answer(got), false);
}

static void learn_json(const char *wanted, const char *got)
{
    add(json_answer(wanted), json_answer(got), true);
}

/* The locations of one pair, "kind name; ". */
static const char *told(const char *first, const char *second)
{
    static char text[4096];
    struct shown_location shown[20];
    text[0] = '\0';
    open_comparison();
    add(response(first), response(second), false);
    size_t n = comparison_locations(comparison, shown, ARRAY_LEN(shown));
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, "%s %s; ", difference_kind_name(shown[i].kind),
                 shown[i].name);
    }
    close_comparison();
    return text;
}

#define OK "HTTP/1.1 200 OK\r\n"

START_TEST(answers_differ_in_status_fields_and_body)
{
    static const struct {
        const char *first, *second, *told;
    } cases[] = {
        {OK "Content-Length: 1\r\n\r\na", OK "Content-Length: 1\r\n\r\na", ""},
        {OK "\r\n", "HTTP/1.0 404 No\r\n\r\n", "changed status; "},
        {OK "A: 1\r\nB: 2\r\n\r\n", OK "b: 2\r\na:  1 \r\n\r\n", ""},
        {OK "A: 1\r\n\r\n", OK "A: 2\r\n\r\n", "changed header:a; "},
        {OK "A: 1\r\n\r\n", OK "\r\n", "missing header:a; "},
        {OK "\r\n", OK "A: \r\n\r\n", "added header:a; "},
        {OK "A: 1\r\nA: 2\r\n\r\n", OK "A: 2\r\nA: 1\r\n\r\n", "changed header:a; "},
        {OK "A: 1\r\n\r\n", OK "A: 1\r\nA: 1\r\n\r\n", "changed header:a; "},
        {OK "Date: 1\r\nVia: x\r\nX-Any: 1\r\n\r\n", OK "date: 2\r\nAge: 3\r\n\r\n", ""},
        {OK "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n\r\n",
         OK "set-cookie: b=3\r\nset-cookie: a=4\r\n\r\n", ""},
        {OK "Set-Cookie: a=1\r\n\r\n", OK "Set-Cookie: b=1\r\n\r\n", "changed header:set-cookie; "},
        {OK "Set-Cookie: a=1\r\n\r\n", OK "Set-Cookie: a=1\r\nSet-Cookie: a\r\n\r\n",
         "changed header:set-cookie; "},
        {OK "\xe4\"B: 1\r\n\r\n", OK "\r\n", "missing header:\\xe4\"b; "},
        {OK "Content-Length: 3\r\n\r\nabc", OK "Content-Length: 4\r\n\r\nabcd", "changed body; "},
        {OK "Content-Length: 3\r\n\r\nabc",
         OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", ""},
        {OK "Content-Length: 3\r\n\r\nabc", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
         "changed body; "},
        {OK "Content-Length: 7\r\n\r\n{\"a\":1}", OK "Content-Length: 7\r\n\r\n{\"a\":2}",
         "changed body:$.a; "},
        {OK "Content-Length: 7\r\n\r\n{\"a\":1}", OK "Content-Length: 7\r\n\r\n{\"a\":1]",
         "changed body; "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = told(cases[i].first, cases[i].second);
        ck_assert_msg(strcmp(got, cases[i].told) == 0, "%s / %s: %s", cases[i].first,
                      cases[i].second, got);
    }
}
END_TEST

START_TEST(answers_that_were_cut_are_compared_as_far_as_both_go)
{
    static const struct {
        const char *first, *second; /* bodies */
        bool first_cut, second_cut, different;
    } cases[] = {
        {"abcdef", "abc", false, true, false},       {"abcdef", "abd", false, true, true},
        {"abc", "abcdef", true, false, false},       {"abc", "abcdef", false, true, true},
        {"abc", "abcdef", true, true, false},        {"", "abcdef", true, false, false},
        {"{\"a\":1}", "{\"a\"", false, true, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        open_comparison();
        struct msg *first = json_answer(cases[i].first), *second = json_answer(cases[i].second);
        first->flags = cases[i].first_cut ? MSG_CUT : 0;
        second->flags = cases[i].second_cut ? MSG_CUT : 0;
        add(first, second, false);
        struct comparison_totals t = comparison_totals(comparison);
        ck_assert_msg(t.different == cases[i].different, "%s %s", cases[i].first, cases[i].second);
        ck_assert_uint_eq(t.cut, 1);
        close_comparison();
    }
}
END_TEST

START_TEST(noise_is_what_differs_at_least_half_as_often_where_nothing_should)
{
    for (unsigned noisy = 0; noisy <= 10; noisy++) {
        open_comparison();
        /* 100 pairs: 40 differ at t, of these 10 also at v */
        for (unsigned i = 0; i < 100; i++)
            add_json("{\"t\":0,\"v\":0}", i < 10   ? "{\"t\":1,\"v\":1}"
                                          : i < 40 ? "{\"t\":1,\"v\":0}"
                                                   : "{\"t\":0,\"v\":0}");
        /* learned from 20: so many of them differ at t, and one at v */
        for (unsigned i = 0; i < 20; i++)
            learn_json("{\"t\":0,\"v\":0}", i < noisy ? "{\"t\":2,\"v\":0}" : "{\"t\":0,\"v\":0}");
        struct comparison_totals t = comparison_totals(comparison);
        bool is_noise = noisy >= 4; /* 20 % of 20 against 40 % of 100 */
        ck_assert_uint_eq(t.pairs, 100);
        ck_assert_uint_eq(t.learned, 20);
        ck_assert_uint_eq(t.equal, 60);
        ck_assert_msg(t.different == (is_noise ? 10 : 40), "%u", noisy);
        ck_assert_uint_eq(t.only_noise, is_noise ? 30 : 0);
        struct shown_location shown[2];
        ck_assert_uint_eq(comparison_locations(comparison, shown, 2), 2);
        ck_assert_str_eq(shown[is_noise ? 1 : 0].name, "body:$.t");
        ck_assert(shown[is_noise ? 1 : 0].is_noise == is_noise);
        ck_assert_uint_eq(shown[is_noise ? 1 : 0].noise, noisy);
        close_comparison();
    }
}
END_TEST

START_TEST(a_field_that_changes_by_itself_does_not_hide_that_it_is_gone)
{
    open_comparison();
    for (unsigned i = 0; i < 50; i++) {
        learn_json("{\"t\":1}", "{\"t\":2}");
        add_json("{\"t\":1}", "{}");
    }
    ck_assert_uint_eq(comparison_totals(comparison).different, 50);
    close_comparison();
}
END_TEST

START_TEST(locations_beyond_the_bound_are_one_and_never_noise)
{
    open_comparison();
    for (unsigned i = 0; i < LOCATIONS_MAX + 200; i++) {
        char first[64];
        snprintf(first, sizeof(first), "{\"k%u\":1}", i);
        add_json(first, "{}");
        learn_json(first, "{}");
    }
    struct comparison_totals t = comparison_totals(comparison);
    ck_assert_uint_eq(t.different, 200);
    ck_assert_uint_eq(t.only_noise, LOCATIONS_MAX);
    struct shown_location shown[1];
    ck_assert_uint_eq(comparison_locations(comparison, shown, 1), LOCATIONS_MAX + 1);
    ck_assert_str_eq(shown[0].name, "(others)");
    ck_assert_uint_eq(shown[0].count, 200);
    close_comparison();
}
END_TEST

START_TEST(more_sets_of_locations_than_are_told_apart_count_as_different)
{
    open_comparison();
    for (unsigned i = 1; i < 5001; i++) { /* each another set of 13 keys */
        char first[256] = "{\"x\":1";
        for (unsigned bit = 0; bit < 13; bit++)
            if (i >> bit & 1)
                sprintf(first + strlen(first), ",\"k%u\":1", bit);
        sprintf(first + strlen(first), "}");
        add_json(first, "{\"x\":1}");
        learn_json(first, "{\"x\":1}");
    }
    struct comparison_totals t = comparison_totals(comparison);
    ck_assert_uint_eq(t.pairs, 5000);
    ck_assert_uint_eq(t.different, 5000 - 4096);
    ck_assert_uint_eq(t.only_noise, 4096);
    close_comparison();
}
END_TEST

static const char *string_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    ck_assert_msg(text != NULL, "%s", key);
    return text;
}

static json_int_t integer_of(const json_t *object, const char *key)
{
    ck_assert_msg(json_is_integer(json_object_get(object, key)), "%s", key);
    return json_integer_value(json_object_get(object, key));
}

START_TEST(all_of_it_is_told_as_json)
{
    open_comparison();
    struct msg *a = json_answer("{\"a\":\"\\u001b\"}"), *b = json_answer("{\"a\":2}");
    a->latency_ns = 5 * NS_PER_MS;
    b->latency_ns = 50 * NS_PER_MS;
    add(a, b, false);
    add_json("{}", "{}");
    add_json("{}", "{}");
    add(response(OK "\r\n"), response("HTTP/1.1 500 X\r\n\r\n"), false);
    comparison_lose(comparison, LOSS_UNANSWERED);
    comparison_without_recorded(comparison);
    json_t *json = comparison_json(comparison);
    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(integer_of(json, "pairs"), 4);
    ck_assert_int_eq(integer_of(json, "different"), 2);
    ck_assert_int_eq(integer_of(json, "equal"), 2);
    ck_assert_int_eq(integer_of(json, "status_changes"), 1);
    ck_assert_int_eq(integer_of(json, "recorded_without_answer"), 1);
    ck_assert_str_eq(string_of(json, "against"), "baseline");
    const json_t *statuses = json_object_get(json, "statuses");
    ck_assert_uint_eq(json_array_size(statuses), 2);
    ck_assert_int_eq(integer_of(json_array_get(statuses, 0), "count"), 3);
    ck_assert_int_eq(integer_of(json_array_get(statuses, 1), "replayed"), 500);
    const json_t *latency = json_object_get(json_object_get(json, "latency"), "replayed");
    double slowest = json_real_value(json_object_get(latency, "max_s"));
    ck_assert(slowest > 0.0499 && slowest < 0.0501);
    const json_t *locations = json_object_get(json, "locations");
    ck_assert_uint_eq(json_array_size(locations), 2);
    const json_t *location = json_array_get(locations, 0);
    ck_assert_str_eq(string_of(location, "kind"), "type");
    ck_assert_str_eq(string_of(location, "location"), "body:$.a");
    const json_t *example = json_object_get(location, "example");
    ck_assert_str_eq(string_of(example, "request"), "GET /a\\xff?b");
    ck_assert_str_eq(string_of(example, "recorded"), "\"\\u001B\"");
    ck_assert_str_eq(string_of(example, "replayed"), "2");
    ck_assert_str_eq(string_of(example, "id"), "17");
    json_decref(json);
    close_comparison();
}
END_TEST

static void *counted_alloc(size_t size)
{
    return mem_alloc(MEM_IO, size);
}

START_TEST(every_allocation_may_fail)
{
    json_set_alloc_funcs(counted_alloc, mem_free); /* jansson's too */
    for (uint64_t n = 1; n < 100; n++) {
        open_comparison();
        add_failing(json_answer("{\"a\":[1,{\"b\":2}],\"c\":1}"),
                    json_answer("{\"a\":[2,{\"b\":\"x\"}]}"), false, n);
        add_failing(response(OK "Transfer-Encoding: chunked\r\nA: 1\r\n\r\n1\r\na\r\n0\r\n\r\n"),
                    response("HTTP/1.1 400 X\r\nContent-Length: 2\r\n\r\nab"), false, n);
        /* whatever was not to be had, the pairs were seen to differ */
        struct comparison_totals t = comparison_totals(comparison);
        ck_assert_uint_eq(t.pairs, 2);
        ck_assert_uint_eq(t.different, 2);
        close_comparison();
    }
    bool whole = false;
    for (uint64_t n = 1; n < 500; n++) {
        open_comparison();
        add_json("{\"a\":[1,{\"b\":2}],\"c\":1}", "{\"a\":[2,{\"b\":\"x\"}]}");
        mem_fail_at(n);
        json_t *json = comparison_json(comparison);
        mem_fail_at(0);
        whole = json != NULL;
        json_decref(json);
        close_comparison();
    }
    ck_assert(whole); /* fewer allocations were needed */
    struct comparison *c = NULL;
    for (uint64_t n = 1; !c; n++) {
        mem_fail_at(n);
        int r = comparison_new(&c);
        mem_fail_at(0);
        ck_assert(r == 0 || r == -ENOMEM);
        ck_assert_uint_lt(n, 10);
    }
    comparison_free(c);
    ck_assert_int_eq(in_use(), 0);
}
END_TEST

/* --- as an output --- */

static void write_one(struct output *out, enum msg_type type, uint8_t from, const char *id,
                      const char *payload)
{
    struct msg *msg = message(type, id, payload);
    msg_parse_head(msg);
    msg->replayed_by = from;
    ck_assert_int_eq(out->ops->write(out, msg),
                     type == MSG_REPLAYED && from == 0 ? OUTPUT_SKIPPED : OUTPUT_DONE);
    msg_unref(msg);
}

START_TEST(as_an_output_it_pairs_compares_and_keeps_its_books)
{
    struct ledger *ledger;
    struct options *options;
    struct output *out = NULL;
    struct err err;
    char large[5000];
    ck_assert_int_eq(ledger_new(&ledger), 0);
    struct account *account = ledger_account(ledger, ACCOUNT_OUTPUT, "compare");
    ck_assert_int_eq(options_new(&options, &refrain_options), 0);
    ck_assert_int_eq(comparison_new(&comparison), 0);
    struct compare_config config = {.options = options,
                                    .books = account_page(account),
                                    .comparison = comparison,
                                    .with_baseline = true};
    ck_assert_int_eq(compare_open(&out, &config, &err), 0);
    compare_set_baseline(out, 2);
    int n = snprintf(large, sizeof(large), "POST /long HTTP/1.1\r\nContent-Length: 4000\r\n\r\n");
    memset(large + n, 'x', 4000);
    large[n + 4000] = '\0';
    write_one(out, MSG_REQUEST, 0, "1", large);
    write_one(out, MSG_REPLAYED, 2, "1", OK "X: 1\r\n\r\n");
    write_one(out, MSG_REPLAYED, 1, "1", "HTTP/1.1 404 No\r\nX: 2\r\n\r\n");
    write_one(out, MSG_RESPONSE, 0, "1", OK "X: 0\r\n\r\n");
    write_one(out, MSG_REPLAYED, 0, "1", OK "\r\n");
    write_one(out, MSG_RESPONSE, 0, "2", OK "\r\n");
    ck_assert_int_eq(out->ops->flush(out), OUTPUT_DONE);
    struct comparison_totals t = comparison_totals(comparison);
    ck_assert_uint_eq(t.pairs, 1);
    ck_assert_uint_eq(t.different, 1);
    ck_assert_uint_eq(t.learned, 1);
    ck_assert_uint_eq(t.lost[LOSS_UNANSWERED], 1);
    ck_assert_uint_eq(account_sum(account, BOOK_COMPARED), 1);
    ck_assert_uint_eq(account_sum(account, BOOK_DIFFERENT), 1);
    ck_assert_uint_eq(account_sum(account, BOOK_STATUS_CHANGES), 1);
    struct shown_location shown[3];
    ck_assert_uint_eq(comparison_locations(comparison, shown, 3), 2);
    ck_assert_str_eq(shown[0].name, "status");
    ck_assert(shown[1].is_noise && strcmp(shown[1].name, "header:x") == 0);
    out->ops->close(out);
    comparison_free(comparison);
    options_free(options);
    ledger_free(ledger);
    ck_assert_int_eq(in_use(), 0);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        answers_differ_in_status_fields_and_body,
        answers_that_were_cut_are_compared_as_far_as_both_go,
        noise_is_what_differs_at_least_half_as_often_where_nothing_should,
        a_field_that_changes_by_itself_does_not_hide_that_it_is_gone,
        locations_beyond_the_bound_are_one_and_never_noise,
        more_sets_of_locations_than_are_told_apart_count_as_different,
        all_of_it_is_told_as_json,
        every_allocation_may_fail,
        as_an_output_it_pairs_compares_and_keeps_its_books,
    };
    return suite_of("comparison", tests, ARRAY_LEN(tests));
}
