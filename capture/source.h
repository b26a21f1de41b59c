/* SPDX-License-Identifier: MIT */
/* Where packets come from: a device, a capture file, or datagrams of VXLAN. Owned by one thread
 * after it is open. */
#pragma once

#include <pcap/pcap.h>

#include "capture/bpf.h"
#include "capture/decode.h"
#include "capture/raw_address.h"
#include "lib/err.h"
#include "lib/options.h"

struct vxlan; /* in source_vxlan.c: a socket's datagrams */
struct direct; /* in source_direct.c: a packet socket without a ring */
struct capture_stream; /* in source_pcap.c: a pipe, or gzip */
struct records; /* in source_records.c: a plain file */

struct source {
    pcap_t *pcap; /* times in nanoseconds; NULL: a file that was not begun, or VXLAN */
    struct vxlan *vxlan; /* NULL: libpcap */
    struct direct *direct; /* brings the packets of libpcap's device; NULL: libpcap itself */
    int link_type; /* DLT_*, or DECODE_VXLAN */
    int fd; /* to poll for packets; -1: a file */
    int delay_ms; /* the kernel hands packets over at most this much later */
    bool at_once; /* packets are to come without delay: by a socket of their own */
    bool own_clock; /* times of packets are not those of the wall clock: read that instead */
    char name[256]; /* device or file */
    char filter[BPF_TEXT_MAX]; /* in force; "": none */
    FILE *file; /* until libpcap has it */
    char *file_buffer; /* of a plain file, with whoever has that; NULL: stdio's own */
    struct capture_stream *stream; /* behind file; NULL: a plain file, or a device */
    struct records *records; /* of a plain file, as long as nothing is odd; NULL: libpcap */
};

/* How a device is shared by several sources (capture/fanout.h). */
struct sharing {
    bool is_shared;
    const struct source *first; /* of these; NULL: this is it */
};

/* What address names, by the engine that options ask for: one of the three below. */
MUST_CHECK int source_open(struct source *s, const struct raw_address *address,
                           const struct sharing *sharing, const struct options *options,
                           int stop_fd, struct err *err);

/* A device. err: STATUS_PERMISSION when CAP_NET_RAW is missing. */
MUST_CHECK int source_open_live(struct source *s, const struct raw_address *address,
                                const struct sharing *sharing, const struct options *options,
                                struct err *err);

/* The engine vxlan: the UDP port of --input-raw-vxlan-port, on the address's host. */
MUST_CHECK int source_open_vxlan(struct source *s, const struct raw_address *address,
                                 const struct options *options, struct err *err);

/* A capture file: pcap or pcapng, plain or gzip. What it waits for includes stop_fd. Nothing is
 * read yet. */
MUST_CHECK int source_open_file(struct source *s, const struct raw_address *address, int stop_fd,
                                struct err *err);
/* Reads its header, for which a pipe may have to be waited for, and sets the user's filter. Sets
 * s->pcap. 0; 1 when stop_fd became readable first; or -errno. Once. */
MUST_CHECK int source_begin_file(struct source *s, const struct options *options, struct err *err);

/* It has to be waited for: packets come one at a time. */
bool source_is_pipe(const struct source *s);
/* After the last packet: stop_fd ended it. */
bool source_was_stopped(const struct source *s);
/* After the last packet: the file ends in the middle of something. failed: libpcap said so. */
bool source_was_cut(const struct source *s, bool failed);

/* So many packets come at once, at most. */
#define SOURCE_BATCH 16
/* Takes n > 0 packets in order. Their bytes are borrowed: all lie there until it returns. */
typedef void source_take(void *user, const struct packet *packets, size_t n);

/* Hands out at most max packets. Returns how many, 0 when there are none now, PCAP_ERROR or
 * PCAP_ERROR_BREAK. */
int source_dispatch(struct source *s, int max, source_take *take, void *user);
/* After PCAP_ERROR: what is wrong. */
const char *source_fault(const struct source *s);
/* Packets lost so far because the kernel's buffer was full, and in the network card. False: it is
 * not known, or a file. */
bool source_losses(struct source *s, uint64_t *kernel, uint64_t *interface);

/* Also of one that was not opened, with fd -1. */
void source_close(struct source *s);

/* Compiles text and sets it. option says in errors where text comes from. */
MUST_CHECK int source_set_filter(struct source *s, const char *option, const char *text,
                                 struct err *err);
/* In source_vxlan.c, for source_close(). NULL is fine. */
void vxlan_free(struct vxlan *v);

/* Times that a hostile file claims stay below this, so that a sum of two does not overflow. */
#define SOURCE_TIME_MAX_NS (INT64_MAX / 4)

static inline int64_t source_time_ns(int64_t s, int64_t ns)
{
    if (unlikely(s < 0 || s >= SOURCE_TIME_MAX_NS / NS_PER_S))
        s = s < 0 ? 0 : SOURCE_TIME_MAX_NS / NS_PER_S;
    return s * NS_PER_S + ns % NS_PER_S;
}

/* Whole packets, also those that offload has put together. */
#define SOURCE_SNAPLEN 262144

/* In source_vxlan.c, for source_dispatch(): as pcap_dispatch(), with nanoseconds where microseconds
 * are named. */
int vxlan_dispatch(struct source *s, int max, pcap_handler take, u_char *user);

/* In source_records.c, for the others. Sets s->records when the file, of which libpcap has read the
 * head, is one whose packets can be read here. */
MUST_CHECK int records_open(struct source *s);
/* Returns how many; 0: libpcap goes on, and s->records is NULL. */
int records_dispatch(struct source *s, int max, source_take *take, void *user);
/* NULL is fine. */
void records_free(struct records *r);

/* In source_direct.c, for the others. Can packets of this open device come without delay? */
bool direct_can(const struct source *s);
/* They do from now on: s->fd is a socket of its own. After the filter was set. skips_sent: what the
 * device sends is left out. */
MUST_CHECK int direct_open(struct source *s, int buffer_size, bool skips_sent, struct err *err);
int direct_dispatch(struct source *s, int max, pcap_handler take, u_char *user);
/* Packets that found the buffer full, so far. */
uint64_t direct_losses(struct source *s);
/* NULL is fine. */
void direct_free(struct direct *d);
