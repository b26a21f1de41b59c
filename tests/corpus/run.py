#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads every capture of $REFRAIN_CORPUS with refrain and compares with what three other tools found.

Tier A: every request, in order per stream: method, target, host, body length and MD5 of the body
without its chunk framing. Tier B (contested input): nothing that is not in the capture. Each file is
read 20 times and must give the same bytes each time. Writes a table beside the build
(corpus-results.tsv) and prints TAP. Without $REFRAIN_CORPUS all of it is skipped.

usage: run.py REFRAIN [RESULTS.tsv]
"""
import csv
import hashlib
import json
import os
import subprocess
import sys

RUNS = 20

# Where refrain finds something else than the three tools, on purpose: requests found, and why.
DIFFERENCES = {
    "OISF_suricata-verify__tests__http-event-chunk__input.pcap": (
        1, "the body's two chunks are 8 and 4 bytes long; the truth has the first only"),
    "arkime_arkime__tests__pcap__gre-erspan-vxlan.pcap": (
        0, "a space in the request target: no request line (RFC 9112, 3.2); counted not HTTP"),
    "zeek_zeek__http__261__variant-01-chunk_2pow64_overflow.pcap": (
        0, "a chunk size that overflows: counted malformed, never passed on"),
    "zeek_zeek__http__261__variant-04-te_cl_desync.pcap": (
        0, "Transfer-Encoding and Content-Length: counted malformed, never passed on"),
    "zeek_zeek__http__http-body-match.pcap": (
        10, "the truth leaves out two bodies that are gzip inside chunks; refrain has them"),
    "zeek_zeek__mixed-vlan-mpls.pcap": (
        1, "the other is HTTP/0.9, which has no version and no framing; counted not HTTP"),
}
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


def dechunk(body):
    out = b""
    while body:
        line, _, rest = body.partition(b"\n")
        size = int(line.split(b";")[0].strip(), 16)
        if size == 0:
            break
        out += rest[:size]
        body = rest[size:].lstrip(b"\r")[1:]
    return out


def records(stream):
    """The records of a stream in refrain's own form, by their LENGTH."""
    at = 0
    while at < len(stream):
        end = stream.index(b"\n", at)
        fields = stream[at:end].decode("ascii").split(" ")
        length = int(fields[4])
        yield fields, stream[end + 1 : end + 1 + length]
        at = end + 1 + length + 14


def describe(fields, payload):
    """What the truth files say of a request, from a record."""
    head, sep, body = payload.partition(b"\r\n\r\n")
    other_head, other_sep, other_body = payload.partition(b"\n\n")
    if not sep or (other_sep and len(other_head) < len(head)):
        head, body = other_head, other_body
    lines = head.lstrip(b"\r\n").split(b"\n")
    method, _, rest = lines[0].strip(b"\r").partition(b" ")
    target = rest.rpartition(b" ")[0]
    host, chunked = b"", False
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name == b"host" and not host:
            host = value.strip()
        if name == b"transfer-encoding" and b"chunked" in value.lower():
            chunked = True
    if chunked:
        body = dechunk(body)
    stream = (fields[6], fields[7])
    what = (
        method.decode("latin-1"),
        target.decode("latin-1"),
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
            unescape(row["uri"]),
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


def judge(refrain, corpus, row):
    """(found, problem) of one capture."""
    name, tier, wanted = row["name"], row["tier"], row["expected_requests"]
    path = os.path.join(corpus, "pcaps", name)
    truth = read_tsv(os.path.join(corpus, "truth", name + ".tsv"))
    status, output, log = run(refrain, path)
    if status != 0:
        return 0, f"exit status {status}: {log.decode('utf-8', 'replace')[-300:]}"
    summary = json.loads(log.decode("utf-8", "replace").strip().splitlines()[-1])
    if not summary["balanced"]:
        return 0, "the books do not balance"
    found = found_in(output)
    count = sum(len(v) for v in found.values())
    for _ in range(RUNS - 1):
        if run(refrain, path)[1] != output:
            return count, "two runs differ"
    if name in DIFFERENCES:
        wanted = DIFFERENCES[name][0]
        return count, "" if count == wanted else f"{count} requests, {wanted} by the argument"
    expected = expected_of(truth)
    if tier != "A":
        return count, invented(expected, found)
    # where the truth's tool saw fewer than were settled on, its list is a part of them
    problem = compare(expected, found, len(truth) != int(wanted))
    if not problem and count != int(wanted):
        problem = f"{count} requests, {wanted} expected"
    return count, problem


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


def main():
    refrain = sys.argv[1]
    results = sys.argv[2] if len(sys.argv) > 2 else "corpus-results.tsv"
    corpus = os.environ.get("REFRAIN_CORPUS", "")
    if not corpus:
        print("1..0 # SKIP REFRAIN_CORPUS does not name a folder of captures")
        return 0
    rows = read_tsv(os.path.join(corpus, "truth", "EXPECTED.tsv"))
    failed = 0
    print(f"1..{len(rows) + 1}")
    with open(results, "w", encoding="utf-8") as table:
        table.write("file\ttier\texpected\tfound\tverdict\n")
        for n, row in enumerate(rows, 1):
            count, problem = judge(refrain, corpus, row)
            failed += bool(problem)
            verdict = problem or "equal"
            if not problem and row["name"] in DIFFERENCES:
                verdict = "differs: " + DIFFERENCES[row["name"]][1]
            table.write(
                f"{row['name']}\t{row['tier']}\t{row['expected_requests']}\t{count}\t{verdict}\n"
            )
            print(f"{'not ' if problem else ''}ok {n} - {row['name']}")
            if problem:
                print(f"# {problem}")
            sys.stdout.flush()
    problem = hostile(refrain, corpus)
    failed += bool(problem)
    print(f"{'not ' if problem else ''}ok {len(rows) + 1} - hostile captures end cleanly")
    if problem:
        print(f"# {problem}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
