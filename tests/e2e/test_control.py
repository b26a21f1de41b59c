#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The control socket, refrain ctl and --stop-file: what is turned, paused and asked while it runs."""
import os
import pty
import select
import socket
import subprocess
import time

import gor
from harness import (check, equal, main, need, need_root, read_text, test,
                     wait_until, within)
from servers import Nginx, Target
from steering import START, Control, Traffic, control


def record(case, n, step_ms):
    return case.write("in.gor", b"".join(
        gor.make(gor.request(f"/n/{k}"), START + k * step_ms * 1_000_000, id_=f"{k:024x}")
        for k in range(n)))


def ctl(case, path, *words, status=0):
    done = subprocess.run([case.binary, "ctl", "--control", path, *words], capture_output=True,
                          text=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
    equal(done.returncode, status, f"exit status of ctl {' '.join(words)}: {done.stderr}")
    return done.stdout if status == 0 else done.stderr


def live(case, *more, **target):
    """A refrain between nginx, with traffic, and a target; with a control socket."""
    need_root()
    nginx, target = Nginx(case), Target(case, **target)
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--input-raw-buffer-timeout", "1ms",
                           "--control", case.path("c.sock"), "--output-http",
                           f"http://127.0.0.1:{target.port}", "--to-name", "staging", *more)
    return Traffic(case, nginx.port, connections=20), target, refrain, control(case, case.path("c.sock"), refrain)


def arrived_after(target, moment):
    return [a for a in target.arrivals if a.time > moment]


def check_pause(case, pause, resume, *more, **target):
    traffic, target, refrain, c = live(case, *more, **target)
    target.wait_arrivals(100)
    begun = time.monotonic()
    pause(c)
    time.sleep(1)
    late = arrived_after(target, begun + 0.1)
    equal(len(late), 0, "requests that arrived more than 100 ms after the pause began")
    check(c.status("staging")["paused"], "it does not say that it is paused")
    resume(c)
    before = len(target.arrivals)
    target.wait_arrivals(before + 50)
    sent = traffic.stop()
    result = refrain.stop()
    out = result.output("output-http")
    within(out["paused"], 200, 600, "left out")
    equal(out["delivered"] + out["paused"], sent, "delivered and left out of those sent")
    equal(len(target.arrivals), out["delivered"], "requests at the target")
    equal(result.input("input-raw")["requests_complete"], sent, "captured, pause or not")


@test("pause stops a live mirror within 100 ms; the capture goes on, and what is left out is counted")
def pause_live(case):
    check_pause(case, lambda c: c.ask("pause", "staging"), lambda c: c.ask("resume", "staging"))


@test("so it does when hundreds of requests wait for a target that is slow")
def pause_slow(case):
    check_pause(case, lambda c: c.ask("pause"), lambda c: c.ask("resume"),
                "--output-http-max-connections", "10", delay=0.1)


@test("so it does when several threads send")
def pause_threads(case):
    check_pause(case, lambda c: c.ask("pause"), lambda c: c.ask("resume"), "--output-http-workers", "2",
                "--output-http-max-connections", "10", delay=0.1)


@test("so does a file: --stop-file")
def stop_file(case):
    path = case.path("stop")

    def pause(_):
        with open(path, "wb"):
            pass
    check_pause(case, pause, lambda _: os.unlink(path), "--stop-file", path)


@test("a stop file that is there at the start lets nothing through, and ctl resume does not undo it")
def stop_file_first(case):
    path = case.write("stop", "")
    target = Target(case)
    refrain = case.refrain("--input-file", record(case, 50, 10), "--output-http",
                           f"http://127.0.0.1:{target.port}", "--stop-file", path, "--control",
                           case.path("c.sock"), ready=False)
    c = control(case, case.path("c.sock"), refrain)
    check("--stop-file" in c.ask("resume").get("note", ""), "no word of the file")
    time.sleep(0.7)
    equal(len(target.arrivals), 0, "requests while the file is there")
    os.unlink(path)
    result = refrain.wait()
    equal(result.output("output-http")["delivered"], 50, "delivered")


@test("a replay stands still while it is paused: nothing is left out, and its clock goes on from there")
def pause_replay(case):
    target = Target(case)
    refrain = case.refrain("--input-file", record(case, 400, 5), "--output-http",
                           f"http://127.0.0.1:{target.port}", "--control", case.path("c.sock"),
                           ready=False)
    c = control(case, case.path("c.sock"), refrain)
    for words in (("pause",), ("pause", "in.gor")):
        target.wait_arrivals(len(target.arrivals) + 50)
        begun = time.monotonic()
        c.ask(*words)
        time.sleep(1)
        equal(len(arrived_after(target, begun + 0.1)), 0, "requests 100 ms after it and later")
        c.ask("resume")
    result = refrain.wait()
    out = result.output("output-http")
    equal((out["delivered"], out["paused"]), (400, 0), "delivered and left out")
    took = target.arrivals[-1].time - target.arrivals[0].time
    within(took, 3.8, 4.8, "seconds for 2 s of recording with two pauses of 1 s")
    within(out["lateness_p99_s"], 0, 0.15, "lateness, p99")


@test("one of two outputs of a replay is paused: the other goes on, and the books tell")
def pause_one(case):
    refrain = case.refrain("--input-file", record(case, 300, 5), "--output-null", "--output-file",
                           case.path("a.gor"), "--output-file-append", "--control",
                           case.path("c.sock"), ready=False)
    c = control(case, case.path("c.sock"), refrain)
    c.ask("pause", "null")
    wait_until(lambda: c.status("null")["books"]["paused"] > 50, "some are left out")
    c.ask("resume")
    result = refrain.wait()
    out = result.output("output-null")
    equal(out["delivered"] + out["paused"], 300, "fates at the one")
    check(out["delivered"] > 0 and out["paused"] > 50, f"{out['delivered']}, {out['paused']}")
    equal(result.output("output-file")["delivered"], 300, "delivered to the other")


@test("a response of a request that was left out is left out, too, also after the pause")
def responses(case):
    data = b"".join(
        gor.make(gor.request(f"/n/{k}"), START + k * 5_000_000, id_=f"{k:024x}") for k in range(100))
    data += b"".join(
        gor.make(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", START + 600_000_000 + k * 5_000_000,
                 kind=2, id_=f"{k:024x}") for k in range(100))
    refrain = case.refrain("--input-file", case.write("in.gor", data), "--output-null",
                           "--output-file", case.path("a.gor"), "--output-file-append", "--control",
                           case.path("c.sock"), ready=False)
    c = control(case, case.path("c.sock"), refrain)
    c.ask("pause", "a.gor")
    wait_until(lambda: c.status("a.gor")["books"]["paused"] > 20, "some are left out")
    c.ask("resume")
    result = refrain.wait()
    records = gor.read(case.path("a.gor"))
    requests = {r.id for r in records if r.type == 1}
    equal({r.id for r in records if r.type == 2}, requests, "ids of responses and requests")
    equal(result.output("output-file")["paused"], 2 * (100 - len(requests)), "left out")


@test("percentages, rates, weights and speed of inputs and outputs are set while it runs")
def settings(case):
    refrain = case.refrain("--input-file", f"{record(case, 6000, 1)}|50%", "--split-output",
                           "--output-file", f"{case.path('v1.gor')}|weight=100", "--to-name", "v1",
                           "--output-file", f"{case.path('v2.gor')}|weight=1", "--to-name", "v2",
                           "--output-file", case.path("all.gor"), "--output-file-append",
                           "--split-among", "v1,v2", "--control", case.path("c.sock"), ready=False)
    c = control(case, case.path("c.sock"), refrain)

    def share(name, book, seconds=0.6):
        """What has not that fate; files say late what they have delivered."""
        before = c.status(name)["books"]
        time.sleep(seconds)
        after = c.status(name)["books"]
        return 1 - (after[book] - before[book]) / max(1, after["seen"] - before["seen"])

    check(share("v1", "split") > 0.95, "v1 has not nearly all at the start")
    c.ask("set", "v1.weight", "0")
    equal(share("v1", "split"), 0, "share of v1 at weight 0")
    c.ask("set", "v1.weight", "3")
    c.ask("set", "v2.weight=1")
    within(share("v1", "split"), 0.73, 0.77, "share of v1 at 3 to 1")
    c.ask("set", "all.gor.percent", "20")
    within(share("all.gor", "sampled_out"), 0.18, 0.22, "share at 20%")
    c.ask("set", "all.gor.percent", "0")
    equal(share("all.gor", "sampled_out"), 0, "share at 0%")
    c.ask("set", "all.gor.percent", "100%")
    within(share("all.gor", "sampled_out"), 0.99, 1, "share at 100%")
    c.ask("set", "all.gor.rate", "50")
    time.sleep(0.5)
    within(share("all.gor", "limited", 1), 0.02, 0.15, "share at 50/s of 500/s")
    c.ask("set", "all.gor.rate", "0")
    before = c.status("in.gor")["books"]["produced"]
    c.ask("set", "in.gor.speed", "200%")
    time.sleep(0.5)
    within(c.status("in.gor")["books"]["produced"] - before, 600, 1400, "in half a second at 200%")
    equal(c.status("in.gor")["speed"], 200, "speed in the status")
    c.ask("set", "in.gor.percent", "0")
    within(share("v2", "sampled_out", 0.2), 0, 0.01, "share when the input is at 0%")
    c.ask("set", "in.gor.percent", "100")
    c.ask("set", "in.gor.speed", "100000")
    result = refrain.wait()
    equal(result.input("input-file")["records"], 6000, "records")


@test("a replay at a rate gets another one")
def rps(case):
    refrain = case.refrain("--input-file", f"{record(case, 3000, 1)}|100rps", "--output-null",
                           "--control", case.path("c.sock"), ready=False)
    c = control(case, case.path("c.sock"), refrain)
    c.ask("set", "in.gor.rate", "1000rps")
    time.sleep(0.2)
    before = c.status("in.gor")["books"]["produced"]
    time.sleep(1)
    within(c.status("in.gor")["books"]["produced"] - before, 850, 1150, "in a second")
    equal(refrain.wait().output("output-null")["delivered"], 3000, "delivered")


@test("what cannot be set, paused or asked is refused with a reason, and changes nothing")
def refused(case):
    refrain = case.refrain("--input-dummy", "x", "--output-null", "--control", case.path("c.sock"),
                           ready=False)
    c = control(case, case.path("c.sock"), refrain)
    for words, reason in ((("set", "null.weight", "3"), "not an output of --split-output"),
                          (("set", "x.speed", "3"), "not a replay"),
                          (("set", "nobody.percent", "3"), "no input or output"),
                          (("set", "null.percent", "101"), "from 0 to 100"),
                          (("set", "null.percent", "-1"), "from 0 to 100"),
                          (("set", "null.percent", "1e3"), "from 0 to 100"),
                          (("set", "null.colour", "3"), ".percent, .rate"),
                          (("set", "null"), "expected NAME"), (("set",), "too few"),
                          (("set", "null.rate", "99999999"), "requests a second"),
                          (("pause", "null", "nobody"), "nobody"), (("status", "x"), "too many"),
                          (("resume", "y"), "no input or output"), (("dance",), "expected status")):
        check(reason in c.ask(*words, ok=False)["error"], f"{words}: no {reason!r}")
    check("from 0 to 100" in ctl(case, case.path("c.sock"), "set", "null.percent=101", status=1),
          "the word of ctl")
    item = c.status("null")
    equal((item["percent"], item["rate"], item["paused"]), (100, 0, []), "as at the start")
    refrain.stop()


@test("ctl: status, summary, set, pause, resume, rotate and stop")
def verbs(case):
    path = case.path("c.sock")
    refrain = case.refrain("--input-dummy", "x", "--output-file", case.path("a.gor"),
                           "--output-file-append", "--control", path, ready=False)
    c = control(case, path, refrain)
    equal(os.stat(path).st_mode & 0o7777, 0o600, "mode of the socket")
    wait_until(lambda: c.status("a.gor")["books"]["delivered"] > 0, "a record")
    text = ctl(case, path, "status")
    check("a.gor" in text and "INPUT" in text and "OUTPUT" in text, text)
    equal(ctl(case, path, "set", "a.gor.percent", "50"), "", "what set says")
    equal(ctl(case, path, "pause"), "", "what pause says")
    text = ctl(case, path, "status")
    check("50%" in text and "paused by hand" in text, text)
    check('"paused":["by hand"]' in ctl(case, path, "status", "--json"), "the answer as JSON")
    ctl(case, path, "resume")
    ctl(case, path, "set", "a.gor.percent", "100")
    check('"running":true' in ctl(case, path, "summary"), "the summary in the form of --summary")
    os.rename(case.path("a.gor"), case.path("b.gor"))
    ctl(case, path, "rotate")
    wait_until(lambda: os.path.exists(case.path("a.gor")), "the file is opened again")
    equal(ctl(case, path, "stop"), "", "what stop says")
    refrain.wait()
    check(not os.path.exists(path), "the socket is left")
    check("no refrain listens there" in ctl(case, path, "status", status=1), "the word of ctl")
    equal(ctl(case, path, status=2)[:17], "refrain: refrain ", "ctl alone")


@test("ctl top shows a picture every second on a terminal, and ends with q")
def top(case):
    path = case.path("c.sock")
    refrain = case.refrain("--input-file", f"{record(case, 3000, 1)}|20%", "--output-null",
                           "--control", path, ready=False)
    control(case, path, refrain)
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(case.binary, [case.binary, "ctl", "--control", path, "--interval", "200ms", "top"],
                  {**os.environ, "TERM": "xterm"})
    screen = b""

    def read():
        nonlocal screen
        if select.select([fd], [], [], 0.05)[0]:
            try:
                screen += os.read(fd, 65536)
            except OSError:
                return True
        return screen.count(b"\033[H\033[J") >= 4
    wait_until(read, "four pictures")
    check(b"DELIVERED/s" in screen and b"in.gor" in screen and b"null" in screen, f"{screen}")
    last = screen.split(b"\033[H\033[J")[3].decode()
    rate = next(float(line.split()[1]) for line in last.splitlines() if line.startswith("in.gor"))
    within(rate, 100, 300, "a second, of 200")
    os.write(fd, b"q")
    end = []

    def ended():
        read()
        done, status = os.waitpid(pid, os.WNOHANG)
        end.append(status)
        return done
    wait_until(ended, "it ends with q")
    equal(end[-1], 0, "status")
    os.close(fd)
    lines = ctl(case, path, "top", "--count", "2", "--interval", "100ms")
    equal(lines.count("refrain 0"), 2, "pictures without a terminal")
    refrain.stop()


@test("a socket that a killed refrain left is replaced; what else stands there is not")
def stale(case):
    path = case.path("c.sock")
    args = ("--input-dummy", "x", "--output-null", "--control", path)
    first = case.refrain(*args, ready=False)
    control(case, path, first)
    case.refuse(*args, status=1, words=[path, "another refrain listens there"])
    control(case, path)
    first.kill()
    check(os.path.exists(path), "the killed one has left none")
    second = case.refrain(*args, ready=False)
    control(case, path, second)
    second.stop()
    case.write("c.sock", "precious")
    case.refuse(*args, status=2, words=[path, "something else than a socket"])
    equal(read_text(path), "precious", "the file there")
    case.refuse("--input-dummy", "x", "--output-null", "--control", "/nowhere/c.sock", status=1,
                words=["/nowhere/c.sock", "No such file"])
    case.refuse("--input-dummy", "x", "--output-null", "--control", "/" + "x" * 108, status=2,
                words=["longer than 107 bytes"])
    if os.geteuid() == 0:
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
        os.chown(path, 65534, 65534)
        case.refuse(*args, status=2, words=[path, "belongs to another user"])


@test("other users are not heard, whatever the mode of the socket is; ctl asks no stranger's socket")
def strangers(case):
    need_root()
    need("setpriv")
    path = case.path("c.sock")
    refrain = case.refrain("--input-dummy", "x", "--output-null", "--control", path, ready=False)
    control(case, path, refrain)
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

    def ask_as_nobody():
        done = subprocess.run([*nobody, case.binary, "ctl", "--control", path, "stop"],
                              capture_output=True, text=True, timeout=20, check=False)
        check(done.returncode != 0, "it was done")
        return done.stderr
    check("Permission denied" in ask_as_nobody(), "the mode of the socket")
    os.chmod(path, 0o666)
    error = ask_as_nobody()
    check("only root and the user" in error or "reset" in error or "Broken pipe" in error, error)
    equal(ctl(case, path, "set", "null.percent", "50"), "", "what root is told")
    refrain.stop()
    os.makedirs(case.path("theirs"), mode=0o777)
    os.chmod(case.path("theirs"), 0o777)
    theirs = case.path("theirs/c.sock")
    case.spawn("python3", "-c",
               "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); "
               "s.listen(); time.sleep(60)", theirs, prefix=nobody)
    wait_until(lambda: os.path.exists(theirs), "their socket")
    wait_until(lambda: "neither root nor" in ctl(case, theirs, "pause", status=3) or True, "refused")
    check("neither root nor you" in ctl(case, theirs, "pause", status=3), "the word of ctl")


@test("clients that are slow, silent, greedy or mad hold up nobody")
def hostile(case):
    target = Target(case)
    path = case.path("c.sock")
    refrain = case.refrain("--input-file", record(case, 2000, 2), "--output-http",
                           f"http://127.0.0.1:{target.port}", "--control", path, ready=False)
    control(case, path, refrain)
    refused = Control(path)
    for line in (b"2 status\n", b"1\n", b"\n", b"1  status\n", b"1 status \n", b"status\n",
                 b"1 st\xffatus\n", b"1 a\0b\n", b"1 " + b"x " * 100 + b"x\n"):
        check(not refused.raw(line)["ok"], f"{line} is taken")
    check(refused.raw(b"1 status\n")["ok"], "it is not heard any more after nonsense")
    clients = []
    for n in range(30):  # more than it serves at once
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(path)
        s.setblocking(False)
        clients.append(s)
        try:
            if n % 3 == 0:
                s.send(b"1 sta")  # and never more
            elif n % 3 == 1:
                s.send(b"1 status\n" * 100)  # and reads nothing
            else:
                s.send(b"x" * 5000)  # has no end
        except OSError:
            pass
        time.sleep(0.005)
    began = time.monotonic()
    for _ in range(20):
        c = Control(path)
        check(c.ask("status")["ok"], "no answer among them")
        c.close()
    check(time.monotonic() - began < 3, "answers take long among them")
    long = Control(path)
    try:
        long.socket.sendall(b"1 " + b"x" * 2000)
        equal(long.socket.recv(10), b"", "what comes back of a line without an end")
    except ConnectionError:
        pass
    for s in clients:
        s.close()
    fds = len(os.listdir(f"/proc/{refrain.pid}/fd"))
    wait_until(lambda: len(os.listdir(f"/proc/{refrain.pid}/fd")) <= fds, "closed descriptors")
    result = refrain.wait()
    equal(result.output("output-http")["delivered"], 2000, "delivered")
    within(result.output("output-http")["lateness_p99_s"], 0, 0.5, "lateness, p99")


@test("a thousand clients that hold their connections, garbage in them, cost the capture not one request")
def flood(case):
    traffic, target, refrain, c = live(case)
    path = case.path("c.sock")
    target.wait_arrivals(20)
    fds = len(os.listdir(f"/proc/{refrain.pid}/fd"))
    clients, refused = [], 0
    for n in range(1000):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(0.2)
        try:
            s.connect(path)
            s.sendall((b"\0\xff garbage" * 50, b"1 status\n" * 20, b"1 st", b"\n" * 100)[n % 4])
        except OSError:
            refused += 1  # there is no room, or it was closed already
        clients.append(s)
    within(len(os.listdir(f"/proc/{refrain.pid}/fd")), 1, fds + 40, "descriptors with a thousand clients")
    check(refused < 1000, "nobody was let in")
    begun = time.monotonic()
    while True:  # others take its place: it has to be quick, or to come again
        try:
            equal(Control(path).ask("pause", "staging"), {"ok": True}, "the answer to a pause")
            break
        except (OSError, ValueError):
            check(time.monotonic() - begun < 10, "there is no way in among them")
    for s in clients:
        s.close()
    sent = traffic.stop()
    result = refrain.stop()
    equal(result.input("input-raw")["requests_complete"], sent, "captured")
    equal(result.input("input-raw")["kernel_drops"], 0, "lost by the kernel")
    out = result.output("output-http")
    equal(out["delivered"] + out["paused"], sent, "delivered and left out")
    equal(out["dropped_queue"], 0, "dropped")


@test("stopped while it is paused, it ends at once, and what it held is counted as left out")
def stop_paused(case):
    target = Target(case)
    refrain = case.refrain("--input-file", record(case, 1000, 1), "--output-http",
                           f"http://127.0.0.1:{target.port}", "--control", case.path("c.sock"),
                           ready=False)
    c = control(case, case.path("c.sock"), refrain)
    target.wait_arrivals(100)
    c.ask("pause")
    time.sleep(0.5)
    began = time.monotonic()
    out = refrain.stop().output("output-http")
    check(time.monotonic() - began < 3, "it took long")
    equal(out["delivered"] + out["paused"], out["seen"], "delivered and left out")


if __name__ == "__main__":
    main()
