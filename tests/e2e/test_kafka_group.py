#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Three replayers of one consumer group, each in a network namespace of its own, share a topic of
12 partitions and replay it against one nginx. REFRAIN_LONG=1 for rates of thousands a second: with a
release build."""
import atexit
import collections
import ctypes
import os
import re
import time

import gor
import kafka
from harness import Case, check, equal, main, need, need_root, read_text, sh, test, wait_until, within
from servers import Nginx

START = 1_700_000_000_000_000_000
HUB = "10.78.0.1"
REPLAYERS = 3
PARTITIONS = 12
CONNECTIONS = 60
LONG = bool(os.environ.get("REFRAIN_LONG"))
# requests, seconds of the recording, rate of the group
N, SECONDS, RATE = (100_000, 40, 3000) if LONG else (1500, 8, 90)
SESSION_S = 6


class Hub:
    """A namespace with a bridge, which this process enters until the case ends: what it starts
    lives there; and one namespace for each replayer, on that bridge. A broker is in the first."""

    def __init__(self, case):
        need_root()
        need("ip")
        self.name = f"refrain-h-{os.getpid()}"
        self.replayers = [f"refrain-r{n}-{os.getpid()}" for n in range(REPLAYERS)]
        for name in (self.name, *self.replayers):
            sh("ip", "netns", "add", name)
            case.on_exit(sh, "ip", "netns", "del", name)
            sh("ip", "-n", name, "link", "set", "lo", "up")
        sh("ip", "-n", self.name, "link", "add", "hub", "type", "bridge")
        sh("ip", "-n", self.name, "addr", "add", f"{HUB}/24", "dev", "hub")
        sh("ip", "-n", self.name, "link", "set", "hub", "up")
        for n, name in enumerate(self.replayers):
            sh("ip", "link", "add", f"r{n}", "netns", self.name, "type", "veth", "peer", "name",
               "eth0", "netns", name)
            sh("ip", "-n", self.name, "link", "set", f"r{n}", "master", "hub", "up")
            sh("ip", "-n", name, "addr", "add", f"10.78.0.{10 + n}/24", "dev", "eth0")
            sh("ip", "-n", name, "link", "set", "eth0", "up")
        self.enter(case)
        self.cluster = kafka.Cluster(case, host=HUB)

    def enter(self, case):
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        check(libc.setns(there, 0) == 0, "setns")
        os.close(there)
        case.on_exit(os.close, home)
        case.on_exit(libc.setns, home, 0)


_hub = []


def shared_hub(case):
    """One for all tests of the program."""
    if not _hub:
        owner = Case(case.binary)
        atexit.register(owner.stack.close)
        _hub.append(Hub(owner))
    return _hub[0]


class Fleet:
    """A topic, the replayers that read it, and the nginx that they send to."""

    def __init__(self, case, name, suffix):
        hub = shared_hub(case)
        self.case, self.cluster, self.name = case, hub.cluster, name
        self.cluster.client(case).create_topic(name, PARTITIONS)
        self.nginx = Nginx(case, listen=(HUB,))
        self.members = [self.replayer(where, suffix) for where in hub.replayers]
        wait_until(self.shared, lambda: [m.stderr() for m in self.members], 60)

    def replayer(self, where, suffix):
        return self.case.refrain(
            "--input-kafka-host", self.cluster.address(), "--input-kafka-topic", self.name,
            "--input-kafka-group", self.name, "--input-kafka-offset", f"group|{suffix}",
            "--output-http", f"http://{HUB}:{self.nginx.port}", "--recognize-tcp-sessions",
            "--kafka-property", f"session.timeout.ms={SESSION_S}000",
            prefix=("ip", "netns", "exec", where), ready=False)

    def shared(self):
        """Has each its part?"""
        last = [re.findall(r"has (\d+) of the partitions", m.stderr()) for m in self.members]
        return all(found and int(found[-1]) == PARTITIONS // REPLAYERS for found in last)

    def write(self):
        step = int(SECONDS * 1e9 / N)
        data = b"".join(gor.make(gor.request(f"/{k}"), START + k * step,
                                 id_=f"{k % CONNECTIONS:016x}{k:08x}") for k in range(N))
        self.case.run("--input-file", self.case.write(f"{self.name}.gor", data) + "|100000%",
                      "--output-kafka-host", self.cluster.address(), "--output-kafka-topic",
                      self.name)

    def wait_served(self, n, seconds):
        """Distinct ones, each of which may have come twice."""
        wait_until(lambda: self.count() >= n and len({k for k, _ in self.served()}) >= n, lambda: (
            f"{self.count()} requests at nginx: {[m.stderr() for m in self.members]}"), seconds)

    def count(self):
        return read_text(f"{self.nginx.root}/access.log").count("\n")

    def served(self):
        return [(int(s.request.split(" ")[1][1:]), s.time) for s in self.nginx.served()]

    def stop(self):
        return [m.stop(timeout=60) for m in self.members]


def most_in_a_second(times):
    """times: sorted."""
    most, first = 0, 0
    for last, t in enumerate(times):
        while times[first] <= t - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def check_order(numbers):
    """What comes again counts once: in each connection all come in their order."""
    seen, last = set(), collections.defaultdict(lambda: -1)
    for n in numbers:
        if n in seen:
            continue
        seen.add(n)
        check(n > last[n % CONNECTIONS], f"{n} came behind {last[n % CONNECTIONS]}")
        last[n % CONNECTIONS] = n


@test("three replayers at twice the speed: every request once, in order by connection")
def whole(case):
    fleet = Fleet(case, "whole", "200%")
    fleet.write()
    fleet.wait_served(N, SECONDS / 2 + 40)
    time.sleep(0.5)  # whatever comes twice
    results = fleet.stop()
    equal(sorted(k for k, _ in fleet.served()), list(range(N)), "requests at nginx")
    check_order(k for k, _ in fleet.served())
    shares = [r.output("output-http")["delivered"] for r in results]
    check(min(shares) > N / 10, f"not shared: {shares}")
    times = [t for _, t in fleet.served()]
    print(f"# shares {shares}, {max(times) - min(times):.2f} s for {SECONDS / 2} s")


@test("one of three replayers killed half-way: the others take over, nothing lost, little twice")
def killed(case):
    fleet = Fleet(case, "killed", "200%")
    fleet.write()
    wait_until(lambda: fleet.count() >= N // 2, "half of it is replayed", 60)
    fleet.members.pop().kill()
    fleet.wait_served(N, SECONDS / 2 + SESSION_S + 40)
    results = fleet.stop()
    equal(sum(r.output("output-http")["failed"] for r in results), 0, "failed")
    numbers = [k for k, _ in fleet.served()]
    equal(len(set(numbers)), N, f"distinct requests at nginx, from {[r.stderr for r in results]}")
    check_order(numbers)
    twice = len(numbers) - N
    print(f"# one killed half-way: {twice} of {N} came twice")
    # at most what one of three replayed between two commits, a second apart; four for slow machines
    check(twice <= 4 * N / (SECONDS / 2) / REPLAYERS, f"{twice} came twice")


@test("a rate of the group is shared by partitions: no second holds more, and the rest is counted")
def rate(case):
    fleet = Fleet(case, "rate", f"200%,{RATE}")
    fleet.write()
    wait_until(fleet.count, "it has begun", 60)
    time.sleep(SECONDS / 2)
    before = -1
    while fleet.count() != before:
        before = fleet.count()
        time.sleep(1)
    results = fleet.stop()
    outs = [r.output("output-http") for r in results]
    equal(sum(o["seen"] for o in outs), N, "seen")
    equal(sum(o["delivered"] + o["limited"] for o in outs), N, "delivered and limited")
    times = sorted(t for _, t in fleet.served())
    most = most_in_a_second(times)
    within(most, RATE / 2, RATE * 1.07, "requests in one second")
    check(len(times) > RATE * SECONDS / 2 * 0.7, f"only {len(times)} requests in {SECONDS / 2} s")
    print(f"# at most {most} requests in a second, {len(times)} of {N} in {SECONDS / 2} s")


if __name__ == "__main__":
    main()
