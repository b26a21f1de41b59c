/* SPDX-License-Identifier: MIT */
/* Live capture with libpcap: one handle, on one device or on all of them ("any", which also sees
 * devices that come up later). */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/bpf.h"
#include "capture/source.h"
#include "lib/span.h"

/* Whole packets, also those that offload has put together. */
#define SNAPLEN 262144
/* How long the kernel may gather packets before it hands them over. */
#define DEFAULT_TIMEOUT_MS 10
#define DEFAULT_BUFFER (32 * MIB)
#define SMALLEST_BUFFER (2 * MIB)

static bool is_address(const char *text)
{
    struct in6_addr addr;
    return inet_pton(AF_INET, text, &addr) == 1 || inet_pton(AF_INET6, text, &addr) == 1;
}

static bool means_all(const char *host)
{
    return *host == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
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
                     "--input-raw \"%s\": no interface or address of that name (this machine has: "
                     "%s)",
                     host, list);
}

/* Which device, and which addresses the filter asks for. */
static int choose_device(struct source *s, const char *host, struct bpf_wish *wish, struct err *err)
{
    const char *device = "any";
    if (strcmp(host, "localhost") == 0) {
        device = "lo";
        wish->hosts[0] = "127.0.0.1";
        wish->hosts[1] = "::1";
    } else if (!means_all(host) && is_address(host)) {
        wish->hosts[0] = host; /* wherever its packets pass */
    } else if (!means_all(host)) {
        if (if_nametoindex(host) == 0)
            return unknown_device(host, err);
        device = host;
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

/* The engines af_packet and raw_socket are libpcap's own on Linux. */
static int set_up(struct source *s, const struct options *options, uint64_t buffer, struct err *err)
{
    int64_t timeout_ns = options_duration_ns(options, "input-raw-buffer-timeout");
    bool immediate = options_given(options, "input-raw-buffer-timeout") && timeout_ns == 0;
    int timeout_ms =
        timeout_ns > 0 ? (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS) : DEFAULT_TIMEOUT_MS;
    const char *type = options_string(options, "input-raw-timestamp-type");
    pcap_t *p = s->pcap;
    pcap_set_snaplen(p, SNAPLEN);
    pcap_set_promisc(p, options_bool(options, "input-raw-promisc"));
    pcap_set_buffer_size(p, buffer > INT32_MAX ? INT32_MAX : (int)buffer);
    pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
    pcap_set_timeout(p, timeout_ms);
    s->delay_ms = timeout_ms;
    pcap_set_immediate_mode(p, immediate);
    if (options_bool(options, "input-raw-monitor") && pcap_set_rfmon(p, 1) != 0)
        return err_usage(err, "--input-raw-monitor: %s cannot do that", s->name);
    if (*type && strcmp(type, "go") != 0) {
        if (strncmp(type, "PCAP_TSTAMP_", 12) == 0)
            type += 12; /* as gor's documentation writes them */
        char name[64];
        snprintf(name, sizeof(name), "%s", type);
        for (char *c = name; *c; c++)
            *c = (char)ascii_lower((uint8_t)*c);
        int value = pcap_tstamp_type_name_to_val(name);
        if (value == PCAP_ERROR || pcap_set_tstamp_type(p, value) != 0)
            return err_usage(err, "--input-raw-timestamp-type \"%s\": %s does not know it", type,
                             s->name);
    }
    return 0;
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

/* A ring as large as asked for; when none was asked for and memory is short, a smaller one. */
static int activate(struct source *s, const struct options *options, struct err *err)
{
    uint64_t asked = options_size(options, "input-raw-buffer-size");
    uint64_t buffer = asked ? asked : DEFAULT_BUFFER;
    char text[PCAP_ERRBUF_SIZE];
    for (;;) {
        s->pcap = pcap_create(s->name, text);
        if (!s->pcap)
            return err_failure(err, "--input-raw: %s: %s", s->name, text);
        int r = set_up(s, options, buffer, err);
        if (r < 0)
            return r;
        int status = pcap_activate(s->pcap);
        if (status >= 0)
            return 0;
        if (status != PCAP_ERROR || errno != ENOMEM || asked || buffer <= SMALLEST_BUFFER)
            return activation_error(s, status, err);
        pcap_close(s->pcap);
        s->pcap = NULL;
        buffer /= 2;
    }
}

static int set_filter(struct source *s, struct bpf_wish *wish, const struct options *options,
                      struct err *err)
{
    char text[BPF_TEXT_MAX];
    const char *user = options_string(options, "input-raw-bpf-filter");
    wish->responses = options_bool(options, "input-raw-track-response");
    wish->tags = s->link_type == DLT_EN10MB;
    if (*user)
        return source_set_filter(s, user, err);
    if (!bpf_text(text, sizeof(text), wish))
        return err_usage(err, "--input-raw: too many ports for one filter");
    return source_set_filter(s, text, err);
}

int source_open_live(struct source *s, const struct raw_address *address,
                     const struct options *options, struct err *err)
{
    char text[PCAP_ERRBUF_SIZE];
    struct bpf_wish wish = {.ports = address->ports, .n_ports = address->n_ports};
    *s = (struct source){.fd = -1};
    int r = choose_device(s, address->host, &wish, err);
    if (r == 0)
        r = activate(s, options, err);
    if (r == 0) {
        if (strcmp(s->name, "any") == 0) /* names the device that a packet came by */
            pcap_set_datalink(s->pcap, DLT_LINUX_SLL2);
        s->link_type = pcap_datalink(s->pcap);
        r = set_filter(s, &wish, options, err);
    }
    if (r == 0 && pcap_setnonblock(s->pcap, 1, text) != 0)
        r = err_failure(err, "--input-raw: %s: %s", s->name, text);
    if (r < 0) {
        source_close(s);
        return r;
    }
    s->fd = pcap_get_selectable_fd(s->pcap);
    return 0;
}
