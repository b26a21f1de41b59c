/* SPDX-License-Identifier: MIT */
#include "outputs/ws_conn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/own.h"
#include "outputs/farewell.h"
#include "outputs/http_dial.h"
#include "outputs/retry.h"
#include "outputs/ws_handshake.h"
#include "outputs/ws_sender.h"

#define TIMEOUT_NS (5 * NS_PER_S) /* of connecting, and of the handshake; gor's */
/* How long the rest of a frame may take once the server has closed. */
#define LEAVE_NS (2 * NS_PER_S)
/* What one step reads and sends, so that other connections get their turn. */
#define READ_SIZE (16 * KIB)
#define READS_PER_STEP 16
#define SENDS_PER_STEP 64
/* The longest piece given to TLS at once, a record: what is behind it has not been sent when the
 * connection breaks. */
#define TLS_RECORD ((size_t)16 * 1024)
#define REQUEST_MAX MIB /* with a path as long as the command line takes it */
#define EVENTS 8

enum state {
    DOWN = 0, /* connects when the back-off is over */
    DIALING,
    SHAKING, /* the answer to the handshake is awaited */
    UP,
    LEAVING, /* the server has closed: the frame in progress still goes to it, and our closing */
    CLOSING, /* we have closed; the server's closing is awaited */
    CLOSED,
};

struct ws_conn {
    struct conn base;
    struct ws_conn_config config;
    struct http_dialer *dialer;
    int epfd; /* of the sockets of this connection */
    enum state state;
    struct http_dial *dial; /* DIALING; with TLS also later */
    int fd; /* -1: none */
    uint32_t events; /* as epoll has it */
    int64_t deadline_ns; /* of SHAKING and LEAVING */
    struct farewell farewell; /* CLOSING */
    struct retry retry;
    struct ws_handshake shake;
    struct buf request, answer; /* SHAKING */
    struct ws_reader reader;
    struct held held;
    struct ws_sender sender;
};

/* Bytes pass through libcurl, which owns the socket. */
static bool is_carried(const struct ws_conn *c)
{
    return http_dialer_carries(c->dialer);
}

static void hang_up(struct ws_conn *c, enum state next)
{
    if (c->fd != -1)
        (void)epoll_ctl(c->epfd, EPOLL_CTL_DEL, c->fd, NULL);
    if (c->fd != -1 && !is_carried(c))
        close(c->fd);
    c->fd = -1;
    http_dial_free(c->dial);
    c->dial = NULL;
    buf_fini(&c->request);
    buf_fini(&c->answer);
    ws_sender_init(&c->sender, &c->held);
    c->state = next;
}

static void ws_conn_free(struct conn *conn)
{
    struct ws_conn *c = container_of(conn, struct ws_conn, base);
    held_pop_all(&c->held, BOOK_ABANDONED);
    if (c->epfd != -1)
        hang_up(c, CLOSED);
    http_dialer_free(c->dialer);
    if (c->epfd != -1)
        close(c->epfd);
    mem_free(c);
}

static void lost(struct ws_conn *c, const char *what, const char *why, int64_t now_ns)
{
    if (c->state == CLOSING) {
        log_warn(c->config.tag, "%s at the end: %s; what was sent last may be lost", what, why);
        hang_up(c, CLOSED);
        return;
    }
    retry_tell(&c->retry, what, why);
    backoff_failed(&c->retry.backoff, now_ns);
    hang_up(c, DOWN);
}

/* --- connecting --- */

static bool watch(struct ws_conn *c, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = http_event(0, c->fd)};
    c->events = events;
    return epoll_ctl(c->epfd, op, c->fd, &event) == 0;
}

/* The connection is there: the handshake begins. */
static void dialed(struct ws_conn *c, int64_t now_ns)
{
    int fd = http_dial_take(c->dial);
    if (fd >= 0 && !is_carried(c)) {
        http_dial_free(c->dial);
        c->dial = NULL;
    }
    c->fd = fd < 0 ? -1 : fd;
    if (fd < 0 || !watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP | EPOLLOUT)) {
        lost(c, "cannot connect", err_text(fd < 0 ? -fd : errno), now_ns);
        return;
    }
    own_note(fd);
    buf_init(&c->request, REQUEST_MAX);
    buf_init(&c->answer, WS_ANSWER_MAX + READ_SIZE);
    if (ws_handshake_init(&c->shake) < 0 ||
        ws_handshake_request(&c->shake, c->config.target, &c->request) < 0) {
        lost(c, "cannot connect", err_text(ENOMEM), now_ns);
        return;
    }
    c->state = SHAKING;
    c->deadline_ns = now_ns + TIMEOUT_NS;
}

static void step_dial(struct ws_conn *c, int fd, uint32_t events, int64_t now_ns)
{
    switch (http_dial_step(c->dial, fd, events)) {
    case DIAL_PENDING:
        break;
    case DIAL_UP:
        dialed(c, now_ns);
        break;
    case DIAL_FAILED:
        lost(c, "cannot connect", http_dial_error(c->dial), now_ns);
        break;
    }
}

static bool down(struct ws_conn *c, int64_t now_ns)
{
    if (backoff_left_ns(&c->retry.backoff, now_ns) > 0)
        return false;
    c->dial = http_dial_start(c->dialer, 0);
    if (!c->dial) {
        lost(c, "cannot connect", err_text(ENOMEM), now_ns);
        return true;
    }
    c->state = DIALING;
    step_dial(c, -1, 0, now_ns);
    return true;
}

static bool dialing(struct ws_conn *c, int64_t now_ns)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(c->epfd, events, EVENTS, 0);
    for (int i = 0; i < n && c->state == DIALING; i++)
        step_dial(c, http_event_fd(events[i].data.u64), events[i].events, now_ns);
    bool due = c->state == DIALING && http_dial_due_ns(c->dial) <= now_ns;
    if (due)
        step_dial(c, -1, 0, now_ns);
    return n > 0 || due;
}

/* --- talking --- */

static ssize_t io_send(struct ws_conn *c, struct span bytes)
{
    if (is_carried(c))
        return http_dial_send(c->dial, bytes.ptr, bytes.len < TLS_RECORD ? bytes.len : TLS_RECORD);
    ssize_t n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == -1 ? -errno : n;
}

static ssize_t io_recv(struct ws_conn *c, void *bytes, size_t n)
{
    if (is_carried(c))
        return http_dial_recv(c->dial, bytes, n);
    ssize_t got = recv(c->fd, bytes, n, MSG_DONTWAIT);
    return got == -1 ? -errno : got;
}

/* What goes out next. */
static int next_bytes(struct ws_conn *c, struct span *bytes)
{
    if (c->state != SHAKING)
        return ws_sender_next(&c->sender, bytes);
    *bytes = buf_span(&c->request);
    return 0;
}

static void took(struct ws_conn *c, size_t n)
{
    if (c->state == SHAKING)
        buf_consume(&c->request, n);
    else if (ws_sender_sent(&c->sender, n) > 0)
        backoff_worked(&c->retry.backoff);
}

static bool send_all(struct ws_conn *c, int64_t now_ns)
{
    bool did = false;
    for (int i = 0; i < SENDS_PER_STEP; i++) {
        struct span bytes;
        if (next_bytes(c, &bytes) < 0) {
            lost(c, "connection lost", "no random numbers", now_ns);
            return true;
        }
        ssize_t n = bytes.len > 0 ? io_send(c, bytes) : -EAGAIN;
        if (n == -EAGAIN)
            break;
        did = true;
        if (n == -EINTR)
            continue;
        if (n < 0) {
            lost(c, "connection lost", err_text((int)-n), now_ns);
            break;
        }
        took(c, (size_t)n);
    }
    return did;
}

static void control(struct ws_conn *c, int64_t now_ns)
{
    struct span payload = span_of(c->reader.control, c->reader.control_len);
    if (c->reader.opcode == WS_PING)
        ws_sender_pong(&c->sender, payload);
    if (c->reader.opcode != WS_CLOSE)
        return;
    if (c->state == CLOSING) { /* the answer to ours: it has read everything */
        hang_up(c, CLOSED);
        return;
    }
    c->state = LEAVING;
    c->deadline_ns = now_ns + LEAVE_NS;
    ws_sender_close(&c->sender, span_of(payload.ptr, payload.len < 2 ? 0 : 2)); /* its code */
}

static void take_frames(struct ws_conn *c, struct span bytes, int64_t now_ns)
{
    while (bytes.len > 0 && (c->state == UP || c->state == CLOSING)) {
        size_t used = 0;
        enum ws_event event = ws_read(&c->reader, bytes.ptr, bytes.len, &used);
        book_add(c->config.out->books, BOOK_ANSWER_BYTES, c->reader.data_bytes);
        c->reader.data_bytes = 0;
        bytes = span_from(bytes, used);
        if (event == WS_CONTROL)
            control(c, now_ns);
        else if (event == WS_BAD)
            lost(c, "the server breaks the protocol", c->reader.fault, now_ns);
    }
}

static void take_answer(struct ws_conn *c, struct span bytes, int64_t now_ns)
{
    size_t head_len = 0, before = buf_span(&c->answer).len;
    if (buf_append(&c->answer, bytes.ptr, bytes.len) < 0) {
        lost(c, "cannot connect", err_text(ENOMEM), now_ns);
        return;
    }
    switch (ws_handshake_answer(&c->shake, buf_span(&c->answer), &head_len)) {
    case WS_UNDECIDED:
        break;
    case WS_REFUSED:
        lost(c, "no WebSocket", c->shake.why, now_ns);
        break;
    case WS_AGREED:
        c->state = UP;
        retry_up(&c->retry);
        ws_reader_init(&c->reader);
        buf_fini(&c->request);
        buf_fini(&c->answer);
        take_frames(c, span_from(bytes, head_len - before), now_ns);
        break;
    }
}

/* True when something was read. */
static bool receive(struct ws_conn *c, int64_t now_ns)
{
    uint8_t bytes[READ_SIZE];
    for (int i = 0; i < READS_PER_STEP; i++) {
        if (c->fd == -1 || c->state == LEAVING)
            return i > 0;
        ssize_t n = io_recv(c, bytes, sizeof(bytes));
        if (n == -EAGAIN)
            return i > 0;
        if (n == 0 && c->state == CLOSING)
            hang_up(c, CLOSED);
        else if (n == 0)
            lost(c, "connection lost", "the server closed the connection", now_ns);
        else if (n < 0 && n != -EINTR)
            lost(c, "connection lost", err_text((int)-n), now_ns);
        else if (n > 0 && c->state == SHAKING)
            take_answer(c, span_of(bytes, (size_t)n), now_ns);
        else if (n > 0)
            take_frames(c, span_of(bytes, (size_t)n), now_ns);
    }
    return true;
}

/* Has a state that does not last for ever lasted long enough? */
static void check_time(struct ws_conn *c, int64_t now_ns)
{
    if (c->state == SHAKING && now_ns >= c->deadline_ns)
        lost(c, "no WebSocket", "the server does not answer the handshake", now_ns);
    else if (c->state == LEAVING && (!ws_sender_busy(&c->sender) || now_ns >= c->deadline_ns))
        lost(c, "connection lost", "the server closed the WebSocket", now_ns);
    else if (c->state == CLOSING && farewell_over(&c->farewell, c->fd, now_ns)) {
        if (c->farewell.unsent > 0)
            log_warn(c->config.tag, "the server did not take the last %d bytes in time",
                     c->farewell.unsent);
        hang_up(c, CLOSED);
    }
}

static bool talk(struct ws_conn *c, int64_t now_ns)
{
    bool did = receive(c, now_ns);
    if (c->fd != -1)
        did |= send_all(c, now_ns);
    if (c->fd != -1)
        check_time(c, now_ns);
    if (c->fd == -1)
        return true;
    bool busy = c->state == SHAKING ? buf_span(&c->request).len > 0 : ws_sender_busy(&c->sender);
    uint32_t events = busy ? EPOLLOUT : 0;
    if (c->state != LEAVING) /* then its end would wake us again and again */
        events |= EPOLLIN | EPOLLRDHUP;
    if (events != c->events && !watch(c, EPOLL_CTL_MOD, events))
        lost(c, "connection lost", err_text(errno), now_ns);
    return did;
}

/* --- as a conn --- */

static bool ws_conn_step(struct conn *conn, int64_t now_ns)
{
    struct ws_conn *c = container_of(conn, struct ws_conn, base);
    switch (c->state) {
    case DOWN:
        return down(c, now_ns);
    case DIALING:
        return dialing(c, now_ns);
    case SHAKING:
    case UP:
    case LEAVING:
    case CLOSING:
        return talk(c, now_ns);
    case CLOSED:
        break;
    }
    return false;
}

static enum output_result ws_conn_put(struct conn *conn, const struct msg *msg)
{
    struct ws_conn *c = container_of(conn, struct ws_conn, base);
    if (!held_has_room(&c->held, msg))
        return OUTPUT_BUSY;
    held_put(&c->held, msg, 0);
    return OUTPUT_TAKEN;
}

static int64_t due_ns(const struct ws_conn *c)
{
    switch (c->state) {
    case DOWN:
        return c->retry.backoff.until_ns;
    case DIALING:
        return http_dial_due_ns(c->dial);
    case SHAKING:
    case LEAVING:
        return c->deadline_ns;
    case CLOSING:
        return c->farewell.deadline_ns;
    case UP:
    case CLOSED:
        break;
    }
    return INT64_MAX;
}

static void ws_conn_watch(const struct conn *conn, int64_t now_ns, struct pollfd *fd,
                          int64_t *wait_ns)
{
    const struct ws_conn *c = container_of(conn, struct ws_conn, base);
    *fd = (struct pollfd){.fd = c->epfd, .events = POLLIN};
    conn_wait_until(due_ns(c), now_ns, wait_ns);
}

static enum output_result ws_conn_flush(struct conn *conn, int64_t now_ns)
{
    static const uint8_t normal[] = {1000 >> 8, 1000 & 0xff}; /* RFC 6455, 7.4.1 */
    struct ws_conn *c = container_of(conn, struct ws_conn, base);
    if (c->held.n > 0 || c->state == CLOSING)
        return OUTPUT_BUSY;
    if (c->state != UP)
        return OUTPUT_DONE;
    ws_sender_close(&c->sender, span_of(normal, sizeof(normal)));
    farewell_init(&c->farewell, c->fd, now_ns);
    c->state = CLOSING;
    return OUTPUT_BUSY;
}

int ws_conn_new(struct conn **connp, const struct ws_conn_config *config)
{
    static const struct conn_ops ops = {
        .free = ws_conn_free,
        .put = ws_conn_put,
        .step = ws_conn_step,
        .watch = ws_conn_watch,
        .flush = ws_conn_flush,
    };
    struct ws_conn *c = mem_zalloc(MEM_IO, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->base.ops = &ops;
    c->config = *config;
    c->fd = -1;
    held_init(&c->held, config->out);
    retry_init(&c->retry, config->out, config->tag);
    ws_sender_init(&c->sender, &c->held);
    c->epfd = epoll_create1(EPOLL_CLOEXEC);
    int r = c->epfd == -1 ? -errno : 0;
    struct http_dialer_config dialer = {.target = config->target,
                                        .epfd = c->epfd,
                                        .timeout_ns = TIMEOUT_NS,
                                        .tls = {.skip_verify = config->skip_verify,
                                                .ca_cert = "",
                                                .client_cert = "",
                                                .client_key = ""}};
    if (r == 0)
        r = http_dialer_new(&c->dialer, &dialer);
    if (r < 0) {
        ws_conn_free(&c->base);
        return r;
    }
    *connp = &c->base;
    return 0;
}
