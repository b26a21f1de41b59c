#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up what ran: each argument is NAME=FILE, where FILE is Meson's testlog.json or plain TAP.

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


def count_file(path):
    tally = Tally()
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
    except OSError as e:
        tally.fail(str(e))
        return tally
    if path.endswith(".json"):
        for line in text.splitlines():
            count_program(json.loads(line), tally)
        if not text.strip():
            tally.fail(f"{path}: no test ran")
    elif count_tap(text, path, tally) is None:
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
