# SPDX-License-Identifier: MIT
"""What was recorded of known traffic, against what was sent and what the server says."""
import collections
import json
import os
import sys

import gor
import traffic
from harness import check, equal, sh

HERE = os.path.dirname(os.path.abspath(__file__))


def check_recorded(records, wanted, distinct=True):
    """Every request once, with its bytes, in order on its connection, each connection one SRC.
    distinct: no client port was used twice."""
    found, order, sources = {}, collections.defaultdict(list), collections.defaultdict(set)
    for record in gor.requests(records):
        id_ = traffic.id_of(record.payload)
        check(id_ not in found, f"request {id_} was recorded twice")
        found[id_] = traffic.digest(record.payload)
        order[id_[0]].append(id_[1])
        sources[id_[0]].add(record.src)
    missing = [i for i in wanted if i not in found]
    equal(len(missing), 0, f"requests not recorded, of {len(wanted)}, such as {missing[:3]}")
    altered = [i for i in wanted if found[i] != wanted[i]]
    equal(altered, [], "requests recorded with other bytes than were sent")
    equal(len(found), len(wanted), "requests recorded")
    for connection, ks in order.items():
        equal(ks, sorted(ks), f"order on connection {connection}")
        equal(len(sources[connection]), 1, f"source addresses of connection {connection}")
    if distinct:
        equal(len(set.union(*sources.values())), len(order), "source addresses of all connections")


def check_served(nginx, plan):
    """nginx's log has each request once, and as long as it was sent."""
    lengths = traffic.lengths(*plan)
    served = nginx.wait_served(plan[1] * plan[2])
    found = {tuple(map(int, s.id.split("."))): s.length for s in served}
    equal(len(served), plan[1] * plan[2], "lines in nginx's log")
    equal(len(found), len(served), "requests in nginx's log")
    equal([i for i in lengths if found[i] != lengths[i]], [], "requests of another length")


def check_account(result, n):
    account = result.input("input-raw")
    equal(account["requests_complete"], n, "requests_complete")
    equal(account["requests_started"], n, "requests_started")
    equal(result.output("output-file")["delivered"], n, "delivered to the file")


def client(prefix, address, port, *plan, timeout=120):
    """traffic.send() in another namespace."""
    said = sh(*prefix, sys.executable, f"{HERE}/traffic.py", address, port, *plan, timeout=timeout)
    return json.loads(said)["answered"]
