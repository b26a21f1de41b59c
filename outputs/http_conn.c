/* SPDX-License-Identifier: MIT */
#include "outputs/http_conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/http_edit.h"

/* Bodies up to this length are sent in one piece with their head. */
#define SMALL_BODY ((size_t)16 * 1024)
/* Bound for a head with all that is added to it. */
#define OUT_MAX ((size_t)4 * MIB)
/* A buffer beyond this is given back after its exchange. */
#define KEEP_CAP ((size_t)64 * 1024)
#define PADDING_PIECE ((size_t)16 * 1024)
/* Times that one call reads, so that other connections get their turn. */
#define READS_PER_TURN 16

static bool body_is_whole(const struct msg *msg)
{
    struct span body = msg_body(msg);
    struct http_framer framer;
    size_t used = 0;
    switch (msg->http.body) {
    case HTTP_BODY_NONE:
        return body.len == 0;
    case HTTP_BODY_LENGTH:
        return body.len == msg->http.length;
    case HTTP_BODY_CHUNKED:
        if (http_framer_resume(&framer, HTTP_REQUEST, &msg->http) == HTTP_BAD)
            return false;
        return http_framer_feed(&framer, body.ptr, body.len, &used) == HTTP_DONE &&
               used == body.len;
    default:
        return false;
    }
}

/* A body that its length tells how to fill up. */
static bool can_pad(const struct msg *msg)
{
    return msg->http.body == HTTP_BODY_LENGTH && msg_body(msg).len < msg->http.length;
}

bool http_conn_can_send(const struct msg *msg, bool pad_cut)
{
    if (msg->type != MSG_REQUEST || msg->http.head_len == 0)
        return false;
    if (pad_cut && can_pad(msg))
        return true;
    if (msg->flags & MSG_CUT)
        return false;
    /* a tunnel is not an exchange; and what does not end where its head says would make the server
     * wait, or take the rest for a request of its own */
    return !span_eq(msg_method(msg), span_str("CONNECT")) && body_is_whole(msg);
}

void http_conn_up(struct http_conn *conn, int fd, struct http_dial *tls)
{
    assert(conn->fd == -1);
    conn->fd = fd;
    conn->tls = tls != NULL;
    conn->dial = tls;
    conn->exchanges = 0;
    conn->watches_write = false;
    buf_init(&conn->out, OUT_MAX);
    buf_init(&conn->in, HTTP_MAX_HEAD);
    buf_init(&conn->answer, SIZE_MAX);
}

void http_conn_fini(struct http_conn *conn)
{
    if (conn->fd != -1 && !conn->tls)
        close(conn->fd);
    conn->fd = -1;
    http_dial_free(conn->dial);
    conn->dial = NULL;
    conn->msg = NULL;
    buf_fini(&conn->out);
    buf_fini(&conn->in);
    buf_fini(&conn->answer);
}

static ssize_t io_send(struct http_conn *conn, struct span head, struct span body)
{
    if (conn->tls) {
        struct span first = head.len > 0 ? head : body;
        return http_dial_send(conn->dial, first.ptr, first.len);
    }
    struct iovec iov[2] = {{(void *)head.ptr, head.len}, {(void *)body.ptr, body.len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = body.len > 0 ? 2 : 1};
    ssize_t n = sendmsg(conn->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == -1 ? -errno : n;
}

static ssize_t io_recv(struct http_conn *conn, struct http_wire *wire)
{
    if (conn->tls)
        return http_dial_recv(conn->dial, wire->scratch, HTTP_CONN_SCRATCH);
    ssize_t n = recv(conn->fd, wire->scratch, HTTP_CONN_SCRATCH, MSG_DONTWAIT);
    return n == -1 ? -errno : n;
}

static void stop_sending(struct http_conn *conn)
{
    buf_consume(&conn->out, buf_span(&conn->out).len);
    conn->body = span_of(NULL, 0);
    conn->padding = 0;
    if (conn->out.cap > KEEP_CAP)
        buf_fini(&conn->out);
}

/* What is sent of it next counts as the body. */
static struct span next_padding(struct http_conn *conn, const uint8_t *zeros)
{
    size_t n = conn->padding < PADDING_PIECE ? (size_t)conn->padding : PADDING_PIECE;
    conn->padding -= n;
    return span_of(zeros, n);
}

/* Sends what is left as far as the socket takes it. False: it is broken. */
static bool send_rest(struct http_conn *conn)
{
    static const uint8_t zeros[PADDING_PIECE];
    while (http_conn_wants_write(conn)) {
        struct span head = buf_span(&conn->out);
        if (head.len == 0 && conn->body.len == 0)
            conn->body = next_padding(conn, zeros);
        ssize_t n = io_send(conn, head, conn->body);
        if (n == -EAGAIN)
            return true;
        if (n == -EINTR)
            continue;
        if (n < 0)
            return false;
        size_t of_head = (size_t)n < head.len ? (size_t)n : head.len;
        buf_consume(&conn->out, of_head);
        conn->body = span_from(conn->body, (size_t)n - of_head);
        conn->sent_some |= n > 0;
    }
    stop_sending(conn);
    return true;
}

/* Puts the authorization of the target's URL in front of the empty line that ends the head. */
static int add_authorization(struct http_conn *conn, const struct http_target *target,
                             const struct msg *msg)
{
    struct http_field field;
    struct span line = span_str(target->authorization);
    if (line.len == 0 ||
        http_field_find(msg_payload(msg), &msg->http, span_str("Authorization"), &field))
        return 0;
    struct span head = buf_span(&conn->out);
    bool crlf = head.len >= 2 && head.ptr[head.len - 2] == '\r';
    conn->out.len -= crlf ? 2 : 1;
    int r = buf_append(&conn->out, line.ptr, line.len);
    return r < 0 ? r : buf_append(&conn->out, "\r\n", 2);
}

static int prepare(struct http_conn *conn, const struct http_wire *wire, const struct msg *msg)
{
    const struct http_target *target = wire->target;
    struct span host = wire->original_host ? span_of(NULL, 0) : span_str(target->host);
    int r = http_render_head(&conn->out, msg, host, span_str(target->prefix));
    if (r == 0)
        r = add_authorization(conn, target, msg);
    conn->body = msg_body(msg);
    if (r == 0 && conn->body.len <= SMALL_BODY) {
        r = buf_append(&conn->out, conn->body.ptr, conn->body.len);
        conn->body = span_of(NULL, 0);
    }
    if (wire->pad_cut && can_pad(msg))
        conn->padding = msg->http.length - msg_body(msg).len;
    if (r < 0)
        stop_sending(conn);
    return r;
}

static void await_answer(struct http_conn *conn)
{
    http_framer_init(&conn->framer, HTTP_RESPONSE, NULL);
    http_framer_answers(&conn->framer, msg_method(conn->msg));
    conn->in_head = true;
    buf_consume(&conn->answer, buf_span(&conn->answer).len);
    if (conn->answer.cap > KEEP_CAP)
        buf_fini(&conn->answer);
    conn->answer_cut = false;
    conn->answer_ns = 0;
}

/* Bytes of the answer, which is not yet complete. Without memory for them it counts as cut. */
static void keep_answer(struct http_conn *conn, const struct http_wire *wire, const uint8_t *bytes,
                        size_t n)
{
    size_t have = buf_span(&conn->answer).len;
    size_t room = have < wire->keep_answer ? wire->keep_answer - have : 0;
    if (conn->answer_ns == 0) {
        conn->answer_ns = clock_wall_ns();
        conn->answer_after_ns = clock_mono_ns() - conn->since_ns;
    }
    if (conn->answer_cut)
        return;
    conn->answer_cut = n > room;
    if (buf_append(&conn->answer, bytes, n < room ? n : room) < 0)
        conn->answer_cut = true;
}

enum http_io http_conn_begin(struct http_conn *conn, struct http_wire *wire, const struct msg *msg)
{
    assert(conn->fd != -1 && !http_conn_wants_write(conn));
    if (prepare(conn, wire, msg) < 0)
        return HTTP_IO_NO_MEMORY;
    conn->msg = msg;
    conn->sent_some = conn->send_failed = conn->keep = conn->got_some = false;
    conn->exchanges++;
    await_answer(conn);
    if (send_rest(conn))
        return HTTP_IO_MORE;
    conn->send_failed = true;
    stop_sending(conn);
    /* a new connection that takes nothing: an alert may be there to tell why */
    bool may_tell = conn->tls && conn->exchanges == 1;
    return conn->sent_some || may_tell ? HTTP_IO_MORE : HTTP_IO_UNSENT;
}

/* The answer ended; left: bytes behind it. */
static enum http_io answered(struct http_conn *conn, size_t left)
{
    const struct http_view *view = &conn->framer.view;
    /* bytes that nobody asked for would be taken for the next answer */
    conn->keep = left == 0 && !view->close && !view->upgrade &&
                 view->body != HTTP_BODY_UNTIL_CLOSE && !conn->msg->http.close &&
                 !conn->send_failed && !http_conn_wants_write(conn);
    stop_sending(conn);
    return HTTP_IO_ANSWERED;
}

/* The bytes [0, n) belong to the head of the answer; v says whether it is complete. Returns the
 * verdict after the head. */
static enum http_verdict take_head(struct http_conn *conn, const uint8_t *bytes, size_t n,
                                   enum http_verdict v)
{
    struct span head = span_of(bytes, n);
    if (v == HTTP_BAD)
        return v;
    if (v == HTTP_MORE || buf_span(&conn->in).len > 0) {
        if (buf_append(&conn->in, bytes, n) < 0)
            return HTTP_BAD;
        head = buf_span(&conn->in);
    }
    if (v != HTTP_HEAD)
        return v;
    v = http_framer_head(&conn->framer, head.ptr, head.len);
    buf_consume(&conn->in, buf_span(&conn->in).len);
    conn->in_head = false;
    return v;
}

static enum http_io feed(struct http_conn *conn, struct http_wire *wire, const uint8_t *bytes,
                         size_t n)
{
    while (n > 0) {
        size_t used = 0;
        enum http_verdict v = http_framer_feed(&conn->framer, bytes, n, &used);
        if (wire->keep_answer > 0)
            keep_answer(conn, wire, bytes, used);
        if (conn->in_head)
            v = take_head(conn, bytes, used, v);
        bytes += used;
        n -= used;
        if (v == HTTP_BAD)
            return HTTP_IO_BAD;
        if (v != HTTP_DONE)
            continue;
        const struct http_view *view = &conn->framer.view;
        if (view->status >= 200 || view->status == 101)
            return answered(conn, n);
        book_one(wire->books, BOOK_HTTP_1XX); /* interim: the answer is still to come */
        await_answer(conn);
    }
    return HTTP_IO_MORE;
}

static enum http_io ended(struct http_conn *conn)
{
    if (!conn->in_head && http_framer_close(&conn->framer) == HTTP_DONE) {
        answered(conn, 0);
        conn->keep = false;
        return HTTP_IO_ANSWERED;
    }
    return HTTP_IO_BROKEN;
}

static enum http_io receive(struct http_conn *conn, struct http_wire *wire)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t n = io_recv(conn, wire);
        if (n == -EAGAIN)
            return HTTP_IO_MORE;
        if (n == -EINTR)
            continue;
        if (n < 0)
            return n == -EPROTO && conn->tls ? HTTP_IO_ALERT : HTTP_IO_BROKEN;
        if (n == 0)
            return ended(conn);
        conn->got_some = true;
        enum http_io r = feed(conn, wire, wire->scratch, (size_t)n);
        if (r != HTTP_IO_MORE)
            return r;
        /* TLS may hold more than the socket shows */
        if ((size_t)n < HTTP_CONN_SCRATCH && !conn->tls)
            return HTTP_IO_MORE;
    }
    return HTTP_IO_MORE;
}

enum http_io http_conn_ready(struct http_conn *conn, struct http_wire *wire)
{
    assert(conn->fd != -1 && conn->msg);
    if (http_conn_wants_write(conn) && !send_rest(conn)) {
        conn->send_failed = true; /* an answer may have been sent before the server closed */
        stop_sending(conn);
    }
    enum http_io io = receive(conn, wire);
    return io == HTTP_IO_BROKEN && !conn->sent_some ? HTTP_IO_UNSENT : io;
}

bool http_conn_alive(struct http_conn *conn)
{
    char byte;
    if (conn->tls) /* session tickets come at any time, and are libcurl's */
        return http_dial_recv(conn->dial, &byte, 1) == -EAGAIN;
    return recv(conn->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == -1 && errno == EAGAIN;
}
