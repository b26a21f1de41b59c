/* SPDX-License-Identifier: MIT */
/* One TCP segment as it was seen: what capture/ decodes a packet to, and all that reassembly/ knows
 * of it. */
#pragma once

#include "lib/base.h"
#include "lib/msg.h"

enum tcp_flag { /* RFC 9293, 3.1 */
                TCP_FIN = 0x01,
                TCP_SYN = 0x02,
                TCP_RST = 0x04,
                TCP_PSH = 0x08,
                TCP_ACK = 0x10,
};

struct segment {
    struct endpoint src, dst;
    uint64_t scope; /* what else tells two flows of equal endpoints apart: VLAN ids and those tunnel
                       ids that both directions share (VNI, GRE key, …; not labels or TEIDs) mixed
                       to one number; 0 for plain traffic */
    int64_t ts_ns; /* of the packet, wall clock */
    uint32_t seq; /* of the first payload byte, or of SYN/FIN when there is none */
    uint32_t ack; /* valid with TCP_ACK */
    uint16_t window;
    uint8_t flags; /* enum tcp_flag */
    const uint8_t *payload; /* borrowed: valid during the call only */
    uint32_t len; /* payload bytes captured */
    uint32_t wire_len; /* payload bytes on the wire; > len: cut by the snaplen */
};
