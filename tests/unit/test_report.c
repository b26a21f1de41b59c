/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/exchange_stats.h"
#include "lib/mem.h"
#include "report/json_object.h"
#include "report/report.h"
#include "report/report_file.h"
#include "tests/unit/folder.h"
#include "tests/unit/messages.h"

#define START (50 * NS_PER_S)
#define HOSTILE "</script><!--<script><img src=x onerror=alert(1)>"

static void exchange(struct account *out, const char *target, uint16_t status, int64_t at_ms)
{
    struct exchange_stats *stats = account_exchanges(out);
    char bytes[512];
    snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.1\r\n\r\n", target);
    struct msg *msg = message(MSG_REQUEST, "1", bytes);
    msg_parse_head(msg);
    exchange_wanted(stats, START + at_ms * NS_PER_MS, 0);
    exchange_sent(stats, START + at_ms * NS_PER_MS);
    if (status > 0) {
        exchange_status(stats, status);
        exchange_answered(stats, msg, status, 5 * NS_PER_MS, START + (at_ms + 5) * NS_PER_MS);
        histogram_add(account_latency(out), 5 * NS_PER_MS);
    } else {
        exchange_failed(stats, msg, START + at_ms * NS_PER_MS);
    }
    msg_unref(msg);
}

/* 4 requests: 2 with 200, one with 503, one without an answer. */
static struct ledger *replay(const char *name)
{
    struct ledger *ledger;
    ck_assert_int_eq(ledger_new(&ledger), 0);
    ck_assert_ptr_nonnull(ledger_account(ledger, ACCOUNT_INPUT, "input-file a.gor"));
    struct account *out = ledger_account(ledger, ACCOUNT_OUTPUT, name);
    ck_assert_int_eq(account_track_exchanges(out), 0);
    struct books *books = account_page(out);
    book_add(books, BOOK_SEEN, 4);
    book_add(books, BOOK_DELIVERED, 3);
    book_add(books, BOOK_FAILED, 1);
    book_add(books, BOOK_HTTP_TIMEOUT, 1);
    exchange(out, "/users/1", 200, 0);
    exchange(out, "/users/2?q=1", 200, 10);
    exchange(out, "/users/3", 503, 150);
    exchange(out, "/" HOSTILE, 0, 160);
    return ledger;
}

static json_t *report_of(const struct ledger *ledger)
{
    json_t *command = json_pack("[ss]", "refrain", HOSTILE);
    const struct report_facts facts = {
        .version = "1.2.3",
        .command = command,
        .start_wall_ns = 1700000000 * NS_PER_S + 5 * NS_PER_MS,
        .end_wall_ns = 1700000002 * NS_PER_S,
        .start_ns = START - NS_PER_S,
        .end_ns = START + NS_PER_S,
        .exit_status = 5,
        .ledger = ledger,
    };
    json_t *report = command ? report_json(&facts) : NULL;
    json_decref(command);
    return report;
}

static const json_t *at(const json_t *list, size_t i)
{
    const json_t *item = json_array_get(list, i);
    ck_assert_ptr_nonnull(item);
    return item;
}

static long long number(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    ck_assert_msg(json_is_integer(value), "%s", key);
    return json_integer_value(value);
}

START_TEST(figures_are_those_of_the_ledger)
{
    struct ledger *ledger = replay("output-http http://x");
    json_t *report = report_of(ledger);
    const json_t *run = json_object_get(report, "run"), *out;
    ck_assert_str_eq(json_string_value(json_object_get(run, "start")), "2023-11-14T22:13:20.005Z");
    ck_assert(json_real_value(json_object_get(run, "duration_s")) == 2);
    ck_assert_int_eq(number(run, "exit_status"), 5);
    ck_assert(json_is_null(json_object_get(run, "error")));
    ck_assert(json_is_true(json_object_get(report, "balanced")));
    ck_assert(json_is_null(json_object_get(report, "comparison")));
    out = at(json_object_get(report, "outputs"), 0);
    ck_assert_int_eq(number(out, "delivered"), 3);
    ck_assert_int_eq(number(json_object_get(out, "statuses"), "200"), 2);
    ck_assert_int_eq(number(json_object_get(out, "statuses"), "503"), 1);
    const json_t *error = at(json_object_get(out, "errors"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(error, "class")), "http_timeout");
    ck_assert_int_eq(number(error, "count"), 1);
    const json_t *series = json_object_get(out, "series");
    ck_assert(json_real_value(json_object_get(series, "start_s")) == 1);
    ck_assert(json_real_value(json_object_get(series, "width_s")) == 0.1);
    ck_assert_uint_eq(json_array_size(json_object_get(series, "wanted")), 2);
    ck_assert_int_eq(json_integer_value(at(json_object_get(series, "wanted"), 0)), 2);
    ck_assert_int_eq(json_integer_value(at(json_object_get(series, "failed"), 1)), 1);
    ck_assert_int_eq(json_integer_value(at(json_object_get(series, "status_5xx"), 1)), 1);
    const json_t *route = at(json_object_get(out, "routes"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(route, "method")), "GET");
    ck_assert_str_eq(json_string_value(json_object_get(route, "path")), "/users/{n}");
    ck_assert_int_eq(number(route, "requests"), 3);
    ck_assert_int_eq(number(route, "2xx"), 2);
    ck_assert_int_eq(number(route, "5xx"), 1);
    /* of 3 answers no more than 66 % is a share of its own */
    const json_t *curve = json_object_get(out, "latency_curve");
    const json_t *last = at(curve, json_array_size(curve) - 1);
    ck_assert(json_real_value(at(last, 0)) == 1);
    ck_assert(json_real_value(at(last, 1)) == 0.005);
    json_decref(report);
    ledger_free(ledger);
}
END_TEST

static char *written(const json_t *report, int (*write)(FILE *f, const json_t *report))
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    ck_assert_int_eq(write(f, report), 0);
    fclose(f);
    ck_assert_uint_eq(strlen(text), len);
    return text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
        n++;
    return n;
}

START_TEST(nothing_in_the_data_is_markup_and_the_page_has_it_all)
{
    struct ledger *ledger = replay("output-http http://" HOSTILE "\xff\xc3\x28");
    json_t *report = report_of(ledger);
    ck_assert_ptr_nonnull(report);
    char *page = written(report, report_write_html);
    static const char open[] = "id=\"data\">";
    char *data = strstr(page, open);
    ck_assert_ptr_nonnull(data);
    data += strlen(open);
    char *end = strstr(data, "</script>");
    ck_assert_ptr_nonnull(end);
    ck_assert_ptr_null(strstr(page, HOSTILE));
    ck_assert_ptr_null(memchr(data, '<', (size_t)(end - data)));
    for (const char *p = page; *p; p++)
        ck_assert((unsigned char)*p < 0x80 || p < data || p > end);
    /* two scripts and their ends, and nothing that asks for another file */
    ck_assert_uint_eq(count_of(page, "<script"), 2);
    ck_assert_uint_eq(count_of(page, "</script"), 2);
    *end = '\0';
    json_error_t error;
    json_t *again = json_loads(data, 0, &error);
    ck_assert_msg(json_equal(again, report) == 1, "%s", error.text);
    json_decref(again);
    free(page);
    char *text = written(report, report_write_json);
    ck_assert_ptr_nonnull(strstr(text, "GET"));
    ck_assert_ptr_nonnull(strstr(text, "\\\\xff\\\\xc3("));
    free(text);
    json_decref(report);
    ledger_free(ledger);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    struct ledger *ledger = replay("output-http http://x");
    json_t *report = report_of(ledger);
    for (int html = 0; html < 2; html++) {
        FILE *f = fopen("/dev/full", "w");
        int r = html ? report_write_html(f, report) : report_write_json(f, report);
        ck_assert_int_lt(r, 0);
        fclose(f);
    }
    json_decref(report);
    ledger_free(ledger);
}
END_TEST

START_TEST(a_report_is_there_when_it_is_whole)
{
    const char *path = "r.json", *part = "r.json.part";
    struct report_file file;
    struct err err;
    struct stat st;
    folder_enter();
    ck_assert_int_eq(symlink("/etc/passwd", part), 0); /* it is not written through */
    ck_assert_int_eq(report_file_open(&file, path, &err), 0);
    ck_assert_int_eq(lstat(part, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(access(path, F_OK), -1);
    json_t *report = json_pack("{s:i}", "a", 1);
    ck_assert_int_eq(report_file_finish(&file, report, &err), 0);
    report_file_close(&file);
    ck_assert_int_eq(access(part, F_OK), -1);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, (off_t)strlen("{\"a\":1}\n"));

    ck_assert_int_eq(report_file_open(&file, path, &err), 0);
    ck_assert_int_lt(report_file_finish(&file, NULL, &err), 0); /* no memory for it */
    ck_assert_ptr_nonnull(strstr(err.text, "--report"));
    report_file_close(&file);
    ck_assert_int_eq(access(part, F_OK), -1);
    ck_assert_int_eq(access(path, F_OK), 0); /* the old one */
    json_decref(report);
    folder_leave();
}
END_TEST

START_TEST(what_cannot_be_a_report_is_told_at_once)
{
    struct report_file file;
    struct err err;
    folder_enter();
    static const char *const names[] = {"r", "r.txt", ".json", "r.json.gz", "html", "a/.html"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        ck_assert_int_lt(report_file_open(&file, names[i], &err), 0);
        ck_assert_int_eq(err.status, STATUS_USAGE);
        ck_assert_ptr_nonnull(strstr(err.text, ".json or .html"));
    }
    ck_assert_int_lt(report_file_open(&file, "none/r.html", &err), 0);
    ck_assert_int_eq(err.status, STATUS_FAILURE);
    ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
    ck_assert_int_eq(mkdir("r.html", 0700), 0);
    ck_assert_int_lt(report_file_open(&file, "r.html", &err), 0);
    ck_assert_int_eq(rmdir("r.html"), 0);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        mem_fail_at(nth);
        ck_assert_int_lt(report_file_open(&file, "r.html", &err), 0);
    }
    mem_fail_at(0);
    ck_assert_int_eq(access("r.html", F_OK), -1); /* nothing is left */
    ck_assert_int_eq(access("r.html.part", F_OK), -1);
    folder_leave();
}
END_TEST

/* jansson's allocations, of which one fails. */
static long fail_in;

static void *failing_malloc(size_t size)
{
    return fail_in > 0 && --fail_in == 0 ? NULL : malloc(size);
}

START_TEST(every_allocation_may_fail)
{
    struct ledger *ledger = replay("output-http http://\xff");
    json_set_alloc_funcs(failing_malloc, free);
    json_t *whole = report_of(ledger);
    ck_assert_ptr_nonnull(whole);
    long n = 0;
    size_t given_up = 0;
    do {
        fail_in = ++n;
        json_t *report = report_of(ledger);
        ck_assert(!report || json_equal(report, whole));
        given_up += !report;
        json_decref(report);
    } while (fail_in == 0);
    fail_in = 0;
    ck_assert_uint_gt(given_up, 300);
    json_decref(whole);
    mem_fail_at(1); /* of a name that is not UTF-8 */
    ck_assert_ptr_null(report_of(ledger));
    mem_fail_at(0);
    ledger_free(ledger);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        figures_are_those_of_the_ledger,
        nothing_in_the_data_is_markup_and_the_page_has_it_all,
        a_full_disk_is_an_error,
        a_report_is_there_when_it_is_whole,
        what_cannot_be_a_report_is_told_at_once,
        every_allocation_may_fail,
    };
    return suite_of("report", tests, ARRAY_LEN(tests));
}
