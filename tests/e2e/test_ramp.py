#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ramps of an output's share, the guard over its target, and what a restart remembers of both."""
import json
import os
import time

import gor
from harness import check, equal, main, read_text, test, wait_until, within
from servers import Target
from steering import START, control

USERS = 100
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BAD = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
RAMP = "ramp=5%,20%,50%;every=1s,by=header:X-User"


def record(case, seconds, rate=400):
    """Requests of many users in turn, each over a connection of its own."""
    return case.write("in.gor", b"".join(
        gor.make(gor.request(f"/{k}", headers=[f"X-User: user-{k % USERS}"]),
                 START + k * 1_000_000_000 // rate, id_=f"{k:016x}{k:08x}")
        for k in range(seconds * rate)))


def user_of(raw):
    at = raw.index(b"X-User: user-") + 13
    return int(raw[at:raw.index(b"\r\n", at)])


class Run:
    """A refrain that ramps up to a target, with its control socket."""

    def __init__(self, case, *more, seconds=8, ramp=RAMP, delay=0.0):
        self.case = case
        self.answer = OK
        self.target = Target(case, answer=lambda _: self.answer, delay=delay)
        self.args = ["--input-file", record(case, seconds), "--output-http",
                     f"http://127.0.0.1:{self.target.port}|{ramp}", "--to-name", "v2", "--control",
                     case.path("c.sock"), *more]
        self.start()

    def start(self):
        self.refrain = self.case.refrain(*self.args, ready=False)
        self.control = control(self.case, self.case.path("c.sock"), self.refrain)

    def status(self):
        return self.control.status("v2")

    def step(self):
        return self.status()["ramp"]["step"]

    def wait_step(self, n, timeout=10):
        wait_until(lambda: self.step() == n, lambda: f"step {self.step()} instead of {n}", timeout)
        return time.monotonic()


@test("a ramp goes from step to step, and each one's users hold those of the one before")
def steps(case):
    run = Run(case, seconds=6)
    moments = [0, run.wait_step(1), run.wait_step(2)]
    within(moments[2] - moments[1], 0.8, 1.4, "seconds from step to step")
    result = run.refrain.wait()
    users = []
    for n in range(3):
        end = moments[n + 1] - 0.15 if n < 2 else float("inf")
        users.append({user_of(a.raw) for a in run.target.arrivals
                      if moments[n] + 0.15 < a.time < end})
        share = len(users[n]) / USERS
        within(share, *((0.01, 0.15), (0.1, 0.32), (0.35, 0.65))[n], f"share of the users at step {n}")
    check(users[0] <= users[1] <= users[2], "a step has lost users of the one before")
    out = result.output("output-http")
    equal(out["delivered"] + out["sampled_out"], 2400, "delivered and outside of the share")


@test("when the target answers with errors the ramp steps back, says so, and is held until resume")
def steps_back(case):
    run = Run(case, "--guard", "errors>10%,p99>10s", "--guard-window", "1s", seconds=12)
    run.wait_step(1)
    run.answer = BAD
    broken = time.monotonic()
    wait_until(lambda: run.status()["ramp"]["held"], "it is held")
    within(time.monotonic() - broken, 0, 2, "seconds until it steps back")
    item = run.status()
    equal((item["ramp"]["step"], item["percent"]), (0, 5), "step and percent")
    check("errors>10%" in item["why"], item["why"])
    check("v2: --guard errors>10%" in run.refrain.stderr() and "back at 5%" in run.refrain.stderr(),
          "the log does not say so")
    run.answer = OK
    time.sleep(1.5)
    equal(run.step(), 0, "step while it is held")
    run.control.ask("resume", "v2")
    equal(run.status().get("why"), None, "why, after resume")
    run.wait_step(1)
    run.refrain.stop()


@test("at the first step the guard pauses the output; so it does without a ramp")
def pauses(case):
    for ramp in ("ramp=100%;every=1h", "100%"):
        run = Run(case, "--guard", "5xx>5%", "--guard-window", "1s", "--output-null", seconds=4,
                  ramp=ramp)
        run.target.wait_arrivals(100)
        run.answer = BAD
        wait_until(lambda: run.status()["paused"] == ["by --guard"], "it is paused")
        n = len(run.target.arrivals)
        time.sleep(0.3)
        within(len(run.target.arrivals), n, n + 5, "requests after the pause")
        run.answer = OK
        run.control.ask("resume", "v2")
        run.target.wait_arrivals(n + 50)
        equal(run.status()["paused"], [], "reasons, after resume")
        result = run.refrain.wait()
        out = result.output("output-http")
        check(out["paused"] > 20, f"{out['paused']} left out")
        equal(out["delivered"] + out["paused"], 1600, "delivered and left out")


@test("a slow target breaks p99, one that is silent breaks timeouts; few requests break nothing")
def slow(case):
    run = Run(case, "--guard", "p99>200ms", "--guard-window", "1s", seconds=5, ramp="50%", delay=0.3)
    wait_until(lambda: run.status()["paused"], "it is paused")
    check("p99>200ms" in run.status()["why"], "why")
    run.refrain.stop()
    run = Run(case, "--guard", "timeouts>3", "--guard-window", "2s", "--output-http-timeout", "300ms",
              seconds=5, ramp="50%", delay=2)
    wait_until(lambda: run.status()["paused"], "it is paused")
    check("timeouts>3" in run.status()["why"], "why")
    run.refrain.stop()
    run = Run(case, "--guard", "errors>1%", "--guard-window", "1s", seconds=3, ramp="10,2%")
    run.answer = BAD
    run.refrain.wait()
    check("--guard" not in run.refrain.stderr(), "it is paused for a handful of errors")


@test("a restart goes on at the step where it was, held or paused as it was; --state is a private file")
def state(case):
    path = case.path("state")
    run = Run(case, "--guard", "errors>10%", "--guard-window", "1s", "--state", path, seconds=20)
    run.wait_step(1)
    wait_until(lambda: json.loads(read_text(path))["items"]["v2"]["step"] == 1, "the file tells")
    equal(os.stat(path).st_mode & 0o7777, 0o600, "mode of the state")
    run.refrain.kill()
    run.target.arrivals.clear()
    run.start()
    check(run.step() in (1, 2), f"step {run.step()} after a kill")
    run.answer = BAD
    wait_until(lambda: run.status()["ramp"]["held"], "it is held")
    step = run.step()
    run.control.ask("pause", "in.gor")
    run.refrain.stop()
    run.answer = OK
    run.start()
    item = run.status()
    equal((item["ramp"]["step"], item["ramp"]["held"]), (step, True), "step and held, after a stop")
    check("errors>10%" in item["why"], "why, after a stop")
    equal(run.control.status("in.gor")["paused"], ["by hand"], "the pause, after a stop")
    time.sleep(0.5)
    equal(run.control.status("in.gor")["books"]["produced"], 0, "produced while paused")
    run.control.ask("resume")
    run.wait_step(2)
    run.refrain.stop()
    check(not os.path.exists(path + ".new"), "a half-written file is left")
    case.write("state", "{")
    case.refuse(*run.args, status=1, words=[path, "not a state", "remove it"])
    equal(read_text(path), "{", "the file that was not understood")


@test("a ramp of other steps goes on at the same share; a share that is set by hand holds it")
def other_steps(case):
    path = case.path("state")
    run = Run(case, "--state", path, seconds=20)
    run.wait_step(1)
    run.refrain.stop()
    at = run.args.index("--output-http") + 1
    run.args[at] = run.args[at].replace("5%,20%,50%;every=1s", "1%,10%,20%,90%;every=1h")
    run.start()
    equal((run.step(), run.status()["percent"]), (2, 20), "step and percent")
    run.control.ask("set", "v2.percent", "33")
    item = run.status()
    equal((item["percent"], item["ramp"]["held"]), (33, True), "percent and held")
    run.control.ask("resume", "v2")
    equal(run.status()["percent"], 20, "percent after resume")
    run.refrain.stop()


@test("each output is judged by its own guard, and only its own ramp steps back")
def own_guards(case):
    targets = [Target(case, answer=lambda _: BAD), Target(case, answer=lambda _: BAD, delay=0.05),
               Target(case, answer=lambda _: BAD)]
    sections = "".join(f"""
[output v{n}]
output-http = http://127.0.0.1:{target.port}|ramp=5%,90%,100%;every=500ms
{own}
""" for n, (target, own) in enumerate(zip(targets, ("guard = 5xx>50%,p99>10s\nguard-window = 1s",
                                                    "guard = 5xx>100%\nguard = p99>10s", ""))))
    path = case.path("state")
    refrain = case.refrain(
        "--config", case.write("refrain.conf", sections), "--input-file", record(case, 30),
        "--guard", "4xx>90%", "--guard-window", "2s", "--state", path,
        "--control", case.path("c.sock"), ready=False)
    c = control(case, case.path("c.sock"), refrain)
    wait_until(lambda: c.status("v0")["ramp"]["held"], "the one with errors is held")
    check("5xx>50%" in c.status("v0")["why"], c.status("v0")["why"])
    for name, guard in (("v0", (["5xx>50%", "p99>10s"], 1)), ("v1", (["5xx>100%", "p99>10s"], 2)),
                        ("v2", (["4xx>90%"], 2))):
        told = c.status(name)["guard"]
        equal((told["assertions"], told["window_s"]), guard, f"the guard of {name} in the status")
    for name in ("v1", "v2"):
        wait_until(lambda n=name: c.status(n)["percent"] == 100, f"{name} is at its last step")
        equal(c.status(name)["ramp"]["held"], False, f"{name} is held")
    check("v1: --guard" not in refrain.stderr() and "v2: --guard" not in refrain.stderr(),
          "another output's guard acted")
    refrain.stop()
    items = json.loads(read_text(path))["items"]
    equal([(name, items[name]["held"], items[name]["step"] == 2) for name in ("v0", "v1", "v2")],
          [("v0", True, False), ("v1", False, True), ("v2", False, True)], "the state of each")


@test("what is no ramp and no guard is refused")
def refused(case):
    for limit in ("ramp=1%", "ramp=1%,5%;every=0s", "ramp=5%,1%;every=1h", "ramp=;every=1h",
                  "ramp=1%,101%;every=1h", "ramp=1%,5%;every=1h,3%", "3%,ramp=1%;every=1h",
                  "ramp=1,5;every=1h", "ramp=1%;each=1h"):
        case.refuse("--input-file", "a", "--output-http", f"http://x|{limit}", status=2,
                    words=[limit, "a ramp is"])
    case.refuse("--input-file", "a|ramp=1%;every=1h", "--output-null", status=2,
                words=["a ramp of the share is for outputs"])
    for guard, word in (("errors", "expected >"), ("max>1s", "at the end"), ("diff>1%", "at the end"),
                        ("errors>1%,", ""), ("wrong>1", "expected errors")):
        if word:
            case.refuse("--input-file", "a", "--output-http", "http://x", "--to-guard", guard,
                        "--check-config", status=2, words=["--to-guard", word])
            case.refuse("--input-file", "a", "--output-null", "--guard", guard, "--check-config",
                        status=2, words=["--guard", word])
    for own, words in ((("--output-null", "--to-guard", "errors>1%"), ["gets no answers"]),
                       (("--output-http", "http://x", "--to-guard-window", "9s"), ["nothing guards"]),
                       (("--output-http", "http://x", "--guard", "errors>1%", "--to-guard-window", "1"),
                        ["--to-guard-window", "expected"]),
                       (("--output-http", "http://x", "--guard", "errors>1%", "--to-guard-window",
                         "5ms"), ["--to-guard-window", "at least 1s"])):
        case.refuse("--input-file", "a", *own, "--check-config", status=2, words=words)


if __name__ == "__main__":
    main()
