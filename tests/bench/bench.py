#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What refrain costs the host, against references in the same run: README.md says what each row is.

Without names all rows are measured; a name takes every row that begins with it. --quick makes
everything small, to see that it works; --tap does that once and is a test.

usage: bench.py BUILD_DIR [ROW...] [--runs N] [--quick] [--json FILE] [--tap]
       bench.py --markdown FILE.json...: what was measured then, as rows of README.md
"""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
# pylint: disable=wrong-import-position
import rows_file
import rows_live
import rows_profile
from harness import Case, Skip, free_port, need_root
from measuring import fail, markdown, measure, print_head, print_line, read_text
from nginx import NginxProcess

QUICK = 100
HTTP = """
    log_format served '.';
    access_log {root}/access.log served buffer=64k flush=100ms;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "0123456789012345678901234567890123456789"; }}
    }}
"""


class Nginx(NginxProcess):
    """It logs a dot for each request."""

    def __init__(self, case):
        need_root()  # to capture
        self.port = free_port()
        super().__init__(case, HTTP, port=self.port)

    def served(self, more=0):
        """Requests in its log, once no more comes."""
        last, seen = -1, 0
        while seen != last:
            time.sleep(0.25 if more else 0.15)
            last, seen = seen, os.path.getsize(self.log) // 2
        return seen


class Bench:
    """What the rows are given."""

    def __init__(self, case, build, runs, quick):
        self.case, self.build, self.runs, self.quick = case, os.path.abspath(build), runs, quick
        self.refrain = f"{self.build}/cmd/refrain"
        self.output = case.path("output")
        self.gor = shutil.which("gor")
        self.captures = {}
        self.losses = []
        self._nginx = None

    @property
    def nginx(self):
        """Started when it is first asked for; raises Skip."""
        if not self._nginx:
            self._nginx = Nginx(self.case)
        return self._nginx

    def rounds(self):
        return range(self.runs)

    def count(self, n):
        return max(n // QUICK, 10) if self.quick else n

    def path(self, name):
        return self.case.path(name)

    def tool(self, name):
        return f"{self.build}/tests/bench/{name}"

    def measure(self, command):
        return measure(command, self.output, self.tool("launch"))

    def capture(self, *shape):
        """A capture file of that shape (generate.c), made once; of the largest the last is kept."""
        if shape not in self.captures:
            path = self.path("-".join(map(str, shape)) + ".pcap")
            subprocess.run([self.tool("generate"), path, *map(str, shape)], check=True)
            self.captures[shape] = path
        return self.captures[shape]

    def forget_captures(self):
        for path in self.captures.values():
            os.unlink(path)
        self.captures.clear()

    def say(self, text):
        print(f"# {text}", flush=True)

    def note_loss(self, text):
        """What was told of losses; "": there were none."""
        if text:
            self.losses.append(text)
            self.say(f"told as lost: {text}")


ROWS = {row.__name__.replace("_", "-"): row
        for row in rows_file.ROWS + rows_live.ROWS + rows_profile.ROWS}


def chosen(names):
    """Rows that begin with one of the names; all without names."""
    for name in names:
        if not any(row.startswith(name) for row in ROWS):
            fail(f"no row \"{name}\"; there are: {' '.join(ROWS)}")
    return [row for row in ROWS if not names or any(row.startswith(n) for n in names)]


def run_rows(bench, rows, quiet):
    """All lines."""
    lines = []
    for name in rows:
        try:
            found = ROWS[name](bench)
        except Skip as e:
            bench.say(f"{name}: {e}")
            continue
        for line in found:
            line.update(row=name, load=os.getloadavg()[0])
            if bench.quick:
                line.pop("target", None)  # too small to judge by
            lines.append(line)
            if not quiet:
                print_line(line)
        if name not in ("file-null", "file-file"):  # the next one reads the same
            bench.forget_captures()
    return lines


def write_json(path, bench, lines):
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"cpus": os.cpu_count(), "machine": platform.machine(),
                   "kernel": platform.release(), "quick": bench.quick, "losses": bench.losses,
                   "gor": bench.gor, "lines": lines}, f, indent=1)


def print_markdown(paths):
    for path in paths:
        for line in json.loads(read_text(path))["lines"]:
            print(markdown(line))


def tap(rows, lines):
    print(f"1..{len(rows)}")
    for n, name in enumerate(rows, 1):
        had = any(line["row"] == name for line in lines)
        print(f"ok {n} - the row {name} is measured{'' if had else ' # SKIP said above'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default="build-bench")
    parser.add_argument("--markdown", nargs="+", metavar="FILE")
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--tap", action="store_true")
    args = parser.parse_intermixed_args()
    if args.markdown:
        print_markdown(args.markdown)
        return
    rows = chosen(args.rows)
    if args.tap or args.quick:
        args.quick, args.runs = True, 1
    case = Case(f"{args.build}/cmd/refrain")
    bench = Bench(case, args.build, args.runs, args.quick)
    if not args.tap:
        print(f"medians of {args.runs} rounds, subject and reference in turn, on {os.cpu_count()} "
              f"CPUs ({platform.machine()}, Linux {platform.release()})")
        print("gor is measured beside them" if bench.gor else
              "gor is not on the PATH, and so not measured")
        print_head()
    with case.stack:
        lines = run_rows(bench, rows, args.tap)
    if args.tap:
        tap(rows, lines)
        return
    path = args.json or f"{args.build}/bench.json"
    write_json(path, bench, lines)
    print(f"also in {path}")


if __name__ == "__main__":
    main()
