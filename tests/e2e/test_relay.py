#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The relay in gor's own stream: any number of hops, several senders, a receiver that restarts."""
import collections
import random
import socket
import time

import gor
import traffic
from harness import check, equal, free_port, main, need_root, test, wait_until
from servers import Nginx, Target

START = 1_700_000_000_000_000_000


def chain_file(case, name, n, seed):
    rng = random.Random(seed)
    parts = []
    for k in range(n):
        body = bytes(rng.randrange(256) for _ in range(rng.choice((0, 0, 10, 3000))))
        payload = gor.request(f"/{name}/{k}", method="POST", headers=(f"X-Id: {seed}.{k}",),
                              body=body or b"\n\n")
        parts.append(gor.make(payload, START, id_=f"{seed:08x}{k:016x}"))
    return case.write(name, b"".join(parts))


@test("two live senders and a central replayer: nothing lost, doubled or altered")
def two_senders(case):
    need_root()
    port = free_port()
    target = Target(case)
    centre = case.refrain("--input-tcp", f"127.0.0.1:{port}", "--output-http",
                          f"http://127.0.0.1:{target.port}", "--http-original-host", ready=port)
    servers = [Nginx(case), Nginx(case)]
    senders = [case.refrain("--input-raw", f"127.0.0.1:{s.port}", "--output-tcp",
                            f"127.0.0.1:{port}") for s in servers]
    for seed, server in enumerate(servers):
        equal(traffic.send(("127.0.0.1", server.port), seed, 10, 200, "small"), 2000, "answers")
    for sender in senders:
        equal(sender.stop().output("output-tcp")["delivered"], 2000, "delivered by a sender")
    target.wait_arrivals(4000, 30)
    result = centre.stop()
    equal(result.input("input-tcp")["records"], 4000, "records at the centre")
    equal(result.output("output-http")["delivered"], 4000, "replayed by the centre")
    wanted = collections.Counter(d for seed in (0, 1)
                                 for d in traffic.expected(seed, 10, 200, "small").values())
    got = collections.Counter(traffic.digest(a.raw) for a in target.arrivals)
    equal(got - wanted, collections.Counter(), "requests altered or doubled")
    equal(wanted - got, collections.Counter(), "requests lost")


@test("three hops are byte-exact: header, body, timestamps")
def three_hops(case):
    ports = [free_port() for _ in range(3)]
    out = case.path("end.gor")
    end = case.refrain("--input-tcp", f":{ports[2]}", "--output-file", out,
                       "--output-file-append", ready=ports[2])
    hops = [case.refrain("--input-tcp", f"127.0.0.1:{ports[n]}", "--output-tcp",
                         f"127.0.0.1:{ports[n + 1]}", ready=ports[n]) for n in (1, 0)]
    files = [chain_file(case, f"s{seed}.gor", 500, seed) for seed in (1, 2)]
    first = case.run("--input-file", files[0], "--input-file", files[1], "--output-tcp",
                     f"127.0.0.1:{ports[0]}", "--output-tcp-workers", "1")
    equal(first.output("output-tcp")["delivered"], 1000, "sent by the first")
    wait_until(lambda: len(gor.parse_as_gor(gor.load(out))) >= 1000, "all have arrived", 15)
    for hop in reversed(hops):
        hop.stop()
    end.stop()
    got = {r.id: (r.type, r.ts, r.payload) for r in gor.read(out)}
    wanted = {r[1]: (r[0], r[2], r[3]) for f in files for r in gor.parse_as_gor(gor.load(f))}
    equal(got, wanted, "records at the end")


@test("gor's sender is understood: plain records, four fields, in pieces of any size")
def from_gor(case):
    port = free_port()
    out = case.path("got.gor")
    refrain = case.refrain("--input-tcp", f"127.0.0.1:{port}", "--output-file", out,
                           "--output-file-append", ready=port)
    data = gor.load(chain_file(case, "gor.gor", 200, 7))
    rng = random.Random(7)
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        at = 0
        while at < len(data):
            n = rng.choice((1, 7, 100, 4000))
            s.sendall(data[at:at + n])
            at += n
    wait_until(lambda: len(gor.parse_as_gor(gor.load(out))) >= 200, "all are in the file", 10)
    refrain.stop()
    equal([r.payload for r in gor.read(out)], [r[3] for r in gor.parse_as_gor(data)], "payloads")


@test("what the sender writes is understood by gor's rules")
def to_gor(case):
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    case.on_exit(server.close)
    file = chain_file(case, "x.gor", 300, 3)
    refrain = case.refrain("--input-file", file, "--output-tcp",
                           f"127.0.0.1:{server.getsockname()[1]}", "--output-tcp-workers", "1",
                           ready=False)
    connection, _ = server.accept()
    connection.settimeout(10)
    data = b""
    while piece := connection.recv(65536):
        data += piece
    connection.close()
    refrain.wait()
    got = [(r[1], r[2], r[3]) for r in gor.parse_as_gor(data)]
    wanted = [(r[1], r[2], r[3]) for r in gor.parse_as_gor(gor.load(file))]
    equal(got, wanted, "records by gor's rules")


@test("a sender waits for its receiver, and connects again when that was restarted")
def restart(case):
    port = free_port()
    file = chain_file(case, "again.gor", 1, 5)
    first_out, second_out = case.path("first.gor"), case.path("second.gor")
    sender = case.refrain("--input-file", file, "--input-file-loop", "--output-tcp",
                          f"127.0.0.1:{port}|50", "--output-tcp-workers", "1", ready=False)
    time.sleep(0.5)
    check(sender.process.poll() is None, "the sender ended because nobody listens yet")
    for out in (first_out, second_out):
        receiver = case.refrain("--input-tcp", f"127.0.0.1:{port}", "--output-file", out,
                                "--output-file-append", "--output-file-flush-interval", "100ms",
                                ready=port)
        wait_until(lambda path=out: len(load_if_there(path)) >= 20, f"records in {out}", 20)
        receiver.stop()
        gor.read(out)
    result = sender.stop(status=None)
    check(result.output("output-tcp")["reconnects"] >= 1, "no reconnect was counted")


def load_if_there(path):
    try:
        return gor.parse_as_gor(gor.load(path))
    except FileNotFoundError:
        return []


@test("a record that breaks off with its connection is counted, the next sender is heard")
def broken_off(case):
    port = free_port()
    refrain = case.refrain("--input-tcp", f"127.0.0.1:{port}", "--output-null", ready=port)
    data = gor.load(chain_file(case, "y.gor", 3, 9))
    for part in (data[:-len(gor.SEPARATOR) - 1], data):
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(part)
        time.sleep(0.3)
    result = refrain.stop()
    equal(result.output("output-null")["delivered"], 5, "whole records")
    equal(result.input("input-tcp")["records_damaged"], 1, "records_damaged")


if __name__ == "__main__":
    main()
