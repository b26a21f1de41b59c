# SPDX-License-Identifier: MIT
"""TCP segments, IP packets, extension headers and fragments, from parts; capture files. Addresses
are bytes. Checksums are zero: a host that captures its own traffic sees them unset."""
import struct

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

TCP_HEAD = struct.Struct("!HHIIBBHHH")
IPV4_HEAD = struct.Struct("!BBHHHBBH")
IPV6_HEAD = struct.Struct("!IHBB")
PCAP_HEAD = struct.Struct("<IIII")
JUMBO = 194  # option type (RFC 2675)


def tcp(src_port, dst_port, seq, ack, flags, payload, options=b"", window=65535):
    options += b"\x01" * (-len(options) % 4)
    return TCP_HEAD.pack(src_port, dst_port, seq, ack, (5 + len(options) // 4) << 4, flags, window,
                         0, 0) + options + payload


def udp(src_port, dst_port, payload):
    return struct.pack("!HHHH", src_port, dst_port, 8 + len(payload), 0) + payload


def ipv4(src, dst, payload, protocol=6, options=b"", ident=0, place=0, total=None):
    """place: flags and fragment offset; total: the length field, when it is not to be true."""
    options += b"\x00" * (-len(options) % 4)
    length = 20 + len(options) + len(payload) if total is None else total
    return IPV4_HEAD.pack(0x45 + len(options) // 4, 0, length, ident, place, 64, protocol,
                          0) + src + dst + options + payload


def ipv6(src, dst, payload, protocol=6, extensions=(), length=None):
    """extensions: of (type, body), the body without its first two bytes, 6 + 8n long."""
    kinds = [kind for kind, _ in extensions] + [protocol]
    chain = b""
    for i, (kind, body) in enumerate(extensions):
        words = (len(body) + 2) // 8 - 1 if kind != 51 else (len(body) + 2) // 4 - 2
        chain += bytes((kinds[i + 1], words)) + body
    size = len(chain) + len(payload) if length is None else length
    return IPV6_HEAD.pack(6 << 28, size, kinds[0], 64) + src + dst + chain + payload


def jumbo(src, dst, payload):
    """IPv6 with a payload length of 0 and the true one in a hop-by-hop option."""
    body = struct.pack("!BBI", JUMBO, 4, 8 + len(payload))
    return ipv6(src, dst, payload, extensions=[(0, body)], length=0)


def extended(rng, src, dst, payload):
    """With options, IPv4 or IPv6, that a reader must find its way through."""
    if len(src) == 4:
        options = rng.choice([b"", b"\x94\x04\x00\x00", b"\x01" * 40, b"\x07\x07\x04" + b"\0" * 4])
        if rng.random() < 0.2:  # an authentication header (RFC 4302)
            payload = b"\x06\x04" + b"\0" * 10 + b"\x55" * 12 + payload
            return ipv4(src, dst, payload, 51, options)
        return ipv4(src, dst, payload, options=options)
    known = [(0, b"\x01\x04\0\0\0\0"), (60, b"\x01\x0c" + b"\0" * 12), (43, b"\x04\0\0\0\0\0"),
             (51, b"\0" * 10 + b"\x55" * 12), (135, b"\0" * 6), (44, b""), (60, b"\x01\x04\0\0\0\0")]
    chosen = [known[i] for i in sorted(rng.sample(range(len(known)), rng.randrange(5)))]
    # an atomic fragment (RFC 6946) has its second byte for nothing
    chosen = [(kind, b"\x00\x00" + rng.randbytes(4)) if kind == 44 else (kind, body)
              for kind, body in chosen]
    return ipv6(src, dst, payload, extensions=chosen)


def fragments(rng, src, dst, payload, protocol=6):
    """The payload in fragments, in order."""
    ident, at, cuts = rng.getrandbits(32), 0, [0]
    most = rng.choice([4, 60, 180])
    while at + 8 < len(payload) and len(cuts) < 200:
        at += 8 * rng.randrange(1, most)
        if at < len(payload):
            cuts.append(at)
    cuts.append(len(payload))
    out = []
    for first, last in zip(cuts, cuts[1:]):
        more = last < len(payload)
        if len(src) == 4:
            place = (0x2000 if more else 0) | first // 8
            out.append(ipv4(src, dst, payload[first:last], protocol, ident=ident & 0xFFFF,
                            place=place))
        else:
            head = struct.pack("!BBHI", protocol, 0, first | more, ident)
            out.append(ipv6(src, dst, head + payload[first:last], 44))
    return out


def write_pcap(path, link_type, packets, snaplen=262144):
    """packets: of (time in ns, bytes), in order."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snaplen, link_type))
        for ns, data in packets:
            cut = data[:snaplen]
            f.write(PCAP_HEAD.pack(ns // 10**9, ns % 10**9, len(cut), len(data)) + cut)
