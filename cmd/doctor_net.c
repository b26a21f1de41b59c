/* SPDX-License-Identifier: MIT */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/findings.h"

/* command: a struct of linux/ethtool.h, whose first member says what is asked. */
static bool ask_driver(int fd, const char *name, void *command)
{
    struct ifreq request = {.ifr_data = command};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

static bool has_offload(int fd, const char *name, uint32_t what)
{
    struct ethtool_value value = {.cmd = what};
    return ask_driver(fd, name, &value) && value.data != 0;
}

/* What reaches us in another shape than it had on the wire. */
static void tell_offloads(struct findings *f, int fd, const char *name)
{
    struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
    bool gro = has_offload(fd, name, ETHTOOL_GGRO), tso = has_offload(fd, name, ETHTOOL_GTSO);
    bool checksums = has_offload(fd, name, ETHTOOL_GTXCSUM);
    bool lro = ask_driver(fd, name, &flags) && flags.data & ETH_FLAG_LRO;
    finding(f, FINDING_OK, "offload", "%s:%s%s%s%s: segments are seen joined, which is cheaper",
            name, gro ? " GRO" : "", lro ? " LRO" : "", tso ? " TSO" : "",
            checksums ? " checksums" : "");
}

/* A small ring in the card loses packets before the kernel has them, and tells few. */
static void tell_card(struct findings *f, int fd, const char *name)
{
    struct ethtool_ringparam ring = {.cmd = ETHTOOL_GRINGPARAM};
    if (!ask_driver(fd, name, &ring) || ring.rx_max_pending == 0)
        return; /* a virtual one */
    if (ring.rx_pending < ring.rx_max_pending)
        finding(f, FINDING_NOTE, "card",
                "%s receives into %u descriptors of %u; if interface_drops are counted: ethtool -G "
                "%s rx %u",
                name, ring.rx_pending, ring.rx_max_pending, name, ring.rx_max_pending);
    else
        finding(f, FINDING_OK, "card", "%s receives into all %u descriptors", name,
                ring.rx_pending);
}

static void tell_interface(struct findings *f, int fd, const char *name)
{
    struct ifreq request = {.ifr_mtu = 0};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    int mtu = ioctl(fd, SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : 0;
    if (ioctl(fd, SIOCGIFFLAGS, &request) != 0)
        return;
    bool up = request.ifr_flags & IFF_UP && request.ifr_flags & IFF_RUNNING;
    finding(f, up ? FINDING_OK : FINDING_NOTE, "interface", "%s: %s, MTU %d%s", name,
            up ? "up" : "down", mtu, request.ifr_flags & IFF_LOOPBACK ? ", loopback" : "");
    if (up) {
        tell_offloads(f, fd, name);
        tell_card(f, fd, name);
    }
}

void doctor_net(struct findings *f)
{
    struct if_nameindex *all = if_nameindex();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (size_t i = 0; all && fd != -1 && all[i].if_index != 0; i++)
        tell_interface(f, fd, all[i].if_name);
    if (!all || fd == -1)
        finding(f, FINDING_WARN, "interface", "the list of interfaces cannot be read");
    if (fd != -1)
        close(fd);
    if (all)
        if_freenameindex(all);
}

static bool table_lists(const char *path, uint16_t port)
{
    char line[512];
    unsigned local, state;
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof(line), file))
        found = sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &local, &state) == 2 &&
                local == port && state == 0x0a; /* TCP_LISTEN */
    if (file)
        fclose(file);
    return found;
}

bool doctor_is_served(uint16_t port)
{
    return table_lists("/proc/net/tcp", port) || table_lists("/proc/net/tcp6", port);
}
