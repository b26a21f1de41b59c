# SPDX-License-Identifier: MIT
"""One client connection with known requests: what it sends, cut into segments, with one kind of
trouble, and how that appears on the wire."""
import packets as p

SERVER_PORT = 8080


def make_request(rng, number):
    """Bytes of a request that no other has; some with bodies, some chunked."""
    kind = rng.random()
    head = f"/{number}/{'x' * rng.choice([0, 3, 40, 900, 2500])} HTTP/1.1\r\nHost: h{number}\r\n"
    fields = "".join(f"X-{i}: {rng.getrandbits(64):x}\r\n" for i in range(rng.randrange(6)))
    if kind < 0.5:
        return f"GET {head}{fields}\r\n".encode()
    body = rng.randbytes(rng.choice([1, 30, 700, 5000]))
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
        self.reached = 0

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
        small = len(data) < 3000 and self.rng.random() < 0.2
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
        seen = {}
        for at, data in pieces:
            out.append(self.client_segment(at, data))
            if profile in ("retransmit", "overlap") and rng.random() < 0.4:
                out.append(self.again(at, data, stream))
            if profile == "probes" and rng.random() < 0.4 and at > 0:
                probe = stream[at - 1 : at] if rng.random() < 0.5 else b""
                out.append(self.client_segment(at - 1, probe, p.ACK))
            seen[at] = at + len(data)
            if profile not in ("one_way", "server_only") and rng.random() < 0.3:
                ack = self.contiguous(seen, at + len(data))
                out.append(self.server_segment(p.ACK, b"", ack))
                if profile == "zero_window":
                    # the window closes, is asked for with a byte of old data, and opens again
                    window = [0, 0, rng.randrange(1, 65536)]
                    out[-1] = (*out[-1], window[0])
                    out.append(self.client_segment(ack - 1, b"", p.ACK))
                    out.append((*self.server_segment(p.ACK, b"", ack), window[1]))
                    out.append((*self.server_segment(p.ACK, b"", ack), window[2]))
        return out

    def contiguous(self, seen, end):
        """What a server acknowledges: all up to the first byte that it has not got. It did get what
        only the capture lost. seen: beginnings of what came, and their ends; what has been counted
        is taken out."""
        if self.profile == "hole":
            return end
        while self.reached in seen:
            self.reached = seen.pop(self.reached)
        return self.reached

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
        if self.profile == "server_only":
            out = [segment for segment in out if not segment[3]]
            self.expected = []
        if self.profile != "one_way":
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * len(self.requests)
            out.append(self.server_segment(p.ACK | p.PSH, answer, stream_len))
        how = self.rng.random()
        if self.profile == "server_only":
            return out
        if how < 0.5:
            out.append(self.client_segment(stream_len, b"", p.FIN | p.ACK))
        elif how < 0.8:
            out.append(self.client_segment(stream_len, b"", p.RST))
        return out


def to_ip(conn, segment, rng, profile):
    """IP packets that carry a segment."""
    seq, flags, data, from_client = segment[:4]
    ack = segment[4] if len(segment) > 4 else (conn.server_isn + 1 + conn.answers) % 2**32
    window = segment[5] if len(segment) > 5 else 65535
    src, dst = (conn.client, conn.server) if from_client else (conn.server, conn.client)
    ports = (conn.port, SERVER_PORT) if from_client else (SERVER_PORT, conn.port)
    options = b"\x01\x01\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x02"
    if profile != "snaplen":  # there the length of each packet must be known beforehand
        options = rng.choice([b"", options])
    segment = p.tcp(*ports, seq, 0 if flags == p.SYN else ack, flags, data, options,
                    window)
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
