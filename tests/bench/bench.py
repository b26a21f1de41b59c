#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Requests per CPU second from a capture file, against libpcap with an empty callback.

Both read the same generated file in turn (A B A B), so that the machine's moods hit both; CPU is
user and system time of the process. Medians and spread are shown, and written as JSON. With --tap
it is a test that the benchmark itself works: a small file, one run, no figures.

usage: bench.py BUILD_DIR [--requests N] [--runs N] [--json FILE] [--tap]
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

PORT = 8080
FILTERS = ["--http-allow-url", "^/", "--http-disallow-header", "User-Agent:^BadBot",
           "--http-rewrite-url"]
REWRITE_NONE, REWRITE_ALL = "^/api/v1/(.*):/api/v2/$1", "^/products/([0-9]+):/p/$1"
BASE, FILTERED, CHANGED = "refrain, --output-null", "refrain, three filters", "refrain, all rewritten"


def measure(command, output):
    """CPU seconds, wall seconds and peak RSS in MiB of a command that must succeed."""
    with open(output, "wb") as out:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        with open(output, encoding="utf-8", errors="replace") as f:
            sys.exit(f"bench: {' '.join(command)}: status {process.returncode}: {f.read()[-2000:]}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def check_refrain(output, requests):
    with open(output, encoding="utf-8", errors="replace") as f:
        summary = json.loads(f.read().strip().splitlines()[-1])
    found = summary["outputs"][0]["delivered"]
    if found != requests or not summary["balanced"]:
        sys.exit(f"bench: refrain delivered {found} of {requests} requests")


def check_reader(output, packets):
    with open(output, encoding="utf-8") as f:
        found = int(f.read())
    if found != packets:
        sys.exit(f"bench: the null reader saw {found} packets instead of {packets}")


def contestants(build, capture, requests, packets):
    """name -> (command, a check of what it printed)."""
    refrain = [f"{build}/cmd/refrain", "--input-raw", f"{capture}:{PORT}", "--input-raw-engine",
               "pcap_file", "--output-null", "--summary", "json"]
    reader = [f"{build}/tests/bench/null_reader", capture]
    return {
        "null callback, all packets": (reader, lambda out: check_reader(out, packets)),
        "null callback, filtered": (reader + [f"tcp dst port {PORT}"],
                                    lambda out: check_reader(out, requests * 2 + 400)),
        BASE: (refrain, lambda out: check_refrain(out, requests)),
        FILTERED: (refrain + FILTERS + [REWRITE_NONE], lambda out: check_refrain(out, requests)),
        CHANGED: (refrain + FILTERS + [REWRITE_ALL], lambda out: check_refrain(out, requests)),
        "refrain, with responses": (refrain + ["--input-raw-track-response"],
                                    lambda out: check_refrain(out, requests * 2)),
    }


def run(build, capture, requests, runs, output):
    samples = {}
    for _ in range(runs):
        for name, (command, check) in contestants(build, capture, requests,
                                                  requests * 3 + 600).items():
            sample = measure(command, output)
            check(output)
            samples.setdefault(name, []).append(sample)
    return samples


def report(samples, requests):
    """The table's rows as dicts."""
    rows = []
    for name, taken in samples.items():
        cpu = [s[0] * 1e6 / requests for s in taken]
        rows.append({
            "name": name, "runs": len(taken), "us_per_request": statistics.median(cpu),
            "us_min": min(cpu), "us_max": max(cpu),
            "requests_per_cpu_second": 1e6 / statistics.median(cpu),
            "wall_s": statistics.median(s[1] for s in taken),
            "rss_mib": max(s[2] for s in taken),
        })
    floor = rows[0]["us_per_request"]
    for row in rows:
        row["times_the_floor"] = row["us_per_request"] / floor
    return rows


def filters_cost(samples, requests):
    """Microseconds per request that the filters add, pair by pair: median."""
    return {name: statistics.median((a[0] - b[0]) * 1e6 / requests
                                    for a, b in zip(samples[name], samples[BASE]))
            for name in (FILTERED, CHANGED)}


def print_table(rows):
    print(f"{'':<28} {'us/request':>10} {'(min-max)':>15} {'req/CPU s':>11} {'x floor':>8} "
          f"{'wall s':>7} {'RSS MiB':>8}")
    for r in rows:
        spread = f"({r['us_min']:.2f}-{r['us_max']:.2f})"
        print(f"{r['name']:<28} {r['us_per_request']:>10.2f} {spread:>15} "
              f"{r['requests_per_cpu_second']:>11,.0f} {r['times_the_floor']:>8.2f} "
              f"{r['wall_s']:>7.2f} {r['rss_mib']:>8.1f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--requests", type=int, default=200000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json")
    parser.add_argument("--tap", action="store_true")
    args = parser.parse_args()
    if args.tap:
        args.requests, args.runs = 2000, 1
    with tempfile.TemporaryDirectory(prefix="refrain-bench-") as folder:
        capture = f"{folder}/keepalive.pcap"
        subprocess.run([f"{args.build}/tests/bench/generate", capture, str(args.requests), "1"],
                       check=True)
        samples = run(args.build, capture, args.requests, args.runs, f"{folder}/output")
    rows = report(samples, args.requests)
    if args.tap:
        print("1..1\nok 1 - the benchmark runs, and refrain finds every request of its file")
        return
    print(f"{args.requests:,} keep-alive GETs from a capture file, median of {args.runs} runs, "
          f"interleaved, on {os.cpu_count()} CPUs ({platform.machine()})")
    print_table(rows)
    added = filters_cost(samples, args.requests)
    print(f"allow-url, disallow-header and rewrite-url add {added[FILTERED]:.2f} us per request, "
          f"{added[CHANGED]:.2f} us when each is rewritten")
    path = args.json or f"{args.build}/bench.json"
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"requests": args.requests, "cpus": os.cpu_count(), "rows": rows,
                   "filters_add_us": added}, f, indent=1)
    print(f"also in {path}")


if __name__ == "__main__":
    main()
