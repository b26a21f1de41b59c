/* SPDX-License-Identifier: MIT */
/* Several captures of one device that share its packets (packet(7), PACKET_FANOUT): the kernel
 * gives all packets of a connection, in both directions, to the same one. */
#pragma once

#include <pcap/pcap.h>

#include "lib/err.h"

/* Before pcap_activate(): nothing is captured until fanout_join(), so that no packet is seen both
 * by a capture alone and by the group. */
void fanout_hold(pcap_t *pcap);

/* After pcap_activate(): joins the group of first; NULL: begins one. A filter must be set next:
 * none passes anything until then. loopback: packets that the device sends are left out, which a
 * group does not inherit from its sockets. name is for err. */
MUST_CHECK int fanout_join(pcap_t *pcap, pcap_t *first, bool loopback, const char *name,
                           struct err *err);
