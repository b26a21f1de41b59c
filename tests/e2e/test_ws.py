#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--output-ws: gor's records in binary frames, to servers that are good, bad, gone and back."""
import base64
import hashlib
import os
import random
import socket
import ssl
import struct
import time

import gor
import peers
from harness import check, equal, free_port, main, need, sh, test, wait_until, within
from peers import Server, record, recording, reset, sleep_until

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WsServer(Server):
    """A WebSocket server by the letter of RFC 6455, which keeps the payload of each frame.
    change(head) may spoil the answer to the handshake; on_frame(connection) is called after each
    data frame."""

    def __init__(self, case, change=lambda head: head, on_frame=lambda connection: None,
                 on_open=lambda connection: None, **kwargs):
        self.change, self.on_frame, self.on_open = change, on_frame, on_open
        super().__init__(case, serve=self.talk, **kwargs)

    def talk(self, connection):
        connection.frames, connection.pongs, connection.closed = [], [], None
        connection.head = self.shake(connection)
        self.on_open(connection)
        while (frame := read_frame(connection.sock)) is not None:
            opcode, payload = frame
            if opcode == 2:
                connection.frames.append(payload)
                self.on_frame(connection)
            elif opcode == 10:
                connection.pongs.append(payload)
            elif opcode == 8:
                connection.closed = payload
                connection.sock.sendall(frame_of(8, payload))
                return
            else:
                raise AssertionError(f"opcode {opcode}")

    def shake(self, connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.sock.recv(1)
            if not byte:
                raise ConnectionError("gone in the midst of the handshake")
            head += byte
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        accept = base64.b64encode(hashlib.sha1(fields[b"Sec-WebSocket-Key"] + GUID).digest())
        answer = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        connection.sock.sendall(self.change(answer))
        return head

    def frames(self):
        return [f for c in self.connections for f in getattr(c, "frames", [])]

    def wait_frames(self, n, timeout=15.0):
        wait_until(lambda: len(self.frames()) >= n,
                   lambda: f"{len(self.frames())} of {n} frames came", timeout)


def read_exactly(sock, n):
    parts = []
    while n > 0:
        part = sock.recv(min(n, 1 << 16))
        if not part:
            return None
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def read_frame(sock):
    """(opcode, payload); None: the connection ended. Masked, whole, and of the shortest form."""
    head = read_exactly(sock, 2)
    if head is None:
        return None
    check(head[0] & 0xf0 == 0x80 and head[1] & 0x80, f"a frame's head {head}")
    length = head[1] & 0x7f
    if length == 126:
        length = struct.unpack(">H", read_exactly(sock, 2))[0]
        check(length > 125, "the shortest length")
    elif length == 127:
        length = struct.unpack(">Q", read_exactly(sock, 8))[0]
        check(length > 65535, "the shortest length")
    mask = read_exactly(sock, 4)
    payload = read_exactly(sock, length)
    if payload is None:
        return None
    key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
    return head[0] & 15, (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big")


def frame_of(opcode, payload, first=0x80):
    n = len(payload)
    length = bytes([n]) if n < 126 else b"\x7e" + struct.pack(">H", n) if n < 65536 else \
        b"\x7f" + struct.pack(">Q", n)
    return bytes([first | opcode]) + length + payload


def expected(payloads, client=0, kind=1, step_ns=0):
    """What gor would send of recording()."""
    return [b"%d %08x%016x %d 0\n" % (kind, client, n, peers.START + n * step_ns) + p
            for n, p in enumerate(payloads)]


def play(case, file, server, *args, path="", scheme="ws", **kwargs):
    port = server if isinstance(server, int) else server.port
    return case.run("--input-file", file, "--output-ws", f"{scheme}://127.0.0.1:{port}{path}",
                    *args, **kwargs)


def give_up(case, file, server, words, *args, scheme="ws"):
    """Waits until refrain says words, and stops it: what is left is abandoned."""
    port = server if isinstance(server, int) else server.port
    refrain = case.refrain("--input-file", file, "--output-ws", f"{scheme}://127.0.0.1:{port}",
                           "--drain-timeout", "300ms", *args, ready=False)
    wait_until(lambda: words in refrain.stderr(), lambda: f"no {words!r} in {refrain.stderr()}")
    return refrain.stop(timeout=10, status=6).output("output-ws")


def requests(n, size=0):
    return [gor.request(f"/{k}", body=b"\xff\x00" * (size // 2)) for k in range(n)]


@test("each message is one binary frame with gor's header line and the payload, to the byte")
def to_the_byte(case):
    server = WsServer(case)
    rng = random.Random(1)
    payloads = [rng.randbytes(n) for n in (1, 60, 70, 80, 90, 125, 126, 127, 65400, 65470, 65536,
                                           65537, 200_000, 5_000_000)] + requests(2000)
    result = play(case, recording(case, payloads), server, path="/in?x=1")
    server.wait_ended()
    equal(len(server.connections), 1, "connections")
    equal(server.frames(), expected(payloads), "frames")
    check(server.connections[0].head.startswith(
        b"GET /in?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port), "the request")
    check(b"Authorization" not in server.connections[0].head, "credentials from nowhere")
    equal(server.connections[0].closed, struct.pack(">H", 1000), "the closing")
    equal(result.output("output-ws")["delivered"], len(payloads), "delivered")


@test("responses are sent as well; credentials of the URL are")
def responses(case):
    server = WsServer(case)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    file = case.write("pairs.gor", b"".join(
        record(requests(1)[0], n) + record(answer, n, kind=2) for n in range(10)))
    case.run("--input-file", file, "--output-ws", f"ws://us%40er:pass@127.0.0.1:{server.port}")
    server.wait_ended()
    equal([f[:1] for f in server.frames()], [b"1", b"2"] * 10, "types")
    check(b"\r\nAuthorization: Basic " + base64.b64encode(b"us@er:pass") + b"\r\n" in
          server.connections[0].head, "no credentials")
    check(server.connections[0].head.startswith(b"GET / HTTP/1.1\r\n"), "the path")


@test("with several connections each recorded one keeps its order on one")
def workers(case):
    server = WsServer(case)
    payloads = requests(50)
    file = case.write("many.gor", b"".join(record(p, n, client) for n, p in enumerate(payloads)
                                           for client in range(40)))
    result = play(case, file, server, "--output-ws-workers", "4", "--output-ws-sticky")
    server.wait_ended()
    equal(len(server.connections), 4, "connections")
    seen = {}
    for nth, connection in enumerate(server.connections):
        for frame in connection.frames:
            id_ = frame.split()[1]
            seen.setdefault(int(id_[:8], 16), []).append((nth, int(id_[8:], 16)))
    equal(len(seen), 40, "recorded connections")
    for client, found in seen.items():
        equal([n for _, n in found], list(range(50)), f"order of recorded connection {client}")
        equal(len({nth for nth, _ in found}), 1, f"connections of recorded connection {client}")
    equal(result.output("output-ws")["delivered"], 2000, "delivered")


@test("pings are answered, also in the midst of a large message; what is said is passed over")
def ping(case):
    def chatter(connection):
        connection.sock.sendall(frame_of(9, b"one") + frame_of(10, b"unasked") +
                                frame_of(1, b"part", first=0) + frame_of(9, b"") +
                                frame_of(0, b"rest") + frame_of(2, b"x" * 100_000))
    server = WsServer(case, on_open=chatter, on_frame=lambda c: c.sock.sendall(
        frame_of(9, b"%d" % len(c.frames) * 20)) if len(c.frames) % 2 else None)
    payloads = requests(4, 3_000_000)
    refrain = case.refrain("--input-file", recording(case, payloads, step_ns=200_000_000),
                           "--output-ws", f"ws://127.0.0.1:{server.port}", ready=False)
    result = refrain.wait()
    server.wait_ended()
    equal(server.frames(), expected(payloads, step_ns=200_000_000), "frames")
    pongs = server.connections[0].pongs
    check(pongs[0] in (b"one", b"") and b"1" * 20 in pongs and b"3" * 20 in pongs, f"{pongs}")
    equal(result.output("output-ws")["answer_bytes"], 100_008, "answer_bytes")


def broken_off(case, end):
    """Messages while the server ends each connection after 20 frames, by end(connection)."""
    def on_frame(connection):
        if len(connection.frames) == 20:
            end(connection)
    server = WsServer(case, on_frame=on_frame)
    payloads = requests(100, 100)
    step = {"step_ns": 5_000_000}
    result = play(case, recording(case, payloads, **step), server)
    server.wait_ended()
    account = result.output("output-ws")
    equal(account["delivered"], 100, "delivered")
    within(account["reconnects"], 3, 8, "reconnects")
    found = [int(f.split()[1][8:], 16) for f in server.frames()]
    equal(sorted(set(found)), sorted(found), "frames that came once")
    return server, found


@test("a server that closes the WebSocket gets its closing, and a new connection the rest")
def server_closes(case):
    def close(connection):
        connection.sock.sendall(frame_of(8, struct.pack(">H", 1001) + b"bye"))
    server, found = broken_off(case, close)
    equal(found, list(range(100)), "frames: nothing is lost, because both sides close")
    equal([c.closed for c in server.connections[:-1]],
          [struct.pack(">H", 1001)] * (len(server.connections) - 1), "closings")


@test("a server that breaks off: what was not handed over is sent again, on a new connection")
def server_breaks(case):
    _, found = broken_off(case, lambda connection: reset(connection.sock))
    within(len(found), 60, 100, "frames that came")
    equal(found, sorted(found), "their order")


@test("a message cut by the connection's end is sent again whole")
def cut(case):
    def cut_first(connection):
        if len(server.connections) == 1:
            connection.sock.recv(100_000)
            reset(connection.sock)
    server = WsServer(case, on_open=cut_first, rcvbuf=65536)
    payloads = requests(1, 30_000_000) + requests(3)
    result = play(case, recording(case, payloads), server)
    server.wait_ended()
    equal(server.frames(), expected(payloads), "frames")
    equal(result.output("output-ws")["delivered"], 4, "delivered")


@test("a server that comes late, is killed and comes again gets everything that waits")
def restart(case):
    server = WsServer(case)
    server.kill()
    payloads = requests(400)
    refrain = case.refrain("--input-file", recording(case, payloads, step_ns=5_000_000),
                           "--output-ws", f"ws://127.0.0.1:{server.port}", ready=False)
    time.sleep(0.5)
    server.start()
    server.wait_frames(150)
    server.kill()
    server.start()
    result = refrain.wait()
    server.wait_ended()
    found = [int(f.split()[1][8:], 16) for f in server.frames()]
    equal(found, sorted(set(found)), "frames, once and in order")
    within(len(found), 390, 400, "frames; a few were in flight")
    equal(result.output("output-ws")["delivered"], 400, "delivered")
    check("Connection refused; trying again" in result.stderr, result.stderr)
    check("connected" in result.stderr, result.stderr)


@test("a server that does not read: bounded, abandoned at the end, counted")
def does_not_read(case):
    done = []
    server = WsServer(case, on_open=lambda connection: sleep_until(lambda: done), rcvbuf=4096)
    case.on_exit(done.append, True)
    refrain = case.refrain("--input-file", recording(case, requests(40, 1_000_000)), "--output-ws",
                           f"ws://127.0.0.1:{server.port}", "--drain-timeout", "300ms",
                           ready=False)
    wait_until(lambda: server.connections, "a connection")
    time.sleep(1)
    account = refrain.stop(timeout=5, status=6).output("output-ws")
    within(account["abandoned"], 25, 40, "abandoned")
    equal(account["delivered"] + account["abandoned"], 40, "delivered and abandoned")


@test("answers to the handshake that do not agree are refused, and it is said why")
def disagree(case):
    for wrong, words in (
            (lambda a: a.replace(b"Accept: ", b"Accept: A"), "not the answer to our key"),
            (lambda a: b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
             'the server answers "HTTP/1.1 401 Unauthorized"'),
            (lambda a: a.replace(b"Upgrade: websocket\r\n", b""), "does not upgrade"),
            (lambda a: a.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x\r\n\r\n"),
             "extension"),
            (lambda a: b"SSH-2.0-x\r\n\r\n", "not HTTP/1.x"),
            (lambda a: b"HTTP/1.1 101 x\r\n" + b"X: y\r\n" * 10000, "not HTTP/1.x")):
        server = WsServer(case, change=wrong)
        account = give_up(case, recording(case, requests(5)), server, words)
        equal(account["abandoned"], 5, "abandoned")
        equal(server.frames(), [], "frames")


@test("frames that no server may send end the connection, not refrain")
def bad_frames(case):
    for bad in (b"\x82\x81\x00\x00\x00\x00a", b"\xc2\x00", b"\x83\x00", b"\x80\x00", b"\x09\x00",
                b"\x89\x7e\x00\x7e" + b"x" * 126, b"\x82\x7f" + b"\xff" * 8, os.urandom(1) * 1000):
        server = WsServer(case, on_open=lambda c, bad=bad: c.sock.sendall(bad)
                          if len(server.connections) == 1 else None)
        payloads = requests(5)
        refrain = case.refrain("--input-file", recording(case, payloads, step_ns=100_000_000),
                               "--output-ws", f"ws://127.0.0.1:{server.port}", ready=False)
        equal(refrain.wait().output("output-ws")["delivered"], 5, "delivered")


def certificate(case):
    need("openssl")
    key, cert = case.path("key.pem"), case.path("cert.pem")
    sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
       "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return lambda sock: context.wrap_socket(sock, server_side=True)


@test("wss: a self-signed certificate is refused, and taken with --output-ws-skip-verify")
def tls(case):
    server = WsServer(case, wrap=certificate(case))
    payloads = requests(500) + requests(3, 2_000_000)
    file = recording(case, payloads)
    account = give_up(case, file, server, "certificate", scheme="wss")
    equal(account["abandoned"], account["seen"], "abandoned")
    equal(server.frames(), [], "frames")
    result = play(case, file, server, "--output-ws-skip-verify", scheme="wss")
    server.wait_ended()
    equal(server.frames(), expected(payloads), "frames")
    equal(result.output("output-ws")["delivered"], len(payloads), "delivered")


@test("wss: a connection that breaks is opened again")
def tls_restart(case):
    server = WsServer(case, wrap=certificate(case))
    payloads = requests(300, 1000)
    refrain = case.refrain("--input-file", recording(case, payloads, step_ns=5_000_000),
                           "--output-ws", f"wss://127.0.0.1:{server.port}",
                           "--output-ws-skip-verify", ready=False)
    server.wait_frames(100)
    server.kill()
    server.start()
    result = refrain.wait()
    server.wait_ended()
    found = [int(f.split()[1][8:], 16) for f in server.frames()]
    equal(found, sorted(set(found)), "frames, once and in order")
    within(len(found), 290, 300, "frames; a few were in flight")
    equal(result.output("output-ws")["delivered"], 300, "delivered")


@test("a server that accepts and says nothing is given up after a while; nobody there: all waits")
def silent(case):
    listener = socket.create_server(("127.0.0.1", 0))
    case.on_exit(listener.close)
    file = recording(case, requests(5))
    account = give_up(case, file, listener.getsockname()[1], "does not answer the handshake")
    equal(account["abandoned"], 5, "abandoned")
    account = give_up(case, file, free_port(), "Connection refused")
    equal(account["abandoned"], 5, "abandoned")


@test("what cannot work is refused at the start")
def refused(case):
    for args, words in (
            (("htp://x",), ('--output-ws "htp://x": unknown scheme "htp" (use ws:// or wss://)',)),
            (("http://x",), ('unknown scheme "http"',)),
            (("ws://",), ('--output-ws "ws://"', "no host")),
            (("ws://x:port",), ('--output-ws "ws://x:port"', "write ws://HOST")),
            (("ws://x/#a",), ("fragment",)),
            (("ws://x", "--output-ws-workers", "0"), ("--output-ws-workers",))):
        case.refuse("--input-dummy", "x", "--output-ws", *args, status=2, words=words)


if __name__ == "__main__":
    main()
