/* SPDX-License-Identifier: MIT */
/* Dials that are turned while a pipeline runs; every test ends by checking the books. */
#include "tests/unit/unit.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/pipeline.h"
#include "tests/unit/messages.h"

/* An input that makes count requests, some each millisecond, and notes how it is steered. */
struct ticking_input {
    struct input base;
    unsigned next, count;
    atomic_uint polled;
    int64_t held_ns;
    double speed;
};

static int ticking_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct ticking_input *t = container_of(in, struct ticking_input, base);
    (void)timeout_ms, (void)err;
    poll(NULL, 0, 1);
    for (unsigned i = 0; i < 10 && t->next < t->count; i++)
        sink_put(sink, numbered_request(t->next++));
    atomic_fetch_add(&t->polled, 1);
    return t->next < t->count ? INPUT_MORE : INPUT_END;
}

static int never_opened_input(struct input **in, const struct input_args *args, struct err *err)
{
    (void)in, (void)args;
    return err_failure(err, "not opened in tests");
}

static void ticking_held(struct input *in, int64_t held_ns)
{
    container_of(in, struct ticking_input, base)->held_ns += held_ns;
}

static void ticking_set_speed(struct input *in, double speed)
{
    container_of(in, struct ticking_input, base)->speed = speed;
}

static void input_nothing(struct input *in)
{
    (void)in;
}

static const struct input_ops replay_ops = {.option = "replay",
                                            .open = never_opened_input,
                                            .poll = ticking_poll,
                                            .held = ticking_held,
                                            .set_speed = ticking_set_speed,
                                            .close = input_nothing};
static const struct input_ops live_ops = {.option = "live",
                                          .live = true,
                                          .open = never_opened_input,
                                          .poll = ticking_poll,
                                          .close = input_nothing};

struct counting_output {
    struct output base;
    atomic_uint got;
    atomic_int paused; /* enum output_pause, as it was told */
};

static enum output_result counting_write(struct output *out, const struct msg *msg)
{
    (void)msg;
    atomic_fetch_add(&container_of(out, struct counting_output, base)->got, 1);
    return OUTPUT_DONE;
}

static int never_opened_output(struct output **out, const struct output_args *args, struct err *err)
{
    (void)out, (void)args;
    return err_failure(err, "not opened in tests");
}

static void counting_pause(struct output *out, enum output_pause how)
{
    atomic_store(&container_of(out, struct counting_output, base)->paused, (int)how);
}

static void output_nothing(struct output *out)
{
    (void)out;
}

static const struct output_ops counting_ops = {.option = "counting",
                                               .open = never_opened_output,
                                               .write = counting_write,
                                               .pause = counting_pause,
                                               .close = output_nothing};

/* One input and two outputs. */
struct bed {
    struct ledger *ledger;
    struct pipeline *pipe;
    struct ticking_input in;
    struct counting_output outs[2];
    struct account *input, *outputs[2];
    struct dials in_dials, out_dials[2];
};

static void open_bed(struct bed *bed, const struct input_ops *ops, unsigned count, bool split)
{
    struct err err;
    const struct pipeline_config config = {.queue_msgs = 1024,
                                           .queue_bytes = 64 * MIB,
                                           .drain_ns = 5 * NS_PER_S,
                                           .split = split,
                                           .steerable = true};
    ck_assert_int_eq(ledger_new(&bed->ledger), 0);
    ck_assert_int_eq(pipeline_new(&bed->pipe, &config, &err), 0);
    for (size_t i = 0; i < 2; i++) {
        struct output *out = &bed->outs[i].base;
        bed->outputs[i] = ledger_account(bed->ledger, ACCOUNT_OUTPUT, i ? "b" : "a");
        out->ops = &counting_ops;
        out->books = account_page(bed->outputs[i]);
        ck_assert_int_eq(pipeline_add_output(bed->pipe, out, bed->outputs[i],
                                             &(struct output_rules){.name = i ? "b" : "a",
                                                                    .dials = &bed->out_dials[i]},
                                             &err),
                         0);
    }
    bed->input = ledger_account(bed->ledger, ACCOUNT_INPUT, ops->option);
    bed->in.base.ops = ops;
    bed->in.count = count;
    ck_assert_int_eq(pipeline_add_input(bed->pipe, &bed->in.base, account_page(bed->input),
                                        &(struct input_rules){.dials = &bed->in_dials}, &err),
                     0);
}

static void begin(struct bed *bed)
{
    struct err err;
    ck_assert_int_eq(pipeline_start(bed->pipe, &err), 0);
}

static void end(struct bed *bed)
{
    struct err err;
    char text[256] = "";
    ck_assert_int_eq(pipeline_join(bed->pipe, &err), 0);
    pipeline_free(bed->pipe);
    ck_assert_msg(ledger_balances(bed->ledger, text, sizeof(text)), "%s", text);
}

static void free_bed(struct bed *bed)
{
    ledger_free(bed->ledger);
    ck_assert_int_eq(mem_used(MEM_MSG), 0);
}

static void wait_for(atomic_uint *count, unsigned n)
{
    for (int i = 0; i < 20000 && atomic_load(count) < n; i++)
        poll(NULL, 0, 1);
    ck_assert_uint_ge(atomic_load(count), n);
}

static void turn(struct bed *bed, struct dials *dials, bool paused)
{
    atomic_store(&dials->paused, paused);
    pipeline_turn(bed->pipe);
}

START_TEST(a_paused_output_of_a_live_input_leaves_out_and_the_other_goes_on)
{
    struct bed bed = {0};
    open_bed(&bed, &live_ops, 5000, false);
    turn(&bed, &bed.out_dials[0], true); /* before the start, too */
    begin(&bed);
    wait_for(&bed.outs[1].got, 1000);
    ck_assert_uint_eq(bed.outs[0].got, 0);
    ck_assert_int_eq(atomic_load(&bed.outs[0].paused), OUTPUT_LEAVE_OUT);
    turn(&bed, &bed.out_dials[0], false);
    wait_for(&bed.outs[0].got, 1000);
    turn(&bed, &bed.out_dials[0], true);
    end(&bed);
    ck_assert_uint_eq(bed.outs[1].got, 5000);
    ck_assert_uint_eq(bed.outs[0].got + account_sum(bed.outputs[0], BOOK_PAUSED), 5000);
    ck_assert_uint_ge(account_sum(bed.outputs[0], BOOK_PAUSED), 1000);
    free_bed(&bed);
}
END_TEST

START_TEST(a_live_input_goes_on_when_all_is_paused)
{
    struct bed bed = {0};
    open_bed(&bed, &live_ops, 3000, false);
    turn(&bed, &bed.out_dials[0], true);
    turn(&bed, &bed.out_dials[1], true);
    begin(&bed);
    end(&bed);
    for (size_t i = 0; i < 2; i++)
        ck_assert_uint_eq(account_sum(bed.outputs[i], BOOK_PAUSED), 3000);
    ck_assert_uint_eq(account_sum(bed.input, BOOK_PRODUCED), 3000);
    free_bed(&bed);
}
END_TEST

START_TEST(a_paused_live_input_is_left_out_everywhere)
{
    struct bed bed = {0};
    open_bed(&bed, &live_ops, 3000, false);
    turn(&bed, &bed.in_dials, true);
    begin(&bed);
    end(&bed);
    for (size_t i = 0; i < 2; i++)
        ck_assert_uint_eq(account_sum(bed.outputs[i], BOOK_PAUSED), 3000);
    free_bed(&bed);
}
END_TEST

START_TEST(a_replay_stands_still_while_it_or_all_its_outputs_are_paused)
{
    struct bed bed = {0};
    open_bed(&bed, &replay_ops, 3000, false);
    begin(&bed);
    for (int round = 0; round < 2; round++) {
        wait_for(&bed.outs[0].got, 500U + 1000U * (unsigned)round);
        if (round == 0) {
            turn(&bed, &bed.out_dials[0], true);
            turn(&bed, &bed.out_dials[1], true);
        } else {
            turn(&bed, &bed.in_dials, true);
        }
        poll(NULL, 0, 100);
        unsigned polled = atomic_load(&bed.in.polled);
        poll(NULL, 0, 100);
        ck_assert_uint_eq(atomic_load(&bed.in.polled), polled);
        if (round == 0)
            ck_assert_int_eq(atomic_load(&bed.outs[0].paused), OUTPUT_HOLD);
        turn(&bed, &bed.in_dials, false);
        turn(&bed, &bed.out_dials[0], false);
        turn(&bed, &bed.out_dials[1], false);
    }
    end(&bed);
    ck_assert_int_ge(bed.in.held_ns, 300 * NS_PER_MS);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_ge(bed.outs[i].got, 2990); /* between the two of a pair one may be alone */
        ck_assert_uint_eq(bed.outs[i].got + account_sum(bed.outputs[i], BOOK_PAUSED), 3000);
    }
    free_bed(&bed);
}
END_TEST

START_TEST(stopped_while_it_holds_it_leaves_out_what_it_held)
{
    struct bed bed = {0};
    open_bed(&bed, &replay_ops, 1000000, false);
    begin(&bed);
    wait_for(&bed.outs[0].got, 500);
    turn(&bed, &bed.out_dials[0], true);
    turn(&bed, &bed.out_dials[1], true);
    int64_t since_ns = clock_mono_ns();
    pipeline_stop(bed.pipe);
    end(&bed);
    ck_assert_int_lt(clock_mono_ns() - since_ns, 3 * NS_PER_S);
    ck_assert_uint_eq(account_sum(bed.outputs[0], BOOK_ABANDONED), 0);
    free_bed(&bed);
}
END_TEST

START_TEST(shares_rates_and_speed_are_turned_while_it_runs)
{
    struct bed bed = {0};
    open_bed(&bed, &replay_ops, 6000, false);
    atomic_store(&bed.out_dials[0].percent, 0);
    atomic_store(&bed.in_dials.speed, 2);
    pipeline_turn(bed.pipe);
    begin(&bed);
    wait_for(&bed.outs[1].got, 2000);
    ck_assert_uint_eq(bed.outs[0].got, 0);
    atomic_store(&bed.out_dials[0].percent, 100);
    atomic_store(&bed.out_dials[1].rate, 1);
    pipeline_turn(bed.pipe);
    end(&bed);
    ck_assert(bed.in.speed == 2);
    ck_assert_uint_ge(bed.outs[0].got, 1000);
    ck_assert_uint_eq(bed.outs[0].got + account_sum(bed.outputs[0], BOOK_SAMPLED), 6000);
    ck_assert_uint_ge(account_sum(bed.outputs[1], BOOK_LIMITED), 1000);
    free_bed(&bed);
}
END_TEST

START_TEST(weights_of_a_split_are_turned_while_it_runs)
{
    struct bed bed = {0};
    open_bed(&bed, &replay_ops, 8000, true);
    atomic_store(&bed.out_dials[0].weight, 0);
    pipeline_turn(bed.pipe);
    begin(&bed);
    wait_for(&bed.outs[1].got, 2000);
    ck_assert_uint_eq(bed.outs[0].got, 0);
    atomic_store(&bed.out_dials[0].weight, 3);
    pipeline_turn(bed.pipe);
    end(&bed);
    unsigned first = bed.outs[0].got, second = bed.outs[1].got;
    ck_assert_uint_eq(first + second, 8000);
    /* of the last ones, three of four */
    ck_assert_uint_ge(first, 1000);
    ck_assert_uint_ge(second, 2000 + first / 3 - 2);
    free_bed(&bed);
}
END_TEST

Suite *suite(void)
{
    const TTest *const tests[] = {
        a_paused_output_of_a_live_input_leaves_out_and_the_other_goes_on,
        a_live_input_goes_on_when_all_is_paused,
        a_paused_live_input_is_left_out_everywhere,
        a_replay_stands_still_while_it_or_all_its_outputs_are_paused,
        stopped_while_it_holds_it_leaves_out_what_it_held,
        shares_rates_and_speed_are_turned_while_it_runs,
        weights_of_a_split_are_turned_while_it_runs,
    };
    return suite_of("pipeline_steer", tests, ARRAY_LEN(tests));
}
