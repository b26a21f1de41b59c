/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/route_template.h"

START_TEST(numbers_and_ids_are_folded_and_words_stay)
{
    static const struct {
        const char *target, *path;
    } cases[] = {
        {"/", "/"},
        {"", ""},
        {"*", "*"},
        {"/users/17/orders/9", "/users/{n}/orders/{n}"},
        {"/users/17?page=3&x=/1/2", "/users/{n}"},
        {"/users/17#top", "/users/{n}"},
        {"http://host.example:8080/users/17", "/users/{n}"},
        {"//17//", "//{n}//"},
        {"/00000000000000000000000000000000000000001", "/{n}"},
        {"/v1/api2/http2", "/v1/api2/http2"},
        {"/o/123e4567-e89b-12d3-a456-426614174000/x", "/o/{uuid}/x"},
        {"/o/123E4567-E89B-12D3-A456-426614174000", "/o/{uuid}"},
        {"/o/123e4567-e89b-12d3-a456-42661417400g", "/o/{id}"},
        {"/c/4699f1c2", "/c/{hex}"},
        {"/c/d41d8cd98f00b204e9800998ecf8427e.png", "/c/{hex}.png"},
        {"/c/4699f1c", "/c/4699f1c"},
        {"/deadbeef/facade/effaced", "/deadbeef/facade/effaced"},
        {"/t/eyJhbGciOiJIUzI1NiJ9", "/t/{id}"},
        {"/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/{id}"},
        {"/t/cus_NffrFeUfNV2Hib8", "/t/{id}"},
        {"/t/aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeF", "/t/{id}"},
        {"/getCustomerOrderHistoryV2", "/getCustomerOrderHistoryV2"},
        {"/how-to-install-debian-12", "/how-to-install-debian-12"},
        {"/static/jquery-3.6.0.min.js", "/static/jquery-3.6.0.min.js"},
        {"/12345.json", "/{n}.json"},
        {"/1.5", "/1.5"},
        {"/report-2024-11-20.pdf", "/report-{n}-11-20.pdf"},
        {"/p/blue-shoe-771234", "/p/blue-shoe-{n}"},
        {"/abc1234", "/abc1234"},
        {"/static/app.50d7d13f.js", "/static/app.{hex}.js"},
        {"/static/app.12345678.js", "/static/app.{n}.js"},
        {"/f/user-123e4567-e89b-12d3-a456-426614174000.png", "/f/{id}.png"},
        {"/f/t.01ARZ3NDEKTSV4RRFFQ69G5FAV", "/f/t.{id}"},
        {"/1234abc-1234", "/1234abc-{n}"},
        {"/a;jsessionid=8F3A51CC90A1B2C3", "/a;jsessionid={hex}"},
        {"/odata/Users(5)/Name", "/odata/Users({n})/Name"},
        {"/~tom/%20x/\xc3\xa4\x01\x7f", "/~tom/%20x/%C3%A4%01%7F"},
        {"/</script><img src=x>", "/</script><img%20src=x>"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route_text out;
        char wanted[ROUTE_TEXT_MAX];
        route_template(&out, span_str("GET"), span_str(cases[i].target));
        snprintf(wanted, sizeof(wanted), "GET %s", cases[i].path);
        ck_assert_str_eq(out.text, wanted);
        ck_assert_uint_eq(out.len, strlen(wanted));
        ck_assert_uint_eq(out.method_len, 3);
        ck_assert(!out.cut);
    }
}
END_TEST

START_TEST(hostile_bytes_give_short_printable_text)
{
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        static const char often[] = "/0123456789abcdefABCXYZ-_.;=%?#:";
        uint8_t bytes[600];
        size_t len = (size_t)rand_r(&seed) % sizeof(bytes);
        size_t method = (size_t)rand_r(&seed) % 40;
        for (size_t i = 0; i < len; i++)
            bytes[i] = rand_r(&seed) % 4 == 0
                           ? (uint8_t)rand_r(&seed)
                           : (uint8_t)often[(size_t)rand_r(&seed) % (sizeof(often) - 1)];
        /* in a block of its own size, so that a sanitizer sees a read beyond it */
        uint8_t *exact = malloc(len + 1);
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, bytes, len);
        struct route_text out;
        method = method < len ? method : len;
        route_template(&out, span_of(exact, method), span_of(exact + method, len - method));
        ck_assert_uint_eq(strlen(out.text), out.len);
        ck_assert_uint_lt(out.len, sizeof(out.text));
        ck_assert_uint_lt(out.method_len, out.len);
        ck_assert_int_eq(out.text[out.method_len], ' ');
        ck_assert(!out.cut || strcmp(out.text + out.len - 3, "...") == 0);
        bool printable = true;
        for (size_t i = 0; i < out.len; i++)
            printable &= out.text[i] >= 0x20 && out.text[i] < 0x7f;
        ck_assert(printable);
        free(exact);
    }
}
END_TEST

START_TEST(what_is_too_long_is_cut_once)
{
    char target[2000];
    struct route_text out;
    memset(target, 'a', sizeof(target));
    target[0] = '/';
    route_template(&out, span_str("GET"), span_of(target, sizeof(target)));
    ck_assert(out.cut);
    ck_assert_uint_eq(out.len, sizeof(out.text) - 1);
    ck_assert_str_eq(out.text + out.len - 5, "aa...");
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        numbers_and_ids_are_folded_and_words_stay,
        hostile_bytes_give_short_printable_text,
        what_is_too_long_is_cut_once,
    };
    return suite_of("route_template", tests, ARRAY_LEN(tests));
}
