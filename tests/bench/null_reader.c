/* SPDX-License-Identifier: MIT */
/* The floor that refrain is measured against: libpcap with a callback that only counts.
 * usage: null_reader FILE [FILTER]            a capture file
 *        null_reader --copy FILE [FILTER]     the same, each packet copied once
 *        null_reader --live DEVICE [FILTER]   a device, with a ring as refrain's, until SIGINT; it
 *                                             says "listening on DEVICE" when it captures
 *        null_reader --once DEVICE [FILTER]   the same, but for what the device sends, which
 * libpcap throws away by itself on a loopback device Prints how many packets it saw; of a device,
 * then how many the kernel dropped. */
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* As in capture/source_live.c. */
#define SNAPLEN 262144
#define BUFFER (32 << 20)
#define TIMEOUT_MS 10
#define BATCH 1024

struct reader {
    uint64_t packets;
    bool copies;
    u_char copy[SNAPLEN];
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static void count(u_char *user, const struct pcap_pkthdr *head, const u_char *bytes)
{
    struct reader *r = (struct reader *)(void *)user;
    r->packets++;
    if (!r->copies)
        return;
    memcpy(r->copy, bytes, head->caplen < SNAPLEN ? head->caplen : SNAPLEN);
    __asm__ volatile("" : : "r"(r->copy) : "memory"); /* somebody wants it */
}

static void fail(const char *text)
{
    fprintf(stderr, "null_reader: %s\n", text);
    exit(EXIT_FAILURE);
}

static pcap_t *open_device(const char *name, bool skips_sent)
{
    char text[PCAP_ERRBUF_SIZE];
    int yes = 1;
    pcap_t *pcap = pcap_create(name, text);
    if (!pcap)
        fail(text);
    pcap_set_snaplen(pcap, SNAPLEN);
    pcap_set_buffer_size(pcap, BUFFER);
    pcap_set_timeout(pcap, TIMEOUT_MS);
    pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO);
    if (pcap_activate(pcap) < 0)
        fail(pcap_geterr(pcap));
    if (skips_sent)
        (void)setsockopt(pcap_fileno(pcap), SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes));
    if (pcap_setnonblock(pcap, 1, text) != 0)
        fail(text);
    return pcap;
}

static int read_device(pcap_t *pcap, struct reader *r)
{
    struct pollfd fd = {.fd = pcap_get_selectable_fd(pcap), .events = POLLIN};
    int n = 0;
    while (!stopped && n >= 0) {
        n = pcap_dispatch(pcap, BATCH, count, (u_char *)r);
        if (n == 0)
            poll(&fd, 1, 200);
    }
    return n;
}

static void set_filter(pcap_t *pcap, const char *text)
{
    struct bpf_program program = {0};
    if (pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0 ||
        pcap_setfilter(pcap, &program) != 0)
        fail(pcap_geterr(pcap));
    pcap_freecode(&program);
}

int main(int argc, char **argv)
{
    static struct reader reader;
    char text[PCAP_ERRBUF_SIZE];
    bool once = argc > 1 && strcmp(argv[1], "--once") == 0;
    bool live = once || (argc > 1 && strcmp(argv[1], "--live") == 0);
    reader.copies = argc > 1 && strcmp(argv[1], "--copy") == 0;
    int at = live || reader.copies ? 2 : 1;
    if (argc <= at)
        fail("usage: null_reader [--copy|--live|--once] FILE|DEVICE [FILTER]");
    pcap_t *pcap = live ? open_device(argv[at], once) : pcap_open_offline(argv[at], text);
    if (!pcap)
        fail(text);
    if (argc > at + 1)
        set_filter(pcap, argv[at + 1]);
    if (live) {
        struct sigaction action = {.sa_handler = stop};
        sigaction(SIGINT, &action, NULL);
        fprintf(stderr, "listening on %s\n", argv[at]);
    }
    int r = live ? read_device(pcap, &reader) : pcap_loop(pcap, -1, count, (u_char *)&reader);
    if (r < 0)
        fail(pcap_geterr(pcap));
    printf("%" PRIu64 "\n", reader.packets);
    struct pcap_stat stats;
    if (live && pcap_stats(pcap, &stats) == 0)
        printf("%u\n", stats.ps_drop);
    pcap_close(pcap);
    return EXIT_SUCCESS;
}
