# SPDX-License-Identifier: MIT
"""What the tests of raw outputs share: recordings of many connections, and a server of sockets."""
import contextlib
import socket
import struct
import threading
import time
import zlib

import gor
from harness import wait_until

START = 1_700_000_000_000_000_000


def record(payload, nth, client=0, kind=1, step_ns=0):
    """A record as refrain writes it, of any bytes: message nth, of that client's connection."""
    src, dst = f"10.0.{client // 250}.{client % 250 + 1}:{40000 + client}", "10.9.9.9:80"
    head = (f"{kind} {client:08x}{nth:016x} {START + nth * step_ns} 0 {len(payload)} "
            f"{zlib.crc32(payload):08x} {src} {dst}\n")
    return head.encode() + payload + gor.SEPARATOR


def recording(case, payloads, client=0, step_ns=0):
    return case.write(f"in-{case.next_number()}.gor", b"".join(
        record(p, n, client, step_ns=step_ns) for n, p in enumerate(payloads)))


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.data = bytearray()
        self.ended = False


class Server:
    """Accepts, and gives each connection to serve(connection) in a thread of its own; the default
    keeps what comes. kill() resets all connections and closes the listener; start() listens again
    on the same port."""

    def __init__(self, case, serve=None, wrap=None, rcvbuf=0):
        self.connections, self.port, self.listener = [], 0, None
        self.serve, self.wrap, self.rcvbuf = serve or self.keep, wrap, rcvbuf
        self.start()
        case.on_exit(self.kill)

    def start(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.rcvbuf: # inherited by what is accepted
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.rcvbuf)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=self.run, args=(sock,), daemon=True).start()

    def run(self, sock):
        with contextlib.suppress(OSError):
            connection = Connection(self.wrap(sock) if self.wrap else sock)
            self.connections.append(connection)
            try:
                self.serve(connection)
            finally:
                connection.ended = True
                connection.sock.close()

    def keep(self, connection):
        while data := connection.sock.recv(1 << 16):
            connection.data += data

    def kill(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.connections):
            reset(connection.sock)

    def streams(self):
        return [bytes(c.data) for c in self.connections]

    def wait_bytes(self, n, timeout=10.0):
        wait_until(lambda: sum(len(c.data) for c in self.connections) >= n,
                   lambda: f"{sum(len(c.data) for c in self.connections)} of {n} bytes came", timeout)

    def wait_ended(self, timeout=10.0):
        wait_until(lambda: all(c.ended for c in self.connections), "all connections ended", timeout)


def reset(sock):
    """Closes with RST."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def sleep_until(event, timeout=60.0):
    """Does nothing, for a connection that shall not be read."""
    deadline = time.monotonic() + timeout
    while not event() and time.monotonic() < deadline:
        time.sleep(0.05)
