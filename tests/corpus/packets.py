# SPDX-License-Identifier: MIT
"""What is in a simple capture, computed without refrain: TCP over IPv4, no fragments, no tunnels. For
those captures of which the truth's tools say something that is not so."""
import socket
import struct
import zlib

LINK_HEADER = {0: 4, 1: 14, 228: 0}  # NULL, Ethernet, IPv4


def frames(path):
    """(link type, frame) of a pcap file."""
    with open(path, "rb") as f:
        data = f.read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<"}[data[:4]]
    link = struct.unpack(order + "I", data[20:24])[0]
    at = 24
    while at < len(data):
        kept = struct.unpack(order + "I", data[at + 8 : at + 12])[0]
        yield link, data[at + 16 : at + 16 + kept]
        at += 16 + kept


def segments(path):
    """((source, destination), sequence number, SYN, payload)."""
    for link, frame in frames(path):
        if link == 1 and frame[12:14] != b"\x08\x00":
            continue
        ip = frame[LINK_HEADER[link] :]
        if ip[0] >> 4 != 4 or ip[9] != socket.IPPROTO_TCP:
            continue
        ip = ip[: struct.unpack("!H", ip[2:4])[0]]
        tcp = ip[(ip[0] & 15) * 4 :]
        ports = struct.unpack("!HH", tcp[:4])
        ends = [f"{socket.inet_ntoa(a)}:{p}" for a, p in zip((ip[12:16], ip[16:20]), ports)]
        seq = struct.unpack("!I", tcp[4:8])[0]
        yield (ends[0], ends[1]), seq, bool(tcp[13] & 2), tcp[(tcp[12] >> 4) * 4 :]


def streams(path):
    """The bytes of each direction of each connection that begins in the file."""
    parts, start = {}, {}
    for key, seq, syn, payload in segments(path):
        if syn:
            start[key] = seq + 1
        if payload and key in start:
            parts.setdefault(key, {}).setdefault(seq - start[key] & 0xFFFFFFFF, payload)
    out = {}
    for key, pieces in parts.items():
        stream = b""
        for offset in sorted(pieces):
            if offset > len(stream):
                raise ValueError(f"{key}: a hole at {len(stream)}")
            stream += pieces[offset][len(stream) - offset :]
        out[key] = stream
    return out


def dechunk(body):
    """(data, what lies behind the last chunk and the trailer section)."""
    out = b""
    while True:
        line, _, body = body.partition(b"\n")
        size = int(line.split(b";")[0].strip(), 16)
        if size == 0:
            break
        out += body[:size]
        body = body[size:]
        end = b"\r\n" if body[:1] == b"\r" else b"\n"
        if len(body) < len(end) or not body.startswith(end):
            raise ValueError("a chunk does not end where its size says")
        body = body[len(end) :]
    while True:
        line, found, body = body.partition(b"\n")
        if not found:
            raise ValueError("a trailer section without end")
        if not line.strip(b"\r"):
            return out, body


def head(stream):
    """(fields by name in small letters, body and what follows)."""
    ends = [stream.index(e) + len(e) for e in (b"\r\n\r\n", b"\n\n") if e in stream]
    fields = {}
    for line in stream[: min(ends)].split(b"\n")[1:]:
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    return fields, stream[min(ends) :]


def requests(stream):
    """(chunked, body) of each request of a stream without faults. Coded bodies are checked by the
    check sums that they carry."""
    out = []
    while stream:
        fields, stream = head(stream)
        chunked = fields.get(b"transfer-encoding", b"").lower() == b"chunked"
        if chunked:
            body, stream = dechunk(stream)
        else:
            length = int(fields.get(b"content-length", b"0"))
            body, stream = stream[:length], stream[length:]
        if fields.get(b"content-encoding", b"") == b"gzip":
            zlib.decompress(body, 31)  # raises unless CRC and length agree
        out.append((chunked, body))
    return out


def readings(stream):
    """The offsets in the body at which readers may take the first request to end."""
    fields, rest = head(stream)
    ends = set()
    if b"content-length" in fields:
        ends.add(int(fields[b"content-length"]))
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        line = rest.partition(b"\n")[0]
        size = int(line.split(b";")[0].strip(), 16)
        if size == 0:
            ends.add(len(rest) - len(dechunk(rest)[1]))
        else:
            ends.add(len(line) + 1 + size)
        if size >= 2**64:  # as a reader with 64 bits sees it
            ends.add(len(line) + 1 + size % 2**64)
    return ends
