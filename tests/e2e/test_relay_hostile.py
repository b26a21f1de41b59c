#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whoever can reach a relay's port: 5,000 connections that say nothing, and others that say rubbish,
never end, or are slow. A plain listener, one with TLS and one with a key bear it at the same time."""
import contextlib
import random
import resource
import select
import socket
import ssl
import threading
import time

import gor
import pki
from harness import check, equal, main, test
from relays import Receiver, check_all, names, recording, rss_kib

IDLE = 5000
HELD = 1024 # connections that a listener has at most
LIMIT_KIB = 16
CLOSED_S = 10
RATE, SECONDS = 500, 13


def client_hello():
    """What a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


class Watch(threading.Thread):
    """Notes at once when a connection is closed."""

    def __init__(self):
        super().__init__(daemon=True)
        self.poll, self.by_fd = select.epoll(), {}
        self.start()

    def add(self, connection):
        self.by_fd[connection.socket.fileno()] = connection
        self.poll.register(connection.socket, select.EPOLLIN)

    def run(self):
        while True:
            for fd, _ in self.poll.poll():
                self.by_fd[fd].look()


class Hostile:
    """One connection: first is sent at once; then again, as much as goes (endless) or a byte at a
    time (slow)."""

    watch = None

    def __init__(self, port, name, first=b"", again=b"", slow=False):
        self.name, self.again, self.slow = name, again, slow
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.opened, self.closed = time.monotonic(), None
        self.watch.add(self)
        self.send(first)

    def send(self, data):
        if data and self.closed is None:
            with contextlib.suppress(OSError): # full, or closed: that is noted elsewhere
                self.socket.send(data)

    def go_on(self):
        self.send(self.again[:1] if self.slow else self.again)

    def look(self):
        try:
            if not self.socket.recv(1 << 16):
                self.close()
        except BlockingIOError:
            pass
        except ConnectionError:
            self.close()

    def close(self):
        if self.closed is None:
            self.closed = time.monotonic()
            self.watch.poll.unregister(self.socket) # a child may hold it until its exec
            self.socket.close()


class Peak(threading.Thread):
    """The most memory that a process has taken, KiB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.kib, self.stop = pid, rss_kib(pid), threading.Event()
        self.start()

    def run(self):
        with contextlib.suppress(AttributeError, OSError): # it has ended
            while not self.stop.wait(0.02):
                self.kib = max(self.kib, rss_kib(self.pid))


def rude(port, rng, hello):
    """Those who say something, some of each kind."""
    separator = gor.SEPARATOR[1:]
    for _ in range(50):
        yield Hostile(port, "random bytes", rng.randbytes(20_000), rng.randbytes(1000))
        yield Hostile(port, "a header line without end", b"1 " + b"a" * 5000, b"a" * 100, True)
        yield Hostile(port, "slow", b"1", b"9", True)
        yield Hostile(port, "a HELLO without end", b"refrain-relay/1 sender=", b"0", True)
        yield Hostile(port, "separators", separator * 100, separator * 100)
        yield Hostile(port, "HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        yield Hostile(port, "the beginning of a handshake", hello[:100], b"\0", True)
        yield Hostile(port, "a handshake that stops", hello)
        yield Hostile(port, "TLS and rubbish", hello[:11] + rng.randbytes(500))
        yield Hostile(port, "records of TLS", b"\x16\x03\x01\x40\x00" + b"\x01\x00\xff\xff" * 4000,
                      b"\0" * 10_000)
    for _ in range(10):
        yield Hostile(port, "an endless record", b"1 9c4000500a00000100000007 17 0\nPOST / HTTP/1.1\r\n"
                      b"Content-Length: 999999999\r\n\r\n", b"x" * 60_000)
        yield Hostile(port, "an endless record with LENGTH",
                      b"1 9c4000500a00000100000007 17 0 250000000 00000000 1.1.1.1:1 1.1.1.1:2\n"
                      b"POST / HTTP/1.1\r\n\r\n", b"x" * 60_000)


class Attack:
    """A listener, a genuine sender that was there before, and one that comes in the midst."""

    def __init__(self, case, name, receiving, sending):
        self.case, self.name, self.sending = case, name, sending
        self.out = case.path(f"{name}.gor")
        self.receiver = Receiver(case, "--output-file", self.out, "--output-file-append", *receiving)
        self.receiver.env = {"ASAN_OPTIONS": "quarantine_size_mb=1"}
        self.receiver.start()
        self.n = RATE * SECONDS
        self.file = recording(case, f"{name}-in.gor", self.n, RATE)
        self.senders = [self.send("a")]
        self.connections = []

    def send(self, prefix):
        return self.case.refrain(
            "--input-file", self.file, "--output-tcp", self.receiver.address,
            "--http-rewrite-url", f"^/:/{prefix}/", *self.sending, ready=False)

    def begin(self, rng, hello):
        self.peak = Peak(self.receiver.refrain.pid)
        self.before = self.peak.kib
        for k in range(IDLE):
            self.connections.append(Hostile(self.receiver.port, "silent"))
            if k == IDLE // 2:
                self.senders.append(self.send("b"))
        self.connections += rude(self.receiver.port, rng, hello)

    def judge(self):
        for sender in self.senders:
            equal(sender.wait(60).output("output-tcp")["delivered"], self.n, "acknowledged")
        self.peak.stop.set()
        late = {(c.name, c.closed and round(c.closed - c.opened, 1)) for c in self.connections
                if c.closed is None or c.closed - c.opened > CLOSED_S}
        equal(late, set(), f"{self.name}: not closed within {CLOSED_S} s")
        grown = self.peak.kib - self.before
        print(f"# {self.name}: {self.before} KiB, and {grown} KiB more at the peak of "
              f"{len(self.connections)} connections, {HELD} at a time")
        check(grown <= LIMIT_KIB * HELD, f"{self.name}: {grown} KiB more")
        result = self.receiver.refrain.stop()
        books = result.input("input-tcp")
        closed = books["strangers"] + books["tls_not"] + books["tls_key"] + books["tls_other"]
        check(closed >= IDLE, f"{self.name}: only {closed} are counted: {books}")
        for prefix in "ab":
            found = names([self.out], f"/{prefix}/")
            check_all(found, self.n)


def go_on(attacks, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(c.closed is None for a in attacks for c in a.connections):
        for attack in attacks:
            for connection in attack.connections:
                if connection.again:
                    connection.go_on()
        time.sleep(0.3)


@test("hostile senders: 16 KiB each, closed within 10 s, and those beside them lose nothing")
def hostile(case):
    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
    ca = pki.Authority(case)
    cert, key = ca.issue()
    secret = "@" + case.write("key", "0123456789abcdef-the-key")
    attacks = [
        Attack(case, "plain", (), ()),
        Attack(case, "TLS", ("--input-tcp-secure", "--input-tcp-certificate", cert,
                             "--input-tcp-certificate-key", key),
               ("--output-tcp-secure", "--output-tcp-ca-cert", ca.cert)),
        Attack(case, "key", ("--tcp-key", secret), ("--tcp-key", secret)),
    ]
    time.sleep(1.5) # what a genuine sender takes is there before
    rng, hello = random.Random(5), client_hello()
    Hostile.watch = Watch()
    for attack in attacks:
        attack.begin(rng, hello)
    go_on(attacks, CLOSED_S + 2)
    for attack in attacks:
        attack.judge()


if __name__ == "__main__":
    main()
