/* SPDX-License-Identifier: MIT */
/* Outputs that come, go and are closed while others are there; every test ends by checking the
 * books. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/mem.h"
#include "lib/pipeline.h"
#include "tests/unit/messages.h"

/* An input that makes a request each millisecond, until it is told to end. */
struct live_input {
    struct input base;
    unsigned next, count;
};

static int live_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct live_input *live = container_of(in, struct live_input, base);
    (void)timeout_ms, (void)err;
    poll(NULL, 0, 1);
    sink_put(sink, numbered_request(live->next++));
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

#define REQUEST_1 "000000000000000000000001" /* the id of numbered_request(1) */

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
        .queue_msgs = 8,
        .queue_bytes = MIB,
        .drain_ns = 5 * NS_PER_S,
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

static void begin(struct bed *bed, unsigned count)
{
    struct err err;
    bed->input = ledger_account(bed->ledger, ACCOUNT_INPUT, "live");
    bed->in = (struct live_input){.base.ops = &live_ops, .count = count};
    ck_assert_int_eq(pipeline_add_input(bed->pipe, &bed->in.base, account_page(bed->input),
                                        &(struct input_rules){.leg = LEG_LAST}, &err),
                     0);
    ck_assert_int_eq(pipeline_start(bed->pipe, &err), 0);
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
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(seen[i].requests, 20);
}
END_TEST

Suite *suite(void)
{
    Suite *suite = suite_create("pipeline_outputs");
    TCase *tc = tcase_create("outputs");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, answers_that_come_while_outputs_are_closed_touch_nothing_that_is_gone,
                        0, 4);
    suite_add_tcase(suite, tc);
    return suite;
}
