#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two refrains that lose nothing between them: kill -9 at either end, a peer that is stopped, cut
off or away, a spool that is full or damaged. With "full" in front of the words, or REFRAIN_LONG=1,
a peer is away for ten minutes instead of ten seconds."""
import contextlib
import glob
import os
import random
import re
import signal
import socket
import sys
import time
import zlib

import gor
from harness import (check, equal, free_port, long_run, main, need, need_root, sh, summaries, test,
                     wait_until, within)
from relays import (CONNECTIONS, Receiver, check_all, check_order, gor_bytes, kill_while, names,
                    recording, rss_kib)

LONG = long_run(sys.argv)
HELLO = re.compile(rb"^refrain-relay/1 sender=([0-9a-f]{16}) next=(\d+)\n" + gor.SEPARATOR[1:])


def kill_receiver(case, template, n, kills, *options):
    receiver = Receiver(case, "--output-file", case.path(template), *options).start()
    file = recording(case, "in.gor", n, 8000)
    sender = case.refrain("--input-file", file, "--output-tcp", receiver.address, ready=False)
    kill_while(receiver, sender, kills, 0.02, 0.4)
    result = sender.wait(120)
    equal(result.output("output-tcp")["delivered"], n, "acknowledged")
    receiver.refrain.stop()
    head, _, tail = template.partition(".")
    files = sorted(glob.glob(case.path(f"{head}*.{tail}")), key=chunk_number)
    check_all(names(files), n)


def chunk_number(path):
    found = re.search(r"_(\d+)\.", os.path.basename(path))
    return int(found.group(1)) if found else 0


@test("the receiver is killed 20 times during 100,000 requests: 0 lost, 0 twice, in order")
def kill_receiver_append(case):
    kill_receiver(case, "out.gor", 100_000, 20, "--output-file-append")


@test("the same into chunks of 256 records")
def kill_receiver_chunks(case):
    kill_receiver(case, "out.gor", 40_000, 8)


@test("the same into gzip")
def kill_receiver_gzip(case):
    kill_receiver(case, "out.gor.gz", 40_000, 8, "--output-file-append")


@test("a relay between two others is killed 10 times: 0 lost, 0 twice, in order")
def kill_middle(case):
    n = 40_000
    out = case.path("out.gor")
    centre = Receiver(case, "--output-file", out, "--output-file-append").start()
    middle = Receiver(case, "--output-tcp", centre.address).start()
    file = recording(case, "in.gor", n, 8000)
    sender = case.refrain("--input-file", file, "--output-tcp", middle.address, ready=False)
    kill_while(middle, sender, 10, 0.02, 0.4, 3)
    result = sender.wait(120)
    equal(result.output("output-tcp")["delivered"], n, "acknowledged")
    middle.refrain.stop()
    got = centre.refrain.stop()
    check_all(names([out]), n)
    equal(got.output("output-file")["delivered"], n, "written")


@test("connections stay in order over several relays and several workers each, which are killed")
def in_order(case):
    n, out = 40_000, case.path("out.gor")
    centre = Receiver(case, "--output-file", out, "--output-file-append").start()
    relays = [Receiver(case, "--output-tcp", centre.address, "--output-tcp-workers", "3").start()
              for _ in range(2)]
    outputs = [a for relay in relays for a in ("--output-tcp", relay.address)]
    sender = case.refrain("--input-file", recording(case, "in.gor", n, 8000), *outputs,
                          "--split-output", "hash:connection", "--output-tcp-workers", "4",
                          "--output-tcp-sticky", ready=False)
    for k in range(6):
        kill_while(relays[k % 2], sender, 1, 0.2, 0.6, k)
    result = sender.wait(120)
    shares = [result.output("output-tcp", k)["delivered"] for k in range(2)]
    equal(sum(shares), n, "acknowledged")
    check(min(shares) > n // 10, f"one relay has nearly all: {shares}")
    for relay in relays:
        relay.refrain.stop()
    centre.refrain.stop()
    check_all(names([out]), n)


@test("the sender is killed 5 times with a spool: at most 200 ms lost, 0 twice")
def kill_sender(case):
    out = case.path("out.gor")
    receiver = Receiver(case, "--output-file", out, "--output-file-append").start()
    rng = random.Random(5)
    rate = 2000
    spool = ("--output-tcp-spool", case.path("spool"))
    for k in range(5):
        data = gor.load(recording(case, "in.gor", 20_000, rate))
        file = case.write("in.gor", data.replace(b"GET /", f"GET /{k}-".encode()))
        repair(file)
        sender = case.refrain("--input-file", file, "--output-tcp", receiver.address, *spool,
                              ready=False)
        if k % 2: # killed while the receiver is away, so that the spool is all there is
            receiver.kill()
        time.sleep(rng.uniform(1, 2))
        sender.send(signal.SIGUSR1)
        produced = wait_until(lambda s=sender: last_produced(s), "a summary", 10)
        sender.kill()
        if k % 2:
            receiver.start()
        last = case.run("--input-file", case.write("none.gor", b""), "--output-tcp",
                        receiver.address, *spool)
        books = last.output("output-tcp")
        equal(books["delivered"], books["spool_found"], "delivered of what was in the spool")
        numbers = [number for run, number in prefixed(out) if run == k]
        equal(sorted(set(numbers)), list(range(len(numbers))), "lost in the midst, or twice")
        check(len(numbers) >= produced - rate // 5,
              f"{len(numbers)} arrived of {produced}: more than 200 ms are lost")
    equal(os.listdir(case.path("spool")), [], "what is left of an empty spool")
    receiver.refrain.stop()


def last_produced(refrain):
    found = summaries(refrain.stderr())
    return found and found[-1]["inputs"][0]["produced"]


def repair(path):
    """LENGTH and CRC32 again, after payloads were changed."""
    parts = []
    for record in gor.load(path).split(gor.SEPARATOR)[:-1]:
        head, _, payload = record.partition(b"\n")
        words = head.split(b" ")
        words[4:6] = [str(len(payload)).encode(), f"{zlib.crc32(payload):08x}".encode()]
        parts.append(b" ".join(words) + b"\n" + payload + gor.SEPARATOR)
    with open(path, "wb") as f:
        f.write(b"".join(parts))


def prefixed(path):
    """(run, running number) of records /RUN-CONNECTION/NUMBER."""
    found = []
    for _, payload in gor.salvage(gor_bytes(path)):
        run, conn, number = map(int, re.match(rb"GET /(\d+)-(\d+)/(\d+) ", payload).groups())
        found.append((run, number * CONNECTIONS + conn))
    return found


@test("a stopped receiver is noticed within 10 s, and gets everything once it goes on")
def stopped(case):
    n = 30_000
    out = case.path("out.gor")
    receiver = Receiver(case, "--output-file", out, "--output-file-append").start()
    file = recording(case, "in.gor", n, 2000)
    sender = case.refrain("--input-file", file, "--output-tcp", receiver.address, ready=False)
    time.sleep(1)
    receiver.refrain.send(signal.SIGSTOP)
    begun = time.monotonic()
    wait_until(lambda: "does not answer" in sender.stderr(), "the sender notices", 12)
    within(time.monotonic() - begun, 3, 10, "seconds until it was noticed")
    receiver.refrain.send(signal.SIGCONT)
    result = sender.wait(60)
    equal(result.output("output-tcp")["delivered"], n, "acknowledged")
    receiver.refrain.stop()
    check_all(names([out]), n)


@test("packets that vanish: noticed within 10 s, spooled in flat memory, caught up at twice the rate")
def black_hole(case):
    need_root()
    need("ip", "iptables")
    space = "rlyhole"
    sh("ip", "netns", "add", space)
    case.on_exit(sh, "ip", "netns", "del", space)
    inside = ("ip", "netns", "exec", space)
    sh(*inside, "ip", "link", "set", "lo", "up")
    away, rate = (600, 500) if LONG else (12, 4000)
    n = rate * (away + 14)
    out, port = case.path("out.gor"), free_port()
    env = {"ASAN_OPTIONS": "quarantine_size_mb=1"}
    receiver = case.refrain("--input-tcp", f"127.0.0.1:{port}", "--output-file", out,
                            "--output-file-append", prefix=inside, ready=False)
    time.sleep(1)
    file = recording(case, "in.gor", n, rate, size=1000)
    sender = case.refrain("--input-file", file, "--output-tcp", f"127.0.0.1:{port}",
                          "--output-tcp-spool", case.path("spool"), "--output-when-full", "drop",
                          prefix=inside, env=env, ready=False)
    time.sleep(2)
    for side in ("--dport", "--sport"):
        sh(*inside, "iptables", "-A", "INPUT", "-p", "tcp", side, port, "-j", "DROP")
    begun, before = time.monotonic(), rss_kib(sender.pid)
    wait_until(lambda: "does not answer" in sender.stderr(), "the sender notices", 12)
    within(time.monotonic() - begun, 3, 10, "seconds until it was noticed")
    time.sleep(away - (time.monotonic() - begun))
    within(rss_kib(sender.pid) - before, -8192, 8192, "growth of the sender's memory, KiB")
    check(sum(map(os.path.getsize, spooled(case))) > rate * (away - 2) * 1000, "it is spooled")
    sh(*inside, "iptables", "-F", "INPUT")
    begun = time.monotonic()
    # twice the rate: what came in meanwhile, and what comes, in so long again
    wait_until(lambda: len(spooled(case)) <= 1 and all(os.path.getsize(f) < 20_000_000
                                                       for f in spooled(case)),
               "the spool is sent", away + 12)
    check(time.monotonic() - begun < away + 5, "it catches up at less than twice the rate")
    result = sender.wait(60)
    equal(result.output("output-tcp")["delivered"], n, "acknowledged, with nothing dropped")
    receiver.stop()
    check_all(names([out]), n)


def spooled(case):
    return [f for f in glob.glob(case.path("spool/*/*.frames")) if os.path.getsize(f) > 0]


@test("a full spool: the newest are dropped and counted, the others arrive")
def full_spool(case):
    n = 20_000
    out = case.path("out.gor")
    receiver = Receiver(case, "--output-file", out, "--output-file-append")
    file = recording(case, "in.gor", n, 10_000, size=1000)
    sender = case.refrain("--input-file", file, "--input-tcp", f"127.0.0.1:{free_port()}",
                          "--output-tcp", receiver.address, "--output-tcp-spool",
                          case.path("spool"), "--output-tcp-spool-size", "4mb",
                          "--output-queue-len", "256", "--output-when-full", "drop", ready=False)
    time.sleep(3)
    check(sum(map(os.path.getsize, spooled(case))) <= 4 << 20, "the spool is beyond its size")
    receiver.start()
    wait_until(lambda: os.path.exists(out) and len(names([out])) > 3000, "some arrive", 20)
    result = sender.stop()
    books = result.output("output-tcp")
    within(books["dropped_queue"], 10_000, n - 3000, "dropped and counted")
    equal(books["delivered"] + books["dropped_queue"], n, "delivered and dropped")
    receiver.refrain.stop()
    found = names([out])
    equal(len(found), books["delivered"], "arrived")
    equal(len(set(found)), len(found), "arrived once")
    check_order(found)


@test("messages left in a spool are told, and sent by the next run; damage costs what is damaged")
def damaged_spool(case):
    n = 5000
    out = case.path("out.gor")
    receiver = Receiver(case, "--output-file", out, "--output-file-append")
    file = recording(case, "in.gor", n, 100_000)
    spool = ("--output-tcp", receiver.address, "--output-tcp-spool", case.path("spool"))
    first = case.run("--input-file", file, *spool)
    equal(first.output("output-tcp")["spooled"], n, "left in the spool")
    path, = spooled(case)
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        f.write(b"\0" * 40)
    receiver.start()
    second = case.run("--input-file", case.write("none.gor", b""), *spool)
    books = second.output("output-tcp")
    equal(books["spool_damaged"], 1, "damaged places")
    within(books["spool_found"], n - 2, n - 1, "found in the spool")
    equal(books["delivered"], books["spool_found"], "delivered")
    result = receiver.refrain.stop()
    found = names([out])
    equal(len(found) + result.input("input-tcp")["records_damaged"], books["delivered"], "arrived")
    equal(len(set(found)), len(found), "arrived once")


@test("another version at the other end is said, and nothing is lost to it")
def versions(case):
    server = socket.create_server(("127.0.0.1", 0))
    case.on_exit(server.close)
    port = server.getsockname()[1]
    file = recording(case, "in.gor", 100, 100_000)
    sender = case.refrain("--input-file", file, "--output-tcp", f"127.0.0.1:{port}", ready=False)
    server.settimeout(10)
    connection, _ = server.accept()
    connection.settimeout(10)
    hello = connection.recv(4096)
    check(HELLO.match(hello), f"no HELLO: {hello}")
    connection.sendall(b"refrain-relay/2 have=0\n")
    wait_until(lambda: "another version" in sender.stderr(), "it says so")
    check(not connection.recv(4096), "records were sent to a version that is not understood")
    result = sender.stop(status=6)
    books = result.output("output-tcp")
    equal(books["abandoned"], books["seen"], "abandoned")
    # a sender of a later version gets our answer
    receiver = Receiver(case, "--output-null").start()
    with socket.create_connection(("127.0.0.1", receiver.port)) as s:
        s.sendall(b"refrain-relay/9 sender=ab next=5 colour=blue" + gor.SEPARATOR)
        equal(s.recv(4096).split(b"\n")[0], b"refrain-relay/1 have=4", "WELCOME")
    receiver.refrain.stop()


@test("strangers: silent ones, slow ones, rubbish; a genuine sender beside them loses nothing")
def strangers(case):
    n = 20_000
    out = case.path("out.gor")
    receiver = Receiver(case, "--output-file", out, "--output-file-append").start()
    rng = random.Random(9)
    silent = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(900)]
    slow = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(20)]
    for s in slow:
        s.sendall(b"1 9c4000500a0000")
    file = recording(case, "in.gor", n, 2000)
    sender = case.refrain("--input-file", file, "--output-tcp", receiver.address, ready=False)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", receiver.port)) as s:
            s.settimeout(10)
            with contextlib.suppress(ConnectionError):
                s.sendall(rng.randbytes(100_000))
                equal(s.recv(10), b"", "an answer to rubbish")
    silent += [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(300)]
    begun = time.monotonic()
    for s in slow + silent:
        s.settimeout(max(0.1, begun + 14 - time.monotonic()))
        with contextlib.suppress(ConnectionError):
            equal(s.recv(10), b"", "the end of a stranger")
    result = sender.wait(60)
    equal(result.output("output-tcp")["delivered"], n, "acknowledged")
    receiver.refrain.stop()
    check_all(names([out]), n)


if __name__ == "__main__":
    main()
