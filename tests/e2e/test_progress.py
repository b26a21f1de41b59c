#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--progress: the line of a terminal, and plain lines elsewhere."""
import gzip
import re

import gor
from harness import check, equal, free_port, main, test, within
from servers import Target
from terminal import on_terminal

START = 1_700_000_000_000_000_000
CLEAR = "\r\x1b[K"
LINE = re.compile(r"refrain: (\d+)%, (?:\d+:\d\d left, )?([\d,]+) requests, [\d.]+/s, "
                  r"([\d,]+) errors(?:, lateness p99 [\d.]+ ms)?")


def recording(case, n, step_ns, zipped=False):
    data = b"".join(gor.make(gor.request(f"/{k}"), START + k * step_ns, id_=f"{k % 20:08x}{k:016x}")
                    for k in range(n))
    name = f"in-{case.next_number()}.gor" + (".gz" if zipped else "")
    return case.write(name, gzip.compress(data) if zipped else data)


def screen(text, columns):
    """The lines that a terminal shows in the end."""
    lines, at = [""], 0
    for piece in re.split(r"(\r|\n|\x1b\[K)", text):
        if piece == "\r":
            at = 0
        elif piece == "\n":
            lines.append("")
            at = 0
        elif piece == "\x1b[K":
            lines[-1] = lines[-1][:at]
        else:
            check("\x1b" not in piece, f"an escape sequence: {piece!r}")
            lines[-1] = lines[-1][:at] + piece + lines[-1][at + len(piece):]
            at += len(piece)
            check(len(lines[-1]) < columns or not LINE.match(lines[-1]), f"too long: {lines[-1]}")
    return lines


@test("on a terminal one line is kept up to date, and nothing is left of it")
def live(case):
    target = Target(case)
    for zipped in (False, True):
        status, text = on_terminal(case, "--input-file", recording(case, 300, 10_000_000, zipped),
                                   "--output-http", f"http://127.0.0.1:{target.port}")
        equal(status, 0, "status")
        told = [LINE.match(t) for t in text.split(CLEAR) if LINE.match(t)]
        within(len(told), 8, 18, "lines in 3 seconds, 5 a second")
        shares = [int(t[1]) for t in told]
        equal(shares, sorted(shares), "shares")
        counts = [int(t[2].replace(",", "")) for t in told]
        equal(counts, sorted(counts), "requests")
        for share, count in zip(shares, counts):
            within(share, count / 3 - 8, count / 3 + 8, f"percent after {count} requests")
        shown = screen(text, 100)
        check(shown[0].startswith("refrain: summary after"), f"the first line: {shown[0]}")
        check(not any(LINE.match(line) for line in shown), f"a line is left: {shown}")


@test("what is logged meanwhile stands above the line, whole")
def logged(case):
    status, text = on_terminal(case, "--input-file", recording(case, 300, 10_000_000),
                               "--output-http", f"http://127.0.0.1:{free_port()}", "--verbose", "1",
                               "--output-http-stats", "--output-http-stats-ms", "50",
                               "--no-sandbox",  # which has words of its own
                               env={"NO_COLOR": "1"})
    equal(status, 0, "status")
    shown = [line for line in screen(text, 100) if line]
    stats = [line for line in shown if " delivered (" in line]
    within(len(stats), 30, 70, "lines of statistics")
    for line in shown[:shown.index(next(s for s in shown if "summary after" in s))]:
        check(line.startswith("refrain: output-http http://127.0.0.1"), f"garbled: {line!r}")
    equal(sum("summary after" in line for line in shown), 1, "summaries")
    errors = [int(t[3].replace(",", "")) for t in map(LINE.match, text.split(CLEAR)) if t]
    check(errors[-1] > 100, f"errors: {errors}")


@test("--output-tcp-stats, --output-ws-stats and --stats tell what each output does and holds")
def stats(case):
    outputs = ("--output-tcp", f"127.0.0.1:{free_port()}", "--output-ws",
               f"ws://127.0.0.1:{free_port()}", "--output-null", "--output-http",
               f"http://127.0.0.1:{free_port()}")
    some = case.refrain("--input-dummy", "x|10", *outputs, "--exit-after", "6s", "--output-tcp-stats",
                        "--output-ws-stats", "--drain-timeout", "100ms", ready=False)
    every = case.refrain("--input-dummy", "x|10", *outputs, "--exit-after", "6s", "--stats",
                         "--drain-timeout", "100ms", ready=False)
    words = r"(output-\S+).*: (\d+) delivered \([0-9.]+/s\), (\d+) failed, 0 dropped, (\d+) held"
    told = re.findall(words, some.wait(status=6).stderr)
    equal(sorted(line[0] for line in told), ["output-tcp", "output-ws"], "outputs told of")
    for _, delivered, failed, held in told: # a message and its answer each second
        equal((delivered, failed), ("0", "0"), "delivered, failed")
        within(int(held), 4, 12, "held while nobody is there")
    told = {line[0]: [int(n) for n in line[1:]]
            for line in re.findall(words, every.wait(status=6).stderr)}
    equal(sorted(told), ["output-http", "output-null", "output-tcp", "output-ws"], "outputs told of")
    within(told["output-null"][0], 4, 12, "delivered")
    within(told["output-http"][1], 2, 6, "failed")


@test("a narrow terminal gets a shorter line, a dumb one plain lines, and off is off")
def narrow(case):
    file = recording(case, 100, 10_000_000)
    status, text = on_terminal(case, "--input-file", file, "--output-null", columns=40)
    screen(text, 40)
    told = [t for t in text.split(CLEAR) if t.startswith("refrain: ") and "%" in t]
    check(status == 0 and told and all(len(t) < 40 for t in told), f"{told}")
    for args, kwargs in (((), {"term": "dumb"}), ((), {"term": ""}), (("--progress", "off"), {}),
                         (("--progress", "plain"), {})):
        status, text = on_terminal(case, "--input-file", file, "--output-null", *args, **kwargs)
        check(status == 0 and "\x1b" not in text and "requests," not in text, text)
    status, text = on_terminal(case, "--input-dummy", "x", "--output-null", "--exit-after", "1s")
    check(status == 0 and "\x1b" not in text, text)
    status, text = on_terminal(case, "--input-file", file, "--input-file-loop", "--exit-after",
                               "2s", "--output-null")
    check("%" not in text and re.search(r"refrain: \d+ requests, ", text), text)


@test("without a terminal there is a plain line every 10 seconds, unless it is off")
def plain(case):
    file = recording(case, 230, 100_000_000)
    quiet = case.refrain("--input-file", file, "--output-null", "--progress", "off", ready=False)
    result = case.run("--input-file", file, "--output-null")
    told = [LINE.match(line) for line in result.stderr.splitlines() if LINE.match(line)]
    equal([int(t[1]) // 10 for t in told], [4, 8], "tens of percent after 10 and 20 of 23 seconds")
    check("\x1b" not in result.stderr and "\r" not in result.stderr, result.stderr)
    check("requests," not in quiet.wait().stderr, "it is told when it is off")


if __name__ == "__main__":
    main()
