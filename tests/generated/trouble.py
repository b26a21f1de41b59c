# SPDX-License-Identifier: MIT
"""What a network does to the pieces of what is said. Each is a Connection's disturb: from the
pieces (offset, bytes) in order to what is sent; nothing is missing from that."""
import linux
from messages import MAY, MUST
from packets import RST


def swap(conn, pieces, _up):
    """A piece overtakes up to a few others; seldom all come in any order."""
    rng, out = conn.rng, list(pieces)
    if rng.random() < 0.1:
        rng.shuffle(out)
        return out
    for i in range(len(out) - 1):
        if rng.random() < 0.4:
            k = min(len(out) - 1, i + rng.randrange(1, 5))
            out[i], out[k] = out[k], out[i]
    return out


def repeat(conn, pieces, _up):
    """Pieces come again: as they were, with other boundaries, at once or later."""
    rng, out = conn.rng, list(pieces)
    first, end = pieces[0][0], pieces[-1][0] + len(pieces[-1][1])
    data = b"".join(piece for _, piece in pieces)
    for _ in range(rng.randrange(1, 4 + len(pieces) // 3)):
        i = rng.randrange(len(out))
        at, piece = out[i]
        if rng.random() < 0.5:
            a = rng.randrange(max(first, at - 60), at + len(piece))
            b = rng.randrange(a + 1, min(end, at + len(piece) + 60) + 1)
            at, piece = a, data[a - first : b - first]
        out.insert(min(len(out), i + 1 + rng.choice([0, 0, 1, 3])), (at, piece))
    return out


def swap_and_repeat(conn, pieces, up):
    return swap(conn, repeat(conn, pieces, up), up)


def contradict(conn, pieces, up):
    """Copies with other bytes, where these do not change how a message is framed. The messages
    become what Linux would read."""
    rng = conn.rng
    first, end = pieces[0][0], pieces[-1][0] + len(pieces[-1][1])
    data = b"".join(piece for _, piece in pieces)
    messages = [m for m in (conn.requests if up else conn.responses)
                if m.start < end and m.start + len(m.bytes) > first]
    for _ in range(3):
        sent = list(pieces) if rng.random() < 0.3 else swap(conn, pieces, up)
        for _ in range(rng.randrange(1, 8)):
            a = rng.randrange(first, end)
            b = min(end, a + rng.randrange(1, 2000))
            noisy = bytearray(data[a - first : b - first])
            for message in messages:
                make_noise(rng, noisy, a, message)
            sent.insert(rng.randrange(len(sent) + 1), (a, bytes(noisy)))
        read = linux.read([(at - first, piece) for at, piece in sent])
        if read is not None:
            break
    else:
        return pieces
    for message in messages:
        a = max(message.start, first)
        b = min(message.start + len(message.bytes), end)
        message.bytes = (message.bytes[: a - message.start] + read[a - first : b - first]
                         + message.bytes[b - message.start :])
    return sent


def make_noise(rng, noisy, at, message):
    """Other bytes in the soft parts of the message; noisy lies at offset at of the stream."""
    for first, end in message.soft:
        a = max(0, message.start + first - at)
        b = min(len(noisy), message.start + end - at)
        if a < b:
            noisy[a:b] = bytes(rng.choices(b"abcdefgh", k=b - a))


def lose(segs, rng, up, most):
    """Loses segments with data of that direction, at random; True when there were some."""
    of_it = [i for i, seg in enumerate(segs) if seg.up == up and seg.data]
    if not of_it:
        return False
    for _ in range(rng.randrange(1, most + 1)):
        first = rng.randrange(len(of_it))
        for i in of_it[first : first + rng.choice([1, 1, 2, 4])]:
            segs[i].lost = True
    return True


def cross(conn):
    """Network cards with several queues mix the two directions up. True when everything can be
    found still: of a response that was seen before its request nobody knows whose it is."""
    rng, segs = conn.rng, conn.segs
    for i in range(len(segs) - 1):
        a, b = segs[i], segs[i + 1]
        if a.up != b.up and not (a.flags | b.flags) & RST and rng.random() < 0.5:
            segs[i], segs[i + 1] = b, a
    # a request is one when its first line was read
    asked = [place(segs, True, m.start + m.bytes.index(b"\n")) for m in conn.requests]
    answered = [place(segs, False, m.start) for m in conn.responses]
    is_lost = False
    for response, sent, came in zip(conn.responses, asked, answered):
        is_lost = came < sent or (is_lost and not conn.in_turn)
        if is_lost:
            response.state = MAY
    return all(response.state == MUST for response in conn.responses)


def place(segs, up, offset):
    """Where in segs that byte is."""
    return next(i for i, seg in enumerate(segs)
                if seg.up == up and seg.at <= offset < seg.at + len(seg.data))
