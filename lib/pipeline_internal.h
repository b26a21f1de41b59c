/* SPDX-License-Identifier: MIT */
/* Shared by the files of the pipeline; nobody else includes this. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "lib/fates.h"
#include "lib/limiter.h"
#include "lib/pipeline.h"
#include "lib/queue.h"
#include "lib/route.h"
#include "lib/waiting.h"

#define MAX_INPUTS 64
/* Each output has a slot, which is its number in everything that says something about all of them:
 * bits, fates, tables of lanes. */
#define MAX_OUTPUTS ROUTE_OUTPUTS_MAX
#define ALL_OUTPUTS ((UINT32_C(1) << MAX_OUTPUTS) - 1)
/* Requests of which it is remembered where they went, for their responses. */
#define FATES_REMEMBERED 65536
/* Messages that wait for their request or response. */
#define WAITING_MSGS 8192
#define WAITING_BYTES (16 << 20)

/* Messages of a lane for one queue that are handed over together: at the end of a poll(), or when
 * they are so many or so large. A small queue gets smaller batches, so that they do not overflow
 * it. */
#define FEED_MSGS 64
#define FEED_BYTES (256 * KIB)
#define FEED_SHARE 8 /* at most this part of a queue */

struct feed {
    const struct msg *msgs[FEED_MSGS]; /* references */
    unsigned n, max;
    size_t bytes, max_bytes;
};

/* Filters that take the place of those before. */
struct lane_filters {
    struct filter_chain *chain; /* may be NULL */
};

/* What was asked for one output: the inputs' threads and its own go by it. Another one may take its
 * place; it lasts until nobody can look at it any more (pipeline.retired). */
struct exit_rules {
    struct limit limit;
    struct sampler sampler; /* asked in the inputs' threads */
    char *name; /* in the split */
    bool in_split;
    unsigned copies; /* of each request */
    struct options *options; /* bound to it; may be NULL, as may the next */
    struct filter_chain *rewriters; /* the output's thread's, as is the next */
    struct limiter *limiter;
    unsigned retired; /* pipeline.turned, when it was replaced */
    struct exit_rules *next; /* in pipeline.retired */
};

/* Where the messages of one lane may go. Another one takes its place between two messages. */
struct way {
    struct route *route; /* NULL: of answers */
    uint32_t deaf; /* a bit for each output that is not to hear of what comes this way, or is not */
    unsigned copies[MAX_OUTPUTS];
    bool shares; /* where requests went, with the lanes of answers */
};

/* The outputs as they are, or as they are to be: those that stay. */
struct layout {
    struct exit_lane *exits[MAX_OUTPUTS]; /* NULL: there is none */
    struct exit_rules *rules[MAX_OUTPUTS];
};

/* An input and its thread; or the way of an output's answers, in that one's thread. */
struct lane {
    struct sink sink; /* what the input puts into */
    struct pipeline *pipe;
    enum pipeline_leg leg;
    struct input *in; /* NULL: answers, */
    struct output *from; /* that this one got */
    pthread_mutex_t lock; /* of these: held by whoever puts one, or turns it in between */
    struct books *books;
    struct histogram *recorded; /* of responses; NULL: nobody asks */
    struct limit limit; /* as it began */
    struct dials *dials; /* may be its own: */
    struct dials usual;
    atomic_uint turned; /* as of pipeline.turned, what was taken over */
    double speed; /* the same, of the speed */
    _Atomic(struct lane_filters *) next_filters; /* NULL: no others */
    _Atomic(struct way *) next_way; /* the same */
    struct limiter *limiter;
    struct sampler sampler;
    struct filter_chain *chain; /* may be NULL */
    struct way *way;
    struct fates *fates; /* request id -> fates at all outputs */
    struct waiting *waiting; /* early responses; requests whose fate hangs on their response */
    atomic_uint left_out; /* paused: bit i: output i gets nothing */
    uint32_t fed; /* bit i: output i has something in its feed, or was not woken yet */
    struct feed feeds[MAX_OUTPUTS];
    /* Of its leg. The main thread writes those of a slot while nobody is in it. */
    struct exit_lane *exits[MAX_OUTPUTS];
    struct books *pages[MAX_OUTPUTS]; /* this thread's page of each one's account */
    int64_t progress_ns; /* of an input that goes on to the end: when it last produced something */
    uint64_t produced; /* so many, then */
    pthread_t thread;
    bool started;
    bool selective; /* not every message goes everywhere: fates and waiting are there */
    bool waits; /* for room in a full queue; else drops */
    bool to_all; /* answer_rules, of answers */
    atomic_bool stands; /* paused: it is not polled */
    atomic_bool ended; /* nothing comes from it any more */
};

/* An output, its queue and its thread. */
struct exit_lane {
    struct pipeline *pipe;
    enum pipeline_leg leg;
    struct output *out; /* NULL: closed */
    const struct output_ops *ops; /* of out, as are the books, and outlive it */
    struct books *books;
    struct account *account;
    uint64_t abandoned_before; /* in this account, by an output that it was of before */
    size_t slot;
    struct exit_rules *first; /* those that it was opened with, which it may borrow from */
    _Atomic(struct exit_rules *) newest; /* the main thread's */
    struct exit_rules *rules; /* as its thread goes by */
    struct options *lent; /* a reference; may be NULL */
    struct dials *dials; /* may be its own: */
    struct dials usual;
    atomic_uint turned; /* as of pipeline.turned, what was taken over */
    atomic_int pause; /* enum output_pause: what is wanted */
    enum output_pause paused; /* and what is so */
    struct fates *left_out; /* requests that were in its queue then; NULL: none were */
    bool at_once; /* nothing that it has asks for its thread: see output_ops.at_once */
    struct histogram *lateness; /* the account's, as is pace */
    struct pace *pace;
    struct queue *queue;
    atomic_bool hears; /* of answers, and so ends after those that get them */
    atomic_bool reopen;
    int64_t progress_ns; /* when a message last found its fate */
    uint64_t settled; /* messages that had, then */
    /* It was removed: then, as of pipeline.turned when; once all lanes know, its queue is closed.
     */
    atomic_int_fast64_t leaves_ns; /* 0: it stays */
    unsigned leaves;
    pthread_t thread;
    bool started;
    atomic_bool ended;
};

struct pipeline {
    struct pipeline_config config;
    int stop_fd, done_fd, give_up_fd; /* eventfds */
    atomic_bool stop; /* inputs: no more */
    atomic_uint turned; /* how often dials were turned */
    atomic_bool draining[LEGS]; /* all its inputs have ended */
    atomic_bool give_up; /* outputs: at once */
    atomic_int_fast64_t stopped_ns; /* when pipeline_stop() was called; 0: not yet */
    atomic_int inputs_running[LEGS], answers_running, threads_running;
    size_t n_lanes;
    struct lane *lanes[MAX_INPUTS];
    pthread_mutex_t exits_lock; /* for those who are not the main thread, and when it writes */
    struct exit_lane *exits[MAX_OUTPUTS]; /* by slot; NULL: it is free */
    struct lane *answers[MAX_OUTPUTS]; /* those of the output in that slot; NULL: nobody asks */
    struct exit_rules *retired;
    pthread_mutex_t fates_lock;
    struct fates *fates; /* of all inputs' requests, for the answers to them; NULL: everywhere */
    pthread_mutex_t fault_lock;
    struct err fault;
    bool faulted;
};

/* Stopping or draining: from here on outputs watch the time. */
static inline bool pipeline_is_ending(const struct pipeline *pipe, enum pipeline_leg leg)
{
    return atomic_load_explicit(&pipe->draining[leg], memory_order_relaxed) ||
           atomic_load_explicit(&pipe->stop, memory_order_relaxed);
}

/* --- parts: pipeline_parts.c; NULL is fine for what frees --- */

void lane_filters_free(struct lane_filters *filters);
/* Takes rules->options and rules->rewriters, also on failure. */
MUST_CHECK int exit_rules_new(struct exit_rules **rulesp, const struct pipeline *pipe,
                              const struct output_rules *rules, struct err *err);
void exit_rules_free(struct exit_rules *rules);
/* Takes out and what is in rules, also on failure. It has no slot yet. */
MUST_CHECK int exit_lane_new(struct exit_lane **lanep, struct pipeline *pipe, struct output *out,
                             struct account *account, const struct output_rules *rules,
                             struct err *err);
/* Its thread has ended. It may still give an answer on, so that nothing is freed that answers can
 * come to before all are closed. */
void exit_lane_close(struct exit_lane *lane);
void exit_lane_free(struct exit_lane *lane);
void lane_init(struct lane *lane, struct pipeline *pipe);
void lane_free(struct lane *lane);
void layout_read(struct layout *layout, const struct pipeline *pipe);
/* Puts an output into its slot, with a page of its account. */
MUST_CHECK int lane_meet(struct lane *lane, struct exit_lane *exit, struct err *err);
MUST_CHECK int way_new(struct way **wayp, const struct lane *lane, const struct layout *layout,
                       struct err *err);
void way_free(struct way *way);
MUST_CHECK int answers_new(struct lane **lanep, struct pipeline *pipe, struct output *from,
                           const struct answer_rules *rules, struct books *books, struct err *err);
/* Ready to run: asks the output, and begins its thread. */
MUST_CHECK int exit_lane_start(struct exit_lane *lane, struct err *err);
MUST_CHECK int pipeline_start_thread(struct pipeline *pipe, pthread_t *thread, void *(*run)(void *),
                                     void *arg, struct err *err);

/* --- threads --- */

/* Takes over what was turned: before a message, and, of the speed, between two batches. */
void lane_turn(struct lane *lane);
static inline void lane_look_around(struct lane *lane)
{
    if (unlikely(atomic_load_explicit(&lane->turned, memory_order_relaxed) !=
                 atomic_load_explicit(&lane->pipe->turned, memory_order_relaxed)))
        lane_turn(lane);
}
void lane_turn_speed(struct lane *lane);
void exit_lane_turn(struct exit_lane *lane);
void exit_lane_look_at_pause(struct exit_lane *lane);
/* Is msg, from its queue, to be left out? Because it is paused, or, of a response, because its
 * request was. */
bool exit_lane_leaves_out(const struct exit_lane *lane, const struct msg *msg);
/* Takes msg. */
void exit_lane_leave_out(struct exit_lane *lane, const struct msg *msg);

void *lane_run(void *lane);
void lane_put(struct sink *sink, const struct msg *msg);
void lane_kick_sink(struct sink *sink);
void *exit_lane_run(void *lane);
/* Books what is left in the queue as abandoned. */
void exit_lane_abandon(struct exit_lane *lane);
/* Books the fates of msg at every output but those of skip (a bit each; those of way->deaf are
 * among them), and puts changed into the queues of those that take it. Borrows both; changed may be
 * msg, or NULL: no memory. */
void lane_deliver(struct lane *lane, const struct msg *msg, const struct msg *changed,
                  uint64_t fates, uint32_t skip);
/* What may be looked at (a reference), or NULL when its fate is booked. Takes msg. */
const struct msg *lane_redact(struct lane *lane, const struct msg *msg);
/* What the global rules make of msg goes to the outputs that took it, but for those of skip and of
 * lane->deaf. */
void lane_pass_on(struct lane *lane, const struct msg *msg, uint64_t fates, uint32_t skip);
/* Where a request went, for the answers to it. Any thread. */
MUST_CHECK int shared_fates_open(struct pipeline *pipe);
void shared_fates_put(struct pipeline *pipe, struct span id, uint64_t fates);
void answers_put(struct sink *sink, const struct msg *msg);
/* Does exit hear of the answers of that lane? And, before they come: it will. */
bool answers_are_heard(const struct lane *lane, const struct exit_lane *exit);
void answers_introduce(struct output *from, struct exit_lane *exit);
/* Closes the queues that nothing can come into any more. Any thread; more than once. */
void answers_close(struct pipeline *pipe, enum pipeline_leg leg);

/* Hands over what is there for that output, which waits for room if the lane does. */
void lane_empty_feed(struct lane *lane, size_t slot);
/* Hands over what was gathered, and wakes the outputs that got something: once a batch, not once a
 * message. */
void lane_kick(struct lane *lane);

/* As pipeline_stop(), but only the first call of either does something, and returns true. */
bool pipeline_stop_first(struct pipeline *pipe);
void pipeline_fault(struct pipeline *pipe, const struct err *err);
void pipeline_input_ended(struct pipeline *pipe, enum pipeline_leg leg);
void pipeline_thread_ended(struct pipeline *pipe);
/* Has it been removed, and not drained in the time that there is for it? */
bool exit_lane_is_overdue(const struct exit_lane *lane);
/* Should an output of that leg, or who reads behind it, stop trying, when its last progress was
 * then? */
bool pipeline_gave_up(struct pipeline *pipe, enum pipeline_leg leg, int64_t last_progress_ns);
