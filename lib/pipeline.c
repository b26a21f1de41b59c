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
#include "lib/options_table.h"
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
    if (pipe->stop_fd == -1 || pipe->done_fd == -1 || pipe->give_up_fd == -1) {
        int r = err_sys(err, errno, "pipeline: eventfd");
        pipeline_free(pipe);
        return r;
    }
    *pipep = pipe;
    return 0;
}

static void free_lane(struct lane *lane)
{
    if (lane->in)
        lane->in->ops->close(lane->in);
    filter_chain_free(lane->chain);
    lane_filters_free(atomic_load(&lane->next));
    limiter_free(lane->limiter);
    route_free(lane->route);
    fates_free(lane->fates);
    waiting_free(lane->waiting);
    mem_free(lane->feeds);
    mem_free(lane);
}

/* Its thread has ended. It may still give an answer on, so that nothing is freed that answers can
 * come to before all are closed. */
static void close_exit(struct exit_lane *lane)
{
    lane->ops->close(lane->out);
    lane->out = NULL;
}

static void free_exit(struct exit_lane *lane)
{
    if (lane->queue)
        exit_lane_abandon(lane);
    filter_chain_free(lane->rewriters);
    options_free(lane->options);
    limiter_free(lane->limiter);
    fates_free(lane->left_out);
    queue_free(lane->queue);
    mem_free(lane);
}

static void close_parts(struct pipeline *pipe)
{
    for (size_t i = 0; i < pipe->n_lanes; i++)
        free_lane(pipe->lanes[i]);
    atomic_store(&pipe->give_up, true); /* nobody makes room in a queue any more */
    for (size_t i = 0; i < pipe->n_exits; i++)
        close_exit(pipe->exits[i]);
    for (size_t i = 0; i < pipe->n_exits; i++)
        free_exit(pipe->exits[i]);
    for (size_t i = 0; i < pipe->n_answers; i++)
        free_lane(pipe->answers[i]);
    fates_free(pipe->fates);
    pipe->fates = NULL;
    pipe->n_lanes = pipe->n_exits = pipe->n_answers = 0;
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
    for (size_t i = 0; i < pipe->n_exits; i++)
        if (pipe->exits[i]->account == account)
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
    const struct output_ops *ops = out->ops;
    assert(ops->open && ops->write && ops->close && out->books);
    assert(pipe->n_lanes == 0); /* lanes hold a page per output */
    struct exit_lane *lane = mem_zalloc(MEM_OTHER, sizeof(*lane));
    if (!lane || pipe->n_exits == MAX_OUTPUTS) {
        ops->close(out);
        filter_chain_free(rules->rewriters);
        options_free(rules->options);
        int r = lane ? err_usage(err, "more than %d outputs", MAX_OUTPUTS)
                     : err_sys(err, ENOMEM, "output");
        mem_free(lane);
        return r;
    }
    lane->pipe = pipe;
    lane->leg = rules->leg;
    lane->out = out;
    lane->ops = ops;
    lane->books = out->books;
    lane->account = account;
    lane->lateness = account_lateness(account);
    lane->pace = account_pace(account);
    lane->rewriters = rules->rewriters;
    lane->options = rules->options;
    lane->limit = rules->limit;
    lane->dials = rules->dials ? rules->dials : &lane->usual;
    dials_init(lane->dials, &rules->limit);
    lane->copies = rules->limit.copies > 0 ? rules->limit.copies : 1;
    sampler_init(&lane->sampler, &rules->limit, pipe->config.seed);
    lane->route = (struct route_output){
        .name = rules->name ? rules->name : "",
        .options = rules->options,
        .sampler = &lane->sampler,
        .in_split = pipe->config.split && !rules->aside,
        .weight = rules->limit.weight > 0 ? rules->limit.weight : 1,
    };
    pipe->exits[pipe->n_exits++] = lane;
    if (limiter_new(&lane->limiter, &rules->limit, pipe->config.seed) < 0 ||
        queue_new(&lane->queue, pipe->config.queue_msgs, pipe->config.queue_bytes) < 0)
        return err_sys(err, ENOMEM, "output queue");
    lane->at_once = ops->at_once && !lane->rewriters && !lane->limiter && !pipe->config.steerable;
    return 0;
}

/* What the lane decides by, and what it must remember for that. */
static int open_route(struct lane *lane, const struct limit *limit, struct err *err)
{
    struct pipeline *pipe = lane->pipe;
    struct route_output outputs[MAX_OUTPUTS];
    for (size_t i = 0; i < lane->n_exits; i++)
        outputs[i] = lane->exits[i]->route;
    lane->limit = *limit;
    lane->speed = 1;
    dials_init(lane->dials, limit);
    sampler_init(&lane->sampler, limit, pipe->config.seed);
    int r = limiter_new(&lane->limiter, limit, pipe->config.seed);
    if (r < 0)
        return err_sys(err, ENOMEM, "input");
    r = route_new(&lane->route, outputs, lane->n_exits, &pipe->config.split_by, pipe->config.seed,
                  err);
    if (r < 0)
        return r;
    lane->selective = pipe->config.steerable || route_is_selective(lane->route) ||
                      !sampler_takes_all(&lane->sampler) ||
                      (lane->chain && filter_chain_judges(lane->chain));
    if (lane->selective && (fates_new(&lane->fates, FATES_REMEMBERED) < 0 ||
                            waiting_new(&lane->waiting, WAITING_MSGS, WAITING_BYTES) < 0))
        return err_sys(err, ENOMEM, "input");
    if (lane->selective && pipe->n_answers > 0 && shared_fates_open(pipe) < 0)
        return err_sys(err, ENOMEM, "input");
    return 0;
}

static void init_feed(struct feed *feed, const struct pipeline_config *config)
{
    size_t msgs = config->queue_msgs / FEED_SHARE, bytes = config->queue_bytes / FEED_SHARE;
    feed->max = msgs < 1 ? 1 : msgs > FEED_MSGS ? FEED_MSGS : (unsigned)msgs;
    feed->max_bytes = bytes < FEED_BYTES ? bytes : FEED_BYTES;
}

int lane_find_exits(struct lane *lane, struct err *err)
{
    const struct pipeline *pipe = lane->pipe;
    for (size_t i = 0; i < pipe->n_exits; i++) {
        if (pipe->exits[i]->leg != lane->leg)
            continue;
        lane->pages[lane->n_exits] = account_page(pipe->exits[i]->account);
        if (!lane->pages[lane->n_exits])
            return err_sys(err, ENOMEM, "input");
        lane->exits[lane->n_exits++] = pipe->exits[i];
    }
    lane->feeds =
        lane->n_exits > 0 ? mem_zalloc(MEM_OTHER, lane->n_exits * sizeof(struct feed)) : NULL;
    if (lane->n_exits > 0 && !lane->feeds)
        return err_sys(err, ENOMEM, "input");
    for (size_t i = 0; i < lane->n_exits; i++)
        init_feed(&lane->feeds[i], &pipe->config);
    return 0;
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
    lane->pipe = pipe;
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
    int r = lane_find_exits(lane, err);
    for (size_t i = 0; i < lane->n_exits; i++)
        if (lane->exits[i]->ops->documents)
            lane->deaf |= UINT32_C(1) << i;
    return r == 0 ? open_route(lane, &rules->limit, err) : r;
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

static int start_thread(struct pipeline *pipe, pthread_t *thread, void *(*run)(void *), void *arg,
                        struct err *err)
{
    atomic_fetch_add(&pipe->threads_running, 1);
    int r = pthread_create(thread, NULL, run, arg);
    if (r == 0)
        return 0;
    atomic_fetch_sub(&pipe->threads_running, 1);
    return err_sys(err, r, "cannot start a thread");
}

int pipeline_start(struct pipeline *pipe, struct err *err)
{
    assert(pipe->n_lanes > 0 && pipe->n_exits > 0);
    sigset_t all, old;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool waits = true; /* answers do when all inputs do */
    for (size_t i = 0; i < pipe->n_lanes; i++) {
        atomic_fetch_add(&pipe->inputs_running[pipe->lanes[i]->leg], 1);
        waits &= pipe->lanes[i]->waits;
    }
    for (size_t i = 0; i < pipe->n_answers; i++)
        pipe->answers[i]->waits = waits;
    atomic_store(&pipe->answers_running, (int)pipe->n_answers);
    /* held until all are started, so that a quick one does not announce the end */
    atomic_store(&pipe->threads_running, 1);
    int r = 0;
    for (size_t i = 0; i < pipe->n_exits && r == 0; i++) {
        struct exit_lane *exit = pipe->exits[i];
        r = exit->out->ops->start ? exit->out->ops->start(exit->out, err) : 0;
        if (r == 0)
            r = start_thread(pipe, &exit->thread, exit_lane_run, exit, err);
        exit->started = r == 0;
    }
    for (size_t i = 0; i < pipe->n_lanes && r == 0; i++) {
        r = start_thread(pipe, &pipe->lanes[i]->thread, lane_run, pipe->lanes[i], err);
        pipe->lanes[i]->started = r == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
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
    for (size_t i = 0; i < pipe->n_exits; i++)
        queue_wake(pipe->exits[i]->queue);
}

void pipeline_reopen(struct pipeline *pipe)
{
    for (size_t i = 0; i < pipe->n_exits; i++) {
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
        for (size_t i = 0; i < pipe->n_exits; i++)
            if (pipe->exits[i]->started)
                pthread_join(pipe->exits[i]->thread, NULL);
    }
    if (!all_ended) {
        err_failure(err, "an output hangs and was given up");
        err->status = STATUS_NOT_DRAINED;
        return -ETIMEDOUT;
    }
    /* an input may have put something when its output had already given up */
    for (size_t i = 0; i < pipe->n_exits; i++)
        exit_lane_abandon(pipe->exits[i]);
    /* closing settles what was still under way, so it comes before the books are read */
    const struct account *accounts[MAX_OUTPUTS];
    size_t n_exits = pipe->n_exits;
    for (size_t i = 0; i < n_exits; i++)
        accounts[i] = pipe->exits[i]->account;
    close_parts(pipe);
    if (pipe->faulted) {
        *err = pipe->fault;
        return -EIO;
    }
    uint64_t abandoned = 0;
    for (size_t i = 0; i < n_exits; i++)
        abandoned += account_sum(accounts[i], BOOK_ABANDONED);
    if (abandoned > 0) {
        err_failure(err, "%" PRIu64 " messages could not be delivered in time", abandoned);
        err->status = STATUS_NOT_DRAINED;
        return -EBUSY;
    }
    return 0;
}
