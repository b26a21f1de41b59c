#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--config read again while it runs, by ctl reload and SIGHUP: all of it or nothing, and no captured
request is lost or doubled."""
import collections
import os
import signal
import time

import gor
from harness import check, equal, main, need_root, test, wait_until, within
from servers import Nginx, Target
from steering import START, Config, Traffic, control, number_of


def record(case, n=4000, rate=1000):
    return case.write("in.gor", b"".join(
        gor.make(gor.request(f"/{k % 2}/{k}"), START + k * 1_000_000_000 // rate, id_=f"{k:024x}")
        for k in range(n)))


@test("fifty reloads under live traffic: not one request is lost, doubled or dropped")
def under_load(case):
    need_root()
    nginx, target = Nginx(case), Target(case)
    run = Config(case, f"""
input-raw = 127.0.0.1:{nginx.port}
http-disallow-url = ^/never/0$
[output v2]
output-http = http://127.0.0.1:{target.port}|100%
""", ready=True)
    traffic = Traffic(case, nginx.port, rate=500, connections=10)
    for n in range(50):
        run.reload(f"never/{n}", f"never/{n + 1}")
        time.sleep(0.04)
    sent = traffic.stop()
    result = run.refrain.stop()
    times = collections.Counter(number_of(a.raw) for a in target.arrivals)
    equal([n for n in range(sent) if times[n] != 1], [], "requests that did not arrive once")
    equal(result.input("input-raw")["requests_complete"], sent, "captured")
    equal(result.input("input-raw")["kernel_drops"], 0, "lost by the kernel")
    check("is in effect" in run.refrain.stderr(), "the log does not tell")


@test("filters, percentages, rates, weights and speed take effect at once; what was set by hand stays")
def effect(case):
    run = Config(case, f"""
input-file = {record(case, 20000)}|100%
split-output = true
split-among = a,b
[output a]
output-null = true
[output b]
output-file = {case.path('b.gor')}|weight=1
[output c]
output-file = {case.path('c.gor')}|100%
""".replace("output-null = true", f"output-file = {case.path('a.gor')}|weight=1"))

    def share(name, book):
        before = run.control.status(name)["books"]
        time.sleep(0.4)
        after = run.control.status(name)["books"]
        return (after[book] - before[book]) / max(1, after["seen"] - before["seen"])

    within(share("a", "split"), 0.49, 0.51, "given to the other at 1 to 1")
    run.reload("a.gor|weight=1", "a.gor|weight=4")
    within(share("a", "split"), 0.19, 0.21, "given to the other at 4 to 1")
    run.control.ask("set", "b.rate", "5")
    run.reload("c.gor|100%", "c.gor|25%")
    within(share("c", "sampled_out"), 0.73, 0.77, "outside of 25%")
    equal(run.control.status("b")["rate"], 5, "the rate set by hand, which the file does not name")
    run.reload("split-output", "http-disallow-url = ^/0\nsplit-output")
    within(share("c", "filtered"), 0.48, 0.52, "filtered")
    run.reload("^/0\n", "^/\n")
    within(share("c", "filtered"), 0.99, 1, "filtered")
    run.reload("http-disallow-url = ^/\n", "")
    equal(share("c", "filtered"), 0, "filtered when there is no filter any more")
    run.reload("|100%", "|300%")
    equal(run.control.status("in.gor")["speed"], 300, "speed")
    before = run.control.status("in.gor")["books"]["produced"]
    time.sleep(0.5)
    within(run.control.status("in.gor")["books"]["produced"] - before, 1000, 2000, "in 0.5 s at 300%")
    run.refrain.stop()


@test("a file that is wrong, or asks for what cannot change, is refused by name, and all stays as it is")
def refused(case):
    run = Config(case, f"""
input-file = {record(case)}|10%
http-allow-url = ^/
[output a]
output-file = {case.path('a.gor')}|50%
if = path:/0
[output b]
output-file = {case.path('b.gor')}
""")
    for old, new, word in (
            ("http-allow-url = ^/", "http-allow-url = (", "http-allow-url"),
            ("http-allow-url = ^/", "http-alow-url = ^/", "refrain.conf:3: unknown option"),
            ("|50%", "|50percent", "50percent"),
            ("http-allow-url", "output-queue-len = 7\nhttp-allow-url", "output-queue-len"),
            ("http-allow-url", "redact = param:x\nhttp-allow-url", "redact"),
            ("http-allow-url", "http-set-header = Host: x\nhttp-allow-url", "Host"),
            ("in.gor|10%", "other.gor|10%", "input-file"),
            ("http-allow-url", "seed = 3\nhttp-allow-url", "seed"),
            ("http-allow-url", "input-dummy = x\nhttp-allow-url", "input-dummy"),
            ("http-allow-url", "state = x\nhttp-allow-url", "state"),
            ("path:/0", "path:0", "to-if"),
            ("|50%", "|10%\nset-header = Host: a", "to-set-header of Host")):
        run.refuse(old, new, word)
    os.unlink(run.path)
    check("No such file" in run.control.ask("reload", ok=False)["error"], "no word of the file")
    run.write()
    run.reload("|50%", "|40%")
    equal(run.control.status("a")["percent"], 40, "percent, when it is good again")
    run.refrain.stop()
    other = case.refrain("--input-dummy", "x", "--output-null", "--control", case.path("d.sock"),
                         ready=False)
    error = control(case, case.path("d.sock"), other).ask("reload", ok=False)["error"]
    check("no --config" in error, error)


@test("SIGHUP reads the file again, and outputs open their files again; an error is told in the log")
def hang_up(case):
    run = Config(case, f"""
input-dummy = x
[output a]
output-file = {case.path('a.gor')}|50%
output-file-append = true
""".replace("\noutput-file-append = true", "").replace("input-dummy", "output-file-append = true\n"
                                                         "input-dummy"))
    wait_until(lambda: os.path.exists(case.path("a.gor")), "a file")
    os.rename(case.path("a.gor"), case.path("b.gor"))
    run.write("|50%", "|80%")
    run.refrain.send(signal.SIGHUP)
    wait_until(lambda: run.control.status("a")["percent"] == 80, "the share is the new one")
    wait_until(lambda: os.path.exists(case.path("a.gor")), "the file is opened again")
    run.write("|80%", "|much")
    run.refrain.send(signal.SIGHUP)
    wait_until(lambda: "reload: " in run.refrain.stderr(), "the error is told")
    check('"much"' in run.refrain.stderr(), run.refrain.stderr())
    equal(run.control.status("a")["percent"], 80, "the share after the error")
    run.refrain.stop()


if __name__ == "__main__":
    main()
