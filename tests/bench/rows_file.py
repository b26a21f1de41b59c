# SPDX-License-Identifier: MIT
"""Rows about capture files: CPU against libpcap with an empty callback, reading the same file."""
import os

from measuring import check_refrain, fail, figure_line, ratio_line, read_text

PORT = 8080
FILTERS = ["--http-allow-url", "^/", "--http-disallow-header", "User-Agent:^BadBot",
           "--http-rewrite-url", "^/api/v1/(.*):/api/v2/$1"]
TO_SERVER = f"tcp dst port {PORT}"


def refrain(bench, capture, *args):
    return [bench.refrain, "--input-raw", f"{capture}:{PORT}", "--input-raw-engine", "pcap_file",
            "--summary", "json", *args]


def run_refrain(bench, capture, messages, *args):
    """CPU seconds and peak MiB of refrain, which must deliver so many."""
    cpu, _, peak = bench.measure(refrain(bench, capture, *args))
    check_refrain(bench.output, messages)
    return cpu, peak


def run_reader(bench, *args):
    """CPU seconds of libpcap with an empty callback."""
    cpu, _, _ = bench.measure([bench.tool("null_reader"), *args])
    if int(read_text(bench.output)) == 0:
        fail("the null reader saw no packets")
    return cpu


def per_message(pairs, messages):
    return [(a * 1e6 / messages, b * 1e6 / messages) for a, b in pairs]


def against(bench, row, shape, messages, reader, args=("--output-null",), factor=1):
    """One line: refrain with args against the reader with its arguments behind the file's name.
    factor: messages for each request."""
    name, what, target = row
    capture = bench.capture(shape, messages)
    pairs = []
    for _ in bench.rounds():
        theirs = run_reader(bench, *[capture if a is None else a for a in reader])
        pairs.append((run_refrain(bench, capture, messages * factor, *args)[0], theirs))
    return [ratio_line(name, what, per_message(pairs, messages), "us/request", target)]


def run_gor(bench, capture, messages):
    """CPU seconds. gor does not end with its file; some 300,000 messages take it a second."""
    return bench.measure(["gor", "--input-raw", f"{capture}:{PORT}", "--input-raw-engine",
                          "pcap_file", "--output-null", "--exit-after",
                          f"{5 + messages // 100_000}s"])[0]


def file_null(bench):
    messages = bench.count(1_000_000)
    lines = against(bench, ("file-null", "keep-alive GETs, file to null", 2.0), "keepalive",
                    messages, (None, TO_SERVER))
    if bench.gor:
        capture, pairs = bench.capture("keepalive", messages), []
        for _ in bench.rounds():
            theirs = run_reader(bench, capture, TO_SERVER)
            pairs.append((run_gor(bench, capture, messages), theirs))
        lines.append(ratio_line("file-null-gor", "gor instead of refrain",
                                per_message(pairs, messages), "us/request"))
    return lines


def file_file(bench):
    messages, out = bench.count(1_000_000), bench.path("recorded.gor")
    capture = bench.capture("keepalive", messages)
    pairs = []
    for _ in bench.rounds():
        theirs = run_reader(bench, capture, TO_SERVER)
        ours, _ = run_refrain(bench, capture, messages, "--output-file", out,
                              "--output-file-append", "--output-file-fsync", "never")
        size = os.path.getsize(out)
        os.unlink(out)
        theirs += bench.measure([bench.tool("write_loop"), out, size])[0]
        os.unlink(out)
        pairs.append((ours, theirs))
    return [ratio_line("file-file", "the same, to a .gor file", per_message(pairs, messages),
                       "us/request", 2.0)]


def file_tracked(bench):
    return against(bench, ("file-tracked", "the same, responses paired, to null", 3.0), "keepalive",
                   bench.count(1_000_000), (None,), ("--output-null", "--input-raw-track-response"),
                   factor=2)


def file_posts(bench):
    return against(bench, ("file-posts", "POSTs of 32 KiB, file to null", 1.5), "posts",
                   bench.count(50_000), ("--copy", None))


def file_short(bench):
    return against(bench, ("file-short", "short connections, file to null", 4.0), "short",
                   bench.count(200_000), (None,))


def filters(bench):
    messages = bench.count(1_000_000)
    capture = bench.capture("keepalive", messages)
    pairs = []
    for _ in bench.rounds():
        plain, _ = run_refrain(bench, capture, messages, "--output-null")
        pairs.append((run_refrain(bench, capture, messages, "--output-null", *FILTERS)[0], plain))
    return [ratio_line("filters", "file-null with three filters, to without",
                       per_message(pairs, messages), "us/request")]


def flows(bench):
    """The cost of a packet on connections that are open already: what opening them costs is
    measured by a file that does no more."""
    requests, many, more = bench.count(1_000_000), bench.count(10_000), bench.count(500_000)
    shapes = {n: (bench.capture("flows", 0, n), bench.capture("flows", requests, n))
              for n in (100, many, more)}
    args = ("--output-null", "--max-memory", "1gb")
    costs, bytes_each = [], []
    few = bench.capture("flows", 0, more // 5)
    for _ in bench.rounds():
        cost, peaks = {}, {}
        for n, (opened, full) in shapes.items():
            base, peaks[n] = run_refrain(bench, opened, 0, *args)
            cost[n] = (run_refrain(bench, full, requests, *args)[0] - base) * 1e6 / requests
        _, peak = run_refrain(bench, few, 0, *args)
        bytes_each.append((peaks[more] - peak) * 2**20 / (more - more // 5))
        costs.append(cost)
    return [
        ratio_line("flows-10k", f"a packet with {many:,} connections, to 100",
                   [(c[many], c[100]) for c in costs], "us/packet", 1.3),
        ratio_line("flows-500k", f"a packet with {more:,} connections, to 100",
                   [(c[more], c[100]) for c in costs], "us/packet", 2.0),
        figure_line("flows-memory", "an idle connection (peak RSS)", bytes_each, "bytes", 256)]


def growth(bench):
    """Ten times the requests, of files too large for the processor's caches; what starting costs is
    taken off."""
    requests = bench.count(500_000)
    none, some, many = (bench.capture("flows", n) for n in (0, requests, 10 * requests))
    pairs, peaks = [], []
    for _ in bench.rounds():
        start, _ = run_refrain(bench, none, 0, "--output-null")
        one, low = run_refrain(bench, some, requests, "--output-null")
        ten, high = run_refrain(bench, many, 10 * requests, "--output-null")
        pairs.append(((ten - start) * 1e6 / requests / 10, (one - start) * 1e6 / requests))
        peaks.append(high - low)
    return [ratio_line("growth-cpu", "CPU of a request at 10x the requests", pairs, "us/request",
                       1.05),
            # within what a queue holds, and less than 5 bytes for each further request
            figure_line("growth-memory", "more RSS at 10x the requests", peaks, "MiB", 8)]


ROWS = [file_null, file_file, file_tracked, file_posts, file_short, filters, flows, growth]
