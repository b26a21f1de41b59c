#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up what ran: each argument is NAME=FILE, where FILE is Meson's testlog.json or plain TAP.
NAME=FILE,AGAIN: a program that is in AGAIN ran once more; that counts, and the first time is told.

Every TAP point counts as one test; a program that prints no TAP counts as one. A program that ended
badly, or printed fewer points than it planned, counts one failure more. Prints a table, what
failed, and as the last line "N passed, N failed, N skipped". Exit status 1 when anything failed or
nothing ran.
"""
import json
import re
import sys

POINT = re.compile(r"^(not )?ok\b[ \t]*(\d*)[ \t]*(?:- )?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)(.*)$")


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def fail(self, text):
        self.failed += 1
        self.failures.append(text)


def count_tap(text, name, tally):
    """Counts the points of a TAP text into tally; returns how many there were, or None: no TAP."""
    points, failed, planned, skipped_all = 0, 0, None, False
    for line in text.splitlines():
        plan = PLAN.match(line)
        if plan:
            planned = int(plan.group(1))
            skipped_all = planned == 0
            continue
        match = POINT.match(line)
        if not match:
            continue
        points += 1
        if match.group(1):
            failed += 1
            tally.fail(f"{name}: {match.group(3)}")
        elif re.search(r"#\s*SKIP", match.group(3), re.I):
            tally.skipped += 1
        else:
            tally.passed += 1
    if planned is None and points == 0:
        return None
    if skipped_all and points == 0:
        tally.skipped += 1
    elif planned is None or points < planned:
        failed += 1
        tally.fail(f"{name}: {points} of {planned} points were printed")
    return failed


def count_program(entry, tally):
    name, result = entry["name"], entry["result"]
    failed = count_tap(entry.get("stdout") or "", name, tally)
    if failed is None:
        if result in ("OK", "EXPECTEDFAIL"):
            tally.passed += 1
        elif result == "SKIP":
            tally.skipped += 1
        else:
            tally.fail(f"{name}: {result}, exit status {entry.get('returncode')}")
    elif failed == 0 and result not in ("OK", "SKIP"):
        tally.fail(f"{name}: {result}, exit status {entry.get('returncode')}")


def programs(path):
    """name: entry, of a testlog.json."""
    with open(path, encoding="utf-8", errors="replace") as f:
        return {e["name"]: e for e in map(json.loads, f)}


def has_failed(entry):
    tally = Tally()
    count_program(entry, tally)
    return tally.failed > 0


def count_programs(path, again, tally):
    entries = programs(path)
    for name, entry in (programs(again) if again else {}).items():
        first = Tally()
        count_program(entries[name], first)
        for text in first.failures:
            print(f"ran once more: {text}")
        entries[name] = entry
    for entry in entries.values():
        count_program(entry, tally)
    if not entries:
        tally.fail(f"{path}: no test ran")


def count_file(path):
    tally = Tally()
    path, _, again = path.partition(",")
    try:
        if path.endswith(".json"):
            count_programs(path, again, tally)
            return tally
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
    except OSError as e:
        tally.fail(str(e))
        return tally
    if count_tap(text, path, tally) is None:
        tally.fail(f"{path}: no test ran")
    return tally


def main(args):
    passed = failed = skipped = 0
    failures = []
    print(f"{'suite':<28} {'passed':>7} {'failed':>7} {'skipped':>8}")
    for arg in args:
        name, path = arg.split("=", 1)
        tally = count_file(path)
        print(f"{name:<28} {tally.passed:>7} {tally.failed:>7} {tally.skipped:>8}")
        passed += tally.passed
        failed += tally.failed
        skipped += tally.skipped
        failures += [f"{name}: {text}" for text in tally.failures]
    for text in failures:
        print(f"failed: {text}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or passed == 0 else 0


def print_failed(path):
    """What failed, as meson test takes it."""
    for name, entry in programs(path).items():
        if has_failed(entry):
            print(name.rpartition(" / ")[2])


if __name__ == "__main__":
    if sys.argv[1] == "--failed":
        print_failed(sys.argv[2])
    else:
        sys.exit(main(sys.argv[1:]))
