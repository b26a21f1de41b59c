/* SPDX-License-Identifier: MIT */
/* Capture files, by way of the input that captures. */
#include <errno.h>
#include <inttypes.h>

#include "capture/inputs.h"
#include "lib/log.h"
#include "tools/convert.h"

struct pcap_sink {
    struct sink base;
    struct job *job;
    convert_put *put;
    int error; /* the first */
};

static void take(struct sink *sink, const struct msg *msg)
{
    struct pcap_sink *s = container_of(sink, struct pcap_sink, base);
    if (s->error < 0 || !out_is_ok(s->job->out)) {
        msg_unref(msg);
        return;
    }
    s->job->tally.read++;
    s->error = s->put(s->job, msg);
}

/* Messages that began and were not passed on. */
static uint64_t lost(const struct books *books)
{
    uint64_t started = book_get(books, BOOK_REQ_STARTED) + book_get(books, BOOK_RES_STARTED);
    return started - book_get(books, BOOK_REQ_COMPLETE) - book_get(books, BOOK_RES_COMPLETE) -
           book_get(books, BOOK_REQ_SHORT) - book_get(books, BOOK_RES_SHORT);
}

static void tell(struct job *job, const char *operand, const struct books *books)
{
    uint64_t n = lost(books);
    job->tally.damaged += n + book_get(books, BOOK_CAPTURES_CUT);
    if (n > 0)
        log_warn("convert", "%s: %" PRIu64 " messages in it are not whole", operand, n);
    if (book_get(books, BOOK_FLOWS_TLS) > 0)
        log_warn("convert", "%s: %" PRIu64 " streams are encrypted (TLS)", operand,
                 book_get(books, BOOK_FLOWS_TLS));
}

static int read_all(struct job *job, const char *operand, struct books *books, convert_put *put)
{
    struct pcap_sink sink = {.base.put = take, .job = job, .put = put};
    const struct input_args args = {
        .addresses = &operand,
        .n_addresses = 1,
        .options = job->args->options,
        .books = books,
        .stop_fd = -1,
    };
    struct input *in;
    int r = input_raw.open(&in, &args, job->err);
    if (r < 0)
        return r;
    do
        r = in->ops->poll(in, &sink.base, 0, job->err);
    while (r == INPUT_MORE && sink.error == 0 && out_is_ok(job->out));
    in->ops->finish(in, &sink.base);
    in->ops->account(in);
    in->ops->close(in);
    if (r >= 0)
        tell(job, operand, books);
    return r < 0 ? r : sink.error;
}

int convert_read_pcap(struct job *job, const char *operand, convert_put *put)
{
    struct ledger *ledger;
    if (ledger_new(&ledger) < 0)
        return err_sys(job->err, ENOMEM, "%s", operand);
    struct account *account = ledger_account(ledger, ACCOUNT_INPUT, operand);
    struct books *books = account ? account_page(account) : NULL;
    int r = books ? read_all(job, operand, books, put) : err_sys(job->err, ENOMEM, "%s", operand);
    ledger_free(ledger);
    return r;
}
