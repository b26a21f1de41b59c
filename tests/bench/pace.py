#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How exactly a replay keeps time: requests that arrived as a Poisson process, replayed at several
speeds against nginx. Wanted: the whole takes 100 % +- 0.5 % of what it should, and at 100 % the
99th percentile of lateness is at most 1 ms (on a core that has nothing else to do; the load of the
machine is shown beside it). With --tap it is a test that the benchmark itself works.

usage: pace.py BUILD_DIR [--requests N] [--rate N] [--runs N] [--json FILE] [--tap]
"""
import argparse
import json
import os
import random
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
import gor
from harness import Case, Skip
from measuring import check_refrain, measure
from replay import CONNECTIONS, START, Server

SPEEDS = (100, 200, 1000)
LATENESS_MS, DURATION_OFF = 1.0, 0.005


def record(path, requests, rate):
    """Returns the seconds from the first request to the last."""
    rng = random.Random(5)
    payload = gor.request("/")
    at = 0.0
    with open(path, "wb") as f:
        for n in range(requests):
            id_ = f"{10000 + n % CONNECTIONS:04x}1f900a000001{n:08x}"
            f.write(gor.make(payload, START + int(at * 1e9), id_=id_))
            last, at = at, at + rng.expovariate(rate)
    return last


def replay(build, recording, url, speed, requests, output):
    measure([f"{build}/cmd/refrain", "--input-file", f"{recording}|{speed}%", "--output-http", url,
             "--summary", "json"], output)
    check_refrain(output, requests)
    with open(output, encoding="utf-8") as f:
        summary = json.loads([line for line in f if line.startswith("{")][-1])
    return summary["outputs"][0]


def run(args, case):
    recording, output = case.path("recording.gor"), case.path("output")
    seconds = record(recording, args.requests, args.rate)
    server = Server(case)
    found = []
    for speed in SPEEDS:
        outs = [replay(args.build, recording, server.url, speed, args.requests, output)
                for _ in range(args.runs)]
        ideal = seconds * 100 / speed
        row = {"speed": speed, "ideal_s": ideal, "load": os.getloadavg()[0],
               "off": statistics.median(o["taken_s"] / ideal - 1 for o in outs)}
        for name in ("p50", "p99", "max"):
            row[name + "_ms"] = statistics.median(o[f"lateness_{name}_s"] * 1e3 for o in outs)
        row["met"] = abs(row["off"]) <= DURATION_OFF and (speed != 100
                                                         or row["p99_ms"] <= LATENESS_MS)
        found.append(row)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json")
    parser.add_argument("--tap", action="store_true")
    args = parser.parse_args()
    if args.tap:
        args.requests, args.runs = 2000, 1
    case = Case(f"{args.build}/cmd/refrain")
    try:
        found = run(args, case)
    except Skip as skip:
        print(f"1..1\nok 1 - pace # SKIP {skip}" if args.tap else f"bench: {skip}")
        return 0
    finally:
        case.stack.close()
    if args.tap:
        print("1..1\nok 1 - a replay at three speeds was measured")
        return 0
    print(f"{args.requests} requests at {args.rate:.0f}/s (Poisson), medians of {args.runs} runs")
    print("speed    ideal s  duration off  lateness p50 ms    p99 ms    max ms  load  wanted")
    for row in found:
        print(f"{row['speed']:4d} %  {row['ideal_s']:9.3f}  {row['off']:+11.4%}  "
              f"{row['p50_ms']:15.3f}  {row['p99_ms']:8.3f}  {row['max_ms']:8.3f}  "
              f"{row['load']:4.1f}  {'met' if row['met'] else 'MISSED'}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(found, f, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
