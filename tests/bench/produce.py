#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPU per message of --input-file to --output-kafka, against a bare loop around librdkafka.

Both write the same number of messages of the same size to the same real broker, with the same
settings, in turn (A B C A B C); CPU is user and system time of the client. "whole" messages have
refrain's key and headers, "bare" ones the value alone. The broker has the last CPU and the clients
the others. With --tap it is a test that the benchmark itself works: few messages, one run.

usage: produce.py BUILD_DIR [--messages N] [--runs N] [--json FILE] [--tap]
"""
import argparse
import json
import os
import platform
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
import gor
import kafka
from harness import Case, Skip
from measuring import check_refrain, measure, read_text

START = 1_700_000_000_000_000_000
CONNECTIONS, PARTITIONS, TOPIC = 64, 12, "bench"
TARGET = 1.5
# as refrain sets them
SETTINGS = ["enable.idempotence=true", "compression.codec=snappy", "linger.ms=5",
            "max.in.flight=1", "partitioner=murmur2_random", "queue.buffering.max.messages=16384",
            "queue.buffering.max.kbytes=65536"]
REFRAIN, WHOLE, BARE = "refrain, --output-kafka", "loop, whole messages", "loop, bare values"
FIELDS = ("User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0",
          "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
          "Accept-Language: en-GB,en;q=0.5", "Accept-Encoding: gzip, deflate, br",
          "Referer: https://shop.example/categories/garden/hoses?page=3",
          "Cookie: session=8f14e45fceea167a5a36dedd4bea2543; basket=3; consent=all")


def payload(n):
    return gor.request(f"/products/{n % 9973:04}?ref=list", headers=FIELDS)


def value(n):
    """As long as every record of the recording."""
    return f"1 {n:024x} {START + n} 0 {len(payload(n))} {n:08x} - -\n".encode() + payload(n)


def record(path, messages):
    with open(path, "wb") as f:
        for n in range(messages):
            f.write(gor.make(payload(n), START + n * 1000,
                             id_=f"{10000 + n % CONNECTIONS:04x}1f900a000001{n:08x}"))


def contestants(build, case, cluster, messages):
    """name -> (command, what checks its output)."""
    loop = [f"{build}/tests/bench/produce", cluster.address(), TOPIC, str(messages),
            case.write("values", b"".join(map(value, range(9999)))), str(len(value(0)))]
    refrain = [f"{build}/cmd/refrain", "--input-file", case.path("in.gor") + "|1000000%",
               "--output-kafka-host", cluster.address(), "--output-kafka-topic", TOPIC,
               "--summary", "json"]
    return {REFRAIN: (refrain, check_refrain), WHOLE: (loop + ["whole", *SETTINGS], check_loop),
            BARE: (loop + ["bare", *SETTINGS], check_loop)}


def check_loop(output, messages):
    if int(read_text(output)) != messages:
        sys.exit(f"bench: the broker confirmed {read_text(output)} of {messages} messages")


def run(build, case, messages, runs):
    cluster = kafka.Cluster(case)
    cluster.client(case).create_topic(TOPIC, PARTITIONS)
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) > 1:
        for thread in os.listdir(f"/proc/{cluster.nodes[0].process.pid}/task"):
            os.sched_setaffinity(int(thread), cpus[-1:])
        os.sched_setaffinity(0, cpus[:-1])
    record(case.path("in.gor"), messages)
    samples = {}
    for _ in range(runs):
        for name, (command, check) in contestants(build, case, cluster, messages).items():
            cpu, wall, _ = measure(command, case.path("output"))
            check(case.path("output"), messages)
            samples.setdefault(name, []).append({"us": cpu * 1e6 / messages,
                                                 "per_s": messages / wall})
    return samples


def report(samples):
    """The rows of the table. Ratios are taken round by round."""
    rows = []
    for name, taken in samples.items():
        us, ratios = [s["us"] for s in taken], [a["us"] / b["us"] for a, b in
                                                zip(samples[REFRAIN], taken)]
        rows.append({"name": name, "us": statistics.median(us), "us_min": min(us),
                     "us_max": max(us), "per_s": statistics.median(s["per_s"] for s in taken),
                     "ratio": statistics.median(ratios), "ratio_min": min(ratios),
                     "ratio_max": max(ratios)})
    return rows


def print_table(rows):
    print(f"{'':<24} {'us/message':>10} {'(min-max)':>13} {'messages/s':>11}")
    for r in rows:
        spread = f"({r['us_min']:.2f}-{r['us_max']:.2f})"
        print(f"{r['name']:<24} {r['us']:>10.2f} {spread:>13} {r['per_s']:>11,.0f}")
    for r in rows[1:]:
        print(f"refrain takes {r['ratio']:.2f} ({r['ratio_min']:.2f}-{r['ratio_max']:.2f}) times "
              f"the CPU of: {r['name']}; wanted: at most {TARGET}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--messages", type=int, default=300000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json")
    parser.add_argument("--tap", action="store_true")
    args = parser.parse_args()
    if args.tap:
        args.messages, args.runs = 2000, 1
    case = Case(f"{args.build}/cmd/refrain")
    with case.stack:
        try:
            samples = run(args.build, case, args.messages, args.runs)
        except Skip as e:
            print(f"1..1\nok 1 - # SKIP {e}" if args.tap else f"bench: {e}")
            return
    if args.tap:
        print("1..1\nok 1 - the benchmark of Kafka runs, and the broker confirms every message")
        return
    rows = report(samples)
    print(f"{args.messages:,} records of {len(value(0))} bytes in {PARTITIONS} "
          f"partitions, median of {args.runs} runs, interleaved ({platform.machine()})")
    print_table(rows)
    with open(args.json or f"{args.build}/bench-produce.json", "w", encoding="utf-8") as f:
        json.dump({"messages": args.messages, "rows": rows, "samples": samples}, f, indent=1)


if __name__ == "__main__":
    main()
