#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Replay of files: everything arrives, once, in order, when it should; also files that gor made."""
import collections
import gzip
import os
import threading
import time

import gor
import traffic
from harness import check, equal, free_port, main, need_root, test, within
from servers import Nginx, Target

MS = 1_000_000
START = 1_700_000_000_000_000_000


def recording(n, step_ns, connections=1, make=gor.make):
    """n requests from so many connections in turn, step_ns apart, as gor writes them."""
    parts = []
    for k in range(n):
        c = k % connections
        id_ = f"{10000 + c:04x}1f900a000001{k:08x}"
        headers = (f"X-Id: {c}.{k // connections}",)
        parts.append(make(gor.request(f"/r/{k}", headers=headers), START + k * step_ns, id_=id_))
    return b"".join(parts)


def ids(served):
    return [tuple(map(int, s.id.split("."))) for s in served]


def check_order(records, served, percent):
    """Each recorded connection's requests arrived in the order in which they were recorded."""
    place = {s.request.split()[1]: n for n, s in enumerate(served)}
    last = {}
    for r in records:
        now = place[r.payload.split(b" ")[1].decode()]
        check(now > last.get(r.src, -1), f"requests of {r.src} changed places at {percent} %")
        last[r.src] = now


@test("a recording of live traffic replays at 100, 200 and 1000 %: all, once, in order, in time")
def record_and_replay(case):
    need_root()
    source = Nginx(case)
    file = case.path("live.gor.gz")
    refrain = case.refrain("--input-raw", f"127.0.0.1:{source.port}", "--output-file", file,
                           "--output-file-append")
    started = time.monotonic()
    for batch in range(60):
        traffic.send(("127.0.0.1", source.port), batch, 6, 5, "small")
        time.sleep(max(0.0, started + (batch + 1) * 0.1 - time.monotonic()))
    refrain.stop()
    records = gor.requests(gor.read(file))
    equal(len(records), 1800, "requests recorded")
    span = (max(r.ts for r in records) - min(r.ts for r in records)) / 1e9
    wanted = collections.Counter(r.payload.split(b" ")[1].decode() for r in records)
    for percent in (100, 200, 1000):
        target = Nginx(case)
        result = case.run("--input-file", f"{file}|{percent}%", "--output-http",
                          f"http://127.0.0.1:{target.port}")
        served = target.wait_served(1800)
        equal(result.output("output-http")["delivered"], 1800, f"delivered at {percent} %")
        equal(collections.Counter(s.request.split()[1] for s in served), wanted,
              f"requests served at {percent} %")
        check_order(records, served, percent)
        ideal = span * 100 / percent
        times = [s.time for s in served]
        within(max(times) - min(times), ideal * 0.99 - 0.03, ideal * 1.01 + 0.01,
               f"seconds from first to last at {percent} %")


@test("one recorded connection arrives in its order at any speed")
def order(case):
    file = case.write("order.gor", recording(2000, MS, connections=1))
    for percent in (100, 1000):
        target = Nginx(case)
        case.run("--input-file", f"{file}|{percent}%", "--output-http",
                 f"http://127.0.0.1:{target.port}", "--output-http-max-connections", "1")
        served = target.wait_served(2000)
        equal(ids(served), [(0, k) for k in range(2000)], f"order at {percent} %")


@test("the schedule is absolute: 5,000 requests a millisecond apart take 5.00 s, not more")
def absolute(case):
    file = case.write("even.gor", recording(5001, MS, connections=20))
    target = Nginx(case)
    result = case.run("--input-file", file, "--output-http", f"http://127.0.0.1:{target.port}")
    times = [s.time for s in target.wait_served(5001)]
    within(max(times) - min(times), 4.95, 5.05, "seconds from first to last")
    check("lateness_p99_s" in result.output("output-http"), "no lateness in the summary")


@test("records of three and of four fields, and gzip chunks, all as gor writes them")
def gor_made(case):
    def three(payload, ts, **kwargs):
        return gor.make(payload, ts, fields=3, **kwargs)
    parts = recording(40, MS), recording(40, MS, make=three)
    case.write("a_0.gor", parts[0])
    case.write("a_1.gor", parts[1])
    case.write("a_2.gor.gz", gzip.compress(parts[0]))
    case.write("a.gor_3.gz", gzip.compress(parts[0][:3000]) + gzip.compress(parts[0][3000:]))
    target = Target(case)
    result = case.run("--input-file", case.path("a*"), "--output-http",
                      f"http://127.0.0.1:{target.port}", "--http-original-host")
    equal(result.input("input-file")["records"], 160, "records read")
    equal(result.output("output-http")["delivered"], 160, "delivered")
    got = collections.Counter(a.raw for a in target.arrivals)
    for k in range(40):
        raw = gor.request(f"/r/{k}", headers=(f"X-Id: 0.{k}",))
        equal(got[raw], 4, f"arrivals of request {k}, to the byte")


@test("a body that holds the separator is one record, with LENGTH and without")
def separator_inside(case):
    body = b"before" + gor.SEPARATOR + b"1 forged 1 1\nGET /forged HTTP/1.1\r\n\r\n" + \
        gor.SEPARATOR + b"after"
    one = gor.make(gor.request("/body", method="POST", body=body), START)
    case.write("in.gor", one + recording(1, MS))
    target = Target(case)
    case.run("--input-file", case.path("in.gor"), "--output-http",
             f"http://127.0.0.1:{target.port}", "--output-file", case.path("copy.gor"),
             "--output-file-append")
    equal(len(target.arrivals), 2, "requests that arrive from the file without LENGTH")
    check(any(a.raw.endswith(body) for a in target.arrivals), "the body was altered")
    again = Target(case)
    case.run("--input-file", case.path("copy.gor"), "--output-http",
             f"http://127.0.0.1:{again.port}")
    equal(sorted(a.raw.split(b"\r\n\r\n", 1)[1] for a in again.arrivals), [b"", body],
          "bodies that arrive from refrain's copy")


@test("what refrain writes is read by gor's rules, record by record")
def readable(case):
    case.write("in.gor", recording(300, 0, connections=3))
    case.run("--input-file", case.path("in.gor"), "--output-file", case.path("out.gor"),
             "--output-file-append")
    data = gor.load(case.path("out.gor"))
    as_gor = gor.parse_as_gor(data)
    equal([(r[1], r[3]) for r in as_gor], [(r.id, r.payload) for r in gor.parse(data)],
          "what gor reads")
    equal(len(as_gor), 300, "records")


@test("files are merged by timestamp, equal ones stay in file order")
def merged(case):
    for name, first in (("a.gor", 0), ("b.gor", 1)):
        case.write(name, b"".join(
            gor.make(gor.request(f"/{2 * k + first}"), START + (2 * k + first) * MS)
            for k in range(100)))
    case.write("c.gor", b"".join(gor.make(gor.request(f"/same/{k}"), START + 300 * MS)
                                 for k in range(50)))
    case.run("--input-file", case.path("*.gor"), "--output-file", case.path("merged.out"),
             "--output-file-append")
    paths = [r.payload.split()[1].decode() for r in gor.parse(gor.load(case.path("merged.out")))]
    equal(paths, [f"/{k}" for k in range(200)] + [f"/same/{k}" for k in range(50)], "order")


@test("two --input-file share one timeline")
def two_flags(case):
    case.write("late.gor", gor.make(gor.request("/late"), START + 600 * MS))
    case.write("early.gor", gor.make(gor.request("/early"), START))
    target = Target(case)
    case.run("--input-file", case.path("late.gor"), "--input-file", case.path("early.gor"),
             "--output-http", f"http://127.0.0.1:{target.port}")
    equal([a.raw.split()[1] for a in target.arrivals], [b"/early", b"/late"], "order")
    within(target.arrivals[1].time - target.arrivals[0].time, 0.58, 0.65, "seconds between")


@test("pipes, one of them slow to speak, and a file merge into one timeline that is kept")
def pipes(case):
    parts = [b"".join(gor.make(gor.request(f"/{k}"), START + k * 5 * MS, id_=f"{k:024x}")
                      for k in range(200) if k % 3 == n) for n in range(3)]
    names = [case.path("one.fifo"), case.path("two.fifo"), case.write("three.gor", parts[2])]
    def feed(n):
        with open(names[n], "wb", buffering=0) as f:
            time.sleep(0.3 * n)
            for at in range(0, len(parts[n]), 1000): # records in pieces
                f.write(parts[n][at:at + 1000])
    for n in range(2):
        os.mkfifo(names[n])
        threading.Thread(target=feed, args=(n,), daemon=True).start()
    target = Target(case)
    case.run("--input-file", *names, "--output-http", f"http://127.0.0.1:{target.port}",
             "--output-http-max-connections", "1")
    equal([int(a.raw.split()[1][1:]) for a in target.arrivals], list(range(200)), "order")
    times = [a.time for a in target.arrivals]
    within(times[-1] - times[0], 0.97, 1.2, "seconds from first to last")


@test("--input-file-max-wait caps a pause")
def max_wait(case):
    case.write("gap.gor", gor.make(gor.request("/a"), START) +
               gor.make(gor.request("/b"), START + 3600_000 * MS) +
               gor.make(gor.request("/c"), START + 3600_200 * MS))
    target = Target(case)
    case.run("--input-file", case.path("gap.gor"), "--input-file-max-wait", "500ms",
             "--output-http", f"http://127.0.0.1:{target.port}", timeout=20)
    a, b, c = (x.time for x in target.arrivals)
    within(b - a, 0.45, 0.6, "seconds of the long pause")
    within(c - b, 0.15, 0.3, "seconds of the short pause")


@test("--input-file-loop starts again until it is told to stop")
def loop(case):
    case.write("short.gor", recording(10, 5 * MS))
    target = Target(case)
    refrain = case.refrain("--input-file", case.path("short.gor"), "--input-file-loop",
                           "--output-http", f"http://127.0.0.1:{target.port}", ready=False)
    target.wait_arrivals(45)
    refrain.stop()
    paths = [a.raw.split()[1].decode() for a in target.arrivals[:40]]
    equal(paths, [f"/r/{k % 10}" for k in range(40)], "what arrives")


@test("--input-file-dry-run says what is there, sends nothing and ends at once")
def dry_run(case):
    case.write("dry.gor", recording(100, 100 * MS))
    target = Target(case)
    started = time.monotonic()
    result = case.run("--input-file", case.path("dry.gor"), "--input-file-dry-run",
                      "--output-http", f"http://127.0.0.1:{target.port}")
    check(time.monotonic() - started < 5, "a dry run took as long as the replay")
    equal(target.arrivals, [], "what arrives")
    check("100" in result.stderr and "9.9" in result.stderr,
          f"neither the number of records nor their span (9.9 s) in {result.stderr}")


@test("--input-file-read-depth puts records back in order that were written out of order")
def read_depth(case):
    order_ = [0, 3, 1, 2, 5, 4, 9, 6, 7, 8]
    case.write("shuffled.gor", b"".join(gor.make(gor.request(f"/{k}"), START + k * MS)
                                        for k in order_))
    case.run("--input-file", case.path("shuffled.gor"), "--input-file-read-depth", "5",
             "--output-file", case.path("sorted.out"), "--output-file-append")
    paths = [r.payload.split()[1].decode() for r in gor.parse(gor.load(case.path("sorted.out")))]
    equal(paths, [f"/{k}" for k in range(10)], "order")


@test("a damaged record is skipped and counted, the others replay")
def damaged(case):
    good = recording(20, 0)
    case.run("--input-file", case.write("in.gor", good), "--output-file", case.path("x.gor"),
             "--output-file-append")
    data = bytearray(gor.load(case.path("x.gor")))
    at = data.index(b"GET /r/7 ")
    data[at:at + 3] = b"PET"
    case.write("damaged.gor", bytes(data))
    target = Target(case)
    result = case.run("--input-file", case.path("damaged.gor"), "--output-http",
                      f"http://127.0.0.1:{target.port}")
    equal(result.input("input-file")["records_damaged"], 1, "records_damaged")
    equal(sorted(int(a.raw.split()[1][3:]) for a in target.arrivals),
          [k for k in range(20) if k != 7], "what arrives")


@test("a truncated gzip file replays all that can be read, and says so")
def truncated(case):
    whole = b"".join(gzip.compress(recording(10, 0)) for _ in range(3))
    case.write("cut.gor.gz", whole[:-40])
    result = case.run("--input-file", case.path("cut.gor.gz"), "--output-null", status=None)
    check(result.output("output-null")["delivered"] >= 20, "fewer than the whole members' records")
    check("cut.gor.gz" in result.stderr, f"no word about the file: {result.stderr}")


@test("a last record without its separator replays")
def no_last_separator(case):
    case.write("cut.gor", recording(3, 0)[:-len(gor.SEPARATOR)])
    result = case.run("--input-file", case.path("cut.gor"), "--output-null")
    equal(result.output("output-null")["delivered"], 3, "delivered")


@test("folders of an output file are made")
def folders(case):
    case.write("in.gor", recording(50, 0))
    result = case.run("--input-file", case.path("in.gor"), "--output-file",
                      case.path("new/folders/out.gor"))
    equal(result.output("output-file")["delivered"], 50, "delivered to a file in new folders")


@test("--from, --to and --skip play a part, with its responses; the first request is due at once")
def window(case):
    parts = []
    for k in range(200):
        ts, id_ = START + k * 100 * MS, f"{k:024x}"
        parts.append(gor.make(gor.request(f"/{k}"), ts, id_=id_))
        parts.append(gor.make(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nr", ts + 50 * MS, kind=2,
                              id_=id_))
    file = case.write("window.gor", b"".join(parts))
    begin = time.monotonic()
    result = case.run("--input-file", file, "--from", "15s", "--to", "16s", "--skip", "2",
                      "--output-stdout")
    within(time.monotonic() - begin, 0.6, 3, "seconds of a window of 0.75 s, 15 s into the recording")
    records = gor.parse(result.stdout)
    equal([r.payload.split()[1] for r in gor.requests(records)], [b"/%d" % k for k in range(152, 160)],
          "requests inside")
    equal(sum(r.type == 2 for r in records), 8, "responses up to the end of the window")
    equal(result.input("input-file")["records_outside"], 305, "records outside")
    equal(result.input("input-file")["produced"], 16, "records inside")
    case.refuse("--input-file", file, "--output-null", "--from", "noon", status=2,
                words=['--from "noon"', "14:05"])
    result = case.run("--input-file", file, "--from", "1h", "--output-null")
    check("not one record to play between" in result.stderr, result.stderr)


@test("--fail-on gates: status 5 with the figure that is wrong, 0 when all is well")
def fail_on(case):
    file = case.write("gate.gor", recording(50, 2 * MS, connections=10))
    good, slow = Target(case), Target(case, delay=0.2)
    bad = Target(case, answer=b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    def gate(port, status, *assertions):
        args = [word for text in assertions for word in ("--fail-on", text)]
        return case.run("--input-file", file, "--output-http", f"http://127.0.0.1:{port}",
                        *args, status=status)

    result = gate(good.port, 0, "errors>1%", "p99>150ms", "lost>0", "answers<50", "5xx>0")
    within(result.output("output-http")["latency_p50_s"], 1e-5, 0.1, "median latency")
    result = gate(slow.port, 5, "errors>1%", "p99>150ms", "max>10s")
    check('--fail-on "p99>150ms": p99 of output-http' in result.stderr, result.stderr)
    check("errors>1%" not in result.stderr and "max>10s" not in result.stderr, result.stderr)
    # from when they were due: five requests of a connection wait for each other
    within(result.output("output-http")["latency_max_s"], 0.8, 2, "latency of the last")
    result = gate(bad.port, 5, "errors>1%", "answers<50")
    check("50 of 50 (100.000%)" in result.stderr, result.stderr)
    gate(free_port(), 5, "p50>10s")
    gate(free_port(), 5, "lost>0")
    case.refuse("--input-file", file, "--output-http", "http://127.0.0.1:1", "--fail-on", "p98>1s",
                status=2, words=["--fail-on", "p98", "character 1"])


if __name__ == "__main__":
    main()
