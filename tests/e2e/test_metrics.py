#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--metrics-address and --metrics-file: what they say, that it is what the ledger says, and what
hostile clients and full disks can do to them."""
import contextlib
import glob
import http.client
import os
import pwd
import signal
import socket
import stat
import threading
import time

import gor
from harness import (check, equal, free_port, is_listening, main, need_root, read_text, sh, test,
                     wait_until)
from prometheus import Metrics, check_metrics, get, scrape
from servers import Nginx, Target
from steering import START, Traffic, control

BAD = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
FATES = ("delivered", "filtered", "sampled_out", "limited", "dropped_queue", "failed", "abandoned",
         "split", "paused", "skipped", "spooled")


def record(case, n, step_ms, name="in.gor"):
    return case.write(name, b"".join(
        gor.make(gor.request(f"/n/{k}"), START + k * step_ms * 1_000_000, id_=f"{k:024x}")
        for k in range(n)))


def with_metrics(case, *args, ready=None, **kwargs):
    """A refrain that serves metrics at a free port, and that port."""
    port = free_port()
    refrain = case.refrain(*args, "--metrics-address", f"127.0.0.1:{port}",
                           ready=port if ready is None else ready, **kwargs)
    refrain.wait_for(lambda: is_listening(port), "it listens for scrapes")
    return refrain, port


@test("a live mirror: all metrics that are promised, clean for promtool, and equal to the ledger")
def live(case):
    need_root()
    nginx, target = Nginx(case), Target(case)
    path = case.path("refrain.prom")
    refrain, port = with_metrics(
        case, "--input-raw", f"lo:{nginx.port}", "--input-raw-track-response", "--output-http",
        f"http://user:secret@127.0.0.1:{target.port}", "--output-file", case.path("out.gor"),
        "--metrics-file", path, ready=True)
    traffic = Traffic(case, nginx.port, connections=4)
    target.wait_arrivals(100)
    now = scrape(port)
    check_metrics(now.text)
    sent = traffic.stop()
    result = refrain.stop()
    text = read_text(path)
    check_metrics(text)
    check("secret" not in text, "a secret of the URL")
    end = Metrics(text)
    for name in ("refrain_capture_packets_total", "refrain_capture_drops_total", "refrain_requests_total",
                 "refrain_output_requests_total", "refrain_output_errors_total",
                 "refrain_output_queue_messages", "refrain_output_queue_bytes",
                 "refrain_output_request_duration_seconds_bucket",
                 "refrain_recorded_duration_seconds_bucket", "refrain_memory_bytes",
                 "refrain_build_info"):
        check(name in end.names() and name in now.names(), f"no {name}")
    raw = result.input("input-raw")
    equal(end.one("refrain_capture_packets_total", interface="lo"), raw["packets"], "packets")
    equal(end.one("refrain_capture_drops_total", where="kernel"), raw["kernel_drops"], "drops")
    equal(end.one("refrain_requests_total", stage="reassembly", reason="complete"), sent, "requests")
    equal(end.sum("refrain_requests_total", stage="reassembly"), raw["requests_started"], "their fates")
    equal(end.one("refrain_recorded_duration_seconds_count"), raw["responses_complete"], "responses")
    check(0 < end.one("refrain_recorded_duration_seconds_sum") < 60, "how long they took")
    for option, label in (("output-http", f"127.0.0.1:{target.port}"), ("output-file", "out.gor")):
        out = result.output(option)
        for fate in FATES:
            equal(end.one("refrain_requests_total", stage="output", reason=fate, output=label),
                  out[fate], f"{fate} at {option}")
    http = result.output("output-http")
    equal(end.one("refrain_output_requests_total", code="2xx"), http["http_2xx"], "answers")
    equal(end.one("refrain_output_request_duration_seconds_count"), http["http_2xx"], "durations")
    equal(end.one("refrain_ready"), 0, "ready, at the end")
    equal(now.one("refrain_ready"), 1, "ready, while it ran")
    check(now.sum("refrain_memory_bytes") > 0, "memory")


@test("a replay: lateness, speed and how far it is; the options may stand in a file")
def replay(case):
    target = Target(case)
    port = free_port()
    config = case.write("r.conf", f"input-file = {record(case, 300, 10)}|200%\n"
                                  f"metrics-address = 127.0.0.1:{port}\n"
                                  f"metrics-file = {case.path('m.prom')}\nmetrics-interval = 1s\n"
                                  f"[output v2]\noutput-http = http://127.0.0.1:{target.port}\n")
    refrain = case.refrain("--config", config, ready=port)
    target.wait_arrivals(50)
    now = scrape(port)
    check_metrics(now.text)
    equal(now.one("refrain_replay_speed_ratio", input="in.gor"), 2, "speed")
    check(0 < now.one("refrain_replay_lateness_seconds_count", output="v2") <= 300, "lateness")
    check(0 < now.one("refrain_replay_done_bytes") <= now.one("refrain_replay_size_bytes"), "how far")
    result = refrain.wait()
    end = Metrics(read_text(case.path("m.prom")))
    equal(end.one("refrain_replay_lateness_seconds_count", output="v2"), 300, "lateness of all")
    equal(end.one("refrain_input_records_total", result="read"), result.input("input-file")["records"],
          "records")


@test("a relay on both sides")
def relay(case):
    relay_port = free_port()
    to, to_port = with_metrics(case, "--input-tcp", f"127.0.0.1:{relay_port}", "--output-null")
    source, source_port = with_metrics(case, "--input-dummy", "x|200", "--output-tcp",
                                       f"127.0.0.1:{relay_port}")
    wait_until(lambda: scrape(to_port).one("refrain_output_messages_total", output="null") >= 2,
               "the relay has handed some over")
    check(scrape(source_port).one("refrain_requests_total", stage="output", reason="delivered") >= 1,
          "delivered by the relay")
    check_metrics(scrape(to_port).text)
    source.stop()
    to.stop()


@test("/healthz and /readyz: ready while it works, not while all is paused, nor while it drains")
def probes(case):
    target = Target(case, mode="silent")
    refrain, port = with_metrics(case, "--input-dummy", "x|50", "--output-http",
                                 f"http://127.0.0.1:{target.port}", "--to-name", "slow", "--output-null",
                                 "--control", case.path("c.sock"), "--output-http-timeout", "60s",
                                 "--drain-timeout", "60s")
    c = control(case, case.path("c.sock"), refrain)

    def becomes(status):
        wait_until(lambda: get(port, "/readyz")[0] == status, f"/readyz says {status}")
        equal(get(port, "/healthz")[0], 200, "/healthz")
        wait_until(lambda: scrape(port).one("refrain_ready") == (status == 200), "refrain_ready says so too")
    becomes(200)
    c.ask("pause", "slow")
    becomes(200)
    wait_until(lambda: scrape(port).one("refrain_output_paused", output="slow", by="hand") == 1, "paused")
    c.ask("pause")
    becomes(503)
    c.ask("resume")
    becomes(200)
    c.ask("pause", "x")
    becomes(503)
    c.ask("resume")
    wait_until(lambda: scrape(port).one("refrain_output_open_messages", output="slow") >= 1, "one is under way")
    refrain.send(signal.SIGINT)
    becomes(503)
    refrain.stop(status=6)


@test("ramp and guard: where it stands, what it gets, and that it has stepped back")
def ramp(case):
    target = Target(case, answer=BAD)
    refrain, port = with_metrics(case, "--input-file", record(case, 4000, 3), "--output-http",
                                 f"http://127.0.0.1:{target.port}|ramp=50%,100%;every=1s", "--to-name", "v2",
                                 "--guard", "errors>10%", "--guard-window", "3s")
    now = scrape(port)
    equal(now.one("refrain_ramp_steps", output="v2"), 2, "steps")
    wait_until(lambda: scrape(port).one("refrain_guard_actions_total", action="pause") == 1, "paused", 20)
    now = scrape(port)
    check_metrics(now.text)
    equal(now.one("refrain_ramp_step"), 1, "step")
    equal(now.one("refrain_output_share_ratio"), 0.5, "share")
    equal(now.one("refrain_ramp_held"), 1, "held")
    wait_until(lambda: scrape(port).one("refrain_output_paused", by="guard") == 1, "paused by the guard")
    back = now.one("refrain_guard_actions_total", action="step_back")
    result = refrain.stop(status=None)
    out = result.output("output-http")
    equal((out["guard_back"], out["guard_paused"]), (back, 1), "in the summary")


@test("whatever codes a target answers with, there is one series for each class")
def hostile_codes(case):
    numbers = iter(range(10 ** 6))

    def answer(_):
        return f"HTTP/1.1 {200 + 7 * next(numbers) % 800} X\r\nContent-Length: 0\r\n\r\n".encode()
    target = Target(case, answer=answer)
    path = case.path("m.prom")
    result = case.run("--input-file", record(case, 500, 0), "--output-http",
                      f"http://127.0.0.1:{target.port}", "--output-http-timeout", "1s", "--metrics-file", path)
    end = Metrics(read_text(path))
    check_metrics(end.text)
    equal(end.values("refrain_output_requests_total", "code"), {"1xx", "2xx", "3xx", "4xx", "5xx", "other"},
          "codes")
    out = result.output("output-http")
    equal(end.one("refrain_output_requests_total", code="other"), out["http_other"], "other codes")
    check(out["http_other"] > 100, f"answers beyond 599: {out['http_other']}")
    finals = sum(end.one("refrain_output_requests_total", code=c)
                 for c in ("2xx", "3xx", "4xx", "5xx", "other"))
    equal(finals, out["delivered"], "final answers")


@test("addresses: a port alone is this machine's; a wrong one, and one that is taken, stop the start")
def addresses(case):
    port = free_port()
    refrain = case.refrain("--input-dummy", "x", "--output-null", "--metrics-address", f":{port}", ready=port)
    listeners = sh("ss", "-Hltn", "sport", f":{port}")
    check(listeners and all("127.0.0.1:" in line or "[::1]:" in line for line in listeners.splitlines()),
          f"listens elsewhere: {listeners}")
    case.refuse("--input-dummy", "x", "--output-null", "--metrics-address", f"127.0.0.1:{port}", status=1,
                words=["--metrics-address", str(port), "in use"])
    for wrong, words in (("9345", ["metrics-address", "9345"]), ("127.0.0.1:99999", ["99999"]),
                         ("127.0.0.1", ["metrics-address"])):
        case.refuse("--input-dummy", "x", "--output-null", "--metrics-address", wrong, status=2, words=words)
        case.refuse("--input-dummy", "x", "--output-null", "--metrics-address", wrong, "--check-config",
                    status=2, words=words)
    case.refuse("--input-dummy", "x", "--output-null", "--metrics-file", case.path("no/m.prom"), status=1,
                words=["--metrics-file", "no/m.prom"])
    refrain.stop()


@test("as root it listens where only root may, and serves as the user that it has become")
def privileged_port(case):
    need_root()
    refrain = case.refrain("--user", "nobody", "--input-dummy", "x", "--output-null", "--metrics-address",
                           "127.0.0.1:345", ready=345)
    nobody = pwd.getpwnam("nobody")
    wait_until(lambda: scrape(345).one("refrain_ready") == 1, "it is ready")
    for status in glob.glob(f"/proc/{refrain.pid}/task/*/status"):
        text = read_text(status)
        check(f"Uid:\t{nobody.pw_uid}\t" in text and "CapEff:\t0000000000000000" in text, f"rights: {text}")
    refrain.stop()


class Slow(threading.Thread):
    """Connections that send a little now and then, and read nothing."""

    def __init__(self, case, port, n):
        super().__init__(daemon=True)
        self.sockets, self.ending = [], threading.Event()
        for k in range(n):
            s = socket.socket()
            s.bind((f"127.0.1.{k % 8 + 1}", 0))
            s.settimeout(10)
            s.connect(("127.0.0.1", port))
            self.sockets.append(s)
        case.on_exit(self.end)
        self.start()

    def run(self):
        while not self.ending.wait(0.2):
            for s in self.sockets:
                with contextlib.suppress(OSError):
                    s.send(b"X")

    def end(self):
        self.ending.set()
        self.join()
        for s in self.sockets:
            s.close()


@test("many slow connections: whoever comes is answered all the same, and they cost a bounded amount")
def slow_clients(case):
    refrain, port = with_metrics(case, "--input-dummy", "x|100", "--output-null")
    Slow(case, port, 200)
    for _ in range(5):
        equal(get(port, "/healthz", timeout=10)[0], 200, "/healthz among 200 slow ones")
    scrape(port)
    held = len(os.listdir(f"/proc/{refrain.pid}/fd"))
    check(held < 120, f"{held} descriptors are open")
    refrain.stop()


@test("a capture is whole however hard it is scraped")
def scraped_hard(case):
    need_root()
    nginx = Nginx(case)
    refrain, port = with_metrics(case, "--input-raw", f"lo:{nginx.port}", "--output-null", ready=True)
    Slow(case, port, 30)
    ending, scrapes = threading.Event(), []

    def scrape_on():
        while not ending.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):  # a newcomer takes its place
                scrapes.append(get(port, "/metrics")[0])
    scrapers = [threading.Thread(target=scrape_on) for _ in range(6)]
    for thread in scrapers:
        thread.start()
    traffic = Traffic(case, nginx.port, rate=400, connections=8)
    wait_until(lambda: traffic.sent >= 600 and len(scrapes) >= 100, "requests and scrapes", 60)
    sent = traffic.stop()
    ending.set()
    for thread in scrapers:
        thread.join()
    equal(set(scrapes), {200}, "what the scrapers were answered")
    raw = refrain.stop().input("input-raw")
    equal((raw["requests_complete"], raw["kernel_drops"]), (sent, 0), "requests, and packets dropped")


@test("long and senseless requests are refused, and cost no memory")
def senseless(case):
    refrain, port = with_metrics(case, "--input-dummy", "x", "--output-null")
    for request in (b"GET /" + b"a" * 200_000, b"GET / HTTP/1.1\r\nX: " + b"b" * 200_000,
                    b"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n" + b"c" * 200_000,
                    b"\0\xff" * 5000 + b"\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            answer = b""
            with contextlib.suppress(OSError):
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
                while data := s.recv(65536):
                    answer += data
            check(not answer.startswith(b"HTTP/1.1 200"), f"an answer to {request[:30]}")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        equal(get(port, "/metrics", method=method)[0], 405, method)
    equal(get(port, "/metrics", method="HEAD")[1], "", "what HEAD brings")
    equal(get(port, "/secret")[0], 404, "another path")
    scrape(port)
    refrain.stop()


@test("the file is whole whenever it is read, for all to read, and written anew in time")
def file(case):
    path = case.path("m.prom")
    refrain = case.refrain("--input-dummy", "x|1000", "--output-null", "--metrics-file", path,
                           "--metrics-interval", "1s", prefix=["sh", "-c", 'umask 077; exec "$@"', "sh"],
                           ready=False)
    refrain.wait_for(lambda: os.path.exists(path), "the file is there")
    files = set()
    deadline = time.monotonic() + 20
    while len(files) < 3:
        check(time.monotonic() < deadline, "it is not written again")
        with open(path, encoding="utf-8") as f:
            files.add(os.fstat(f.fileno()).st_ino)
            check("refrain_memory_max_bytes" in Metrics(f.read()).names(), "not whole")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o644, "mode")
    equal(os.listdir(case.dir).count("m.prom.new"), 0, "temporary files")
    result = refrain.stop()
    equal(Metrics(read_text(path)).one("refrain_output_messages_total"),
          result.output("output-null")["seen"], "messages, the last time")


@test("a link in the temporary file's place is not followed; a full disk is told once, and gets over")
def file_faults(case):
    need_root()
    folder = case.path("small")
    os.mkdir(folder)
    sh("mount", "-t", "tmpfs", "-o", "size=128k", "none", folder)
    case.on_exit(sh, "umount", "-l", folder)
    path, victim = f"{folder}/m.prom", case.write("victim", "mine\n")
    os.symlink(victim, f"{path}.new")
    refrain = case.refrain("--input-dummy", "x", "--output-null", "--metrics-file", path, "--metrics-interval",
                           "1s", ready=False)
    refrain.wait_for(lambda: os.path.exists(path), "the file is there")
    equal(read_text(victim), "mine\n", "what the link points to")
    check(not os.path.islink(path), "the file is a link")
    with open(f"{folder}/filler", "wb", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            f.write(b"x" * 4096)
    before = os.stat(path).st_ino
    refrain.wait_for(lambda: "m.prom" in refrain.stderr(), "it says that the disk is full")
    time.sleep(1.2)
    equal(refrain.stderr().count("m.prom"), 1, "how often it says so")
    Metrics(read_text(path))
    equal(os.stat(path).st_ino, before, "the old file")
    os.unlink(f"{folder}/filler")
    wait_until(lambda: os.stat(path).st_ino != before, "it is written again")
    refrain.stop()


if __name__ == "__main__":
    main()
