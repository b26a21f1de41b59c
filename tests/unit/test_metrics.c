/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/exposition.h"
#include "cmd/metrics_books.h"
#include "cmd/metrics_view.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* --- the format --- */

static char *written(void (*write)(FILE *f, void *arg), void *arg)
{
    static char *text; /* gcc -O3 takes a local one for a dangling pointer */
    static size_t len;
    FILE *f = open_memstream(&text, &len);
    ck_assert_ptr_nonnull(f);
    write(f, arg);
    ck_assert_int_eq(fclose(f), 0);
    return text;
}

static void write_label(FILE *f, void *value)
{
    const struct labels labels = {.at = {{"a", NULL}, {"b", value}}};
    metric_count(f, "x", &labels, 7);
}

START_TEST(a_label_is_safe_whatever_bytes_are_in_it)
{
    static const struct {
        const char *value, *text;
    } cases[] = {
        {"eth0", "x{b=\"eth0\"} 7\n"},
        {"", "x{b=\"\"} 7\n"},
        {"a\"} 9\nrefrain_ready 0\n", "x{b=\"a\\\"} 9\\\\x0arefrain_ready 0\\\\x0a\"} 7\n"},
        {"back\\slash\\n", "x{b=\"back\\\\slash\\\\n\"} 7\n"},
        {"\xc3\xa9 \xf0\x9f\x90\xb5", "x{b=\"\xc3\xa9 \xf0\x9f\x90\xb5\"} 7\n"},
        {"\xff\xc3", "x{b=\"\\\\xff\\\\xc3\"} 7\n"},
        {"\x1b[31m\x7f", "x{b=\"\\\\x1b[31m\\\\x7f\"} 7\n"},
        {NULL, "x 7\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = written(write_label, (void *)(uintptr_t)cases[i].value);
        ck_assert_str_eq(text, cases[i].text);
        free(text);
    }
}
END_TEST

static void write_histogram(FILE *f, void *h)
{
    const struct labels labels = {.at = {{"output", "v2"}}};
    const struct histogram *all[] = {h, h};
    metric_histogram(f, "t_seconds", &labels, all, 2);
}

/* The last number of the line that begins so. */
static double sample(const char *text, const char *begin)
{
    const char *line = strstr(text, begin);
    ck_assert_msg(line, "no %s in %s", begin, text);
    return strtod(line + strlen(begin), NULL);
}

START_TEST(a_histogram_adds_up_over_threads_and_each_bound_is_right_to_within_one_percent)
{
    struct histogram *h = mem_zalloc(MEM_OTHER, sizeof(*h));
    ck_assert_ptr_nonnull(h);
    for (int64_t ms = 1; ms <= 1000; ms++)
        histogram_add_alone(h, ms * NS_PER_MS);
    histogram_add(h, 3600 * NS_PER_S);
    char *text = written(write_histogram, h);
    ck_assert(sample(text, "t_seconds_bucket{output=\"v2\",le=\"0.0005\"}") == 0);
    double at_100_ms = sample(text, "t_seconds_bucket{output=\"v2\",le=\"0.1\"}");
    ck_assert_msg(at_100_ms >= 2 * 99 && at_100_ms <= 2 * 100, "%g", at_100_ms);
    ck_assert(sample(text, "t_seconds_bucket{output=\"v2\",le=\"60\"}") == 2000);
    ck_assert(sample(text, "t_seconds_bucket{output=\"v2\",le=\"+Inf\"}") == 2002);
    ck_assert(sample(text, "t_seconds_count{output=\"v2\"}") == 2002);
    double sum = sample(text, "t_seconds_sum{output=\"v2\"}");
    ck_assert_msg(sum == 2 * (500.5 + 3600), "%.9f", sum);
    free(text);
    mem_free(h);
}
END_TEST

/* --- the ledger's counters --- */

#define KINDS 6

/* Inputs and outputs of all kinds, with names, as wire() would make them. */
struct bed {
    struct ledger *ledger;
    struct steer *steer;
    struct pipeline *pipe;
    struct books *pages[KINDS];
    struct view *view;
};

static const struct output_ops http = {.option = "output-http", .exchanges = true};
static const struct output_ops kafka = {.option = "output-kafka-host"};
static const struct output_ops elastic = {.option = "output-http-elasticsearch"};
static const struct output_ops file = {.option = "output-file"};

static void make_bed(struct bed *bed)
{
    static const struct {
        const char *account, *name;
        const struct output_ops *output;
        bool captures;
    } kinds[KINDS] = {
        {"input-raw :80", ":80", NULL, true},      {"input-file a.gor", "a.gor", NULL, false},
        {"output-http u", "u", &http, false},      {"output-kafka-host k", "k", &kafka, false},
        {"output-http-e e", "e", &elastic, false}, {"output-file f", "f", &file, false},
    };
    struct err err;
    *bed = (struct bed){.steer = mem_zalloc(MEM_OTHER, sizeof(*bed->steer))};
    ck_assert_int_eq(ledger_new(&bed->ledger), 0);
    const struct pipeline_config config = {.queue_msgs = 4, .ledger = bed->ledger};
    ck_assert_int_eq(pipeline_new(&bed->pipe, &config, &err), 0);
    for (size_t i = 0; i < KINDS; i++) {
        enum account_kind kind = kinds[i].output ? ACCOUNT_OUTPUT : ACCOUNT_INPUT;
        struct steered *item = &bed->steer->items[i];
        *item = (struct steered){.used = true,
                                 .kind = kind,
                                 .account = ledger_account(bed->ledger, kind, kinds[i].account),
                                 .output = kinds[i].output,
                                 .captures = kinds[i].captures};
        item->guard.n = kinds[i].output == &http;
        snprintf(item->name, sizeof(item->name), "%s", kinds[i].name);
        bed->pages[i] = account_page(item->account);
        ck_assert_ptr_nonnull(bed->pages[i]);
    }
    /* nobody can turn it, and its command is nobody's business */
    ck_assert_ptr_nonnull(
        ledger_account(bed->ledger, ACCOUNT_OUTPUT, "middleware ./m --key s3cret"));
    ck_assert_ptr_nonnull(
        ledger_account(bed->ledger, ACCOUNT_OUTPUT, "middleware ./m --key again"));
    const struct view_of of = {.ledger = bed->ledger, .steer = bed->steer, .pipe = bed->pipe};
    bed->view = view_new(&of);
    ck_assert_ptr_nonnull(bed->view);
}

static void free_bed(struct bed *bed)
{
    view_free(bed->view);
    pipeline_free(bed->pipe);
    ledger_free(bed->ledger);
    mem_free(bed->steer);
}

static void write_books(FILE *f, void *view)
{
    metrics_put_books(f, view);
}

START_TEST(every_counter_of_the_ledger_is_in_a_metric)
{
    struct bed bed;
    char value[32];
    make_bed(&bed);
    for (int book = 0; book < BOOKS; book++)
        for (size_t i = 0; i < KINDS; i++)
            if (book_is_of((enum book)book, bed.steer->items[i].kind))
                book_add(bed.pages[i], (enum book)book, 1000 + (uint64_t)book);
    char *text = written(write_books, bed.view);
    for (int book = 0; book < BOOKS; book++) {
        snprintf(value, sizeof(value), " %d\n", 1000 + book);
        ck_assert_msg(strstr(text, value), "no metric has %s", book_name((enum book)book));
    }
    ck_assert_ptr_nonnull(
        strstr(text, "refrain_output_errors_total{output=\"u\",class=\"reset\"}"));
    ck_assert_ptr_nonnull(
        strstr(text, "refrain_output_errors_total{output=\"f\",class=\"failed\"}"));
    ck_assert_ptr_null(strstr(text, "refrain_output_errors_total{output=\"f\",class=\"reset\"}"));
    free(text);
    free_bed(&bed);
}
END_TEST

START_TEST(what_cannot_be_turned_has_the_name_of_its_kind_and_nothing_more)
{
    struct bed bed;
    make_bed(&bed);
    char *text = written(write_books, bed.view);
    ck_assert_ptr_nonnull(strstr(text, "output=\"middleware\""));
    ck_assert_ptr_nonnull(strstr(text, "output=\"middleware#2\""));
    ck_assert_ptr_null(strstr(text, "key"));
    free(text);
    free_bed(&bed);
}
END_TEST

/* --- probes --- */

START_TEST(it_is_alive_while_the_main_loop_turns)
{
    struct bed bed;
    make_bed(&bed);
    int64_t now_ns = clock_mono_ns();
    view_turn(bed.view, now_ns);
    ck_assert(view_is_alive(bed.view, now_ns));
    ck_assert(view_is_alive(bed.view, now_ns + VIEW_ALIVE_NS - 1));
    ck_assert(!view_is_alive(bed.view, now_ns + VIEW_ALIVE_NS));
    view_turn(bed.view, now_ns + VIEW_ALIVE_NS);
    ck_assert(view_is_alive(bed.view, now_ns + VIEW_ALIVE_NS));
    free_bed(&bed);
}
END_TEST

START_TEST(it_is_ready_when_it_runs_and_something_of_it_is_not_paused)
{
    struct bed bed;
    make_bed(&bed);
    struct steered *items = bed.steer->items;
    ck_assert(!view_is_ready(bed.view)); /* it has not started */
    atomic_store(&bed.view->running, true);
    ck_assert(view_is_ready(bed.view));
    for (size_t i = 2; i < KINDS; i++) {
        ck_assert(view_is_ready(bed.view));
        atomic_store(&items[i].dials.paused, true);
    }
    ck_assert(!view_is_ready(bed.view)); /* all outputs are */
    atomic_store(&items[3].dials.paused, false);
    atomic_store(&items[0].dials.paused, true);
    ck_assert(view_is_ready(bed.view));
    atomic_store(&items[1].dials.paused, true);
    ck_assert(!view_is_ready(bed.view)); /* all inputs are */
    atomic_store(&items[1].dials.paused, false);
    ck_assert(view_is_ready(bed.view));
    pipeline_stop(bed.pipe);
    ck_assert(!view_is_ready(bed.view)); /* it drains */
    free_bed(&bed);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_label_is_safe_whatever_bytes_are_in_it,
        a_histogram_adds_up_over_threads_and_each_bound_is_right_to_within_one_percent,
        every_counter_of_the_ledger_is_in_a_metric,
        what_cannot_be_turned_has_the_name_of_its_kind_and_nothing_more,
        it_is_alive_while_the_main_loop_turns,
        it_is_ready_when_it_runs_and_something_of_it_is_not_paused,
    };
    return suite_of("metrics", tests, ARRAY_LEN(tests));
}
