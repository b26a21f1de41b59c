/* SPDX-License-Identifier: MIT */
/* The pipeline with inputs and outputs of the test's own: every run ends by checking the books. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/pipeline.h"
#include "lib/queue.h"
#include "tests/unit/messages.h"

/* An input that puts out count requests, batch at a time, then ends (or goes on for ever). */
struct counter_input {
    struct input base;
    unsigned next, count, batch;
    int fail_with;
};

static int counter_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    (void)timeout_ms;
    struct counter_input *c = container_of(in, struct counter_input, base);
    for (unsigned i = 0; i < c->batch && c->next < c->count; i++)
        sink_put(sink, numbered_request(c->next++));
    if (c->next < c->count)
        return INPUT_MORE;
    return c->fail_with ? err_failure(err, "told to fail") : INPUT_END;
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

static const struct input_ops counter_ops = {
    .option = "counter", .open = never_opened_input, .poll = counter_poll, .close = input_nothing};
static const struct input_ops live_counter_ops = {.option = "live",
                                                  .live = true,
                                                  .open = never_opened_input,
                                                  .poll = counter_poll,
                                                  .close = input_nothing};

/* An output that remembers what it got. */
struct memory_output {
    struct output base;
    unsigned got, out_of_order;
    unsigned last;
    int64_t delay_ns;
    unsigned fail_every;
    bool stuck;
    const struct msg *taken[16];
    size_t n_taken;
};

static unsigned number_of(const struct msg *msg)
{
    unsigned n = 0;
    ck_assert_int_eq(sscanf((const char *)msg->bytes, "GET /%u ", &n), 1);
    return n;
}

static void note(struct memory_output *m, const struct msg *msg)
{
    unsigned n = number_of(msg);
    if (m->got > 0 && n <= m->last)
        m->out_of_order++;
    m->last = n;
    m->got++;
}

static enum output_result memory_write(struct output *out, const struct msg *msg)
{
    struct memory_output *m = container_of(out, struct memory_output, base);
    struct timespec ts = {.tv_nsec = m->delay_ns};
    if (m->delay_ns)
        nanosleep(&ts, NULL);
    if (m->fail_every && (m->got + 1) % m->fail_every == 0) {
        m->got++;
        return OUTPUT_FAILED;
    }
    note(m, msg);
    return OUTPUT_DONE;
}

static int never_opened_output(struct output **out, const struct output_args *args, struct err *err)
{
    (void)out, (void)args;
    return err_failure(err, "not opened in tests");
}

static void output_nothing(struct output *out)
{
    (void)out;
}

static const struct output_ops memory_ops = {.option = "memory",
                                             .open = never_opened_output,
                                             .write = memory_write,
                                             .close = output_nothing};

/* One that takes up to 16 messages and settles them when polled; stuck: never. */
static enum output_result async_write(struct output *out, const struct msg *msg)
{
    struct memory_output *m = container_of(out, struct memory_output, base);
    if (m->n_taken == ARRAY_LEN(m->taken))
        return OUTPUT_BUSY;
    m->taken[m->n_taken++] = msg_ref(msg);
    return OUTPUT_TAKEN;
}

static void async_settle(struct memory_output *m, enum book fate)
{
    for (size_t i = 0; i < m->n_taken; i++) {
        note(m, m->taken[i]);
        output_settle(&m->base, m->taken[i], fate);
    }
    m->n_taken = 0;
}

static void async_poll(struct output *out, int wake_fd, int timeout_ms)
{
    struct memory_output *m = container_of(out, struct memory_output, base);
    if (m->n_taken > 0 && !m->stuck) {
        async_settle(m, BOOK_DELIVERED);
        return;
    }
    struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
    poll(&fd, 1, timeout_ms);
}

static enum output_result async_flush(struct output *out)
{
    struct memory_output *m = container_of(out, struct memory_output, base);
    return m->n_taken > 0 ? OUTPUT_BUSY : OUTPUT_DONE;
}

static void async_close(struct output *out)
{
    async_settle(container_of(out, struct memory_output, base), BOOK_ABANDONED);
}

static const struct output_ops async_ops = {.option = "async",
                                            .open = never_opened_output,
                                            .write = async_write,
                                            .poll = async_poll,
                                            .flush = async_flush,
                                            .close = async_close};

/* A pipeline under test. */
struct bed {
    struct ledger *ledger;
    struct pipeline *pipe;
    struct pipeline_config config;
    struct account *inputs[4], *outputs[4];
    size_t n_inputs, n_outputs;
};

static void bed_open(struct bed *bed, size_t queue_msgs)
{
    struct err err;
    if (!bed->config.queue_msgs)
        bed->config.queue_msgs = queue_msgs;
    if (!bed->config.queue_bytes)
        bed->config.queue_bytes = 64 * MIB;
    if (!bed->config.drain_ns)
        bed->config.drain_ns = 5 * NS_PER_S;
    ck_assert_int_eq(ledger_new(&bed->ledger), 0);
    ck_assert_int_eq(pipeline_new(&bed->pipe, &bed->config, &err), 0);
}

static void bed_output(struct bed *bed, struct memory_output *m, const struct output_ops *ops,
                       const struct limit *limit)
{
    struct err err;
    struct output_rules rules = {.limit = limit ? *limit : (struct limit){0}};
    struct account *a = ledger_account(bed->ledger, ACCOUNT_OUTPUT, ops->option);
    m->base.ops = ops;
    m->base.books = account_page(a);
    bed->outputs[bed->n_outputs++] = a;
    ck_assert_int_eq(pipeline_add_output(bed->pipe, &m->base, a, &rules, &err), 0);
}

static void bed_input(struct bed *bed, struct counter_input *c, const struct input_ops *ops)
{
    struct err err;
    struct account *a = ledger_account(bed->ledger, ACCOUNT_INPUT, ops->option);
    c->base.ops = ops;
    bed->inputs[bed->n_inputs++] = a;
    ck_assert_int_eq(
        pipeline_add_input(bed->pipe, &c->base, account_page(a), &(struct input_rules){0}, &err),
        0);
}

static int bed_run(struct bed *bed)
{
    struct err err = {0};
    ck_assert_int_eq(pipeline_start(bed->pipe, &err), 0);
    return pipeline_join(bed->pipe, &err);
}

/* Frees all and checks that the books balance and no message is left. */
static void bed_close(struct bed *bed)
{
    char text[256] = "";
    pipeline_free(bed->pipe);
    ck_assert_msg(ledger_balances(bed->ledger, text, sizeof(text)), "%s", text);
    ledger_free(bed->ledger);
    ck_assert_int_eq(mem_used(MEM_MSG), 0);
}

START_TEST(every_message_of_every_input_reaches_every_output_in_order)
{
    struct bed bed = {0};
    struct memory_output a = {0}, b = {0};
    struct counter_input in = {.count = 20000, .batch = 64};
    bed_open(&bed, 128);
    bed_output(&bed, &a, &memory_ops, NULL);
    bed_output(&bed, &b, &async_ops, NULL);
    bed_input(&bed, &in, &counter_ops);
    ck_assert_int_eq(bed_run(&bed), 0);
    ck_assert_uint_eq(a.got, 20000);
    ck_assert_uint_eq(b.got, 20000);
    ck_assert_uint_eq(a.out_of_order + b.out_of_order, 0);
    bed_close(&bed);
}
END_TEST

START_TEST(two_inputs_share_one_output)
{
    struct bed bed = {0};
    struct memory_output a = {0};
    struct counter_input one = {.count = 5000, .batch = 10}, two = {.count = 5000, .batch = 10};
    bed_open(&bed, 64);
    bed_output(&bed, &a, &memory_ops, NULL);
    bed_input(&bed, &one, &counter_ops);
    bed_input(&bed, &two, &counter_ops);
    ck_assert_int_eq(bed_run(&bed), 0);
    ck_assert_uint_eq(a.got, 10000);
    bed_close(&bed);
}
END_TEST

START_TEST(a_slow_output_drops_at_its_queue_and_hurts_nobody_else)
{
    struct bed bed = {0};
    struct memory_output slow = {.delay_ns = 100 * NS_PER_US}, fast = {0};
    struct counter_input in = {.count = 5000, .batch = 1000};
    bed.config.queue_msgs = 8;
    bed_open(&bed, 8);
    bed_output(&bed, &slow, &memory_ops, NULL);
    bed_input(&bed, &in, &live_counter_ops);
    ck_assert_int_eq(bed_run(&bed), 0);
    uint64_t dropped = account_sum(bed.outputs[0], BOOK_DROPPED);
    ck_assert_uint_gt(dropped, 0);
    ck_assert_uint_eq(slow.got + dropped, 5000);
    bed_close(&bed);

    /* the same slow output beside a fast one with room for all */
    struct bed both = {0};
    slow = (struct memory_output){.delay_ns = 100 * NS_PER_US};
    in = (struct counter_input){.count = 5000, .batch = 100};
    bed_open(&both, 8192);
    bed_output(&both, &slow, &memory_ops, NULL);
    bed_output(&both, &fast, &memory_ops, NULL);
    bed_input(&both, &in, &live_counter_ops);
    int64_t before = clock_mono_ns();
    ck_assert_int_eq(bed_run(&both), 0);
    ck_assert_uint_eq(fast.got, 5000);
    ck_assert_uint_eq(slow.got, 5000);
    ck_assert_int_ge(clock_mono_ns() - before, 5000 * 100 * NS_PER_US);
    bed_close(&both);
}
END_TEST

START_TEST(queues_are_bounded_in_bytes_too)
{
    struct bed bed = {0};
    struct memory_output slow = {.delay_ns = NS_PER_MS};
    struct counter_input in = {.count = 500, .batch = 500};
    bed.config.queue_bytes = 4096;
    bed_open(&bed, 8192);
    bed_output(&bed, &slow, &memory_ops, NULL);
    bed_input(&bed, &in, &live_counter_ops);
    ck_assert_int_eq(bed_run(&bed), 0);
    ck_assert_uint_gt(account_sum(bed.outputs[0], BOOK_DROPPED), 400);
    bed_close(&bed);
}
END_TEST

START_TEST(split_gives_each_request_to_one_output_in_turn)
{
    struct bed bed = {.config = {.split = true}};
    struct memory_output outs[3] = {{.got = 0}};
    struct counter_input in = {.count = 3000, .batch = 50};
    bed_open(&bed, 64);
    for (size_t i = 0; i < 3; i++)
        bed_output(&bed, &outs[i], &memory_ops, NULL);
    bed_input(&bed, &in, &counter_ops);
    ck_assert_int_eq(bed_run(&bed), 0);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(outs[i].got, 1000);
        ck_assert_uint_eq(outs[i].last % 3, i);
        ck_assert_uint_eq(account_sum(bed.outputs[i], BOOK_SPLIT), 2000);
    }
    bed_close(&bed);
}
END_TEST

START_TEST(limits_and_failures_have_their_own_columns)
{
    struct bed bed = {0};
    struct memory_output tenth = {0}, few = {0}, failing = {.fail_every = 4};
    struct counter_input in = {.count = 2000, .batch = 50};
    bed_open(&bed, 64);
    bed_output(&bed, &tenth, &memory_ops, &(struct limit){.percent = 10});
    bed_output(&bed, &few, &memory_ops, &(struct limit){.rate = 5});
    bed_output(&bed, &failing, &memory_ops, NULL);
    bed_input(&bed, &in, &counter_ops);
    ck_assert_int_eq(bed_run(&bed), 0);
    ck_assert_uint_eq(account_sum(bed.outputs[0], BOOK_DELIVERED), 200);
    ck_assert_uint_eq(account_sum(bed.outputs[0], BOOK_SAMPLED), 1800);
    ck_assert_uint_ge(account_sum(bed.outputs[1], BOOK_LIMITED), 1900);
    ck_assert_uint_eq(account_sum(bed.outputs[2], BOOK_FAILED), 500);
    bed_close(&bed);
}
END_TEST

START_TEST(stopping_drains_what_was_taken_in)
{
    struct bed bed = {0};
    struct err err;
    struct memory_output slow = {.delay_ns = NS_PER_MS};
    struct counter_input in = {.count = UINT32_MAX, .batch = 1};
    bed_open(&bed, 64);
    bed_output(&bed, &slow, &memory_ops, NULL);
    bed_input(&bed, &in, &counter_ops);
    ck_assert_int_eq(pipeline_start(bed.pipe, &err), 0);
    usleep(50 * 1000);
    pipeline_stop(bed.pipe);
    ck_assert_int_eq(pipeline_join(bed.pipe, &err), 0);
    ck_assert_uint_eq(slow.got, in.next);
    ck_assert_uint_gt(slow.got, 20);
    bed_close(&bed);
}
END_TEST

START_TEST(an_output_that_is_stuck_is_given_up_after_the_drain_timeout)
{
    struct bed bed = {.config = {.drain_ns = 300 * NS_PER_MS}};
    struct err err;
    struct memory_output stuck = {.stuck = true}, fine = {0};
    struct counter_input in = {.count = UINT32_MAX, .batch = 1};
    bed_open(&bed, 64);
    bed_output(&bed, &stuck, &async_ops, NULL);
    bed_output(&bed, &fine, &memory_ops, NULL);
    bed_input(&bed, &in, &live_counter_ops);
    ck_assert_int_eq(pipeline_start(bed.pipe, &err), 0);
    /* until it holds all it can: 16 under way, 64 in the queue */
    while (account_sum(bed.outputs[0], BOOK_SEEN) - account_sum(bed.outputs[0], BOOK_DROPPED) < 80)
        usleep(1000);
    int64_t before = clock_mono_ns();
    pipeline_stop(bed.pipe);
    ck_assert_int_eq(pipeline_join(bed.pipe, &err), -EBUSY);
    ck_assert_int_eq(err.status, STATUS_NOT_DRAINED);
    ck_assert_int_lt(clock_mono_ns() - before, 3 * NS_PER_S);
    ck_assert_uint_ge(account_sum(bed.outputs[0], BOOK_ABANDONED), 16 + 64);
    ck_assert_uint_eq(account_sum(bed.outputs[1], BOOK_DELIVERED) +
                          account_sum(bed.outputs[1], BOOK_DROPPED),
                      in.next);
    bed_close(&bed);
}
END_TEST

START_TEST(a_second_stop_gives_up_at_once)
{
    struct bed bed = {.config = {.drain_ns = 60 * NS_PER_S}};
    struct err err;
    struct memory_output stuck = {.stuck = true};
    struct counter_input in = {.count = 1000, .batch = 1};
    bed_open(&bed, 64);
    bed_output(&bed, &stuck, &async_ops, NULL);
    bed_input(&bed, &in, &counter_ops);
    ck_assert_int_eq(pipeline_start(bed.pipe, &err), 0);
    usleep(20 * 1000);
    int64_t before = clock_mono_ns();
    pipeline_stop(bed.pipe);
    pipeline_stop(bed.pipe);
    ck_assert_int_eq(pipeline_join(bed.pipe, &err), -EBUSY);
    ck_assert_int_lt(clock_mono_ns() - before, 2 * NS_PER_S);
    bed_close(&bed);
}
END_TEST

START_TEST(an_input_that_fails_ends_with_its_error_and_loses_nothing)
{
    struct bed bed = {0};
    struct err err;
    struct memory_output out = {0};
    struct counter_input in = {.count = 100, .batch = 10, .fail_with = EIO};
    bed_open(&bed, 64);
    bed_output(&bed, &out, &memory_ops, NULL);
    bed_input(&bed, &in, &counter_ops);
    ck_assert_int_eq(pipeline_start(bed.pipe, &err), 0);
    ck_assert_int_eq(pipeline_join(bed.pipe, &err), -EIO);
    ck_assert_str_eq(err.text, "told to fail");
    ck_assert_uint_eq(out.got, 100);
    bed_close(&bed);
}
END_TEST

static void *produce(void *arg)
{
    struct queue *q = arg;
    const struct msg *batch[40];
    size_t n = 0;
    for (unsigned i = 0; i < 20000; i++) {
        batch[n++] = numbered_request(i);
        if (n < 1 + i % ARRAY_LEN(batch) && i + 1 < 20000)
            continue;
        for (size_t done = 0; done < n;) {
            size_t taken = queue_put(q, batch + done, n - done);
            queue_kick(q);
            done += taken;
            if (done < n)
                queue_wait_room(q, -1, 100);
        }
        n = 0;
    }
    mem_thread_flush();
    return NULL;
}

START_TEST(a_queue_with_many_producers_loses_and_doubles_nothing)
{
    struct queue *q;
    pthread_t threads[3];
    unsigned counts[20000] = {0}, total = 0;
    ck_assert_int_eq(queue_new(&q, 100, MIB), 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, q), 0);
    while (total < 60000) {
        const struct msg *msg = queue_take(q);
        if (msg) {
            counts[number_of(msg)]++;
            total++;
            msg_unref(msg);
        } else if (queue_arm(q)) {
            struct pollfd fd = {.fd = queue_fd(q), .events = POLLIN};
            ck_assert_int_gt(poll(&fd, 1, 20000), 0);
            queue_disarm(q);
        }
    }
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        ck_assert_uint_eq(counts[i], 3);
    ck_assert_ptr_null(queue_take(q));
    ck_assert_uint_eq(queue_msgs(q), 0);
    ck_assert_uint_eq(queue_bytes(q), 0);
    queue_close(q);
    ck_assert(queue_is_done(q));
    queue_free(q);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        every_message_of_every_input_reaches_every_output_in_order,
        two_inputs_share_one_output,
        a_slow_output_drops_at_its_queue_and_hurts_nobody_else,
        queues_are_bounded_in_bytes_too,
        split_gives_each_request_to_one_output_in_turn,
        limits_and_failures_have_their_own_columns,
        stopping_drains_what_was_taken_in,
        an_output_that_is_stuck_is_given_up_after_the_drain_timeout,
        a_second_stop_gives_up_at_once,
        an_input_that_fails_ends_with_its_error_and_loses_nothing,
        a_queue_with_many_producers_loses_and_doubles_nothing,
    };
    return suite_of("pipeline", tests, ARRAY_LEN(tests));
}
