/* SPDX-License-Identifier: MIT */
#include "middleware/middleware.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/waiting.h"
#include "middleware/child.h"
#include "middleware/line.h"

#define OPTION "middleware"
#define TYPES 3 /* request, response, replayed response */
/* Messages that may come back; the oldest is forgotten when there are more. Of each only what its
 * line does not tell is kept. */
#define SENT_MSGS 65536
#define SENT_BYTES (UINT64_C(32) * MIB)
/* Responses whose request has not come back yet; the oldest is dropped when there are more. */
#define HELD_MSGS 8192
#define HELD_BYTES (UINT64_C(16) * MIB)
/* What it may add to the longest message that it was sent; a longer line is passed over. */
#define LINE_MORE (UINT64_C(32) * MIB)
#define LINE_MAX (2 * (MSG_LEN_MAX + KIB) + LINE_MORE)
#define READ_LEN (UINT64_C(256) * KIB)
#define END_MS 1000 /* between the end of its output and its own */

struct middleware {
    struct output out;
    struct input in;
    struct books *in_books;
    char *command; /* as it was written */
    struct child child;
    atomic_int ends; /* not closed yet */
    atomic_bool fed; /* all that there was: its standard input is closed */
    atomic_size_t longest; /* line that was sent */
    pthread_mutex_t lock; /* of sent and n_sent */
    struct waiting *sent[TYPES]; /* messages without payload, each with its number */
    uint64_t n_sent;
    /* --- the output's thread --- */
    struct buf to;
    const struct msg *current; /* a part of its line is still in to */
    bool gone; /* nobody reads any more */
    /* --- the input's thread --- */
    struct buf from;
    size_t searched; /* bytes of from without an LF */
    bool passing_over; /* a line that is too long */
    struct waiting *held; /* responses, each with its number */
};

static void free_all(struct middleware *m)
{
    child_stop(&m->child);
    for (size_t i = 0; i < TYPES; i++)
        waiting_free(m->sent[i]);
    waiting_free(m->held);
    msg_unref(m->current);
    buf_fini(&m->to);
    buf_fini(&m->from);
    pthread_mutex_destroy(&m->lock);
    mem_free(m->command);
    mem_free(m);
}

/* Of two ends the last one. */
static void close_end(struct middleware *m)
{
    if (atomic_fetch_sub(&m->ends, 1) == 1)
        free_all(m);
}

/* --- what is on its way --- */

static struct waiting *sent_of(struct middleware *m, const struct msg *msg)
{
    return msg->type >= MSG_REQUEST && msg->type <= MSG_REPLAYED ? m->sent[msg->type - MSG_REQUEST]
                                                                 : NULL;
}

/* Without memory it counts as the middleware's own when it comes back. */
static void remember(struct middleware *m, const struct msg *msg)
{
    struct waiting *sent = sent_of(m, msg);
    const struct msg *light = sent ? msg_like(msg, 0) : NULL, *old;
    uint64_t note;
    if (!light)
        return;
    pthread_mutex_lock(&m->lock);
    waiting_put(sent, light, m->n_sent++);
    while ((old = waiting_overflow(sent, &note)))
        msg_unref(old);
    pthread_mutex_unlock(&m->lock);
    msg_unref(light);
}

/* Puts back what a line does not tell, and its number. False: it was never sent. */
static bool recall(struct middleware *m, struct msg *msg, uint64_t *number)
{
    struct waiting *sent = sent_of(m, msg);
    const struct msg *old = NULL;
    if (sent) {
        pthread_mutex_lock(&m->lock);
        old = waiting_take(sent, msg_id(msg), number);
        pthread_mutex_unlock(&m->lock);
    }
    if (!old)
        return false;
    msg->src = old->src;
    msg->dst = old->dst;
    msg->conn = old->conn;
    msg->due_ns = old->due_ns;
    msg_unref(old);
    return true;
}

/* Is the request still inside, to which this response (of that number) belongs? */
static bool request_inside(struct middleware *m, struct span id, uint64_t number)
{
    uint64_t request;
    pthread_mutex_lock(&m->lock);
    bool inside = waiting_has(m->sent[0], id, &request) && request < number;
    pthread_mutex_unlock(&m->lock);
    return inside;
}

/* --- the output: what feeds it --- */

/* Writes what is in to. DONE: all; BUSY: it does not take more now; FAILED: it is gone. */
static enum output_result push(struct middleware *m)
{
    while (!m->gone && buf_span(&m->to).len > 0) {
        struct span left = buf_span(&m->to);
        ssize_t n = write(m->child.in, left.ptr, left.len);
        if (n >= 0)
            buf_consume(&m->to, (size_t)n);
        else if (errno == EAGAIN)
            return OUTPUT_BUSY;
        else if (errno != EINTR)
            m->gone = true; /* the input's end says so, and why */
    }
    return m->gone ? OUTPUT_FAILED : OUTPUT_DONE;
}

static enum output_result feed_write(struct output *out, const struct msg *msg)
{
    struct middleware *m = container_of(out, struct middleware, out);
    if (m->gone)
        return OUTPUT_FAILED;
    if (m->current)
        return OUTPUT_BUSY;
    if (line_encode(&m->to, msg) < 0)
        return OUTPUT_FAILED;
    remember(m, msg); /* before anybody can give it back */
    size_t len = buf_span(&m->to).len;
    if (len > atomic_load_explicit(&m->longest, memory_order_relaxed))
        atomic_store_explicit(&m->longest, len, memory_order_relaxed);
    enum output_result r = push(m);
    if (r != OUTPUT_BUSY)
        return r;
    m->current = msg_ref(msg);
    return OUTPUT_TAKEN;
}

static void feed_poll(struct output *out, int wake_fd, int timeout_ms)
{
    struct middleware *m = container_of(out, struct middleware, out);
    struct pollfd fds[] = {{.fd = wake_fd, .events = POLLIN},
                           {.fd = m->current ? m->child.in : -1, .events = POLLOUT}};
    if (poll(fds, ARRAY_LEN(fds), timeout_ms) <= 0 || !m->current)
        return;
    enum output_result r = push(m);
    if (r == OUTPUT_BUSY)
        return;
    output_settle(out, m->current, r == OUTPUT_DONE ? BOOK_DELIVERED : BOOK_FAILED);
    m->current = NULL;
}

static enum output_result feed_flush(struct output *out)
{
    struct middleware *m = container_of(out, struct middleware, out);
    if (m->current)
        return OUTPUT_BUSY;
    /* in this order: who reads the end of its output must know that it was told to end */
    atomic_store(&m->fed, true);
    if (m->child.in != -1)
        close(m->child.in);
    m->child.in = -1;
    return OUTPUT_DONE;
}

static void feed_close(struct output *out)
{
    if (!out)
        return;
    struct middleware *m = container_of(out, struct middleware, out);
    if (m->current)
        output_settle(out, m->current, BOOK_ABANDONED);
    m->current = NULL;
    close_end(m);
}

/* It is made by middleware_open(), together with the input. */
static int feed_open(struct output **outp, const struct output_args *args, struct err *err)
{
    (void)outp;
    (void)args;
    return err_failure(err, "--" OPTION ": no output of its own");
}

static const struct output_ops feed = {
    .option = OPTION,
    .open = feed_open,
    .write = feed_write,
    .poll = feed_poll,
    .flush = feed_flush,
    .close = feed_close,
};

/* --- the input: what it gives back --- */

static void withhold(struct middleware *m, const struct msg *response)
{
    book_one(m->in_books, BOOK_MIDDLEWARE_WITHHELD);
    msg_unref(response);
}

/* A response goes nowhere before its request does; when that was kept, it is, too. Takes it. */
static void hold(struct middleware *m, const struct msg *response, uint64_t number)
{
    const struct msg *old;
    waiting_put(m->held, response, number);
    msg_unref(response);
    while ((old = waiting_overflow(m->held, &number)))
        withhold(m, old);
}

/* The responses that waited for a request of this id. */
static void release(struct middleware *m, struct sink *sink, struct span id)
{
    uint64_t number;
    while (waiting_has(m->held, id, &number) && !request_inside(m, id, number))
        sink_put(sink, waiting_take(m->held, id, &number));
}

/* Takes msg. */
static void take_msg(struct middleware *m, struct sink *sink, struct msg *msg)
{
    uint64_t number;
    bool known = recall(m, msg, &number);
    if (!known)
        book_one(m->in_books, BOOK_MIDDLEWARE_NEW);
    if (known && msg->type != MSG_REQUEST && request_inside(m, msg_id(msg), number)) {
        hold(m, msg, number);
        return;
    }
    const struct msg *request = known && msg->type == MSG_REQUEST ? msg_ref(msg) : NULL;
    sink_put(sink, msg);
    if (request)
        release(m, sink, msg_id(request));
    msg_unref(request);
}

static void take_line(struct middleware *m, struct sink *sink, size_t len)
{
    struct msg *msg = NULL;
    uint8_t *line = m->from.data + m->from.start;
    if (len == 0)
        return;
    if (line_decode(line, len, &msg) < 0) {
        book_one(m->in_books, BOOK_RECORDS_DAMAGED);
        return;
    }
    book_one(m->in_books, BOOK_RECORDS);
    book_add(m->in_books, BOOK_RECORD_BYTES, msg->len);
    if (msg->http.head_len == 0)
        book_one(m->in_books, BOOK_RECORDS_NOT_HTTP);
    take_msg(m, sink, msg);
}

static void take_lines(struct middleware *m, struct sink *sink)
{
    for (;;) {
        struct span have = buf_span(&m->from);
        const uint8_t *lf = have.len > m->searched
                                ? memchr(have.ptr + m->searched, '\n', have.len - m->searched)
                                : NULL;
        if (!lf)
            break;
        size_t len = (size_t)(lf - have.ptr);
        if (!m->passing_over)
            take_line(m, sink, len);
        m->passing_over = false;
        m->searched = 0;
        buf_consume(&m->from, len + 1);
    }
    m->searched = buf_span(&m->from).len;
}

/* A line that is too long is passed over up to its end. */
static int make_room(struct middleware *m)
{
    size_t longest = atomic_load_explicit(&m->longest, memory_order_relaxed);
    if (buf_span(&m->from).len <= longest + LINE_MORE)
        return buf_reserve(&m->from, READ_LEN);
    if (!m->passing_over)
        book_one(m->in_books, BOOK_RECORDS_DAMAGED);
    m->passing_over = true;
    buf_consume(&m->from, buf_span(&m->from).len);
    m->searched = 0;
    return buf_reserve(&m->from, READ_LEN);
}

/* It has closed its standard output. */
static int ended(struct middleware *m, struct err *err)
{
    char text[64];
    int status = 0;
    bool fed = atomic_load(&m->fed);
    const char *how = child_ended(&m->child, END_MS, &status) ? child_fault(status, text)
                                                              : "it goes on without an output";
    if (fed && !how)
        return INPUT_END;
    return err_failure(err, "--" OPTION " \"%s\": the program ended%s: %s", m->command,
                       fed ? "" : " while there was traffic for it", how ? how : "exit status 0");
}

static int back_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct middleware *m = container_of(in, struct middleware, in);
    struct pollfd fd = {.fd = m->child.out, .events = POLLIN};
    if (poll(&fd, 1, timeout_ms) <= 0)
        return INPUT_MORE;
    int r = make_room(m);
    if (r < 0)
        return err_sys(err, -r, "--" OPTION);
    ssize_t n = read(m->child.out, buf_tail(&m->from), READ_LEN);
    if (n == -1)
        return errno == EAGAIN || errno == EINTR ? INPUT_MORE : err_sys(err, errno, "--" OPTION);
    if (n == 0)
        return ended(m, err);
    buf_commit(&m->from, (size_t)n);
    take_lines(m, sink);
    return INPUT_MORE;
}

static void back_finish(struct input *in, struct sink *sink)
{
    struct middleware *m = container_of(in, struct middleware, in);
    const struct msg *response;
    uint64_t number;
    (void)sink;
    while ((response = waiting_leave(m->held, &number)))
        withhold(m, response);
    if (buf_span(&m->from).len > 0 && !m->passing_over)
        book_one(m->in_books, BOOK_RECORDS_DAMAGED); /* a line without its end */
    /* approximate while the output still writes, which it does only when it was given up */
    uint64_t given = book_get(m->out.books, BOOK_DELIVERED);
    uint64_t returned =
        book_get(m->in_books, BOOK_RECORDS) - book_get(m->in_books, BOOK_MIDDLEWARE_NEW);
    book_set(m->in_books, BOOK_MIDDLEWARE_KEPT, given > returned ? given - returned : 0);
}

static void back_close(struct input *in)
{
    if (in)
        close_end(container_of(in, struct middleware, in));
}

static int back_open(struct input **inp, const struct input_args *args, struct err *err)
{
    (void)inp;
    (void)args;
    return err_failure(err, "--" OPTION ": no input of its own");
}

static const struct input_ops back = {
    .option = OPTION,
    .to_the_end = true,
    .open = back_open,
    .poll = back_poll,
    .finish = back_finish,
    .close = back_close,
};

/* --- the start --- */

static int start(struct middleware *m, struct err *err)
{
    const char *command = m->command;
    struct words words;
    size_t bad_at;
    int r = words_init(&words, command, &bad_at);
    if (r == -EINVAL)
        return err_usage(err, "--" OPTION " \"%s\": at character %zu: %s", command, bad_at + 1,
                         command[bad_at] == '\\' ? "a backslash with nothing behind it"
                                                 : "a quote that is not closed");
    if (r < 0)
        return err_sys(err, -r, "--" OPTION);
    r = words.n > 0 ? child_start(&m->child, &words, "--" OPTION, err)
                    : err_usage(err, "--" OPTION " \"%s\": expected a command", command);
    words_fini(&words);
    return r;
}

int middleware_open(struct output **outp, struct input **inp, const char *command,
                    struct books *out_books, struct books *in_books, struct err *err)
{
    struct middleware *m = mem_zalloc(MEM_IO, sizeof(*m));
    if (!m)
        return err_sys(err, ENOMEM, "--" OPTION);
    m->out = (struct output){.ops = &feed, .books = out_books};
    m->in.ops = &back;
    m->in_books = in_books;
    m->child = (struct child){.in = -1, .out = -1};
    atomic_init(&m->ends, 2);
    pthread_mutex_init(&m->lock, NULL);
    buf_init(&m->to, LINE_MAX);
    buf_init(&m->from, LINE_MAX + READ_LEN);
    m->command = mem_strdup(MEM_OTHER, command);
    int r = m->command ? 0 : err_sys(err, ENOMEM, "--" OPTION);
    for (size_t i = 0; i < TYPES && r == 0; i++)
        if (waiting_new(&m->sent[i], SENT_MSGS, SENT_BYTES) < 0)
            r = err_sys(err, ENOMEM, "--" OPTION);
    if (r == 0 && waiting_new(&m->held, HELD_MSGS, HELD_BYTES) < 0)
        r = err_sys(err, ENOMEM, "--" OPTION);
    if (r == 0)
        r = start(m, err);
    if (r < 0) {
        free_all(m);
        return r;
    }
    *outp = &m->out;
    *inp = &m->in;
    return 0;
}
