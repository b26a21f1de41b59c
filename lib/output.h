/* SPDX-License-Identifier: MIT */
/* The interface of every way that traffic goes out. An output has a queue in front of it and one
 * thread of its own, so it may block, and can never hurt the capture or another output. One that
 * never waits may do without (at_once).
 *
 * A simple output (stdout, file) writes and says DONE. One with many messages under way (HTTP) says
 * TAKEN, and settles each later; when it can take no more it says BUSY and is polled.
 *
 * A new output is one file in outputs/ that fills an output_ops, a line in outputs/outputs.h and
 * one in cmd/registry.c. outputs/output_null.c is the one to copy. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/histogram.h"
#include "lib/ledger.h"
#include "lib/msg.h"
#include "lib/needs.h"
#include "lib/options.h"
#include "lib/sink.h"

/* All pointers are borrowed; address only until open() returns, the others outlive the output. */
struct output_args {
    const char *address; /* without its |LIMIT suffix; "" for outputs without an address */
    const struct options *options;
    const struct options *bound; /* what was given for this output alone (--to-…) */
    struct account *account; /* pages for threads of its own come from here, in open() */
    struct books *books; /* the output thread's page of it */
    struct histogram *latency; /* of its account, for those that get answers */
    struct exchange_stats *exchanges; /* of its account, for them too; NULL: nobody asks */
};

enum output_result {
    OUTPUT_DONE = 0, /* delivered */
    OUTPUT_TAKEN = 1, /* kept (msg_ref); output_settle() will tell */
    OUTPUT_BUSY = 2, /* not taken: poll, then offer it again */
    OUTPUT_SKIPPED = 3, /* not a message for this output (a response to an HTTP target) */
    OUTPUT_FAILED = 4, /* lost; the output has counted or said why */
};

struct output {
    const struct output_ops *ops;
    struct books *books;
    /* the pipeline's, once it is open: where the answers that it gets go (MSG_REPLAYED, from its
     * thread); NULL: nobody asks */
    struct sink *answers;
    size_t answer_max; /* bytes of one that are kept */
    bool answer_tells; /* each brings its request: msg.request */
    uint8_t number; /* of those with answers: msg.replayed_by */
};

/* An output that is paused gets no messages; what it keeps already: */
enum output_pause {
    OUTPUT_GO = 0, /* it is not paused any more */
    OUTPUT_HOLD = 1, /* stays where it is, and goes out later */
    OUTPUT_LEAVE_OUT = 2, /* is settled as BOOK_PAUSED, now and whatever comes until OUTPUT_GO */
};

struct output_ops {
    const char *option; /* "output-http" */
    bool is_switch; /* the option takes no address: --output-stdout */
    const char *answers; /* the option by which others get its answers; NULL: it gets none */
    const char *answer_max; /* the option that says how much of one is kept */
    bool exchanges; /* they are of HTTP: can be reported on, and compared */
    bool baseline; /* they are for comparing only; it is aside from any split */
    bool compares; /* it gets every answer, whether the other outputs do or not */
    bool documents; /* it gets the answers of every HTTP target, each with its request, and nothing
                       else; nobody ever waits for room in its queue; it is aside from any split */
    bool requests_only; /* responses need not be queued for it: the pipeline counts them skipped */
    bool at_once; /* write() does not wait, keeps nothing, and answers DONE: the inputs' threads
                     call it themselves, several at a time, where no limit, rewriting, pause or due
                     time asks for the output's own thread; order is of no matter to it */

    /* Optional: what it will do later on, from its address and options (lib/needs.h); what is wrong
     * with these is for open() to tell. Main thread. */
    void (*needs)(struct needs *needs, const struct output_args *args);
    /* Optional, before the sandbox closes: starts what stays outside. Main thread. */
    int (*prepare)(const struct output_args *args, struct err *err);
    /* *outp is set on success only. Inside the sandbox. Main thread. */
    int (*open)(struct output **outp, const struct output_args *args, struct err *err);
    /* Optional, for outputs with threads of their own. start: main thread, when everything else is
     * set up; 0, or a negative errno with err. stop: output thread, as its last call, or never;
     * nothing is settled and no answer given on after it. close() stops what runs. */
    int (*start)(struct output *out, struct err *err);
    void (*stop)(struct output *out);
    /* Borrows msg. */
    enum output_result (*write)(struct output *out, const struct msg *msg);
    /* Its own I/O and timers, for outputs that say TAKEN or BUSY or need to act without a message
     * (flush intervals): returns when wake_fd is readable (never read from it), when something was
     * done, or after timeout_ms (0: do what is ready and return). Optional for the others. */
    void (*poll)(struct output *out, int wake_fd, int timeout_ms);
    /* No more messages will come: hand over what is buffered. DONE when nothing is left, BUSY:
     * poll and ask again. Optional. */
    enum output_result (*flush)(struct output *out);
    /* Optional, for outputs that keep messages which they have not begun to send: begin none while
     * paused. Output thread. */
    void (*pause)(struct output *out, enum output_pause how);
    /* Optional: SIGHUP. Close and open files again. Output thread. */
    void (*reopen)(struct output *out);
    /* Frees all; what is still under way must be settled as abandoned first. Main thread, after the
     * output's thread has ended; without stop() an answer may still be given on. NULL is fine. */
    void (*close)(struct output *out);
};

/* The fate of a message that was TAKEN: BOOK_DELIVERED, BOOK_FAILED, BOOK_ABANDONED or BOOK_PAUSED.
 * Output thread, or main thread from close(). Also drops the output's reference. */
static inline void output_settle(struct output *out, const struct msg *msg, enum book fate)
{
    assert(fate == BOOK_DELIVERED || fate == BOOK_FAILED || fate == BOOK_ABANDONED ||
           fate == BOOK_PAUSED);
    book_one(out->books, fate);
    if (fate == BOOK_ABANDONED)
        receipt_abandon(msg->receipt);
    if (fate == BOOK_DELIVERED)
        book_add(out->books, BOOK_DELIVERED_BYTES, msg->len);
    msg_unref(msg);
}
