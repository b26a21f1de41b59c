#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""refrain explain: says of each request what a run with the same options does to it."""
import re
import subprocess

import gor
from harness import check, equal, main, test

START = 1_700_000_000_000_000_000


def recording(case):
    data = b""
    for n in range(12):
        path = f"/{'api' if n % 2 else 'home'}/{n}?token=S3CR3T"
        data += gor.make(gor.request(path, headers=["X-A: recorded", "Cookie: sid=S3CR3T"]),
                         START + n * 1000, id_=f"{n:024x}")
        data += gor.make(f"HTTP/1.1 {200 + n % 3 * 100} W\r\nContent-Length: 0\r\n\r\n".encode(),
                         START + n * 1000 + 5, kind=2, id_=f"{n:024x}")
    return case.write("in.gor", data)


def explain(case, *args, status=0):
    done = subprocess.run([case.binary, "explain", *args], capture_output=True, timeout=30,
                          cwd=case.dir, check=False)
    equal(done.returncode, status, f"exit status ({done.stderr.decode()})")
    return done.stdout.decode(), done.stderr.decode()


RULES = ["--http-disallow-url", "^/home/4", "--http-set-header", "X-G: 1", "--redact", "cookie:sid",
         "--redact", "param:token"]


@test("what it says is sent is what a run sends, output by output")
def as_run(case):
    source = recording(case)
    outputs = ["--output-file", case.path("beta.gor"), "--to-if", "path:/api", "--to-set-header",
               "X-A: beta", "--output-file", case.path("half.gor") + "|50%", "--output-file",
               case.path("bad.gor"), "--to-if", "status:4xx"]
    text, _ = explain(case, "--input-file", source, *RULES, *outputs)
    case.run("--input-file", source + "|10000%", "--output-file-append", *RULES, *outputs)
    for name in ("beta.gor", "half.gor", "bad.gor"):
        sent, id_ = set(), None
        for line in text.splitlines():
            id_ = (re.match(r"(?:\d+|-) ([0-9a-f]{24}) ", line) or [None, id_])[1]
            if re.match(rf"  output-file \S*{name}\S*: sent$", line):
                sent.add(id_)
        equal(sent, {r.id for r in gor.requests(gor.read(case.path(name)))}, f"sent to {name}")
    check("+ X-A: beta" in text and "- X-A: recorded" in text, "the change for one output")
    check("S3CR3T" not in text, "a secret in the report")
    check("12 requests, 1 dropped by filters" in text, "the sums at the end")


@test("it names the rule, and shows foreign bytes as text")
def names(case):
    data = gor.make(b"GET /\xff HTTP/1.1\r\nHost: h\r\nX: \x1b[31m\r\n\r\n", START, id_="0" * 24)
    data += gor.make(b"no HTTP at all", START + 1, id_="1" * 24)
    source = case.write("in.gor", data)
    text, _ = explain(case, "--input-file", source, "--http-if", "method:GET", "--output-null",
                      "--to-if", "!port:80", "--to-if", "url:x")
    check("\x1b" not in text and "/\\xff" in text, f"bytes of the request as they are: {text!r}")
    check('dropped by --http-if "method:GET"' in text, text)
    check('output-null: dropped by --to-if "!port:80"' in text, text)
    for args, word in ((["--output-null"], "--input-file"),
                       (["--input-file", "none.gor", "--output-null"], "none.gor"),
                       (["--input-file", source, "--output-null", "--to-if", "x"], "--to-if")):
        _, err = explain(case, *args, status=2)
        check(word in err, err)


if __name__ == "__main__":
    main()
