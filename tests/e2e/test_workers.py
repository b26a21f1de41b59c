#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Several capture threads on one device: everything once, connections whole, answers paired."""
import collections
import os
import sys
import time

import gor
import traffic
from harness import check, equal, main, need_root, read_bytes, sh, test
from net import Namespaces
from recorded import check_recorded, client
from servers import Nginx

HERE = os.path.dirname(os.path.abspath(__file__))
WORKERS, CONNECTIONS = 4, 32
HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 800\r\n\r\n"
# A head in a packet of its own, and a body in fragments, in each of so many connections.
SENDER = '''
import random, socket, sys
sys.path.insert(0, sys.argv[1])
from packets import ACK, SYN, fragments, ipv4, tcp
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("veth-c", 0))
head = bytes.fromhex(sys.argv[2])
rng = random.Random(1)
here, there = bytes((10, 77, 0, 2)), bytes((10, 77, 0, 1))
for n in range(int(sys.argv[3])):
    port = 20000 + n
    segments = [ipv4(here, there, tcp(port, 80, 99, 0, SYN, b"")),
                ipv4(here, there, tcp(port, 80, 100, 1, ACK, head)),
                *fragments(rng, here, there, tcp(port, 80, 100 + len(head), 1, ACK, b"x" * 800))]
    for packet in segments:
        out.send(bytes(12) + bytes((8, 0)) + packet)
'''


def threads_that_worked(refrain):
    """CPU time in ns of each thread of it that has used more than a moment."""
    found = []
    for thread in os.listdir(f"/proc/{refrain.pid}/task"):
        with open(f"/proc/{refrain.pid}/task/{thread}/schedstat", encoding="ascii") as f:
            found.append(int(f.read().split()[0]))
    return [ns for ns in found if ns > 3_000_000]


def check_pairs(records, requests):
    """Each request has one response of its id, after it."""
    kinds = collections.defaultdict(list)
    for record in records:
        kinds[record.id].append(record.type)
    equal(len(kinds), requests, "ids")
    odd = [(id_, types) for id_, types in kinds.items() if types != [1, 2]]
    check(not odd, f"not a request and then its response: {odd[:5]}")


def count(file):
    """Records in it so far; seldom asked: a slow build has its hands full."""
    time.sleep(0.3)
    return read_bytes(file).count(gor.SEPARATOR) if os.path.exists(file) else 0


def record(case, address, plan, send, **kwargs):
    file = case.path("all.gor")
    refrain = case.refrain("--input-raw", address, "--input-raw-workers", WORKERS,
                           "--input-raw-track-response", "--input-raw-buffer-size", "16mb",
                           "--output-file", file, "--output-file-append", "--output-queue-len",
                           100000, "--output-queue-size", "256mb",
                           "--output-file-flush-interval", "200ms", "--output-file-queue-limit", 0,
                           **kwargs)
    requests = plan[1] * plan[2]
    equal(send(), requests, "answers")
    refrain.wait_for(lambda: count(file) >= 2 * requests, "everything stands in the file", 60)
    busy = threads_that_worked(refrain)
    result = refrain.stop()
    records = gor.read(file)
    check_recorded([r for r in records if r.type == 1], traffic.expected(*plan))
    check_pairs(records, requests)
    for kind in ("requests", "responses"):
        equal(result.input("input-raw")[f"{kind}_complete"], requests, f"{kind} complete")
    equal(result.output("output-file")["delivered"], 2 * requests, "delivered")
    check(len(busy) > 2, f"only {len(busy)} threads had something to do")
    return result


@test("four workers on loopback record everything once, in order, with its response")
def loopback(case):
    need_root()
    nginx = Nginx(case)
    plan = (31, 64, 40)
    result = record(case, f"lo:{nginx.port}", plan,
                    lambda: traffic.send(("127.0.0.1", nginx.port), *plan))
    equal(result.input("input-raw")["flows"], plan[1], "connections")


@test("four workers on all interfaces record what comes through one of them once")
def all_interfaces(case):
    ns = Namespaces(case)
    nginx = Nginx(case, listen=(ns.server_address,), prefix=ns.on_server())
    plan = (32, 64, 40)
    record(case, f":{nginx.port}", plan,
           lambda: client(ns.on_client(), ns.server_address, nginx.port, *plan),
           prefix=ns.on_server())


@test("a body in IPv4 fragments, which have no ports, reaches the worker of its connection")
def fragments(case):
    ns = Namespaces(case)
    refrain = case.refrain("--input-raw", "veth-s:80", "--input-raw-workers", WORKERS,
                           "--output-stdout", prefix=ns.on_server())
    sh(*ns.on_client(), sys.executable, "-c", SENDER, os.path.join(HERE, "..", "generated"),
       HEAD.hex(), CONNECTIONS)
    time.sleep(0.2)
    result = refrain.stop()
    records = gor.parse(result.stdout)
    equal(len(records), CONNECTIONS, "requests")
    equal({len(r.payload) for r in records}, {len(HEAD) + 800}, "their lengths")
    equal(len({r.src for r in records}), CONNECTIONS, "connections")


if __name__ == "__main__":
    main()
