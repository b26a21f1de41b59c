/* SPDX-License-Identifier: MIT */
/* What can be steered while it runs, by name: the inputs and outputs, their dials, why each is
 * paused, and where its ramp is. Everything that turns a dial (the control socket, --stop-file,
 * ramps) does it here. Main thread. */
#pragma once

#include "cmd/ramp.h"
#include "cmd/wanted.h"
#include "cmd/wanted_inputs.h"
#include "lib/dials.h"
#include "lib/ledger.h"
#include "lib/pipeline.h"

#define STEER_NAME_MAX 128
#define STEER_WHY_MAX 160
#define STEER_DEVICE_MAX 64
#define STEERED_MAX (WANTED_INPUTS_MAX + ROUTE_OUTPUTS_MAX)

/* Why something is paused; each must be taken back by who said it. */
enum pause_reason {
    PAUSED_BY_HAND = 1 << 0,
    PAUSED_BY_FILE = 1 << 1, /* --stop-file */
    PAUSED_BY_GUARD = 1 << 2, /* --guard */
};
#define PAUSE_REASONS 3
/* "by hand" */
const char *pause_reason_text(enum pause_reason reason);

/* One input or output. All pointers are borrowed. */
struct steered {
    bool used; /* else the place is free */
    bool leaves; /* an output that was removed, and drains: it has no name any more */
    enum account_kind kind;
    size_t nth; /* of the wanted ones of its kind */
    uint64_t target; /* of an output: a hash of its option and address */
    char name[STEER_NAME_MAX]; /* printable, without spaces; no two are the same */
    bool given; /* by --to-name */
    struct account *account;
    struct books *books; /* of an output: the main thread's page of its account; NULL: no memory */
    const struct output_ops *output; /* NULL: it is an input */
    bool captures; /* packets, from: */
    char device[STEER_DEVICE_MAX];
    struct account *answers; /* of what an output is answered; NULL: nobody asks */
    struct dials dials; /* the pipeline's threads read them */
    unsigned paused; /* enum pause_reason */
    bool in_split; /* it has a weight */
    unsigned guarded; /* another number is another guard */
    struct guard guard; /* n is 0: nothing guards it */
    struct ramp ramp;
    char why[STEER_WHY_MAX]; /* the ramp is held, or the guard has paused it; "": neither */
    double speed; /* percent, as it was begun; 0: it keeps no time */
    double rps; /* it replays at that rate, as it was begun; 0: it does not */
};

struct steer {
    struct pipeline *pipe;
    bool turns; /* something may be turned while it runs; else all this is for names */
    unsigned changes; /* of what a restart is to remember */
    unsigned guards; /* so far */
    struct steered items[STEERED_MAX];
};

/* The one behind it, or the first; NULL: there is none. Those that leave are passed over. */
struct steered *steer_next(const struct steer *steer, const struct steered *item);

/* Return what the pipeline is given to be turned by. They are given names with steer_name_all(),
 * once all are there. */
struct dials *steer_add_input(struct steer *steer, const struct wanted_input *wanted, size_t nth,
                              struct account *account);
struct steered *steer_add_output(struct steer *steer, const struct wanted *wanted, size_t nth,
                                 bool split, struct account *account);
/* Takes over what was wanted of it anew: name, guard, ramp, split; dials as they are. */
void steer_change_output(struct steer *steer, struct steered *item, const struct wanted *wanted,
                         size_t nth, bool split);
/* The input of that account captures there. */
void steer_set_device(struct steer *steer, const struct account *account, const char *device);
/* What pauses all other outputs pauses this one, too. */
void steer_pause_as_all(struct steer *steer, struct steered *item);
/* The output of that address that was removed and still drains; NULL: none. */
struct steered *steer_leaving(const struct steer *steer, const struct wanted *wanted);
/* Is there any? */
bool steer_has_leaving(const struct steer *steer);
/* Forgets those that the pipeline has closed. */
void steer_forget_gone(struct steer *steer);
/* --to-name, or a name made from the address: a file's, a URL's host, or the address itself. */
void steer_name_all(struct steer *steer);

struct steered *steer_find(struct steer *steer, const char *name);

/* what: "staging.percent", "requests.gor.speed", "v1.weight", "x.rate". Whatever is wrong changes
 * nothing. */
MUST_CHECK int steer_set(struct steer *steer, const char *what, const char *value, struct err *err);

/* The share is that of the ramp's step. */
void steer_follow_ramp(struct steer *steer, struct steered *item);

/* item NULL: all outputs. */
void steer_pause(struct steer *steer, struct steered *item, enum pause_reason reason);
/* item NULL: all inputs and outputs. Of PAUSED_BY_GUARD also a ramp that is held goes on. */
void steer_resume(struct steer *steer, struct steered *item, unsigned reasons);
