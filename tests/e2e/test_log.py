#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is said on standard error: its forms, repeats, foreign bytes, colours, the summary's line."""
import json
import os
import re
import signal
import subprocess

import gor
from harness import check, equal, free_port, main, test, wait_until, within
from servers import Target
from terminal import on_terminal

START = 1_700_000_000_000_000_000
VALUE = r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\["\\])*"|[^\s"=\\\x00-\x1f\x7f]+)'
PAIR = re.compile(rf"([a-z0-9_]+)=({VALUE})")
LINE = re.compile(rf"[a-z0-9_]+={VALUE}(?: [a-z0-9_]+={VALUE})*")
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def recording(case, n=20):
    return case.write("in.gor", b"".join(gor.make(gor.request(f"/{k}"), START + k, id_=f"{k:024x}")
                                         for k in range(n)))


def from_logfmt(line):
    check(LINE.fullmatch(line), f"not logfmt: {line!r}")
    return {key: json.loads(value) if value[0] == '"' or value in ("true", "false") or
            re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?", value) else value
            for key, value in PAIR.findall(line)}


def entries(stderr, form):
    """The lines of a log, each of which must be one; strict about bytes."""
    found = []
    for line in stderr.decode().splitlines():
        found.append(json.loads(line) if form == "json" else from_logfmt(line))
        check(TIME.fullmatch(found[-1]["time"]) and "msg" in found[-1], line)
        check(found[-1]["level"] in ("error", "warn", "info", "debug"), line)
    return found


def plainly(case, *args, status=0, env=None):
    """Standard error of a refrain that is told nothing else than this."""
    done = subprocess.run([case.binary, *map(str, args)], stdin=subprocess.DEVNULL, check=False,
                          capture_output=True, timeout=60, cwd=case.dir,
                          env={**os.environ, **(env or {})})
    equal(done.returncode, status, f"status: {done.stderr}")
    return done.stderr


@test("the log is logfmt, or JSON with --log-format json, and its last line the summary")
def forms(case):
    file = recording(case)
    target = Target(case)
    for form in ("logfmt", "json"):
        stderr = plainly(case, "--input-file", file, "--output-null", "--output-http",
                         f"http://127.0.0.1:{target.port}/x", "--log-format", form, "--summary", "log")
        found = entries(stderr, form)
        equal(found[0]["source"][:12], "output-http ", "source")
        check("/x is put in front of every path" in found[0]["msg"], f"{found[0]}")
        last = found[-1]
        equal((last["msg"], last["level"], last["running"], last["balanced"], last["loss"]),
              ("summary", "info", False, True, 0), "the summary")
        equal([last[key] for key in ("inputs", "outputs", "input_records", "output_seen",
                                     "output_delivered", "output_http_2xx", "output_failed")],
              [1, 2, 20, 40, 40, 20, 0], "sums")
    equal(entries(plainly(case, "--input-file", file, "--output-null", "--log-format", "json"),
                  "json")[-1]["output_seen"], 20, "with JSON there is the line alone")


@test("without a terminal the table and then the line are told; --summary chooses, SIGUSR1 as well")
def summary(case):
    file = recording(case)
    lines = plainly(case, "--input-file", file, "--output-null").decode().splitlines()
    check(lines[0].startswith("refrain: summary after") and "the books balance" in lines[-2], f"{lines}")
    equal(from_logfmt(lines[-1])["output_delivered"], 20, "the line")
    text = plainly(case, "--input-file", file, "--output-null", "--summary", "text").decode()
    check(text.endswith("unaccounted for\n") and "msg=" not in text, text)
    lines = plainly(case, "--input-file", file, "--output-null", "--summary", "json").splitlines()
    equal(json.loads(lines[-1])["outputs"][0]["delivered"], 20, "as JSON")
    port = free_port()
    process = case.refrain("--input-tcp", f":{port}", "--output-null", "--summary", "log",
                           "--log-format", "json", ready=port)
    process.send(signal.SIGUSR1)
    wait_until(lambda: "\n" in process.stderr(), "SIGUSR1 is answered")
    process.send(signal.SIGTERM)
    found = entries(process.wait(books=False).stderr.encode(), "json")
    equal((found[0]["running"], "balanced" in found[0]), (True, False), "while it runs")
    equal((found[-1]["running"], found[-1]["balanced"]), (False, True), "at the end")


@test("what is said again and again is one line with a count, and the counts are right")
def repeats(case):
    port = free_port()
    stderr = plainly(case, "--input-file", recording(case, 3000), "--output-http",
                     f"http://127.0.0.1:{port}", "--log-format", "json", "--summary", "log")
    found = entries(stderr, "json")
    lost = [e for e in found if e["msg"].startswith("failed: no connection could be opened")]
    within(len(lost), 2, 12, "lines for 3000 failures")
    equal(sum(e.get("repeated", 1) for e in lost), 3000, "times told")
    equal(found[-1]["output_failed"], 3000, "failed")
    check(all(e["level"] == "warn" for e in lost), f"{lost[:2]}")


@test("foreign bytes reach no terminal, in any form of the log, nor in the table")
def foreign(case):
    hostile = "a\x1b[31mb\x1b]0;t\x07\u202e\x9b2J\r\n\x7f"
    name = case.path("x\x1b[2J\u202e").encode() + b"\xff\xfe.gor"
    with open(name, "wb") as f:
        f.write(gor.make(gor.request("/"), START) + b"damage\n" * 3)
    for form in ("text", "logfmt", "json"):
        stderr = plainly(case, "--input-file", name.decode(errors="surrogateescape"), "--output-null",
                         "--log-format", form, "--summary", "auto")
        shown = stderr.decode()  # it is UTF-8
        bad = [c for c in shown if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c == "\u202e"]
        equal(bad, [], f"bytes shown with --log-format {form}")
        check(r"\x1b[2J" in shown and r"\xff" in shown, shown)
        if form == "json":
            check(any(r"x\x1b[2J\xe2\x80\xae\xff\xfe.gor: " in e["msg"] for e in entries(stderr, form)),
                  shown)
    for form in ("text", "json"):
        shown = plainly(case, "--input-file", hostile, "--output-null", "--log-format", form,
                        status=2).decode()
        check(shown.count("\n") == 1 and "\x1b" not in shown and "\x9b" not in shown, shown)
        if form == "json":
            equal(json.loads(shown)["level"], "error", "level")


@test("an error in the options is plain text for a person, but for JSON when that is asked for")
def usage(case):
    recording(case)
    for args, words in ((["--input-fil", "x"], 'unknown option "--input-fil"'),
                        (["--input-dummy", "x", "--output-null", "--http-allow-url", "("],
                         '--http-allow-url "(": missing'),
                        (["--output-null", "--log-format", "xml"], "--log-format")):
        text = plainly(case, *args, status=2).decode()
        check(text.startswith("refrain: ") and words in text and text.count("\n") == 1, text)
    found = entries(plainly(case, "--log-format", "json", "--output-null", "--input-file", "in.gor",
                            "--http-allow-url", "(", status=2, env={"REFRAIN_OUTPUT_FIL": "x"}), "json")
    equal([e["level"] for e in found], ["warn", "error"], "levels")


@test("--log-level leaves out what matters less, and --verbose is its debug")
def levels(case):
    file = recording(case)
    args = ["--input-file", file, "--output-null", "--output-http", f"http://127.0.0.1:{free_port()}/x",
            "--log-format", "json"]
    for extra, wanted in ((["--log-level", "error"], {"info"}), (["--log-level", "warn"], {"warn", "info"}),
                          ([], {"warn", "info"}), (["--log-level", "warn", "--verbose", "1"],
                                                   {"warn", "info"})):
        found = entries(plainly(case, *args, *extra), "json")
        equal({e["level"] for e in found} - {"debug"}, wanted, f"levels with {extra}")
        info = [e["msg"] for e in found if e["level"] == "info" and e["msg"] != "summary"]
        equal(len(info) > 0, extra != ["--log-level", "error"] and extra != ["--log-level", "warn"],
              f"infos with {extra}")
        equal(found[-1]["msg"], "summary", "the summary is told always")


@test("on a terminal lines are text, warnings in colour unless NO_COLOR is set, and the table alone")
def terminal(case):
    args = ["--input-file", recording(case), "--output-null", "--output-http",
            f"http://127.0.0.1:{free_port()}"]
    status, text = on_terminal(case, *args)
    equal(status, 0, "status")
    check("\x1b[33mwarning: cannot connect" in text and "\x1b[0m\r\n" in text, text)
    check("refrain: summary after" in text and "msg=" not in text, text)
    for env, term in (({"NO_COLOR": "1"}, "xterm"), ({}, "dumb")):
        _, text = on_terminal(case, *args, "--progress", "off", "--log-format", "text", env=env,
                              term=term)
        check("\x1b" not in text and "refrain: output-http " in text, text)
    _, text = on_terminal(case, *args, env={"NO_COLOR": ""})
    check("\x1b[33m" in text, "an empty NO_COLOR is none")
    status, text = on_terminal(case, *args, "--log-format", "json")
    check("\x1b" not in text, text)
    equal(json.loads(text.splitlines()[-1])["output_seen"], 40, "the line")


if __name__ == "__main__":
    main()
