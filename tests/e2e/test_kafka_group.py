#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Three replayers of one consumer group, each in a network namespace of its own, share a topic of
12 partitions and replay it against one nginx."""
import collections
import ctypes
import os
import re
import time

import gor
import kafka
from harness import check, equal, main, need, need_root, sh, test, wait_until
from servers import Nginx

START = 1_700_000_000_000_000_000
HUB = "10.78.0.1"
REPLAYERS = 3
PARTITIONS = 12
CONNECTIONS = 60


class Hub:
    """A namespace with a bridge, which this process enters until the case ends: what it starts
    lives there; and one namespace for each replayer, on that bridge."""

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

    def enter(self, case):
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        check(libc.setns(there, 0) == 0, "setns")
        os.close(there)
        case.on_exit(os.close, home)
        case.on_exit(libc.setns, home, 0)


class Fleet:
    """A topic, the replayers that read it, and the nginx that they send to."""

    def __init__(self, case, cluster, hub, name, suffix):
        self.case, self.cluster, self.name = case, cluster, name
        cluster.client(case).create_topic(name, PARTITIONS)
        self.nginx = Nginx(case, listen=(HUB,))
        self.members = [self.replayer(where, suffix) for where in hub.replayers]
        wait_until(self.shared, lambda: [m.stderr() for m in self.members], 60)

    def replayer(self, where, suffix):
        return self.case.refrain(
            "--input-kafka-host", self.cluster.address(), "--input-kafka-topic", self.name,
            "--input-kafka-group", self.name, "--input-kafka-offset", f"group|{suffix}",
            "--output-http", f"http://{HUB}:{self.nginx.port}", "--recognize-tcp-sessions",
            "--kafka-property", "session.timeout.ms=6000",
            prefix=("ip", "netns", "exec", where), ready=False)

    def shared(self):
        """Has each its part?"""
        last = [re.findall(r"has (\d+) of the partitions", m.stderr()) for m in self.members]
        return all(found and int(found[-1]) == PARTITIONS // REPLAYERS for found in last)

    def write(self, n, seconds):
        step = int(seconds * 1e9 / n)
        data = b"".join(gor.make(gor.request(f"/{k}"), START + k * step,
                                 id_=f"{k % CONNECTIONS:016x}{k:08x}") for k in range(n))
        self.case.run("--input-file", self.case.write(f"{self.name}.gor", data) + "|100000%",
                      "--output-kafka-host", self.cluster.address(), "--output-kafka-topic",
                      self.name)

    def served(self):
        return [(int(s.request.split(" ")[1][1:]), s.time) for s in self.nginx.served()]

    def stop(self):
        return [m.stop(timeout=60) for m in self.members]


def check_order(numbers):
    """What comes again counts once: in each connection all come in their order."""
    seen, last = set(), collections.defaultdict(lambda: -1)
    for n in numbers:
        if n in seen:
            continue
        seen.add(n)
        check(n > last[n % CONNECTIONS], f"{n} came behind {last[n % CONNECTIONS]}")
        last[n % CONNECTIONS] = n


@test("three replayers at twice the speed: every request once, in order, one of them killed: all")
def fleet(case):
    hub = Hub(case)
    cluster = kafka.Cluster(case, host=HUB)
    n = 3000
    whole = Fleet(case, cluster, hub, "whole", "200%")
    whole.write(n, 16)
    wait_until(lambda: len(whole.served()) >= n, lambda: f"{len(whole.served())} of {n}", 60)
    time.sleep(1)
    results = whole.stop()
    numbers = [k for k, _ in whole.served()]
    equal(sorted(numbers), list(range(n)), "requests at nginx")
    check_order(numbers)
    shares = [r.output("output-http")["delivered"] for r in results]
    check(min(shares) > n / 10, f"not shared: {shares}")
    times = [t for _, t in whole.served()]
    print(f"# shares {shares}, {max(times) - min(times):.2f} s for 8 s")

    killed = Fleet(case, cluster, hub, "killed", "200%")
    killed.write(n, 16)
    wait_until(lambda: len(killed.served()) >= n // 2, "half of it is replayed", 60)
    killed.members.pop().kill()
    deadline = time.monotonic() + 60
    while len({k for k, _ in killed.served()}) < n and time.monotonic() < deadline:
        time.sleep(0.2)
    left = killed.stop()
    outs = [r.output("output-http") for r in left]
    equal(sum(o["failed"] for o in outs), 0, f"failed at {outs}, {[r.stderr for r in left]}")
    numbers = [k for k, _ in killed.served()]
    equal(len(set(numbers)), n, f"distinct requests at nginx, from {[r.stderr for r in left]}")
    check_order(numbers)
    print(f"# one killed half-way: {len(numbers) - n} of {n} came twice")
    # at most what one of three replayed between two commits, a second apart
    check(len(numbers) - n < n / 8 / REPLAYERS * 4, f"{len(numbers) - n} came twice")


@test("a rate of the group is shared by partitions: no second holds more, and the rest is counted")
def rate(case):
    hub = Hub(case)
    cluster = kafka.Cluster(case, host=HUB)
    n = 2400
    limited = Fleet(case, cluster, hub, "rate", "200%,90")
    limited.write(n, 16)
    time.sleep(10)
    results = limited.stop()
    outs = [r.output("output-http") for r in results]
    equal(sum(o["seen"] for o in outs), n, "seen")
    equal(sum(o["delivered"] + o["limited"] for o in outs), n, "delivered and limited")
    times = sorted(t for _, t in limited.served())
    most = max(sum(t <= u < t + 1 for u in times) for t in times)
    check(most <= 96, f"{most} requests in one second")
    check(len(times) > 400, f"only {len(times)} requests in 8 seconds")
    print(f"# at most {most} requests in a second, {len(times)} in all")


if __name__ == "__main__":
    main(kafka.fetch_jars)
