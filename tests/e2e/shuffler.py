#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A bad network between two namespaces: a TUN device in each, and between them loss, reordering and
duplication as asked for.

usage: shuffler.py NAMESPACE_A NAMESPACE_B SEED LOSS REORDER DUPLICATE    (shares of 1)
Devices refrain-tun in both; it says "ready" when they are there. Ends when its input is closed.
"""
import ctypes
import fcntl
import heapq
import os
import random
import selectors
import struct
import sys
import time

TUNSETIFF = 0x400454ca
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
DEVICE = "refrain-tun"


def open_tun(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", "rb") as f:
        if libc.setns(f.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    return fd


class Shuffler:
    def __init__(self, a, b, seed, loss, reorder, duplicate):
        self.other = {a: b, b: a}
        self.rng = random.Random(seed)
        self.loss, self.reorder, self.duplicate = loss, reorder, duplicate
        self.late = []  # (when, number, where, packet)
        self.number = 0

    def send(self, fd, packet):
        try:
            os.write(fd, packet)
        except OSError:
            pass  # the device is full, or down: one more that is lost

    def take(self, fd):
        for _ in range(64):
            try:
                packet = os.read(fd, 65536)
            except BlockingIOError:
                return
            if self.rng.random() < self.loss:
                continue
            for _ in range(2 if self.rng.random() < self.duplicate else 1):
                if self.rng.random() < self.reorder:
                    self.number += 1
                    when = time.monotonic() + self.rng.uniform(0.0005, 0.005)
                    heapq.heappush(self.late, (when, self.number, self.other[fd], packet))
                else:
                    self.send(self.other[fd], packet)

    def run(self):
        selector = selectors.DefaultSelector()
        for fd in self.other:
            selector.register(fd, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        while True:
            wait = max(0, self.late[0][0] - time.monotonic()) if self.late else 1
            for key, _ in selector.select(wait):
                if key.fd == 0:
                    return
                self.take(key.fd)
            while self.late and self.late[0][0] <= time.monotonic():
                _, _, fd, packet = heapq.heappop(self.late)
                self.send(fd, packet)


def main():
    a, b = open_tun(sys.argv[1]), open_tun(sys.argv[2])
    print("ready", flush=True)
    Shuffler(a, b, int(sys.argv[3]), *map(float, sys.argv[4:7])).run()


if __name__ == "__main__":
    main()
