#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads every capture of $REFRAIN_CORPUS with refrain and compares with what three other tools found.

Tier A: every request, in order per stream: request line, host, body length and MD5 of the body
without its chunk framing. Where the tools are wrong, or where a request must not be passed on, that
is computed from the packets (packets.py), not listed. Tier B (contested input): nothing that is not
in the capture, and what is left out is counted. Each file is read 20 times and must give the same
bytes each time. Writes a table beside the build (corpus-results.tsv) and prints TAP. Without
$REFRAIN_CORPUS all of it is skipped.

usage: run.py REFRAIN [RESULTS.tsv]
"""
import csv
import hashlib
import json
import os
import subprocess
import sys

import packets

RUNS = 20

# The truth's tools lost bytes of these bodies. What they are is computed here, from the packets.
BODIES = {
    "OISF_suricata-verify__tests__http-event-chunk__input.pcap",
    "zeek_zeek__http__http-body-match.pcap",
}
# Requests whose end depends on who reads them: shown here from the packets to be so. They must be
# counted malformed, once each, and neither they nor what seems to lie behind them may come out.
AMBIGUOUS = {
    "zeek_zeek__http__261__variant-01-chunk_2pow64_overflow.pcap",
    "zeek_zeek__http__261__variant-04-te_cl_desync.pcap",
}
# What is left out is counted as one of these.
ODDITIES = ("requests_malformed", "flows_other", "flows_h2c", "flows_tls")
TIMEOUT_S = 60


def read_tsv(path):
    with open(path, newline="", encoding="latin-1") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def unescape(text):
    out, i = [], 0
    while i < len(text):
        if text[i] == "\\" and i + 1 < len(text):
            out.append({"t": "\t", "r": "\r", "n": "\n"}.get(text[i + 1], text[i + 1]))
            i += 2
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def records(stream):
    """The records of a stream in refrain's own form, by their LENGTH."""
    at = 0
    while at < len(stream):
        end = stream.index(b"\n", at)
        fields = stream[at:end].decode("ascii").split(" ")
        length = int(fields[4])
        yield fields, stream[end + 1 : end + 1 + length]
        at = end + 1 + length + 14


def words(text):
    """Target and version: where the one ends is not for the test to decide."""
    return " ".join(word for word in text.split(" ") if word)


def describe(fields, payload):
    """What the truth files say of a request, from a record."""
    head, sep, body = payload.partition(b"\r\n\r\n")
    other_head, other_sep, other_body = payload.partition(b"\n\n")
    if not sep or (other_sep and len(other_head) < len(head)):
        head, body = other_head, other_body
    lines = head.lstrip(b"\r\n").split(b"\n")
    method, _, rest = lines[0].strip(b"\r").partition(b" ")
    host, chunked = b"", False
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name == b"host" and not host:
            host = value.strip()
        if name == b"transfer-encoding" and b"chunked" in value.lower():
            chunked = True
    if chunked:
        body = packets.dechunk(body)[0]
    stream = (fields[6], fields[7])
    what = (
        method.decode("latin-1"),
        words(rest.decode("latin-1")),
        host.decode("latin-1"),
        len(body),
        hashlib.md5(body).hexdigest(),
    )
    return stream, what


def endpoint(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def expected_of(rows):
    """Truth per stream, in order. Of a request that the truth's tool could not complete its body is
    not known (None)."""
    streams = {}
    for row in rows:
        key = (endpoint(row["src"], row["sport"]), endpoint(row["dst"], row["dport"]))
        what = (
            row["method"],
            words(unescape(row["uri"]) + " " + unescape(row["version"])),
            unescape(row["host"]),
            int(row["body_len"] or 0) if row["complete"] == "y" else None,
            row["body_md5"] if row["complete"] == "y" else None,
        )
        streams.setdefault(key, []).append(what)
    return streams


def run(refrain, path):
    cmd = [refrain, "--input-raw", path, "--input-raw-engine", "pcap_file", "--output-stdout"]
    cmd += ["--summary", "json"]
    done = subprocess.run(cmd, capture_output=True, timeout=TIMEOUT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def found_in(output):
    streams = {}
    for fields, payload in records(output):
        if fields[0] != "1":
            continue
        stream, what = describe(fields, payload)
        streams.setdefault(stream, []).append(what)
    return streams


def same(want, got):
    return all(w is None or w == g for w, g in zip(want, got))


def compare(expected, found, extra_allowed):
    for stream, wanted in expected.items():
        got = found.get(stream, [])
        if extra_allowed:
            missing = [w for w in wanted if w not in got]
            if missing:
                return f"{stream[0]}: not found: {missing[0][:3]}"
            continue
        for i, w in enumerate(wanted):
            if i >= len(got) or not same(w, got[i]):
                other = got[i] if i < len(got) else "nothing"
                return f"{stream[0]}: request {i + 1} should be {w}, is {other}"
        if len(got) > len(wanted):
            return f"{stream[0]}: {len(got) - len(wanted)} requests too many"
    if not extra_allowed:
        for stream in found:
            if stream not in expected:
                return f"{stream[0]}: a stream without requests gave {found[stream][0][:3]}"
    return ""


def bodies_in(path, expected):
    """expected with the bodies of chunked requests as they are in the packets of that file."""
    streams = packets.streams(path)
    for key, wanted in expected.items():
        framed = packets.requests(streams[key])
        if len(framed) != len(wanted):
            raise ValueError(f"{key[0]}: {len(framed)} requests in the packets")
        for i, (chunked, body) in enumerate(framed):
            if chunked:
                wanted[i] = wanted[i][:3] + (len(body), hashlib.md5(body).hexdigest())
    return expected


def flagged(path, truth, found, summary):
    """A request with two readings: '' when it is one, is counted, and nothing came out."""
    keys = set(expected_of(truth))
    if len(keys) != 1:
        return "not one stream"
    ends = packets.readings(packets.streams(path)[keys.pop()])
    if len(ends) < 2:
        return f"the packets have one reading: {ends}"
    started = summary["inputs"][0]["requests_started"]
    malformed = summary["inputs"][0]["requests_malformed"]
    if found or started != 1 or malformed != 1:
        return f"{found} came out, {started} began, {malformed} are counted malformed"
    return ""


def judge(refrain, corpus, row):
    """(found, left out but counted, problem) of one capture."""
    name, tier, wanted = row["name"], row["tier"], row["expected_requests"]
    path = os.path.join(corpus, "pcaps", name)
    truth = read_tsv(os.path.join(corpus, "truth", name + ".tsv"))
    status, output, log = run(refrain, path)
    if status != 0:
        return 0, 0, f"exit status {status}: {log.decode('utf-8', 'replace')[-300:]}"
    summary = json.loads(log.decode("utf-8", "replace").strip().splitlines()[-1])
    if not summary["balanced"]:
        return 0, 0, "the books do not balance"
    found = found_in(output)
    count = sum(len(v) for v in found.values())
    odd = sum(summary["inputs"][0][book] for book in ODDITIES)
    for _ in range(RUNS - 1):
        if run(refrain, path)[1] != output:
            return count, odd, "two runs differ"
    if name in AMBIGUOUS:
        return count, odd, flagged(path, truth, count, summary)
    expected = expected_of(truth)
    if name in BODIES:
        expected = bodies_in(path, expected)
    if tier != "A":
        problem = invented(expected, found)
        if not problem and count + odd < int(wanted.partition("-")[2] or wanted):
            problem = f"{count} requests and {odd} oddities of {wanted}"
        return count, odd, problem
    # where the truth's tool saw fewer than were settled on, its list is a part of them
    problem = compare(expected, found, len(truth) != int(wanted))
    if not problem and count != int(wanted):
        problem = f"{count} requests, {wanted} expected"
    return count, odd, problem


def invented(expected, found):
    """Contested captures: what is found must be in the truth, whatever else is there."""
    for stream, got in found.items():
        for g in got:
            if not any(same(w, g) for w in expected.get(stream, [])):
                return f"{stream[0]}: not in the capture by any other tool: {g[:3]}"
    return ""


def hostile(refrain, corpus):
    """Captures that once broke a decoder: any clean end will do. The first that fails, or ''."""
    folder = os.path.join(corpus, "hostile", "tcpdump")
    for name in sorted(os.listdir(folder)):
        try:
            status, _, log = run(refrain, os.path.join(folder, name))
        except subprocess.TimeoutExpired:
            return f"{name}: hangs"
        text = log.decode("utf-8", "replace")
        if status not in (0, 1) or "Sanitizer" in text or "runtime error" in text:
            return f"{name}: exit status {status}: {text[-300:]}"
    return ""


def verdict_of(row):
    if row["name"] in AMBIGUOUS:
        return "flagged: it has two readings"
    if row["name"] in BODIES:
        return "equal to what is in the packets"
    return "equal" if row["tier"] == "A" else "nothing invented, the rest flagged"


def main():
    refrain = sys.argv[1]
    results = sys.argv[2] if len(sys.argv) > 2 else "corpus-results.tsv"
    corpus = os.environ.get("REFRAIN_CORPUS", "")
    if not corpus:
        print("1..0 # SKIP REFRAIN_CORPUS does not name a folder of captures")
        return 0
    rows = read_tsv(os.path.join(corpus, "truth", "EXPECTED.tsv"))
    failed = passed = 0
    settled = [row for row in rows if row["tier"] == "A"]
    print(f"1..{len(rows) + 1}")
    with open(results, "w", encoding="utf-8") as table:
        table.write("file\ttier\texpected\tfound\todd\tverdict\n")
        for n, row in enumerate(rows, 1):
            count, odd, problem = judge(refrain, corpus, row)
            failed += bool(problem)
            passed += row in settled and not problem
            verdict = problem or verdict_of(row)
            table.write(f"{row['name']}\t{row['tier']}\t{row['expected_requests']}\t{count}\t{odd}"
                        f"\t{verdict}\n")
            print(f"{'not ' if problem else ''}ok {n} - {row['name']}")
            if problem:
                print(f"# {problem}")
            sys.stdout.flush()
    print(f"# tier A: {passed} of {len(settled)} captures, {100 * passed / len(settled):.0f} %")
    problem = hostile(refrain, corpus)
    failed += bool(problem)
    print(f"{'not ' if problem else ''}ok {len(rows) + 1} - hostile captures end cleanly")
    if problem:
        print(f"# {problem}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
