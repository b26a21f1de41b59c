#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes of page.html, page.css and the scripts one page, as C. usage: embed.py HTML CSS JS... OUT

The page allows itself, by hash, this one style and this one script, and nothing else: no network,
and no script that data could bring in.
"""
import base64
import hashlib
import sys


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def source(text):
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def array(name, data):
    rows = [", ".join(map(str, data[i:i + 24])) for i in range(0, len(data), 24)]
    return f"static const unsigned char {name}[] = {{\n    " + ",\n    ".join(rows) + ",\n};\n"


def main():
    html, css, *scripts, out = sys.argv[1:]
    style = text_of(css)
    script = "(() => {\n'use strict';\n" + "".join(map(text_of, scripts)) + "})();\n"
    page = text_of(html)
    for mark, text in (("@STYLE_SOURCE@", source(style)), ("@SCRIPT_SOURCE@", source(script)),
                       ("@STYLE@", style), ("@SCRIPT@", script)):
        assert page.count(mark) == 1, mark
        page = page.replace(mark, text)
    before, after = page.encode().split(b"@DATA@")
    with open(out, "w", encoding="ascii") as f:
        f.write("/* Made by report/embed.py. */\n")
        f.write(array("page_before", before) + array("page_after", after))


main()
