#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kafka on three nodes that are killed, and that stay away: nothing lost, or counted. REFRAIN_LONG=1
for 100,000 messages and ten kills."""
import collections
import os
import socket
import threading
import time

import gor
import kafka
from harness import check, equal, free_port, main, test, wait_until, within

START = 1_700_000_000_000_000_000
LONG = bool(os.environ.get("REFRAIN_LONG"))
N, KILLS = (100_000, 10) if LONG else (30_000, 2)
CONNECTIONS = 200
NODES = 3


def records(numbers, step=0):
    return b"".join(gor.make(gor.request(f"/{k}"), START + k * step,
                             id_=f"{k % CONNECTIONS:016x}{k:08x}") for k in numbers)


def recording(case, n, seconds):
    return case.write("in.gor", records(range(n), int(seconds * 1e9 / n)))


class Source(threading.Thread):
    """Sends n records to a refrain with --input-tcp: nine of ten ever more slowly, so that there is
    traffic however long the test takes; the others when it ends."""

    def __init__(self, case, port, n, seconds):
        super().__init__(daemon=True)
        self.n, self.seconds, self.ending = n, seconds, threading.Event()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.start()
        case.on_exit(self.end)

    def run(self):
        sent, slow = 0, self.n * 9 // 10
        while sent < self.n:
            ended = self.ending.wait(0.02)
            left = self.n - sent if ended else slow - sent
            step = left if ended else min(left, 1 + left // (50 * self.seconds))
            self.socket.sendall(records(range(sent, sent + step)))
            sent += step
        self.socket.close()

    def end(self):
        self.ending.set()
        self.join()


def paths_in(file):
    """Of all whole records, in their order; what a kill tore is left out."""
    if not os.path.exists(file):
        return []
    return [int(r[3].split(b" ")[1][1:]) for r in gor.parse_as_gor(gor.load(file))]


def check_all_in_order(paths, n):
    """Each of n requests is there, and those of a connection in their order; how many came twice."""
    last, seen = collections.defaultdict(lambda: -1), set()
    for path in paths:
        if path not in seen:
            check(path > last[path % CONNECTIONS], f"{path} behind {last[path % CONNECTIONS]}")
            last[path % CONNECTIONS] = path
            seen.add(path)
    equal(len(seen), n, "distinct messages")
    return len(paths) - n


def topic(case, name, partitions=4):
    """The shared cluster, with that topic on all of its nodes."""
    cluster = kafka.shared(case, NODES)
    cluster.client(case).create_topic(name, partitions, NODES)
    return cluster


def read_into(case, cluster, name, file, *args):
    """A refrain that reads the topic into a file."""
    return case.refrain("--input-kafka-host", cluster.address(), "--input-kafka-topic", name, *args,
                        "--output-file", file, "--output-file-append",
                        "--output-file-flush-interval", "50ms", ready=False)


def kill_leader(cluster, client, name):
    """The node that leads partition 0 dies; others lead until it is back, and in step again."""
    victim = client.partitions(name)[0][0]
    node = cluster.nodes[victim - 1]
    node.kill()
    wait_until(lambda: (p := client.partitions(name)) and all(leader not in (victim, -1)
                                                             for leader, _ in p),
               lambda: f"others lead instead of {victim}: {client.partitions(name)}", 60)
    node.start()
    node.wait_ready()
    wait_until(lambda: (p := client.partitions(name)) and all(in_step == NODES for _, in_step in p),
               lambda: f"{victim} is in step again: {client.partitions(name)}", 60)


@test("leaders killed and restarted again and again under load: all messages there, none twice")
def killed(case):
    cluster = topic(case, "killed")
    client, file = cluster.client(case), case.path("out.gor")
    reader = read_into(case, cluster, "killed", file, "--input-kafka-offset=-2|100000%")
    port = free_port()
    refrain = case.refrain("--input-tcp", f"127.0.0.1:{port}", "--output-when-full", "block",
                           "--output-kafka-host", cluster.address(), "--output-kafka-topic",
                           "killed", "--drain-timeout", "60s", ready=port)
    source = Source(case, port, N, 10 * KILLS)
    for _ in range(KILLS):
        time.sleep(1)
        kill_leader(cluster, client, "killed")
    source.end()
    wait_until(lambda: len(paths_in(file)) >= N,
               lambda: f"{len(paths_in(file))} of {N}: {refrain.stderr()}, {reader.stderr()}", 90)
    time.sleep(0.5)  # whatever comes twice
    equal(refrain.stop().output("output-kafka-host")["delivered"], N, "delivered")
    reader.stop()
    equal(check_all_in_order(paths_in(file), N), 0, "came twice")
    print(f"# {KILLS} kills, {N} messages once each")


@test("brokers away for longer than the buffer holds: drops are counted, nobody else is touched")
def away(case):
    cluster = topic(case, "away", 1)
    other, n = case.path("other.gor"), 12000
    refrain = case.refrain("--input-file", recording(case, n, 8), "--output-when-full", "drop",
                           "--output-kafka-host", cluster.address(), "--output-kafka-topic", "away",
                           "--output-queue-len", "4096", "--output-file", other,
                           "--output-file-append", "--output-file-flush-interval", "100ms",
                           "--drain-timeout", "60s", "--kafka-property",
                           "queue.buffering.max.messages=100", ready=False)
    wait_until(lambda: os.path.exists(other) and os.path.getsize(other) > 0, "it has begun", 20)
    with cluster.away():
        time.sleep(7)
    result = refrain.wait(timeout=120)
    out, file = result.output("output-kafka-host"), result.output("output-file")
    equal((file["seen"], file["delivered"]), (n, n), "records seen and in the file")
    check(out["dropped_queue"] > 1000, f"only {out['dropped_queue']} were dropped")
    equal(out["delivered"] + out["dropped_queue"], n, "delivered and dropped")
    equal(len(cluster.client(case, 1).read("away")), out["delivered"], "messages in the topic")


@test("stopped while the brokers are away: gives up after --drain-timeout, and counts the rest")
def away_at_the_end(case):
    cluster = topic(case, "end", 1)
    other, n = case.path("other.gor"), 1000
    refrain = case.refrain("--input-file", recording(case, n, 3), "--output-kafka-host",
                           cluster.address(), "--output-kafka-topic", "end", "--output-file", other,
                           "--output-file-append", "--output-file-flush-interval", "50ms",
                           "--drain-timeout", "2s", ready=False)
    wait_until(lambda: len(paths_in(other)) > 100, "it has begun", 20)
    with cluster.away():
        wait_until(lambda: len(paths_in(other)) == n, "all are in the file", 20)
        since = time.monotonic()
        result = refrain.stop(timeout=30, status=6)
        within(time.monotonic() - since, 1.5, 5, "seconds from the signal to the end")
    out = result.output("output-kafka-host")
    check(out["abandoned"] > 100, f"{out['abandoned']} were abandoned")
    equal(out["delivered"] + out["abandoned"], n, "delivered and abandoned")


@test("a consumer killed with -9 again and again: nothing lost, little twice")
def killed_consumer(case):
    n, kills = (30_000, 4) if LONG else (15_000, 2)
    cluster = topic(case, "consumer")
    case.run("--input-file", recording(case, n, n / 30_000) + "|1000%", "--output-kafka-host",
             cluster.address(), "--output-kafka-topic", "consumer")
    files = []

    def start():
        files.append(case.path(f"part-{len(files)}.gor"))
        return read_into(case, cluster, "consumer", files[-1], "--input-kafka-offset", "group|20%",
                         "--kafka-property", "session.timeout.ms=6000")

    def got():
        return [p for f in files for p in paths_in(f)]
    for _ in range(kills):
        refrain = start()
        before = len(got())
        wait_until(lambda b=before: len(got()) > b + 2000,
                   lambda r=refrain: f"{len(got())} records: {r.stderr()}", 60)
        refrain.kill()
    refrain = start()
    wait_until(lambda: len(set(got())) >= n, lambda: f"{len(set(got()))} of {n}", 90)
    refrain.stop()
    all_of_them = got()
    equal(sorted(set(all_of_them)), list(range(n)), "distinct requests")
    twice = len(all_of_them) - n
    # at each kill a second between commits at 6,000/s, and what the file had not yet got
    check(twice < kills * 6500, f"{twice} came twice")
    print(f"# {kills} kills, {twice} of {n} came twice")


if __name__ == "__main__":
    main()
