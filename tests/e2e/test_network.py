#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A network that loses, reorders and duplicates: what the server got is recorded, once, to the byte.

5,000 requests in every run; test_network.py full, or REFRAIN_LONG=1, for 100,000.
"""
import os
import subprocess
import sys

import gor
from harness import check, long_run, main, sh, test
from net import Namespaces
from servers import Nginx
from recorded import HERE, check_account, check_recorded, check_served, client
import traffic

CONNECTIONS, REQUESTS = (200, 500) if long_run(sys.argv) else (100, 50)
DEVICE = "refrain-tun"


class BadNetwork(Namespaces):
    """Two namespaces joined by a TUN device in each and a shuffler between them."""

    def __init__(self, case, loss, reorder, duplicate):
        super().__init__(case, connected=False)
        self.shuffler = subprocess.Popen(
            [sys.executable, f"{HERE}/shuffler.py", self.server, self.client, "1", str(loss),
             str(reorder), str(duplicate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        case.on_exit(self.end)
        check(self.shuffler.stdout.readline() == b"ready\n", "the shuffler did not start")
        for name, n in ((self.server, 1), (self.client, 2)):
            sh("ip", "-n", name, "addr", "add", f"10.77.0.{n}/24", "dev", DEVICE)
            sh("ip", "-n", name, "link", "set", DEVICE, "up")

    def end(self):
        self.shuffler.stdin.close()
        self.shuffler.wait(10)


def record(case, ns):
    """Requests from one namespace to the other, and what is recorded in the server's."""
    nginx = Nginx(case, listen=(ns.server_address,), prefix=ns.on_server())
    file = case.path("all.gor")
    refrain = case.refrain("--input-raw", f"{DEVICE}:{nginx.port}", "--output-file", file,
                           "--output-file-append", prefix=ns.on_server())
    plan = (21, CONNECTIONS, REQUESTS, "small")
    n = CONNECTIONS * REQUESTS
    answered = client(ns.on_client(), ns.server_address, nginx.port, *plan, 64, timeout=360)
    check(answered == n, f"{answered} of {n} were answered")
    result = refrain.stop()
    check_recorded(gor.read(file), traffic.expected(*plan), distinct=False)
    check_served(nginx, plan)
    check_account(result, n)
    return result.input("input-raw")


@test("5 % loss, 10 % reordering, 2 % duplication: all that was served is recorded, once")
def lossy(case):
    account = record(case, BadNetwork(case, 0.05, 0.10, 0.02))
    check(account["duplicate_bytes"] > 0, "the network was too good to show anything")


@test("packets that are lost behind the capture come again, and count once")
def lost_behind(case):
    ns = BadNetwork(case, 0.01, 0.05, 0.01)
    # the packet socket sees what comes before the filter throws it away
    sh(*ns.on_server(), "iptables", "-A", "INPUT", "-i", DEVICE, "-m", "statistic", "--mode", "random",
       "--probability", "0.04", "-j", "DROP")
    account = record(case, ns)
    check(account["duplicate_bytes"] > 0, "nothing was sent again")


class Bridged(Namespaces):
    """The server's and the client's namespace as two guests of a third, joined by a bridge there."""

    def __init__(self, case):
        super().__init__(case, connected=False)
        self.host = f"refrain-h-{os.getpid()}"
        sh("ip", "netns", "add", self.host)
        case.on_exit(sh, "ip", "netns", "del", self.host)
        sh("ip", "-n", self.host, "link", "set", "lo", "up")
        sh("ip", "-n", self.host, "link", "add", "br0", "type", "bridge")
        sh("ip", "-n", self.host, "addr", "add", "10.77.0.9/24", "dev", "br0")
        sh("ip", "-n", self.host, "link", "set", "br0", "up")
        for guest, n in ((self.server, 1), (self.client, 2)):
            sh("ip", "link", "add", f"guest{n}", "netns", self.host, "type", "veth", "peer", "name",
               "eth0", "netns", guest)
            sh("ip", "-n", self.host, "link", "set", f"guest{n}", "master", "br0", "up")
            sh("ip", "-n", guest, "addr", "add", f"10.77.0.{n}/24", "dev", "eth0")
            sh("ip", "-n", guest, "link", "set", "eth0", "up")


@test("a packet that is seen on two ports of a bridge, or on the bridge too, counts once")
def bridge(case):
    ns = Bridged(case)
    host = ("ip", "netns", "exec", ns.host)
    servers = [Nginx(case, listen=(ns.server_address,), prefix=ns.on_server()),
               Nginx(case, listen=("10.77.0.9",), prefix=host)]
    file = case.path("all.gor")
    refrain = case.refrain("--input-raw", f":{servers[0].port},{servers[1].port}", "--output-file",
                           file, "--output-file-append", prefix=host)
    for seed, server, address in ((31, servers[0], ns.server_address), (32, servers[1], "10.77.0.9")):
        answered = client(ns.on_client(), address, server.port, seed, 10, 20, "small")
        check(answered == 200, f"{answered} of 200 were answered")
    result = refrain.stop()
    for seed, server in ((31, servers[0]), (32, servers[1])):
        mine = [r for r in gor.read(file) if r.dst.endswith(f":{server.port}")]
        check_recorded(mine, traffic.expected(seed, 10, 20, "small"))
    check_account(result, 400)
    check(result.input("input-raw")["duplicate_bytes"] > 0, "nothing was seen twice: no test")


if __name__ == "__main__":
    main()
