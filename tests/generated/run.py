#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Captures made from a seed, with known truth: what refrain must find in them, byte for byte.

Each profile mixes one kind of trouble into hundreds of interleaved connections. Expected: every
request that is whole on the wire, in order per connection; of a damaged one nothing; the next one
found again. A failure prints the seed, which makes the same capture again.

usage: run.py REFRAIN [--seeds N] [--first SEED] [--profile NAME]
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import exchange  # noqa: E402
import packets as p  # noqa: E402
from connection import SERVER_PORT, Connection, to_ip  # noqa: E402

START_NS = 1_700_000_000 * 10**9


PROFILES = ["cuts", "reorder", "retransmit", "overlap", "wrap", "syn_data", "probes", "zero_window",
            "one_way", "server_only", "midstream", "hole", "snaplen", "ip_options", "fragments",
            "tso", "reuse", "twice", "links", "networks", "crowd", "answers"]
# connections that are interleaved
CROWDS = {"crowd": [2000]}
# a capture of that profile counts as so many
WORTH = {"crowd": 100}
SNAPLEN = 300


def lost_to_snaplen(conn, segments, overhead):
    """Marks the requests of which a packet is longer than the snaplen."""
    ends, end = [], 0
    for request in conn.requests:
        end += len(request)
        ends.append(end)
    for segment in segments:
        at = (segment[0] - conn.isn - 1) % 2**32
        if segment[3] and overhead + len(segment[2]) > SNAPLEN:
            for i, e in enumerate(ends):
                if at < e:
                    conn.expected[i] = None
                    break


def build(seed, profile):
    """(link, packets, expected per connection)"""
    rng = random.Random(f"{seed}/{profile}")
    link = "ethernet"
    if profile in ("links", "networks"):
        link = rng.choice(sorted(p.LINKS if profile == "links" else p.NETWORKS))
    conns, queues, networks = [], [], {}
    for number in range(rng.choice(CROWDS.get(profile, [1, 2, 6]))):
        v6 = profile != "fragments" and rng.random() < 0.3
        if profile == "answers":
            conn = exchange.Exchange(rng, number, v6)
        else:
            conn = Connection(rng, number // 2 if profile == "networks" else number, profile, v6)
        if profile == "networks":
            # each two connections have the same addresses and ports, in different networks
            twin = conns[-1] if number % 2 else conn
            conn.client, conn.server, conn.v6 = twin.client, twin.server, twin.v6
            networks[conn] = rng.randrange(1, 2000) * 2 + number % 2
        segments = conn.segments()
        if profile == "snaplen":
            # Ethernet, IP, TCP with its options
            lost_to_snaplen(conn, segments, 14 + (40 if v6 else 20) + 20 + 12)
        conns.append(conn)
        queues.append([(conn, s) for s in segments])
        if profile == "reuse":
            again = Connection(rng, number, profile, v6)
            again.isn = (conn.isn + sum(map(len, conn.requests)) + 100_000) % 2**32
            conns.append(again)
            queues[-1] += [(again, s) for s in again.segments()]
    now, out = START_NS, []
    queues = [q for q in queues if q]
    while queues:
        queue = rng.choice(queues)
        conn, segment = queue.pop(0)
        if not queue:
            queues.remove(queue)
        for packet in to_ip(conn, segment, rng, profile):
            now += rng.randrange(1, 200_000)
            for _ in range(1 + (profile == "twice" and rng.random() < 0.7)):
                out.append((now, p.frame(link, packet, networks.get(conn, 7))))
    expected = {}
    for conn in conns:
        key = (conn.client, conn.port)
        expected.setdefault(key, []).extend(r for r in conn.expected if r is not None)
    return link, out, expected


def compare(profile, expected, output):
    """"", or how what was found differs."""
    if profile == "answers":
        return exchange.compare(expected, parse(output, with_head=True))
    found = parse(output)
    for key in sorted(set(expected) | set(found)):
        want, got = expected.get(key, []), found.get(key, [])
        # requests of two networks are in one list each, in the order of both
        if want == got or (profile == "networks" and sorted(want) == sorted(got)):
            continue
        names = [r.split(b" ", 2)[1][:12] for r in want], [r.split(b" ", 2)[1][:12] for r in got]
        return f"{key}: {len(want)} expected {names[0]}, {len(got)} found {names[1]}"
    return ""


def parse(output, with_head=False):
    """Payloads by client, or (header fields, payload) of all records."""
    found, records, at = {}, [], 0
    while at < len(output):
        end = output.index(b"\n", at)
        fields = output[at:end].decode().split(" ")
        length = int(fields[4])
        payload = output[end + 1 : end + 1 + length]
        if zlib.crc32(payload) != int(fields[5], 16):
            raise ValueError("checksum")
        at = end + 1 + length + 14
        host, _, port = fields[6].rpartition(":")
        found.setdefault((host.strip("[]"), int(port)), []).append(payload)
        records.append((fields, payload))
    return records if with_head else found


def check(refrain, seed, profile, path):
    link, frames, expected = build(seed, profile)
    p.write_pcap(path, link, frames, SNAPLEN if profile == "snaplen" else 262144)
    cmd = [refrain, "--input-raw", f"{path}:{SERVER_PORT}", "--input-raw-engine", "pcap_file",
           "--output-stdout", "--summary", "json"]
    if profile == "answers":
        cmd.append("--input-raw-track-response")
    done = subprocess.run(cmd, capture_output=True, timeout=60, check=False)
    log = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        return f"exit status {done.returncode}: {log[-400:]}"
    if not json.loads(log.strip().splitlines()[-1])["balanced"]:
        return "the books do not balance"
    return compare(profile, expected, done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("refrain")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--profile", choices=PROFILES, action="append")
    args = parser.parse_args()
    profiles = args.profile or PROFILES
    failed = 0
    print(f"1..{len(profiles)}")
    with tempfile.TemporaryDirectory() as folder:
        for n, profile in enumerate(profiles, 1):
            problem = ""
            count = -(-args.seeds // WORTH.get(profile, 1))
            for seed in range(args.first, args.first + count):
                problem = check(args.refrain, seed, profile, os.path.join(folder, "a.pcap"))
                if problem:
                    problem = f"seed {seed}: {problem}"
                    break
            failed += bool(problem)
            print(f"{'not ' if problem else ''}ok {n} - {profile}: {count} captures")
            if problem:
                print(f"# {problem}")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
