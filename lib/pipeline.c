/* SPDX-License-Identifier: MIT */
/* Assembly, threads and the order of stopping. What an input thread does with a message stands in
 * pipeline_in.c, what an output thread does in pipeline_out.c. */
#include "lib/pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/pipeline_internal.h"

/* At the natural end of the inputs nobody is waiting at a prompt, so an output may be silent for
 * longer before it is given up. */
#define NATURAL_PATIENCE_NS (30 * NS_PER_S)
/* After giving up, threads that hang in a system call are left behind. */
#define GRACE_MS 1000

static void signal_fd(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof(one));
    (void)n;
}

int pipeline_new(struct pipeline **pipep, const struct pipeline_config *config, struct err *err)
{
    struct pipeline *pipe = mem_zalloc(MEM_OTHER, sizeof(*pipe));
    if (!pipe)
        return err_sys(err, ENOMEM, "pipeline");
    pipe->config = *config;
    pipe->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pipe->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pipe->give_up_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&pipe->fault_lock, NULL);
    pthread_mutex_init(&pipe->fates_lock, NULL);
    pthread_mutex_init(&pipe->exits_lock, NULL);
    if (pipe->stop_fd == -1 || pipe->done_fd == -1 || pipe->give_up_fd == -1) {
        int r = err_sys(err, errno, "pipeline: eventfd");
        pipeline_free(pipe);
        return r;
    }
    *pipep = pipe;
    return 0;
}

static void close_parts(struct pipeline *pipe)
{
    for (size_t i = 0; i < pipe->n_lanes; i++)
        lane_free(pipe->lanes[i]);
    pipe->n_lanes = 0;
    atomic_store(&pipe->give_up, true); /* nobody makes room in a queue any more */
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->exits[i])
            exit_lane_close(pipe->exits[i]);
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        exit_lane_free(pipe->exits[i]);
        lane_free(pipe->answers[i]);
        pipe->exits[i] = NULL;
        pipe->answers[i] = NULL;
    }
    while (pipe->retired) {
        struct exit_rules *rules = pipe->retired;
        pipe->retired = rules->next;
        exit_rules_free(rules);
    }
    fates_free(pipe->fates);
    pipe->fates = NULL;
}

void pipeline_free(struct pipeline *pipe)
{
    if (!pipe)
        return;
    close_parts(pipe);
    int fds[] = {pipe->stop_fd, pipe->done_fd, pipe->give_up_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] != -1)
            close(fds[i]);
    pthread_mutex_destroy(&pipe->fault_lock);
    pthread_mutex_destroy(&pipe->fates_lock);
    pthread_mutex_destroy(&pipe->exits_lock);
    mem_free(pipe);
}

int pipeline_stop_fd(const struct pipeline *pipe)
{
    return pipe->stop_fd;
}

int pipeline_done_fd(const struct pipeline *pipe)
{
    return pipe->done_fd;
}

struct queue_level pipeline_queue(const struct pipeline *pipe, const struct account *account)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->exits[i] && pipe->exits[i]->account == account)
            return (struct queue_level){.msgs = queue_msgs(pipe->exits[i]->queue),
                                        .bytes = queue_bytes(pipe->exits[i]->queue)};
    return (struct queue_level){.msgs = 0};
}

bool pipeline_is_draining(const struct pipeline *pipe)
{
    return pipeline_is_ending(pipe, LEG_FIRST) || pipeline_is_ending(pipe, LEG_LAST);
}

int pipeline_add_output(struct pipeline *pipe, struct output *out, struct account *account,
                        const struct output_rules *rules, struct err *err)
{
    struct exit_lane *lane;
    size_t slot = 0;
    assert(pipe->n_lanes == 0); /* they are given a page for each output */
    int r = exit_lane_new(&lane, pipe, out, account, rules, err);
    if (r < 0)
        return r;
    while (slot < MAX_OUTPUTS && pipe->exits[slot])
        slot++;
    if (slot == MAX_OUTPUTS) {
        exit_lane_close(lane);
        exit_lane_free(lane);
        return err_usage(err, "more than %d outputs", MAX_OUTPUTS);
    }
    lane->slot = slot;
    pipe->exits[slot] = lane;
    return 0;
}

static bool has_answers(const struct pipeline *pipe)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->answers[i])
            return true;
    return false;
}

/* The outputs that are there, and what the lane decides by for them. */
static int find_way(struct lane *lane, struct err *err)
{
    struct layout layout;
    int r = 0;
    layout_read(&layout, lane->pipe);
    for (size_t i = 0; i < MAX_OUTPUTS && r == 0; i++)
        r = layout.exits[i] ? lane_meet(lane, layout.exits[i], err) : 0;
    return r == 0 ? way_new(&lane->way, lane, &layout, err) : r;
}

/* What the lane must remember for what it decides by. */
static int open_lane(struct lane *lane, const struct limit *limit, struct err *err)
{
    struct pipeline *pipe = lane->pipe;
    lane->limit = *limit;
    lane->speed = 1;
    dials_init(lane->dials, limit);
    sampler_init(&lane->sampler, limit, pipe->config.seed);
    int r = limiter_new(&lane->limiter, limit, pipe->config.seed);
    if (r < 0)
        return err_sys(err, ENOMEM, "input");
    r = find_way(lane, err);
    if (r < 0)
        return r;
    lane->selective = pipe->config.steerable || route_is_selective(lane->way->route) ||
                      !sampler_takes_all(&lane->sampler) ||
                      (lane->chain && filter_chain_judges(lane->chain));
    if (lane->selective && (fates_new(&lane->fates, FATES_REMEMBERED) < 0 ||
                            waiting_new(&lane->waiting, WAITING_MSGS, WAITING_BYTES) < 0))
        return err_sys(err, ENOMEM, "input");
    if (lane->selective && has_answers(pipe) && shared_fates_open(pipe) < 0)
        return err_sys(err, ENOMEM, "input");
    lane->way->shares = pipe->fates != NULL;
    return 0;
}

int pipeline_track_answers(struct pipeline *pipe, struct output *from,
                           const struct answer_rules *rules, struct books *books, struct err *err)
{
    struct lane *lane;
    size_t slot = 0;
    assert(pipe->n_lanes == 0); /* they share with it where their requests went */
    while (pipe->exits[slot]->out != from)
        slot++;
    int r = answers_new(&lane, pipe, from, rules, books, err);
    if (r < 0)
        return r;
    pipe->answers[slot] = lane;
    from->number = (uint8_t)(slot + 1);
    r = find_way(lane, err);
    for (size_t i = 0; i < MAX_OUTPUTS && r == 0; i++)
        if (!(lane->way->deaf >> i & 1))
            answers_introduce(from, pipe->exits[i]);
    return r;
}

/* Does it wait for room in a full queue? What goes on to the end waits when all that feed it do. */
static bool may_wait(const struct pipeline *pipe, const struct input *in)
{
    if (pipe->config.when_full != WHEN_FULL_AUTO)
        return pipe->config.when_full == WHEN_FULL_BLOCK;
    bool live = in->ops->live;
    for (size_t i = 0; i < pipe->n_lanes && in->ops->to_the_end; i++)
        live |= pipe->lanes[i]->in->ops->live;
    return !live;
}

int pipeline_add_input(struct pipeline *pipe, struct input *in, struct books *books,
                       const struct input_rules *rules, struct err *err)
{
    assert(in->ops->open && in->ops->poll && in->ops->close);
    struct lane *lane = mem_zalloc(MEM_OTHER, sizeof(*lane));
    if (!lane || pipe->n_lanes == MAX_INPUTS) {
        in->ops->close(in);
        filter_chain_free(rules->chain);
        int r = lane ? err_usage(err, "more than %d inputs", MAX_INPUTS)
                     : err_sys(err, ENOMEM, "input");
        mem_free(lane);
        return r;
    }
    lane_init(lane, pipe);
    lane->in = in;
    lane->leg = rules->leg;
    lane->books = books;
    lane->dials = rules->dials ? rules->dials : &lane->usual;
    lane->recorded = rules->recorded;
    lane->chain = rules->chain;
    if (lane->chain)
        filter_chain_count(lane->chain, books);
    lane->sink.put = lane_put;
    lane->sink.kick = lane_kick_sink;
    lane->waits = may_wait(pipe, in);
    pipe->lanes[pipe->n_lanes++] = lane;
    return open_lane(lane, &rules->limit, err);
}

/* The first fault of a thread is what the program ends with. */
void pipeline_fault(struct pipeline *pipe, const struct err *err)
{
    pthread_mutex_lock(&pipe->fault_lock);
    if (!pipe->faulted) {
        pipe->faulted = true;
        pipe->fault = *err;
    }
    pthread_mutex_unlock(&pipe->fault_lock);
}

/* The last input of a leg to end closes the queues of its outputs; the last thread of all tells the
 * owner. */
static void count_input_out(struct pipeline *pipe, enum pipeline_leg leg)
{
    if (atomic_fetch_sub(&pipe->inputs_running[leg], 1) != 1)
        return;
    atomic_store(&pipe->draining[leg], true);
    answers_close(pipe, leg);
}

void pipeline_input_ended(struct pipeline *pipe, enum pipeline_leg leg)
{
    count_input_out(pipe, leg);
    pipeline_thread_ended(pipe);
}

void pipeline_thread_ended(struct pipeline *pipe)
{
    mem_thread_flush();
    if (atomic_fetch_sub(&pipe->threads_running, 1) == 1)
        signal_fd(pipe->done_fd);
}

bool pipeline_gave_up(struct pipeline *pipe, enum pipeline_leg leg, int64_t last_progress_ns)
{
    if (atomic_load(&pipe->give_up))
        return true;
    if (!pipeline_is_ending(pipe, leg))
        return false;
    int64_t now = clock_mono_ns();
    int64_t stopped = atomic_load(&pipe->stopped_ns);
    if (stopped != 0)
        return now - stopped > pipe->config.drain_ns;
    int64_t patience =
        pipe->config.drain_ns > NATURAL_PATIENCE_NS ? pipe->config.drain_ns : NATURAL_PATIENCE_NS;
    return now - last_progress_ns > patience;
}

int pipeline_start_thread(struct pipeline *pipe, pthread_t *thread, void *(*run)(void *), void *arg,
                          struct err *err)
{
    sigset_t all, old;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    atomic_fetch_add(&pipe->threads_running, 1);
    int r = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r == 0)
        return 0;
    atomic_fetch_sub(&pipe->threads_running, 1);
    return err_sys(err, r, "cannot start a thread");
}

int pipeline_start(struct pipeline *pipe, struct err *err)
{
    assert(pipe->n_lanes > 0 && pipe->exits[0]);
    bool waits = true; /* answers do when all inputs do */
    for (size_t i = 0; i < pipe->n_lanes; i++) {
        atomic_fetch_add(&pipe->inputs_running[pipe->lanes[i]->leg], 1);
        waits &= pipe->lanes[i]->waits;
    }
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->answers[i]) {
            pipe->answers[i]->waits = waits;
            atomic_fetch_add(&pipe->answers_running, 1);
        }
    /* held until all are started, so that a quick one does not announce the end */
    atomic_store(&pipe->threads_running, 1);
    int r = 0;
    for (size_t i = 0; i < MAX_OUTPUTS && r == 0; i++)
        r = pipe->exits[i] ? exit_lane_start(pipe->exits[i], err) : 0;
    for (size_t i = 0; i < pipe->n_lanes && r == 0; i++) {
        struct input *in = pipe->lanes[i]->in;
        r = in->ops->start ? in->ops->start(in, err) : 0;
        if (r == 0)
            r = pipeline_start_thread(pipe, &pipe->lanes[i]->thread, lane_run, pipe->lanes[i], err);
        pipe->lanes[i]->started = r == 0;
    }
    if (r < 0) {
        /* inputs that never ran must not be waited for */
        for (size_t i = 0; i < pipe->n_lanes; i++)
            if (!pipe->lanes[i]->started)
                count_input_out(pipe, pipe->lanes[i]->leg);
        pipeline_stop(pipe);
        pipeline_stop(pipe);
        struct err later; /* the first error is the one to tell */
        pipeline_thread_ended(pipe);
        int joined = pipeline_join(pipe, &later);
        assert(joined != -ETIMEDOUT); /* nothing was taken in that an output could hang on */
        return r;
    }
    pipeline_thread_ended(pipe);
    return 0;
}

bool pipeline_stop_first(struct pipeline *pipe)
{
    int64_t never = 0;
    if (!atomic_compare_exchange_strong(&pipe->stopped_ns, &never, clock_mono_ns()))
        return false;
    atomic_store(&pipe->stop, true);
    signal_fd(pipe->stop_fd);
    return true;
}

void pipeline_stop(struct pipeline *pipe)
{
    if (pipeline_stop_first(pipe))
        return;
    atomic_store(&pipe->give_up, true);
    signal_fd(pipe->give_up_fd);
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        if (pipe->exits[i])
            queue_wake(pipe->exits[i]->queue);
}

void pipeline_reopen(struct pipeline *pipe)
{
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        if (!pipe->exits[i])
            continue;
        atomic_store(&pipe->exits[i]->reopen, true);
        queue_wake(pipe->exits[i]->queue);
    }
}

/* Waits for the last thread; after giving up only for a moment. False: some hang. */
static bool wait_for_threads(struct pipeline *pipe)
{
    struct pollfd fds[] = {{.fd = pipe->done_fd, .events = POLLIN},
                           {.fd = pipe->give_up_fd, .events = POLLIN}};
    while (atomic_load(&pipe->threads_running) > 0) {
        bool hurry = atomic_load(&pipe->give_up);
        int n = poll(fds, hurry ? 1 : 2, hurry ? GRACE_MS : 1000);
        if (hurry && n == 0)
            return false;
        int64_t stopped = atomic_load(&pipe->stopped_ns);
        if (stopped != 0 && clock_mono_ns() - stopped > pipe->config.drain_ns + NS_PER_S)
            pipeline_stop(pipe); /* an output that hangs in a system call does not look up */
    }
    return true;
}

int pipeline_join(struct pipeline *pipe, struct err *err)
{
    bool all_ended = wait_for_threads(pipe);
    if (all_ended) {
        for (size_t i = 0; i < pipe->n_lanes; i++)
            if (pipe->lanes[i]->started)
                pthread_join(pipe->lanes[i]->thread, NULL);
        for (size_t i = 0; i < MAX_OUTPUTS; i++)
            if (pipe->exits[i] && pipe->exits[i]->started)
                pthread_join(pipe->exits[i]->thread, NULL);
    }
    if (!all_ended) {
        err_failure(err, "an output hangs and was given up");
        err->status = STATUS_NOT_DRAINED;
        return -ETIMEDOUT;
    }
    /* closing settles what was still under way, so it comes before the books are read */
    const struct account *accounts[MAX_OUTPUTS] = {NULL};
    uint64_t abandoned = 0;
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        if (!pipe->exits[i])
            continue;
        accounts[i] = pipe->exits[i]->account;
        abandoned -= pipe->exits[i]->abandoned_before;
    }
    close_parts(pipe);
    if (pipe->faulted) {
        *err = pipe->fault;
        return -EIO;
    }
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        abandoned += accounts[i] ? account_sum(accounts[i], BOOK_ABANDONED) : 0;
    if (abandoned > 0) {
        err_failure(err, "%" PRIu64 " messages could not be delivered in time", abandoned);
        err->status = STATUS_NOT_DRAINED;
        return -EBUSY;
    }
    return 0;
}
