/* SPDX-License-Identifier: MIT */
/* One HTTP/1.x connection to the target: a request goes out, its answer comes in and is framed, one
 * exchange at a time. Which request goes where is http_pool.c's business. Owned by the output's
 * thread. */
#pragma once

#include <sys/queue.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/http.h"
#include "lib/ledger.h"
#include "lib/msg.h"
#include "outputs/http_dial.h"
#include "outputs/http_lanes.h"
#include "outputs/http_target.h"

#define HTTP_CONN_SCRATCH ((size_t)64 * 1024)

/* What all connections of an output share. */
struct http_wire {
    const struct http_target *target; /* borrowed */
    bool original_host; /* the Host field stays as recorded */
    bool pad_cut; /* a body that was cut at capture is filled up to its length */
    size_t keep_answer; /* bytes of an answer that are kept; 0: none */
    struct books *books; /* borrowed */
    uint8_t scratch[HTTP_CONN_SCRATCH]; /* what was just received */
};

enum http_conn_state {
    CONN_FREE = 0, /* no socket */
    CONN_DIALING,
    CONN_IDLE,
    CONN_BUSY, /* an exchange is under way */
};

struct http_conn {
    /* --- the pool's --- */
    enum http_conn_state state;
    uint32_t slot;
    struct http_dial *dial; /* DIALING; when it carries the bytes also later */
    struct http_lane *lane; /* BUSY: whose first message this is */
    int64_t since_ns; /* IDLE: when that began; BUSY: when the request went out */
    uint64_t session; /* the recorded connection that it was last used for */
    bool watches_write; /* as epoll has it */
    TAILQ_ENTRY(http_conn) link;
    /* --- inside --- */
    int fd; /* -1: none */
    bool tls;
    bool sent_some, send_failed;
    bool keep; /* the connection can be used again */
    bool in_head, got_some; /* of an answer */
    bool answer_cut; /* there was more */
    uint64_t exchanges; /* begun on this connection */
    const struct msg *msg; /* borrowed for the exchange */
    struct buf out; /* the head as sent, with a small body */
    struct span body; /* a large one, still to be sent */
    uint64_t padding; /* bytes behind it, still to be sent */
    struct http_framer framer;
    struct buf in; /* the beginning of an answer's head */
    struct buf answer; /* as it came, up to http_wire.keep_answer */
    int64_t answer_ns; /* CLOCK_REALTIME of its first byte */
    int64_t answer_after_ns; /* since the request went out */
};

enum http_io {
    HTTP_IO_MORE = 0, /* under way */
    HTTP_IO_ANSWERED = 1, /* the answer is there: status in framer.view, keep is set */
    HTTP_IO_UNSENT = 2, /* the connection was dead: not a byte of the request went out */
    HTTP_IO_BROKEN = 3, /* the connection ended before the answer did */
    HTTP_IO_BAD = 4, /* the answer is not HTTP/1.x */
    HTTP_IO_NO_MEMORY = 5, /* the request could not be made ready; nothing was sent */
    HTTP_IO_ALERT = 6, /* a TLS alert ended the connection; http_dial_error() has its text */
};

/* Can this message be sent as a request: not CONNECT, and a whole one, or (with pad_cut) one whose
 * body can be filled up? */
bool http_conn_can_send(const struct msg *msg, bool pad_cut);

/* fd: of a connection that is up; takes it, unless tls is set, a dial that carries the bytes. */
void http_conn_up(struct http_conn *conn, int fd, struct http_dial *tls);
/* Closes what there is; buffers are given back. A zeroed conn is fine. */
void http_conn_fini(struct http_conn *conn);

/* Begins to send msg, which must live until the exchange ends. MORE, UNSENT or NO_MEMORY. */
enum http_io http_conn_begin(struct http_conn *conn, struct http_wire *wire, const struct msg *msg);
/* The socket is ready. Any but NO_MEMORY. */
enum http_io http_conn_ready(struct http_conn *conn, struct http_wire *wire);
/* Does the exchange wait for the socket to become writable? */
static inline bool http_conn_wants_write(const struct http_conn *conn)
{
    return conn->body.len > 0 || conn->padding > 0 || buf_span(&conn->out).len > 0;
}
/* While idle: has the server neither closed it nor sent what nobody asked for? */
bool http_conn_alive(struct http_conn *conn);
