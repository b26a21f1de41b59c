#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Captures made from seeds, with known truth: what refrain must find in them, byte for byte.

A seed of a profile is a few connections with one kind of trouble. Many seeds are interleaved in one
capture, so that one run of refrain judges them; when it fails they are tried one by one. Expected:
every request that is whole on the wire, in order per connection, with its response when these are
tracked; of a damaged one nothing; the next one found again; books that balance. A failure prints the
seed, which makes the same connections again: run.py REFRAIN --profile NAME --first SEED --seeds 1.

usage: run.py REFRAIN [--seeds N] [--first SEED] [--profile NAME]... [--jobs N] [--keep FOLDER]
"""
import argparse
import multiprocessing
import operator
import os
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import damage  # noqa: E402,F401
import endings  # noqa: E402,F401
import lossless  # noqa: E402,F401
from conversation import SERVER_PORT  # noqa: E402
from packets import write_pcap  # noqa: E402
from profiles import PROFILES, WORTH  # noqa: E402
from scene import Scene  # noqa: E402
from truth import Mismatch, Truth, check_books  # noqa: E402

BATCH_BYTES = 24 << 20  # of packets in one capture
PART = 500  # seeds that a worker takes at once


def build(profile, seed):
    """(scene, its packets)"""
    scene = Scene(random.Random(f"{profile}/{seed}"), seed)
    PROFILES[profile](scene)
    return scene, scene.packets()


def run(refrain, path, track):
    """(standard output, summary)"""
    command = [refrain, "--input-raw", f"{path}:{SERVER_PORT}", "--input-raw-engine", "pcap_file",
               "--output-stdout", "--summary", "json"]
    if track:
        command.append("--input-raw-track-response")
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    log = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        raise Mismatch(f"exit status {done.returncode}: {log[-2000:]}")
    return done.stdout, log.strip().splitlines()[-1]


class Batch:
    """Scenes that share a capture."""

    def __init__(self, key):
        self.link_type, self.track, self.snaplen, self.is_clean = key
        self.scenes, self.packets = [], []
        self.size = 0

    def add(self, scene, packets):
        self.scenes.append(scene)
        self.packets += packets
        self.size += sum(len(data) for _, data in packets)

    def check(self, refrain, path):
        """How many messages were found. Raises Mismatch."""
        self.packets.sort(key=operator.itemgetter(0))
        write_pcap(path, self.link_type, self.packets, self.snaplen)
        conns = [conn for scene in self.scenes for conn in scene.conns]
        output, summary = run(refrain, path, self.track)
        truth = Truth(conns)
        truth.compare(output, self.track)
        check_books(summary, conns, self.is_clean, self.track)
        return truth.found


def check_one(refrain, profile, seed, path):
    """"", or what is wrong with that seed alone."""
    scene, packets = build(profile, seed)
    batch = Batch(scene.key())
    batch.add(scene, packets)
    try:
        batch.check(refrain, path)
    except Mismatch as problem:
        return f"seed {seed} ({scene.link}): {problem}"
    return ""


def blame(refrain, profile, batch, problem, path):
    """Which seed of a batch it was."""
    for seed in problem.seeds or [scene.seed for scene in batch.scenes]:
        alone = check_one(refrain, profile, seed, path)
        if alone:
            return alone
    seeds = [scene.seed for scene in batch.scenes]
    return f"only together, {len(seeds)} seeds from {seeds[0]} to {seeds[-1]}: {problem}"


def check_part(task):
    """(profile, captures, messages, problem) of some seeds."""
    refrain, profile, seeds, keep = task
    batches, captures, messages, problem = {}, 0, 0, ""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(keep or folder, f"{profile}.pcap")
        for seed in [*seeds, None]:
            full = list(batches)
            if seed is not None:
                scene, packets = build(profile, seed)
                batch = batches.setdefault(scene.key(), Batch(scene.key()))
                batch.add(scene, packets)
                full = [scene.key()] if batch.size > BATCH_BYTES else []
            for key in full:
                batch = batches.pop(key)
                captures += 1
                try:
                    messages += batch.check(refrain, path)
                except Mismatch as found:
                    problem = problem or blame(refrain, profile, batch, found, path)
            if problem:
                break
    return profile, captures, messages, problem


def tasks(args):
    for name in args.profile or PROFILES:
        count = -(-args.seeds // WORTH.get(name, 1))
        seeds = range(args.first, args.first + count)
        for at in range(0, count, PART):
            yield args.refrain, name, seeds[at : at + PART], args.keep


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("refrain")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--profile", choices=sorted(PROFILES), action="append")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", help="a folder for the last capture of each profile")
    args = parser.parse_args()
    names = args.profile or list(PROFILES)
    left = {name: 0 for name in names}
    for _, name, _, _ in tasks(args):
        left[name] += 1
    sums = {name: [0, 0, []] for name in names}
    started = time.monotonic()
    print(f"1..{len(names)}")
    with multiprocessing.Pool(args.jobs) as pool:
        for name, captures, messages, problem in pool.imap(check_part, tasks(args)):
            total = sums[name]
            total[0] += captures
            total[1] += messages
            total[2] += [problem] if problem else []
            left[name] -= 1
            if left[name] == 0:
                report(names.index(name) + 1, name, args.seeds, total)
    print(f"# {sum(t[1] for t in sums.values())} messages in {time.monotonic() - started:.0f} s")
    return 1 if any(total[2] for total in sums.values()) else 0


def report(point, name, seeds, total):
    captures, messages, problems = total
    print(f"{'not ' if problems else ''}ok {point} - {name}: {seeds} seeds in {captures} captures, "
          f"{messages} messages")
    for problem in problems:
        for line in problem.splitlines():
            print(f"# {line}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
