# SPDX-License-Identifier: MIT
"""Profiles of captures that miss something: of a damaged request nothing is found, and the next one
is found again."""
import trouble
from profiles import conns, profile
from scene import carry_without_options


def talk(scene, conn, together=None):
    """Requests and answers, of which something will be missing.

    Requests that are sent together have equal acknowledgements, so where one of them is missing
    nothing tells whose the answers are: then it is done in turn."""
    if together is None:
        together = (1,) if scene.track else scene.rng.choice([(1,), (1, 2, 5)])
    conn.in_turn = together == (1,)
    conn.open()
    conn.talk(together, aligned=scene.rng.random() < 0.8)
    conn.close()


@profile
def midstream(scene):
    """The capture begins inside the connections."""
    scene.is_damaged = True
    for conn in conns(scene):
        talk(scene, conn)
        for seg in conn.segs[: scene.rng.randrange(1, len(conn.segs) + 1)]:
            seg.lost = True


@profile
def holes(scene):
    """The capture lost what the servers have acknowledged."""
    scene.is_damaged = True
    for conn in conns(scene):
        conn.acks = 0.7
        talk(scene, conn)
        trouble.lose(conn.segs, scene.rng, True, 2)
        pause(scene.rng, conn.segs)


@profile
def silent_holes(scene):
    """The same where no acknowledgement tells: only the client's side was captured."""
    scene.is_damaged = True
    for conn in conns(scene):
        talk(scene, conn)
        trouble.lose(conn.segs, scene.rng, True, 2)
        for seg in conn.segs:
            seg.lost |= not seg.up
        pause(scene.rng, conn.segs)


@profile
def response_holes(scene):
    """What is lost of the responses harms no request, and no other response."""
    scene.is_damaged = True
    scene.track = True
    for conn in conns(scene):
        conn.acks = 0.7
        talk(scene, conn, scene.rng.choice([(1,), (1, 2, 5)]))
        trouble.lose(conn.segs, scene.rng, False, 2)
        pause(scene.rng, conn.segs)


@profile
def all_holes(scene):
    """Both directions lose, and the beginning may be missing."""
    rng = scene.rng
    scene.is_damaged = True
    scene.track = True
    for conn in conns(scene, 3, 9):
        conn.acks = 0.7
        talk(scene, conn)
        if rng.random() < 0.3:
            for seg in conn.segs[: rng.randrange(1, 6)]:
                seg.lost = True
        trouble.lose(conn.segs, rng, True, 2)
        trouble.lose(conn.segs, rng, False, 2)
        for seg in conn.segs:
            seg.lost |= not seg.data and rng.random() < 0.2
        pause(rng, conn.segs)


def pause(rng, segs):
    """Sometimes long enough for a hole to be given up."""
    if segs and rng.random() < 0.5:
        rng.choice(segs).gap_ns = rng.choice([25_000_000, 3_500_000_000])


@profile
def snaplen(scene):
    """Packets are cut behind so many bytes."""
    scene.is_damaged = True
    scene.carry = carry_without_options
    scene.snaplen = scene.rng.choice([80, 150, 300, 900])
    for conn in conns(scene):
        room = scene.snaplen - (74 if conn.v6 else 54)  # Ethernet, IP, TCP
        talk(scene, conn)
        for seg in conn.segs:
            seg.kept = min(len(seg.data), room)
