/* SPDX-License-Identifier: MIT */
/* The floor that refrain is measured against: libpcap reading the same file with a callback that
 * only counts. usage: null_reader FILE [FILTER] */
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

static void count(u_char *user, const struct pcap_pkthdr *head, const u_char *bytes)
{
    (void)head;
    (void)bytes;
    ++*(uint64_t *)(void *)user;
}

int main(int argc, char **argv)
{
    char text[PCAP_ERRBUF_SIZE];
    uint64_t packets = 0;
    struct bpf_program program = {0};
    pcap_t *pcap = argc > 1 ? pcap_open_offline(argv[1], text) : NULL;
    if (!pcap) {
        fprintf(stderr, "null_reader: %s\n", argc > 1 ? text : "usage: null_reader FILE [FILTER]");
        return EXIT_FAILURE;
    }
    if (argc > 2 && (pcap_compile(pcap, &program, argv[2], 1, PCAP_NETMASK_UNKNOWN) != 0 ||
                     pcap_setfilter(pcap, &program) != 0)) {
        fprintf(stderr, "null_reader: %s\n", pcap_geterr(pcap));
        return EXIT_FAILURE;
    }
    int r = pcap_loop(pcap, -1, count, (u_char *)&packets);
    if (r < 0)
        fprintf(stderr, "null_reader: %s\n", pcap_geterr(pcap));
    pcap_freecode(&program);
    pcap_close(pcap);
    printf("%" PRIu64 "\n", packets);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
