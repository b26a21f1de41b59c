/* SPDX-License-Identifier: MIT */
/* The pipeline: inputs, the filter chain, the fan-out, one queue and one thread per output, and the
 * order in which all of it stops.
 *
 *   input thread:   poll -> redact -> limit -> judges -> route (conditions, split, sampling)
 *                   -> rewriters -> queues
 *   output thread:  queue -> the output's own rewriters -> limit -> write / poll
 *
 * Judges, conditions and samplers see a request as it was recorded. A response goes where its
 * request went: one that comes before its request waits for it.
 *
 * With a middleware messages go two legs, each as above: from the inputs, redacted and limited,
 * into the one output that feeds it; and from the input that reads what it gives back to all other
 * outputs.
 *
 * It knows only the interfaces, so tests drive it with inputs and outputs of their own.
 *
 * End: when all inputs of a leg have ended (of the first or only one also when pipeline_stop() was
 * called) the queues of its outputs are closed; each output delivers what it has, is flushed, and
 * its thread ends. An output that makes no progress for drain_ns is abandoned, and what it held is
 * counted. */
#pragma once

#include "lib/base.h"
#include "lib/dials.h"
#include "lib/err.h"
#include "lib/filter.h"
#include "lib/input.h"
#include "lib/ledger.h"
#include "lib/limit.h"
#include "lib/output.h"

enum when_full {
    WHEN_FULL_AUTO = 0, /* live inputs drop, others wait */
    WHEN_FULL_DROP,
    WHEN_FULL_BLOCK,
};

struct pipeline_config {
    size_t queue_msgs;
    size_t queue_bytes;
    enum when_full when_full;
    bool split; /* each request to one output, instead of to all */
    struct key split_by; /* KEY_NONE: by turns */
    uint64_t seed; /* of everything that is decided by hash */
    bool steerable; /* dials may be turned; then it is remembered where every request went */
    int64_t drain_ns; /* longest time without progress while draining */
    struct ledger *ledger;
};

struct pipeline;

MUST_CHECK int pipeline_new(struct pipeline **pipep, const struct pipeline_config *config,
                            struct err *err);
/* Closes all inputs and outputs that were added. Threads must have ended or never been started. */
void pipeline_free(struct pipeline *pipe);

/* Becomes readable when the program is about to stop: for input_args.stop_fd. */
int pipeline_stop_fd(const struct pipeline *pipe);

/* Which part of the way an input begins, and an output ends. */
enum pipeline_leg {
    LEG_LAST = 0, /* the only one, unless there is a middleware */
    LEG_FIRST = 1, /* up to the middleware */
    LEGS
};

/* What was asked for one output. */
struct output_rules {
    enum pipeline_leg leg;
    struct limit limit; /* its suffix */
    const char *name; /* of the split */
    bool aside; /* it takes no part in the split, and gets everything */
    struct dials *dials; /* what can be turned; borrowed; NULL: nothing */
    struct options *options; /* bound to it: conditions, and what rewriters borrow; NULL: none */
    struct filter_chain *rewriters; /* its own; NULL: none */
    struct options *lent; /* all options, for as long as it is open; NULL: the owner sees to it */
};

/* Takes out, and rules->rewriters, options and lent, also on failure. account: as made for it; its
 * first page is out->books. What is borrowed must outlive the pipeline. */
MUST_CHECK int pipeline_add_output(struct pipeline *pipe, struct output *out,
                                   struct account *account, const struct output_rules *rules,
                                   struct err *err);
/* What was asked of the answers that an output gets. */
struct answer_rules {
    bool to_all; /* else only to outputs that compare */
    size_t max_len; /* bytes of an answer beyond these are cut off */
    struct filter_chain *chain; /* may be NULL */
};

/* From now on the answers that out gets (output.answers) go where the requests went, to the outputs
 * that take more than requests. Takes rules->chain, also on failure; books are borrowed. After all
 * outputs, before inputs. */
MUST_CHECK int pipeline_track_answers(struct pipeline *pipe, struct output *out,
                                      const struct answer_rules *rules, struct books *books,
                                      struct err *err);

/* What was asked for one input. */
struct input_rules {
    enum pipeline_leg leg;
    struct limit limit;
    struct dials *dials; /* what can be turned, of one or several inputs; borrowed; NULL: nothing */
    struct filter_chain *chain; /* may be NULL */
    struct histogram *recorded; /* for how long responses took, as recorded; NULL: nobody asks */
};

/* Takes in and rules->chain, also on failure. After all outputs. */
MUST_CHECK int pipeline_add_input(struct pipeline *pipe, struct input *in, struct books *books,
                                  const struct input_rules *rules, struct err *err);

/* After dials were written: what they say now takes effect. Main thread.
 *
 * What a paused output does not get is counted as BOOK_PAUSED, also what it had in its queue; what
 * is under way at its target goes on. A paused live input is as if all outputs were paused for what
 * it brings. But an input that can wait stands still while it is paused, or all outputs are, and so
 * does what they hold: nothing is left out, and its clock goes on from where it stood. */
void pipeline_turn(struct pipeline *pipe);

/* --- a change --- */

/* Outputs that come and go, other rules for those that stay, other filters: all of it takes effect,
 * for each thread between two messages, or, when anything fails, nothing. Of a steerable pipeline
 * that runs; main thread; one at a time. An output is named by its account. */
struct pipeline_change;
MUST_CHECK int pipeline_change_new(struct pipeline_change **changep, struct pipeline *pipe,
                                   struct err *err);
/* Other filters for all inputs: make is asked for a chain for each input of a leg, and may set
 * NULL.
 */
struct filter_maker {
    int (*make)(void *arg, enum pipeline_leg leg, struct filter_chain **chain, struct err *err);
    void *arg;
};
MUST_CHECK int pipeline_change_filters(struct pipeline_change *change,
                                       const struct filter_maker *maker, struct err *err);
/* Other rules for that output: rewriters, options, limit, aside; its leg and dials stay. Takes
 * rules->rewriters and rules->options, also on failure. */
MUST_CHECK int pipeline_change_rules(struct pipeline_change *change, const struct account *account,
                                     const struct output_rules *rules, struct err *err);
/* As pipeline_add_output(), and pipeline_track_answers() of one that was added. account: handed
 * back (account_hand_back()) when the output is closed. */
MUST_CHECK int pipeline_change_add(struct pipeline_change *change, struct output *out,
                                   struct account *account, const struct output_rules *rules,
                                   struct err *err);
MUST_CHECK int pipeline_change_answers(struct pipeline_change *change, struct output *from,
                                       const struct answer_rules *rules, struct books *books,
                                       struct err *err);
/* It gets nothing more from now on, drains what it has for drain_ns at most, and is closed;
 * pipeline_tick() sees to that. */
void pipeline_change_remove(struct pipeline_change *change, const struct account *account);
MUST_CHECK int pipeline_change_apply(struct pipeline_change *change, struct err *err);
/* Whether it was applied or not: then nothing has changed. NULL is fine. */
void pipeline_change_free(struct pipeline_change *change);

/* Is it still there, draining or not? */
bool pipeline_has_output(const struct pipeline *pipe, const struct account *account);
/* Sees to what was removed or replaced. Returns when it wants to be called again. */
int64_t pipeline_tick(struct pipeline *pipe, int64_t now_ns);

MUST_CHECK int pipeline_start(struct pipeline *pipe, struct err *err);

/* Inputs end after their current batch; then everything drains, for drain_ns at most in all. A
 * second call gives up at once. Main thread; async-signal-safe. */
void pipeline_stop(struct pipeline *pipe);
/* Asks every output to close and open its files again. Async-signal-safe. */
void pipeline_reopen(struct pipeline *pipe);

/* What waits for the output of that account now. Nothing once the pipeline has been joined. Any
 * thread, but not during pipeline_join(), pipeline_change_apply() or pipeline_tick(). */
struct queue_level {
    size_t msgs, bytes;
};
struct queue_level pipeline_queue(const struct pipeline *pipe, const struct account *account);
/* Nothing new will come in: it was told to stop, or all inputs have ended. Any thread. */
bool pipeline_is_draining(const struct pipeline *pipe);

/* A descriptor that becomes readable when all threads have ended. */
int pipeline_done_fd(const struct pipeline *pipe);
/* Waits for all threads, then closes inputs and outputs. 0; -EIO: the first fault of an input;
 * -EBUSY: messages were abandoned; -ETIMEDOUT: a thread hangs in a system call and was left behind:
 * the pipeline must not be freed, only the process can end. err is filled for all but 0. */
MUST_CHECK int pipeline_join(struct pipeline *pipe, struct err *err);
