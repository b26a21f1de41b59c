/* SPDX-License-Identifier: MIT */
/* A VXLAN listener: mirrors (AWS, Azure, switches) send copies of packets to a UDP port. The
 * packets of the datagrams are handed out as libpcap would, their VXLAN headers first. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/decode.h"
#include "capture/source.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* Datagrams per recvmmsg(2). */
#define BATCH 32
/* The longest UDP datagram. */
#define DATAGRAM_MAX 65535
#define DEFAULT_BUFFER (32 << 20)
#define VXLAN_HEADER 8

union control {
    struct cmsghdr align;
    uint8_t room[CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(uint32_t))];
};

struct vxlan {
    uint32_t n_dropped; /* by the kernel, of this socket */
    bool has_filter;
    struct bpf_program filter; /* on the packets inside */
    struct mmsghdr heads[BATCH];
    struct iovec parts[BATCH];
    union control controls[BATCH];
    uint8_t datagrams[BATCH][DATAGRAM_MAX];
};

static int listen_address(struct sockaddr_in6 *address, const struct raw_address *from,
                          uint16_t port, struct err *err)
{
    const char *host = from->host;
    struct in_addr v4;
    *address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (*host == '\0' || strcmp(host, "any") == 0 || strcmp(host, "0.0.0.0") == 0)
        return 0;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        address->sin6_addr.s6_addr[10] = address->sin6_addr.s6_addr[11] = 0xff;
        memcpy(address->sin6_addr.s6_addr + 12, &v4, sizeof(v4));
        return 0;
    }
    if (inet_pton(AF_INET6, host, &address->sin6_addr) == 1)
        return 0;
    return err_usage(err,
                     "--input-raw \"%s\": with the engine vxlan this is the address to listen on, "
                     "as a number, or nothing",
                     host);
}

/* Where IPv6 is switched off, IPv4 alone. */
static int bind_socket(int *fd, const struct sockaddr_in6 *address)
{
    const uint8_t *v6 = address->sin6_addr.s6_addr;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = address->sin6_port};
    int off = 0;
    *fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd != -1) {
        (void)setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        return bind(*fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : -errno;
    }
    memcpy(&v4.sin_addr, v6 + 12, sizeof(v4.sin_addr));
    *fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd == -1)
        return -errno;
    return bind(*fd, (const struct sockaddr *)&v4, sizeof(v4)) == 0 ? 0 : -errno;
}

static void set_options(int fd, const struct options *options)
{
    uint64_t size = options_size(options, "input-raw-buffer-size");
    int yes = 1, bytes = DEFAULT_BUFFER;
    if (size > 0)
        bytes = size < INT32_MAX ? (int)size : INT32_MAX;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes));
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &yes, sizeof(yes));
}

static int open_socket(struct source *s, const struct raw_address *address, uint16_t port,
                       struct err *err)
{
    struct sockaddr_in6 to;
    int r = listen_address(&to, address, port, err);
    if (r < 0)
        return r;
    r = bind_socket(&s->fd, &to);
    if (r == -EADDRINUSE)
        return err_failure(
            err,
            "--input-raw: UDP port %u is taken, perhaps by a vxlan interface of this "
            "machine: then capture on that (--input-raw INTERFACE:PORT)",
            port);
    return r < 0 ? err_sys(err, -r, "--input-raw: cannot listen for VXLAN on UDP port %u", port)
                 : 0;
}

/* The user's filter, on what is inside. */
static int compile(struct source *s, const char *text, struct err *err)
{
    pcap_t *ethernet = *text ? pcap_open_dead(DLT_EN10MB, DATAGRAM_MAX) : NULL;
    if (*text == '\0')
        return 0;
    if (!ethernet)
        return err_sys(err, ENOMEM, "--input-raw-bpf-filter");
    int r = 0;
    if (pcap_compile(ethernet, &s->vxlan->filter, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
        r = err_usage(err, "--input-raw-bpf-filter: %s in the filter \"%s\"", pcap_geterr(ethernet),
                      text);
    s->vxlan->has_filter = r == 0;
    pcap_close(ethernet);
    snprintf(s->filter, sizeof(s->filter), "%s", text);
    return r;
}

int source_open_vxlan(struct source *s, const struct raw_address *address,
                      const struct options *options, struct err *err)
{
    uint16_t port = (uint16_t)options_int(options, "input-raw-vxlan-port");
    port = port ? port : 4789; /* gor's rule */
    *s = (struct source){.fd = -1, .link_type = DECODE_VXLAN};
    snprintf(s->name, sizeof(s->name), "UDP port %u", port);
    s->own_clock = strcmp(options_string(options, "input-raw-timestamp-type"), "go") == 0;
    s->vxlan = mem_alloc(MEM_IO, sizeof(*s->vxlan));
    if (!s->vxlan)
        return err_sys(err, ENOMEM, "--input-raw");
    s->vxlan->n_dropped = 0;
    s->vxlan->has_filter = false;
    int r = compile(s, options_string(options, "input-raw-bpf-filter"), err);
    if (r == 0)
        r = open_socket(s, address, port, err);
    if (r < 0)
        source_close(s);
    else
        set_options(s->fd, options);
    return r;
}

void vxlan_free(struct vxlan *v)
{
    if (!v)
        return;
    if (v->has_filter)
        pcap_freecode(&v->filter);
    mem_free(v);
}

static int receive(struct source *s, int max)
{
    struct vxlan *v = s->vxlan;
    for (int i = 0; i < BATCH; i++) {
        v->parts[i] = (struct iovec){.iov_base = v->datagrams[i], .iov_len = DATAGRAM_MAX};
        v->heads[i].msg_hdr = (struct msghdr){.msg_iov = &v->parts[i],
                                              .msg_iovlen = 1,
                                              .msg_control = &v->controls[i],
                                              .msg_controllen = sizeof(v->controls[i])};
    }
    return recvmmsg(s->fd, v->heads, (unsigned)(max < BATCH ? max : BATCH), MSG_DONTWAIT, NULL);
}

/* When it came, and how many were lost before it. */
static void read_control(struct vxlan *v, struct msghdr *head, struct pcap_pkthdr *packet)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_TIMESTAMPNS)
            memcpy(&ts, CMSG_DATA(c), sizeof(ts));
        else if (c->cmsg_type == SO_RXQ_OVFL)
            memcpy(&v->n_dropped, CMSG_DATA(c), sizeof(v->n_dropped));
    }
    packet->ts.tv_sec = ts.tv_sec;
    packet->ts.tv_usec = ts.tv_nsec;
}

static bool passes(const struct vxlan *v, const struct pcap_pkthdr *packet, const uint8_t *bytes)
{
    if (!v->has_filter)
        return true;
    struct pcap_pkthdr inner = *packet;
    if (inner.caplen < VXLAN_HEADER)
        return false;
    inner.caplen -= VXLAN_HEADER;
    inner.len -= VXLAN_HEADER;
    return pcap_offline_filter(&v->filter, &inner, bytes + VXLAN_HEADER) != 0;
}

int vxlan_dispatch(struct source *s, int max, pcap_handler take, u_char *user)
{
    struct vxlan *v = s->vxlan;
    int total = 0;
    while (total < max) {
        int n = receive(s, max - total);
        if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED))
            return total;
        if (n < 0)
            return PCAP_ERROR;
        for (int i = 0; i < n; i++) {
            struct pcap_pkthdr packet = {.caplen = v->heads[i].msg_len, .len = v->heads[i].msg_len};
            read_control(v, &v->heads[i].msg_hdr, &packet);
            if (passes(v, &packet, v->datagrams[i]))
                take(user, &packet, v->datagrams[i]);
        }
        total += n;
        if (n < BATCH)
            break;
    }
    return total;
}

const char *source_fault(const struct source *s)
{
    return s->vxlan || s->direct ? "the socket has failed" : pcap_geterr(s->pcap);
}

bool source_losses(struct source *s, uint64_t *kernel, uint64_t *interface)
{
    struct pcap_stat stat;
    *interface = 0;
    if (s->direct) {
        *kernel = direct_losses(s);
        return true;
    }
    if (s->vxlan) {
        *kernel = s->vxlan->n_dropped;
        return true;
    }
    if (s->fd == -1 || pcap_stats(s->pcap, &stat) != 0)
        return false;
    *kernel = stat.ps_drop;
    *interface = stat.ps_ifdrop;
    return true;
}
