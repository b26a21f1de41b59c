#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The whole chain at work, each host in a network namespace of its own: three servers with traffic,
captured there; two relays, between which each capture splits by connection, and which are killed -9
in turn; a central replay server; and a target. What the servers served and what the target got are
the same requests, once each, and the books of all six refrains add up.

Half a minute with two kills; with "full" in front of the words, or REFRAIN_LONG=1, ten minutes at
2,000 requests a second with a kill each minute."""
import collections
import os
import sys
import time

from harness import check, equal, long_run, main, need, need_root, sh, test, wait_until
from net import Star
from servers import Nginx

SECONDS, RATE, KILL_EVERY = (600, 2000, 60) if long_run(sys.argv) else (16, 450, 5)
CAPTURES, RELAYS = ("one", "two", "three"), ("left", "right")
PORT, LOAD = 28020, os.path.join(os.path.dirname(os.path.abspath(__file__)), "load.py")


class Relay:
    """A refrain between the captures and the centre, which is killed and started again."""

    def __init__(self, case, star, name):
        self.case, self.star, self.name = case, star, name
        self.refrain = None
        self.start()

    def start(self):
        self.refrain = self.case.refrain(
            "--input-tcp", f"{self.star.address(self.name)}:{PORT}", "--output-tcp",
            f"{self.star.address('centre')}:{PORT}", prefix=self.star.inside(self.name), ready=False)
        wait_listening(self.star, self.name)

    def kill(self):
        self.refrain.kill()
        check("Sanitizer" not in self.refrain.stderr(), self.refrain.stderr()[-3000:])


def wait_listening(star, name):
    """/proc/net is that of the namespace one looks from."""
    command = (sys.executable, "-c", f"import sys; sys.path.insert(0, {os.path.dirname(LOAD)!r}); "
               f"import harness; print(harness.is_listening({PORT}))")
    wait_until(lambda: "True" in sh(*star.inside(name), *command), f"{name} listens", 20)


def start_captures(case, star, servers):
    relays = [a for name in RELAYS for a in ("--output-tcp", f"{star.address(name)}:{PORT}")]
    return [case.refrain("--input-raw", f"127.0.0.1:{server.port}", "--split-output",
                         "hash:connection", *relays, prefix=star.inside(name))
            for name, server in zip(CAPTURES, servers)]


def start_load(case, star, servers):
    """Unique numbers from each host, SECONDS * RATE in all."""
    each = SECONDS * RATE // len(CAPTURES)
    return each, [case.spawn(sys.executable, LOAD, "127.0.0.1", server.port, name, each,
                             RATE / len(CAPTURES), prefix=star.inside(name))
                  for name, server in zip(CAPTURES, servers)]


def kill_in_turn(relays, loads):
    """Until the load ends; how many kills."""
    kills, due = 0, time.monotonic() + KILL_EVERY
    while any(load.poll() is None for load in loads):
        time.sleep(0.05)
        if time.monotonic() >= due:
            relays[kills % 2].kill()
            relays[kills % 2].start()
            kills += 1
            due += KILL_EVERY
    equal([load.returncode for load in loads], [0, 0, 0], "how the load ended")
    return kills


def ids(nginx):
    return collections.Counter(line.id for line in nginx.served() if line.id != "-")


def check_once_each(servers, target, each):
    wanted = collections.Counter(f"{name}.{n}" for name in CAPTURES for n in range(each))
    served = sum((ids(server) for server in servers), collections.Counter())
    equal(served, wanted, "what the servers served")
    got = ids(target)
    lost, more = served - got, got - served
    equal(sorted(lost)[:5], [], f"{lost.total()} of {served.total()} did not arrive")
    equal(sorted(more)[:5], [], f"{more.total()} arrived twice or from nowhere")


@test("three captures, two relays that are killed, a replay server: what was served arrives once")
def chain(case):
    need_root()
    need("nginx", "ip")
    star = Star(case, *CAPTURES, *RELAYS, "centre", "target")
    target = Nginx(case, listen=("0.0.0.0",), prefix=star.inside("target"))
    servers = [Nginx(case, prefix=star.inside(name)) for name in CAPTURES]
    centre = case.refrain("--input-tcp", f"{star.address('centre')}:{PORT}", "--output-http",
                          f"http://{star.address('target')}:{target.port}",
                          prefix=star.inside("centre"), ready=False)
    wait_listening(star, "centre")
    relays = [Relay(case, star, name) for name in RELAYS]
    captures = start_captures(case, star, servers)
    each, loads = start_load(case, star, servers)
    kills = kill_in_turn(relays, loads)
    check(kills >= 2, f"only {kills} kills")
    total = each * len(CAPTURES)
    captured = [capture.stop() for capture in captures]
    relayed = [relay.refrain.stop() for relay in relays]
    replayed = centre.stop()
    check_once_each(servers, target, each)
    for name, result in zip(CAPTURES, captured):
        outs = result.summary["outputs"]
        equal(result.input("input-raw")["requests_complete"], each, f"captured on {name}")
        equal([sum(o[book] for o in outs) for book in ("seen", "split", "delivered")],
              [2 * each, each, each], f"seen, split and delivered on {name}")
        check(all(o["delivered"] > each // 5 for o in outs), f"{name} uses one relay only")
    for name, result in zip(RELAYS, relayed):
        inp, out = result.input("input-tcp"), result.output("output-tcp")
        equal(out["delivered"], inp["records"], f"taken and handed on by {name}, since its start")
        equal(inp["records_damaged"], 0, f"damaged on the way to {name}")
    inp, out = replayed.input("input-tcp"), replayed.output("output-http")
    equal([inp["records"], out["delivered"], out["failed"]], [total, total, 0],
          "taken, replayed and failed at the centre")
    print(f"# {total} requests, {kills} kills, {inp['records_again']} came again to the centre")


if __name__ == "__main__":
    main()
