# SPDX-License-Identifier: MIT
"""What the benchmarks share: running a command for its CPU time, subject against reference in turn,
and lines of a table.

A line is a dict; ratios are taken round by round, since what ran in one round had the same mood of
the machine, and of these the median is shown with its spread. CPU is user and system time.
"""
import json
import os
import statistics
import subprocess
import sys
import time


def fail(text):
    sys.exit(f"bench: {text}")


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def measure(command, output, launch=None):
    """CPU seconds, wall seconds and peak RSS in MiB of a command that must succeed. Without launch
    (launch.c) the peak is at least this program's own."""
    if launch:
        words = subprocess.run([launch, output, *map(str, command)], check=True, text=True,
                               capture_output=True).stdout.split()
        cpu, wall, peak, status = float(words[0]), float(words[1]), int(words[2]), int(words[3])
    else:
        with open(output, "wb") as out:
            started = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            _, raw, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - started
        status = process.returncode = os.waitstatus_to_exitcode(raw)
        cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
    if status != 0:
        fail(f"{' '.join(map(str, command))}: status {status}: {read_text(output)[-2000:]}")
    return cpu, wall, peak / 1024


def summary_of(text):
    """The JSON of refrain's last word."""
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def check_refrain(output, requests):
    summary = summary_of(read_text(output))
    found = summary["outputs"][0]["delivered"]
    if found != requests or not summary["balanced"]:
        fail(f"refrain delivered {found} of {requests} requests")


def cpu_of(pid):
    """CPU seconds of a running process so far, to the nanosecond."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        total += int(read_text(f"/proc/{pid}/task/{thread}/schedstat").split()[0])
    return total / 1e9


def ratio_line(name, what, pairs, unit, target=None, at_least=False):
    """pairs: of (subject, reference), one for each round; at most target is wanted, or at least."""
    ratios = [subject / reference for subject, reference in pairs]
    found = {"name": name, "what": what, "unit": unit, "runs": len(pairs),
             "subject": statistics.median(p[0] for p in pairs),
             "reference": statistics.median(p[1] for p in pairs),
             "ratio": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
    return judged(found, found["ratio"], target, at_least)


def figure_line(name, what, values, unit, target=None, at_least=False):
    """A figure that stands by itself."""
    found = {"name": name, "what": what, "unit": unit, "runs": len(values),
             "subject": statistics.median(values), "min": min(values), "max": max(values)}
    return judged(found, found["subject"], target, at_least)


def judged(line, value, target, at_least):
    if target is not None:
        line.update(target=target, at_least=at_least,
                    met=value >= target if at_least else value <= target)
    return line


def number(value):
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2g}"


def wanted(line):
    if "target" not in line:
        return ""
    sign = ">=" if line["at_least"] else "<="
    return f"{sign} {line['target']:g}{'x' if 'ratio' in line else ''} " \
           f"{'met' if line['met'] else 'MISSED'}"


def spread(line):
    if "ratio" not in line:
        return f"({number(line['min'])}-{number(line['max'])})"
    places = 3 if 0.9 < line["ratio"] < 1.1 else 2
    return f"{line['ratio']:.{places}f}x ({line['min']:.2f}-{line['max']:.2f})"


def markdown(line):
    """A row of README.md's table of figures."""
    reference = f"{number(line['reference'])} {line['unit']}" if "reference" in line else ""
    return (f"| {line['what']} | {number(line['subject'])} {line['unit']} | {reference} | "
            f"{spread(line)} | {wanted(line)} | `{line['row']}` |")


def print_head():
    print(f"{'':<16} {'what':<60} {'subject':>9} {'reference':>9} {'':<14} "
          f"{'ratio or spread':<22} wanted")


def print_line(line):
    reference = number(line["reference"]) if "reference" in line else ""
    print(f"{line['name']:<16} {line['what']:<60} {number(line['subject']):>9} {reference:>9} "
          f"{line['unit']:<14} {spread(line):<22} {wanted(line)}", flush=True)
