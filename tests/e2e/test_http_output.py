#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The HTTP output: what it changes and what not, its connections, and targets that misbehave."""
import collections
import os
import re
import socket
import time

import gor
from harness import check, equal, free_port, main, test, wait_until, within
from servers import Nginx, Target

START = 1_700_000_000_000_000_000


def file_of(case, payloads, step_ns=0):
    return case.write(f"in-{case.next_number()}.gor", b"".join(
        gor.make(p, START + k * step_ns, id_=f"{k:024x}") for k, p in enumerate(payloads)))


def replay(case, payloads, *args, target=None, **kwargs):
    """The raw requests that arrive when payloads are replayed with args."""
    target = target or Target(case)
    case.run("--input-file", file_of(case, payloads), "--output-http",
             f"http://127.0.0.1:{target.port}", *args, **kwargs)
    return [a.raw for a in target.arrivals]


@test("only the Host line is changed: order, case, duplicates and odd bytes stay")
def as_recorded(case):
    odd = (b"POST /a%zz?x=1|2 HTTP/1.1\r\nx-lower: 1\r\nHOST: recorded.example:8080\r\nX-Dup: a\r\n"
           b"x-dup:b\r\nAccept:   spaces  \r\nX-High: \xff\xfe\r\nContent-Length: 3\r\n\r\n\x00\r\n")
    target = Target(case)
    got = replay(case, [odd], target=target)
    host = b"127.0.0.1:%d" % target.port
    equal(got, [odd.replace(b"recorded.example:8080", host)], "what arrives")


@test("--http-original-host keeps the recorded Host")
def original_host(case):
    payload = gor.request("/x")
    equal(replay(case, [payload], "--http-original-host"), [payload], "what arrives")


@test("a chunked body goes out with the chunks it was recorded with")
def chunked(case):
    payload = (b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"5;ext=1\r\nhello\r\n3\r\n wo\r\n0\r\n\r\n")
    got = replay(case, [payload], "--http-original-host")
    equal(got, [payload], "what arrives")


@test("a target without scheme is http")
def no_scheme(case):
    target = Target(case)
    case.run("--input-file", file_of(case, [gor.request("/s")]), "--output-http",
             f"127.0.0.1:{target.port}")
    equal([a.raw.split()[1] for a in target.arrivals], [b"/s"], "what arrives")


@test("a path in the target is a prefix, and that is said at the start")
def prefix(case):
    target = Target(case)
    result = case.run("--input-file", file_of(case, [gor.request("/s?q=1"), gor.request("/")]),
                      "--output-http", f"http://127.0.0.1:{target.port}/base/")
    equal([a.raw.split()[1] for a in target.arrivals], [b"/base/s?q=1", b"/base/"], "targets")
    said = result.stderr.split('{"version"')[0]
    check("/base is put in front of every path" in said, f"no word about the prefix: {said}")


@test("a lone slash after the target changes nothing")
def slash(case):
    target = Target(case)
    case.run("--input-file", file_of(case, [gor.request("/s")]), "--output-http",
             f"http://127.0.0.1:{target.port}/")
    equal([a.raw.split()[1] for a in target.arrivals], [b"/s"], "what arrives")


@test("300 requests in a row need one connection")
def one_connection(case):
    target = Nginx(case)
    result = case.run("--input-file",
                      file_of(case, [gor.request(f"/{k}") for k in range(300)], 2_000_000),
                      "--output-http", f"http://127.0.0.1:{target.port}")
    served = target.wait_served(300)
    equal(len({s.connection for s in served}), 1, "connections in nginx's log")
    equal(result.output("output-http")["http_connections"], 1, "http_connections")
    equal(result.output("output-http")["http_2xx"], 300, "http_2xx")


@test("a target that closes after each answer, and says so, gets every request once")
def closing(case):
    target = Target(case, mode="close",
                    answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    result = case.run("--input-file",
                      file_of(case, [gor.request(f"/{k}") for k in range(200)], 2_000_000),
                      "--output-http", f"http://127.0.0.1:{target.port}")
    got = collections.Counter(a.raw.split()[1] for a in target.arrivals)
    equal(got, collections.Counter(b"/%d" % k for k in range(200)), "what arrives")
    equal(result.output("output-http")["delivered"], 200, "delivered")


@test("one that closes without a word gets none twice, and what its closing hits is counted")
def closing_silently(case):
    target = Target(case, mode="close")
    result = case.run("--input-file",
                      file_of(case, [gor.request(f"/{k}") for k in range(200)], 2_000_000),
                      "--output-http", f"http://127.0.0.1:{target.port}")
    got = collections.Counter(a.raw.split()[1] for a in target.arrivals)
    out = result.output("output-http")
    check(max(got.values()) == 1, "a request arrived twice")
    equal(out["delivered"] + out["http_reset"], 200, "delivered or counted as reset")
    # its closing meets a request, and after that it is expected
    check(out["delivered"] >= 195, f"only {out['delivered']} delivered")


@test("answers are counted by class, and 404 or 500 are deliveries")
def classes(case):
    target = Nginx(case)
    paths = ["/ok"] * 5 + ["/status/404"] * 3 + ["/status/500"] * 2
    result = case.run("--input-file", file_of(case, [gor.request(p) for p in paths]),
                      "--output-http", f"http://127.0.0.1:{target.port}")
    out = result.output("output-http")
    equal((out["http_2xx"], out["http_4xx"], out["http_5xx"]), (5, 3, 2), "answers by class")
    equal(out["delivered"], 10, "delivered")


@test("responses and HEAD, 204 and 304 answers keep the connection in step")
def no_body(case):
    target = Target(case, answer=b"HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n")
    payloads = [gor.request(f"/{k}", method="HEAD" if k % 2 else "GET") for k in range(40)]
    result = case.run("--input-file", file_of(case, payloads, 2_000_000), "--output-http",
                      f"http://127.0.0.1:{target.port}", timeout=20)
    equal(result.output("output-http")["http_2xx"], 40, "http_2xx")
    equal(len(target.arrivals), 40, "arrivals")


@test("a recorded response is not sent to an HTTP target")
def responses(case):
    data = gor.make(gor.request("/q"), START) + gor.make(
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", START, kind=2)
    target = Target(case)
    result = case.run("--input-file", case.write("pair.gor", data), "--output-http",
                      f"http://127.0.0.1:{target.port}")
    equal(len(target.arrivals), 1, "arrivals")
    equal(result.output("output-http")["skipped"], 1, "skipped")


@test("nobody listens: every request is counted as refused, and it ends")
def refused(case):
    port = free_port()
    result = case.run("--input-file", file_of(case, [gor.request(f"/{k}") for k in range(20)]),
                      "--output-http", f"http://127.0.0.1:{port}", status=None)
    out = result.output("output-http")
    equal((out["failed"], out["http_refused"]), (20, 20), "failed, http_refused")
    check(str(port) in result.stderr and "efused" in result.stderr, "no word about it on stderr")


@test("a target that resets every connection: counted, and it ends")
def resets(case):
    target = Target(case, mode="reset")
    result = case.run("--input-file", file_of(case, [gor.request(f"/{k}") for k in range(20)]),
                      "--output-http", f"http://127.0.0.1:{target.port}", status=None)
    out = result.output("output-http")
    equal(out["failed"], 20, "failed")
    equal(out["http_reset"], 20, "http_reset")


@test("an answer that is not HTTP is counted as that")
def not_http(case):
    target = Target(case, answer=b"220 mail.example ESMTP\r\n\r\n")
    result = case.run("--input-file", file_of(case, [gor.request("/")]), "--output-http",
                      f"http://127.0.0.1:{target.port}", status=None)
    equal(result.output("output-http")["http_bad_answer"], 1, "http_bad_answer")


@test("--output-http-timeout ends the waiting for an answer")
def timeouts(case):
    target = Target(case, delay=30)
    started = time.monotonic()
    result = case.run("--input-file", file_of(case, [gor.request(f"/{k}") for k in range(5)]),
                      "--output-http", f"http://127.0.0.1:{target.port}",
                      "--output-http-timeout", "700ms", status=None, timeout=20)
    equal(result.output("output-http")["http_timeout"], 5, "http_timeout")
    within(time.monotonic() - started, 0.6, 6, "seconds")


def beside_file(case, target, n):
    """Replays n requests to target and into a file, stops when the file has them all."""
    file = case.path("beside.gor")
    payloads = [gor.request(f"/{k}", headers=("X-Pad: " + "p" * 400,)) for k in range(n)]
    refrain = case.refrain(
        "--input-file", file_of(case, payloads, 100_000), "--output-http",
        f"http://127.0.0.1:{target.port}", "--output-http-timeout", "60s",
        "--output-http-max-connections", "4", "--output-queue-len", "4000", "--output-when-full", "drop",
        "--drain-timeout", "2s", "--output-file", file, "--output-file-append",
        "--output-file-flush-interval", "100ms", "--output-file-queue-limit", "0", ready=False)
    wait_until(lambda: os.path.exists(file) and len(gor.parse_as_gor(gor.load(file))) == n,
               "the file has every request", 20)
    result = refrain.stop(status=6, timeout=10)
    equal(len(gor.read(file)), n, "records in the file")
    equal(result.output("output-file")["delivered"], n, "delivered to the file")
    return result.output("output-http")


@test("a slow target beside a file: the file loses nothing, the rest is counted")
def slow(case):
    out = beside_file(case, Target(case, delay=3), 20000)
    check(out["dropped_queue"] > 10000, f"dropped_queue {out['dropped_queue']}")
    check(out["abandoned"] > 0, "nothing was abandoned")


@test("a target that accepts and never reads, beside a file: the file loses nothing, and it ends")
def silent(case):
    out = beside_file(case, Target(case, mode="silent"), 5000)
    equal(out["delivered"], 0, "delivered to the silent one")
    equal(out["dropped_queue"] + out["abandoned"] + out["failed"], 5000, "the rest")


@test("--http-set-header Host wins over the target's name")
def set_host(case):
    got = replay(case, [gor.request("/")], "--http-set-header", "Host: chosen.example")
    check(b"\r\nHost: chosen.example\r\n" in got[0], f"{got[0]}")


@test("IPv6 targets in brackets")
def ipv6(case):
    if not os.path.exists("/proc/net/if_inet6"):
        return
    target = Nginx(case, listen=("[::1]",), port=free_port(socket.AF_INET6))
    case.run("--input-file", file_of(case, [gor.request("/six")]), "--output-http",
             f"http://[::1]:{target.port}")
    equal(target.wait_served(1)[0].host, f"[::1]:{target.port}", "Host")


@test("--output-http-stats tells now and then how it goes, and its figures add up")
def stats(case):
    payloads = [gor.request(f"/{k}") for k in range(120)]
    target = Target(case)
    result = case.run("--input-file", file_of(case, payloads, step_ns=10_000_000), "--output-http",
                      f"http://127.0.0.1:{target.port}", "--output-http-stats",
                      "--output-http-stats-ms", "200")
    lines = re.findall(r"output-http \S+ (\d+) delivered \(([0-9.]+)/s\), 0 failed, 0 dropped, "
                       r"(\d+) held; (\d+) connections opened so far; "
                       r"latency so far: p50 ([0-9.]+) ms", result.stderr)
    within(len(lines), 4, 7, "lines in 1.2 s")
    within(sum(int(line[0]) for line in lines), 60, 120, "answers told")
    check(all(20 < float(line[1]) < 200 for line in lines), f"{lines}")
    check(all(0 < float(line[4]) < 1000 for line in lines), f"{lines}")
    case.refuse("--input-dummy", "x", "--output-http", "http://127.0.0.1:1", "--output-http-stats",
                "--output-http-stats-ms", "1", status=2, words=["--output-http-stats-ms 1"])


if __name__ == "__main__":
    main()
