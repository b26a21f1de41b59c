# SPDX-License-Identifier: MIT
"""The manual pages' blocks: .Dl lines, those that follow each other together, and what stands
between .Bd and .Ed. A comment in the line above one says what it is, if it is no commands that can
simply be run:

    .\\" file: PATH      the content of that file
    .\\" shown: WHAT     nothing to be run: a format, an output, a figure
    .\\" checked: WHY    commands that are only run with --check-config
    .\\" not run: WHY    commands that no test can run
"""
import collections
import os
import re

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
# where: page:line; kind: run, or the first word of the comment; note: what stands behind it
Block = collections.namedtuple("Block", "where section kind note lines")


def unescaped(line):
    for escape, text in (("\\&", ""), ("\\-", "-"), ("\\(aq", "'"), ("\\(dq", '"'), ("\\e", "\\")):
        line = line.replace(escape, text)
    return line


def all_pages():
    return sorted(name for name in os.listdir(os.path.join(ROOT, "man")) if name != "meson.build")


def blocks(page):
    """All of a page, in order."""
    found, section, kind, body, begun = [], "", ("run", ""), None, 0
    with open(os.path.join(ROOT, "man", page), encoding="utf-8") as f:
        lines = f.read().splitlines()
    for number, line in enumerate(lines, 1):
        mark = re.match(r'\.\\" (file|shown|checked|not run): (.*)', line)
        if body is not None and line != ".Ed":
            body.append(unescaped(line))
        elif line == ".Ed":
            found.append(Block(f"{page}:{begun}", section, *kind, body))
            body, kind = None, ("run", "")
        elif line.startswith(".Bd -literal"):
            body, begun = [], number
        elif line.startswith(".Dl "):
            if not lines[number - 2].startswith(".Dl "):
                found.append(Block(f"{page}:{number}", section, *kind, []))
            found[-1].lines.append(unescaped(line[4:]))
            kind = ("run", "")
        elif mark:
            kind = mark.groups()
        elif line.startswith(".Sh "):
            section = line[4:].strip('"')
    return found


def commands(block):
    """Its lines, those that go on joined, without comments and prompts."""
    text = "\n".join(block.lines)
    text = re.sub(r"\\\n *|(?<=\|)\n *", " ", text)
    found = [re.sub(r"^(\$|sudo) ", "", re.sub(r" +# .*", "", line)) for line in text.split("\n")]
    return [line.strip() for line in found if line.strip() and not line.startswith("#")]
