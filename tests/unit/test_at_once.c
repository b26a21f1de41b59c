/* SPDX-License-Identifier: MIT */
/* Outputs that are written to at once (output_ops.at_once): in whose thread that happens. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/pipeline.h"
#include "tests/unit/messages.h"

#define REQUESTS 500

static _Thread_local bool is_inputs; /* this thread */

struct source {
    struct input base;
    unsigned next;
    bool due;
};

static int source_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct source *s = container_of(in, struct source, base);
    (void)timeout_ms, (void)err;
    is_inputs = true;
    for (unsigned i = 0; i < 10; i++, s->next++) {
        struct msg *msg = message(MSG_REQUEST, "id", "GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        msg->due_ns = s->due ? clock_mono_ns() : 0;
        sink_put(sink, msg);
    }
    return s->next < REQUESTS ? INPUT_MORE : INPUT_END;
}

static int input_never(struct input **in, const struct input_args *args, struct err *err)
{
    (void)in, (void)args;
    return err_failure(err, "not opened in tests");
}

static void input_close(struct input *in)
{
    (void)in;
}

static const struct input_ops source_ops = {
    .option = "source", .open = input_never, .poll = source_poll, .close = input_close};

/* Counts who wrote to it. */
struct target {
    struct output base;
    pthread_mutex_t lock;
    unsigned by_inputs, by_others;
};

static enum output_result target_write(struct output *out, const struct msg *msg)
{
    struct target *t = container_of(out, struct target, base);
    (void)msg;
    pthread_mutex_lock(&t->lock);
    *(is_inputs ? &t->by_inputs : &t->by_others) += 1;
    pthread_mutex_unlock(&t->lock);
    return OUTPUT_DONE;
}

static int output_never(struct output **out, const struct output_args *args, struct err *err)
{
    (void)out, (void)args;
    return err_failure(err, "not opened in tests");
}

static void output_close(struct output *out)
{
    (void)out;
}

static const struct output_ops target_ops = {.option = "target",
                                             .at_once = true,
                                             .open = output_never,
                                             .write = target_write,
                                             .close = output_close};

struct wish {
    bool due, steerable;
    double rate;
};

/* All requests of two inputs come, and the books balance. */
static struct target run(const struct wish *wish)
{
    struct source sources[2] = {{.due = wish->due}, {.due = wish->due}};
    struct target target = {.base = {.ops = &target_ops}, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct pipeline_config config = {.queue_msgs = 64,
                                     .queue_bytes = MIB,
                                     .drain_ns = 5 * NS_PER_S,
                                     .steerable = wish->steerable};
    struct output_rules rules = {.limit = {.rate = wish->rate}};
    struct ledger *ledger;
    struct pipeline *pipe;
    struct err err;
    char text[256] = "";
    ck_assert_int_eq(ledger_new(&ledger), 0);
    ck_assert_int_eq(pipeline_new(&pipe, &config, &err), 0);
    struct account *out = ledger_account(ledger, ACCOUNT_OUTPUT, "target");
    target.base.books = account_page(out);
    ck_assert_int_eq(pipeline_add_output(pipe, &target.base, out, &rules, &err), 0);
    for (size_t i = 0; i < 2; i++) {
        struct account *in = ledger_account(ledger, ACCOUNT_INPUT, "source");
        sources[i].base.ops = &source_ops;
        ck_assert_int_eq(pipeline_add_input(pipe, &sources[i].base, account_page(in),
                                            &(struct input_rules){0}, &err),
                         0);
    }
    ck_assert_int_eq(pipeline_start(pipe, &err), 0);
    ck_assert_int_eq(pipeline_join(pipe, &err), 0);
    pipeline_free(pipe);
    ck_assert_msg(ledger_balances(ledger, text, sizeof(text)), "%s", text);
    ck_assert_uint_eq(account_sum(out, BOOK_SEEN), 2 * REQUESTS);
    ck_assert_uint_eq(account_sum(out, BOOK_DELIVERED), target.by_inputs + target.by_others);
    ck_assert_uint_gt(account_sum(out, BOOK_DELIVERED_BYTES), account_sum(out, BOOK_DELIVERED));
    ledger_free(ledger);
    ck_assert_int_eq(mem_used(MEM_MSG), 0);
    return target;
}

START_TEST(what_need_not_wait_is_written_in_the_threads_of_the_inputs)
{
    struct target t = run(&(struct wish){0});
    ck_assert_uint_eq(t.by_inputs, 2 * REQUESTS);
    ck_assert_uint_eq(t.by_others, 0);
}
END_TEST

START_TEST(a_limit_a_due_time_and_a_pause_are_matters_of_the_outputs_own_thread)
{
    static const struct wish wishes[] = {
        {.rate = 10 * REQUESTS}, {.due = true}, {.steerable = true}};
    for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
        struct target t = run(&wishes[i]);
        ck_assert_uint_eq(t.by_inputs, 0);
        ck_assert_uint_eq(t.by_others, 2 * REQUESTS);
    }
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        what_need_not_wait_is_written_in_the_threads_of_the_inputs,
        a_limit_a_due_time_and_a_pause_are_matters_of_the_outputs_own_thread,
    };
    return suite_of("at_once", tests, ARRAY_LEN(tests));
}
