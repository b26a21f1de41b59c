# SPDX-License-Identifier: MIT
"""What the tests of relays share: recordings of many connections, whether all of it arrived, and a
receiver that is killed and started again."""
import collections
import contextlib
import random
import re
import socket
import threading
import time
import zlib

import gor
from harness import check, equal, free_port, read_text

START = 1_700_000_000_000_000_000
CONNECTIONS = 50


def recording(case, name, n, per_second, size=0):
    """n requests of 50 connections, /CONNECTION/NUMBER, at that pace."""
    gap = 1_000_000_000 // per_second
    path = case.path(name)
    with open(path, "wb") as f:
        for k in range(n):
            conn, number = k % CONNECTIONS, k // CONNECTIONS
            payload = gor.request(f"/{conn}/{number}", body=b"x" * size,
                                  method="POST" if size else "GET")
            f.write(gor.make(payload, START + k * gap, id_=f"{40000 + conn:04x}00500a000001{k:08x}"))
    return path


def names(paths, prefix="/"):
    """(connection, number) of all whole records in those files whose path begins so, in order."""
    found = []
    for path in paths:
        data = gor_bytes(path)
        for _, payload in gor.salvage(data):
            path = payload.split(b" ", 2)[1].decode()
            if path.startswith(prefix):
                conn, number = path[len(prefix):].split("/")
                found.append((int(conn), int(number)))
    return found


def gor_bytes(path):
    """What can be unpacked: a kill may leave a torn member at the end of any run."""
    with open(path, "rb") as f:
        data = f.read()
    if not path.endswith(".gz"):
        return data
    parts = []
    while data:
        member, at = zlib.decompressobj(31), 0
        try:
            while at < len(data) and not member.eof:
                parts.append(member.decompress(data[at:at + 512]))
                at += 512
            data = member.unused_data + data[at:] if member.eof else b""
        except zlib.error:  # torn: the next member begins behind it
            following = data.find(b"\x1f\x8b\x08", 1)
            data = data[following:] if following > 0 else b""
    return b"".join(parts)


def check_all(found, n, what="recorded"):
    """0 lost, 0 twice, in order."""
    wanted = {(k % CONNECTIONS, k // CONNECTIONS) for k in range(n)}
    counts = collections.Counter(found)
    twice = [name for name, count in counts.items() if count > 1]
    equal(twice[:5], [], f"{len(twice)} {what} twice")
    lost = wanted - counts.keys()
    equal(sorted(lost)[:5], [], f"{len(lost)} of {n} not {what}")
    equal(sorted(counts.keys() - wanted)[:5], [], f"{what} from nowhere")
    check_order(found)


def check_order(found):
    last = {}
    for conn, number in found:
        check(last.get(conn, -1) < number, f"connection {conn}: {number} after {last.get(conn)}")
        last[conn] = number


class Receiver:
    """A refrain that listens and records; killed and started again at the same port."""

    def __init__(self, case, *output):
        self.case = case
        self.port = free_port()
        self.output = output
        self.env = None
        self.refrain = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.refrain = self.case.refrain("--input-tcp", self.address, *self.output,
                                         env=self.env, ready=self.port)
        return self

    def kill(self):
        self.refrain.kill()
        check("Sanitizer" not in self.refrain.stderr(), self.refrain.stderr()[-3000:])


def kill_while(receiver, sender, kills, low, high, seed=1):
    rng = random.Random(seed)
    done = 0
    while done < kills and sender.process.poll() is None:
        time.sleep(rng.uniform(low, high))
        receiver.kill()
        receiver.start()
        done += 1
    equal(done, kills, "kills before the sender had ended")


def rss_kib(pid):
    """Of the program itself, not of ip netns exec, which becomes it."""
    return int(re.search(r"VmRSS:\s+(\d+)", read_text(f"/proc/{pid}/status")).group(1))


class Proxy:
    """Between a sender and a receiver's port: keeps what comes from each sender, and passes it on
    as alter(connection, offset, bytes) returns it; None: it breaks the connection."""

    def __init__(self, case, to_port, alter=lambda connection, offset, data: data):
        self.to_port, self.alter, self.streams = to_port, alter, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        case.on_exit(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                sender, _ = self.listener.accept()
                receiver = socket.create_connection(("127.0.0.1", self.to_port))
                self.streams.append(bytearray())
                n = len(self.streams) - 1
                for args in ((sender, receiver, n), (receiver, sender, None)):
                    threading.Thread(target=self.carry, args=args, daemon=True).start()

    def carry(self, source, target, n):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if n is not None:
                    offset = len(self.streams[n])
                    self.streams[n] += data
                    data = self.alter(n, offset, data)
                target.sendall(data or b"")
                if data is None:
                    break
            target.shutdown(socket.SHUT_WR)
