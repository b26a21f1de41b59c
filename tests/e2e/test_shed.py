#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--max-cpu, --nice and --sched: what refrain takes from the host is bounded, and the books say what
that cost."""
import collections
import os
import subprocess
import threading
import time

import gor
import traffic
from harness import Skip, check, equal, main, need_root, sh, test, within
from servers import Nginx

LOAD = os.path.join(os.path.dirname(os.environ.get("REFRAIN_BIN", "")), "..", "tests", "bench",
                    "load")
RATE, CONNECTIONS, REQUESTS = 6000, 32, 3
ADDRESS = "127.0.0.1"


def cpu_s(pid):
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def cpu_share(pid, seconds):
    before, since = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(pid) - before) / (time.monotonic() - since)


def start_load(case, port, seconds):
    """Connections that stay open, each with request after request."""
    return case.spawn(LOAD, port, CONNECTIONS, RATE * seconds, RATE, stdout=subprocess.DEVNULL)


def start_refrain(case, nginx, name, *args):
    """What is recorded costs more than what is left out: it is compressed, three times."""
    outputs = []
    for copy in ("", "copy.", "copy-of-copy."):
        outputs += ["--output-file", case.path(copy + name)]
    return case.refrain("--input-raw", f"lo:{nginx.port}", *outputs, "--output-file-append",
                        "--output-file-queue-limit", 0, *args)


class ShortConnections:
    """A few requests on each of many connections, as long as it is told; numbered from first."""

    def __init__(self, nginx, first):
        self.address, self.first, self.answers = (ADDRESS, nginx.port), first, {}
        self.stopped = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        number = self.first
        while not self.stopped:
            traffic.one_connection(self.address, 41, number, REQUESTS, "small", self.answers)
            number += 1
            time.sleep(0.01)

    def end(self):
        """How many there were."""
        self.stopped = True
        self.thread.join()
        equal(set(self.answers.values()), {REQUESTS}, "answers on each connection")
        return len(self.answers)


def recorded(path):
    """number of a short connection -> how many of its requests were recorded."""
    ids = [traffic.id_of(r.payload) for r in gor.requests(gor.parse(gor.load(path)))]
    return collections.Counter(id_[0] for id_ in ids if id_)


@test("--max-cpu holds under load, leaves out whole connections, and takes all again after it")
def max_cpu(case):
    need_root()
    if not os.access(LOAD, os.X_OK):
        raise Skip("tests/bench/load is not built")
    nginx = Nginx(case)
    refrain = start_refrain(case, nginx, "all.gor.gz")
    load = start_load(case, nginx.port, 5)
    time.sleep(1)
    limit = cpu_share(refrain.pid, 3) / 2
    load.wait(20)
    refrain.stop()

    refrain = start_refrain(case, nginx, "some.gor.gz", "--max-cpu", f"{limit * 100:.3f}%")
    load = start_load(case, nginx.port, 12)
    time.sleep(5)
    during = ShortConnections(nginx, 0)
    within(cpu_share(refrain.pid, 6) / limit, 0.3, 1.25, "CPU used, of --max-cpu")
    n_during = during.end()
    load.wait(20)
    refrain.wait_for(lambda: "all connections are followed again" in refrain.stderr(),
                     "refrain says that the need is over", 40)
    after = ShortConnections(nginx, 1_000_000)
    time.sleep(1)
    n_after = after.end()
    result = refrain.stop()
    found = recorded(case.path("some.gor.gz"))
    equal(set(found.values()), {REQUESTS}, "requests recorded of each connection")
    left_out = n_during - sum(1 for number in found if number < 1_000_000)
    within(left_out / n_during, 0.1, 0.97, "share of the connections that was left out")
    equal(sum(1 for number in found if number >= 1_000_000), n_after, "connections afterwards")
    counts = result.input("input-raw")
    check(counts["flows_shed"] >= left_out, f"{counts['flows_shed']} counted of {left_out}")
    equal(counts["packets"], counts["segments"] + counts["segments_shed"], "segments, and packets")


@test("--max-cpu of nothing is refused")
def no_cpu(case):
    case.refuse("--input-raw", ":80", "--max-cpu", "0", "--output-null", status=2,
                words=["--max-cpu", "10%"])


@test("every thread runs with --nice and --sched")
def scheduling(case):
    need_root()
    nginx = Nginx(case)
    refrain = case.refrain("--input-raw", f"lo:{nginx.port}", "--output-null", "--nice", "7",
                           "--sched", "batch", "--input-raw-workers", 2)
    tasks = f"/proc/{refrain.pid}/task"
    refrain.wait_for(lambda: len(os.listdir(tasks)) >= 4, "its threads run")
    for thread in os.listdir(tasks):
        equal(os.getpriority(os.PRIO_PROCESS, int(thread)), 7, "niceness")
        equal(os.sched_getscheduler(int(thread)), os.SCHED_BATCH, "policy")
    refrain.stop()
    refrain = case.refrain("--input-raw", f"lo:{nginx.port}", "--output-stdout", "--sched", "idle")
    equal(os.sched_getscheduler(refrain.pid), os.SCHED_IDLE, "policy")
    sh("curl", "-s", f"http://{ADDRESS}:{nginx.port}/idle")
    time.sleep(0.5)
    equal(len(gor.parse(refrain.stop().stdout)), 1, "requests recorded when the host has time")


if __name__ == "__main__":
    main()
