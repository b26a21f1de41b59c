# SPDX-License-Identifier: MIT
"""The connections of one seed, and the capture that shows them."""
import packets as p
from links import ALL
from truth import judge

START_NS = 1_700_000_000 * 10**9
TIMESTAMPS = b"\x01\x01\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x02"


class Scene:
    """One seed of one profile. Scenes of the same key() can be in one capture."""

    def __init__(self, rng, seed):
        self.rng, self.seed = rng, seed
        self.conns = []
        self.after = {}  # connection: the one that it follows
        self.link = "ethernet"
        self.track = seed % 2 == 1  # --input-raw-track-response
        self.snaplen = 262144
        self.is_damaged = False  # something is missing in the capture
        self.is_clean = True  # everything is found, and nothing else counted
        self.carry = carry_plain
        self.spread_ns = 20_000_000  # the connections begin within that time

    def key(self):
        clean = self.is_clean and not self.is_damaged
        return ALL[self.link][0], self.track, self.snaplen, clean

    def add(self, conn, after=None):
        self.conns.append(conn)
        if after:
            self.after[conn] = after
        return conn

    def packets(self):
        """(time in ns, bytes) of the packets. Sets the times of the segments."""
        make = ALL[self.link][1]
        out, ends = [], {}
        for conn in self.conns:
            now = ends.get(self.after.get(conn))
            if now is None:
                now = START_NS + self.rng.randrange(self.spread_ns)
            now += conn.pause_ns
            for seg in conn.segs:
                now += self.rng.randrange(1, 200_000) if seg.gap_ns is None else seg.gap_ns
                seg.ns = now
                if seg.lost:
                    continue
                for packet in self.carry(self, conn, seg):
                    now += 1
                    out.append((now, make(packet, seg.up, conn.network or 7)))
                seg.ns = now
            ends[conn] = now
            if conn.is_timed:
                conn.note_times()
            if self.is_damaged:
                judge(conn)
        return out


def carry_plain(scene, conn, seg):
    return (conn.in_ip(seg, scene.rng.choice((b"", TIMESTAMPS))),)


def carry_without_options(_scene, conn, seg):
    """Where the length of each packet must be known beforehand."""
    return (conn.in_ip(seg),)


def carry_extended(scene, conn, seg):
    src, dst = conn.addresses if seg.up else conn.addresses[::-1]
    return (p.extended(scene.rng, src, dst, conn.pack(seg, TIMESTAMPS)),)


def carry_in_fragments(scene, conn, seg):
    """Some in fragments, these in any order, some of them twice."""
    rng = scene.rng
    if rng.random() < 0.4:
        return carry_plain(scene, conn, seg)
    src, dst = conn.addresses if seg.up else conn.addresses[::-1]
    out = p.fragments(rng, src, dst, conn.pack(seg))
    if rng.random() < 0.7:
        rng.shuffle(out)
    if len(out) > 1 and rng.random() < 0.3:  # before the datagram is whole
        out.insert(rng.randrange(len(out)), rng.choice(out[:-1]))
    return out


def carry_offloaded(scene, conn, seg):
    """As captured in front of a network card that segments: longer than IP can tell."""
    rng = scene.rng
    data = conn.pack(seg, rng.choice((b"", TIMESTAMPS)))
    src, dst = conn.addresses if seg.up else conn.addresses[::-1]
    is_long = len(data) > 65000
    if len(data) < 64 or (not is_long and rng.random() < 0.4):
        return (conn.in_ip(seg),)
    if len(src) == 4:
        return (p.ipv4(src, dst, data, total=0),)
    if is_long and rng.random() < 0.5:
        return (p.jumbo(src, dst, data),)
    return (p.ipv6(src, dst, data, length=0),)
