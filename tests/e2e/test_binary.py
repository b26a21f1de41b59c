#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--output-binary: payloads as they were, in the order of their connection, and bad peers."""
import random
import re
import socket
import time

import gor
from harness import check, equal, free_port, main, need_root, test, wait_until, within
from peers import Server, record, recording, reset, sleep_until


def blobs(n, seed, largest=3000):
    rng = random.Random(seed)
    return [rng.randbytes(rng.choice((1, 2, 60, largest))) for _ in range(n)]


def play(case, file, server, *args, **kwargs):
    port = server if isinstance(server, int) else server.port
    return case.run("--input-file", file, "--output-binary", f"127.0.0.1:{port}", *args, **kwargs)


@test("payloads arrive to the byte, in order, with nothing between them")
def to_the_byte(case):
    server = Server(case)
    payloads = blobs(2000, 1) + [b"\n" + gor.SEPARATOR, b"x" * 3_000_000, b"GET / HTTP/1.1\r\n\r\n"]
    result = play(case, recording(case, payloads), server)
    server.wait_ended()
    equal(server.streams(), [b"".join(payloads)], "what came")
    account = result.output("output-binary")
    equal(account["delivered"], len(payloads), "delivered")
    equal(account["delivered_bytes"], sum(map(len, payloads)), "delivered_bytes")


@test("each recorded connection keeps its order on one connection; 0 workers are up to 10")
def order(case):
    for workers, most in ((None, 10), ("0", 10), ("3", 3), ("1", 1)):
        server = Server(case)
        file = case.write("many.gor", b"".join(
            record(b"<%d.%d>" % (client, n), n, client) for n in range(50) for client in range(40)))
        result = play(case, file, server, *(["--output-binary-workers", workers] if workers else []))
        server.wait_ended()
        equal(result.output("output-binary")["delivered"], 2000, "delivered")
        equal(len(server.connections), most, "connections")
        seen = {}
        for nth, stream in enumerate(server.streams()):
            words = re.findall(rb"<(\d+)\.(\d+)>", stream)
            equal(b"".join(b"<%s.%s>" % w for w in words), stream, "what came")
            for client, n in words:
                seen.setdefault(int(client), []).append((nth, int(n)))
        equal(len(seen), 40, "recorded connections")
        for client, found in seen.items():
            equal([n for _, n in found], list(range(50)), f"order of recorded connection {client}")
            equal(len({nth for nth, _ in found}), 1, f"connections of recorded connection {client}")


@test("only requests are sent")
def requests_only(case):
    server = Server(case)
    file = case.write("pairs.gor", b"".join(record(b"%d" % n, n // 2, kind=1 + n % 2)
                                            for n in range(10)))
    result = play(case, file, server)
    server.wait_ended()
    equal(server.streams(), [b"02468"], "what came")
    equal(result.output("output-binary")["skipped"], 5, "skipped")


@test("answers are read and thrown away, however long, and counted")
def answers(case):
    def talk(connection):
        while data := connection.sock.recv(1):
            connection.data += data
            connection.sock.sendall(b"a" * 1_000_000)
    server = Server(case, talk)
    started = time.monotonic()
    result = play(case, recording(case, [b"q"] * 30), server)
    within(time.monotonic() - started, 0, 15, "seconds")
    equal(server.streams(), [b"q" * 30], "what came")
    equal(result.output("output-binary")["answer_bytes"], 30_000_000, "answer_bytes")


@test("answers are given to the other outputs, each with the id of what it answers")
def tracked(case):
    def talk(connection):
        while data := connection.sock.recv(1 << 16):
            connection.data += data
            if data == b"quiet":
                continue
            for piece in (b"<", data[::-1], b">"): # in segments of their own
                connection.sock.sendall(piece)
                time.sleep(0.002)
            if data == b"last":
                connection.sock.close()
                return
    server = Server(case, talk)
    lines = [[b"a%d" % c, b"quiet", b"b" * 5000, b"last", b"c%d" % c] for c in range(5)]
    file = case.write("in.gor", b"".join(record(lines[c][n], n, c) for n in range(5)
                                         for c in range(5)))
    out = case.path("out.gor")
    result = play(case, file, server, "--output-file", out, "--output-file-append",
                  "--output-binary-track-response", "--output-binary-timeout", "300ms")
    records = gor.read(out)
    sent = {r.id: r.payload for r in records if r.type == 1}
    found = [r for r in records if r.type == 3]
    equal(len({r.id for r in found}), 20, "payloads that were answered")
    for r in found:
        equal(r.payload, b"<" + sent[r.id][::-1] + b">", "an answer")
        equal((r.src, r.dst[:5]), ("10.9.9.9:80", "10.0."), "from and to")
        within(r.latency, 1, 200_000_000, "latency in ns")
    account = result.output("output-binary")
    equal((account["delivered"], account["failed"]), (25, 0), "delivered, failed")
    equal(account["answer_bytes"], 0, "bytes thrown away")


@test("of an answer no more is kept than --output-tcp-response-buffer says, 100kb when it does not")
def bounded(case):
    def talk(connection):
        while data := connection.sock.recv(1 << 16):
            connection.data += data
            connection.sock.sendall(data * 300_000)
    for args, most in (((), 102_400), (("--output-tcp-response-buffer", "5kb"), 5120),
                       (("--output-tcp-response-buffer", "1mb"), 300_000)):
        server = Server(case, talk)
        out = case.path(f"out-{most}.gor")
        play(case, recording(case, [b"x", b"y", b"z"]), server, "--output-binary-track-response",
             "--output-file", out, "--output-file-append", *args)
        found = [r.payload for r in gor.read(out) if r.type == 3]
        equal(found, [c * most for c in (b"x", b"y", b"z")], "answers")


@test("a message that was cut by its connection's end has failed, and is not sent again")
def cut(case):
    def cut_first(connection):
        if len(server.connections) > 1:
            server.keep(connection)
            return
        while len(connection.data) < 100_000:
            connection.data += connection.sock.recv(10_000)
        reset(connection.sock)
    server = Server(case, cut_first, rcvbuf=65536)
    payloads = [b"1" * 100, b"2" * 20_000_000, b"3" * 100, b"4" * 100]
    result = play(case, recording(case, payloads), server)
    server.wait_ended()
    check(server.streams()[0].startswith(b"1" * 100 + b"2"), "the first connection")
    equal(server.streams()[1:], [b"3" * 100 + b"4" * 100], "later connections")
    account = result.output("output-binary")
    equal((account["delivered"], account["failed"], account["reconnects"]), (3, 1, 1),
          "delivered, failed, reconnects")


@test("a peer that is killed and started again: no message comes twice, all are counted")
def restart(case):
    server = Server(case)
    payloads = [b"<%d>" % n for n in range(3000)]
    refrain = case.refrain("--input-file", recording(case, payloads, step_ns=1_000_000),
                           "--output-binary", f"127.0.0.1:{server.port}", ready=False)
    server.wait_bytes(500)
    server.kill()
    time.sleep(0.5)
    before = len(server.connections)
    server.start()
    wait_until(lambda: len(server.connections) > before, "it connects again")
    result = refrain.wait()
    server.wait_ended()
    account = result.output("output-binary")
    found = [int(n) for stream in server.streams() for n in re.findall(rb"<(\d+)>", stream)]
    equal(len(found), len(set(found)), "messages that came once")
    equal(found, sorted(found), "their order")
    equal(found[-1], 2999, "the last one")
    within(account["failed"], 100, 2500, "failed while nobody listened")
    within(account["delivered"] - len(found), 0, 500, "delivered to the kernel, and lost by the kill")
    check(account["reconnects"] >= 1, "no reconnect was counted")
    check("trying again until it works" in result.stderr, f"nothing was said: {result.stderr}")


@test("a peer that does not read costs its messages one timeout each, no more")
def does_not_read(case):
    done = []
    server = Server(case, lambda connection: sleep_until(lambda: done), rcvbuf=4096)
    case.on_exit(done.append, True)
    payloads = [b"x" * 16_000_000] * 4
    started = time.monotonic()
    result = play(case, recording(case, payloads), server, "--output-binary-timeout", "300ms")
    within(time.monotonic() - started, 1.2, 12, "seconds")
    account = result.output("output-binary")
    equal((account["delivered"], account["failed"]), (0, 4), "delivered, failed")
    check("does not read" in result.stderr, f"nothing was said: {result.stderr}")


@test("a peer that does not read holds up no other output")
def holds_up_nothing(case):
    done = []
    server = Server(case, lambda connection: sleep_until(lambda: done), rcvbuf=4096)
    case.on_exit(done.append, True)
    file = recording(case, [b"x" * 4_000_000] * 6, step_ns=50_000_000)
    result = case.run("--input-file", file, "--output-binary", f"127.0.0.1:{server.port}",
                      "--output-binary-timeout", "200ms", "--output-when-full", "drop",
                      "--output-null")
    equal(result.output("output-null")["delivered"], 6, "delivered to the other")
    account = result.output("output-binary")
    check(account["failed"] + account["dropped_queue"] > 0, f"nothing was lost: {account}")


@test("a peer that nobody reaches: all has failed, soon")
def unreachable(case):
    started = time.monotonic()
    result = play(case, recording(case, [b"x"] * 5000), free_port())
    within(time.monotonic() - started, 0, 5, "seconds")
    equal(result.output("output-binary")["failed"], 5000, "failed")
    check("cannot connect: Connection refused" in result.stderr, f"not said: {result.stderr}")


@test("a peer that accepts and hangs up at once, or ends its side: all is settled, soon")
def hangs_up(case):
    for end in (lambda c: reset(c.sock), lambda c: c.sock.close(),
                lambda c: (c.sock.shutdown(socket.SHUT_WR), server.keep(c))):
        server = Server(case, end)
        started = time.monotonic()
        result = play(case, recording(case, [b"x" * 1000] * 3000), server)
        within(time.monotonic() - started, 0, 10, "seconds")
        account = result.output("output-binary")
        equal(account["delivered"] + account["failed"], 3000, "delivered or failed")


@test("a live binary protocol is sent on, and what is sent is not recorded again")
def live(case):
    need_root()

    def echo(connection):
        while data := connection.sock.recv(1 << 16):
            connection.data += data
            connection.sock.sendall(b"ok")
    server = Server(case, echo)
    refrain = case.refrain("--input-raw", f"lo:{server.port}", "--input-raw-protocol", "binary",
                           "--output-binary", f"127.0.0.1:{server.port}", "--allow-self")
    said = [b"\x00\x01\xff%d\n" % n * 1000 for n in range(5)]
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        for words in said:
            s.sendall(words)
            s.recv(2)
    wait_until(lambda: len(server.connections) == 2 and
               len(server.connections[1].data) == sum(map(len, said)), "it comes again")
    time.sleep(0.5)
    result = refrain.stop()
    equal(server.streams(), [b"".join(said)] * 2, "what came")
    equal(result.output("output-binary")["seen"], 5, "seen")


@test("what cannot work is refused at the start")
def refused(case):
    for args, words in (
            (("--output-binary", "127.0.0.1"), ('--output-binary "127.0.0.1"', "HOST:PORT")),
            (("--output-binary", "tcp://127.0.0.1:1"), ("--output-binary", "not a URL")),
            (("--output-binary", "127.0.0.1:1", "--output-binary-workers", "65"),
             ("--output-binary-workers", "65"))):
        case.refuse("--input-dummy", "x", *args, status=2, words=words)


if __name__ == "__main__":
    main()
