/* SPDX-License-Identifier: MIT */
/* Packets as soon as they come (--input-raw-buffer-timeout 0). libpcap's ring hands packets over by
 * the block, a millisecond late at best; its immediate mode has a ring of so few frames, each as
 * large as the largest packet, that it lost a third of a busy server's requests. So libpcap chooses
 * the device, the link type and the filter, and a plain packet socket, whose buffer holds packets
 * at their own size, brings the packets: each costs more than from the ring, and none waits. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/source.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* Packets per recvmmsg(2). */
#define BATCH 32
#define SLL2_LEN 20
/* For what is put before a packet. */
#define HEAD_ROOM 32
#define TAG_LEN 4
#define ADDRESSES_LEN 12
/* Longest kernel filter (BPF_MAXINSNS). */
#define FILTER_MAX 4096

/* For the time and the VLAN tag of a packet. */
#define CONTROL_LEN                                                                                \
    (CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct tpacket_auxdata)))

struct slot {
    struct sockaddr_ll from;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_LEN];
    uint8_t bytes[HEAD_ROOM + SOURCE_SNAPLEN];
};

struct direct {
    bool cooked; /* on all devices: without their link headers, with SLL2 instead */
    uint64_t n_dropped;
    struct mmsghdr heads[BATCH];
    struct iovec parts[BATCH];
    struct slot slots[BATCH]; /* mostly untouched: they cost no memory */
};

void direct_free(struct direct *d)
{
    mem_free(d);
}

/* From libpcap's socket to ours, and then nothing passes there any more. */
static int move_filter(int from, int to)
{
    static struct sock_filter code[FILTER_MAX];
    struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    socklen_t n = FILTER_MAX; /* of instructions, not bytes */
    if (getsockopt(from, SOL_SOCKET, SO_GET_FILTER, code, &n) != 0)
        return -1;
    struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    struct sock_fprog nothing = {.len = 1, .filter = none};
    if (n == 0) {
        errno = E2BIG; /* libpcap filters by itself what the kernel does not take */
        return -1;
    }
    return setsockopt(to, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0 &&
                   setsockopt(from, SOL_SOCKET, SO_ATTACH_FILTER, &nothing, sizeof(nothing)) == 0
               ? 0
               : -1;
}

static int set_options(int fd, int buffer_size, bool skips_sent)
{
    int yes = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_size, sizeof(buffer_size)) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof(buffer_size));
    if (skips_sent)
        (void)setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes));
    return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes)) == 0 &&
                   setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof(yes)) == 0
               ? 0
               : -1;
}

static int bind_as(int fd, int pcap_fd)
{
    struct sockaddr_ll address;
    socklen_t len = sizeof(address);
    if (getsockname(pcap_fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    struct sockaddr_ll all = {.sll_family = AF_PACKET,
                              .sll_protocol = htons(ETH_P_ALL),
                              .sll_ifindex = address.sll_ifindex};
    return bind(fd, (const struct sockaddr *)&all, sizeof(all));
}

bool direct_can(const struct source *s)
{
    return s->link_type == DLT_EN10MB || s->link_type == DLT_LINUX_SLL2;
}

int direct_open(struct source *s, int buffer_size, bool skips_sent, struct err *err)
{
    int pcap_fd = pcap_fileno(s->pcap);
    struct direct *d = mem_alloc(MEM_IO, sizeof(*d));
    if (!d)
        return err_sys(err, ENOMEM, "--input-raw");
    d->cooked = s->link_type == DLT_LINUX_SLL2;
    d->n_dropped = 0;
    int fd = socket(AF_PACKET, (d->cooked ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    0); /* hears nothing until it is bound */
    int r = fd == -1 ? -1 : set_options(fd, buffer_size, skips_sent);
    if (r == 0)
        r = move_filter(pcap_fd, fd);
    if (r == 0)
        r = bind_as(fd, pcap_fd);
    if (r != 0) {
        int errnum = errno;
        if (fd != -1)
            close(fd);
        direct_free(d);
        return err_sys(err, errnum, "--input-raw-buffer-timeout 0: %s", s->name);
    }
    s->fd = fd;
    s->direct = d;
    return 0;
}

static int receive(struct source *s, int max)
{
    struct direct *d = s->direct;
    for (int i = 0; i < BATCH; i++) {
        struct slot *slot = &d->slots[i];
        d->parts[i] =
            (struct iovec){.iov_base = slot->bytes + HEAD_ROOM, .iov_len = SOURCE_SNAPLEN};
        d->heads[i].msg_hdr = (struct msghdr){.msg_name = &slot->from,
                                              .msg_namelen = sizeof(slot->from),
                                              .msg_iov = &d->parts[i],
                                              .msg_iovlen = 1,
                                              .msg_control = slot->control,
                                              .msg_controllen = sizeof(slot->control)};
    }
    return recvmmsg(s->fd, d->heads, (unsigned)(max < BATCH ? max : BATCH),
                    MSG_DONTWAIT | MSG_TRUNC, NULL);
}

/* As libpcap writes it: the fields of sockaddr_ll, in network order. */
static uint8_t *put_sll2(struct slot *slot)
{
    const struct sockaddr_ll *from = &slot->from;
    uint32_t index = htonl((uint32_t)from->sll_ifindex);
    uint16_t type = htons(from->sll_hatype);
    uint8_t *at = slot->bytes + HEAD_ROOM - SLL2_LEN;
    memcpy(at, &from->sll_protocol, 2);
    memset(at + 2, 0, 2);
    memcpy(at + 4, &index, 4);
    memcpy(at + 8, &type, 2);
    at[10] = from->sll_pkttype;
    at[11] = from->sll_halen;
    memcpy(at + 12, from->sll_addr, 8);
    return at;
}

/* The tag that the kernel took off goes back to where it stood. */
static uint8_t *put_tag(struct slot *slot, const struct tpacket_auxdata *aux)
{
    uint16_t tpid =
        htons(aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : ETH_P_8021Q);
    uint16_t tci = htons(aux->tp_vlan_tci);
    uint8_t *at = slot->bytes + HEAD_ROOM - TAG_LEN;
    memmove(at, at + TAG_LEN, ADDRESSES_LEN);
    memcpy(at + ADDRESSES_LEN, &tpid, 2);
    memcpy(at + ADDRESSES_LEN + 2, &tci, 2);
    return at;
}

static void hand_out(struct direct *d, int i, pcap_handler take, u_char *user)
{
    struct slot *slot = &d->slots[i];
    struct msghdr *head = &d->heads[i].msg_hdr;
    struct pcap_pkthdr packet = {.len = d->heads[i].msg_len};
    uint8_t *packet_at = slot->bytes + HEAD_ROOM, *at = packet_at;
    packet.caplen = packet.len < SOURCE_SNAPLEN ? packet.len : SOURCE_SNAPLEN;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        struct tpacket_auxdata aux;
        struct timespec ts;
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&ts, CMSG_DATA(c), sizeof(ts));
            packet.ts.tv_sec = ts.tv_sec;
            packet.ts.tv_usec = ts.tv_nsec;
        } else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA && !d->cooked) {
            memcpy(&aux, CMSG_DATA(c), sizeof(aux));
            if (aux.tp_status & TP_STATUS_VLAN_VALID && packet.caplen >= ADDRESSES_LEN)
                at = put_tag(slot, &aux);
        }
    }
    if (d->cooked)
        at = put_sll2(slot);
    packet.caplen += (bpf_u_int32)(packet_at - at);
    packet.len += (bpf_u_int32)(packet_at - at);
    take(user, &packet, at);
}

int direct_dispatch(struct source *s, int max, pcap_handler take, u_char *user)
{
    int total = 0;
    while (total < max) {
        int n = receive(s, max - total);
        /* ENETDOWN: a device went down; on all, others go on */
        if (n < 0 &&
            (errno == EAGAIN || errno == EINTR || (errno == ENETDOWN && s->direct->cooked)))
            return total;
        if (n < 0)
            return PCAP_ERROR;
        for (int i = 0; i < n; i++)
            hand_out(s->direct, i, take, user);
        total += n;
        if (n < BATCH)
            break;
    }
    return total;
}

uint64_t direct_losses(struct source *s)
{
    struct tpacket_stats stats; /* since it was last asked */
    socklen_t len = sizeof(stats);
    if (getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
        s->direct->n_dropped += stats.tp_drops;
    return s->direct->n_dropped;
}
