#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A TCP client of its own, behind a device of /dev/net/tun: it sends segments that overlap with other
bytes, and a real server reads what Linux makes of them.

usage: stranger.py CONNECTIONS SEED OUT
Runs in a namespace with nothing else in it. Writes to OUT what read(2) returned on each connection:
a line "CLIENT_PORT LENGTH", and the bytes. Prints "ready" when the device is there, waits for a line
on its input, and begins; then prints "done", and ends with its input.
"""
import fcntl
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

DEVICE, LOCAL, REMOTE, PORT = "refrain-tun", "10.78.0.1", "10.78.0.2", 8080
OWN_MAC, DEVICE_MAC = "02:00:00:00:00:02", "02:00:00:00:00:01"
SYN, PSH, ACK = 0x02, 0x08, 0x10
AT_ONCE = 20


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packet(port, seq, ack, flags, payload=b""):
    addresses = socket.inet_aton(REMOTE) + socket.inet_aton(LOCAL)
    options = struct.pack("!BBH", 2, 4, 1400) if flags & SYN else b""
    tcp = struct.pack("!HHIIBBHHH", port, PORT, seq & 0xffffffff, ack & 0xffffffff,
                      (20 + len(options)) // 4 << 4, flags, 65535, 0, 0) + options + payload
    pseudo = addresses + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0) + addresses
    ethernet = bytes.fromhex((DEVICE_MAC + OWN_MAC).replace(":", "")) + b"\x08\x00"
    return ethernet + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


class Stranger:
    """One connection: a POST whose body is sent in pieces, each with bytes of its own."""

    def __init__(self, port, seed):
        self.rng = random.Random(f"{seed}/{port}")
        self.port = port
        self.isn = self.rng.getrandbits(32)
        self.ack = 0
        size = self.rng.choice([20, 200, 2000, 12000])
        self.head = f"POST /{port} HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n".encode()
        self.size = size
        self.plan = self.make_plan()

    def noise(self, n):
        """Bytes that tell which segment they came in."""
        return bytes([self.rng.randrange(33, 127)]) * n

    def make_plan(self):
        """(offset in the stream, bytes, flags) of all segments: overlapping ones in any order, then
        the rest in order, so that nothing is missing at last."""
        rng, base = self.rng, len(self.head)
        plan = []
        if rng.random() < 0.7:
            plan.append((0, self.head, ACK | PSH))
        for _ in range(rng.randrange(1, 40)):
            at = rng.randrange(self.size)
            n = min(rng.choice([1, 5, 50, 400, 1300]), self.size - at)
            plan.append((base + at, self.noise(n), ACK))
            if rng.random() < 0.1:  # the same again, with other bytes
                plan.append((base + at, self.noise(n), ACK))
            if rng.random() < 0.05 and at > 3:  # begins below what was acknowledged, perhaps
                plan.append((base + at - 3, self.noise(min(n, self.size - at)), ACK))
        if rng.random() < 0.3:  # far beyond the window: nobody takes it
            plan.append((base + 300_000, self.noise(100), ACK))
        if plan[0][0] != 0:
            plan.insert(rng.randrange(len(plan) + 1), (0, self.head, ACK | PSH))
        at = 0
        while at < self.size:
            n = min(rng.choice([7, 100, 1300]), self.size - at)
            plan.append((base + at, self.noise(n), ACK | PSH))
            at += n
        return plan

    def syn(self):
        return packet(self.port, self.isn, 0, SYN)

    def segments(self):
        for at, data, flags in self.plan:
            yield packet(self.port, self.isn + 1 + at, self.ack, flags, data)


class Server(threading.Thread):
    """Reads each connection until its body is whole, then answers and keeps it open."""

    def __init__(self, count):
        super().__init__(daemon=True)
        self.socket = socket.create_server((LOCAL, PORT), backlog=4096)
        self.count = count
        self.read = {}
        self.open = []

    def run(self):
        poll = select.epoll()
        poll.register(self.socket, select.EPOLLIN)
        conns = {}
        while len(self.read) < self.count:
            for fd, _ in poll.poll(1):
                if fd == self.socket.fileno():
                    conn, (_, port) = self.socket.accept()
                    conn.setblocking(False)
                    conns[conn.fileno()] = (conn, port, bytearray())
                    poll.register(conn, select.EPOLLIN)
                    continue
                conn, port, data = conns[fd]
                data += conn.recv(1 << 20)
                head = data.find(b"\r\n\r\n") + 4
                if head >= 4:
                    length = int(bytes(data[:head]).split(b"Content-Length: ")[1].split(b"\r\n")[0])
                    if len(data) >= head + length:
                        self.read[port] = bytes(data)
                        poll.unregister(conn)
                        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                        self.open.append(conn)


def open_device():
    """An Ethernet device that does not block: from such a one the kernel makes buffers as it does from
    network cards, which can be joined (skb_try_coalesce)."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", DEVICE.encode(), 0x1002))
    for command in (f"link set {DEVICE} address {DEVICE_MAC} up", f"addr add {LOCAL}/24 dev {DEVICE}",
                    f"neigh add {REMOTE} lladdr {OWN_MAC} dev {DEVICE}"):
        subprocess.run(["ip", *command.split()], check=True)
    return fd


def read_answers(fd, strangers, wait):
    """Takes what the kernel sends: sequence numbers to acknowledge."""
    synced = set()
    while select.select([fd], [], [], wait)[0]:
        frame = os.read(fd, 65536)
        data = frame[14:]
        if frame[12:14] != b"\x08\x00" or data[9] != 6:
            continue
        _, port, seq, _, offset, flags = struct.unpack("!HHIIBB", data[20:34])
        payload = len(data) - 20 - (offset >> 4) * 4
        if port in strangers:
            strangers[port].ack = max(strangers[port].ack, seq + payload + bool(flags & SYN))
            if flags & SYN:
                synced.add(port)
        if len(synced) == len(strangers):
            wait = 0
    return synced


def converse(fd, strangers):
    """The handshakes, then all segments, interleaved."""
    by_port = {s.port: s for s in strangers}
    for s in strangers:
        os.write(fd, s.syn())
    read_answers(fd, by_port, 0.5)
    for s in strangers:
        os.write(fd, packet(s.port, s.isn + 1, s.ack, ACK))
    queues = [(s, s.segments()) for s in strangers]
    rng = random.Random(strangers[0].port)
    while queues:
        s, queue = rng.choice(queues)
        segment = next(queue, None)
        if segment is None:
            queues.remove((s, queue))
        else:
            os.write(fd, segment)
            read_answers(fd, by_port, 0)


def main():
    count, seed, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    fd = open_device()
    server = Server(count)
    server.start()
    print("ready", flush=True)
    sys.stdin.readline()
    strangers = [Stranger(10000 + i, seed) for i in range(count)]
    for i in range(0, count, AT_ONCE):
        converse(fd, strangers[i:i + AT_ONCE])
    deadline = time.monotonic() + 10
    while server.is_alive() and time.monotonic() < deadline:
        read_answers(fd, {}, 0.05)
    with open(out, "wb") as f:
        for port, data in sorted(server.read.items()):
            f.write(f"{port} {len(data)}\n".encode() + data)
    print("done", flush=True)
    sys.stdin.read()  # the device goes away with us


if __name__ == "__main__":
    main()
