#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The disk fills up, and has room again: whole records only, what is lost is counted, the other
outputs do not notice. Old files are deleted as asked for, and nothing else. Commands run on complete
files."""
import glob
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import gor
from durable import FORMATS, check_no_gap, numbered, numbers, read_back
from harness import (Skip, check, equal, main, need_root, read_bytes, read_text, sh, test,
                     wait_until, within)

RATE = 5000


def mounted(case, kind):
    """A folder on a file system of 16 MiB."""
    need_root()
    folder = case.path(kind)
    os.makedirs(folder)
    if kind == "tmpfs":
        command = ("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder)
    else:
        image = case.path("image")
        with open(image, "wb") as f:
            f.truncate(16 << 20)
        sh("mkfs.ext4", "-q", image)
        command = ("mount", "-o", "loop", image, folder)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skip(f"{' '.join(command)}: {done.stderr.strip()}")
    case.on_exit(subprocess.run, ["umount", "-l", folder])
    return folder


class Times:
    """When each line came on a refrain's standard error."""

    def __init__(self, refrain, word):
        self.refrain, self.word, self.times, self.end = refrain, word, [], False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.end:
            n = read_text(self.refrain.err_path).count(self.word)
            self.times += [time.monotonic()] * (n - len(self.times))
            time.sleep(0.02)

    def stop(self):
        self.end = True
        self.thread.join()
        return self.times


def fill_and_free(case, kind, suffix, *args):
    folder = mounted(case, kind)
    ballast = os.path.join(folder, "ballast")
    room = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with open(ballast, "wb") as f:
        f.write(bytes(room - ((2 << 20) if suffix == "gor" else (512 << 10))))
    source = numbered(case, "source.gor", 1, 40000)
    refrain = case.refrain("--input-file", f"{source}|{RATE}rps", "--output-file",
                           f"{folder}/x.{suffix}", "--output-null", "--output-file",
                           case.path("other.gor"), *args, ready=False)
    full = Times(refrain, "No space left on device")
    refrain.wait_for(lambda: "No space left" in refrain.stderr(), "the disk is full")
    time.sleep(2.2)
    os.unlink(ballast)
    before = sum(os.path.getsize(p) for p in glob.glob(f"{folder}/x*"))
    freed = time.monotonic()
    wait_until(lambda: sum(os.path.getsize(p) for p in glob.glob(f"{folder}/x*")) > before,
               "it goes on", 10)
    within(time.monotonic() - freed, 0, 1.0, "seconds until it goes on")
    result = refrain.wait(status=1)
    lines = full.stop()
    within(len(lines), 2, 5, "lines that say so, in 2 s and a bit")
    out, other = result.output("output-file"), result.output("output-file", 1)
    check(out["failed"] > 1000, f"{out['failed']} failed")
    equal(out["delivered"] + out["failed"], 40000, "delivered and failed")
    equal(out["dropped_queue"], 0, "dropped at the queue")
    equal([other["delivered"], result.output("output-null")["delivered"]], [40000, 40000],
          "delivered to the others")
    records, damaged = read_back(case, *sorted(glob.glob(f"{folder}/x*"), key=index_of))
    equal(damaged, 0, "damaged records")
    found = numbers(records)[1]
    equal(len(found), out["delivered"], "records in the files")
    equal(found, sorted(set(found)), "in order, none twice")
    others = sorted(glob.glob(case.path("other*.gor")), key=index_of)
    check_no_gap(numbers(read_back(case, *others)[0])[1], "the other's")


def index_of(path):
    return int((re.findall(r"_(\d+)\.", path) or [0])[-1])


for fs in ("tmpfs", "ext4"):
    for suffix in FORMATS if fs == "tmpfs" else FORMATS[:2]:
        def appending(case, fs=fs, suffix=suffix):
            fill_and_free(case, fs, suffix, "--output-file-append")
        test(f"a full {fs}: whole records of .{suffix} only, and on within a second")(appending)


@test("a full disk leaves no trail of empty chunks")
def chunks(case):
    fill_and_free(case, "tmpfs", "gor", "--output-file-queue-limit", "500")
    files = glob.glob(case.path("tmpfs/x_*.gor"))
    check(sum(os.path.getsize(p) == 0 for p in files) <= 2, f"{len(files)} files")


@test("a full disk is forgiven when --max-loss says so, and not beyond")
def max_loss(case):
    folder = mounted(case, "tmpfs")
    source = numbered(case, "source.gor", 1, 60000)
    for loss, status in (("99%", 0), ("1%", 4)):
        for path in glob.glob(f"{folder}/*"):
            os.unlink(path)
        case.run("--input-file", source, "--output-file", f"{folder}/x.gor", "--output-file-append",
                 "--max-loss", loss, status=status)


def sizes(folder, pattern):
    """Bytes in these files now; they may go away meanwhile."""
    total = 0
    for path in glob.glob(os.path.join(folder, pattern)):
        try:
            total += os.path.getsize(path)
        except FileNotFoundError:
            pass
    return total


@test("--output-file-keep N: the newest files of this template stay, all others too")
def keep_count(case):
    for name in ("x_old.gor", "x_7.gor.bak", "xx_1.gor", "x.gor"):
        case.write(name, "keep")
    source = numbered(case, "source", 1, 2000)
    for _ in range(2):  # the second run deletes files of the first
        result = case.run("--input-file", source, "--output-file", case.path("x.gor"),
                          "--output-file-queue-limit", "100", "--output-file-keep", "5")
        equal(result.output("output-file")["files_deleted"], 15 if _ == 0 else 20, "deleted")
    equal(sorted(glob.glob(case.path("x_[0-9]*.gor"))),
          [case.path(f"x_{n}.gor") for n in range(35, 40)], "files")
    for name in ("x_old.gor", "x_7.gor.bak", "xx_1.gor", "x.gor"):
        equal(read_bytes(case.path(name)), b"keep", name)
    records, _ = read_back(case, *(case.path(f"x_{n}.gor") for n in range(35, 40)))
    equal(numbers(records)[1], list(range(1500, 2000)), "requests")


@test("--output-file-keep SIZE: never more than that on the disk, whatever the compression")
def keep_size(case):
    for suffix in FORMATS:
        source = numbered(case, "source", 1, 20000)
        args = ("--input-file", f"{source}|10000rps", "--output-file", case.path(f"x.{suffix}"),
                "--output-file-queue-limit", "0", "--output-file-size-limit", "100kb",
                "--output-file-flush-interval", "100ms")
        refrain = case.refrain(*args, "--output-file-keep", "500kb", ready=False)
        most = 0
        while refrain.process.poll() is None:
            most = max(most, sizes(case.dir, f"x_*.{suffix}"))
            time.sleep(0.002)
        result = refrain.wait()
        within(most, 300 << 10, 500 << 10, f"bytes on the disk at most, .{suffix}")
        equal(result.output("output-file")["failed"], 0, "failed")
        files = sorted(glob.glob(case.path(f"x_*.{suffix}")), key=index_of)
        check(all(os.path.getsize(f) <= 100 << 10 for f in files), "a file beyond its limit")
        found = numbers(read_back(case, *files)[0])[1]
        equal(found, list(range(found[0], 20000)), "the newest requests")


@test("--output-file-max-size-limit with --output-file-keep goes on, without it ends")
def keep_max(case):
    source = numbered(case, "source", 1, 5000)
    for args, failed in ((("--output-file-keep", "1000"), False), ((), True)):
        name = f"m{len(args)}"
        result = case.run("--input-file", source, "--output-file", case.path(f"{name}.gor"),
                          "--output-file-queue-limit", "0", "--output-file-size-limit", "50kb",
                          "--output-file-max-size-limit", "400kb", *args)
        within(sizes(case.dir, f"{name}_*"), 300 << 10, 400 << 10, "bytes")
        equal(result.output("output-file")["failed"] > 0, failed, "are there any that failed")


@test("--output-file-keep AGE: what is older goes, also when nothing new is opened")
def keep_age(case):
    for n in range(3):
        os.utime(case.write(f"a_{n}.gor", "old"), (1, time.time() - 3600 * n - 10))
    refrain = case.refrain("--input-file", f"{numbered(case, 'source', 1, 4000)}|1000rps",
                           "--output-file", case.path("a.gor"), "--output-file-queue-limit", "0",
                           "--output-file-keep", "12s", ready=False)
    wait_until(lambda: not os.path.exists(case.path("a_1.gor")), "the older ones go")
    check(os.path.exists(case.path("a_0.gor")), "one of ten seconds stays")
    wait_until(lambda: not os.path.exists(case.path("a_0.gor")), "and goes later")
    refrain.wait()
    equal([os.path.basename(p) for p in glob.glob(case.path("a_*"))], ["a_3.gor"], "files")


@test("two programs on one template never touch each other's files")
def two_writers(case):
    refrains = [case.refrain("--input-file", f"{numbered(case, f'source{run}', run, 3000)}|3000rps",
                             "--output-file", case.path("x.gor"), "--output-file-queue-limit", "50",
                             ready=False) for run in (1, 2)]
    for refrain in refrains:
        refrain.wait()
    files = sorted(glob.glob(case.path("x_*.gor")), key=index_of)
    total = {1: [], 2: []}
    for path in files:
        found = numbers(gor.read(path))
        check(len(found) <= 1, f"{path} has requests of both")
        for run, mine in found.items():
            total[run] += mine
    equal([check_no_gap(total[1], "the first's"), check_no_gap(total[2], "the second's")],
          [3000, 3000], "requests")


@test("--output-file-on-close runs a command on each complete file, once, in order")
def on_close(case):
    log = case.path("log")
    result = case.run("--input-file", numbered(case, "source", 1, 1000), "--output-file",
                      case.path("x.gor"), "--output-file-queue-limit", "100",
                      "--output-file-on-close", f"echo {{}} >>{log} && gzip -9 {{}}")
    names = [case.path(f"x_{n}.gor") for n in range(10)]
    equal(read_text(log).split(), names, "files that the command saw")
    check_no_gap(numbers(read_back(case, *(f"{n}.gz" for n in names))[0])[1], "requests")
    equal(result.output("output-file")["commands_failed"], 0, "failed")


@test("a slow command on closed files holds up nothing; one that fails is told and counted")
def slow_command(case):
    source = numbered(case, "source", 1, 5000)
    refrain = case.refrain("--input-file", f"{source}|5000rps", "--output-file", case.path("x.gor"),
                           "--output-file-queue-limit", "1000", "--output-file-on-close",
                           "sleep 0.7; false #{}", ready=False)
    wait_until(lambda: os.path.exists(case.path("x_4.gor")), "the fifth file is there", 2.5)
    result = refrain.wait(status=0)
    out = result.output("output-file")
    equal([out["delivered"], out["commands_failed"]], [5000, 5], "delivered, failed commands")
    check("ended with exit status 1" in result.stderr, f"not told: {result.stderr[:500]}")


@test("a command that never ends does not keep the program from ending")
def endless_command(case):
    refrain = case.refrain("--input-dummy", "x", "--output-file", case.path("x.gor"),
                           "--output-file-on-close", "exec sleep 1000 #{}", "--drain-timeout", "1s",
                           ready=False)
    wait_until(lambda: os.path.exists(case.path("x_0.gor")), "the file is there")
    time.sleep(0.3)
    start = time.monotonic()
    refrain.send(signal.SIGTERM)
    result = refrain.wait(status=None)
    within(time.monotonic() - start, 0.9, 8, "seconds to the end")
    check("still runs" in result.stderr, f"not told: {result.stderr[-500:]}")
    for pid in glob.glob("/proc/[0-9]*"):
        if read_text(f"{pid}/cmdline") == "sleep\0001000\0" and os.readlink(f"{pid}/cwd") == case.dir:
            os.kill(int(os.path.basename(pid)), signal.SIGKILL)


@test("zstd reads what refrain writes, and refrain reads what zstd writes")
def zstd(case):
    if not shutil.which("zstd"):
        raise Skip("zstd is not installed")
    source = numbered(case, "source.gor", 1, 20000)
    case.run("--input-file", source, "--output-file", case.path("x.gor.zst"),
             "--output-file-append")
    sh("zstd", "-q", "-d", case.path("x.gor.zst"))
    equal(check_no_gap(numbers(gor.read(case.path("x.gor")))[1], "requests"), 20000, "requests")
    for level in ("-1", "-19", "--fast=3"):
        sh("zstd", "-q", "-f", level, "--no-check", source, "-o", case.path("y.zst"))
        records, damaged = read_back(case, case.path("y.zst"))
        equal([len(records), damaged], [20000, 0], f"requests of zstd {level}, damaged")


if __name__ == "__main__":
    main()
