# SPDX-License-Identifier: MIT
"""Profiles of how connections end, and what follows on the same port."""
import messages as m
import packets as p
from conversation import Connection
from profiles import answers, conns, profile


@profile
def closes(scene):
    """All ways to end: in the middle, half, with data, out of order, again."""
    for conn in conns(scene):
        conn.open()
        END[scene.rng.randrange(len(END))](scene, conn)


def end_unfinished(scene, conn):
    """The last request is cut short by FIN or RST."""
    rng, last = scene.rng, conn.requests[-1]
    scene.is_clean = False
    conn.requests.pop()
    if conn.responses:
        conn.responses.pop()
    conn.talk()
    if rng.random() < 0.9:
        conn.say(True, last.wire()[: rng.randrange(1, len(last.wire()))])
    if rng.random() < 0.5:
        conn.fin(True)
    else:
        conn.rst(rng.random() < 0.5)


def end_with_data(scene, conn):
    """FIN is in the last segment, or overtakes it."""
    rng = scene.rng
    last, left = conn.requests[-1], conn.requests[:-1]
    if left:
        conn.say_all(True, left)
    data = last.wire()
    n = rng.randrange(1, min(len(data), 1400) + 1)
    if len(data) > n:
        conn.say(True, data[:-n])
    conn.fin(True, data[-n:])
    if len(conn.segs) > 4 and conn.segs[-2].up and rng.random() < 0.5:
        conn.segs[-1], conn.segs[-2] = conn.segs[-2], conn.segs[-1]
    conn.ack(False)
    conn.say_all(False, conn.responses)
    conn.fin(False)


def end_half(scene, conn):
    """One side closes and the other goes on."""
    rng = scene.rng
    conn.say_all(True, conn.requests)
    if rng.random() < 0.5:
        conn.fin(True)
        conn.say_all(False, conn.responses)
        return
    conn.say_all(False, conn.responses)
    conn.fin(False)
    late = m.request(rng, conn.name + ".late")
    late.start = conn.sent[0]
    conn.requests.append(late)
    if scene.track:  # it is never answered
        scene.is_clean = False
    conn.say_all(True, [late])


def end_again(scene, conn):
    """FIN more than once, and old data behind it."""
    conn.talk((1, 2))
    conn.fin(True)
    for _ in range(scene.rng.randrange(1, 3)):
        conn.add(True, conn.sent[0] - 1, b"", p.FIN | p.ACK)
    conn.ack(False)
    conn.fin(False)
    old = [seg for seg in conn.segs if seg.data]
    for seg in scene.rng.sample(old, min(len(old), 3)):
        conn.add(seg.up, seg.at, seg.data, seg.flags)
    conn.rst(scene.rng.random() < 0.5)


END = [end_unfinished, end_with_data, end_half, end_again]


@profile
def reuse(scene):
    """The same port again, after any end of the connection before."""
    rng = scene.rng
    for conn in list(conns(scene, 2, 3)):
        conn.open()
        conn.talk()
        if rng.random() < 0.8:
            conn.close()
        before = conn
        for n in range(1, rng.randrange(2, 4)):
            again = Connection(rng, scene.seed, 100 * n + len(scene.conns), v6=conn.v6)
            again.addresses, again.port = conn.addresses, conn.port
            again.plan(rng.randrange(1, 4), m.request, answers(scene))
            if rng.random() < 0.5:
                again.isn[0] = (before.isn[0] + before.sent[0] + rng.randrange(1, 99)) & 0xFFFFFFFF
            again.pause_ns = rng.choice([1000, 50_000_000, 5_000_000_000, 100_000_000_000])
            again.open()
            again.talk()
            again.close()
            before = scene.add(again, after=before)
