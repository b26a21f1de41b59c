#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Captures with random damage: none of them may crash refrain, hang it, make it leak, or unbalance its
books. Those of $REFRAIN_CORPUS, where hostile ones are damaged as they are, and small ones of our own.
For a build with sanitizers.

usage: mutate.py REFRAIN [--mutations N] [--first SEED]
"""
import argparse
import concurrent.futures
import glob
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

OWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz", "corpus", "capture")
SIZE_MAX = 100_000  # of a file: more of the same would only take time
TIMEOUT_S = 30


def originals():
    """(name, bytes, to be damaged) of all captures."""
    found = []
    for path in sorted(glob.glob(f"{OWN}/*")):
        with open(path, "rb") as f:
            found.append((f"own/{os.path.basename(path)}", f.read()[1:], True))
    corpus = os.environ.get("REFRAIN_CORPUS")
    for folder, _, names in sorted(os.walk(corpus)) if corpus else ():
        for name in sorted(names):
            if ".pcap" in name or name.endswith(".cap"):
                with open(os.path.join(folder, name), "rb") as f:
                    hostile = "hostile" in os.path.relpath(folder, corpus).split(os.sep)
                    found.append((name, f.read() if hostile else f.read(SIZE_MAX), not hostile))
    return found


def flip(rng, data):
    for _ in range(rng.choice([1, 1, 3, 20])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def cut(rng, data):
    del data[rng.randrange(len(data)):]


def remove(rng, data):
    at = rng.randrange(len(data))
    del data[at:at + rng.choice([1, 4, 16, 60, 1500])]


def repeat(rng, data):
    at = rng.randrange(len(data))
    piece = data[at:at + rng.choice([1, 4, 16, 60, 1500])]
    data[at:at] = piece * rng.choice([1, 2, 10])


def swap(rng, data):
    n = rng.choice([4, 60, 600])
    a, b = (rng.randrange(len(data)) for _ in range(2))
    data[a:a + n], data[b:b + n] = data[b:b + n], data[a:a + n]


def lengthen(rng, data):
    """A number that may be a length, made into one that nobody expects."""
    at = rng.randrange(max(1, len(data) - 4))
    value = rng.choice([0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff])
    kind = rng.choice(["<I", ">I", "<H", ">H", "B"])
    packed = struct.pack(kind, value & (1 << 8 * struct.calcsize(kind)) - 1)
    data[at:at + len(packed)] = packed


def mutated(data, seed):
    rng = random.Random(seed)
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        if len(data) > 8:
            rng.choice([flip, flip, cut, remove, repeat, swap, lengthen])(rng, data)
    # a file whose magic number is gone is read by nobody: most keep it
    return data


def run(refrain, path, options):
    """"", or what went wrong."""
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=8"}
    try:
        done = subprocess.run([refrain, "--input-raw", path, "--input-raw-engine", "pcap_file",
                               "--output-null", "--summary", "json", "--max-memory", "16mb", *options],
                              capture_output=True, timeout=TIMEOUT_S, check=False, env=env)
    except subprocess.TimeoutExpired:
        return f"still running after {TIMEOUT_S} s"
    text = done.stderr.decode("utf-8", "replace")
    if "Sanitizer" in text or "runtime error:" in text:
        return f"a sanitizer spoke: {text[:600]}"
    if done.returncode not in (0, 1, 2):
        return f"exit status {done.returncode}: {text[-300:]}"
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if lines and not json.loads(lines[-1])["balanced"]:
        return "the books do not balance"
    return ""


def check(refrain, name, data, seeds):
    """seeds: of the mutations; none, then as it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mutated.pcap")
        for seed in seeds or (0, 1):
            with open(path, "wb") as f:
                f.write(mutated(data, f"{seed}/{name}") if seeds else data)
            options = ["--input-raw-track-response"] if seed % 2 else ["--input-raw-allow-incomplete"]
            problem = run(refrain, path, options)
            if problem:
                return f"seed {seed}: {problem}"
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("refrain")
    parser.add_argument("--mutations", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    args = parser.parse_args()
    files = originals()
    seeds = range(args.first, args.first + args.mutations)
    failed = 0
    print(f"1..{len(files)}")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(check, args.refrain, name, data, seeds if damage else ())
                   for name, data, damage in files]
        for n, ((name, _, damage), future) in enumerate(zip(files, futures), 1):
            problem = future.result()
            failed += bool(problem)
            print(f"{'not ' if problem else ''}ok {n} - {name}: {f'{len(seeds)} mutations' if damage else 'hostile'}")
            for line in problem.splitlines():
                print(f"# {line}")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
