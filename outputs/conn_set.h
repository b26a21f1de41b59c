/* SPDX-License-Identifier: MIT */
/* The connections of an output that keeps several to one peer: what was one connection when it was
 * recorded keeps to one of them, so that its messages stay in order. Each kind of connection is a
 * struct conn with its ops; none of them ever waits. Owned by the output's thread. */
#pragma once

#include <poll.h>

#include "lib/base.h"
#include "lib/options.h"
#include "lib/output.h"

struct conn {
    const struct conn_ops *ops;
};

struct conn_ops {
    /* Settles what is left as abandoned. */
    void (*free)(struct conn *conn);
    /* Borrows msg. OUTPUT_TAKEN, OUTPUT_BUSY (its buffer is full) or OUTPUT_FAILED (no memory). */
    enum output_result (*put)(struct conn *conn, const struct msg *msg);
    /* Connects, sends and reads as far as that goes without waiting. True when something was done.
     */
    bool (*step)(struct conn *conn, int64_t now_ns);
    /* What to wait for before the next step: *fd (fd -1: nothing) and *wait_ns, which is made
     * shorter when a time matters. */
    void (*watch)(const struct conn *conn, int64_t now_ns, struct pollfd *fd, int64_t *wait_ns);
    /* No more messages come: DONE once all have been sent and the peer has closed its side too,
     * which it does after it has read everything (or did not do in time); else BUSY. */
    enum output_result (*flush)(struct conn *conn, int64_t now_ns);
};

/* For watch: due_ns matters. CLOCK_MONOTONIC; INT64_MAX: never. */
static inline void conn_wait_until(int64_t due_ns, int64_t now_ns, int64_t *wait_ns)
{
    int64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    if (left_ns < *wait_ns)
        *wait_ns = left_ns;
}

#define CONN_SET_MAX 64

struct conn_set {
    size_t n;
    struct conn *conns[CONN_SET_MAX];
};

/* How many connections option ("output-tcp-workers") asks for: 1 to CONN_SET_MAX; if_zero stands
 * for 0 (0: that is no answer). 0, or -EINVAL with err. */
MUST_CHECK int conn_set_workers(size_t *n, const struct options *options, const char *option,
                                size_t if_zero, struct err *err);
void conn_set_fini(struct conn_set *set);

/* As the functions of struct output_ops. */
enum output_result conn_set_write(struct conn_set *set, const struct msg *msg);
void conn_set_poll(struct conn_set *set, int wake_fd, int timeout_ms);
enum output_result conn_set_flush(struct conn_set *set);
