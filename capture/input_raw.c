/* SPDX-License-Identifier: MIT */
/* input-raw: packets from a device or a capture file, decoded and put together to HTTP messages. A
 * device is live: what does not fit is dropped and counted. A file is read as fast as the outputs
 * take it, in the time of its packets, and gives the same messages each time. */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>

#include "capture/decode.h"
#include "capture/inputs.h"
#include "capture/source.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/own.h"
#include "reassembly/reassembly.h"

/* Packets per poll(): a bounded batch. */
#define BATCH 1024
/* After so long without a packet a person is told what is being waited for. */
#define SILENCE_NS (10 * NS_PER_S)
/* Packets may wait so long in the ring: what is older than that by the clock has been seen. */
#define RING_DELAY_NS (200 * NS_PER_MS)
#define IGNORED_MAX 64
/* Longest time to empty the ring at the end. */
#define FINISH_NS (NS_PER_S / 2)

static const struct input_ops input_raw_file;

struct raw {
    struct input base;
    struct sink own; /* what reassembly puts into: refrain's own connections end here */
    struct sink *out; /* during poll() and finish() */
    struct books *books;
    struct source source;
    struct decoder *decoder;
    struct reassembly *reassembly;
    int stop_fd;
    bool stamp_here; /* --input-raw-timestamp-type go: the time of reading, not the packet's */
    int64_t opened_ns; /* 0 once a packet came, or the silence was told */
    size_t n_ignored;
    uint32_t ignored[IGNORED_MAX]; /* interface indexes */
};

static void own_put(struct sink *sink, const struct msg *msg)
{
    struct raw *raw = container_of(sink, struct raw, own);
    if (raw->source.fd != -1 && own_has(msg->conn)) {
        book_one(raw->books, BOOK_SKIPPED_OWN);
        msg_unref(msg);
        return;
    }
    sink_put(raw->out, msg);
}

/* gor's rule too: a name that ends in pcap is a file's, whatever the engine. */
static bool is_file(const struct input_args *args)
{
    static const char *const endings[] = {"pcap", "pcapng", "pcap.gz", "pcapng.gz"};
    const char *text = args->addresses[0], *colon = strrchr(text, ':');
    size_t len = colon && strspn(colon + 1, "0123456789,") == strlen(colon + 1)
                     ? (size_t)(colon - text)
                     : strlen(text);
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        size_t end = strlen(endings[i]);
        if (len > end && memcmp(text + len - end, endings[i], end) == 0)
            return true;
    }
    return strcmp(options_string(args->options, "input-raw-engine"), "pcap_file") == 0;
}

static int open_source(struct raw *raw, const struct input_args *args, struct err *err)
{
    struct raw_address address;
    const char *text = args->addresses[0];
    bool file = is_file(args);
    int r =
        file ? raw_address_parse_file(&address, text, err) : raw_address_parse(&address, text, err);
    if (r == 0)
        r = file ? source_open_file(&raw->source, &address, args->options, err)
                 : source_open_live(&raw->source, &address, args->options, err);
    if (r == 0 && !decoder_knows(raw->source.link_type))
        r = err_failure(err, "--input-raw \"%s\": link type %s is not decoded", text,
                        pcap_datalink_val_to_description_or_dlt(raw->source.link_type));
    if (r < 0)
        return r;
    struct reassembly_config config = {
        .ports = address.ports,
        .n_ports = address.n_ports,
        .track_responses = options_bool(args->options, "input-raw-track-response"),
        .allow_incomplete = options_bool(args->options, "input-raw-allow-incomplete"),
        .max_head = options_size(args->options, "input-raw-max-head"),
        .max_body = options_size(args->options, "input-raw-max-body"),
        .max_memory = options_size(args->options, "max-memory"),
        .expire_ns = options_duration_ns(args->options, "input-raw-expire"),
        .seed = file ? 0 : hash_random_seed(),
        .sink = &raw->own,
        .books = args->books,
    };
    if (decoder_new(&raw->decoder, args->books) < 0 ||
        reassembly_new(&raw->reassembly, &config) < 0)
        return err_sys(err, ENOMEM, "--input-raw \"%s\"", text);
    return 0;
}

static void find_ignored(struct raw *raw, const struct options *options)
{
    const char *name;
    for (size_t i = 0; (name = options_nth(options, "input-raw-ignore-interface", i)); i++) {
        unsigned index = if_nametoindex(name);
        if (index == 0)
            log_warn("input-raw", "no interface \"%s\" to ignore", name);
        else if (raw->n_ignored < IGNORED_MAX)
            raw->ignored[raw->n_ignored++] = index;
    }
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

static int raw_open(struct input **inp, const struct input_args *args, struct err *err)
{
    struct raw *raw = mem_zalloc(MEM_OTHER, sizeof(*raw));
    if (!raw)
        return err_sys(err, ENOMEM, "--input-raw");
    raw->base.ops = is_file(args) ? &input_raw_file : &input_raw;
    raw->own.put = own_put;
    raw->books = args->books;
    raw->stop_fd = args->stop_fd;
    int r = open_source(raw, args, err);
    if (r < 0) {
        raw_close(&raw->base);
        return r;
    }
    if (raw->source.fd != -1) {
        find_ignored(raw, args->options);
        raw->stamp_here =
            strcmp(options_string(args->options, "input-raw-timestamp-type"), "go") == 0;
        raw->opened_ns = clock_mono_ns();
        log_info("input-raw", "listening on %s (%s), filter: %s", raw->source.name,
                 pcap_datalink_val_to_name(raw->source.link_type), raw->source.filter);
    }
    *inp = &raw->base;
    return 0;
}

static bool is_ignored(const struct raw *raw, const struct pcap_pkthdr *header, const u_char *bytes)
{
    uint32_t index;
    if (raw->source.link_type != DLT_LINUX_SLL2 || header->caplen < 8)
        return false;
    index =
        (uint32_t)bytes[4] << 24 | (uint32_t)bytes[5] << 16 | (uint32_t)bytes[6] << 8 | bytes[7];
    for (size_t i = 0; i < raw->n_ignored; i++)
        if (raw->ignored[i] == index)
            return true;
    return false;
}

static void take_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
    struct raw *raw = (struct raw *)(void *)user;
    struct segment segment;
    struct packet packet = {.bytes = bytes, .len = header->caplen, .wire_len = header->len};
    /* the handle was asked for nanoseconds: they stand where microseconds are named */
    packet.ts_ns = (int64_t)header->ts.tv_sec * NS_PER_S + header->ts.tv_usec;
    if (unlikely(raw->stamp_here))
        packet.ts_ns = clock_wall_ns();
    book_one(raw->books, BOOK_PACKETS);
    book_add(raw->books, BOOK_PACKET_BYTES, header->caplen);
    if (unlikely(raw->n_ignored > 0) && is_ignored(raw, header, bytes))
        return;
    if (decode_packet(raw->decoder, raw->source.link_type, &packet, &segment))
        reassembly_segment(raw->reassembly, &segment);
}

/* Nothing came: tells a person once, and lets time go on for what waits. */
static void be_idle(struct raw *raw)
{
    reassembly_tick(raw->reassembly, clock_wall_ns() - RING_DELAY_NS);
    if (raw->opened_ns == 0 || clock_mono_ns() - raw->opened_ns < SILENCE_NS)
        return;
    raw->opened_ns = 0;
    log_warn("input-raw", "no packet for 10 s on %s (link type %s) with the filter: %s",
             raw->source.name, pcap_datalink_val_to_name(raw->source.link_type),
             raw->source.filter);
}

static int poll_live(struct raw *raw, int timeout_ms, struct err *err)
{
    struct pollfd fds[] = {{.fd = raw->source.fd, .events = POLLIN},
                           {.fd = raw->stop_fd, .events = POLLIN}};
    int n = pcap_dispatch(raw->source.pcap, BATCH, take_packet, (u_char *)raw);
    if (n == 0) {
        poll(fds, ARRAY_LEN(fds), timeout_ms);
        n = pcap_dispatch(raw->source.pcap, BATCH, take_packet, (u_char *)raw);
    }
    if (n > 0)
        raw->opened_ns = 0;
    if (n == 0)
        be_idle(raw);
    if (n >= 0 || n == PCAP_ERROR_BREAK)
        return INPUT_MORE;
    return err_failure(err, "input-raw: capturing on %s has ended: %s", raw->source.name,
                       pcap_geterr(raw->source.pcap));
}

/* A file that ends inside a packet was cut by a crash or is still being written: what is whole is
 * used. */
static int poll_file(struct raw *raw)
{
    int n = pcap_dispatch(raw->source.pcap, BATCH, take_packet, (u_char *)raw);
    if (n > 0)
        return INPUT_MORE;
    if (n < 0)
        log_warn("input-raw", "%s: %s; what stands before is used", raw->source.name,
                 pcap_geterr(raw->source.pcap));
    return INPUT_END;
}

static int raw_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct raw *raw = container_of(in, struct raw, base);
    raw->out = sink;
    return raw->source.fd == -1 ? poll_file(raw) : poll_live(raw, timeout_ms, err);
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
        int n = pcap_dispatch(raw->source.pcap, BATCH, take_packet, (u_char *)raw);
        if (n < 0 || (n == 0 && poll(&fd, 1, 2 * raw->source.delay_ms + 1) == 0))
            break;
    }
    reassembly_finish(raw->reassembly);
}

static void raw_account(struct input *in)
{
    struct raw *raw = container_of(in, struct raw, base);
    struct pcap_stat stat;
    if (raw->source.fd == -1 || pcap_stats(raw->source.pcap, &stat) != 0)
        return;
    book_set(raw->books, BOOK_KERNEL_DROPS, stat.ps_drop);
    book_set(raw->books, BOOK_INTERFACE_DROPS, stat.ps_ifdrop);
}

const struct input_ops input_raw = {
    .option = "input-raw",
    .live = true,
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
