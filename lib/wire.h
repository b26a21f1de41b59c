/* SPDX-License-Identifier: MIT */
/* A TCP connection that is plain or TLS, with the same calls for both; none of them ever waits.
 * Owned by one thread. With TLS the process must ignore SIGPIPE. */
#pragma once

#include <sys/uio.h>

#include "lib/base.h"
#include "lib/ledger.h"
#include "lib/tls.h"

/* wire_recv() with room for so much leaves nothing inside that poll(2) would not tell of. */
#define WIRE_RECORD ((size_t)16 * 1024)

struct wire {
    int fd; /* -1: closed */
    const struct tls *tls; /* NULL: plain */
    bool shaken; /* bytes can pass; plain: always */
    enum book fault; /* BOOK_TLS_…: what TLS failed for; 0: it did not */
    char why[160]; /* the same for a person */
    /* --- inside --- */
    struct ssl_st *ssl; /* a server's: from its peer's first byte on */
    const char *name;
    int failed; /* -errno */
    uint8_t *stuck; /* was taken, and must go before anything else */
    size_t stuck_len;
};

/* Takes fd. tls (NULL: none) and name (see tls_connection()) are borrowed. */
void wire_open(struct wire *w, int fd, const struct tls *tls, const char *name);
/* Also twice. */
void wire_close(struct wire *w);

/* The handshake: 0: shaken; -EAGAIN: wait for wire_events(); else it failed, and fault and why say
 * more. */
MUST_CHECK int wire_shake(struct wire *w);
/* Is one under way, which takes much more memory than a connection before and after? */
bool wire_is_shaking(const struct wire *w);
/* What must be waited for beside what the owner wants: poll(2)'s, and epoll's. */
short wire_events(const struct wire *w);

/* As recv(2) and sendmsg(2), with -errno; 0: the peer has ended its side. -EPROTO: see why. What is
 * sent may go out later, when wire_events() come and it is called again, or wire_flush(). */
ssize_t wire_recv(struct wire *w, void *bytes, size_t room);
ssize_t wire_send(struct wire *w, const struct iovec *iov, size_t n);
/* 0: all that was sent is with the kernel; -EAGAIN; or another -errno. */
MUST_CHECK int wire_flush(struct wire *w);
/* Our side has ended. 0, -EAGAIN: call it again, or another -errno. */
MUST_CHECK int wire_shut(struct wire *w);
