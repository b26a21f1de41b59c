/* SPDX-License-Identifier: MIT */
/* Live capture with libpcap: one handle, on one device or on all of them ("any", which also sees
 * devices that come up later). */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/bpf.h"
#include "capture/fanout.h"
#include "capture/source.h"
#include "lib/log.h"
#include "lib/span.h"

/* How long the kernel may gather packets before it hands them over. */
#define DEFAULT_TIMEOUT_MS 10
#define MAX_TIMEOUT_NS (60 * NS_PER_S)
/* Of a ring that is not used. */
#define NO_BUFFER (512 << 10)
/* 802.1Q and QinQ. */
#define VLAN_TAGS 2

static bool is_address(const char *text)
{
    struct in6_addr addr;
    return inet_pton(AF_INET, text, &addr) == 1 || inet_pton(AF_INET6, text, &addr) == 1;
}

static bool means_all(const char *host)
{
    static const char *const names[] = {"", "0.0.0.0", "::", "any"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(host, names[i]) == 0)
            return true;
    return false;
}

static int unknown_device(const char *host, struct err *err)
{
    char list[512] = "";
    struct if_nameindex *all = if_nameindex();
    for (size_t i = 0, used = 0; all && all[i].if_index != 0 && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
                                 all[i].if_name);
    if (all)
        if_freenameindex(all);
    return err_usage(err,
                     "--input-raw \"%s\": no interface, address or host of that name (this machine "
                     "has: %s)",
                     host, list);
}

static void add_host(struct bpf_wish *wish, const char *address)
{
    size_t len = strlen(address);
    if (wish->n_hosts < BPF_HOSTS_MAX && len < BPF_HOST_LEN)
        memcpy(wish->hosts[wish->n_hosts++], address, len + 1);
}

/* The addresses of a host, as they are now. Only names with a dot are asked for: others are
 * interfaces that somebody mistyped. */
static bool resolve(struct bpf_wish *wish, const char *name)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    if (!strchr(name, '.') || getaddrinfo(name, NULL, &hints, &list) != 0)
        return false;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) ==
                0 &&
            is_address(text))
            add_host(wish, text);
    }
    freeaddrinfo(list);
    return wish->n_hosts > 0;
}

/* Which device, and which addresses the filter asks for: those are looked for wherever their
 * packets pass. */
static int choose_device(struct source *s, const char *host, struct bpf_wish *wish, struct err *err)
{
    const char *device = "any";
    if (strcmp(host, "localhost") == 0) {
        device = "lo";
        add_host(wish, "127.0.0.1");
        add_host(wish, "::1");
    } else if (if_nametoindex(host) != 0) {
        device = host;
    } else if (is_address(host) && !means_all(host)) {
        add_host(wish, host);
    } else if (!means_all(host) && !resolve(wish, host)) {
        return unknown_device(host, err);
    }
    snprintf(s->name, sizeof(s->name), "%s", device);
    return 0;
}

static int no_permission(struct err *err)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    return err_permission(err,
                          "capturing needs the capability CAP_NET_RAW: run it as root, or once: "
                          "sudo setcap cap_net_raw+ep %s",
                          n > 0 ? self : "refrain");
}

/* By the names of pcap-tstamp(7), or as gor's documentation writes them: PCAP_TSTAMP_HOST. */
static int set_timestamp_type(struct source *s, const char *type, struct err *err)
{
    char name[64];
    s->own_clock = strcmp(type, "go") == 0;
    if (*type == '\0' || s->own_clock)
        return 0;
    snprintf(name, sizeof(name), "%s", strncmp(type, "PCAP_TSTAMP_", 12) == 0 ? type + 12 : type);
    for (char *c = name; *c; c++)
        *c = (char)ascii_lower((uint8_t)*c);
    int value = pcap_tstamp_type_name_to_val(name);
    if (value == PCAP_ERROR || pcap_set_tstamp_type(s->pcap, value) != 0)
        return err_usage(err, "--input-raw-timestamp-type \"%s\": %s does not offer it", type,
                         s->name);
    return 0;
}

static int buffer_size(const struct options *options)
{
    uint64_t size = options_size(options, "input-raw-buffer-size");
    return size ? (int)size : RAW_DEFAULT_BUFFER;
}

static int set_buffer_size(struct source *s, const struct options *options, struct err *err)
{
    if (options_size(options, "input-raw-buffer-size") > INT32_MAX)
        return err_usage(err, "--input-raw-buffer-size: at most 2047mb");
    /* when memory is short, libpcap takes less by itself */
    pcap_set_buffer_size(s->pcap, s->at_once ? NO_BUFFER : buffer_size(options));
    return 0;
}

/* The engines af_packet and raw_socket are libpcap's own on Linux. */
static int set_up(struct source *s, const struct options *options, struct err *err)
{
    pcap_t *p = s->pcap;
    int64_t timeout_ns = options_duration_ns(options, "input-raw-buffer-timeout");
    if (timeout_ns > MAX_TIMEOUT_NS)
        return err_usage(err, "--input-raw-buffer-timeout: at most 60s");
    s->delay_ms = options_given(options, "input-raw-buffer-timeout")
                      ? (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS)
                      : DEFAULT_TIMEOUT_MS;
    if (s->delay_ms == 0) /* the shortest that a ring can have */
        s->delay_ms = 1;
    pcap_set_snaplen(p, SOURCE_SNAPLEN);
    pcap_set_promisc(p, options_bool(options, "input-raw-promisc"));
    pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
    pcap_set_timeout(p, s->delay_ms);
    if (options_bool(options, "input-raw-monitor") && pcap_set_rfmon(p, 1) != 0)
        return err_usage(err, "--input-raw-monitor: %s cannot do that", s->name);
    int r = set_buffer_size(s, options, err);
    return r == 0 ? set_timestamp_type(s, options_string(options, "input-raw-timestamp-type"), err)
                  : r;
}

static int activation_error(struct source *s, int status, struct err *err)
{
    if (status == PCAP_ERROR_PERM_DENIED || status == PCAP_ERROR_PROMISC_PERM_DENIED)
        return no_permission(err);
    if (status == PCAP_ERROR_NO_SUCH_DEVICE)
        return unknown_device(s->name, err);
    const char *text = pcap_geterr(s->pcap);
    if (status == PCAP_ERROR_IFACE_NOT_UP)
        text = "the interface is down (ip link set it up)";
    return err_failure(err, "--input-raw: cannot capture on %s: %s", s->name,
                       *text ? text : pcap_statustostr(status));
}

static int activate(struct source *s, const struct sharing *sharing, const struct options *options,
                    struct err *err)
{
    char text[PCAP_ERRBUF_SIZE];
    s->pcap = pcap_create(s->name, text);
    if (!s->pcap)
        return err_failure(err, "--input-raw: %s: %s", s->name, text);
    int r = set_up(s, options, err);
    if (r < 0)
        return r;
    if (sharing->is_shared)
        fanout_hold(s->pcap);
    int status = pcap_activate(s->pcap);
    if (status < 0)
        return activation_error(s, status, err);
    if (status > 0)
        log_warn("input-raw", "%s: %s", s->name,
                 status == PCAP_WARNING ? pcap_geterr(s->pcap) : pcap_statustostr(status));
    /* SLL2 names the device that a packet came by; only SLL has room for the VLAN tag that the
     * kernel took off */
    if (strcmp(s->name, "any") == 0 && !options_given(options, "input-raw-vlan-vid"))
        pcap_set_datalink(s->pcap, DLT_LINUX_SLL2);
    s->link_type = pcap_datalink(s->pcap);
    if (pcap_setnonblock(s->pcap, 1, text) != 0)
        return err_failure(err, "--input-raw: %s: %s", s->name, text);
    s->fd = pcap_get_selectable_fd(s->pcap);
    return 0;
}

static bool is_loopback(const struct source *s)
{
    struct ifreq request = {.ifr_flags = 0};
    if (strlen(s->name) >= sizeof(request.ifr_name))
        return false;
    memcpy(request.ifr_name, s->name, strlen(s->name));
    return ioctl(pcap_fileno(s->pcap), SIOCGIFFLAGS, &request) == 0 &&
           (request.ifr_flags & IFF_LOOPBACK);
}

/* On a loopback device each packet comes twice, as sent and as received. libpcap would throw the
 * first one away after the ring has carried it; kernels before 4.20 leave it to that. */
static int share(struct source *s, const struct sharing *sharing, struct err *err)
{
    int yes = 1;
    bool skips_sent = is_loopback(s);
    if (s->at_once) /* libpcap's socket hears nothing soon */
        return 0;
    if (sharing->is_shared)
        return fanout_join(s->pcap, sharing->first ? sharing->first->pcap : NULL, skips_sent,
                           s->name, err);
    if (skips_sent)
        (void)setsockopt(pcap_fileno(s->pcap), SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes,
                         sizeof(yes));
    return 0;
}

static int set_filter(struct source *s, struct bpf_wish *wish, const struct options *options,
                      struct err *err)
{
    char text[BPF_TEXT_MAX];
    const char *user = options_string(options, "input-raw-bpf-filter");
    if (*user)
        return source_set_filter(s, "input-raw-bpf-filter", user, err);
    wish->responses = options_bool(options, "input-raw-track-response");
    wish->tags = s->link_type == DLT_EN10MB ? VLAN_TAGS : 0;
    wish->loopback = s->link_type == DLT_LINUX_SLL2 ? if_nametoindex("lo") : 0;
    if (!bpf_text(text, sizeof(text), wish))
        return err_usage(err, "--input-raw: too many ports and hosts for one filter");
    return source_set_filter(s, "input-raw", text, err);
}

/* Packets are wanted without delay, and nothing else is that only libpcap's ring can do. */
static bool wants_at_once(const struct sharing *sharing, const struct options *options)
{
    return options_given(options, "input-raw-buffer-timeout") &&
           options_duration_ns(options, "input-raw-buffer-timeout") == 0 && !sharing->is_shared &&
           !*options_string(options, "input-raw-timestamp-type");
}

/* Of a device whose packets cannot come at once, they come from the ring. */
static int open_device(struct source *s, const struct sharing *sharing,
                       const struct options *options, struct err *err)
{
    s->at_once = wants_at_once(sharing, options);
    int r = activate(s, sharing, options, err);
    if (r < 0 || !s->at_once || direct_can(s))
        return r;
    s->at_once = false;
    pcap_close(s->pcap);
    return activate(s, sharing, options, err);
}

int source_open_live(struct source *s, const struct raw_address *address,
                     const struct sharing *sharing, const struct options *options, struct err *err)
{
    struct bpf_wish wish = {.ports = address->ports, .n_ports = address->n_ports};
    *s = (struct source){.fd = -1};
    int r = choose_device(s, address->host, &wish, err);
    if (r == 0 && strcmp(s->name, "any") == 0 && options_given(options, "input-raw-vlan-vid") &&
        options_given(options, "input-raw-ignore-interface"))
        r = err_usage(err, "--input-raw-ignore-interface does not go together with "
                           "--input-raw-vlan-vid on all interfaces: name one in --input-raw");
    if (r == 0)
        r = open_device(s, sharing, options, err);
    if (r == 0)
        r = share(s, sharing, err);
    if (r == 0)
        r = set_filter(s, &wish, options, err);
    if (r == 0 && s->at_once)
        r = direct_open(s, buffer_size(options), is_loopback(s), err);
    if (r < 0)
        source_close(s);
    return r;
}
