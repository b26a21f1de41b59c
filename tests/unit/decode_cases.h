/* SPDX-License-Identifier: MIT */
/* Everything that may stand in front of a TCP segment, for the tests of the decoder. */
#pragma once

#include <pcap/dlt.h>

#include "lib/base.h"

struct decode_case {
    const char *layers; /* tests/unit/packet.h */
    int link_type;
    bool is_scoped; /* there are ids that tell it apart from plain traffic */
};

static const struct decode_case decode_cases[] = {
    /* link layers */
    {"eth:0800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4o:06 tcpo", DLT_EN10MB, false},
    {"eth:86dd ip6:06 tcpo", DLT_EN10MB, false},
    {"8023 x:aaaa030000000800 ip4:06 tcp", DLT_EN10MB, false},
    {"8023 x:aaaa030000f886dd ip6:06 tcp", DLT_EN10MB, false},
    {"8023 x:060603 ip4:06 tcp", DLT_EN10MB, false},
    {"8023 x:aaaa030080c20007 eth:0800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:8100 x:00070800 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:8100 x:e0000800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:88a8 x:00078100 x:000886dd ip6:06 tcp", DLT_EN10MB, true},
    {"eth:9100 x:00070800 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:8100 x:0007 len:0 x:aaaa030000000800 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:8847 x:00010140 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:8848 x:00010040 x:00020140 ip6:06 tcp", DLT_EN10MB, false},
    {"eth:8847 x:00010140 x:00000000 eth:0800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:8847 x:00010140 eth:0800 ip4:06 tcp", DLT_EN10MB, false},
    {"x:00010140 ip4:06 tcp", DLT_MPLS, false},
    {"eth:8864 x:11000001 len:0 x:0021 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:8864 x:11000001 len:0 x:57 ip6:06 tcp", DLT_EN10MB, true},
    {"x:11000001 len:0 x:0021 ip4:06 tcp", DLT_PPP_ETHER, true},
    {"x:ff030021 ip4:06 tcp", DLT_PPP, false},
    {"x:0057 ip6:06 tcp", DLT_PPP, false},
    {"x:ff0321 ip4:06 tcp", DLT_PPP_SERIAL, false},
    {"x:0281 x:00010140 ip4:06 tcp", DLT_PPP, false},
    {"x:0f000800 ip4:06 tcp", DLT_C_HDLC, false},
    {"x:8f0086dd ip6:06 tcp", DLT_C_HDLC, false},
    {"x:ff030021 ip4:06 tcp", DLT_C_HDLC, false},
    {"x:02000000 ip4:06 tcp", DLT_NULL, false},
    {"x:00000002 ip4:06 tcp", DLT_NULL, false},
    {"x:18000000 ip6:06 tcp", DLT_NULL, false},
    {"x:0000001e ip6:06 tcp", DLT_LOOP, false},
    {"ip4:06 tcp", 12, false},
    {"ip6:06 tcp", 14, false},
    {"ip4:06 tcp", 101, false},
    {"ip4:06 tcp", DLT_IPV4, false},
    {"ip6:06 tcp", DLT_IPV6, false},
    {"x:0000000100060200000000010000 x:0800 ip4:06 tcp", DLT_LINUX_SLL, false},
    {"x:0000000100060200000000010000 x:8100 x:000786dd ip6:06 tcp", DLT_LINUX_SLL, true},
    {"x:0000000100060200000000010000 x:0004 x:aaaa030000000800 ip4:06 tcp", DLT_LINUX_SLL, false},
    {"x:0800 x:000000000002000100060200000000010000 ip4:06 tcp", DLT_LINUX_SLL2, false},
    {"x:86dd x:000000000002000100060200000000010000 ip6:06 tcp", DLT_LINUX_SLL2, false},
    {"x:02000000 x:0800010008000100 x:05000a0061000000 x:48000900 ip4:06 tcp", DLT_NFLOG, false},
    {"x:02000000 x:0008000100080100 x:0005000a61000000 x:00480009 ip4:06 tcp", DLT_NFLOG, false},
    /* wireless */
    {"x:08010000 x:010101010101 x:020202020202 x:030303030303 x:1000 x:aaaa030000000800 "
     "ip4:06 tcp",
     DLT_IEEE802_11, false},
    {"x:88020000 x:010101010101 x:020202020202 x:030303030303 x:1000 x:0000 "
     "x:aaaa030000000800 ip4:06 tcp",
     DLT_IEEE802_11, false},
    {"x:88830000 x:010101010101 x:020202020202 x:030303030303 x:1000 x:040404040404 "
     "x:000000000000 x:aaaa0300000086dd ip6:06 tcp",
     DLT_IEEE802_11, false},
    {"x:00000800 x:00000000 x:08010000 x:010101010101 x:020202020202 x:030303030303 x:1000 "
     "x:aaaa030000000800 ip4:06 tcp",
     DLT_IEEE802_11_RADIO, false},
    {"x:00001900 x:03000080 x:00000000 x:00000000 x:1122334455667788 x:20 "
     "x:88020000 x:010101010101 x:020202020202 x:030303030303 x:1000 x:0000 x:0000 "
     "x:aaaa030000000800 ip4:06 tcp",
     DLT_IEEE802_11_RADIO, false},
    {"x:00000c0069000000 x:11223344 x:08010000 x:010101010101 x:020202020202 x:030303030303 "
     "x:1000 x:aaaa030000000800 ip4:06 tcp",
     DLT_PPI, false},
    /* IPv6 extension headers */
    {"eth:86dd ip6:00 x:2b00010400000000 x:3c01000000000000 x:0000000000000000 "
     "x:0600010400000000 tcp",
     DLT_EN10MB, false},
    {"eth:86dd ip6:2c x:0600000000000001 tcp", DLT_EN10MB, false},
    {"eth:86dd ip6:87 x:0600000000000000 tcp", DLT_EN10MB, false},
    {"eth:86dd ip6:33 x:060200000000000100000002 x:11223344 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:33 x:0604000000000001 x:00000002 x:112233445566778899aabbcc tcp", DLT_EN10MB,
     false},
    /* tunnels on IP */
    {"eth:0800 ip4:04 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:29 ip6:06 tcp", DLT_EN10MB, false},
    {"eth:86dd ip6:04 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:86dd ip6:29 ip6:06 tcp", DLT_EN10MB, false},
    {"eth:86dd ip6:8f eth:0800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:89 x:00010140 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:61 x:3000 eth:0800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:2f x:00000800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:2f x:b00086dd x:00000000 x:0000002a x:00000001 ip6:06 tcp", DLT_EN10MB, true},
    {"eth:0800 ip4:2f x:20006558 x:0000002a eth:0800 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:0800 ip4:2f x:3001880b len:-6 x:0007 x:00000001 x:ff030021 ip4:06 tcp", DLT_EN10MB,
     false},
    {"eth:0800 ip4:2f x:3081880b len:-a x:0007 x:00000001 x:00000002 x:0021 ip4:06 tcp", DLT_EN10MB,
     false},
    {"eth:0800 ip4:2f x:000088be eth:0800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:2f x:100088be x:00000001 x:1000000100000000 eth:0800 ip4:06 tcp", DLT_EN10MB,
     false},
    {"eth:0800 ip4:2f x:100088be x:00000001 x:1007000100000000 eth:0800 ip4:06 tcp", DLT_EN10MB,
     true},
    {"eth:0800 ip4:2f x:100022eb x:00000001 x:200000010000000000000000 eth:0800 ip4:06 tcp",
     DLT_EN10MB, false},
    {"eth:0800 ip4:2f x:100022eb x:00000001 x:200700010000000000000801 x:0000000000000000 "
     "ip4:06 tcp",
     DLT_EN10MB, true},
    {"eth:0800 ip4:73 x:0000002a eth:0800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:73 x:0000002a x:11223344 x:00000000 eth:86dd ip6:06 tcp", DLT_EN10MB, false},
    {"eth:894f x:0fc20203 x:0000010a eth:0800 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:894f x:0fc60101 x:0000010a x:00000000000000000000000000000000 ip4:06 tcp", DLT_EN10MB,
     false},
    /* tunnels on UDP */
    {"eth:0800 ip4:11 udp:12b5 x:0800000000002a00 eth:0800 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:0800 ip4:11 udp:2118 x:8800001200002a00 eth:8100 x:000786dd ip6:06 tcp", DLT_EN10MB,
     true},
    {"eth:0800 ip4:11 udp:12b6 x:0c00000100002a00 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:0800 ip4:11 udp:12b6 x:0c00000300002a00 eth:0800 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:0800 ip4:11 udp:12b6 x:0c00000400002a00 x:0fc20202 x:0000010a ip6:06 tcp", DLT_EN10MB,
     true},
    {"eth:0800 ip4:11 udp:12b6 x:0c00000500002a00 x:00010140 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:0800 ip4:11 udp:12b6 x:0800000000002a00 eth:0800 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:0800 ip4:11 udp:17c1 x:0000655800002a00 eth:0800 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:86dd ip6:11 udp:17c1 x:0240080000002a00 x:0102030111223344 ip4:06 tcp", DLT_EN10MB, true},
    {"eth:0800 ip4:11 udp:0868 x:30ff len:-4 x:00000001 ip4:06 tcp", DLT_EN10MB, false},
    /* sequence number and two extension headers of 8 and 4 bytes */
    {"eth:0800 ip4:11 udp:0868 x:36ff len:-4 x:00000001 x:00010085 x:02000000000000c0 x:01000000 "
     "ip6:06 tcp",
     DLT_EN10MB, false},
    {"eth:0800 ip4:11 udp:0dd8 ip6:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:11 udp:0dd8 x:00010402 x:111111112222 x:0000000000000001 x:00 "
     "x:00001122c0000201 ip6:06 tcp",
     DLT_EN10MB, false},
    {"eth:0800 ip4:11 udp:06a5 x:0002 x:00010002 x:0021 ip4:06 tcp", DLT_EN10MB, false},
    {"eth:0800 ip4:11 udp:06a5 x:4a02 len:4 x:00010002 x:00010000 x:0003aaaaaa x:ff030057 "
     "ip6:06 tcp",
     DLT_EN10MB, false},
    {"eth:0800 ip4:11 udp:06a5 x:00030000 x:0000002a x:00000000 eth:0800 ip4:06 tcp", DLT_EN10MB,
     false},
    {"eth:0800 ip4:11 udp:13d0 x:44520129 x:5f000000 x:11111111111111111111111111111111 "
     "x:2222222222222222222222222222222222222222 ip6:06 tcp",
     DLT_EN10MB, false},
    /* nested */
    {"eth:0800 ip4:2f x:100088be x:00000001 x:1000000100000000 eth:0800 ip4:11 udp:12b5 "
     "x:0800000000002a00 eth:0800 ip4:06 tcp",
     DLT_EN10MB, true},
    {"eth:88a8 x:00078847 x:00010140 ip4:11 udp:0868 x:30ff len:-4 x:00000001 ip4:29 ip6:06 tcp",
     DLT_EN10MB, true},
};
