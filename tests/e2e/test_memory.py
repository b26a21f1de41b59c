#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One allocation of the process fails, be it refrain's or a library's: at every Nth one in five
scenarios, and once all from the Nth on. It ends by itself, without a crash or a leak (the sanitizers
watch), says what is wrong when it fails, writes whole records only, and its books balance.

Those at the start and a part of the rest, so that the whole takes about a minute; test_memory.py full,
or REFRAIN_LONG=1, for every N."""
import concurrent.futures
import os
import random
import shutil
import socket
import subprocess
import sys
import time

import gor
from harness import (check, check_ledger, equal, free_port, is_listening, last_summary, long_run,
                     main, read_bytes, read_text, test)
from servers import Target

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "generated"))
import links  # noqa: E402
import packets  # noqa: E402
from conversation import SERVER_PORT  # noqa: E402
from run import build  # noqa: E402

FULL = long_run(sys.argv)
SHIM = os.environ.get("FAIL_MALLOC", "")
# libseccomp 2.5 makes a filter that refuses anything when it does not get all its memory.
SPARED = "libseccomp.so"
STATUSES = (0, 1, 4, 6)  # those of refrain(1) that can follow
AT_ONCE = 2
TIMEOUT = 30
AT_START, AT_RANDOM = 60, 60  # how many N, without "full"


class Scenario:
    """command: of a folder for what it writes; drive: what is to be done while it runs; forgiven: a
    library that itself loses a few bytes when its own start fails; spared: one that crashes, as well
    as those that no scenario can do without."""

    def __init__(self, case, command, drive=None, forgiven=None, spared=""):
        self.case, self.command, self.drive, self.spared = case, command, drive, spared
        self.forgiven = case.write("forgiven", f"leak:{forgiven}\n" if forgiven else "")
        self.ended = {}

    def run(self, n, fail):
        """Runs it in a folder of its own; (folder, status, standard output, standard error)."""
        folder = self.case.path(f"{n}")
        os.makedirs(folder)
        env = {**os.environ, **fail, "LD_PRELOAD": SHIM, "FAIL_COUNT": f"{folder}/count",
               "FAIL_NOT_IN": ":".join(filter(None, (SPARED, self.spared))),
               "LSAN_OPTIONS": f"suppressions={self.forgiven}:print_suppressions=0",
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        args = [self.case.binary, "--summary", "json", "--log-format", "text",
                *map(str, self.command(folder))]
        with open(f"{folder}/out", "wb") as out, open(f"{folder}/err", "wb") as err:
            process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       env=env, cwd=folder)
        try:
            if self.drive:
                self.drive(process, args)
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            check(False, f"{fail}: it still runs after {TIMEOUT} s: {read_text(f'{folder}/err')}")
        return folder, process.returncode, read_text(f"{folder}/err")

    def judge(self, n, fail):
        folder, status, said = self.run(n, fail)
        where = f"{fail}, status {status}: {said[-3000:]}"
        check("Sanitizer" not in said and "runtime error" not in said, where)
        check(status in STATUSES, where)
        lines = [line for line in said.splitlines() if not line.startswith("{")]
        # without memory for its own summary it cannot say more than its status
        check(status == 0 or any(line.startswith("refrain: ") for line in lines) or
              "FAIL_FROM" in fail, f"no word about what is wrong: {where}")
        try:
            summary = last_summary(said)
        except ValueError as problem:
            check(False, f"the summary is no JSON: {problem}: {where}")
        if summary and summary.get("outputs"):
            check_ledger(summary)
        for name in os.listdir(folder):
            if name.startswith("rec"):
                check_records(f"{folder}/{name}", where)
        check_records(f"{folder}/out", where)
        self.ended[status] = self.ended.get(status, 0) + 1
        shutil.rmtree(folder)

    def every(self, name):
        folder, status, said = self.run("count", {})
        equal(status, 0, f"exit status with memory enough ({said[-2000:]})")
        delivered = [out["delivered"] for out in last_summary(said)["outputs"]]
        check(min(delivered) > 0, f"with memory enough, some outputs got nothing: {delivered}")
        total = int(read_text(f"{folder}/count"))
        some = list(range(1, total + 1))
        if not FULL:
            rest = random.Random(name).sample(some[AT_START:], min(AT_RANDOM, total - AT_START))
            some = some[:AT_START] + sorted(rest)
        fails = [{"FAIL_AT": str(n)} for n in some]
        fails += [{"FAIL_FROM": str(n)} for n in (some if FULL else some[::4])]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.judge, range(len(fails)), fails))
        print(f"# {len(fails)} runs of {total} allocations, by exit status: {self.ended}")


def check_records(path, where):
    data = read_bytes(path) if not path.endswith(".gz") else gunzip(path)
    try:
        gor.parse(data)
    except (ValueError, AssertionError) as problem:
        check(False, f"{os.path.basename(path)} holds no whole records: {problem}: {where}")


def gunzip(path):
    done = subprocess.run(["gzip", "-dc", path], capture_output=True, check=False)
    return done.stdout


def capture(case, name, profile, seed):
    scene, made = build(profile, seed)
    path = case.path(name)
    packets.write_pcap(path, links.ALL[scene.link][0], made)
    return path


def recording(case, n=40):
    """In several connections."""
    parts = [gor.make(gor.request(f"/{k}?user={k % 7}", method="POST", body=b"x" * (k * 50),
                                  headers=(f"Cookie: sid={k % 5}", "Authorization: Basic YTpi")),
                      1_700_000_000_000_000_000 + k * 1_000_000, id_=f"{k % 6:08x}{k:016x}")
             for k in range(n)]
    return case.write("in.gor", b"".join(parts))


@test("a capture with filters to a file: any allocation may fail")
def filters(case):
    path = capture(case, "in.pcap", "pipelining", 1)
    Scenario(case, lambda folder: (
        "--input-raw", f"{path}:{SERVER_PORT}", "--output-file", f"{folder}/rec.gor", "--http-allow-url", "/",
        "--http-rewrite-url", "/(.*):/v2/$1", "--http-set-header", "X-A: 1", "--redact-default",
        "--redact", "json:user", "--http-disallow-header", "X-No: .")).every("filters")


@test("a recording to a gzip file and standard output: any allocation may fail")
def fan(case):
    path = recording(case)
    Scenario(case, lambda folder: (
        "--input-file", f"{path}|10000%", "--output-file", f"{folder}/rec.gor.gz", "--to-name", "a",
        "--output-stdout", "--to-name", "b", "--split-output", "hash:cookie:sid", "--output-file",
        f"{folder}/rec2.gor|50%,by=param:user", "--to-name", "c")).every("fan")


@test("a replay over HTTP: any allocation may fail")
def http(case):
    path = recording(case)
    target = Target(case)
    Scenario(case, lambda folder: (
        "--input-file", f"{path}|10000%", "--output-http", f"http://127.0.0.1:{target.port}",
        "--output-http-max-connections", "2", "--drain-timeout", "5s"),
        # libcurl 7.88 divides by zero when a table of its own cannot be had
        forgiven="libcrypto.so", spared="libcurl.so").every("http")


@test("a relay's receiver: any allocation may fail")
def relay(case):
    data = read_bytes(recording(case))

    def drive(process, args):
        port = int(args[args.index("--input-tcp") + 1].rpartition(":")[2])
        while process.poll() is None and not is_listening(port):
            time.sleep(0.01)
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as sender:
                for at in range(0, len(data), 7001):
                    sender.sendall(data[at:at + 7001])
        except OSError:
            pass  # it may be gone
        time.sleep(0.05)
        if process.poll() is None:
            process.terminate()

    Scenario(case, lambda folder: (
        "--input-tcp", f"127.0.0.1:{free_port()}", "--output-file", f"{folder}/rec.gor"),
        drive).every("relay")


@test("tunnels, fragments and responses to standard output: any allocation may fail")
def tunnels(case):
    path = capture(case, "in.pcap", "fragments", 3)
    Scenario(case, lambda folder: (
        "--input-raw", f"{path}:{SERVER_PORT}", "--input-raw-track-response", "--output-stdout",
        "--http-if", "!method:TRACE", "--input-raw-realip-header", "X-Real-IP")).every("tunnels")


if __name__ == "__main__":
    main()
