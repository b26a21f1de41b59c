/* SPDX-License-Identifier: MIT */
/* Outputs that come, go and are closed while others are there; every test ends by checking the
 * books. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/options_table.h"
#include "lib/pipeline.h"
#include "tests/unit/messages.h"

/* An input that makes a request each millisecond, until it is told to end. */
struct live_input {
    struct input base;
    unsigned next, count;
};

static const struct msg *parsed_request(unsigned n)
{
    char id[32], payload[64];
    snprintf(id, sizeof(id), "%024x", n);
    snprintf(payload, sizeof(payload), "GET /%u HTTP/1.1\r\nHost: test\r\n\r\n", n);
    struct msg *msg = message(MSG_REQUEST, id, payload);
    msg_parse_head(msg);
    return msg;
}

static int live_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct live_input *live = container_of(in, struct live_input, base);
    (void)timeout_ms, (void)err;
    poll(NULL, 0, 1);
    sink_put(sink, parsed_request(live->next++));
    return live->next < live->count ? INPUT_MORE : INPUT_END;
}

static int never_opened_input(struct input **in, const struct input_args *args, struct err *err)
{
    (void)in, (void)args;
    return err_failure(err, "not opened in tests");
}

static void input_nothing(struct input *in)
{
    (void)in;
}

static const struct input_ops live_ops = {.option = "live",
                                          .live = true,
                                          .open = never_opened_input,
                                          .poll = live_poll,
                                          .close = input_nothing};

/* What became of an output, which is freed when it is closed. */
struct seen {
    atomic_uint requests, answers;
    atomic_bool closed;
};

#define REQUEST_1 "000000000000000000000001" /* the id of parsed_request(1) */

struct noting_output {
    struct output base;
    struct seen *seen;
    unsigned answers_at_close; /* that many are still given on then */
};

static enum output_result noting_write(struct output *out, const struct msg *msg)
{
    struct seen *seen = container_of(out, struct noting_output, base)->seen;
    atomic_fetch_add(msg->type == MSG_REQUEST ? &seen->requests : &seen->answers, 1);
    return OUTPUT_DONE;
}

static int never_opened_output(struct output **out, const struct output_args *args, struct err *err)
{
    (void)out, (void)args;
    return err_failure(err, "not opened in tests");
}

static void noting_close(struct output *out)
{
    struct noting_output *noting = container_of(out, struct noting_output, base);
    for (unsigned i = 0; i < noting->answers_at_close; i++)
        sink_put(out->answers, message(MSG_REPLAYED, REQUEST_1, "HTTP/1.1 200 OK\r\n\r\n"));
    atomic_store(&noting->seen->closed, true);
    free(noting);
}

static const struct output_ops noting_ops = {
    .option = "noting", .open = never_opened_output, .write = noting_write, .close = noting_close};

/* It gets answers, and takes none. */
static const struct output_ops target_ops = {.option = "target",
                                             .requests_only = true,
                                             .open = never_opened_output,
                                             .write = noting_write,
                                             .close = noting_close};

struct bed {
    struct ledger *ledger;
    struct pipeline *pipe;
    struct live_input in;
    struct account *input;
};

static void open_bed(struct bed *bed, bool wait_when_full)
{
    struct err err;
    const struct pipeline_config config = {
        .queue_msgs = 8, /* few, so that they fill */
        .queue_bytes = MIB,
        .drain_ns = NS_PER_S / 2,
        .when_full = wait_when_full ? WHEN_FULL_BLOCK : WHEN_FULL_AUTO,
        .steerable = true,
    };
    ck_assert_int_eq(ledger_new(&bed->ledger), 0);
    ck_assert_int_eq(pipeline_new(&bed->pipe, &config, &err), 0);
}

static struct noting_output *new_output(struct account *account, const struct output_ops *ops,
                                        struct seen *seen)
{
    struct noting_output *noting = calloc(1, sizeof(*noting));
    ck_assert_ptr_nonnull(noting);
    noting->base.ops = ops;
    noting->base.books = account_page(account);
    noting->seen = seen;
    return noting;
}

static struct noting_output *add_output(struct bed *bed, const char *name,
                                        const struct output_ops *ops, struct seen *seen)
{
    struct err err;
    struct account *account = ledger_account(bed->ledger, ACCOUNT_OUTPUT, name);
    struct noting_output *noting = new_output(account, ops, seen);
    ck_assert_int_eq(pipeline_add_output(bed->pipe, &noting->base, account,
                                         &(struct output_rules){.name = name}, &err),
                     0);
    return noting;
}

static void track_answers(struct bed *bed, struct noting_output *from)
{
    struct err err;
    struct account *account = ledger_account(bed->ledger, ACCOUNT_INPUT, "answers");
    const struct answer_rules rules = {.to_all = true, .max_len = KIB};
    ck_assert_int_eq(
        pipeline_track_answers(bed->pipe, &from->base, &rules, account_page(account), &err), 0);
}

static void begin_with(struct bed *bed, const struct input_ops *ops, unsigned count)
{
    struct err err;
    bed->input = ledger_account(bed->ledger, ACCOUNT_INPUT, ops->option);
    bed->in = (struct live_input){.base.ops = ops, .count = count};
    ck_assert_int_eq(pipeline_add_input(bed->pipe, &bed->in.base, account_page(bed->input),
                                        &(struct input_rules){.leg = LEG_LAST}, &err),
                     0);
    ck_assert_int_eq(pipeline_start(bed->pipe, &err), 0);
}

static void begin(struct bed *bed, unsigned count)
{
    begin_with(bed, &live_ops, count);
}

/* Returns what pipeline_join() did. */
static int end(struct bed *bed)
{
    struct err err;
    char text[256] = "";
    int r = pipeline_join(bed->pipe, &err);
    pipeline_free(bed->pipe);
    ck_assert_msg(ledger_balances(bed->ledger, text, sizeof(text)), "%s", text);
    ledger_free(bed->ledger);
    ck_assert_int_eq(mem_used(MEM_MSG), 0);
    return r;
}

START_TEST(answers_that_come_while_outputs_are_closed_touch_nothing_that_is_gone)
{
    static const unsigned answers[] = {1, 100}; /* more than a queue holds, too */
    struct seen seen[3] = {{0}};
    struct bed bed;
    open_bed(&bed, _i % 2 == 1);
    (void)add_output(&bed, "before", &noting_ops, &seen[0]);
    struct noting_output *target = add_output(&bed, "target", &target_ops, &seen[1]);
    (void)add_output(&bed, "behind", &noting_ops, &seen[2]);
    target->answers_at_close = answers[_i / 2];
    track_answers(&bed, target);
    begin(&bed, 20);
    int r = end(&bed);
    ck_assert_int_eq(r == 0 || r == -EBUSY, 1);
    for (size_t i = 0; i < 3 && _i % 2 == 1; i++) /* else a busy host may drop some */
        ck_assert_uint_eq(seen[i].requests, 20);
}
END_TEST

/* --- while it runs --- */

static void wait_for(atomic_uint *count, unsigned n)
{
    for (int i = 0; i < 20000 && atomic_load(count) < n; i++)
        poll(NULL, 0, 1);
    ck_assert_uint_ge(atomic_load(count), n);
}

static struct pipeline_change *begin_change(struct bed *bed)
{
    struct err err;
    struct pipeline_change *change;
    ck_assert_int_eq(pipeline_change_new(&change, bed->pipe, &err), 0);
    return change;
}

static void apply(struct pipeline_change *change)
{
    struct err err = {.text = ""};
    ck_assert_msg(pipeline_change_apply(change, &err) == 0, "%s", err.text);
    pipeline_change_free(change);
}

static struct account *prepare(struct bed *bed, struct pipeline_change *change, const char *name,
                               const struct output_ops *ops, struct seen *seen)
{
    struct err err;
    struct account *account = ledger_account_again(bed->ledger, ACCOUNT_OUTPUT, name);
    struct noting_output *noting = new_output(account, ops, seen);
    ck_assert_int_eq(pipeline_change_add(change, &noting->base, account,
                                         &(struct output_rules){.name = name}, &err),
                     0);
    account_set_presence(account, ACCOUNT_PRESENT);
    if (ops != &target_ops)
        return account;
    struct account *answers = ledger_account_again(bed->ledger, ACCOUNT_INPUT, "answers");
    const struct answer_rules rules = {.to_all = true, .max_len = KIB};
    ck_assert_int_eq(
        pipeline_change_answers(change, &noting->base, &rules, account_page(answers), &err), 0);
    return account;
}

static void tick_until_gone(struct bed *bed, const struct account *account)
{
    for (int i = 0; i < 20000 && pipeline_has_output(bed->pipe, account); i++) {
        (void)pipeline_tick(bed->pipe, 0);
        poll(NULL, 0, 1);
    }
    ck_assert(!pipeline_has_output(bed->pipe, account));
}

START_TEST(outputs_come_and_go_and_those_that_stay_lose_nothing)
{
    static const char *const names[] = {"even", "odd"};
    struct seen stays = {0}, seen[64] = {{0}};
    struct account *last = NULL;
    struct bed bed;
    open_bed(&bed, true);
    (void)add_output(&bed, "stays", &noting_ops, &stays);
    begin(&bed, 1000000);
    for (size_t n = 0; n < ARRAY_LEN(seen); n++) {
        struct pipeline_change *change = begin_change(&bed);
        if (last)
            pipeline_change_remove(change, last);
        struct account *account =
            prepare(&bed, change, names[n % 2], n % 3 == 2 ? &target_ops : &noting_ops, &seen[n]);
        apply(change);
        wait_for(&seen[n].requests, 3);
        if (last)
            tick_until_gone(&bed, last);
        ck_assert(n == 0 || atomic_load(&seen[n - 1].closed));
        last = account;
    }
    pipeline_stop(bed.pipe);
    unsigned others = 0, got = stays.requests;
    ck_assert_int_eq(end(&bed), 0);
    for (size_t n = 0; n < ARRAY_LEN(seen); n++)
        others += seen[n].requests;
    ck_assert_uint_ge(stays.requests, got);
    ck_assert_uint_eq(stays.requests, bed.in.next);
    /* each request went to one of them, but for those around the first change */
    ck_assert_uint_le(others, stays.requests);
    ck_assert_uint_ge(others, stays.requests - 20);
}
END_TEST

START_TEST(what_is_prepared_and_not_applied_leaves_no_trace)
{
    struct seen stays = {0}, never[2] = {{0}};
    struct err err;
    struct bed bed;
    open_bed(&bed, true);
    (void)add_output(&bed, "stays", &noting_ops, &stays);
    begin(&bed, 300);
    struct pipeline_change *change = begin_change(&bed);
    struct account *account = prepare(&bed, change, "never", &target_ops, &never[0]);
    account_set_presence(account, ACCOUNT_PREPARED);
    pipeline_change_free(change);
    ck_assert(atomic_load(&never[0].closed));
    ck_assert(!pipeline_has_output(bed.pipe, account));
    const struct account *first = ledger_nth(bed.ledger, ACCOUNT_OUTPUT, 0);
    ck_assert_str_eq(account_name(first), "stays");
    ck_assert_ptr_null(ledger_nth(bed.ledger, ACCOUNT_OUTPUT, 1));
    while (!pipeline_is_draining(bed.pipe))
        poll(NULL, 0, 1);
    change = begin_change(&bed);
    (void)prepare(&bed, change, "never", &noting_ops, &never[1]); /* nothing comes any more */
    ck_assert_int_lt(pipeline_change_apply(change, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "ending"));
    pipeline_change_free(change);
    ck_assert_int_eq(end(&bed), 0);
    ck_assert_uint_eq(never[0].requests + never[1].requests, 0);
    ck_assert_uint_eq(stays.requests, 300);
}
END_TEST

static enum output_result stuck_write(struct output *out, const struct msg *msg)
{
    (void)out, (void)msg;
    return OUTPUT_BUSY;
}

static void stuck_poll(struct output *out, int wake_fd, int timeout_ms)
{
    (void)out, (void)wake_fd, (void)timeout_ms;
    poll(NULL, 0, 1);
}

static const struct output_ops stuck_ops = {.option = "stuck",
                                            .open = never_opened_output,
                                            .write = stuck_write,
                                            .poll = stuck_poll,
                                            .close = noting_close};

START_TEST(one_that_is_stuck_is_given_up_and_the_input_that_waits_for_it_goes_on)
{
    struct seen stays = {0}, stuck = {0};
    struct bed bed;
    open_bed(&bed, true);
    (void)add_output(&bed, "stays", &noting_ops, &stays);
    begin(&bed, 2000);
    struct pipeline_change *change = begin_change(&bed);
    struct account *account = prepare(&bed, change, "stuck", &stuck_ops, &stuck);
    apply(change);
    unsigned before = 0;
    do { /* until the input waits */
        before = atomic_load(&stays.requests);
        poll(NULL, 0, 200);
    } while (atomic_load(&stays.requests) != before);
    change = begin_change(&bed);
    pipeline_change_remove(change, account);
    apply(change);
    wait_for(&stays.requests, before + 100);
    tick_until_gone(&bed, account);
    ck_assert_int_eq(end(&bed), 0); /* what it had is told by its account, not as a failure */
    ck_assert_uint_eq(stays.requests, 2000);
}
END_TEST

/* It always has something left, as a relay does while its peer is away. */
static enum output_result never_flushed(struct output *out)
{
    (void)out;
    return OUTPUT_BUSY;
}

static int failing_start(struct output *out, struct err *err)
{
    (void)out;
    return err_failure(err, "told to fail");
}

START_TEST(when_one_of_several_does_not_start_the_others_are_given_up_at_once)
{
    static const struct output_ops busy_ops = {.option = "busy",
                                               .open = never_opened_output,
                                               .write = noting_write,
                                               .poll = stuck_poll,
                                               .flush = never_flushed,
                                               .close = noting_close};
    static const struct output_ops failing_ops = {.option = "failing",
                                                  .open = never_opened_output,
                                                  .start = failing_start,
                                                  .write = noting_write,
                                                  .close = noting_close};
    struct seen stays = {0}, never[2] = {{0}};
    struct err err;
    struct bed bed;
    open_bed(&bed, true);
    (void)add_output(&bed, "stays", &noting_ops, &stays);
    begin(&bed, 1000000);
    struct pipeline_change *change = begin_change(&bed);
    (void)prepare(&bed, change, "busy", &busy_ops, &never[0]);
    (void)prepare(&bed, change, "failing", &failing_ops, &never[1]);
    ck_assert_int_lt(pipeline_change_apply(change, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "told to fail"));
    pipeline_change_free(change);
    ck_assert(atomic_load(&never[0].closed) && atomic_load(&never[1].closed));
    unsigned got = atomic_load(&stays.requests);
    wait_for(&stays.requests, got + 10);
    pipeline_stop(bed.pipe);
    ck_assert_int_eq(end(&bed), 0);
    ck_assert_uint_eq(never[0].requests + never[1].requests, 0);
}
END_TEST

/* Response n to parsed_request(n). */
static const struct msg *numbered_response(unsigned n)
{
    char id[32];
    snprintf(id, sizeof(id), "%024x", n);
    return message(MSG_RESPONSE, id, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/* An input whose responses come a while after their requests. */
static int late_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct live_input *live = container_of(in, struct live_input, base);
    int r = live_poll(in, sink, timeout_ms, err);
    if (live->next > 20)
        sink_put(sink, numbered_response(live->next - 20));
    return r;
}

START_TEST(no_output_gets_a_response_whose_request_was_for_one_before_it)
{
    static const struct input_ops late_ops = {.option = "late",
                                              .live = true,
                                              .open = never_opened_input,
                                              .poll = late_poll,
                                              .close = input_nothing};
    struct seen stays = {0}, seen[20] = {{0}};
    struct account *last = NULL;
    struct bed bed;
    open_bed(&bed, true);
    (void)add_output(&bed, "stays", &noting_ops, &stays);
    begin_with(&bed, &late_ops, 1000000);
    for (size_t n = 0; n < ARRAY_LEN(seen); n++) {
        struct pipeline_change *change = begin_change(&bed);
        if (last)
            pipeline_change_remove(change, last);
        apply(change);
        if (last)
            tick_until_gone(&bed, last); /* the next one gets its slot */
        change = begin_change(&bed);
        last = prepare(&bed, change, "changes", &noting_ops, &seen[n]);
        apply(change);
        wait_for(&seen[n].answers, 5);
        ck_assert_uint_ge(seen[n].requests, 20);
    }
    pipeline_stop(bed.pipe);
    ck_assert_int_eq(end(&bed), 0);
    for (size_t n = 0; n < ARRAY_LEN(seen); n++)
        ck_assert_uint_le(seen[n].answers + 19, seen[n].requests);
}
END_TEST

static const struct option_def condition_def = {.name = "http-if", .type = OPTION_LIST};
static const struct option_table condition_table = {.defs = &condition_def, .n_defs = 1};

/* Rules with that condition. */
static struct output_rules rules_for(const char *condition)
{
    struct err err = {.text = ""};
    struct output_rules rules = {.name = "changes"};
    ck_assert_int_eq(options_new(&rules.options, &condition_table), 0);
    ck_assert_msg(
        options_set(rules.options, "http-if", condition, OPTION_FROM_COMMAND_LINE, &err) == 0, "%s",
        err.text);
    return rules;
}

START_TEST(the_conditions_of_one_output_change_and_nothing_is_decided_by_both)
{
    static const char *const conditions[] = {"method:GET", "method:PUT"};
    struct seen stays = {0}, changes = {0};
    struct bed bed;
    open_bed(&bed, true);
    (void)add_output(&bed, "stays", &noting_ops, &stays);
    (void)add_output(&bed, "changes", &noting_ops, &changes);
    begin(&bed, 1000000);
    const struct account *account = ledger_nth(bed.ledger, ACCOUNT_OUTPUT, 1);
    for (unsigned n = 0; n < 50; n++) {
        struct err err = {.text = ""};
        struct output_rules rules = rules_for(conditions[n % 2]);
        struct pipeline_change *change = begin_change(&bed);
        ck_assert_int_eq(pipeline_change_rules(change, account, &rules, &err), 0);
        apply(change);
        if (n % 5 == 4) /* else the one before may not have been taken yet */
            wait_for(&stays.requests, stays.requests + 10);
        if (n % 5 == 4 && n % 2 == 1) {
            unsigned got = changes.requests;
            wait_for(&stays.requests, stays.requests + 10);
            ck_assert_uint_eq(changes.requests, got);
        }
        while (n % 7 == 0 && pipeline_tick(bed.pipe, 0) != INT64_MAX)
            poll(NULL, 0, 1);
    }
    pipeline_stop(bed.pipe);
    ck_assert_int_eq(end(&bed), 0);
    ck_assert_uint_eq(stays.requests, bed.in.next);
    ck_assert_uint_ge(changes.requests, 1);
    ck_assert_uint_lt(changes.requests, stays.requests - 40);
}
END_TEST

Suite *suite(void)
{
    Suite *suite = suite_create("pipeline_outputs");
    TCase *tc = tcase_create("outputs");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, answers_that_come_while_outputs_are_closed_touch_nothing_that_is_gone,
                        0, 4);
    tcase_add_test(tc, outputs_come_and_go_and_those_that_stay_lose_nothing);
    tcase_add_test(tc, what_is_prepared_and_not_applied_leaves_no_trace);
    tcase_add_test(tc, one_that_is_stuck_is_given_up_and_the_input_that_waits_for_it_goes_on);
    tcase_add_test(tc, when_one_of_several_does_not_start_the_others_are_given_up_at_once);
    tcase_add_test(tc, no_output_gets_a_response_whose_request_was_for_one_before_it);
    tcase_add_test(tc, the_conditions_of_one_output_change_and_nothing_is_decided_by_both);
    suite_add_tcase(suite, tc);
    return suite;
}
