/* SPDX-License-Identifier: MIT */
/* A whole capture file through the input itself: libpcap, decoder, fragments, reassembly, framing,
 * pairing. The books balance, what comes out is framed as it was found, the same file gives the
 * same messages, and no memory stays behind.
 *
 * Input: one byte of choices (responses, cut bodies, small memory, all ports); then the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/inputs.h"
#include "cmd/options_table.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "reassembly/simple.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum choice {
    CHOICE_RESPONSES = 1,
    CHOICE_INCOMPLETE = 2,
    CHOICE_SMALL = 4,
    CHOICE_ONE_PORT = 8,
    CHOICE_TWICE = 16,
};

struct collector {
    struct sink sink;
    uint64_t messages, digest;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* HTTP/0.9 has no head. */
static bool is_simple(const struct msg *msg)
{
    return msg->type == MSG_REQUEST && msg->http.head_len == 0 && msg->len > 6 &&
           memcmp(msg->bytes, "GET /", 5) == 0 && msg->bytes[msg->len - 1] == '\n' &&
           !memmem(msg->bytes, msg->len, " HTTP/", 6);
}

static void check_message(const struct msg *msg)
{
    if (is_simple(msg))
        return;
    enum http_kind kind = msg->type == MSG_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE;
    struct http_view view;
    size_t total = 0;
    if (msg->http.head_len == 0) { /* HTTP/0.9 has no head */
        check(kind == HTTP_REQUEST && simple_request(msg_payload(msg)));
        return;
    }
    check(msg->http.head_len <= msg->len);
    check(http_parse_head(kind, msg->bytes, msg->len, &view));
    check(view.head_len == msg->http.head_len && view.body == msg->http.body);
    /* how a response is framed depends on its request: HEAD, CONNECT */
    if (kind == HTTP_RESPONSE || (msg->flags & MSG_CUT))
        return;
    check(http_frame(kind, msg->bytes, msg->len, &view, &total) == HTTP_DONE);
    check(total == msg->len);
}

static void collect(struct sink *sink, const struct msg *msg)
{
    struct collector *c = container_of(sink, struct collector, sink);
    check_message(msg);
    c->messages++;
    c->digest = hash_mix(c->digest, hash64(msg->bytes, msg->len, (uint64_t)msg->ts_ns));
    c->digest = hash_mix(c->digest, hash64(msg->id, msg->id_len, msg->conn));
    msg_unref(msg);
}

static uint64_t sum_of(const struct books *books, enum book first, enum book last)
{
    uint64_t sum = 0;
    for (enum book b = first; b <= last; b++)
        sum += book_get(books, b);
    return sum;
}

static struct options *options_for(uint8_t choices)
{
    struct options *o;
    struct err err;
    check(options_new(&o, &refrain_options) == 0);
    int r = options_set(o, "input-raw-engine", "pcap_file", OPTION_FROM_COMMAND_LINE, &err);
    if (choices & CHOICE_RESPONSES)
        r |= options_set(o, "input-raw-track-response", "true", OPTION_FROM_COMMAND_LINE, &err);
    if (choices & CHOICE_INCOMPLETE)
        r |= options_set(o, "input-raw-allow-incomplete", "true", OPTION_FROM_COMMAND_LINE, &err);
    if (choices & CHOICE_SMALL) {
        r |= options_set(o, "max-memory", "8kb", OPTION_FROM_COMMAND_LINE, &err);
        r |= options_set(o, "input-raw-max-body", "2kb", OPTION_FROM_COMMAND_LINE, &err);
    }
    check(r == 0);
    return o;
}

static struct collector read_file(const char *path, uint8_t choices)
{
    static _Alignas(64) struct books books;
    static struct options *kept[32]; /* each is made once */
    struct collector c = {.sink = {.put = collect}};
    char address[64];
    struct err err;
    struct input *in;
    snprintf(address, sizeof(address), choices & CHOICE_ONE_PORT ? "%s:80" : "%s", path);
    if (!kept[choices & 31])
        kept[choices & 31] = options_for(choices);
    const char *addresses[] = {address};
    struct input_args args = {.addresses = addresses, .n_addresses = 1, .books = &books};
    args.options = kept[choices & 31];
    args.stop_fd = -1;
    memset(&books, 0, sizeof(books));
    int64_t before = mem_used(MEM_OTHER);
    if (input_raw.open(&in, &args, &err) < 0)
        return c;
    while (in->ops->poll(in, &c.sink, 0, &err) == INPUT_MORE)
        ;
    in->ops->finish(in, &c.sink);
    in->ops->close(in);
    check(book_get(&books, BOOK_REQ_STARTED) == sum_of(&books, BOOK_REQ_COMPLETE, BOOK_REQ_OPEN));
    check(book_get(&books, BOOK_RES_STARTED) == sum_of(&books, BOOK_RES_COMPLETE, BOOK_RES_OPEN));
    check(mem_used(MEM_OTHER) == before && mem_used(MEM_MSG) == 0 && mem_used(MEM_FLOW) == 0);
    check(mem_used(MEM_PIECES) == 0 && mem_used(MEM_IO) == 0);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[32];
    if (fd == -1) {
        fd = memfd_create("capture", MFD_CLOEXEC);
        check(fd != -1);
        snprintf(path, sizeof(path), "/dev/fd/%d", fd);
        log_set_level(LOG_ERROR); /* cut files are told of */
    }
    if (size < 1)
        return 0;
    check(ftruncate(fd, 0) == 0);
    check(pwrite(fd, data + 1, size - 1, 0) == (ssize_t)(size - 1));
    struct collector first = read_file(path, data[0]);
    if (!(data[0] & CHOICE_TWICE))
        return 0;
    struct collector second = read_file(path, data[0]);
    check(first.messages == second.messages && first.digest == second.digest);
    return 0;
}
