# SPDX-License-Identifier: MIT
"""What can be found in a capture and what cannot, and whether it was."""
import json
import socket
import zlib

from messages import MAY, MUST, NEVER

# how long refrain waits for what was acknowledged, and for what was not
GRACE_NS = 20_000_000
GAP_NS = 3_000_000_000


def judge_stream(messages, holes, starts):
    """Sets the states of one direction's messages. holes: (first, end) of bytes that the capture
    has not; starts: the offsets at which captured segments begin.

    A message that misses a byte is never found. A hole in data whose length is known ends where it
    ends; after any other hole the next message is looked for where a segment begins."""
    in_sync = True
    for message in messages:
        first, end = message.start, message.start + len(message.bytes)
        if any(a < first and b > first - len(message.before) for a, b in holes):
            in_sync = False
        hurt = [(max(a, first), min(b, end), a, b) for a, b in holes if a < end and b > first]
        if hurt:
            message.state = NEVER
            # the hole may go on behind the message
            in_sync = in_sync and all(is_skippable(message, a, b) for _, _, a, b in hurt)
        elif in_sync or first in starts:
            message.state = MUST
            in_sync = True
        else:
            message.state = MAY


def is_skippable(message, first, end):
    return any(a + message.start <= first and end <= b + message.start
               for a, b in message.skippable)


def holes_of(segs, up, length):
    """(holes, starts) of a direction without retransmissions."""
    seen = sorted((seg.at, seg.at + seg.captured()) for seg in segs
                  if seg.up == up and seg.captured() > 0)
    holes, at = [], 0
    for first, end in seen:
        if first > at:
            holes.append((at, first))
        at = max(at, end)
    if at < length:
        holes.append((at, length))
    return holes, {first for first, _ in seen}


def given_up_ns(segs, hole_end):
    """Until when a hole in what the client sent is waited for: some time after an acknowledgement
    has told that it will not be filled, or long."""
    behind = [seg.ns for seg in segs if seg.up and seg.captured() and seg.at >= hole_end]
    if not behind:
        return 0
    acked = [seg.ns for seg in segs
             if not seg.up and not seg.lost and seg.ack is not None and seg.ack >= hole_end]
    told = max(min(behind), min(acked)) + GRACE_NS if acked else min(behind) + GAP_NS
    return min(told, min(behind) + GAP_NS)


def judge(conn):
    """Both directions of a connection of which something is missing."""
    up, starts = holes_of(conn.segs, True, sum(len(m.wire()) for m in conn.requests))
    judge_stream(conn.requests, up, starts)
    judge_stream(conn.responses,
                 *holes_of(conn.segs, False, sum(len(m.wire()) for m in conn.responses)))
    for request in conn.requests:
        answer = request.answer
        if not answer:
            continue
        waits_ns = max([given_up_ns(conn.segs, end) for _, end in up if end <= request.start],
                       default=0)
        came_ns = min([seg.ns for seg in conn.segs if not seg.up and not seg.lost
                       and seg.at + len(seg.data) > answer.start], default=0)
        if request.state == NEVER:
            answer.state = NEVER
        elif answer.state == MUST and (request.state == MAY or not conn.in_turn
                                       or came_ns <= waits_ns):
            answer.state = MAY


class Mismatch(Exception):
    """seeds: those whose connections it concerns; empty: not known."""

    def __init__(self, text, seeds=()):
        super().__init__(text)
        self.seeds = list(seeds)


def records(output):
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        fields = output[at:end].decode().split(" ")
        length = int(fields[4])
        payload = output[end + 1 : end + 1 + length]
        if zlib.crc32(payload) != int(fields[5], 16):
            raise Mismatch(f"record {fields}: checksum")
        at = end + 1 + length + 14
        yield fields, payload


def is_address(field, address, port):
    host, _, number = field.rpartition(":")
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    return int(number) == port and socket.inet_pton(family, host.strip("[]")) == address


class Truth:
    """Of all connections of a batch."""

    def __init__(self, conns):
        self.conns = conns
        self.by_bytes = {}
        for conn in conns:
            for i, request in enumerate(conn.requests):
                self.by_bytes[request.bytes] = (conn, i, True)
            for i, response in enumerate(conn.responses):
                self.by_bytes[response.bytes] = (conn, i, False)
        self.last = {}  # by connection and direction: the latest message found
        self.ids = {}  # of requests, by connection and place
        self.found = 0

    def compare(self, output, track):
        """Raises Mismatch."""
        for fields, payload in records(output):
            self.found += 1
            if payload not in self.by_bytes:
                self.explain(fields, payload)
            conn, i, up = self.by_bytes[payload]
            try:
                self.check(conn, i, up, fields)
            except Mismatch as problem:
                problem.seeds = [conn.seed]
                raise
        for conn in self.conns:
            for messages, up in ((conn.requests, True), (conn.responses if track else [], False)):
                self.check_found(conn, messages, up)

    def check(self, conn, i, up, fields):
        message = (conn.requests if up else conn.responses)[i]
        name = f"{'request' if up else 'response'} {conn.name}.{i}"
        if fields[0] != ("1" if up else "2"):
            raise Mismatch(f"{name} has type {fields[0]}")
        ends = (conn.addresses[0], conn.port), (conn.addresses[1], conn.server_port)
        for field, end in zip(fields[6:8], ends if up else ends[::-1]):
            if not is_address(field, *end):
                raise Mismatch(f"{name} is from {fields[6]} to {fields[7]}")
        if message.state == NEVER:
            raise Mismatch(f"{name} {NEVER}")
        if self.last.get((conn, up), -1) >= i:
            raise Mismatch(f"{name} is out of order, or found twice")
        self.last[conn, up] = i
        message.found = True
        if up:
            if fields[1] in self.ids:
                raise Mismatch(f"{name} has the id of another, {fields[1]}")
            self.ids[fields[1]] = (conn, i)
        elif self.ids.get(fields[1]) != (conn, i):
            raise Mismatch(f"{name} is paired with another request")
        self.check_times(conn, i, up, fields, name)

    @staticmethod
    def check_times(conn, i, up, fields, name):
        message = (conn.requests if up else conn.responses)[i]
        if message.first_ns is None:
            return
        if int(fields[2]) != message.first_ns:
            raise Mismatch(f"{name} began at {message.first_ns}, not at {fields[2]}")
        wait = 0 if up else max(0, message.first_ns - conn.requests[i].last_ns)
        if int(fields[3]) != wait:
            raise Mismatch(f"{name} has latency {fields[3]}, not {wait}")

    @staticmethod
    def check_found(conn, messages, up):
        for i, message in enumerate(messages):
            if message.state == MUST and not message.found:
                side = "request" if up else "response"
                raise Mismatch(f"{side} {conn.name}.{i} was not found: {message.bytes[:50]}",
                               [conn.seed])

    def explain(self, fields, payload):
        """Says of something that nobody sent what it resembles."""
        near = max(self.by_bytes, key=lambda known: shared(known, payload))
        conn, i, up = self.by_bytes[near]
        raise Mismatch(f"altered or invented: {fields} {payload[:60]}, {len(payload)} bytes; the "
                       f"nearest is {'request' if up else 'response'} {conn.name}.{i}, "
                       f"{len(near)} bytes", [conn.seed])


def shared(a, b):
    """Bytes at the beginning that are equal."""
    n = 0
    for x, y in zip(a[:3000], b[:3000]):
        if x != y:
            break
        n += 1
    return n


def check_books(summary, conns, is_clean, track):
    """The ledger balances, and says of a capture without damage that nothing is missing."""
    books = json.loads(summary)
    if not books["balanced"]:
        raise Mismatch("the books do not balance")
    if not is_clean:
        return
    books = books["inputs"][0]
    wanted = {
        "requests_started": sum(len(c.requests) for c in conns),
        "requests_complete": sum(len(c.requests) for c in conns),
        "skipped_malformed": 0, "skipped_link": 0, "skipped_not_tcp": 0, "skipped_port": 0,
        "fragments_lost": 0, "unseen_bytes": 0, "flows_evicted": 0, "flows_other": 0,
        "flows": len(conns),
    }
    if track:
        answers = sum(len(c.responses) for c in conns)
        wanted.update(responses_started=answers, responses_complete=answers, responses_orphan=0)
    for name, number in wanted.items():
        if books[name] != number:
            raise Mismatch(f"{name} is {books[name]}, not {number}")
