# SPDX-License-Identifier: MIT
"""A sender of refrain-relay(7)'s frames, written again on its own, which sees each acknowledgement."""
import socket
import struct
import zlib

import gor
from harness import Failure, check

START = 1_700_000_000_000_000_000
HEAD = struct.Struct(">BBHIQQ")
DATA, PING, ACK, BYE = 1, 3, 4, 5


def frame(kind, stream=0, number=0, line=b"", payload=b""):
    head = HEAD.pack(0xf5, kind, len(line), len(line) + len(payload), stream, number)
    return head + struct.pack(">I", zlib.crc32(head + line)) + line + payload


def path_of(payload):
    """The number of the request that Sender.put() made."""
    return int(payload.split(b" ", 2)[1].rpartition(b"/")[2])


class Sender:
    """Requests /1, /2, ... of one session; what is not acknowledged is sent again by connect()."""

    def __init__(self, port, session=0xabcdef):
        self.port, self.session = port, session
        self.put_up_to = self.acked = 0
        self.socket, self.bytes = None, b""

    def connect(self):
        self.close()
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.bytes = b""
        hello = f"refrain-relay/1 sender={self.session:016x} next={self.acked + 1}\n"
        self.socket.sendall(hello.encode() + gor.SEPARATOR[1:])
        while b"\n" not in self.bytes:
            self.bytes += self.receive()
        line, _, self.bytes = self.bytes.partition(b"\n")
        have = int(line.rpartition(b"have=")[2])
        check(self.acked <= have <= self.put_up_to, f"{line}: {self.acked} to {self.put_up_to} sent")
        self.send(have + 1)
        return have

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Failure("the receiver closed the connection")
        return data

    def send(self, first):
        parts = []
        for n in range(first, self.put_up_to + 1):
            payload = gor.request(f"/{n}")
            line = (f"1 {n:024x} {START + n} 0 {len(payload)} {zlib.crc32(payload):08x} "
                    f"10.0.0.1:4000 10.0.0.2:80\n")
            parts.append(frame(DATA, self.session, n, line.encode(), payload))
        self.socket.sendall(b"".join(parts))

    def put(self, count):
        self.put_up_to += count
        self.send(self.put_up_to - count + 1)

    def wait_ack(self, timeout):
        """The next acknowledgement that is news; 0 when none has come in that time."""
        before = self.acked
        self.socket.settimeout(timeout)
        try:
            while self.acked == before:
                self.take_frames()
                if self.acked == before:
                    self.bytes += self.receive()
        except socket.timeout:
            return 0
        return self.acked

    def read_rest(self):
        """What the receiver, which is dead, had said still."""
        self.socket.settimeout(5)
        try:
            while data := self.socket.recv(65536):
                self.bytes += data
        except ConnectionError:
            pass
        self.take_frames()

    def take_frames(self):
        while len(self.bytes) >= HEAD.size + 4:
            _, kind, _, _, _, number = HEAD.unpack_from(self.bytes)
            self.bytes = self.bytes[HEAD.size + 4:]
            if kind == ACK:
                check(self.acked <= number <= self.put_up_to, f"ACK {number} is nonsense")
                self.acked = number


def frames_in(data):
    """The payloads of whole DATA frames, as they lie in a spool."""
    payloads, at = [], 0
    while at + HEAD.size + 4 <= len(data):
        _, _, line_len, body_len, _, _ = HEAD.unpack_from(data, at)
        at += HEAD.size + 4
        if at + body_len <= len(data):
            payloads.append(data[at + line_len:at + body_len])
        at += body_len
    return payloads
