/* SPDX-License-Identifier: MIT */
#include "capture/fanout.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

/* Reserved, and so never on a wire (IEEE 802.3 type field). */
#define NO_PROTOCOL 0xffff

/* Newer than Debian 12's headers: Linux 5.13. */
#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

void fanout_hold(pcap_t *pcap)
{
    (void)pcap_set_protocol_linux(pcap, NO_PROTOCOL); /* fails only when active */
}

static int refuse_all(int fd)
{
    struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog program = {.len = 1, .filter = none};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* A socket of a group cannot be bound anew, so this comes first. */
static int bind_to_all_protocols(int fd)
{
    struct sockaddr_ll address;
    socklen_t len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    struct sockaddr_ll all = {.sll_family = AF_PACKET,
                              .sll_protocol = htons(ETH_P_ALL),
                              .sll_ifindex = address.sll_ifindex};
    return bind(fd, (const struct sockaddr *)&all, sizeof(all));
}

/* The kernel's hash is the same for both directions (4.8 and later). It puts fragments of IPv4
 * together first, as only the first one has ports. */
static int join(int fd, int first_fd, unsigned flags)
{
    unsigned arg = 0;
    socklen_t len = sizeof(arg);
    if (first_fd == -1)
        flags |= PACKET_FANOUT_FLAG_UNIQUEID;
    else if (getsockopt(first_fd, SOL_PACKET, PACKET_FANOUT, &arg, &len) != 0)
        return -1;
    arg = (arg & 0xffff) | (PACKET_FANOUT_HASH | flags) << 16;
    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &arg, sizeof(arg));
}

int fanout_join(pcap_t *pcap, pcap_t *first, bool loopback, const char *name, struct err *err)
{
    int fd = pcap_fileno(pcap), first_fd = first ? pcap_fileno(first) : -1;
    unsigned flags = PACKET_FANOUT_FLAG_DEFRAG;
    int r = refuse_all(fd);
    if (r == 0)
        r = bind_to_all_protocols(fd);
    if (r == 0)
        r = join(fd, first_fd, flags | (loopback ? PACKET_FANOUT_FLAG_IGNORE_OUTGOING : 0));
    if (r != 0 && errno == EINVAL && loopback) /* an older kernel: libpcap leaves them out */
        r = join(fd, first_fd, flags);
    return r == 0
               ? 0
               : err_sys(err, errno, "--input-raw-workers: %s cannot be shared by several", name);
}
