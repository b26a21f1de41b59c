#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What becomes of an exchange with the HTTP target: answers given on, redirects, retries, recorded
connections of their own, closed loop, threads, bodies that were cut."""
import json
import os
import threading
import time

import gor
from harness import Skip, check, equal, free_port, main, need, need_root, test, within
from servers import Nginx, Target

START = 1_700_000_000_000_000_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def record(k, payload, step_ns=0, conn=0, **kwargs):
    return gor.make(payload, START + k * step_ns, id_=f"{conn:08x}{k:016x}", **kwargs)


def file_of(case, payloads, step_ns=0, conns=1):
    return case.write(f"in-{case.next_number()}.gor", b"".join(
        record(k, p, step_ns, k % conns) for k, p in enumerate(payloads)))


def gets(n):
    return [gor.request(f"/{k}") for k in range(n)]


def echo(raw):
    body = b"you asked for " + raw.split()[1]
    return (b"HTTP/1.1 200 OK\r\nX-Mixed-Case: 1\r\nContent-Length: %d\r\n\r\n" % len(body)) + body


@test("--output-http-track-response: answers go to the other outputs, to the byte, under their id")
def answers(case):
    target = Target(case, answer=echo)
    out = case.path("out.gor")
    result = case.run("--input-file", file_of(case, gets(500), conns=20), "--output-http",
                      f"http://127.0.0.1:{target.port}", "--output-http-track-response",
                      "--output-file", out, "--output-file-append")
    records = gor.read(out)
    asked = {r.id: r.payload for r in records if r.type == 1}
    equal((len(asked), len(records)), (500, 1000), "requests, records")
    for r in records:
        if r.type == 3:
            equal(r.payload, echo(asked[r.id]), f"the answer to {r.id}")
            within(r.latency / 1e9, 0, 10, "latency in seconds")
    equal(result.input("answers")["produced"], 500, "answers")
    equal(result.output("output-file")["delivered"], 1000, "delivered to the file")
    equal(result.output("output-http")["seen"], 500, "seen by the target's output")


@test("an answer goes where its request went, redacted, and not beyond the buffer")
def answers_routed(case):
    def secret(raw):
        return (b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=planted%s\r\nContent-Length: 3000\r\n\r\n"
                % raw.split()[1].replace(b"/", b"")) + b"x" * 3000
    target = Target(case, answer=secret)
    result = case.run("--input-file", file_of(case, gets(100), conns=5), "--output-http",
                      f"http://127.0.0.1:{target.port}", "--output-http-track-response",
                      "--output-http-response-buffer", "1000", "--redact", "cookie:sid",
                      "--output-stdout", "--to-if", "url:5$")
    records = gor.parse(result.stdout)
    equal(sorted(r.type for r in records), [1] * 10 + [3] * 10, "types")
    check(all(r.id[-1] in "5f" or True for r in records) and b"planted" not in result.stdout,
          "a secret came through")
    check(all(len(r.payload) <= 1100 for r in records), "too long")
    equal({r.id for r in records if r.type == 1}, {r.id for r in records if r.type == 3}, "ids")
    equal(result.output("output-stdout")["filtered"], 180, "filtered")


@test("a slow reader of answers neither stops the replay's end nor loses one")
def answers_slow(case):
    target = Target(case, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
                    + b"y" * 100000)
    result = case.run("--input-file", file_of(case, gets(300), conns=20) + "|100000%",
                      "--output-http", f"http://127.0.0.1:{target.port}",
                      "--output-http-track-response", "--output-queue-size", "1mb",
                      "--output-file", case.path("out.gor.gz"), "--output-file-append")
    equal(result.output("output-file")["delivered"], 600, "delivered to the file")


@test("--output-http-redirects: followed within the target, by the rules of each status")
def redirects(case):
    def answer(raw):
        target = raw.split()[1]
        if target.startswith(b"/go/"):
            _, _, status, rest = target.split(b"/", 3)
            return (b"HTTP/1.1 %s Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
                    % (status, rest.replace(b"HERE", b"http://127.0.0.1:%d" % server.port)))
        return OK
    server = Target(case, answer=answer)
    post = (b"POST %s HTTP/1.1\r\nHost: a\r\nX-Keep: 1\r\nContent-Type: text/x\r\n"
            b"Content-Length: 3\r\n\r\nabc")
    cases = [(b"/go/302//new?x=1", b"GET /new?x=1"), (b"/go/303//new", b"GET /new"),
             (b"/go/301/relative", b"GET /go/301/relative"), (b"/go/307//kept", b"POST /kept"),
             (b"/go/308/HERE/abs", b"POST /abs"), (b"/go/302/http://elsewhere.example/x", None)]
    payloads = [post % asked for asked, _ in cases]
    result = case.run("--input-file", file_of(case, payloads), "--output-http",
                      f"http://127.0.0.1:{server.port}", "--output-http-redirects", "1")
    raws = [a.raw for a in server.arrivals]
    wanted = []
    for asked, then in cases:
        wanted.append(b"POST " + asked)
        wanted += [then] if then else []
    equal([b" ".join(r.split()[:2]) for r in raws], wanted, "requests")
    for raw in raws:
        check(raw.startswith(b"POST") == raw.endswith(b"\r\n\r\nabc"), f"body of {raw}")
        check(b"X-Keep: 1" in raw, f"{raw}")
        check(raw.startswith(b"POST") or b"Content-" not in raw, f"{raw}")
    out = result.output("output-http")
    equal((out["http_redirects"], out["http_elsewhere"], out["delivered"], out["http_3xx"]),
          (5, 1, 6, 6 + 1), "books")
    endless = Target(case, answer=b"HTTP/1.1 302 Found\r\nLocation: /again\r\n"
                                  b"Content-Length: 0\r\n\r\n")
    result = case.run("--input-file", file_of(case, gets(1)), "--output-http",
                      f"http://127.0.0.1:{endless.port}", "--output-http-redirects", "7")
    equal((len(endless.arrivals), result.output("output-http")["delivered"]), (8, 1), "endless")


@test("--output-http-retries: what was not sent is tried again until the target is there")
def retries(case):
    port = free_port()
    found = []
    timer = threading.Timer(1.5, lambda: found.append(Target(case, port=port)))
    timer.start()
    result = case.run("--input-file", file_of(case, gets(50), conns=5), "--output-http",
                      f"http://127.0.0.1:{port}", "--output-http-retries", "100")
    timer.join()
    out = result.output("output-http")
    equal((out["delivered"], out["failed"]), (50, 0), "delivered, failed")
    check(out["http_retries"] > 0, "nothing was tried again")
    equal(len(found[0].arrivals), 50, "arrivals")
    result = case.run("--input-file", file_of(case, gets(5)), "--output-http",
                      f"http://127.0.0.1:{free_port()}", "--output-http-retries", "2", status=None)
    out = result.output("output-http")
    equal((out["failed"], out["http_refused"]), (5, 5), "failed when nobody ever comes")
    target = Target(case, mode="reset")
    case.run("--input-file", file_of(case, gets(5)), "--output-http",
             f"http://127.0.0.1:{target.port}", "--output-http-retries", "5", status=None)
    equal(len(target.arrivals), 5, "what was sent once is not sent again")


@test("--recognize-tcp-sessions: each recorded connection has one of its own, in order")
def sessions(case):
    for workers in "1", "2":
        target = Target(case)
        case.run("--input-file", file_of(case, gets(300), conns=30), "--output-http",
                 f"http://127.0.0.1:{target.port}", "--recognize-tcp-sessions",
                 "--output-http-workers", workers)
        equal(target.connections, 30, "connections")
        of = {}
        for a in target.arrivals:
            of.setdefault(a.connection, []).append(int(a.raw.split()[1][1:]))
        for numbers in of.values():
            equal(numbers, list(range(numbers[0], 300, 30)), "requests of one connection")
    few = Target(case)
    result = case.run("--input-file", file_of(case, gets(300), conns=30), "--output-http",
                      f"http://127.0.0.1:{few.port}", "--recognize-tcp-sessions",
                      "--output-http-max-connections", "4")
    equal(result.output("output-http")["delivered"], 300, "delivered over 4 connections")


@test("--output-http-workers: threads, no more than CPUs; nothing is different but the speed")
def threads(case):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("one CPU only")
    def answer(raw):
        return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%5d" % int(raw.split()[1][1:])
    target = Target(case, answer=answer)
    out, report = case.path("out.gor"), case.path("report.json")
    result = case.run("--input-file", file_of(case, gets(3000), conns=60), "--output-http",
                      f"http://127.0.0.1:{target.port}", "--output-http-workers", "64",
                      "--output-http-max-connections", "6", "--output-http-track-response",
                      "--output-file", out, "--output-file-append", "--report", report)
    check("--output-http-workers 64: there are" in result.stderr, result.stderr)
    within(target.connections, 2, 6, "connections")
    equal(len(target.arrivals), 3000, "arrivals")
    found = {}
    for a in target.arrivals:
        n = int(a.raw.split()[1][1:])
        found.setdefault(n % 60, []).append(n)
    for client, numbers in found.items():
        equal(numbers, list(range(client, 3000, 60)), f"order of recorded connection {client}")
    asked = {r.id: int(r.payload.split()[1][1:]) for r in gor.read(out) if r.type == 1}
    told = [(asked[r.id], int(r.payload[-5:])) for r in gor.read(out) if r.type == 3]
    equal(len(told), 3000, "answers told")
    check(all(a == b for a, b in told), "an answer has the id of another request")
    with open(report, encoding="utf-8") as f:
        of = next(o for o in json.load(f)["outputs"] if "series" in o)
    equal((of["statuses"], sum(of["series"]["answered"])), ({"200": 3000}, 3000), "reported")
    away = case.run("--input-file", file_of(case, gets(500), conns=50), "--output-http",
                    f"http://127.0.0.1:{free_port()}", "--output-http-workers", "2", status=None)
    equal(away.output("output-http")["failed"], 500, "failed")
    equal(away.stderr.count("cannot connect"), 1, "lines about one trouble")


@test("--output-http-max-requests-per-connection and -worker-timeout close connections")
def worn(case):
    target = Target(case)
    case.run("--input-file", file_of(case, gets(100)), "--output-http",
             f"http://127.0.0.1:{target.port}", "--output-http-max-requests-per-connection", "10")
    equal(target.connections, 10, "connections")
    idle = Target(case)
    case.run("--input-file", file_of(case, gets(4), step_ns=500_000_000), "--output-http",
             f"http://127.0.0.1:{idle.port}", "--output-http-worker-timeout", "200ms")
    equal(idle.connections, 4, "connections that were idle for too long")


@test("--output-http-concurrency: a closed loop, whatever the recorded times")
def closed_loop(case):
    target = Target(case, delay=0.05)
    started = time.monotonic()
    result = case.run("--input-file", file_of(case, gets(200), step_ns=10**9, conns=50),
                      "--output-http", f"http://127.0.0.1:{target.port}",
                      "--output-http-concurrency", "10")
    within(time.monotonic() - started, 0.9, 8, "seconds for 200 requests of 50 ms, 10 at once")
    equal(target.connections, 10, "connections")
    equal(result.output("output-http")["delivered"], 200, "delivered")


@test("bodies that were cut at capture are refused and counted, or filled up when asked for")
def cut(case):
    head = b"POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    data = case.write("cut.gor", gor.make(head + b"begin", START, id_="a" * 24)
                      + gor.make(gor.request("/next"), START, id_="b" * 24))
    target = Target(case)
    result = case.run("--input-file", data, "--output-http", f"http://127.0.0.1:{target.port}",
                      status=None)
    equal(result.output("output-http")["http_unsendable"], 1, "refused")
    equal([a.raw.split()[1] for a in target.arrivals], [b"/next"], "what arrives")
    padded = Target(case)
    case.run("--input-file", data, "--output-http", f"http://127.0.0.1:{padded.port}",
             "--output-http-pad-cut")
    first = [a.raw for a in padded.arrivals if a.raw.startswith(b"POST")][0]
    equal(first.partition(b"\r\n\r\n")[2], b"begin" + b"\0" * 99995, "the body")
    equal(len(padded.arrivals), 2, "requests")


@test("nginx: keep-alive off, 204 and 304, and one that dies and comes back during the run")
def nginx(case):
    server = Nginx(case)
    refrain = case.refrain("--input-file", file_of(case, gets(2000), step_ns=2_000_000, conns=8),
                           "--output-http", f"http://127.0.0.1:{server.port}", ready=False)
    time.sleep(1)
    server.process.kill()
    server.process.wait()
    time.sleep(0.5)
    again = Nginx(case, port=server.port)
    result = refrain.wait(60, status=None)
    out = result.output("output-http")
    equal(out["delivered"] + out["failed"], 2000, "fates")
    equal(out["http_refused"] + out["http_reset"] + out["http_timeout"], out["failed"], "classes")
    within(out["failed"], 1, 600, "failed while nobody was there")
    within(len(again.served()), 900, 1600, "served afterwards")
    check("connected" in result.stderr, "it does not say that it is connected again")


def answer_of_kind(raw):
    kind = raw.split()[1].split(b"?")[0]
    body = b"x" * 5000
    return {
        b"/204": b"HTTP/1.1 204 No Content\r\n\r\n",
        b"/304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n",
        b"/head": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"/continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n"
                      b"\r\n" + OK,
        b"/trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
                      b"1388\r\n" + body + b"\r\n0\r\nX-T: 1\r\n\r\n",
        b"/zipped": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5000\r\n"
                    b"\r\n" + body,
        b"/bare": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    }[kind]


@test("answers of every kind over one connection are never mixed up")
def kinds(case):
    target = Target(case, answer=answer_of_kind)
    names = ["204", "304", "head", "continue", "trailers", "zipped", "bare"]
    payloads = [gor.request(f"/{names[k % 7]}?{k}", method="HEAD" if k % 7 == 2 else "GET")
                for k in range(350)]
    result = case.run("--input-file", file_of(case, payloads), "--output-http",
                      f"http://127.0.0.1:{target.port}", "--output-http-track-response",
                      "--output-stdout")
    asked = {r.id: r.payload for r in gor.parse(result.stdout) if r.type == 1}
    for r in gor.parse(result.stdout):
        if r.type == 3:
            wanted = answer_of_kind(asked[r.id])
            wanted = OK if b"/continue" in asked[r.id] else wanted
            equal(r.payload, wanted, f"the answer to {asked[r.id]}")
    out = result.output("output-http")
    equal((out["delivered"], out["http_connections"], out["http_1xx"]), (350, 1, 100), "books")
    equal(target.connections, 1, "connections")


@test("a target that closes after each answer, in the midst of one, or is 10 times too slow")
def rude(case):
    target = Target(case, mode="close")
    result = case.run("--input-file", file_of(case, gets(50), conns=5), "--output-http",
                      f"http://127.0.0.1:{target.port}", status=None)
    out = result.output("output-http")
    equal(out["delivered"] + out["failed"], 50, "fates")
    within(len(target.arrivals), 40, 50, "arrivals: a closing that is not announced is learned of")
    early = Target(case, mode="close", answer=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    result = case.run("--input-file", file_of(case, gets(20), conns=5), "--output-http",
                      f"http://127.0.0.1:{early.port}", status=None)
    equal(result.output("output-http")["http_reset"], 20, "answers that ended early")
    slow = Target(case, delay=0.2)
    started = time.monotonic()
    result = case.run("--input-file", file_of(case, gets(200), step_ns=10_000_000, conns=200),
                      "--output-http", f"http://127.0.0.1:{slow.port}", "--output-http-max-connections",
                      "2", "--output-queue-len", "10", "--output-http-queue-len", "10",
                      "--output-when-full", "drop", "--output-stdout")
    within(time.monotonic() - started, 1.9, 9, "seconds of a recording of 2 s")
    out = result.output("output-http")
    check(out["dropped_queue"] > 100, f"dropped: {out['dropped_queue']}")
    equal(out["delivered"] + out["dropped_queue"], 200, "fates")
    equal(len(gor.requests(gor.parse(result.stdout))), 200, "beside it nothing is missing")


@test("all addresses of a name are used, not always the first one")
def addresses(case):
    need_root()
    need("unshare")
    one = Target(case, host="127.0.0.2")
    two = Target(case, host="127.0.0.3", port=one.port)
    hosts = case.write("hosts", "127.0.0.2 twice.example\n127.0.0.3 twice.example\n")
    mount = f"mount --bind {hosts} /etc/hosts && exec \"$@\""
    result = case.run("--input-file", file_of(case, gets(64), conns=64), "--output-http",
                      f"http://twice.example:{one.port}", "--recognize-tcp-sessions",
                      prefix=("unshare", "-m", "sh", "-c", mount, "sh"))
    equal(result.output("output-http")["delivered"], 64, "delivered")
    equal(one.connections + two.connections, 64, "connections")
    within(one.connections, 10, 54, "connections to the first address")


@test("bad recordings: nothing in them, no Host, absolute targets, CONNECT, no HTTP: told by name")
def bad(case):
    target = Target(case)
    url = f"http://127.0.0.1:{target.port}"
    result = case.run("--input-file", case.write("empty.gor", b""), "--output-http", url,
                      status=None)
    check("not one record" in result.stderr, result.stderr)
    payloads = [b"GET /nohost HTTP/1.0\r\n\r\n", b"GET http://elsewhere.example/abs HTTP/1.1\r\n"
                b"Host: elsewhere.example\r\n\r\n",
                b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
                b"no HTTP at all", b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n"]
    data = b"1 broken header\nx" + gor.SEPARATOR + b"".join(
        record(k, p) for k, p in enumerate(payloads))
    result = case.run("--input-file", case.write("bad.gor", data), "--output-http", url,
                      status=None)
    host = b"Host: 127.0.0.1:%d" % target.port
    equal([a.raw for a in target.arrivals],
          [b"GET /nohost HTTP/1.0\r\n" + host + b"\r\n\r\n",
           b"GET /abs HTTP/1.1\r\n" + host + b"\r\n\r\n",
           b"GET /last HTTP/1.1\r\n" + host + b"\r\n\r\n"], "what arrives")
    out, back = result.output("output-http"), result.input("input-file")
    equal((out["http_unsendable"], back["records_damaged"], back["records_not_http"]), (2, 1, 1),
          "counted")


if __name__ == "__main__":
    main()
