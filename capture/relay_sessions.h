/* SPDX-License-Identifier: MIT */
/* What a listener knows of the senders that wait for acknowledgements. A session is one sender's
 * row of DATA frames, over any number of connections: how many came, and up to which all have been
 * handed over by every output. Messages that come again under the same name are passed over.
 * Owned by the input's thread. */
#pragma once

#include "lib/base.h"
#include "lib/ledger.h"
#include "lib/msg.h"
#include "lib/relay_frame.h"

struct relay_session {
    uint64_t sender; /* 0: free */
    uint64_t received; /* DATA frames taken */
    uint64_t acked; /* of those: handed over */
    void *client; /* the connection that it has now; NULL: none */
    /* --- inside --- */
    size_t batches; /* in the row of those not handed over */
    uint64_t used;
};

struct relay_sessions;

/* No more than so many messages, and bytes of them, may be with the outputs at a time. */
MUST_CHECK int relay_sessions_new(struct relay_sessions **sp, struct books *books, size_t max_msgs,
                                  uint64_t max_bytes);
void relay_sessions_free(struct relay_sessions *s);

/* The session of that HELLO, a new one when it is not known. NULL: there are too many. */
struct relay_session *relay_sessions_find(struct relay_sessions *s,
                                          const struct relay_hello *hello);

/* The next DATA frame of the session has come, with *msg (NULL: it was damaged), which is the
 * caller's alone: it gets its name and a receipt; one that is known already is freed, and *msg is
 * NULL then. False: no memory, nothing is changed. */
MUST_CHECK bool relay_sessions_take(struct relay_sessions *s, struct relay_session *session,
                                    const struct relay_head *h, struct msg **msg);
/* No more frames are to be taken for now: too much is with the outputs. */
bool relay_sessions_full(const struct relay_sessions *s);

/* Brings acked of all sessions up to date. True: some moved. */
bool relay_sessions_progress(struct relay_sessions *s);
/* Frames that are not handed over yet. */
size_t relay_sessions_out(const struct relay_sessions *s);
