#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""refrain-gor(7) tells of every flag of gor, and only of options that exist; what it calls the same
has the same default, and what it calls not offered or not needed is so. Prints TAP.
usage: gor_page.py GENERATE PAGE"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = os.path.join(HERE, "..", "data", "gor-2.0-flags.txt")
GENERATE, PAGE = sys.argv[1:]
failed = 0
points = 0


def report(sentence, problems):
    global failed, points
    points += 1
    failed += bool(problems)
    print(f"{'not ' if problems else ''}ok {points} - {sentence}")
    for problem in problems:
        print(f"# {problem}")


def generated(*what):
    return subprocess.run([GENERATE, *what], check=True, capture_output=True, text=True).stdout


def gors_flags():
    """{flag: default}, as gor's own table of flags has them."""
    with open(FLAGS, encoding="utf-8") as f:
        lines = [line.split("#")[0].split() for line in f]
    return {words[0]: words[1] if len(words) > 1 else "" for words in lines if words}


def known_options():
    """All that may be written with two dashes: options and their other names, of tools as well."""
    known = {line.lstrip("-") for line in generated("names").split()}
    for tool in generated("tools").split():
        known |= {line.lstrip("-") for line in generated("names", tool).split()}
    with open(os.path.join(HERE, "..", "..", "cmd", "options.def"), encoding="utf-8") as f:
        return known | set(re.findall(r'^ALIAS\("([a-z-]+)"', f.read(), re.M))


with open(PAGE, encoding="utf-8") as f:
    page = f.read()
table = [line.split("\t") for line in generated("gor").splitlines()]
gors = gors_flags()
entries = page[page.index(".Sh FLAG BY FLAG"):page.index(".Sh WHAT ELSE DIFFERS")]

report("gor's flags are those of the list, each once",
       [f"{name}: in only one of them, or twice" for name in
        {row[0] for row in table} ^ set(gors) |
        {row[0] for row in table if [r[0] for r in table].count(row[0]) > 1}] +
       ([] if len(gors) == 111 else [f"{len(gors)} flags in the list"]))
report("the page has an entry for each",
       [name for name in gors
        if len(re.findall(rf"^\.It Fl \\-{re.escape(name)}(?: Ar .*)?$", entries, re.M)) != 1])
report("gor's defaults are those of the list",
       [f"{row[0]}: {row[2]!r}, not {gors[row[0]]!r}" for row in table if row[2] != gors.get(row[0])])
report("what is the same has the same default",
       [f"{row[0]}: {row[2]!r} and {row[3]!r}" for row in table
        if row[1] == "SAME" and row[2] != row[3]])
report("what differs says how, and what is not offered what to do",
       [row[0] for row in table if row[1] != "SAME" and not row[5]])
built = {row[0] for row in table if row[4] == "1"}
whole = {"output-http", "output-kafka-host"} <= built  # else a library was not there
report("what is not offered is not built, and all else is",
       [row[0] for row in table if (row[1] == "NOT_OFFERED") == (row[0] in built) and
        (whole or row[0] in built)])
report("what is only accepted is not needed",
       [row[0] for row in table
        if (row[1] == "NEEDLESS") != row[6].startswith("accepted")])
known = known_options()
named = set(re.findall(r"\.Fl \\-([a-z][a-z-]*)", page)) | \
    {name.replace("\\-", "-") for name in re.findall(r"(?<![a-z])\\-\\-([a-z](?:[a-z]|\\-)*)", page)} | \
    {name for name in re.findall(r"(?<=[ (])--([a-z][a-z-]*)", page)}
report("every option that the page names exists", sorted(named - known))
report("the page names many", [] if len(named) > 20 else [str(named)])
print(f"1..{points}")
sys.exit(1 if failed else 0)
