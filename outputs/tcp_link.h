/* SPDX-License-Identifier: MIT */
/* A connection to a peer, plain or TLS, that is opened, and again with back-off when it breaks: all
 * addresses of the peer in turn, then its name is asked again. What goes over its wire while it is
 * UP is its owner's business; what comes back is read, so that the peer never has to wait, and what
 * the owner does not want is counted and thrown away. Never waits itself. Owned by the output's
 * thread. */
#pragma once

#include <poll.h>
#include <sys/uio.h>

#include "lib/base.h"
#include "lib/needs.h"
#include "lib/net.h"
#include "lib/wire.h"
#include "outputs/farewell.h"
#include "outputs/retry.h"

struct tcp_peer {
    struct net_name name;
    struct net_addrs addrs; /* as resolved at the start */
    const struct tls *tls; /* borrowed; NULL, as after tcp_peer_init(): plain */
    char tag[NET_HOST_MAX + 32]; /* for log lines */
};

/* "HOST:PORT", the value of option ("output-tcp"). 0, or a negative errno with err. */
MUST_CHECK int tcp_peer_init(struct tcp_peer *peer, const char *option, const char *address,
                             struct err *err);

/* Its port. */
void tcp_peer_needs(struct needs *needs, const char *option, const char *address);

enum tcp_link_state {
    LINK_DOWN = 0, /* no socket; connects when the back-off is over */
    LINK_CONNECTING,
    LINK_SHAKING, /* the handshake of TLS */
    LINK_UP,
    LINK_CLOSING, /* our side is shut down; the peer's end is awaited */
    LINK_CLOSED,
};

struct tcp_link {
    enum tcp_link_state state;
    struct wire wire; /* its fd is -1 when DOWN or CLOSED */
    unsigned refusals; /* times in a row that no address could be connected to */
    struct retry retry;
    /* The owner's, or NULL: does it want these bytes? */
    bool (*wants)(struct tcp_link *link, const uint8_t *bytes, size_t n);
    /* --- inside --- */
    const struct tcp_peer *peer;
    const char *option;
    struct net_addrs addrs;
    size_t next_addr;
    int64_t timeout_ns, deadline_ns; /* of an attempt */
    struct farewell farewell; /* CLOSING */
};

/* peer is borrowed. timeout_ns: of one attempt to connect. */
void tcp_link_init(struct tcp_link *link, struct output *out, const struct tcp_peer *peer,
                   int64_t timeout_ns);
/* Closes. Also twice. */
void tcp_link_fini(struct tcp_link *link);

/* While not UP: connects, or closes, as far as that goes without waiting. True when something was
 * done. */
bool tcp_link_step(struct tcp_link *link, int64_t now_ns);
/* What to wait for: *fd, readable while UP, and *wait_ns, made shorter when a time matters. */
void tcp_link_watch(const struct tcp_link *link, int64_t now_ns, struct pollfd *fd,
                    int64_t *wait_ns);
/* While UP: it broke, for a reason that is an errno (0: the peer closed it). DOWN then. */
void tcp_link_lost(struct tcp_link *link, const char *what, int errnum, int64_t now_ns);

/* While UP: reads away what the peer has sent. 1: alive, 0: it has closed its side, -errno. Asked
 * before something is sent: into a connection that the peer has closed the kernel would still take
 * bytes, and lose them. */
int tcp_link_drain(struct tcp_link *link);

/* Nothing more will be sent: DONE once the peer has closed its side too, which it does after it has
 * read everything (or did not do in time); BUSY while it is stepped. */
enum output_result tcp_link_flush(struct tcp_link *link, int64_t now_ns);
