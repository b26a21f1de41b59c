# SPDX-License-Identifier: MIT
"""One connection whose responses matter: every framing that RFC 9112 knows, pipelined or not, with
known pairs and latencies."""
import packets as p
from connection import make_request


class Exchange:
    """Like Connection; expected has one entry: the connection itself."""

    def __init__(self, rng, number, v6):
        self.rng, self.v6 = rng, v6
        self.client = f"2001:db8::{number + 1:x}" if v6 else f"10.{number >> 8}.{number & 255}.1"
        self.server = "2001:db8:ffff::1" if v6 else "10.255.255.254"
        self.port = 1024 + number % 60000
        self.isn, self.server_isn = rng.getrandbits(32), rng.getrandbits(32)
        self.answers = self.sent = 0
        self.expected = [self]
        self.pairs = [self.pair(number * 100 + i) for i in range(rng.randrange(1, 8))]
        # at the end of a connection the length need not be told
        if rng.random() < 0.3:
            request, _ = self.pairs[-1]
            self.pairs[-1] = (request, [b"HTTP/1.1 200 OK\r\n\r\n" + rng.randbytes(rng.randrange(900))])
            if request.startswith(b"HEAD"):
                self.pairs[-1] = (request, [b"HTTP/1.1 200 OK\r\n\r\n"])

    def pair(self, number):
        """(request, [interim responses and the final one])"""
        rng = self.rng
        head = f"/{number} HTTP/1.1\r\nHost: h{number}\r\n"
        body = rng.randbytes(rng.choice([0, 1, 500, 4000]))
        kind = rng.choice(["plain", "plain", "head", "204", "304", "chunked", "continue", "hints"])
        final = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        if kind == "head":
            final = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            return f"HEAD {head}\r\n".encode(), [final]
        if kind in ("204", "304"):
            return make_request(rng, number), [f"HTTP/1.1 {kind} X\r\nETag: {number}\r\n\r\n".encode()]
        if kind == "chunked":
            out, at = b"", 0
            while at < len(body):
                piece = body[at:at + rng.randrange(1, 900)]
                out += f"{len(piece):X};x=\"y\"\r\n".encode() + piece + b"\r\n"
                at += len(piece)
            final = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n" + out
                     + b"0\r\nT: 1\r\n\r\n")
        request = make_request(rng, number)
        interim = []
        if kind == "continue":
            request = f"POST {head}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc".encode()
            interim = [b"HTTP/1.1 100 Continue\r\n\r\n"]
        if kind == "hints":
            interim = [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"] * rng.randrange(1, 3)
        return request, [*interim, final]

    def client_segments(self, data):
        for piece in self.cut(data):
            yield (self.isn + 1 + self.sent) % 2**32, p.ACK | p.PSH, piece, True
            self.sent += len(piece)

    def server_segments(self, data):
        for piece in self.cut(data):
            seq = (self.server_isn + 1 + self.answers) % 2**32
            self.answers += len(piece)
            yield seq, p.ACK, piece, False, (self.isn + 1 + self.sent) % 2**32

    def cut(self, data):
        at = 0
        small = len(data) < 1000 and self.rng.random() < 0.2
        while at < len(data):
            size = self.rng.randrange(1, 30 if small else 1449)
            yield data[at:at + size]
            at += size

    def segments(self):
        out = [(self.isn, p.SYN, b"", True),
               (self.server_isn, p.SYN | p.ACK, b"", False, (self.isn + 1) % 2**32)]
        waiting = list(self.pairs)
        while waiting:
            together = waiting[:self.rng.choice([1, 1, 1, 2, 4])]
            del waiting[:len(together)]
            out += list(self.client_segments(b"".join(request for request, _ in together)))
            out += list(self.server_segments(b"".join(b"".join(a) for _, a in together)))
        end = (self.server_isn + 1 + self.answers) % 2**32
        out.append((end, p.FIN | p.ACK, b"", False, (self.isn + 1 + self.sent) % 2**32))
        return out


def compare(expected, records):
    """Each final response has its request's id, comes after it, and is as it was on the wire."""
    requests, responses = {}, {}
    for fields, payload in records:
        kind, id_, ts, latency = fields[0], fields[1], int(fields[2]), int(fields[3])
        if kind == "1":
            requests[payload] = (id_, ts)
        elif id_ in responses:
            return f"two responses for {id_}"
        else:
            responses[id_] = (payload, ts, latency)
    pairs = [pair for conns in expected.values() for conn in conns for pair in conn.pairs]
    if len(requests) != len(pairs):
        return f"{len(requests)} requests of {len(pairs)}"
    for request, answers in pairs:
        id_, ts = requests.get(request, ("", 0))
        payload, answered, latency = responses.get(id_, (b"", 0, -1))
        if payload not in (answers[-1], b"".join(answers)):
            return f"{request[:20]} was paired with {payload[:60]}, not {answers[-1][:60]}"
        if not 0 <= latency <= answered - ts:
            return f"{request[:20]}: latency {latency}, sent {ts}, answered {answered}"
    if len(responses) != len(pairs):
        return f"{len(responses)} responses of {len(pairs)}"
    return ""
