/* SPDX-License-Identifier: MIT */
/* Finds together, by id, what belongs to one exchange: the request, the response that was recorded,
 * the target's answer and the baseline's, in whatever order they come. What has no counterpart
 * waits; bounded in number and bytes for each role, the oldest leaves first. Owned by one thread.
 */
#pragma once

#include "lib/msg.h"

enum pairing_role {
    ROLE_REQUEST = 0,
    ROLE_RECORDED = 1,
    ROLE_ANSWER = 2,
    ROLE_BASELINE = 3,
    ROLES
};

/* What was found; NULL where there is none. */
struct exchange {
    const struct msg *msg[ROLES];
    bool met[ROLES]; /* was part of an exchange before: another target's answer */
    bool crowded; /* it had to leave; what is missing may yet come */
};

struct pairing_config {
    size_t max_msgs, max_bytes; /* of each role */
    bool with_baseline; /* an exchange is complete with its answer only */
    bool several; /* targets: what was recorded is kept for the others' answers */
    /* Borrows the exchange and its messages. */
    void (*settle)(void *arg, const struct exchange *exchange);
    void *arg;
};

struct pairing;

MUST_CHECK int pairing_new(struct pairing **pairingp, const struct pairing_config *config);
/* Drops what still waits. */
void pairing_free(struct pairing *pairing);

/* Borrows msg. Of several with one role and id the oldest is met first. */
void pairing_put(struct pairing *pairing, enum pairing_role role, const struct msg *msg);
/* Nothing more will come: settles what waits. */
void pairing_flush(struct pairing *pairing);
