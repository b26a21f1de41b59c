#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Segments that overlap with different bytes: what is recorded is what the server's read(2) returned.

500 connections in every run; test_overlap.py full, or REFRAIN_LONG=1, for 5,000.
"""
import os
import subprocess
import sys

import gor
from harness import check, equal, long_run, main, need, need_root, read_bytes, sh, test
from recorded import HERE

CONNECTIONS = 5000 if long_run(sys.argv) else 500


def read_by_server(path):
    data, found, at = read_bytes(path), {}, 0
    while at < len(data):
        end = data.index(b"\n", at)
        port, length = map(int, data[at:end].split())
        found[port] = data[end + 1:end + 1 + length]
        at = end + 1 + length
    return found


@test("what is recorded of conflicting segments is what Linux gave to the server")
def overlap(case):
    need_root()
    need("ip")
    namespace = f"refrain-o-{os.getpid()}"
    sh("ip", "netns", "add", namespace)
    case.on_exit(sh, "ip", "netns", "del", namespace)
    inside = ("ip", "netns", "exec", namespace)
    stranger = subprocess.Popen(
        [*inside, sys.executable, f"{HERE}/stranger.py", str(CONNECTIONS), "1", case.path("read")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    case.on_exit(stranger.kill)
    check(stranger.stdout.readline() == b"ready\n", "the stranger did not start")
    refrain = case.refrain("--input-raw", "refrain-tun:8080", "--output-file", case.path("all.gor"),
                           "--output-file-append", prefix=inside)
    stranger.stdin.write(b"\n")
    stranger.stdin.flush()
    equal(stranger.stdout.readline(), b"done\n", "the stranger's last word")
    refrain.stop()
    stranger.stdin.close()
    stranger.wait(10)
    read = read_by_server(case.path("read"))
    equal(len(read), CONNECTIONS, "connections that the server read")
    recorded = {int(r.src.rpartition(":")[2]): r.payload
                for r in gor.requests(gor.read(case.path("all.gor")))}
    missing = [port for port in read if port not in recorded]
    other = [port for port in recorded if recorded[port] != read[port]]
    for port in other[:3]:
        at = next(i for i, (a, b) in enumerate(zip(recorded[port], read[port])) if a != b)
        print(f"# {port}: differs from offset {at} of {len(read[port])}")
    equal((len(missing), len(other)), (0, 0), "requests not recorded, and with other bytes")


if __name__ == "__main__":
    main()
