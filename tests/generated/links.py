# SPDX-License-Identifier: MIT
"""What a capture may have around an IP packet: link layers, tags, tunnels. Each maker takes
(packet, up, network) and returns the frame; up: from the client, for what differs by direction;
network: the number of the VLAN or tunnel, 1 to 4000."""
import struct

from packets import ipv4, ipv6, udp

OUTER = (b"\xc6\x33\x64\x01", b"\xc6\x33\x64\x02")
OUTER6 = (b"\x20\x01\x0d\xb8\xaa\xaa" + b"\0" * 10, b"\x20\x01\x0d\xb8\xbb\xbb" + b"\0" * 10)
MACS = (b"\x02\0\0\0\0\x01", b"\x52\0\0\0\0\x02")
SNAP = b"\xaa\xaa\x03\x00\x00\x00"


def be16(n):
    return struct.pack("!H", n)


def be32(n):
    return struct.pack("!I", n)


def is_v6(packet):
    return packet[0] >> 4 == 6


def kind(packet):
    return b"\x86\xdd" if is_v6(packet) else b"\x08\x00"


def eth(type_, payload, up=True):
    """Padded to what Ethernet needs, with what is no zeros."""
    src, dst = MACS if up else MACS[::-1]
    return (dst + src + type_ + payload).ljust(60, b"\xa5")


def plain(packet, up=True, _network=0):
    return eth(kind(packet), packet, up)


def padded(packet, up, network):
    """Also behind long packets: a trailer, and a frame check sequence."""
    return plain(packet, up) + b"GET / HTTP/1.1\r\n\r\n"[: network % 19]


def on_ipv4(protocol, payload, up):
    src, dst = OUTER if up else OUTER[::-1]
    return eth(b"\x08\x00", ipv4(src, dst, payload, protocol), up)


def on_ipv6(protocol, payload, up):
    src, dst = OUTER6 if up else OUTER6[::-1]
    return eth(b"\x86\xdd", ipv6(src, dst, payload, protocol), up)


def on_udp(port, payload, up):
    """As tunnels of a network: any source port, the destination the service's."""
    return on_ipv4(17, udp(50000 if up else 40000, port, payload), up)


def between(port, payload, up):
    """As tunnels of a host: the answers come from the service's port."""
    return on_ipv4(17, udp(*((50000, port) if up else (port, 50000)), payload), up)


def llc(packet):
    """Length, LLC and SNAP; what is too long for that has its type as usual."""
    inner = SNAP + kind(packet) + packet
    return be16(len(inner)) + inner if len(inner) <= 1500 else kind(packet) + packet


def ppp(packet, address=b"\xff\x03"):
    return address + (b"\x00\x57" if is_v6(packet) else b"\x00\x21") + packet


def wlan(packet, up, pad=b""):
    """With QoS in one direction, and the header padded behind it."""
    qos = b"\x00\x00" + pad if up else b""
    return ((b"\x88\x01" if up else b"\x08\x02") + b"\0\0" + MACS[0] * 3 + b"\x10\x00" + qos + SNAP
            + kind(packet) + packet)


def radiotap(packet, up, _network):
    if up:  # the flags field tells that the 802.11 header is padded to 32 bits
        return b"\0\0\x09\0\x02\0\0\0\x20" + wlan(packet, up, b"\0\0")
    return b"\0\0\x08\0\0\0\0\0" + wlan(packet, up)


def nflog(packet, up, _network):
    order = "<" if up else ">"
    mark = struct.pack(order + "HHI", 8, 3, 7)
    body = struct.pack(order + "HH", 4 + len(packet), 9) + packet + b"\0" * (-len(packet) % 4)
    return struct.pack("!BBH", 10 if is_v6(packet) else 2, 0, 5) + mark + body


def pppoe(packet, _up, network):
    inner = ppp(packet, b"")
    return b"\x11\x00" + be16(network) + be16(len(inner)) + inner


def labels(up):
    first = 17 if up else 18  # each direction has labels of its own
    return be32(first << 12 | 0x40) + be32(19 << 12 | 0x140)


def vxlan(network):
    return b"\x08\0\0\0" + be32(network << 8)


def gpe(next_, network):
    return b"\x0c\0\0" + bytes((next_,)) + be32(network << 8)


def geneve(type_, network, options=b""):
    return bytes((len(options) // 4, 0)) + type_ + be32(network << 8) + options


def erspan2(network):
    return be16(1 << 12 | network) + be16(5) + be32(0)


def erspan3(network):
    return be16(2 << 12 | network) + be16(5) + be32(7) + be16(0) + be16(0)


def gtp(packet, up, extended):
    teid = be32(11 if up else 12)
    if not extended:
        return b"\x30\xff" + be16(len(packet)) + teid + packet
    rest = b"\0\x01\0\x85" + b"\x01\x10\x09\x00" + packet  # a PDU session container
    return b"\x34\xff" + be16(len(rest)) + teid + rest


def in_ipv6(packet, up):
    return ipv6(*(OUTER6 if up else OUTER6[::-1]), packet, 41 if is_v6(packet) else 4)


def teredo(packet, up):
    head = b"\x00\x01\x00\x00" + b"\x07" * 9 + b"\x00\x00\x11\x22\xc0\x00\x02\x01" if up else b""
    return head + (packet if is_v6(packet) else in_ipv6(packet, up))


def ip_only(version):
    return lambda packet, up, network: (
        packet if (packet[0] >> 4) == version else other_version(packet, up))


def other_version(packet, up):
    if is_v6(packet):
        return ipv4(*(OUTER if up else OUTER[::-1]), packet, 41)
    return in_ipv6(packet, up)


def family(order, v6):
    return lambda packet, up, network: struct.pack(order + "I", v6 if is_v6(packet) else 2) + packet


# name: (link type of the file, maker)
LINKS = {
    "null": (0, family("<", 24)),
    "null, big-endian": (0, family(">", 30)),
    "loop": (108, family(">", 28)),
    "ethernet": (1, plain),
    "802.3": (1, lambda p, up, n: eth(llc(p)[:2], llc(p)[2:], up)),
    "raw 12": (12, lambda p, up, n: p),
    "raw 14": (14, lambda p, up, n: p),
    "raw": (101, lambda p, up, n: p),
    "ipv4": (228, ip_only(4)),
    "ipv6": (229, ip_only(6)),
    "ppp": (9, lambda p, up, n: ppp(p, b"\xff\x03" if up else b"")),
    "ppp serial": (50, lambda p, up, n: ppp(p)),
    "ppp ether": (51, pppoe),
    "c_hdlc": (104, lambda p, up, n: b"\x0f\x00" + kind(p) + p),
    "c_hdlc, ppp": (104, lambda p, up, n: ppp(p)),
    "sll": (113, lambda p, up, n: be16(4 if up else 0) + b"\0\x01\0\x06\x02\0\0\0\0\x01\0\0"
            + kind(p) + p),
    "sll2": (276, lambda p, up, n: kind(p) + b"\0\0\0\0\0\x02\0\x01" + bytes((4 if up else 0, 6))
             + b"\x02" * 8 + p),
    "nflog": (239, nflog),
    "802.11": (105, lambda p, up, n: wlan(p, up)),
    "radiotap": (127, radiotap),
    "ppi": (192, lambda p, up, n: b"\0\0\x0c\0" + struct.pack("<I", 105) + b"\x11" * 4
            + wlan(p, up)),
    "mpls": (219, lambda p, up, n: labels(up) + p),
    "mpls on ethernet": (1, lambda p, up, n: eth(b"\x88\x47", labels(up) + p, up)),
    "ethernet on mpls": (1, lambda p, up, n: eth(b"\x88\x47", labels(up) + b"\0\0\0\0"
                                                 + plain(p, up), up)),
    "nsh": (1, lambda p, up, n: eth(b"\x89\x4f", b"\x0f\xc2\x02\x03\x00\x00\x01\x0a" + plain(p, up),
                                    up)),
    "ipip": (1, lambda p, up, n: on_ipv4(41 if is_v6(p) else 4, p, up)),
    "ip in ipv6": (1, lambda p, up, n: on_ipv6(41 if is_v6(p) else 4, p, up)),
    "gre": (1, lambda p, up, n: on_ipv4(47, b"\0\0" + kind(p) + p, up)),
    "gre, checksum": (1, lambda p, up, n: on_ipv6(47, b"\x90\0" + kind(p) + b"\0" * 8 + p, up)),
    "pptp": (1, lambda p, up, n: on_ipv4(47, b"\x30\x01\x88\x0b" + be16(len(p) + 4)
                                         + be16(7 if up else 8) + be32(1) + ppp(p), up)),
    "erspan 1": (1, lambda p, up, n: on_ipv4(47, b"\0\0\x88\xbe" + plain(p, up), up)),
    "etherip": (1, lambda p, up, n: on_ipv4(97, b"\x30\x00" + plain(p, up), up)),
    "mpls on ip": (1, lambda p, up, n: on_ipv4(137, labels(up) + p, up)),
    "l2tpv3": (1, lambda p, up, n: on_ipv4(115, be32(5 if up else 6) + plain(p, up), up)),
    "l2tp": (1, lambda p, up, n: between(1701, b"\0\x02" + be16(1) + be16(2 if up else 3) + ppp(p),
                                         up)),
    "gtp-u": (1, lambda p, up, n: on_ipv4(17, udp(2152, 2152, gtp(p, up, False)), up)),
    "gtp-u, extended": (1, lambda p, up, n: on_ipv4(17, udp(2152, 2152, gtp(p, up, True)), up)),
    "teredo": (1, lambda p, up, n: between(3544, teredo(p, up), up)),
}

# those that tell one network from another, so that the same addresses can be in both. The others
# number each direction of its own, or not at all.
NETWORKS = {
    "vlan": (1, lambda p, up, n: eth(b"\x81\x00", be16(n | 0x2000) + kind(p) + p, up)),
    "vlan 9100": (1, lambda p, up, n: eth(b"\x91\x00", be16(n) + kind(p) + p, up)),
    "vlan, 802.3": (1, lambda p, up, n: eth(b"\x81\x00", be16(n) + llc(p), up)),
    "qinq, outer": (1, lambda p, up, n: eth(b"\x88\xa8", be16(n) + b"\x81\0\0\x08" + kind(p) + p,
                                            up)),
    "qinq, inner": (1, lambda p, up, n: eth(b"\x88\xa8", b"\0\x08\x81\0" + be16(n) + kind(p) + p,
                                            up)),
    "sll, vlan": (113, lambda p, up, n: be16(4 if up else 0) + b"\0\x01\0\x06\x02\0\0\0\0\x01\0\0"
                  + b"\x81\0" + be16(n) + kind(p) + p),
    "pppoe": (1, lambda p, up, n: eth(b"\x88\x64", pppoe(p, up, n), up)),
    "vxlan": (1, lambda p, up, n: on_udp(4789, vxlan(n) + plain(p, up), up)),
    "vxlan, linux": (1, lambda p, up, n: on_udp(8472, vxlan(n) + plain(p, up), up)),
    "vxlan-gpe": (1, lambda p, up, n: on_udp(4790, gpe(2 if is_v6(p) else 1, n) + p, up)),
    "geneve": (1, lambda p, up, n: on_udp(6081, geneve(b"\x65\x58", n) + plain(p, up), up)),
    "geneve, ip": (1, lambda p, up, n: on_udp(6081, geneve(kind(p), n, b"\x07" * 8) + p, up)),
    "gre, key": (1, lambda p, up, n: on_ipv4(47, b"\x20\0" + kind(p) + be32(n) + p, up)),
    "gre, ethernet": (1, lambda p, up, n: on_ipv6(47, b"\x20\0\x65\x58" + be32(n) + plain(p, up),
                                                  up)),
    "erspan 2": (1, lambda p, up, n: on_ipv4(47, b"\x10\0\x88\xbe" + be32(9) + erspan2(n)
                                             + plain(p, up), up)),
    "erspan 3": (1, lambda p, up, n: on_ipv4(47, b"\x10\0\x22\xeb" + be32(9) + erspan3(n)
                                             + plain(p, up), up)),
    "vlan in vxlan": (1, lambda p, up, n: on_udp(4789, vxlan(5) + eth(b"\x81\0", be16(n) + kind(p)
                                                                      + p, up), up)),
    "ipip in vlan": (1, lambda p, up, n: eth(b"\x81\0", be16(n) + b"\x08\0" + ipv4(
        *(OUTER if up else OUTER[::-1]), p, 41 if is_v6(p) else 4), up)),
}
ALL = {**LINKS, **NETWORKS, "ethernet, padded": (1, padded)}
NAMES = sorted(ALL)
