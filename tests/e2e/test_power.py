#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The power fails while recording: the writes of a run are logged, and every state that the disk can
be in is made from the log: what was written up to any moment, with what came after each file's last
fsync there in part, cut anywhere, or zeros. Each is read by refrain: everything before the last
fsync is there, and nothing that never was.

Some of the states of each run; test_power.py full, or REFRAIN_LONG=1, for ten times as many."""
import collections
import contextlib
import os
import random
import shutil
import sys

import gor
from durable import FORMATS, check_no_gap, numbered, numbers, read_back
from harness import (Skip, check, equal, free_port, long_run, main, read_bytes, test,
                     within)

STATES = 150 if long_run(sys.argv) else 12  # of each run
SHIM = os.environ.get("LOG_WRITES_SHIM", "")

Note = collections.namedtuple("Note", "kind fd offset length path data")


def notes_of(path):
    """Notes as log_writes.c makes them."""
    log, at, notes = read_bytes(path), 0, []
    while at < len(log):
        end = log.index(b"\n", at)
        kind, fd, offset, length, name = log[at:end].decode().split(" ", 4)
        at = end + 1
        data = b""
        if kind == "w":
            data = log[at:at + int(length)]
            at += int(length)
        notes.append(Note(kind, int(fd), int(offset), int(length), name, data))
    return notes


class Disk:
    """Replays notes: what each file holds, and how much of that is sure."""

    def __init__(self):
        self.files = {}  # path: bytes as written
        self.sure = {}  # path: bytes that are on the disk for certain
        self.begun = {}  # (path, fd): what an fsync under way will make sure
        self.names = set()  # files whose name is on the disk: their folder was synced, or they

    def apply(self, note):
        path = note.path
        if note.kind == "o" and not os.path.isdir(path):
            self.files.setdefault(path, b"")
            self.sure.setdefault(path, 0)
        elif note.kind == "w":
            equal(note.offset, len(self.files[path]), f"offset of a write to {path}")
            self.files[path] += note.data
        elif note.kind == "t":
            check(note.length >= self.sure[path], f"{path} is cut below what was synced")
            self.files[path] = self.files[path][:note.length]
        elif note.kind == "b":
            self.begun[(path, note.fd)] = len(self.files.get(path, b""))
        elif note.kind == "s" and path in self.files:
            self.sure[path] = max(self.sure[path], self.begun[(path, note.fd)])
        elif note.kind == "s":
            self.names |= {p for p in self.files if os.path.dirname(p) == path.rstrip("/")}


def after_the_cut(disk, random_):
    """One state of the disk after the power came back: {path: bytes}."""
    state = {}
    for path, data in disk.files.items():
        sure = disk.sure[path]
        kept = random_.choice((sure, len(data), random_.randint(sure, len(data))))
        rest = data[sure:kept]
        how = random_.choice(("as it is", "zeros", "zeros at the end", "a page of zeros"))
        if how == "zeros":
            rest = bytes(len(rest))
        elif how == "zeros at the end":
            cut = random_.randint(0, len(rest))
            rest = rest[:cut] + bytes(len(rest) - cut)
        elif how == "a page of zeros" and len(rest) > 4096:
            at = random_.randint(0, len(rest) - 4096)
            rest = rest[:at] + bytes(4096) + rest[at + 4096:]
        state[path] = data[:sure] + rest
    return state


def put(case, state):
    folder = case.path(f"state{case.next_number()}")
    os.makedirs(folder)
    paths = []
    for path, data in sorted(state.items()):
        paths.append(os.path.join(folder, os.path.basename(path)))
        with open(paths[-1], "wb") as f:
            f.write(data)
    return paths


def sure_numbers(case, disk):
    """Those in what is sure, which must be whole."""
    state = {p: d[:disk.sure[p]] for p, d in disk.files.items() if disk.sure[p] > 0}
    if not state:
        return []
    records, damaged = read_back(case, *put(case, state))
    equal(damaged, 0, "damaged records in what was synced")
    return sorted(numbers(records)[1])


def logged(case):
    """The folder in which writes are logged, and the environment that does it."""
    if not SHIM:
        raise Skip("LOG_WRITES_SHIM names no library")
    folder = case.path("out")
    os.makedirs(folder)
    return folder, {
        "LD_PRELOAD": SHIM, "LOG_WRITES": case.path("log"), "LOG_BELOW": folder,
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


def record(case, suffix, fsync, *args):
    """A run that is logged: its notes."""
    folder, env = logged(case)
    source = numbered(case, "source.gor", 1, 3000)
    result = case.run("--input-file", f"{source}|2000rps", "--output-file", f"{folder}/x.{suffix}",
                      "--output-file-flush-interval", "100ms", "--output-file-fsync", fsync, *args,
                      env=env)
    equal(result.output("output-file")["delivered"], 3000, "delivered")
    return notes_of(case.path("log"))


def check_states(case, notes, seed):
    random_ = random.Random(seed)
    moments = sorted(random_.sample(range(1, len(notes) + 1), min(STATES, len(notes))))
    disk, at, most = Disk(), 0, 0
    for moment in moments:
        for note in notes[at:moment]:
            disk.apply(note)
        at = moment
        wanted = sure_numbers(case, disk)
        check_no_gap(wanted, "requests that are sure")
        most = max(most, len(wanted))
        state = {p: d for p, d in after_the_cut(disk, random_).items() if d}
        if not state:
            continue
        found = numbers(read_back(case, *put(case, state))[0]).get(1, [])
        equal(found[:len(wanted)], wanted, f"after note {moment}: requests that were synced")
        equal(sorted(set(found)), found, f"after note {moment}: requests in order, none twice")
    for note in notes[at:]:
        disk.apply(note)
    return disk, most


for suffix in FORMATS:
    def one_file(case, suffix=suffix):
        notes = record(case, suffix, "interval", "--output-file-append")
        disk, most = check_states(case, notes, suffix)
        check(most > 500, f"only {most} requests were ever sure")
        equal(len(sure_numbers(case, disk)), 3000, "requests that are sure at the end")
        check(sum(n.kind == "s" for n in notes) < 40, "one fsync an interval")
        equal(disk.names, set(disk.files), "files whose name is sure")

    def chunks(case, suffix=suffix):
        notes = record(case, suffix, "interval", "--output-file-queue-limit", "300")
        disk, most = check_states(case, notes, suffix)
        check(most > 500, f"only {most} requests were ever sure")
        equal(len(disk.files), 10, "files")
        equal(len(sure_numbers(case, disk)), 3000, "requests that are sure at the end")
        equal(disk.names, set(disk.files), "files whose name is sure")
    test(f"a power cut while appending to a .{suffix}, fsync once an interval")(one_file)
    test(f"a power cut while writing chunks of .{suffix}, fsync once an interval")(chunks)


@test("--output-file-fsync always: no write begins before the last one is on the disk")
def always(case):
    notes = record(case, "gor", "always", "--output-file-append")
    unsure = 0
    for note in notes:
        if note.kind == "w":
            equal(unsure, 0, "writes without fsync")
            unsure += 1
        elif note.kind == "s" and note.path.endswith(".gor"):
            unsure = 0
    equal(unsure, 0, "writes without fsync at the end")
    disk, _ = check_states(case, notes, "always")
    equal(len(sure_numbers(case, disk)), 3000, "requests that are sure at the end")


def spooled(case, state):
    """What a receiver gets from a spool that was found in this state."""
    receiver, port, out = case.path("spools"), free_port(), case.path("arrived.gor")
    folder = os.path.join(receiver, f"127.0.0.1_{port}-0")
    shutil.rmtree(receiver, True)
    os.makedirs(folder)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(out)
    for path, data in state.items():
        with open(os.path.join(folder, os.path.basename(path)), "wb") as f:
            f.write(data)
    there = case.refrain("--input-tcp", f"127.0.0.1:{port}", "--output-file", out,
                         "--output-file-append", ready=port)
    result = case.run("--input-file", case.write("none.gor", b""), "--output-tcp",
                      f"127.0.0.1:{port}", "--output-tcp-spool", receiver)
    there.stop()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(case.path(".arrived.gor.relay"))
    books = result.output("output-tcp")
    equal(books["delivered"], books["spool_found"], "delivered of what was in the spool")
    return numbers(gor.parse(read_bytes(out))).get(1, []) if os.path.exists(out) else []


@test("a power cut while a relay spools: what is a second old arrives, and nothing twice")
def spool(case):
    folder, env = logged(case)
    source = numbered(case, "source.gor", 1, 9000)
    result = case.run("--input-file", f"{source}|2000rps", "--output-tcp", f"127.0.0.1:{free_port()}",
                      "--output-tcp-spool", folder, "--output-tcp-spool-size", "4mb", env=env)
    equal(result.output("output-tcp")["spooled"], 9000, "spooled")
    notes, random_ = [n for n in notes_of(case.path("log")) if not n.path.endswith("/lock")], \
        random.Random("spool")
    disk, synced = Disk(), []
    moments = sorted(random_.sample(range(1, len(notes) + 1), min(STATES, len(notes))))
    for moment, note in enumerate(notes, 1):
        disk.apply(note)
        if note.kind == "s":
            synced.append(note.path)
        if moment not in moments:
            continue
        wanted = spooled(case, {p: d[:disk.sure[p]] for p, d in disk.files.items()})
        check_no_gap(wanted, "requests that are sure")
        found = spooled(case, after_the_cut(disk, random_))
        equal(found[:len(wanted)], wanted, f"after note {moment}: requests that were synced")
        equal(sorted(set(found)), found, f"after note {moment}: in order, none twice")
    frames = [p for p in disk.files if p.endswith(".frames")]
    check(len(frames) > 3, f"only {len(frames)} files")
    within(sum(p in frames for p in synced), 6, 6 + len(frames), "fsyncs in five seconds")
    equal({p: disk.sure[p] for p in frames}, {p: len(disk.files[p]) for p in frames}, "synced at the end")
    check(set(frames) <= disk.names, "files whose name is sure")


@test("--output-file-fsync never: never")
def never(case):
    notes = record(case, "gor", "never", "--output-file-append")
    equal([n for n in notes if n.kind in "bs"], [], "fsyncs")


if __name__ == "__main__":
    main()
