#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Captures made from a seed, with known truth: what refrain must find in them, byte for byte.

Each profile mixes one kind of trouble into hundreds of interleaved connections. Expected: every
request that is whole on the wire, in order per connection; of a damaged one nothing; the next one
found again. A failure prints the seed, which makes the same capture again.

usage: run.py REFRAIN [--seeds N] [--first SEED] [--profile NAME]
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import packets as p  # noqa: E402

START_NS = 1_700_000_000 * 10**9
SERVER_PORT = 8080


def make_request(rng, number):
    """Bytes of a request that no other has; some with bodies, some chunked."""
    kind = rng.random()
    head = f"/{number}/{'x' * rng.choice([0, 3, 40, 900, 2500])} HTTP/1.1\r\nHost: h{number}\r\n"
    fields = "".join(f"X-{i}: {rng.getrandbits(64):x}\r\n" for i in range(rng.randrange(6)))
    if kind < 0.5:
        return f"GET {head}{fields}\r\n".encode()
    body = bytes(rng.getrandbits(8) for _ in range(rng.choice([1, 30, 700, 5000])))
    if kind < 0.8:
        return f"POST {head}{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body
    out, at = b"", 0
    while at < len(body):
        size = rng.randrange(1, 900)
        piece = body[at : at + size]
        out += f"{len(piece):x};e=1\r\n".encode() + piece + b"\r\n"
        at += size
    return f"PUT {head}{fields}Transfer-Encoding: chunked\r\n\r\n".encode() + out + (
        b"0\r\nX-Trailer: 1\r\n\r\n")


class Connection:
    """One client connection: what it sends, cut into segments, and how that appears on the wire."""

    def __init__(self, rng, number, profile, v6):
        self.rng, self.profile, self.v6 = rng, profile, v6
        self.client = f"2001:db8::{number + 1:x}" if v6 else f"10.{number >> 8}.{number & 255}.1"
        self.server = "2001:db8:ffff::1" if v6 else "10.255.255.254"
        self.port = 1024 + number % 60000
        self.isn = rng.getrandbits(32)
        if profile == "wrap":
            self.isn = (2**32 - rng.randrange(1, 4000)) % 2**32
        self.server_isn = rng.getrandbits(32)
        self.requests = [make_request(rng, number * 100 + i) for i in range(rng.randrange(1, 6))]
        self.expected = list(self.requests)
        self.answers = 0

    # a segment is (seq, flags, payload, from_client)
    def client_segment(self, at, data, flags=p.ACK | p.PSH):
        return (self.isn + 1 + at) % 2**32, flags, data, True

    def server_segment(self, flags, data=b"", ack_at=0):
        seq = (self.server_isn + 1 + self.answers) % 2**32
        self.answers += len(data)
        return seq, flags, data, False, (self.isn + 1 + ack_at) % 2**32

    def cut(self, data, base, ends):
        """Segments of data at stream offset base; none crosses an offset of ends."""
        out, at = [], 0
        small = self.rng.random() < 0.2
        while at < len(data):
            size = self.rng.randrange(1, 20 if small else 1449)
            stop = min(at + size, len(data), *[e - base for e in ends if e - base > at])
            out.append((base + at, data[at:stop]))
            at = stop
        return out

    def body(self):
        """Segments of all requests with the profile's trouble, in the order of capture."""
        rng, profile = self.rng, self.profile
        out, base = [], 0
        aligned = profile in ("hole", "snaplen", "midstream")
        stream = b"".join(self.requests)
        ends = []
        for request in self.requests:
            base += len(request)
            ends.append(base)
        if profile == "midstream":
            return self.midstream(ends)
        pieces = self.cut(stream, 0, ends if aligned else [len(stream)])
        if profile == "hole":
            pieces = self.drop_one(pieces, ends)
        if profile == "reorder":
            for i in range(len(pieces) - 1):
                k = min(len(pieces) - 1, i + rng.randrange(1, 5))
                if rng.random() < 0.4:
                    pieces[i], pieces[k] = pieces[k], pieces[i]
        seen = []
        for at, data in pieces:
            out.append(self.client_segment(at, data))
            if profile in ("retransmit", "overlap") and rng.random() < 0.4:
                out.append(self.again(at, data, stream))
            if profile == "probes" and rng.random() < 0.4 and at > 0:
                probe = stream[at - 1 : at] if rng.random() < 0.5 else b""
                out.append(self.client_segment(at - 1, probe, p.ACK))
            seen.append((at, at + len(data)))
            if rng.random() < 0.3 and profile != "one_way":
                out.append(self.server_segment(p.ACK, b"", self.contiguous(seen, at + len(data))))
        return out

    def contiguous(self, seen, end):
        """What a server acknowledges: all up to the first byte that it has not got. It did get what
        only the capture lost."""
        if self.profile == "hole":
            return end
        reached = 0
        for start, stop in sorted(seen):
            if start <= reached:
                reached = max(reached, stop)
        return reached

    def again(self, at, data, stream):
        """A retransmission with other boundaries; in the overlap profile with other bytes where the
        first copy has been seen."""
        first = max(0, at - self.rng.randrange(0, 50))
        if self.profile == "retransmit":
            return self.client_segment(first, stream[first : at + len(data)])
        return self.client_segment(first, b"\x00" * (at + len(data) - first))

    def drop_one(self, pieces, ends):
        """Loses one segment; the request that it belongs to is not to be found."""
        lost = self.rng.randrange(len(pieces))
        at = pieces[lost][0]
        for i, end in enumerate(ends):
            if at < end:
                self.expected[i] = None
                break
        return pieces[:lost] + pieces[lost + 1 :]

    def midstream(self, ends):
        """The capture begins inside the connection: at a segment that is not the first."""
        stream = b"".join(self.requests)
        pieces = self.cut(stream, 0, ends)
        first = self.rng.randrange(len(pieces))
        begins = [0] + ends[:-1]
        for i, begin in enumerate(begins):
            if begin < pieces[first][0]:
                self.expected[i] = None
        return [self.client_segment(at, data) for at, data in pieces[first:]]

    def segments(self):
        stream_len = sum(map(len, self.requests))
        body = self.body()
        out = []
        if self.profile != "midstream":
            out.append(((self.isn) % 2**32, p.SYN, b"", True))
            if self.profile != "one_way":
                out.append((self.server_isn, p.SYN | p.ACK, b"", False, (self.isn + 1) % 2**32))
        if self.profile == "syn_data" and body and body[0][3]:
            seq, _, data, _ = body.pop(0)
            out = [(self.isn % 2**32, p.SYN, data, True)]
            out.append((self.server_isn, p.SYN | p.ACK, b"", False,
                        (self.isn + 1 + len(data)) % 2**32))
            assert seq == (self.isn + 1) % 2**32
        out += body
        if self.profile != "one_way":
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * len(self.requests)
            out.append(self.server_segment(p.ACK | p.PSH, answer, stream_len))
        how = self.rng.random()
        if how < 0.5:
            out.append(self.client_segment(stream_len, b"", p.FIN | p.ACK))
        elif how < 0.8:
            out.append(self.client_segment(stream_len, b"", p.RST))
        return out


def to_ip(conn, segment, rng, profile):
    """IP packets that carry a segment."""
    seq, flags, data, from_client = segment[:4]
    ack = segment[4] if len(segment) > 4 else (conn.server_isn + 1 + conn.answers) % 2**32
    src, dst = (conn.client, conn.server) if from_client else (conn.server, conn.client)
    ports = (conn.port, SERVER_PORT) if from_client else (SERVER_PORT, conn.port)
    options = b"\x01\x01\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x02"
    if profile != "snaplen":  # there the length of each packet must be known beforehand
        options = rng.choice([b"", options])
    segment = p.tcp(*ports, seq, 0 if flags == p.SYN else ack, flags, data, options)
    if conn.v6:
        extensions = []
        if profile == "ip_options":
            extensions = rng.choice([[], [(0, b"\x01\x04\0\0\0\0")],
                                     [(0, b"\x01\x0c" + b"\0" * 12), (60, b"\x01\x04\0\0\0\0")]])
        return [p.ipv6(src, dst, segment, extensions)]
    if profile == "fragments" and len(segment) > 64 and rng.random() < 0.5:
        sizes = [8 * rng.randrange(1, 60) for _ in range(10)]
        out = p.fragments(src, dst, segment, rng.getrandbits(16), sizes)
        rng.shuffle(out)
        return out
    if profile == "tso" and len(data) > 40 and rng.random() < 0.5:
        return [p.ipv4(src, dst, segment, total=0)]
    options = b"\x94\x04\x00\x00" if profile == "ip_options" and rng.random() < 0.5 else b""
    return [p.ipv4(src, dst, segment, options=options)]


PROFILES = ["cuts", "reorder", "retransmit", "overlap", "wrap", "syn_data", "probes", "one_way",
            "midstream", "hole", "snaplen", "ip_options", "fragments", "tso", "reuse", "links"]
SNAPLEN = 300


def lost_to_snaplen(conn, segments, overhead):
    """Marks the requests of which a packet is longer than the snaplen."""
    ends, end = [], 0
    for request in conn.requests:
        end += len(request)
        ends.append(end)
    for segment in segments:
        at = (segment[0] - conn.isn - 1) % 2**32
        if segment[3] and overhead + len(segment[2]) > SNAPLEN:
            for i, e in enumerate(ends):
                if at < e:
                    conn.expected[i] = None
                    break


def build(seed, profile):
    """(link, packets, expected per connection)"""
    rng = random.Random(f"{seed}/{profile}")
    link = "ethernet"
    if profile == "links":
        link = rng.choice(sorted(p.LINKS))
    conns, queues = [], []
    for number in range(rng.choice([1, 5, 60])):
        v6 = profile not in ("fragments", "tso") and rng.random() < 0.3
        conn = Connection(rng, number, profile, v6)
        segments = conn.segments()
        if profile == "snaplen":
            # Ethernet, IP, TCP with its options
            lost_to_snaplen(conn, segments, 14 + (40 if v6 else 20) + 20 + 12)
        conns.append(conn)
        queues.append([(conn, s) for s in segments])
        if profile == "reuse":
            again = Connection(rng, number, profile, v6)
            again.isn = (conn.isn + sum(map(len, conn.requests)) + 100_000) % 2**32
            conns.append(again)
            queues[-1] += [(again, s) for s in again.segments()]
    now, out = START_NS, []
    queues = [q for q in queues if q]
    while queues:
        queue = rng.choice(queues)
        conn, segment = queue.pop(0)
        if not queue:
            queues.remove(queue)
        for packet in to_ip(conn, segment, rng, profile):
            now += rng.randrange(1, 200_000)
            out.append((now, p.frame(link, packet)))
    expected = {}
    for conn in conns:
        key = (conn.client, conn.port)
        expected.setdefault(key, []).extend(r for r in conn.expected if r is not None)
    return link, out, expected


def parse(output):
    found, at = {}, 0
    while at < len(output):
        end = output.index(b"\n", at)
        fields = output[at:end].decode().split(" ")
        length = int(fields[4])
        payload = output[end + 1 : end + 1 + length]
        if zlib.crc32(payload) != int(fields[5], 16):
            raise ValueError("checksum")
        at = end + 1 + length + 14
        host, _, port = fields[6].rpartition(":")
        found.setdefault((host.strip("[]"), int(port)), []).append(payload)
    return found


def check(refrain, seed, profile, path):
    link, frames, expected = build(seed, profile)
    p.write_pcap(path, link, frames, SNAPLEN if profile == "snaplen" else 262144)
    cmd = [refrain, "--input-raw", f"{path}:{SERVER_PORT}", "--input-raw-engine", "pcap_file",
           "--output-stdout", "--summary", "json"]
    done = subprocess.run(cmd, capture_output=True, timeout=60, check=False)
    log = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        return f"exit status {done.returncode}: {log[-400:]}"
    if not json.loads(log.strip().splitlines()[-1])["balanced"]:
        return "the books do not balance"
    found = parse(done.stdout)
    for key in sorted(set(expected) | set(found)):
        want, got = expected.get(key, []), found.get(key, [])
        if want == got:
            continue
        names = [r.split(b" ", 2)[1][:12] for r in want], [r.split(b" ", 2)[1][:12] for r in got]
        return f"{key}: {len(want)} expected {names[0]}, {len(got)} found {names[1]}"
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("refrain")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--profile", choices=PROFILES)
    args = parser.parse_args()
    profiles = [args.profile] if args.profile else PROFILES
    failed = 0
    print(f"1..{len(profiles)}")
    with tempfile.TemporaryDirectory() as folder:
        for n, profile in enumerate(profiles, 1):
            problem = ""
            for seed in range(args.first, args.first + args.seeds):
                problem = check(args.refrain, seed, profile, os.path.join(folder, "a.pcap"))
                if problem:
                    problem = f"seed {seed}: {problem}"
                    break
            failed += bool(problem)
            print(f"{'not ' if problem else ''}ok {n} - {profile}: {args.seeds} captures")
            if problem:
                print(f"# {problem}")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
