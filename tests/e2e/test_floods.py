#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Floods that want memory: --max-memory holds, the genuine requests among them are all found, each
eviction is counted, and a packet costs no more than a few times what it costs otherwise.

A tenth of the size in every run; test_floods.py full, or REFRAIN_LONG=1, for all of it: a million
half-open connections, a million begun requests, 10,000 x 1 MiB above a hole, a million fragments.
"""
import os
import struct
import subprocess
import sys
import threading

from harness import check, equal, last_summary, long_run, main, test, within

SCALE = 1.0 if long_run(sys.argv) else 0.1
GENUINE = 10_000
CAP_MB = 64
SERVER = b"\x0a\xff\xff\xfe"
CHUNK = 1 << 20
START_S = 1_700_000_000


def ip(src, payload_len, protocol=6, ident=0, flags=0):
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + payload_len, ident, flags, 64, protocol, 0) + src


def tcp(port, seq, flags, ack=1):
    return struct.pack("!HHIIBBHHH", port, 80, seq & 0xffffffff, ack, 0x50, flags, 65535, 0, 0)


class Capture:
    """A pcap stream of raw IP, ten microseconds a packet."""

    def __init__(self, out):
        self.out = out
        self.buffer = bytearray(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        self.us = 0
        self.packets = 0

    def add(self, src, segment, payload=b"", protocol=6, ident=0, flags=0):
        size = len(segment) + len(payload)
        self.us += 10
        self.buffer += struct.pack("<IIII", START_S + self.us // 1_000_000, self.us % 1_000_000,
                                   20 + size, 20 + size)
        self.buffer += ip(src, size, protocol, ident, flags)
        self.buffer += SERVER
        self.buffer += segment
        self.buffer += payload
        self.packets += 1
        if len(self.buffer) >= CHUNK:
            self.flush()

    def flush(self):
        self.out.write(self.buffer)
        self.buffer = bytearray()


class Genuine:
    """Requests that must be found: each on a connection of its own, half of them in three pieces with
    much of the flood between them."""

    def __init__(self, capture, total, every):
        self.capture = capture
        self.total = total
        self.every = max(1, every)
        self.begun = 0
        self.pending = []
        self.count = 0

    def among(self):
        """Called for each packet of the flood."""
        self.count += 1
        if self.count % self.every == 0:
            self.step()

    def step(self):
        if self.pending and self.pending[0][0] <= self.count:
            _, src, seq, rest = self.pending.pop(0)
            self.capture.add(src, tcp(40000, seq, 0x18), rest[:30])
            if rest[30:]:
                self.pending.append((self.count + 50 * self.every, src, seq + 30, rest[30:]))
        if self.begun < self.total:
            self.begin(self.begun)
            self.begun += 1

    def begin(self, n):
        src = struct.pack("!BBH", 172, 16 + (n >> 16), n & 0xffff)
        request = f"GET /genuine/{n:06d} HTTP/1.1\r\nHost: genuine.example\r\n\r\n".encode()
        self.capture.add(src, tcp(40000, 999, 0x02))
        if n % 2:
            self.capture.add(src, tcp(40000, 1000, 0x18), request)
            return
        self.capture.add(src, tcp(40000, 1000, 0x18), request[:20])
        self.pending.append((self.count + 50 * self.every, src, 1020, request[20:]))

    def finish(self):
        while self.begun < self.total or self.pending:
            self.count += 51 * self.every
            self.step()


def address(n):
    return struct.pack("!BBH", 10, n >> 16 & 0xff, n & 0xffff)


def half_open(capture, genuine, n):
    for i in range(n):
        capture.add(address(i), tcp(1024 + i % 60000, i * 7919, 0x02))
        genuine.among()


def begun(capture, genuine, n):
    for i in range(n):
        capture.add(address(i), tcp(1024 + i % 60000, i * 7919, 0x18), b"GET / HTT")
        genuine.among()


def above_hole(capture, genuine, n):
    """n segments of 32 KiB, 32 for each connection, of which the first byte is missing."""
    data = b"\0" * 32768
    for i in range(n):
        flow, piece = i // 32, i % 32
        if piece == 0:
            capture.add(address(flow), tcp(5000, 0, 0x02))
            capture.add(address(flow), tcp(5000, 1, 0x18), b"POST / HTTP/1.1\r\nContent-Length: 9999999"
                        b"\r\n\r\n")
        capture.add(address(flow), tcp(5000, 1000 + piece * 32768, 0x18), data)
        genuine.among()


def fragments(capture, genuine, n):
    for i in range(n):
        capture.add(address(i), b"x" * 64, protocol=6, ident=i & 0xffff, flags=0x2000)
        genuine.among()


def normal(capture, genuine, n):
    """Keep-alive traffic as usual: a hundred connections, requests of 400 bytes."""
    request = b"GET /a HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 360 + b"\r\n\r\n"
    seqs = [1] * 100
    for i in range(n):
        k = i % 100
        capture.add(address(k), tcp(6000 + k, seqs[k], 0x18), request)
        seqs[k] += len(request)
        genuine.among()


def uploads(capture, genuine, n):
    """n segments of 32 KiB in order: uploads of 1 MiB, one after the other."""
    data = b"\0" * 32768
    for i in range(n):
        flow, piece = i // 32, i % 32
        if piece == 0:
            head = b"POST /up HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n"
            capture.add(address(flow), tcp(5000, 1 - len(head), 0x18), head)
        capture.add(address(flow), tcp(5000, 1 + piece * 32768, 0x18), data)
        genuine.among()


def run(case, make, n, genuine, *options):
    """(summary, peak memory in bytes, CPU seconds, packets, stdout)"""
    args = [case.binary, "--summary", "json", "--input-raw", "-:80", "--input-raw-engine", "pcap_file",
            "--max-memory", f"{CAP_MB}mb", "--http-allow-url", "^/genuine/", "--output-stdout",
            *options]
    with open(case.path("out"), "wb") as out, open(case.path("err"), "wb") as err:
        process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=out, stderr=err)
        case.on_exit(lambda: process.poll() is None and process.kill())
        capture = Capture(process.stdin)
        crowd = Genuine(capture, genuine, n // max(1, genuine) or 1)
        writer = threading.Thread(target=lambda: (make(capture, crowd, n), crowd.finish(),
                                                  capture.flush(), process.stdin.close()))
        writer.start()
        writer.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    with open(case.path("err"), encoding="utf-8", errors="replace") as f:
        text = f.read()
    equal(process.returncode, 0, f"exit status ({text[-500:]})")
    with open(case.path("out"), "rb") as f:
        found = f.read()
    return (last_summary(text), usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime,
            capture.packets, found)


def is_sanitized(case):
    """A sanitizer's own memory is not refrain's, and its time neither."""
    with open(case.binary, "rb") as f:
        return b"__asan_init" in f.read()


def flood(case, make, n, *reasons, usual=normal, usual_n=200_000):
    n = int(n * SCALE)
    summary, peak, cpu, packets, found = run(case, make, n, GENUINE)
    inp = summary["inputs"][0]
    check(summary["balanced"], "the books do not balance")
    targets = {line.split()[1] for line in found.split(b"\n") if line.startswith(b"GET /genuine/")}
    equal(len(targets), GENUINE, "genuine requests found")
    for reason in reasons:
        check(inp[reason] > 0, f"nothing was counted as {reason}: {inp}")
    if is_sanitized(case):
        return
    check(peak <= (CAP_MB + 32) << 20, f"{peak >> 20} MiB of memory with a cap of {CAP_MB} MiB")
    _, _, usual_cpu, usual_packets, _ = run(case, usual, usual_n, 100)
    ratio = (cpu / packets) / (usual_cpu / usual_packets)
    print(f"# {n} packets of flood: peak {peak >> 20} MiB, CPU per packet {ratio:.2f} of normal "
          f"({1e6 * cpu / packets:.2f} us), evicted {inp['flows_evicted']} connections")
    if SCALE == 1:  # a tenth is over before memory is full, and too short to time
        within(ratio, 0, 3, "CPU per packet, against normal traffic")


@test("a million half-open connections: memory holds, genuine requests are found")
def test_half_open(case):
    flood(case, half_open, 1_000_000, *(["flows_evicted"] if SCALE == 1 else []))


@test("a million connections with a begun request: memory holds, each loss is counted")
def test_begun(case):
    flood(case, begun, 1_000_000, "requests_evicted" if SCALE == 1 else "requests_open")


@test("10,000 connections with 1 MiB above a hole: memory holds, each loss is counted")
def test_above_hole(case):
    # a packet of 32 KiB costs what moving its bytes costs: compared with uploads of such packets
    flood(case, above_hole, 320_000, "requests_evicted", usual=uploads, usual_n=20_000)


@test("a million first fragments: memory holds, each loss is counted")
def test_fragments(case):
    flood(case, fragments, 1_000_000, "fragments_lost")


if __name__ == "__main__":
    main()
