#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ends and signals: draining, a second signal, SIGUSR1, --exit-after."""
import signal
import socket
import time

import gor
import traffic
from harness import (check, check_ledger, equal, main, need_root, read_text, summaries, test,
                     wait_until, within)
from servers import Nginx, Target

START = 1_700_000_000_000_000_000


def drain(case, number):
    need_root()
    nginx, target = Nginx(case), Target(case, delay=0.02)
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--output-http",
                           f"http://127.0.0.1:{target.port}", "--output-file", case.path("a.gor"),
                           "--output-file-append")
    equal(traffic.send(("127.0.0.1", nginx.port), 31, 8, 50, "small"), 400, "answers")
    result = refrain.stop(number)
    equal(len(gor.read(case.path("a.gor"))), 400, "records in the file")
    equal(len(target.arrivals), 400, "requests at the target")
    equal(result.output("output-http")["delivered"], 400, "delivered")


@test("SIGINT drains and exits 0: nothing that was taken is lost")
def sigint(case):
    drain(case, signal.SIGINT)


@test("SIGTERM does the same")
def sigterm(case):
    drain(case, signal.SIGTERM)


@test("a second signal ends it at once")
def second(case):
    listener = socket.create_server(("127.0.0.1", 0))
    case.on_exit(listener.close)
    file = case.write("in.gor", b"".join(
        gor.make(gor.request(f"/{k}"), START, id_=f"{k:024x}") for k in range(200)))
    refrain = case.refrain("--input-file", file, "--output-http",
                           f"http://127.0.0.1:{listener.getsockname()[1]}",
                           "--output-http-timeout", "60s", "--drain-timeout", "60s", ready=False)
    time.sleep(1)
    refrain.send(signal.SIGTERM)
    time.sleep(0.7)
    check(refrain.process.poll() is None, "it ended although the target hangs")
    started = time.monotonic()
    refrain.send(signal.SIGTERM)
    result = refrain.wait(timeout=10, status=None)
    check(time.monotonic() - started < 3, "it did not end at once")
    check(result.status != 0, "exit status 0 although requests were abandoned")
    out = result.output("output-http")
    equal(out["abandoned"] + out["failed"], 200, "abandoned and failed")


@test("told to stop, it gives up an output that hangs after --drain-timeout: status 6, counted")
def not_drained(case):
    target = Target(case, mode="silent")
    file = case.write("in.gor", b"".join(
        gor.make(gor.request(f"/{k}"), START, id_=f"{k:024x}") for k in range(50)))
    refrain = case.refrain("--input-file", file, "--output-http",
                           f"http://127.0.0.1:{target.port}", "--output-http-timeout", "60s",
                           "--drain-timeout", "2s", ready=False)
    wait_until(lambda: target.connections > 0, "the target has a connection")
    time.sleep(0.5)
    started = time.monotonic()
    result = refrain.stop(signal.SIGTERM, status=6)
    within(time.monotonic() - started, 1.5, 5, "seconds")
    equal(result.output("output-http")["abandoned"], 50, "abandoned")


@test("SIGUSR1 prints the summary and it runs on")
def sigusr1(case):
    need_root()
    nginx = Nginx(case)
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--output-null")
    equal(traffic.send(("127.0.0.1", nginx.port), 32, 2, 10, "small"), 20, "answers")
    time.sleep(1.5)
    refrain.send(signal.SIGUSR1)
    wait_until(lambda: summaries(refrain.stderr()), "a summary appears", 5)
    first = summaries(refrain.stderr())[0]
    check(first["running"], "the summary does not say that it still runs")
    equal(first["inputs"][0]["requests_complete"], 20, "requests_complete while running")
    equal(traffic.send(("127.0.0.1", nginx.port), 33, 2, 10, "small"), 20, "answers")
    result = refrain.stop()
    equal(result.output("output-null")["delivered"], 40, "delivered in the end")
    check(not result.summary["running"], "the last summary says that it still runs")


@test("--exit-after ends it by itself with 0")
def exit_after(case):
    started = time.monotonic()
    result = case.run("--input-dummy", "x", "--output-null", "--exit-after", "2500ms", timeout=15)
    within(time.monotonic() - started, 2.4, 4.5, "seconds")
    check(result.output("output-null")["delivered"] >= 2, "the dummy's messages")


@test("the end of the input is the end of the program, with the text summary on stderr")
def end_of_input(case):
    file = case.write("in.gor", gor.make(gor.request("/"), START))
    result = case.run("--input-file", file, "--output-stdout", "--summary", "text", books=False)
    check("1 seen = 1 delivered" in result.stderr and "the books balance" in result.stderr,
          f"{result.stderr}")
    equal(len(gor.parse(result.stdout)), 1, "records on stdout, and nothing else there")


@test("a reader of stdout that goes away ends nothing else")
def closed_stdout(case):
    file = case.write("in.gor", b"".join(
        gor.make(gor.request(f"/{k}"), START, id_=f"{k:024x}") for k in range(5000)))
    shell = case.spawn("sh", "-c", '"$@" 2>"$ERR" | head -c 10 >/dev/null', "sh", case.binary,
                       "--summary", "json", "--input-file", file, "--output-stdout",
                       "--output-file", case.path("x.gor"), "--output-file-append",
                       env={"ERR": case.path("err"), "PATH": "/usr/bin:/bin"})
    shell.wait(30)
    wait_until(lambda: summaries(read_text(case.path("err"))), "its summary")
    summary = summaries(read_text(case.path("err")))[-1]
    check_ledger(summary)
    equal(len(gor.read(case.path("x.gor"))), 5000, "records in the file")


if __name__ == "__main__":
    main()
