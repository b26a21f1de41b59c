# SPDX-License-Identifier: MIT
"""Packets from parts: TCP segments inside IP, inside whatever link layer a capture may have."""
import socket
import struct

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

# pcap link types by name
LINKS = {
    "null": 0,
    "loop": 108,
    "ethernet": 1,
    "raw": 101,
    "c_hdlc": 104,
    "linux_sll": 113,
    "linux_sll2": 276,
    "nflog": 239,
    "radiotap": 127,
    "ppp": 9,
    "vlan": 1,
    "qinq": 1,
    "mpls": 1,
    "pppoe": 1,
    "vxlan": 1,
    "gre": 1,
    "erspan": 1,
    "geneve": 1,
    "gtpu": 1,
    "teredo": 1,
    "ipip": 1,
    "ipip_in_vlan": 1,
}
# those that tell one network from another, so that the same addresses can be in both; the labels of
# MPLS and the tunnels of GTP-U have a number for each direction, and tell nothing
NETWORKS = ["vlan", "qinq", "pppoe", "vxlan", "gre", "erspan", "geneve", "ipip_in_vlan"]


def tcp(src_port, dst_port, seq, ack, flags, payload, options=b"", window=65535):
    options += b"\x01" * (-len(options) % 4)
    offset = (20 + len(options)) // 4
    head = struct.pack(
        "!HHIIBBHHH", src_port, dst_port, seq, ack, offset << 4, flags, window, 0, 0
    )
    return head + options + payload


def ipv4(src, dst, payload, ident=0, offset=0, more=False, total=None, options=b"", protocol=6):
    options += b"\x00" * (-len(options) % 4)
    length = 20 + len(options) + len(payload) if total is None else total
    flags = (0x2000 if more else 0) | offset // 8
    head = struct.pack("!BBHHHBBH", 0x40 | (5 + len(options) // 4), 0, length, ident, flags, 64,
                       protocol, 0)
    return head + socket.inet_aton(src) + socket.inet_aton(dst) + options + payload


def ipv6(src, dst, payload, extensions=(), length=None, protocol=6):
    """extensions: of (type, body), the body without its first two bytes, 6 + 8n long."""
    kinds = [kind for kind, _ in extensions] + [protocol]
    chain = b""
    for i, (_, body) in enumerate(extensions):
        chain += struct.pack("!BB", kinds[i + 1], (len(body) + 2) // 8 - 1) + body
    size = len(chain) + len(payload) if length is None else length
    head = struct.pack("!IHBB", 6 << 28, size, kinds[0], 64)
    return (head + socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
            + chain + payload)


def udp(src_port, dst_port, payload):
    return struct.pack("!HHHH", src_port, dst_port, 8 + len(payload), 0) + payload


def ethernet(ethertype, payload, pad=True):
    frame = b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01" + struct.pack("!H", ethertype)
    frame += payload
    return frame.ljust(60, b"\xa5") if pad else frame  # padding that is no zeros


def outer(payload, protocol):
    return ethernet(0x0800, ipv4("192.0.2.1", "192.0.2.2", payload, protocol=protocol))


def cooked(link, packet, kind, short):
    """Link layers without Ethernet; None: not one of them."""
    v6 = kind == 0x86DD
    if link == "null":
        return struct.pack("<I", 24 if v6 else 2) + packet
    if link == "loop":
        return struct.pack("!I", 24 if v6 else 2) + packet
    if link == "raw":
        return packet
    if link == "c_hdlc":
        return b"\x0f\x00" + short + packet
    if link == "ppp":
        return b"\xff\x03" + (b"\x00\x57" if v6 else b"\x00\x21") + packet
    if link == "linux_sll":
        return b"\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00" + short + packet
    if link == "linux_sll2":
        return short + b"\x00\x00\x00\x00\x00\x02\x00\x01\x00\x06" + b"\x02" * 8 + packet
    if link == "nflog":
        family = 10 if v6 else 2
        mark = struct.pack("<HHI", 8, 3, 7)
        body = struct.pack("<HH", 4 + len(packet), 9) + packet
        return struct.pack("!BBH", family, 0, 5) + mark + body + b"\0" * (-len(body) % 4)
    if link == "radiotap":
        head = b"\x00\x00\x08\x00\x00\x00\x00\x00"
        wlan = b"\x08\x01\x00\x00" + b"\x02\0\0\0\0\x01" * 3 + b"\x10\x00"
        return head + wlan + b"\xaa\xaa\x03\x00\x00\x00" + short + packet
    return None


def frame(link, packet, network=7):
    """An IP packet in its link layer, tags and tunnels included. network: the number of the VLAN or
    tunnel, 1 to 4000."""
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    short = struct.pack("!H", kind)
    number = struct.pack("!H", network)
    plain = cooked(link, packet, kind, short)
    if plain is not None:
        return plain
    if link == "vlan":
        return ethernet(0x8100, number + short + packet)
    if link == "qinq":
        return ethernet(0x88A8, number + b"\x81\x00\x00\x08" + short + packet)
    if link == "mpls":
        return ethernet(0x8847, b"\x00\x01\x00\x40\x00\x02\x01\x40" + packet)
    if link == "pppoe":
        ppp = b"\x00\x57" if kind == 0x86DD else b"\x00\x21"
        return ethernet(0x8864, b"\x11\x00" + number + struct.pack("!H", len(packet) + 2) + ppp
                        + packet)
    if link == "vxlan":
        inner = b"\x08\x00\x00\x00" + struct.pack("!I", network << 8) + ethernet(kind, packet)
        return outer(udp(50000, 4789, inner), 17)
    if link == "geneve":
        inner = b"\x00\x00\x65\x58" + struct.pack("!I", network << 8) + ethernet(kind, packet)
        return outer(udp(50000, 6081, inner), 17)
    if link == "gre":
        return outer(b"\x20\x00" + short + struct.pack("!I", network) + packet, 47)
    if link == "erspan":
        head = b"\x10\x00\x88\xbe\x00\x00\x00\x09" + struct.pack("!HHI", 1 << 12 | network, 5, 0)
        return outer(head + ethernet(kind, packet), 47)
    if link == "gtpu":
        inner = b"\x30\xff" + struct.pack("!HI", len(packet), network) + packet
        return outer(udp(2152, 2152, inner), 17)
    if link == "teredo":
        return outer(udp(3544, 3544, packet if kind == 0x86DD else in_ipv6(packet)), 17)
    if link == "ipip":
        return outer(packet, 41 if kind == 0x86DD else 4)
    if link == "ipip_in_vlan":
        whole = ipv4("192.0.2.1", "192.0.2.2", packet, protocol=41 if kind == 0x86DD else 4)
        return ethernet(0x8100, number + b"\x08\x00" + whole)
    return ethernet(kind, packet)


def in_ipv6(packet):
    """IPv4 inside IPv6 (RFC 2473)."""
    return ipv6("2001::1", "2001::2", packet, protocol=4)


def fragments(src, dst, payload, ident, sizes):
    """payload cut into IPv4 fragments; each of sizes is a multiple of 8."""
    out, at = [], 0
    for size in sizes:
        if at + size >= len(payload):
            break
        out.append(ipv4(src, dst, payload[at : at + size], ident, at, True))
        at += size
    out.append(ipv4(src, dst, payload[at:], ident, at, False))
    return out


def write_pcap(path, link, packets, snaplen=262144):
    """packets: of (time in ns, bytes)."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snaplen, LINKS[link]))
        for ns, data in packets:
            cut = data[:snaplen]
            f.write(struct.pack("<IIII", ns // 10**9, ns % 10**9, len(cut), len(data)) + cut)
