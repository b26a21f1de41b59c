/* SPDX-License-Identifier: MIT */
/* output-stdout: records on standard output, as they stand in a .gor file. What is buffered goes
 * out whenever the queue is empty, so that it scrolls live. A reader that is slow (a pager) makes
 * this output busy, it never blocks in write(2): so the program can always be ended. */
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "outputs/batch.h"
#include "outputs/outputs.h"

/* Enough for one write to be cheap per record. */
#define WRITE_BYTES (64 * KIB)
/* poll(2) says that a pipe has room for this much (PIPE_BUF on Linux), and no more. */
#define PIPE_BYTES 4096
#define HIGH_BYTES (1 * MIB)

struct stdout_output {
    struct output base;
    struct batch batch;
    bool is_file; /* writing never waits for a reader */
    bool broken; /* nobody reads any more */
};

static int stdout_open(struct output **outp, const struct output_args *args, struct err *err)
{
    struct stat st;
    if (fstat(STDOUT_FILENO, &st) == -1)
        return err_sys(err, errno, "--output-stdout: standard output is not open");
    struct stdout_output *s = mem_zalloc(MEM_IO, sizeof(*s));
    if (!s)
        return err_sys(err, ENOMEM, "--output-stdout");
    s->base = (struct output){.ops = &output_stdout, .books = args->books};
    s->is_file = S_ISREG(st.st_mode);
    batch_init(&s->batch, args->books);
    *outp = &s->base;
    return 0;
}

static void give_up(struct stdout_output *s, int errnum)
{
    size_t lost = batch_lose(&s->batch, BOOK_FAILED);
    s->broken = true;
    if (errnum == EPIPE)
        log_info("output-stdout", "the reader has gone: nothing more is written to it");
    else
        log_error("output-stdout", "cannot write: %s; %zu records lost, nothing more is written",
                  err_text(errnum), lost);
}

/* Writes what there is room for; false when the reader has to be waited for. */
static bool write_some(struct stdout_output *s)
{
    while (batch_len(&s->batch) > 0) {
        struct pollfd fd = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (!s->is_file && poll(&fd, 1, 0) == 0)
            return false;
        size_t max = s->is_file ? SIZE_MAX : PIPE_BYTES;
        size_t len = batch_len(&s->batch) < max ? batch_len(&s->batch) : max;
        ssize_t n = write(STDOUT_FILENO, buf_span(&s->batch.bytes).ptr, len);
        if (n >= 0) {
            batch_out(&s->batch, (size_t)n);
        } else if (errno == EAGAIN) {
            return false;
        } else if (errno != EINTR) {
            give_up(s, errno);
            return true;
        }
    }
    return true;
}

static enum output_result stdout_write(struct output *out, const struct msg *msg)
{
    struct stdout_output *s = container_of(out, struct stdout_output, base);
    if (!s->broken && batch_len(&s->batch) >= HIGH_BYTES && !write_some(s))
        return OUTPUT_BUSY;
    if (s->broken || batch_put(&s->batch, msg) < 0)
        return OUTPUT_FAILED;
    if (batch_len(&s->batch) >= WRITE_BYTES)
        write_some(s);
    return OUTPUT_TAKEN;
}

static void stdout_poll(struct output *out, int wake_fd, int timeout_ms)
{
    struct stdout_output *s = container_of(out, struct stdout_output, base);
    if (timeout_ms == 0)
        return; /* more messages are waiting: they make fuller writes */
    bool waits = !write_some(s);
    struct pollfd fds[2] = {
        {.fd = wake_fd, .events = POLLIN},
        {.fd = waits ? STDOUT_FILENO : -1, .events = POLLOUT},
    };
    if (poll(fds, ARRAY_LEN(fds), timeout_ms) > 0 && waits && fds[1].revents != 0)
        write_some(s);
}

static enum output_result stdout_flush(struct output *out)
{
    struct stdout_output *s = container_of(out, struct stdout_output, base);
    return write_some(s) ? OUTPUT_DONE : OUTPUT_BUSY;
}

static void stdout_close(struct output *out)
{
    if (!out)
        return;
    struct stdout_output *s = container_of(out, struct stdout_output, base);
    batch_lose(&s->batch, BOOK_ABANDONED);
    batch_fini(&s->batch);
    mem_free(s);
}

const struct output_ops output_stdout = {
    .option = "output-stdout",
    .is_switch = true,
    .open = stdout_open,
    .write = stdout_write,
    .poll = stdout_poll,
    .flush = stdout_flush,
    .close = stdout_close,
};
