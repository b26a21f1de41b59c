# SPDX-License-Identifier: MIT
"""Profiles of captures in which nothing is missing: everything is found."""
import messages as m
import packets as p
import scene as s
import trouble
from conversation import Connection
from links import NAMES, NETWORKS
from profiles import answers, conns, profile, usual


@profile
def everywhere(scene):
    """Cut at every position: a connection for each, over 32 seeds."""
    rng = scene.rng
    size = 0
    for number in range(400):
        conn = Connection(rng, scene.seed, number)
        conn.plan(2, m.small_request, m.plain_response)
        at = 1 + scene.seed // 2 % 16 + 16 * number
        data = b"".join(request.wire() for request in conn.requests)
        size = max(size, len(data))
        if at >= size:
            break
        scene.add(conn)
        conn.acks = 0.1
        conn.open()
        at = min(at, len(data) - 1)
        again = rng.randrange(at, len(data))
        for first, end in ((0, at), (at, again), (again, len(data))):
            if first < end:
                conn.give(True, first, data[first:end])
        conn.sent[0] = len(data)
        conn.say_all(False, conn.responses, range(0, 3000, 1 + number % 40))


@profile
def cuts(scene):
    """Cut anywhere, from single bytes to full packets."""
    usual(scene)


@profile
def reorder(scene):
    usual(scene, disturb=trouble.swap)


@profile
def retransmit(scene):
    """Exact and overlapping copies, also of a SYN, also behind the end."""
    for conn in conns(scene):
        conn.disturb = trouble.repeat
        conn.open()
        if scene.rng.random() < 0.3:
            conn.add(True, -1, b"", p.SYN)
        conn.talk((1, 3))
        conn.close()
        for seg in scene.rng.sample(conn.segs, min(2, len(conn.segs))):
            if seg.data:
                conn.add(seg.up, seg.at, seg.data, seg.flags)


@profile
def overlap(scene):
    """Copies with other bytes: what came first stays, as in Linux."""
    usual(scene, disturb=trouble.contradict)


@profile
def wrap(scene):
    """Sequence numbers go through 0."""
    for conn in conns(scene):
        conn.isn = [-scene.rng.randrange(1, 4000) & 0xFFFFFFFF for _ in range(2)]
        conn.disturb = scene.rng.choice([None, trouble.swap, trouble.swap_and_repeat])
        conn.open()
        conn.talk((1, 4))
        conn.close()


@profile
def syn_data(scene):
    """TCP Fast Open: the SYN has data, which the server takes or has sent again."""
    rng = scene.rng
    for conn in conns(scene):
        data = conn.requests[0].wire()
        n = min(len(data), rng.randrange(1, 1400))
        conn.give(True, 0, data[:n], p.SYN).at = -1
        takes = rng.random() < 0.6
        syn_ack = conn.add(False, -1, b"", p.SYN | p.ACK)
        if not takes:
            syn_ack.ack = 0
            conn.give(True, 0, data[:n])
        conn.sent[0] = n
        if n < len(data):
            conn.say(True, data[n:])
        conn.say_all(False, conn.responses[:1])
        if len(conn.requests) > 1:
            conn.say_all(True, conn.requests[1:])
            conn.say_all(False, conn.responses[1:])
        conn.close()


@profile
def probes(scene):
    """Keep-alive probes, with no byte or with one that is not to be read."""
    rng = scene.rng

    def probe(conn, pieces, up):
        for at, piece in pieces:
            if rng.random() < 0.4:
                yield at - 1, rng.choice([b"", b"\0", b"G"])
            yield at, piece

    for conn in conns(scene):
        conn.disturb = probe
        conn.open()
        for _ in range(rng.randrange(2)):
            conn.add(True, -1, rng.choice([b"", b"\0"]), p.ACK)
            conn.ack(False)
        conn.talk()
        for up in (True, False):
            conn.add(up, conn.sent[0 if up else 1] - 1, rng.choice([b"", b"\0"]), p.ACK)
        conn.close()


@profile
def zero_window(scene):
    """Windows close; Linux asks with old, others with new data, which is not taken yet."""
    rng = scene.rng

    def stall(conn, pieces, up):
        for at, piece in pieces:
            if rng.random() < 0.4:
                conn.ack(not up).window = 0
                if rng.random() < 0.5:
                    conn.add(up, at - 1, b"", p.ACK)
                else:
                    conn.add(up, at, piece[:1], p.ACK)
                conn.ack(not up).window = 0
                conn.ack(not up).window = rng.randrange(1, 65536)
            yield at, piece

    usual(scene, disturb=stall)


@profile
def crossed(scene):
    """The capture shows packets of the two directions in the wrong order."""
    for conn in conns(scene):
        conn.acks = 0.6
        conn.in_turn = scene.rng.random() < 0.6
        conn.open()
        conn.talk((1,) if conn.in_turn else (1, 2))
        conn.close()
        scene.is_clean &= trouble.cross(conn) or not scene.track


@profile
def twice(scene):
    """Each packet may be in the capture twice, as on two interfaces of one host."""
    carry = scene.rng.choice([s.carry_plain, s.carry_extended])

    def carry_twice(scene, conn, seg):
        packets = carry(scene, conn, seg)
        return packets * scene.rng.choice([1, 2, 2, 3])

    scene.carry = carry_twice
    usual(scene)


@profile
def waits(scene):
    """Slow clients and servers: nothing is lost to time that is not up yet."""
    rng = scene.rng
    for conn in conns(scene, 2, 3):
        conn.acks = 0
        conn.disturb = rng.choice([None, trouble.swap])
        conn.open()
        conn.talk()
        conn.close()
        hole_ns = 0
        for at, seg in enumerate(conn.segs[3:], 3):
            before = conn.segs[at - 1]
            if not before.up and seg.up and before.data:
                hole_ns = 0
            if rng.random() < 0.2 and conn.disturb and hole_ns < 2_000_000_000:
                seg.gap_ns = rng.randrange(800_000_000)  # a hole is waited for 3 s
                hole_ns += seg.gap_ns
            elif rng.random() < 0.3 and not conn.disturb:
                seg.gap_ns = rng.randrange(58_000_000_000)
                if not seg.up and before.up and before.data:
                    seg.gap_ns *= 9  # a response is waited for ten times as long


@profile
def client_only(scene):
    """Only what the clients send was captured."""
    usual(scene, disturb=scene.rng.choice([None, trouble.swap_and_repeat]))
    for conn in scene.conns:
        conn.responses = []
        conn.segs = [seg for seg in conn.segs if seg.up]


@profile
def server_only(scene):
    """Only what the servers send was captured: that is no request."""
    usual(scene)
    for conn in scene.conns:
        conn.requests, conn.responses = [], []
        conn.segs = [seg for seg in conn.segs if not seg.up]
    scene.is_clean = False


@profile
def padding(scene):
    """Ethernet's padding and trailers look like data, and are none."""
    scene.link = "ethernet, padded"
    usual(scene, most=scene.rng.choice([20, 1448]))
    for conn in scene.conns:
        conn.network = scene.rng.randrange(1, 4000)


@profile
def extensions(scene):
    """IPv4 options, IPv6 extension headers, authentication headers."""
    scene.carry = s.carry_extended
    usual(scene)


@profile
def fragments(scene):
    """IP fragments, IPv4 and IPv6, in any order."""
    scene.carry = s.carry_in_fragments
    usual(scene)


@profile
def offload(scene):
    """Segments as long as 200 KB, whose IP length is 0 or in a jumbo payload option."""
    scene.carry = s.carry_offloaded
    sizes = scene.rng.choice([(3000, 20000), (20000, 200, 10), (150000, 70000)])
    for conn in conns(scene, 2, 3, lambda rng, name: m.request(rng, name, sizes)):
        conn.most = scene.rng.choice([5000, 60000, 200000])
        conn.open()
        conn.talk()
        conn.close()


@profile
def links(scene):
    """Every link layer and tunnel, one by seed."""
    scene.link = NAMES[scene.seed // 2 % len(NAMES)]
    usual(scene)


@profile
def networks(scene):
    """Equal addresses and ports in different VLANs or tunnels are different connections."""
    rng = scene.rng
    names = sorted(NETWORKS)
    scene.link = names[scene.seed // 2 % len(names)]
    for number in range(rng.randrange(1, 3)):
        numbers = rng.sample(range(1, 4000), 3)
        first = None
        for i in range(rng.randrange(2, 4)):
            conn = Connection(rng, scene.seed, number * 10 + i, first.v6 if first else None)
            first = first or conn
            conn.addresses, conn.port, conn.network = first.addresses, first.port, numbers[i]
            if rng.random() < 0.5:
                conn.isn = list(first.isn)
            conn.plan(rng.randrange(1, 5), m.request, answers(scene))
            conn.open()
            conn.talk()
            conn.close()
            scene.add(conn)


@profile
def ports(scene):
    """The client's port is the server's: the SYN tells them apart."""
    for conn in conns(scene, 1):
        conn.port = conn.server_port
        conn.disturb = scene.rng.choice([None, trouble.swap])
        conn.open()
        conn.talk()
        conn.close()


@profile
def pipelining(scene):
    """Requests are sent without waiting; each has its own answer, and latency."""
    scene.track = True
    for conn in conns(scene, 3, 9, m.asking):
        conn.is_timed = True
        conn.open()
        conn.talk((2, 4, 9))
        conn.close()


@profile
def responses(scene):
    """Every framing of RFC 9112 and interim answers, pairs and latencies; also until close."""
    scene.track = True
    rng = scene.rng
    for conn in conns(scene, 3, 6, m.asking):
        conn.is_timed = True
        if rng.random() < 0.4 and conn.requests[-1].method != "HEAD":
            last = m.response(rng, conn.name + ".last", conn.requests[-1], may_close=True)
            last.start = conn.responses[-1].start - len(conn.responses[-1].before)
            last.start += len(last.before)
            conn.responses[-1] = conn.requests[-1].answer = last
        conn.open()
        conn.talk((1,))
        if conn.responses[-1].is_open:
            conn.fin(False) if rng.random() < 0.5 else conn.rst(rng.random() < 0.5)
        else:
            conn.close()


@profile
def framing(scene):
    """What RFC 9112 allows and few send: any token, LF, obs-fold, 60 KB of head."""
    for conn in conns(scene, 3, 3, m.odd_request):
        conn.disturb = scene.rng.choice([None, trouble.swap])
        conn.open()
        conn.talk((1, 1, 3))
        conn.close()


@profile
def crowd(scene):
    """Two thousand connections at once."""
    scene.spread_ns = 100_000_000
    for number in range(2000):
        conn = scene.add(Connection(scene.rng, scene.seed, number))
        conn.plan(scene.rng.randrange(1, 3), m.small_request, answers(scene))
        conn.acks = 0.1
        conn.open()
        conn.talk((1, 2))
        conn.close()


@profile
def mixed(scene):
    """Everything at once, in which nothing is missing."""
    rng = scene.rng
    scene.link = NAMES[scene.seed // 40 % len(NAMES)]
    scene.carry = rng.choice([s.carry_plain, s.carry_extended, s.carry_in_fragments])
    make = rng.choice([m.request, m.asking, m.odd_request])
    for conn in conns(scene, 4, 6, make):
        if rng.random() < 0.3:
            conn.isn = [-rng.randrange(1, 4000) & 0xFFFFFFFF for _ in range(2)]
        conn.network = rng.randrange(1, 4000)
        conn.disturb = rng.choice([trouble.swap, trouble.repeat, trouble.swap_and_repeat,
                                   trouble.contradict, None])
        conn.acks = rng.choice([0, 0.3, 0.9])
        conn.in_turn = rng.random() < 0.5
        conn.open()
        conn.talk((1,) if conn.in_turn else (1, 2, 5))
        conn.close()
        if conn.disturb is None and make is not m.asking:  # whose methods rule the answers
            scene.is_clean &= trouble.cross(conn) or not scene.track
