#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Capture files: pcap and pcapng, compressed, on standard input, the same output every time."""
import gzip
import os
import re
import shutil
import signal
import struct
import time

import gor
import traffic
from harness import check, equal, main, need, need_root, read_bytes, read_text, test, wait_until
from servers import Nginx

PLAN = (21, 20, 50)


def capture(case):
    """A capture of real requests on loopback, by tcpdump; (path, port)."""
    need_root()
    need("tcpdump")
    nginx = Nginx(case)
    path = case.path("made.pcap")
    with open(case.path("tcpdump.err"), "wb") as err:
        dump = case.spawn("tcpdump", "-Z", "root", "-i", "lo", "-w", path, "-s", "262144", "-B",
                          "65536", "-U", "tcp", "port", nginx.port, stderr=err)
    wait_until(lambda: "listening" in read_text(case.path("tcpdump.err")), "tcpdump listens")
    equal(traffic.send(("127.0.0.1", nginx.port), *PLAN), 1000, "answers")
    time.sleep(1.5)
    dump.send_signal(signal.SIGINT)
    dump.wait(10)
    said = read_text(case.path("tcpdump.err"))
    check(re.search(r"^0 packets dropped", said, re.M), f"tcpdump lost some: {said}")
    return path, nginx.port


def to_pcapng(pcap):
    """The same packets as pcapng: section header, interface, enhanced packet blocks."""
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    equal(pcap[:4], b"\xd4\xc3\xb2\xa1", "the magic of tcpdump's file")
    snaplen, link = struct.unpack("<II", pcap[16:24])
    out = [block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)),
           block(1, struct.pack("<HHI", link & 0xffff, 0, snaplen))]
    at = 24
    while at < len(pcap):
        sec, usec, kept, length = struct.unpack("<IIII", pcap[at:at + 16])
        ts = sec * 1_000_000 + usec
        out.append(block(6, struct.pack("<IIIII", 0, ts >> 32, ts & 0xffffffff, kept, length) +
                         pcap[at + 16:at + 16 + kept]))
        at += 16 + kept
    return b"".join(out)


def read(case, address, *args, **kwargs):
    return case.run("--input-raw", address, "--input-raw-engine", "pcap_file", "--output-stdout",
                    *args, **kwargs)


def check_found(result, case_name):
    wanted = traffic.expected(*PLAN)
    found = {traffic.id_of(r.payload): traffic.digest(r.payload)
             for r in gor.requests(gor.parse(result.stdout))}
    equal(found, wanted, f"requests in {case_name}")
    equal(result.input("input-raw")["requests_complete"], 1000, "requests_complete")


@test("a capture file gives every request to the byte, and 20 runs give the same output")
def deterministic(case):
    path, port = capture(case)
    first = read(case, f"{path}:{port}", "--input-raw-track-response")
    check_found(first, "the file")
    for n in range(19):
        again = read(case, f"{path}:{port}", "--input-raw-track-response")
        check(again.stdout == first.stdout, f"run {n + 2} gave other bytes")


@test("pcapng, .gz, standard input, and a file without a port give the same")
def forms(case):
    path, port = capture(case)
    first = read(case, f"{path}:{port}")
    check_found(first, "pcap")
    data = read_bytes(path)
    case.write("made.pcapng", to_pcapng(data))
    case.write("made.pcap.gz", gzip.compress(data))
    case.write("made.pcapng.gz", gzip.compress(to_pcapng(data)))
    for name in ("made.pcapng", "made.pcap.gz", "made.pcapng.gz"):
        check(read(case, f"{case.path(name)}:{port}").stdout == first.stdout, f"{name} differs")
    check(read(case, path).stdout == first.stdout, "without a port it differs")
    for name in ("made.pcap", "made.pcapng"):
        with open(case.path(name), "rb") as f:
            check(read(case, f"-:{port}", stdin=f).stdout == first.stdout,
                  f"{name} on standard input differs")


@test("the name alone is enough: a file that ends in .pcap needs no --input-raw-engine")
def by_name(case):
    path, port = capture(case)
    result = case.run("--input-raw", f"{path}:{port}", "--output-stdout")
    check_found(result, "the file")


@test("another port finds nothing and counts the segments")
def other_port(case):
    path, port = capture(case)
    result = read(case, f"{path}:{port - 1}")
    equal(result.stdout, b"", "stdout")
    equal(result.output("output-stdout")["seen"], 0, "seen")


@test("a capture file cut in the middle gives what is whole, and says so")
def cut(case):
    path, port = capture(case)
    size = os.path.getsize(path)
    shutil.copy(path, case.path("cut.pcap"))
    os.truncate(case.path("cut.pcap"), size // 2)
    result = read(case, f"{case.path('cut.pcap')}:{port}", status=None)
    wanted = traffic.expected(*PLAN)
    records = gor.requests(gor.parse(result.stdout))
    check(50 < len(records) < 1000, f"{len(records)} requests from half the file")
    for r in records:
        equal(traffic.digest(r.payload), wanted[traffic.id_of(r.payload)], "bytes of a request")
    check("cut.pcap" in result.stderr, f"no word about the file: {result.stderr[:500]}")


@test("a recording from a capture file replays with its own timing")
def timing(case):
    path, port = capture(case)
    target = Nginx(case)
    case.run("--input-raw", f"{path}:{port}", "--input-raw-engine", "pcap_file", "--output-file",
             case.path("t.gor"), "--output-file-append")
    records = gor.read(case.path("t.gor"))
    span = (max(r.ts for r in records) - min(r.ts for r in records)) / 1e9
    case.run("--input-file", f"{case.path('t.gor')}|50%", "--output-http",
             f"http://127.0.0.1:{target.port}")
    times = [s.time for s in target.wait_served(1000)]
    took = max(times) - min(times)
    check(abs(took - span * 2) <= max(0.02 * span, 0.05), f"{took} s instead of {span * 2} s")


@test("the file's name may hold what the shell gives")
def names(case):
    path, port = capture(case)
    odd = case.path("a b:c.pcap")
    os.rename(path, odd)
    check_found(read(case, f"{odd}:{port}"), "the file with the odd name")


if __name__ == "__main__":
    main()
