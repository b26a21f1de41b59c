/* SPDX-License-Identifier: MIT */
/* The interface of every way that traffic comes in. An input runs in one thread of its own, which
 * calls poll() in a loop; it reads no clock and no flag to know when to stop: it is just not called
 * again, and what it waits for must include stop_fd.
 *
 * A new input is one file in capture/ that fills an input_ops, a line in capture/inputs.h and one
 * in cmd/registry.c. capture/input_dummy.c is the one to copy. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"
#include "lib/ledger.h"
#include "lib/needs.h"
#include "lib/options.h"
#include "lib/shed.h"
#include "lib/sink.h"

/* What an input is opened with. All pointers are borrowed; addresses only until open() returns, the
 * others outlive the input. */
struct input_args {
    const char *const *addresses; /* values of its option, suffix included; all of them when
                                     input_ops.merges, else one */
    size_t n_addresses;
    const struct options *options;
    struct books *books; /* the input's page */
    struct playing *playing; /* of its account; NULL: nobody asks */
    struct shed *shed; /* what a live input is to leave out (lib/shed.h); NULL: nothing */
    int stop_fd; /* readable when the program is about to stop; never read from it */
    unsigned worker, n_workers; /* this is the one of that number among so many; 0: it is alone */
    struct input *first; /* number 0 of them, which outlives the threads of all; NULL: this is it */
};

enum input_result {
    INPUT_MORE = 0, /* call again */
    INPUT_END = 1, /* nothing will come any more */
};

struct input {
    const struct input_ops *ops;
    /* The part of its rate limit that is this input's own, when others share the work; it may
     * change from poll to poll. 0: all of it. */
    double share;
    /* Where its packets come from, "eth0" or "any"; NULL: it takes none. Set by open(). */
    const char *device;
};

#define INPUT_WORKERS_MAX 32

struct input_ops {
    const char *option; /* "input-raw": the option that makes it */
    const char *suffix_option; /* the option whose value carries the limit; NULL: its own */
    bool live; /* cannot wait: a full queue drops and counts. Others wait. */
    bool merges; /* one instance for all values of the option */
    bool to_the_end; /* added after those that feed it: a stop does not end it: what feeds it stops
                        first, and then it does; a fault of it stops the program */
    bool speed; /* a '%' suffix is the speed of the replay, for the input itself to read;
                   otherwise suffixes are cut off the addresses and limit the messages */

    /* Optional: how many of it are to share what comes from its addresses, each with a thread and a
     * page of its own; the account is one. NULL: one. At most INPUT_WORKERS_MAX. Main thread. */
    unsigned (*workers)(const struct input_args *args);
    /* Optional: what it will do later on, from its addresses and options (lib/needs.h). Main
     * thread. */
    void (*needs)(struct needs *needs, const struct input_args *args);
    /* *inp is set on success only. Before the sandbox closes: what is opened here may need root,
     * and no thread begins here. Main thread. */
    int (*open)(struct input **inp, const struct input_args *args, struct err *err);
    /* Optional: inside the sandbox, when everything else is set up: what has threads, or reads what
     * others send. 0, or a negative errno with err. Main thread. */
    int (*start)(struct input *in, struct err *err);
    /* One bounded batch: waits at most timeout_ms when there is nothing to do, then puts 0 or more
     * messages into sink and returns at once: the outputs are woken when it does. enum
     * input_result, or -errno with err filled: this input is over. */
    int (*poll)(struct input *in, struct sink *sink, int timeout_ms, struct err *err);
    /* Optional, once, after the last poll, also when stopped: puts out what is complete, and counts
     * what is not. Its own thread. */
    void (*finish)(struct input *in, struct sink *sink);
    /* Optional; the input's own thread, every second or so and at the end: brings counters that
     * live elsewhere (kernel drops) into the books. */
    void (*account)(struct input *in);
    /* Optional, for inputs that keep time; its own thread. It was not polled for so long, because
     * it was paused: what is due comes so much later. */
    void (*held)(struct input *in, int64_t held_ns);
    /* Optional, as above: from now on so many times as fast as it was begun. */
    void (*set_speed)(struct input *in, double speed);
    /* Main thread, after its thread has ended. NULL is fine. */
    void (*close)(struct input *in);
};
