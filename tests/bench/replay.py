#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Client CPU per request of a replay over HTTP, against wrk and libcurl, all at the same nginx.

Each sends the same keep-alive GET over 64 connections; refrain takes it from a recording of 64
connections, at 10,000 times its speed, which is as fast as it can. They take turns (A B C A B C);
CPU is user and system time of the client. nginx counts what came, and over how many connections.
--pin apart (the default) gives nginx the last CPU and the clients the others; together: both have
the first, where what comes while a client waits for its turn makes larger batches; no: the kernel
decides. With --tap it is a test that the benchmark itself works: few requests, one run, no figures.

usage: replay.py BUILD_DIR [--requests N] [--runs N] [--pin apart|together|no] [--json FILE] [--tap]
"""
import argparse
import http.client
import json
import os
import platform
import re
import resource
import shutil
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
import gor
from harness import Case, Skip, free_port, read_text
from measuring import check_refrain, measure
from nginx import NginxProcess

CONNECTIONS = 64
START = 1_700_000_000_000_000_000
STEP_NS = 1000
BODY = "0123456789" * 10
REFRAIN, WRK = "refrain, --output-http", "wrk"
CURL_PERFORM, CURL_SOCKET = "libcurl multi, perform", "libcurl multi, epoll"
# name -> how many times its requests refrain must make in the same CPU time
TARGETS = {WRK: 0.95, CURL_PERFORM: 4.0, CURL_SOCKET: 4.0}
PLACES = {"apart": "nginx on one of its own", "together": "all on one", "no": "not pinned"}
HTTP = """
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "{body}"; }}
        location = /status {{ stub_status; }}
    }}
"""


class Server(NginxProcess):
    """It counts what it is asked."""

    def __init__(self, case):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        super().__init__(case, HTTP, port=self.port, body=BODY)

    def counts(self):
        """Connections and requests so far, this question included."""
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        asked.request("GET", "/status")
        words = asked.getresponse().read().split()
        asked.close()
        return int(words[7]), int(words[9])


def record(path, requests):
    """Each connection's requests in turn, all due within 20 us when played at 1000000%."""
    payload = gor.request("/")
    with open(path, "wb") as f:
        for n in range(requests):
            id_ = f"{10000 + n % CONNECTIONS:04x}1f900a000001{n:08x}"
            f.write(gor.make(payload, START + n * STEP_NS, id_=id_))


def read_wrk(output, _):
    text = read_text(output)
    found = re.search(r"^ *(\d+) requests in ", text, re.M)
    if not found or re.search(r"Socket errors|Non-2xx", text):
        sys.exit(f"bench: wrk: {text}")
    return int(found.group(1))


def read_curl(output, requests):
    found = int(read_text(output))
    if found != requests:
        sys.exit(f"bench: curl_multi made {found} of {requests} requests")
    return found


def read_refrain(output, requests):
    check_refrain(output, requests)
    return requests


def contestants(build, recording, url, seconds, requests):
    """name -> (command, what tells from its output how many requests it made)."""
    curl = [f"{build}/tests/bench/curl_multi", url, str(requests), str(CONNECTIONS)]
    found = {REFRAIN: ([f"{build}/cmd/refrain", "--input-file", f"{recording}|1000000%",
                        "--output-http", url, "--output-http-max-connections", str(CONNECTIONS),
                        "--summary", "json"], read_refrain)}
    if seconds:
        found[WRK] = (["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url], read_wrk)
    found[CURL_PERFORM] = (curl + ["perform"], read_curl)
    found[CURL_SOCKET] = (curl + ["socket"], read_curl)
    return found


def sample(server, command, read, requests, output):
    """One run as a dict; it must have used keep-alive, and nginx must have seen it all."""
    before, used = server.counts(), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, wall, _ = measure(command, output)  # the peak RSS is ours, which exec() hands on
    after, now = server.counts(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = read(output, requests)
    connections, seen = after[0] - before[0] - 1, after[1] - before[1] - 1
    # wrk tries the address with a connection of its own, and leaves when its time is over
    if connections > CONNECTIONS + 1 or not done <= seen <= done + CONNECTIONS:
        sys.exit(f"bench: {command[0]} made {done} requests, and nginx saw {seen} over "
                 f"{connections} connections")
    return {"us": cpu * 1e6 / done, "system_us": (now.ru_stime - used.ru_stime) * 1e6 / done,
            "wall_s": wall, "requests": done, "connections": connections}


def wrk_seconds(url, requests, output):
    """How long wrk takes for so many requests, in whole seconds; 0: there is no wrk."""
    if not shutil.which("wrk"):
        return 0
    measure(["wrk", "-t1", f"-c{CONNECTIONS}", "-d1s", url], output)
    return max(1, round(requests / read_wrk(output, requests)))


def pin(server, place):
    """Puts nginx, and us with all that we start, on their CPUs; how many there are."""
    cpus = sorted(os.sched_getaffinity(0))
    if place != "no" and len(cpus) > 1:
        os.sched_setaffinity(server.process.pid, cpus[-1:] if place == "apart" else cpus[:1])
        os.sched_setaffinity(0, cpus[:-1] if place == "apart" else cpus[:1])
    return len(cpus)


def run(build, server, case, requests, runs):
    recording, output = case.path("requests.gor"), case.path("output")
    record(recording, requests)
    seconds = wrk_seconds(server.url, requests, output)
    samples = {}
    for _ in range(runs):
        for name, (command, read) in contestants(build, recording, server.url, seconds,
                                                 requests).items():
            samples.setdefault(name, []).append(sample(server, command, read, requests, output))
        if seconds:
            last = samples[WRK][-1]
            seconds = max(1, round(requests * last["wall_s"] / last["requests"]))
    return samples


def report(samples):
    """The table's rows as dicts. Ratios are taken round by round: those of one round had the same
    mood of the machine."""
    rows = []
    for name, taken in samples.items():
        us = [s["us"] for s in taken]
        row = {"name": name, "runs": len(taken), "us_per_request": statistics.median(us),
               "us_min": min(us), "us_max": max(us),
               "requests_per_cpu_second": 1e6 / statistics.median(us),
               "requests": statistics.median(s["requests"] for s in taken),
               "connections": max(s["connections"] for s in taken)}
        for key in ("system_us", "wall_s"):
            row[key] = statistics.median(s[key] for s in taken)
        if name in TARGETS:
            ratios = [theirs["us"] / ours["us"] for theirs, ours in zip(taken, samples[REFRAIN])]
            row.update(ratio=statistics.median(ratios), ratio_min=min(ratios),
                       ratio_max=max(ratios), target=TARGETS[name])
        rows.append(row)
    return rows


def print_table(rows):
    print(f"{'':<24} {'us/request':>10} {'(min-max)':>15} {'system':>7} {'req/CPU s':>10} "
          f"{'wall s':>7} {'requests':>9} {'conns':>6}")
    for r in rows:
        spread = f"({r['us_min']:.2f}-{r['us_max']:.2f})"
        print(f"{r['name']:<24} {r['us_per_request']:>10.2f} {spread:>15} {r['system_us']:>7.2f} "
              f"{r['requests_per_cpu_second']:>10,.0f} {r['wall_s']:>7.2f} "
              f"{r['requests']:>9,.0f} {r['connections']:>6}")
    if WRK not in [r["name"] for r in rows]:
        print(f"{WRK:<24} is not installed")
    for r in rows:
        if "ratio" in r:
            print(f"refrain makes {r['ratio']:.2f} ({r['ratio_min']:.2f}-{r['ratio_max']:.2f}) "
                  f"times the requests of {r['name']} in the same CPU time; wanted: "
                  f"{r['target']:g}, {'met' if r['ratio'] >= r['target'] else 'missed'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--requests", type=int, default=200000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--pin", choices=list(PLACES), default="apart")
    parser.add_argument("--json")
    parser.add_argument("--tap", action="store_true")
    args = parser.parse_args()
    if args.tap:
        args.requests, args.runs = 2000, 1
    case = Case(f"{args.build}/cmd/refrain")
    with case.stack:
        try:
            server = Server(case)
        except Skip as e:
            print(f"1..1\nok 1 - # SKIP {e}" if args.tap else f"bench: {e}")
            return
        cpus = pin(server, args.pin)
        samples = run(args.build, server, case, args.requests, args.runs)
    if args.tap:
        print("1..1\nok 1 - the benchmark of replays runs, and nginx sees every request")
        return
    rows = report(samples)
    print(f"{args.requests:,} keep-alive GETs over {CONNECTIONS} connections, median of "
          f"{args.runs} runs, interleaved, on {cpus} CPUs ({platform.machine()}), "
          f"{PLACES[args.pin]}")
    print_table(rows)
    path = args.json or f"{args.build}/bench-replay.json"
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"requests": args.requests, "connections": CONNECTIONS, "cpus": cpus,
                   "pin": args.pin, "rows": rows, "samples": samples}, f, indent=1)
    print(f"also in {path}")


if __name__ == "__main__":
    main()
