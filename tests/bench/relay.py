#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What one hop of a relay costs: CPU per message of a refrain that sends a recording, and of one that
receives it, against plain write(2) and read(2) of the same bytes over the loopback (plain_copy.c).

All contestants take turns, so that the machine's moods hit all of them. The CPU is user and system
time of whole processes: reading the recording is in the sender's, and shown by itself with
--output-null. Wanted: sender and receiver together within 3 times the plain copy. With --tap it is a
test that the benchmark itself works.

usage: relay.py BUILD_DIR [--messages N] [--runs N] [--json FILE] [--tap]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
import gor
from harness import Case, free_port, is_listening, wait_until
from measuring import check_refrain, measure
from replay import START

PADDING = 245  # records of 440 bytes, as in the figures of others
CONNECTIONS = 50
WANTED = 3.0
ROWS = ("plain write", "plain read", "sender", "receiver", "of the sender's: reading the file")


def record(path, messages):
    """As refrain writes them, from several connections. How long they are."""
    with open(path, "wb") as f:
        for n in range(messages):
            client = n % CONNECTIONS
            payload = gor.request(f"/api/v1/items/{n:08d}",
                                  headers=("User-Agent: bench", "X-Pad: " + "x" * PADDING))
            f.write(f"1 {client:08x}{n:016x} {START + n * 1000} 0 {len(payload)} "
                    f"{zlib.crc32(payload):08x} 10.0.0.{client + 1}:40000 10.9.9.9:80\n".encode())
            f.write(payload + gor.SEPARATOR)
    return os.path.getsize(path) / messages


def hop(build, recording, messages, case):
    """CPU seconds of the sender and of the receiver."""
    port, output = free_port(), case.path("receiver")
    with open(output, "wb") as out:
        receiver = subprocess.Popen(
            [f"{build}/cmd/refrain", "--input-tcp", f"127.0.0.1:{port}", "--output-null", "--summary",
             "json"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    case.on_exit(receiver.kill)
    wait_until(lambda: is_listening(port), "the receiver listens")
    sent, _, _ = measure([f"{build}/cmd/refrain", "--input-file", recording, "--output-tcp",
                          f"127.0.0.1:{port}", "--summary", "json"], case.path("sender"))
    receiver.terminate()
    _, status, usage = os.wait4(receiver.pid, 0)
    receiver.returncode = os.waitstatus_to_exitcode(status)
    for name in ("sender", "receiver"):
        check_refrain(case.path(name), messages)
    return sent, usage.ru_utime + usage.ru_stime


def run(args, case):
    """{row: nanoseconds per message of each run}, and the length of a record."""
    recording = case.path("recording.gor")
    length = record(recording, args.messages)
    samples = {name: [] for name in ROWS}
    for _ in range(args.runs):
        plain = subprocess.run([f"{args.build}/tests/bench/plain_copy", recording], check=True,
                               capture_output=True, text=True).stdout.split()
        sent, received = hop(args.build, recording, args.messages, case)
        read, _, _ = measure([f"{args.build}/cmd/refrain", "--input-file", recording,
                              "--output-null", "--summary", "json"], case.path("reader"))
        check_refrain(case.path("reader"), args.messages)
        seconds = (int(plain[0]) / 1e9, int(plain[1]) / 1e9, sent, received, read)
        for name, cpu in zip(ROWS, seconds):
            samples[name].append(cpu * 1e9 / args.messages)
    return samples, length


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json")
    parser.add_argument("--tap", action="store_true")
    args = parser.parse_args()
    if args.tap:
        args.messages, args.runs = 2000, 1
    case = Case(f"{args.build}/cmd/refrain")
    try:
        samples, length = run(args, case)
    finally:
        case.stack.close()
    if args.tap:
        print("1..1\nok 1 - a hop was measured, and every message arrived")
        return
    print(f"{args.messages:,} messages of {length:.0f} bytes, medians of {args.runs} runs, "
          f"interleaved, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<35} {'ns/message':>10} {'(min-max)':>13} {'messages/CPU s':>15}")
    medians = {name: statistics.median(taken) for name, taken in samples.items()}
    for name, taken in samples.items():
        print(f"{name:<35} {medians[name]:>10.0f} {f'({min(taken):.0f}-{max(taken):.0f})':>13} "
              f"{1e9 / medians[name]:>15,.0f}")
    times = statistics.median((s + r) / (w + d) for w, d, s, r, _ in zip(*samples.values()))
    print(f"sender and receiver: {times:.2f} times the plain copy; at most {WANTED:.0f} wanted: "
          f"{'met' if times <= WANTED else 'MISSED'}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"samples_ns": samples, "times_the_plain_copy": times}, f, indent=2)


if __name__ == "__main__":
    main()
