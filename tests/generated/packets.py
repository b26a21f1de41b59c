# SPDX-License-Identifier: MIT
"""Packets from parts: TCP segments inside IP, inside whatever link layer a capture may have."""
import socket
import struct

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

# pcap link types by name
LINKS = {
    "null": 0,
    "ethernet": 1,
    "raw": 101,
    "linux_sll": 113,
    "linux_sll2": 276,
    "vlan": 1,
    "qinq": 1,
    "mpls": 1,
    "pppoe": 1,
    "vxlan": 1,
    "gre": 1,
    "geneve": 1,
    "ipip": 1,
}


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


def ipv6(src, dst, payload, extensions=(), length=None):
    """extensions: of (type, body), the body without its first two bytes, 6 + 8n long."""
    kinds = [kind for kind, _ in extensions] + [6]
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


def frame(link, packet):
    """An IP packet in its link layer, tags and tunnels included."""
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    short = struct.pack("!H", kind)
    if link == "null":
        return struct.pack("<I", 24 if kind == 0x86DD else 2) + packet
    if link == "raw":
        return packet
    if link == "linux_sll":
        return b"\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00" + short + packet
    if link == "linux_sll2":
        return short + b"\x00\x00\x00\x00\x00\x02\x00\x01\x00\x06" + b"\x02" * 8 + packet
    if link == "vlan":
        return ethernet(0x8100, b"\x00\x07" + short + packet)
    if link == "qinq":
        return ethernet(0x88A8, b"\x00\x07\x81\x00\x00\x08" + short + packet)
    if link == "mpls":
        return ethernet(0x8847, b"\x00\x01\x00\x40\x00\x02\x01\x40" + packet)
    if link == "pppoe":
        ppp = b"\x00\x57" if kind == 0x86DD else b"\x00\x21"
        return ethernet(0x8864, b"\x11\x00\x00\x01" + struct.pack("!H", len(packet) + 2) + ppp
                        + packet)
    if link == "vxlan":
        inner = b"\x08\x00\x00\x00\x00\x00\x2a\x00" + ethernet(kind, packet)
        return outer(udp(50000, 4789, inner), 17)
    if link == "geneve":
        inner = b"\x00\x00\x65\x58\x00\x00\x2a\x00" + ethernet(kind, packet)
        return outer(udp(50000, 6081, inner), 17)
    if link == "gre":
        return outer(b"\x20\x00" + short + b"\x00\x00\x00\x2a" + packet, 47)
    if link == "ipip":
        return outer(packet, 41 if kind == 0x86DD else 4)
    return ethernet(kind, packet)


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
