#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kafka with brokers that are killed, and that stay away: nothing lost, or counted."""
import collections
import os
import time

import gor
import kafka
from harness import check, equal, main, test, wait_until

START = 1_700_000_000_000_000_000
LONG = bool(os.environ.get("REFRAIN_LONG"))
N = 100_000
KILLS = 10 if LONG else 4


def recording(case, n=N, seconds=40.0, connections=200):
    step = int(seconds * 1e9 / n)
    parts = [gor.make(gor.request(f"/{k}"), START + k * step,
                      id_=f"{k % connections:016x}{k:08x}") for k in range(n)]
    return case.write("in.gor", b"".join(parts))


def path_of(message):
    return int(message.value.split(b"\n", 1)[1].split(b" ")[1][1:])


def check_all_in_order(messages, n, connections=200):
    """Each of n requests is there, and those of a connection in their order; how many came twice. A
    broker that was killed remembers only the last batch of each producer, so that one which was
    confirmed to nobody may be taken twice: Kafka promises no more for a single node."""
    last, seen = collections.defaultdict(lambda: -1), set()
    for message in messages:
        path = path_of(message)
        if path not in seen:
            check(path > last[path % connections], f"{path} behind {last[path % connections]}")
            last[path % connections] = path
            seen.add(path)
    equal(len(seen), n, "distinct messages")
    return len(messages) - n


@test("a broker killed and restarted again and again during 100,000 messages: all of them there")
def killed(case):
    cluster = kafka.Cluster(case)
    node = cluster.nodes[0]
    cluster.client(case).create_topic("killed", 4)
    refrain = case.refrain("--input-file", recording(case, seconds=120 if LONG else 40),
                           "--output-kafka-host", cluster.address(), "--output-kafka-topic",
                           "killed", "--drain-timeout", "60s", ready=False)
    kills = 0
    while refrain.process.poll() is None and kills < KILLS:
        time.sleep(3)
        node.kill()
        kills += 1
        time.sleep(0.5)
        node.start()
        node.wait_ready()
    result = refrain.wait(timeout=200)
    check(kills >= KILLS, f"only {kills} kills in this time")
    equal(result.output("output-kafka-host")["delivered"], N, "delivered")
    twice = check_all_in_order(cluster.client(case, 1).read("killed", 4), N)
    check(twice <= kills * 100, f"{twice} came twice")
    print(f"# {kills} kills, {twice} came twice")


@test("a broker away for longer than the buffer holds: drops are counted, nobody else is touched")
def away(case):
    cluster = kafka.shared(case)
    cluster.client(case).create_topic("away", 1)
    other = case.path("other.gor")
    source = recording(case, 12000, 10)
    refrain = case.refrain("--input-file", source, "--output-when-full", "drop",
                           "--output-kafka-host", cluster.address(), "--output-kafka-topic", "away",
                           "--output-queue-len", "4096", "--output-file", other,
                           "--output-file-append", "--output-file-flush-interval", "100ms",
                           "--drain-timeout", "60s", "--kafka-property",
                           "queue.buffering.max.messages=100", ready=False)
    wait_until(lambda: os.path.exists(other) and os.path.getsize(other) > 0, "it has begun", 20)
    cluster.nodes[0].pause()
    try:
        time.sleep(9)
    finally:
        cluster.nodes[0].resume()
    result = refrain.wait(timeout=120)
    out, file = result.output("output-kafka-host"), result.output("output-file")
    equal((file["seen"], file["delivered"]), (12000, 12000), "records seen and in the file")
    check(out["dropped_queue"] > 1000, f"only {out['dropped_queue']} were dropped")
    equal(out["delivered"] + out["dropped_queue"], 12000, "delivered and dropped")
    equal(len(cluster.client(case, 1).read("away")), out["delivered"], "messages in the topic")


def paths_in(file):
    """Of all whole records, in their order; what a kill tore is left out."""
    if not os.path.exists(file):
        return []
    return [int(r[3].split(b" ")[1][1:]) for r in gor.parse_as_gor(gor.load(file))]


@test("a consumer killed with -9 again and again: nothing lost, little twice")
def killed_consumer(case):
    n, kills = 30_000, 4 if LONG else 2
    cluster = kafka.shared(case)
    cluster.client(case).create_topic("consumer", 4)
    source = recording(case, n, 1)
    case.run("--input-file", source + "|1000%", "--output-kafka-host", cluster.address(),
             "--output-kafka-topic", "consumer")
    files = []

    def start():
        files.append(case.path(f"part-{len(files)}.gor"))
        return case.refrain("--input-kafka-host", cluster.address(), "--input-kafka-topic",
                            "consumer", "--input-kafka-offset", "group|20%",
                            "--output-file", files[-1], "--output-file-append",
                            "--output-file-flush-interval", "50ms", "--kafka-property",
                            "session.timeout.ms=6000", ready=False)

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
    main(kafka.fetch_jars)
