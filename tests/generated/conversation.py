# SPDX-License-Identifier: MIT
"""One TCP connection: what both sides say, as segments in the order of capture."""
import packets as p

SERVER_PORT = 8080
MTU_DATA = 1448


class Seg:
    """A segment. up: from the client; at: offset of its data in that direction's stream, -1 for a
    SYN; ack: the offset in the other stream up to which it acknowledges; gap_ns: time since the one
    before, None for any; lost: on the wire, but not in the capture; kept: how many bytes of the data
    are in the capture, None for all."""

    __slots__ = ("up", "at", "data", "flags", "ack", "window", "gap_ns", "lost", "kept",
                 "ns")

    def __init__(self, up, at, data, flags, ack):
        self.up, self.at, self.data, self.flags, self.ack = up, at, data, flags, ack
        self.window = 65535
        self.gap_ns = None
        self.lost = False
        self.kept = None
        self.ns = 0

    def captured(self):
        """Bytes of data in the capture."""
        if self.lost:
            return 0
        return len(self.data) if self.kept is None else self.kept


class Reach:
    """Up to where a receiver has everything."""

    def __init__(self):
        self.end = 0
        self.early = {}

    def add(self, at, end):
        if at > self.end:
            self.early[at] = max(end, self.early.get(at, 0))
            return
        self.end = max(self.end, end)
        for start in sorted(self.early):
            if start > self.end:
                break
            self.end = max(self.end, self.early.pop(start))


class Connection:
    """self.segs grows with open(), say(), close() and the like. Index 0 of pairs is the client's
    side or stream, 1 the server's. The client's address is the seed's own, so that seeds can share
    a capture."""

    def __init__(self, rng, seed, number, v6=None):
        self.rng, self.seed, self.name = rng, seed, f"{seed}.{number}"
        self.v6 = rng.random() < 0.3 if v6 is None else v6
        low = seed.to_bytes(3, "big")
        self.port = 10_000 + (seed * 7919 % 50_000 + number) % 50_000
        if self.v6:
            self.addresses = (b"\x20\x01\x0d\xb8" + b"\0" * 9 + low,
                              b"\x20\x01\x0d\xb8\xff\xff" + b"\0" * 9 + b"\x01")
        else:
            self.addresses = (b"\x0a" + low, b"\xc0\x00\x02\x63")
        self.server_port = SERVER_PORT
        self.isn = [rng.getrandbits(32), rng.getrandbits(32)]
        self.segs = []
        self.requests = []
        self.responses = []
        self.sent = [0, 0]
        self.reach = (Reach(), Reach())
        self.acks = 0.3  # how often what comes is acknowledged
        self.network = None  # VLAN or tunnel, where the link layer has such
        self.most = MTU_DATA
        self.disturb = None  # what becomes of the pieces of each say()
        self.pause_ns = 0  # before its first packet
        self.in_turn = True  # no request is sent before the one before was answered
        self.is_timed = False  # the times of its messages are known: nothing is sent twice

    # --- segments ---

    def add(self, up, at, data, flags):
        ack = self.reach[1 if up else 0].end if flags & p.ACK else None
        seg = Seg(up, at, data, flags, ack)
        self.segs.append(seg)
        return seg

    def give(self, up, at, data, flags=p.ACK | p.PSH):
        """A segment with data, which the other side gets."""
        seg = self.add(up, at, data, flags)
        self.reach[0 if up else 1].add(at, at + len(data))
        return seg

    def ack(self, up):
        return self.add(up, self.sent[0 if up else 1], b"", p.ACK)

    def open(self):
        self.add(True, -1, b"", p.SYN)
        self.add(False, -1, b"", p.SYN | p.ACK)
        self.ack(True)

    def cut(self, data, base, ends=()):
        """Pieces (offset, bytes) of data at stream offset base; none crosses one of ends."""
        rng, out, at = self.rng, [], 0
        most = 20 if len(data) < 3000 and rng.random() < 0.2 else self.most
        ends = [end - base for end in ends if base < end < base + len(data)] + [len(data)]
        while at < len(data):
            while ends[0] <= at:
                ends.pop(0)
            stop = min(at + rng.randrange(1, most + 1), ends[0])
            out.append((base + at, data[at:stop]))
            at = stop
        return out

    def say(self, up, data, ends=()):
        if not data:
            return
        side = 0 if up else 1
        pieces = self.cut(data, self.sent[side], ends)
        self.sent[side] += len(data)
        for at, piece in self.disturb(self, pieces, up) if self.disturb else pieces:
            self.give(up, at, piece)
            if self.rng.random() < self.acks:
                self.ack(not up)

    def fin(self, up, data=b""):
        """The offset that FIN takes counts as said."""
        side = 0 if up else 1
        self.give(up, self.sent[side], data, p.FIN | p.ACK)
        self.sent[side] += len(data) + 1
        self.reach[side].add(self.sent[side] - 1, self.sent[side])

    def rst(self, up):
        self.add(up, self.sent[0 if up else 1], b"", p.RST | self.rng.choice([0, p.ACK]))

    def close(self):
        how = self.rng.random()
        if how < 0.5:
            self.fin(True)
            if how < 0.3:
                self.ack(False)
                self.fin(False)
                self.ack(True)
        elif how < 0.7:
            self.rst(how < 0.6)
        elif how < 0.8:
            self.fin(False)

    # --- HTTP ---

    def plan(self, how_many, make, answer=None):
        """Requests, and their answers when answer makes such."""
        for i in range(how_many):
            request = make(self.rng, f"{self.name}.{i}")
            self.requests.append(request)
            if answer:
                request.answer = answer(self.rng, f"{self.name}.{i}", request)
                if b"\r\nExpect:" in request.bytes:
                    request.answer.before = b"HTTP/1.1 100 Continue\r\n\r\n"
                self.responses.append(request.answer)
        place(self.requests)
        place(self.responses)

    def say_all(self, up, messages, ends=()):
        self.say(up, b"".join(m.wire() for m in messages), ends)

    def talk(self, together=(1,), aligned=False):
        """Requests and their answers in turns; together: how many are sent without waiting;
        aligned: each message begins a segment."""
        left = list(self.requests)
        while left:
            if b"\r\nExpect:" in left[0].bytes and left[0].answer and 1 in together:
                self.wait_to_continue(left.pop(0))
                continue
            turn = left[: self.rng.choice(together)]
            del left[: len(turn)]
            self.say_all(True, turn, self.starts(self.requests) if aligned else ())
            answers = [request.answer for request in turn if request.answer]
            self.say_all(False, answers, self.starts(self.responses) if aligned else ())

    def wait_to_continue(self, request):
        """Sends the body when the server has asked for it."""
        head = request.bytes.index(b"\r\n\r\n") + 4
        self.say(True, request.bytes[:head])
        self.say(False, request.answer.before)
        self.say(True, request.bytes[head:])
        self.say(False, request.answer.bytes)

    @staticmethod
    def starts(messages):
        return [message.start for message in messages]

    # --- packets ---

    def pack(self, seg, options=b""):
        """The TCP segment as bytes."""
        side = 0 if seg.up else 1
        ports = (self.port, self.server_port) if seg.up else (self.server_port, self.port)
        ack = (self.isn[1 - side] + 1 + seg.ack) & 0xFFFFFFFF if seg.ack is not None else 0
        seq = (self.isn[side] + 1 + seg.at) & 0xFFFFFFFF
        return p.tcp(*ports, seq, ack, seg.flags, seg.data, options, seg.window)

    def in_ip(self, seg, options=b""):
        """The packet of a segment that needs nothing special."""
        data = self.pack(seg, options)
        src, dst = self.addresses if seg.up else self.addresses[::-1]
        return p.ipv6(src, dst, data) if self.v6 else p.ipv4(src, dst, data)

    def note_times(self):
        """When the messages passed, of a connection without retransmissions."""
        for up, messages in ((True, self.requests), (False, self.responses)):
            segs = sorted((s for s in self.segs if s.up == up and s.data), key=lambda s: s.at)
            for message in messages:
                end = message.start + len(message.bytes) - 1
                for seg in segs:
                    if seg.at <= message.start < seg.at + len(seg.data):
                        message.first_ns = seg.ns
                    if seg.at <= end < seg.at + len(seg.data):
                        message.last_ns = seg.ns


def place(messages):
    at = 0
    for message in messages:
        message.start = at + len(message.before)
        at = message.start + len(message.bytes)
