# SPDX-License-Identifier: MIT
"""Where the time goes: instructions for each request, and a profile that is kept in the build."""
import re
import shutil
import signal
import subprocess
import time

import rows_file
import rows_live
from measuring import fail, figure_line, read_text

PROFILE, LIVE_PROFILE = "profile-file-null.txt", "profile-live.txt"
PERF = ["perf", "record", "-q", "-F", "4999", "-o"]


def count_instructions(bench, requests):
    """Of a whole run, by callgrind: the same to a few hundred every time."""
    capture = bench.capture("keepalive", requests)
    out = f"--callgrind-out-file={bench.path('callgrind')}"
    bench.measure(["valgrind", "--tool=callgrind", out,
                   *rows_file.refrain(bench, capture, "--output-null", "--no-sandbox")])
    found = re.search(r"Collected : (\d+)", read_text(bench.output))
    if not found:
        fail(f"callgrind says no figure: {read_text(bench.output)[-500:]}")
    return int(found.group(1))


def instructions(bench):
    """The honest yardstick while working: no noise. What starting costs is taken off."""
    if not shutil.which("valgrind"):
        bench.say("instructions: valgrind is not installed")
        return []
    some = bench.count(20_000)
    each = (count_instructions(bench, 3 * some) - count_instructions(bench, some)) / (2 * some)
    return [figure_line("instructions", "file-null, by callgrind, all threads", [each],
                        "a request")]


def by_perf(bench, capture, path):
    data = bench.path("perf.data")
    record = [*PERF, data, "--", *rows_file.refrain(bench, capture, "--output-null")]
    if not shutil.which("perf") or subprocess.run(record, check=False,
                                                  capture_output=True).returncode != 0:
        return False
    report(data, path)
    return True


def report(data, path):
    with open(path, "wb") as out:
        subprocess.run(["perf", "report", "--stdio", "-i", data, "--no-children", "--sort",
                        "comm,dso,symbol"], check=True, stdout=out, stderr=subprocess.DEVNULL)


def live_by_perf(bench, path):
    data = bench.path("perf-live.data")
    listener = rows_live.start_refrain(bench, "--output-null")
    perf = bench.case.spawn(*PERF, data, "-p", listener.process.pid)
    time.sleep(0.5)
    rows_live.load(bench, bench.count(300_000))
    perf.send_signal(signal.SIGINT)
    perf.wait(60)
    listener.stop()
    report(data, path)


def by_callgrind(bench, path):
    count_instructions(bench, bench.count(20_000))
    with open(path, "wb") as out:
        subprocess.run(["callgrind_annotate", bench.path("callgrind")], check=True, stdout=out)


def profile(bench):
    path = f"{bench.build}/{PROFILE}"
    capture = bench.capture("keepalive", bench.count(1_000_000))
    if by_perf(bench, capture, path):
        live_by_perf(bench, f"{bench.build}/{LIVE_PROFILE}")
        bench.say(f"profile: {path} and {LIVE_PROFILE} (perf)")
    elif shutil.which("valgrind"):
        by_callgrind(bench, path)
        bench.say(f"profile: {path} (callgrind)")
    else:
        bench.say("profile: neither perf nor valgrind works")
    return []


ROWS = [instructions, profile]
