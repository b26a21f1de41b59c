# SPDX-License-Identifier: MIT
"""What Linux's TCP makes of segments whose copies differ: a model to compare with, made from the
rules of tcp_input.c and from nothing of refrain's."""

MAX_SKB_FRAGS = 17


class Receiver:
    """Segments in, bytes out. joins: how many segments that touch become one piece in the queue of
    what came too early; in the kernel that depends on how the network card's driver laid out its
    buffers, and on how many of them a piece may have."""

    def __init__(self, joins):
        self.joins = joins
        self.out = bytearray()
        self.queue = []  # of [start, end, bytes, segments joined], by start
        self.doubtful = False  # it hangs on the shape of the kernel's tree

    def segment(self, at, data):
        end = at + len(data)
        if end <= len(self.out):
            return
        if at <= len(self.out):
            self.out += data[len(self.out) - at :]
            self.drain()
        else:
            self.keep(at, end, data)

    def drain(self):
        while self.queue and self.queue[0][0] <= len(self.out):
            start, end, data, _ = self.queue.pop(0)
            if end > len(self.out):
                self.out += data[len(self.out) - start :]

    def keep(self, at, end, data):
        place = 0
        for i, piece in enumerate(self.queue):
            if at < piece[0]:
                break
            place = i + 1
            if end <= piece[1]:
                return  # an older piece has it all
            if at == piece[0]:
                del self.queue[i]  # a longer one replaces it
                place = i
                break
            if piece[3] < self.joins and at == piece[1]:
                # those that a join covers stay in the tree; which is met first hangs on its shape
                self.doubtful |= i + 1 < len(self.queue) and self.queue[i + 1][0] < end
                piece[1:] = end, piece[2] + data, piece[3] + 1
                return
        self.queue.insert(place, [at, end, data, 1])
        self.swallow(place, end)

    def swallow(self, i, end):
        """Drops those behind piece i that it covers."""
        while i + 1 < len(self.queue) and self.queue[i + 1][1] <= end:
            del self.queue[i + 1]


def read(segments):
    """The stream as read, or None when two kernels might read it differently."""
    readings = set()
    for joins in (1, MAX_SKB_FRAGS - 1, MAX_SKB_FRAGS, MAX_SKB_FRAGS + 1, len(segments) + 1):
        receiver = Receiver(joins)
        for at, data in segments:
            receiver.segment(at, data)
        readings.add(None if receiver.doubtful else bytes(receiver.out))
    return readings.pop() if len(readings) == 1 else None
