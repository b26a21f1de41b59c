/* SPDX-License-Identifier: MIT */
/* input-raw: packets from a device or a capture file, decoded and put together to HTTP messages. A
 * device is live: what does not fit is dropped and counted. A file is read as fast as the outputs
 * take it, in the time of its packets, and gives the same messages each time. */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "capture/decode.h"
#include "capture/inputs.h"
#include "capture/networks.h"
#include "capture/raw_report.h"
#include "capture/source.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/http_edit.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/own.h"
#include "reassembly/reassembly.h"

/* The end of a message of an unknown protocol, when --input-raw-expire is not given: gor's value.
 */
#define BINARY_EXPIRE_NS (2 * NS_PER_S)
/* Packets per poll(): a bounded batch. */
#define BATCH 1024
/* After so long without a packet a person is told what is being waited for. */
#define SILENCE_NS (10 * NS_PER_S)
/* Packets may wait so long in the ring: what is older than that by the clock has been seen. */
#define RING_DELAY_NS (200 * NS_PER_MS)
/* Interfaces of which it is known whether they are ignored; a power of two. */
#define DEVICES 64
/* Longest time to empty the ring at the end. */
#define FINISH_NS (NS_PER_S / 2)

static const struct input_ops input_raw_file;

struct device {
    uint32_t index; /* 0: not used */
    bool ignored;
};

struct raw {
    struct input base;
    struct sink own; /* what reassembly puts into: refrain's own connections end here */
    struct sink *out; /* during poll() and finish() */
    struct books *books;
    const struct options *options;
    const char *real_ip; /* a field name, or "" */
    struct source source;
    struct networks networks;
    struct raw_report report;
    bool finished;
    struct decoder *decoder;
    struct reassembly *reassembly;
    int stop_fd;
    struct shed *shed; /* NULL: nothing is left out */
    struct raw *first; /* of those that share a device: speaks for all; may be this one */
    atomic_bool heard; /* of the first: a packet came to any, or the silence was told */
    unsigned n_workers;
    int64_t opened_ns; /* of the first: when all were open */
    int64_t last_ts_ns; /* of the last packet; 0: none yet */
    int64_t last_seen_ns; /* CLOCK_MONOTONIC: when it was read */
    bool ignores; /* --input-raw-ignore-interface is given */
    struct device devices[DEVICES]; /* by the low bits of the index */
};

/* --input-raw-realip-header: takes msg, returns one with the client's address in that field. NULL:
 * it cannot be made, and what the client wrote there must not pass for its address. */
static const struct msg *set_real_ip(struct raw *raw, const struct msg *msg)
{
    char text[ENDPOINT_TEXT_MAX];
    const struct msg *out = NULL;
    size_t len = endpoint_format(text, &msg->src);
    while (len > 0 && text[--len] != ':') /* the port */
        ;
    struct span ip = span_of(text, len);
    if (msg->src.family == 6)
        ip = span_of(text + 1, len - 2); /* its brackets */
    if (http_edit_set_field(msg, span_str(raw->real_ip), ip, &out) < 0)
        book_one(raw->books, BOOK_SKIPPED_REALIP);
    msg_unref(msg);
    return out;
}

static void own_put(struct sink *sink, const struct msg *msg)
{
    struct raw *raw = container_of(sink, struct raw, own);
    if (raw->source.fd != -1 && own_has(msg->conn)) {
        book_one(raw->books, BOOK_SKIPPED_OWN);
        msg_unref(msg);
        return;
    }
    if (*raw->real_ip && msg->type == MSG_REQUEST)
        msg = set_real_ip(raw, msg);
    if (msg)
        sink_put(raw->out, msg);
}

static const char *link_name(const struct source *s)
{
    return s->vxlan ? "VXLAN" : pcap_datalink_val_to_name(s->link_type);
}

static int check_link_type(const struct source *s, struct err *err)
{
    if (decoder_knows(s->link_type))
        return 0;
    return err_failure(err, "--input-raw \"%s\": link type %s is not decoded", s->name,
                       pcap_datalink_val_to_description_or_dlt(s->link_type));
}

/* A pipe is begun by the first poll(): nobody can tell when something comes. */
static int open_source(struct raw *raw, const struct raw_address *address, struct err *err)
{
    struct source *s = &raw->source;
    if (*raw->real_ip && !http_is_token(span_str(raw->real_ip)))
        return err_usage(err, "--input-raw-realip-header \"%s\": not the name of a header field",
                         raw->real_ip);
    int r = networks_read(&raw->networks, raw->options, err);
    if (r < 0)
        return r;
    struct sharing sharing = {.is_shared = raw->n_workers > 1};
    if (raw->first != raw)
        sharing.first = &raw->first->source;
    r = source_open(s, address, &sharing, raw->options, raw->stop_fd, err);
    if (r == 0 && address->is_file && !source_is_pipe(s))
        r = source_begin_file(s, raw->options, err);
    if (r == 0 && s->pcap)
        r = check_link_type(s, err);
    return r;
}

static int make_parts(struct raw *raw, const struct raw_address *address, struct err *err)
{
    const struct options *options = raw->options;
    bool is_binary = strcmp(options_string(options, "input-raw-protocol"), "binary") == 0;
    struct reassembly_config config = {
        .ports = address->ports,
        .n_ports = address->n_ports,
        .track_responses = options_bool(options, "input-raw-track-response"),
        .binary = is_binary,
        .allow_incomplete = options_bool(options, "input-raw-allow-incomplete"),
        .max_head = options_size(options, "input-raw-max-head"),
        .max_body = options_size(options, "input-raw-max-body"),
        .max_memory = options_size(options, "max-memory") / raw->n_workers,
        .expire_ns = is_binary && !options_given(options, "input-raw-expire")
                         ? BINARY_EXPIRE_NS
                         : options_duration_ns(options, "input-raw-expire"),
        .shed = address->is_file ? NULL : raw->shed,
        .seed = address->is_file ? 0 : hash_random_seed(),
        .sink = &raw->own,
        .books = raw->books,
    };
    if (decoder_new(&raw->decoder, raw->books) < 0 || reassembly_new(&raw->reassembly, &config) < 0)
        return err_sys(err, ENOMEM, "--input-raw");
    if (!networks_is_any(&raw->networks))
        decoder_only(raw->decoder, &raw->networks);
    return 0;
}

static void raw_close(struct input *in)
{
    if (!in)
        return;
    struct raw *raw = container_of(in, struct raw, base);
    source_close(&raw->source);
    reassembly_free(raw->reassembly);
    decoder_free(raw->decoder);
    mem_free(raw);
}

static struct raw *raw_new(const struct input_args *args, bool is_file)
{
    struct raw *raw = mem_zalloc(MEM_OTHER, sizeof(*raw));
    if (!raw)
        return NULL;
    raw->base.ops = is_file ? &input_raw_file : &input_raw;
    raw->own.put = own_put;
    raw->books = args->books;
    raw->options = args->options;
    raw->real_ip = options_string(args->options, "input-raw-realip-header");
    raw->stop_fd = args->stop_fd;
    raw->shed = args->shed;
    raw->n_workers = args->n_workers > 0 ? args->n_workers : 1;
    raw->first = args->first ? container_of(args->first, struct raw, base) : raw;
    struct raw_report *report = &raw->first->report;
    report->pages[report->n_pages++] = args->books;
    raw->source.fd = -1;
    raw->report.stats = options_bool(args->options, "input-raw-stats");
    raw->ignores = options_nth(args->options, "input-raw-ignore-interface", 0) != NULL;
    return raw;
}

static unsigned raw_workers(const struct input_args *args)
{
    struct raw_address address;
    struct err err; /* raw_open() will tell */
    const char *engine = options_string(args->options, "input-raw-engine");
    bool is_file = strcmp(engine, "pcap_file") == 0;
    if (raw_address_parse(&address, args->addresses[0], is_file, &err) < 0 || address.is_file ||
        strcmp(engine, "vxlan") == 0)
        return 1;
    return (unsigned)options_int(args->options, "input-raw-workers");
}

static int raw_open(struct input **inp, const struct input_args *args, struct err *err)
{
    struct raw_address address;
    bool file_engine = strcmp(options_string(args->options, "input-raw-engine"), "pcap_file") == 0;
    int r = raw_address_parse(&address, args->addresses[0], file_engine, err);
    if (r < 0)
        return r;
    struct raw *raw = raw_new(args, address.is_file);
    if (!raw)
        return err_sys(err, ENOMEM, "--input-raw");
    r = open_source(raw, &address, err);
    if (r == 0)
        r = make_parts(raw, &address, err);
    if (r < 0) {
        raw_close(&raw->base);
        return r;
    }
    if (!address.is_file && args->worker + 1 >= args->n_workers) {
        raw->first->opened_ns = clock_mono_ns();
        log_info("input-raw", "listening on %s (link type %s), filter: %s", raw->source.name,
                 link_name(&raw->source), raw->source.filter);
    }
    raw->base.device = raw->source.name;
    *inp = &raw->base;
    return 0;
}

static bool is_in_list(const struct options *options, const char *device)
{
    const char *name;
    for (size_t i = 0; (name = options_nth(options, "input-raw-ignore-interface", i)); i++)
        if (strcmp(name, device) == 0)
            return true;
    return false;
}

/* Devices come and go: each is asked for its name when its first packet comes. */
static bool is_ignored(struct raw *raw, const struct packet *packet)
{
    const uint8_t *bytes = packet->bytes;
    char name[IF_NAMESIZE];
    if (raw->source.link_type != DLT_LINUX_SLL2 || packet->len < 8)
        return false;
    uint32_t index =
        (uint32_t)bytes[4] << 24 | (uint32_t)bytes[5] << 16 | (uint32_t)bytes[6] << 8 | bytes[7];
    struct device *device = &raw->devices[index % DEVICES];
    if (device->index != index) {
        device->index = index;
        device->ignored = if_indextoname(index, name) && is_in_list(raw->options, name);
    }
    return device->ignored;
}

static void take_packets(void *user, const struct packet *packets, size_t n)
{
    struct raw *raw = user;
    struct segment segments[SOURCE_BATCH];
    size_t n_segments = 0;
    decoder_release(raw->decoder);
    for (size_t i = 0; i < n; i++) {
        book_add(raw->books, BOOK_PACKET_BYTES, packets[i].len);
        if (unlikely(raw->ignores) && is_ignored(raw, &packets[i]))
            continue;
        if (decode_packet(raw->decoder, raw->source.link_type, &packets[i], &segments[n_segments]))
            n_segments++;
    }
    book_add(raw->books, BOOK_PACKETS, n);
    raw->last_ts_ns = packets[n - 1].ts_ns;
    reassembly_segments(raw->reassembly, segments, n_segments);
}

static int dispatch(struct raw *raw, int n)
{
    return source_dispatch(&raw->source, n, take_packets, raw);
}

/* Nothing came: tells a person once, and lets time go on for what waits. The packets' clock need
 * not be ours (--input-raw-timestamp-type), but it goes as fast. */
static void be_idle(struct raw *raw, int64_t now_ns)
{
    int64_t delay_ns = RING_DELAY_NS + raw->source.delay_ms * NS_PER_MS;
    if (raw->last_ts_ns != 0)
        reassembly_tick(raw->reassembly, raw->last_ts_ns + (now_ns - raw->last_seen_ns) - delay_ns);
    if (raw != raw->first || now_ns - raw->opened_ns < SILENCE_NS ||
        atomic_exchange(&raw->heard, true))
        return;
    log_warn("input-raw", "no packet for 10 s on %s (link type %s) with the filter: %s",
             raw->source.name, link_name(&raw->source), raw->source.filter);
}

static int poll_live(struct raw *raw, int timeout_ms, struct err *err)
{
    struct pollfd fds[] = {{.fd = raw->source.fd, .events = POLLIN},
                           {.fd = raw->stop_fd, .events = POLLIN}};
    int n = dispatch(raw, BATCH);
    if (n == 0) {
        poll(fds, ARRAY_LEN(fds), timeout_ms);
        n = dispatch(raw, BATCH);
    }
    int64_t now_ns = clock_mono_ns();
    if (n > 0) {
        if (unlikely(!atomic_load_explicit(&raw->first->heard, memory_order_relaxed)))
            atomic_store(&raw->first->heard, true);
        raw->last_seen_ns = now_ns;
    }
    if (n == 0)
        be_idle(raw, now_ns);
    if (raw->shed)
        shed_tick(raw->shed, now_ns);
    if (n >= 0 || n == PCAP_ERROR_BREAK)
        return INPUT_MORE;
    return err_failure(err, "input-raw: capturing on %s has ended: %s", raw->source.name,
                       source_fault(&raw->source));
}

/* A file that ends inside a packet was cut by a crash, or is still being written: what is whole is
 * used. Any other fault may mean that much is missing. */
static int file_ended(struct raw *raw, bool failed, struct err *err)
{
    const struct source *s = &raw->source;
    const char *text = failed ? pcap_geterr(s->pcap) : "it ends inside its compressed data";
    if (source_was_stopped(s))
        return INPUT_END;
    if (source_was_cut(s, failed)) {
        book_one(raw->books, BOOK_CAPTURES_CUT);
        log_warn("input-raw", "%s is cut short: %s; what is whole is used", s->name, text);
    } else if (failed) {
        return err_failure(err, "--input-raw \"%s\": %s (what stands before is used)", s->name,
                           text);
    }
    return INPUT_END;
}

static int poll_file(struct raw *raw, struct err *err)
{
    if (!raw->source.pcap) {
        int r = source_begin_file(&raw->source, raw->options, err);
        if (r == 0)
            r = check_link_type(&raw->source, err);
        if (r != 0)
            return r < 0 ? r : INPUT_END;
    }
    /* the outputs are woken between two calls: not later than a pipe's next packet */
    int n = dispatch(raw, source_is_pipe(&raw->source) ? 1 : BATCH);
    return n > 0 ? INPUT_MORE : file_ended(raw, n < 0, err);
}

static int raw_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct raw *raw = container_of(in, struct raw, base);
    raw->out = sink;
    return raw->source.fd == -1 ? poll_file(raw, err) : poll_live(raw, timeout_ms, err);
}

static void raw_finish(struct input *in, struct sink *sink)
{
    struct raw *raw = container_of(in, struct raw, base);
    raw->out = sink;
    struct pollfd fd = {.fd = raw->source.fd, .events = POLLIN};
    int64_t until_ns = clock_mono_ns() + FINISH_NS + raw->source.delay_ms * NS_PER_MS;
    /* What was on the wire before the stop is in the ring, but the kernel hands it over up to
     * delay_ms later. More may keep coming, so this is bounded. */
    while (raw->source.fd != -1 && clock_mono_ns() < until_ns) {
        int n = dispatch(raw, BATCH);
        if (n < 0 || (n == 0 && poll(&fd, 1, 2 * raw->source.delay_ms + 1) == 0))
            break;
    }
    reassembly_finish(raw->reassembly);
    raw->finished = true;
}

static void raw_account(struct input *in)
{
    struct raw *raw = container_of(in, struct raw, base);
    uint64_t kernel, interface;
    if (source_losses(&raw->source, &kernel, &interface)) {
        book_set(raw->books, BOOK_KERNEL_DROPS, kernel);
        book_set(raw->books, BOOK_INTERFACE_DROPS, interface);
    }
    if (raw == raw->first)
        raw_report(&raw->report, raw->source.name, raw->finished);
}

const struct input_ops input_raw = {
    .option = "input-raw",
    .live = true,
    .workers = raw_workers,
    .open = raw_open,
    .poll = raw_poll,
    .finish = raw_finish,
    .account = raw_account,
    .close = raw_close,
};

/* The same for a capture file, which can wait. */
static const struct input_ops input_raw_file = {
    .option = "input-raw",
    .open = raw_open,
    .poll = raw_poll,
    .finish = raw_finish,
    .account = raw_account,
    .close = raw_close,
};
