#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Outputs that are added, removed and given other rules while it runs, by --config read again: those
that stay lose nothing, and the books of each balance."""
import collections
import json
import os
import pwd
import re
import threading
import time
import urllib.request

import gor
from harness import check, equal, free_port, main, need_root, read_text, test, wait_until, within
from servers import Nginx, Target
from steering import START, Config, Traffic, number_of


def record(case, n=4000, rate=1000):
    return case.write("in.gor", b"".join(
        gor.make(gor.request(f"/n/{k}"), START + k * 1_000_000_000 // rate, id_=f"{k:024x}")
        for k in range(n)))


def targets(case, n, **how):
    """Of one port: the sandbox has closed around that."""
    found = [Target(case, **how)]
    while len(found) < n:
        found.append(Target(case, host=f"127.0.0.{len(found) + 1}", port=found[0].port, **how))
    return found


def address(target):
    return "%s:%d" % target.socket.getsockname()


def section(name, target, *lines, limit=""):
    return "\n".join([f"[output {name}]", f"output-http = http://{address(target)}{limit}", *lines,
                      ""])


def numbers(target):
    return [number_of(a.raw) for a in target.arrivals]


def threads(run):
    return len(os.listdir(f"/proc/{run.refrain.pid}/task"))


def descriptors(run):
    return len(os.listdir(f"/proc/{run.refrain.pid}/fd"))


def names(run):
    return sorted(o["name"] for o in run.control.ask("status")["outputs"])


def wait_gone(run):
    wait_until(lambda: not run.control.ask("status")["leaving"], "what was removed is closed")


class Scraper:
    """Asks for the metrics, one time after the other."""

    def __init__(self, case, port):
        self.url, self.text, self.ended = f"http://127.0.0.1:{port}/metrics", "", False
        self.thread = threading.Thread(target=self.run)
        case.on_exit(self.stop)
        self.thread.start()

    def run(self):
        while not self.ended:
            with urllib.request.urlopen(self.url, timeout=10) as answer:
                self.text = answer.read().decode()

    def names(self):
        return sorted(set(re.findall(r'refrain_output_share_ratio{output="([^"]*)"', self.text)))

    def stop(self):
        self.ended = True
        self.thread.join()


@test("24 times an output comes and another goes under live traffic: the one that stays gets every request once")
def under_load(case):
    need_root()
    nginx = Nginx(case)
    stays, *others = targets(case, 5)
    port = free_port()
    head = f"""
metrics-address = 127.0.0.1:{port}
input-raw = 127.0.0.1:{nginx.port}
input-raw-buffer-timeout = 1ms
input-raw-track-response = true
""" + section("stays", stays)
    run = Config(case, head + section("v0", others[0]), ready=True)
    traffic = Traffic(case, nginx.port, rate=500, connections=10)
    others[0].wait_arrivals(20)
    before = threads(run), descriptors(run)
    scraper = Scraper(case, port)
    for n in range(1, 25):
        target = others[n % 4]
        run.reload_text(head + section(f"v{n}", target))
        target.wait_arrivals(len(target.arrivals) + 10)
        equal(names(run), ["stays", f"v{n}"], "outputs in the status")
    wait_until(lambda: scraper.names() == ["stays", "v24"], lambda: f"metrics of {scraper.names()}")
    scraper.stop()
    wait_gone(run)
    equal(threads(run), before[0], "threads")
    run.reload_text(head)
    wait_gone(run)
    wait_until(lambda: descriptors(run) <= before[1], "no more descriptors than at the start")
    sent = traffic.stop()
    result = run.refrain.stop()
    equal(result.input("input-raw")["requests_complete"], sent, "captured")
    equal(result.input("input-raw")["kernel_drops"], 0, "lost by the kernel")
    equal(sorted(numbers(stays)), list(range(sent)), "requests at the one that stays")
    accounts = {o["name"]: o for o in result.summary["outputs"]}
    equal(len(accounts), 5, "accounts: one for each that was there")
    for target in others:
        account = accounts[f"output-http http://{address(target)}"]
        check(account["removed"].startswith("20"), f"{account['name']} is not told as removed")
        equal(account["delivered"], len(target.arrivals), "delivered, and arrived")
        # filtered: responses to requests that came before it did
        equal(account["seen"], account["delivered"] + account["skipped"] + account["filtered"],
              "seen, and delivered, skipped and filtered")
        equal([k for k, n in collections.Counter(numbers(target)).items() if n > 1], [], "doubles")
    together = sorted(n for target in others for n in numbers(target))
    first = together[0]
    missing = sorted(set(range(first, together[-1] + 1)) - set(together))
    equal(missing, [], "requests that fell between one that went and one that came")
    check("v3 is removed" in run.refrain.stderr() and "v4 is added" in run.refrain.stderr(), "the log")


@test("a new output that cannot be, or one that cannot go, leaves everything as it was")
def refused(case):
    target = Target(case)
    run = Config(case, f"input-file = {record(case, 20000)}\n" + section("a", target) +
                 f"[output f]\noutput-file = {case.path('f.gor')}\n", "--no-sandbox")
    target.wait_arrivals(1)
    before = threads(run)
    case.write("plain", "")
    for old, new, word in (
            ("[output f]", f"[output g]\noutput-file = {case.path('plain')}/g.gor\n[output f]",
             "plain/g.gor"),
            ("[output f]", "[output g]\noutput-http = ftp://x\n[output f]", "ftp://x"),
            ("[output f]", "[output g]\noutput-http = http://x|150%\n[output f]", "150%"),
            ("[output f]", "[output g]\noutput-null\nif = paths:/\n[output f]", "paths:/"),
            ("[output f]", "[output g]\noutput-null\nset-header = x\n[output f]", "to-set-header"),
            ("[output f]", "".join(f"[output g{n}]\noutput-tcp = 127.0.0.1:{n + 1}\n"
                                   for n in range(20)) + "[output f]", "21 outputs"),
            ("[output f]", "[output e]\noutput-http-elasticsearch = http://127.0.0.1:1/x\n[output f]",
             "output-http-elasticsearch cannot be added"),
            ("[output f]", "[output a]\noutput-null\n[output f]", "two outputs have this name")):
        run.refuse(old, new, word)
        equal(names(run), ["a", "f"], f"outputs after {new!r}")
    equal(threads(run), before, "threads after what was refused")
    arrived = len(target.arrivals)
    target.wait_arrivals(arrived + 100)
    result = run.refrain.stop()
    equal(len(result.summary["outputs"]), 2, "accounts in the summary")


@test("an added output is opened by the user that refrain has become; what that one may not do is refused")
def as_user(case):
    need_root()
    nobody = pwd.getpwnam("nobody")
    for name, owner in (("theirs", nobody.pw_uid), ("roots", 0)):
        os.mkdir(case.path(name), 0o700)
        os.chown(case.path(name), owner, owner)
    os.chmod(case.dir, 0o755)
    head = "user = nobody\ninput-dummy = x\n[output null]\noutput-null = true\n"
    run = Config(case, head, "--no-sandbox", mode=0o644)
    error = run.try_text(head + f"[output x]\noutput-file = {case.path('roots')}/x.gor\n")
    check("roots/x.gor" in error and "as the user nobody" in error, error)
    equal(names(run), ["null"], "outputs")
    run.reload_text(head + f"[output x]\noutput-file = {case.path('theirs')}/x.gor\n")
    wait_until(lambda: os.listdir(case.path("theirs")), "a file of that user")
    run.refrain.stop()


@test("the rules of one output change under live traffic: each request meets either the old ones or the new")
def rules(case):
    need_root()
    nginx, stays, changes = Nginx(case), Target(case), Target(case)
    head = (f"input-raw = 127.0.0.1:{nginx.port}\ninput-raw-buffer-timeout = 1ms\n"
            "input-raw-workers = 2\n" + section("stays", stays))
    run = Config(case, head + section("changes", changes, "set-header = X-Turn: 0"), ready=True)
    traffic = Traffic(case, nginx.port, rate=500, connections=10)

    def meets(turn):
        return lambda: f"X-Turn: {turn}\r\n".encode() in changes.arrivals[-1].raw
    changes.wait_arrivals(1)
    for n in range(1, 25):
        wait_until(meets(n - 1), f"a request meets the rules of turn {n - 1}")
        run.reload_text(head + section("changes", changes, f"set-header = X-Turn: {n}",
                                       "if = !path:/nowhere" if n % 2 else "if = path:/n"))
    wait_until(meets(24), "a request meets the last rules")
    run.reload_text(head + section("changes", changes, "if = path:/nowhere"))
    wait_until(lambda: run.control.status("changes")["books"]["filtered"] > 20, "all are filtered")
    arrived = len(changes.arrivals)
    time.sleep(0.2)
    equal(len(changes.arrivals), arrived, "requests while none may pass")
    run.reload_text(head + section("changes", changes, limit="|20%,by=header:X-User"))
    equal(run.control.status("changes")["percent"], 20, "percent")
    sampled = run.control.status("changes")["books"]["sampled_out"]
    wait_until(lambda: run.control.status("changes")["books"]["sampled_out"] > sampled + 100,
               "some are outside of the share")
    sent = traffic.stop()
    result = run.refrain.stop()
    equal(sorted(numbers(stays)), list(range(sent)), "requests at the one that stays")
    turns = {int(a.raw.partition(b"X-Turn: ")[2].partition(b"\r\n")[0])
             for a in changes.arrivals if b"X-Turn: " in a.raw}
    equal(turns, set(range(25)), "turns whose rules some requests met")
    accounts = [o for o in result.summary["outputs"] if str(changes.port) in o["name"]]
    equal(len(accounts), 1, "accounts of the one that changes")
    equal(accounts[0]["seen"], sent, "seen by the one that changes")


@test("what is removed drains what it has; one that hangs is given up, and neither holds up the others")
def drains(case):
    stays, slow, hangs = Target(case), Target(case, delay=0.02), Target(case, mode="silent")
    head = (f"input-file = {record(case, 40000)}\noutput-queue-len = 20\ndrain-timeout = 3s\noutput-http-queue-len = 5\n"
            "output-when-full = drop\noutput-http-max-connections = 2\n" + section("stays", stays))
    run = Config(case, head + section("slow", slow) + section("hangs", hangs))
    wait_until(lambda: run.control.status("slow")["books"]["dropped_queue"] > 0 and
               run.control.status("hangs")["books"]["dropped_queue"] > 0, "full queues")
    run.reload_text(head)
    leaving = {o["name"] for o in run.control.ask("status")["leaving"]}
    check("hangs" in leaving, f"leaving: {leaving}")
    error = run.try_text(head + section("again", hangs))
    check("hangs was removed and still drains" in error, error)
    run.reload_text(head)
    arrived = len(stays.arrivals)
    stays.wait_arrivals(arrived + 500)
    wait_until(lambda: {o["name"] for o in run.control.ask("status")["leaving"]} <= {"hangs"},
               "the slow one is closed")
    wait_gone(run)
    run.reload_text(head + section("again", hangs, limit="|1"))
    result = run.refrain.stop(status=None)
    accounts = {o["name"].partition("|")[0].rpartition(":")[2]: o for o in result.summary["outputs"]
                if "|1" not in o["name"]}
    equal(accounts[str(slow.port)]["abandoned"], 0, "abandoned of the one that is slow")
    equal(len(slow.arrivals), accounts[str(slow.port)]["delivered"], "at the slow target")
    check(accounts[str(hangs.port)]["abandoned"] > 0, "the one that hangs has abandoned nothing")
    equal(accounts[str(stays.port)]["abandoned"], 0, "abandoned of the one that stays")


@test("the answers of a target that was added go to the outputs that keep them, until it is removed")
def answers(case):
    first, second, known = targets(case, 3)
    path = case.path("a.gor")
    head = (f"input-file = {record(case, 30000)}\noutput-http-track-response = true\n"
            "output-http-workers = 2\n"
            f"output-file-append = true\noutput-file-flush-interval = 10ms\n"
            f"[output file]\noutput-file = {path}\n" + section("known", known, limit="|0.001%"))
    run = Config(case, head)

    wait_until(lambda: run.control.status("file")["books"]["delivered"] > 100, "records")
    run.reload_text(head + section("first", first))
    first.wait_arrivals(100)
    run.reload_text(head + section("first", first) + section("second", second))
    second.wait_arrivals(100)
    run.reload_text(head + section("second", second))
    wait_gone(run)
    arrived = len(second.arrivals)
    second.wait_arrivals(arrived + 100)
    run.reload_text(head)
    wait_gone(run)
    result = run.refrain.stop()
    replayed = sum(1 for r in gor.read(path) if r.type == 3)
    got = [o["http_2xx"] for o in result.summary["outputs"] if o["name"].startswith("output-http ")
           and "|" not in o["name"]]
    equal(replayed, sum(got), "answers in the file, and at the targets")
    check(min(got) > 90, f"answers: {got}")


@test("behind a middleware outputs come and go as well")
def behind_middleware(case):
    stays, comes = case.path("stays.gor"), case.path("comes.gor")
    head = (f"input-file = {record(case, 3000)}\nmiddleware = cat\noutput-file-append = true\n"
            f"[output stays]\noutput-file = {stays}\n")
    run = Config(case, head)
    for _ in range(5):
        run.reload_text(head + f"[output comes]\noutput-file = {comes}\n")
        seen = run.control.status("comes")["books"]["seen"]
        wait_until(lambda n=seen: run.control.status("comes")["books"]["seen"] > n + 20, "requests")
        run.reload_text(head)
        wait_gone(run)
    result = run.refrain.wait()
    equal(len(gor.read(stays)), 3000, "records of the one that stays")
    account = next(o for o in result.summary["outputs"] if o["name"].endswith("comes.gor"))
    equal(len(gor.read(comes)), account["delivered"], "records of the other, and what was delivered")
    check(account["delivered"] > 100, f"{account['delivered']} delivered")


@test("an added output joins the split, the pause of all others, and --stop-file; a ramp is changed in its place")
def joins(case):
    stop = case.path("stop")
    one, two = case.path("one.gor"), case.path("two.gor")
    head = f"input-file = {record(case, 60000)}\nstop-file = {stop}\nsplit-output = true\n"

    def outputs(*wanted):
        return "".join(f"[output {n}]\noutput-file = {path}{limit}\n" for n, path, limit in wanted)
    run = Config(case, head + "split-among = one\n" + outputs(("one", one, "|weight=3")))

    def share(name):
        before = run.control.status(name)["books"]
        wait_until(lambda: run.control.status(name)["books"]["seen"] > before["seen"] + 200, "traffic")
        after = run.control.status(name)["books"]
        return 1 - (after["split"] - before["split"]) / (after["seen"] - before["seen"])
    equal(share("one"), 1, "share of the only one")
    run.reload_text(head + "split-among = one,two\n" + outputs(("one", one, "|weight=3"),
                                                             ("two", two, "|weight=1")))
    within(share("two"), 0.23, 0.27, "share of the new one, of 3 to 1")
    run.reload_text(head + "split-among = two\n" + outputs(("one", one, ""), ("two", two, "|weight=1")))
    equal(share("two"), 1, "share when the other stands aside")
    case.write("stop", "")
    wait_until(lambda: run.control.status("one")["paused"], "the stop file pauses")
    run.reload_text(head + "split-among = two\n" + outputs(
        ("one", one, ""), ("two", two, ""), ("three", case.path("three.gor"), "|ramp=1%,50%;every=1h")))
    equal(run.control.status("three")["paused"], ["by --stop-file"], "the new one is paused")
    equal(run.control.status("three")["percent"], 1, "its first step")
    os.unlink(stop)
    wait_until(lambda: not run.control.status("three")["paused"], "it goes on")
    run.control.ask("pause", "one", "two")
    run.reload_text(head + "split-among = two\n" + outputs(
        ("one", one, ""), ("two", two, ""),
        ("three", case.path("three.gor"), "|ramp=0.5%,1%,99%;every=500ms"),
        ("four", case.path("four.gor"), "")))
    equal(run.control.status("four")["paused"], [], "four, while three is not paused")
    wait_until(lambda: run.control.status("three")["percent"] == 99, "the ramp goes on from 1%")
    run.refrain.stop()


@test("a guard that comes with a reload acts on the output that it is for, be that one there or added with it")
def guards(case):
    bad = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    old, new, free = targets(case, 3, answer=bad)
    state = case.path("state")
    head = f"input-file = {record(case, 60000, 500)}\nstate = {state}\n" + section("free", free)
    run = Config(case, head + section("old", old, limit="|ramp=90%,100%;every=1h"))
    old.wait_arrivals(100)
    equal(run.control.status("old")["paused"], [], "pauses before there is a guard")
    guard = ("guard = 5xx>5%,p99>10s", "guard-window = 1s")
    run.reload_text(head + section("old", old, *guard, limit="|ramp=50%,90%,100%;every=1h") +
                    section("new", new, *guard))
    equal(run.control.status("old")["percent"], 90, "the share, at other steps")
    wait_until(lambda: run.control.status("new")["paused"] == ["by --guard"], "the new one is paused")
    wait_until(lambda: run.control.status("old")["ramp"]["held"], "the old one steps back")
    equal(run.control.status("free")["paused"], [], "pauses of the one without a guard")
    check("5xx>5%" in run.control.status("new")["why"], "why")
    run.refrain.stop()
    items = json.loads(read_text(state))["items"]
    equal(sorted(items), ["new", "old"], "what the state remembers")


if __name__ == "__main__":
    main()
