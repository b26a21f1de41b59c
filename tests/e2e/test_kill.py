#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 at random moments of a recording at 5,000 requests a second, and on with the next run: no
half request is ever read, nothing that was there changes, and at most one flush interval is lost.

A few kills of each kind; test_kill.py full, or REFRAIN_LONG=1, for 200 in all."""
import glob
import os
import random
import re
import signal
import sys
import time

import gor
from durable import FORMATS, check_no_gap, is_prefix, numbered, numbers, read_back
from harness import check, check_ledger, equal, long_run, main, read_bytes, test, wait_until, within

KILLS = 34 if long_run(sys.argv) else 4  # of each of 6 kinds
RATE = 5000
FLUSH = 0.2
SLACK = 0.15  # a flush takes time, and 2 cores are shared
LONGEST = 1.5


def last_on_stdout(data):
    """The number of the last whole request there, which is written at once."""
    ids = re.findall(rb"(?:^|\n)1 ([0-9a-f]{24}) ", data[:data.rfind(gor.SEPARATOR) + 1])
    return int(ids[-1][8:], 16) if ids else -1


def kill_once(case, run, random_, template, args):
    """One run and its end. How many requests were seen, at least."""
    source = numbered(case, "source.gor", run, int(RATE * LONGEST) + RATE)
    refrain = case.refrain("--input-file", f"{source}|{RATE}rps", "--output-file", case.path(template),
                           "--output-file-flush-interval", f"{int(FLUSH * 1000)}ms",
                           "--output-stdout", *args, ready=False)
    wait_until(lambda: os.path.getsize(refrain.out_path) > 0, "requests come", 20)
    time.sleep(random_.uniform(0, LONGEST))
    refrain.send(signal.SIGKILL)
    refrain.process.wait()
    return last_on_stdout(refrain.stdout()) + 1


def files_of(case):
    return sorted(glob.glob(case.path("r*.gor*")), key=lambda p: [int(d) for d in re.findall(r"\d+", p)])


def kill_many(case, template, args, seed):
    random_ = random.Random(seed)
    torn = 0
    for run in range(KILLS):
        before = {p: read_bytes(p) for p in files_of(case)}
        seen = kill_once(case, run, random_, template, args)
        for path, data in before.items():
            is_prefix(data, read_bytes(path), path)
        records, damaged = read_back(case, *files_of(case))
        found = numbers(records)
        kept = check_no_gap(found.get(run, []), f"requests of run {run}")
        lost = seen - kept
        within(lost, -RATE * LONGEST * 2, RATE * (FLUSH + SLACK),
               f"requests of run {run} that were lost, of {seen}")
        for earlier in range(run):
            check_no_gap(found.get(earlier, []), f"requests of run {earlier} after run {run}")
        torn += damaged > 0
    return torn


for suffix in FORMATS:
    def appended(case, name=f"r.{suffix}"):
        kill_many(case, name, ("--output-file-append",), name)

    def chunked(case, name=f"r.{suffix}"):
        kill_many(case, name, ("--output-file-queue-limit", "2000"), name)
    test(f"kill -9 while appending to one .{suffix}")(appended)
    test(f"kill -9 while writing chunks of .{suffix}")(chunked)


@test("what a torn tail hides, the next run and the reader pass over")
def torn_tails(case):
    """A kill seldom tears: so the file is torn by hand, at any byte of its last requests."""
    random_ = random.Random(5)
    for suffix in FORMATS:
        path = case.path(f"t.{suffix}")
        case.run("--input-file", numbered(case, "one.gor", 1, 300), "--output-file", path,
                 "--output-file-append")
        whole = read_bytes(path)
        for _ in range(10 if KILLS > 10 else 3):
            torn = whole[:random_.randrange(len(whole) // 2, len(whole))]
            case.write(f"t.{suffix}", torn)
            case.run("--input-file", numbered(case, "two.gor", 2, 50), "--output-file", path,
                     "--output-file-append")
            is_prefix(torn, read_bytes(path), path)
            found = numbers(read_back(case, path)[0])
            equal(check_no_gap(found[2], "requests behind the torn one"), 50, "of the second run")
            check_no_gap(found.get(1, []), "requests before the torn one")


@test("SIGHUP: 100 rotations under load, nothing lost, nothing twice")
def rotations(case):
    out = case.path("r.gor")
    count = 60000
    source = numbered(case, "source.gor", 1, count)
    refrain = case.refrain("--input-file", f"{source}|5000rps", "--output-file", out,
                           "--output-file-append", ready=False)
    wait_until(lambda: os.path.exists(out), "the file is there")
    for n in range(100):
        time.sleep(0.03)
        os.rename(out, f"{out}.{n}")
        refrain.send(signal.SIGHUP)
        wait_until(lambda: os.path.exists(out), "the file is there again", 20)
    check(refrain.process.poll() is None, "it ended before the rotations did")
    result = refrain.stop(signal.SIGTERM)
    check_ledger(result.summary)
    rotated = [f"{out}.{n}" for n in range(100)] + [out]
    check(sum(os.path.getsize(p) > 0 for p in rotated) > 50, "most files have something in them")
    found = numbers([r for p in rotated for r in gor.parse(read_bytes(p))])
    equal(check_no_gap(found[1], "requests over all files"),
          result.output("output-file")["delivered"], "delivered")
    check(result.output("output-file")["failed"] == 0, "some failed")


if __name__ == "__main__":
    main()
