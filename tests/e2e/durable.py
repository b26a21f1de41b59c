# SPDX-License-Identifier: MIT
"""Numbered requests, and how to see that what stands in a recording is what was recorded: every
byte of them, in order, without a gap."""
import hashlib

import gor
from harness import check, equal

START = 1_700_000_000_000_000_000
FORMATS = ("gor", "gor.gz", "gor.zst")


def payload(run, n, size=300):
    """Not all alike, so that compression has something to do, and a mixture shows."""
    pad = hashlib.sha256(f"{run} {n}".encode()).hexdigest() * (size // 64 + 1)
    return gor.request(f"/{run}/{n}", headers=(f"X-Pad: {pad[:size]}",))


def record(run, n, size=300):
    return gor.make(payload(run, n, size), START, id_=f"{run:08x}{n:016x}")


def numbered(case, name, run, count, size=300):
    """A file with requests 0 to count - 1 of that run."""
    return case.write(name, b"".join(record(run, n, size) for n in range(count)))


def read_back(case, *paths):
    """What refrain finds in these recordings: (records, how many were damaged)."""
    result = case.run(*(a for p in paths for a in ("--input-file", p)), "--output-stdout")
    return gor.parse(result.stdout), result.input("input-file")["records_damaged"]


def numbers(records, size=300):
    """{run: the numbers of its requests in their order}; each of them as it was recorded."""
    found = {}
    for r in records:
        run, n = int(r.id[:8], 16), int(r.id[8:], 16)
        equal(r.payload, payload(run, n, size), f"payload of request {n} of run {run}")
        found.setdefault(run, []).append(n)
    return found


def check_no_gap(found, what):
    """From 0 on, each once; returns how many."""
    equal(found, list(range(len(found))), what)
    return len(found)


def is_prefix(before, after, what):
    check(after[:len(before)] == before, f"{what}: what was there has changed")
