#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The toolbox: stat, cat, grep, cut, merge, verify and repair, on sound, damaged and hostile
recordings."""
import gzip
import json
import os
import random
import re
import subprocess

import gor
from harness import check, equal, main, read_bytes, test, within
from toolbox import SECOND, START, pair, peak_kib, record, recording, tally, tool


@test("cat gives refrain's own recordings back to the byte, plain, compressed, from a pipe")
def cat(case):
    data = b"".join(recording())
    plain = case.write("a.gor", data)
    zipped = case.write("a.gor.gz", b"".join(gzip.compress(data[i:i + 999])
                                             for i in range(0, len(data), 999)))
    for args, stdin in (([plain], b""), ([zipped], b""), (["-"], data), (["a*.gor"], b""),
                        (["--input-file", plain], b""), (["--", plain], b"")):
        out, err = tool(case, "cat", "--summary", "json", *args, stdin=stdin, text=False)
        check(out == data, f"{args}: not the same bytes")
        equal(tally(err)["written"], 40, "written")
    out, _ = tool(case, "cat", plain, zipped, "-", stdin=data, text=False)
    check(out == data * 3, "three one behind the other")
    out, err = tool(case, "cat", case.write("empty.gor", b""), case.write("e.gz", b""))
    equal((out, "0 records read = 0 written" in err), ("", True), "nothing of nothing")


@test("gor's recordings, with three and four fields, come out with length and checksum")
def from_gor(case):
    payloads = [gor.request("/a"), gor.request("/b", body=gor.SEPARATOR + b"x", method="PUT"),
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    for fields in (3, 4):
        data = b"".join(gor.make(p, START + n, kind=2 if n == 2 else 1, id_=f"{n:024x}",
                                 latency=7, fields=fields) for n, p in enumerate(payloads))
        out, _ = tool(case, "cat", case.write("old.gor", data), text=False)
        records = gor.parse(out)
        equal([r.payload for r in records], payloads, "payloads")
        equal([r.latency for r in records], [7 if fields == 4 else 0] * 3, "latencies")


@test("--output-file appears when it is whole, replaces only with --force, even its own input")
def output_file(case):
    data = b"".join(recording())
    source = case.write("in.gor", data)
    tool(case, "cat", source, "-o", "out.gor")
    check(read_bytes(case.path("out.gor")) == data, "the file differs")
    equal(os.stat(case.path("out.gor")).st_mode & 0o777, 0o600, "mode")
    tool(case, "cat", "-o", "out.gor.gz", source)
    check(gzip.decompress(read_bytes(case.path("out.gor.gz"))) == data, "the zipped file differs")
    _, err = tool(case, "cat", source, "-o", "out.gor", status=2)
    check("--force" in err, err)
    tool(case, "cut", "--count", 1, "-o", "in.gor", "--force", "in.gor")
    equal(len(gor.read(source)), 2, "records of a file that replaced itself")
    _, err = tool(case, "cat", source, "-o", case.dir, status=2)
    check("folder" in err, err)
    tool(case, "cat", source, "-o", "no/where.gor", status=1)
    _, err = tool(case, "cat", source, "-o", "/dev/full", status=1)
    check("No space" in err or "no space" in err, err)
    equal(sorted(os.listdir(case.dir)), ["in.gor", "out.gor", "out.gor.gz"], "files that are left")
    done = subprocess.run(f"{case.binary} cat {source} >/dev/full", shell=True, check=False,
                          capture_output=True, timeout=30)
    equal(done.returncode, 1, "exit status with a full standard output")


@test("grep selects by the filters of capture, and responses share their request's fate")
def grep(case):
    source = case.write("in.gor", b"".join(recording()))
    ways = [(["--http-allow-url", "^/1"], lambda n: str(n).startswith("1")),
            (["--http-allow-url", "^/1", "--invert"], lambda n: not str(n).startswith("1")),
            (["--http-allow-method", "POST"], lambda n: n % 4 == 1),
            (["--http-if", "method:GET", "--http-disallow-url", "/2$"], lambda n: n % 4 != 1 and
             n != 2),
            (["--status", "5xx"], lambda n: n % 3 == 0),
            (["--status", "503", "--invert"], lambda n: n % 3 != 0),
            (["--status", "500-504", "--http-allow-url", "^/1"], lambda n: n % 3 == 0 and
             str(n).startswith("1"))]
    for args, wanted in ways:
        out, err = tool(case, "grep", "--summary", "json", *args, source, text=False)
        records = gor.parse(out)
        numbers = [n for n in range(20) if wanted(n)]
        equal([int(r.id, 16) for r in records], [n for n in numbers for _ in "12"], f"{args}")
        t = tally(err)
        equal((t["written"], t["filtered"]), (len(records), 40 - len(records)), f"{args}: {t}")
    out, _ = tool(case, "grep", "--http-allow-url", ".", "--http-set-header", "X-New: 1",
                  "--redact", "header:Host", source, text=False)
    check(all((b"X-New: 1" in r.payload) and b"recorded.example" not in r.payload
              for r in gor.requests(gor.parse(out))), "changes are made too")
    _, err = tool(case, "grep", source, status=2)
    check("--http-allow-url" in err, err)
    _, err = tool(case, "grep", "--status", "teapot", source, status=2)
    check("teapot" in err, err)


@test("a request without a response is not selected by its status, nor lost")
def unanswered(case):
    data = b"".join(pair(n, START + n)[0] for n in range(5)) + b"".join(pair(9, START))
    source = case.write("in.gor", data)
    out, err = tool(case, "grep", "--summary", "json", "--status", "2xx", source, text=False)
    equal([int(r.id, 16) for r in gor.parse(out)], [9, 9], "answered")
    equal(tally(err)["filtered"], 5, "not selected")
    out, _ = tool(case, "grep", "--status", "2xx", "--invert", source, text=False)
    equal([int(r.id, 16) for r in gor.parse(out)], list(range(5)), "turned round")


@test("cut takes by offset, moment and count, and keeps responses with their requests")
def cut(case):
    source = case.write("in.gor", b"".join(recording()))

    def numbers(*args):
        out, err = tool(case, "cut", "--summary", "json", *args, source, text=False)
        records = gor.parse(out)
        tally(err)
        equal(sorted(r.id for r in records if r.type == 1),
              sorted(r.id for r in records if r.type == 2), f"{args}: requests and responses")
        return [int(r.id, 16) for r in gor.requests(records)]
    equal(numbers("--from", "5s"), list(range(5, 20)), "from an offset")
    equal(numbers("--to", "5s"), list(range(5)), "to an offset")
    equal(numbers("--from", "5s", "--to", "8s"), [5, 6, 7], "between")
    equal(numbers("--from", "2023-11-14T22:13:38Z"), [18, 19], "from a moment")
    equal(numbers("--skip", "17"), [17, 18, 19], "behind some")
    equal(numbers("--count", "3"), [0, 1, 2], "so many")
    equal(numbers("--from", "4s", "--skip", "2", "--count", "2"), [6, 7], "all together")
    late = case.write("late.gor", b"".join(
        sorted((r for n in range(4) for r in pair(n, START + n * SECOND, latency=3 * SECOND)),
               key=lambda r: int(r.split(b" ", 3)[2]))))
    out, _ = tool(case, "cut", "--to", "2s", late, text=False)
    equal([(r.type, int(r.id, 16)) for r in gor.parse(out)], [(1, 0), (1, 1), (2, 0), (2, 1)],
          "responses that came behind the end")
    for args in ([], ["--from", "5s", "--to", "1s"], ["--from", "soon"], ["--count", "-1"]):
        tool(case, "cut", *args, source, status=2)


@test("merge makes one timeline of files, stable for equal times")
def merge(case):
    rng = random.Random(7)
    stamps = [START + rng.randrange(0, 50) * 1000 for _ in range(600)]
    parts = [[], [], []]
    for n, ts in enumerate(stamps):
        parts[n % 3].append((ts, n))
    wanted = []
    for number, part in enumerate(parts):
        part.sort()
        case.write(f"{number}.gor", b"".join(
            record(gor.request(f"/{n}"), ts, id_=f"{n:024x}") for ts, n in part))
        wanted += [(ts, number, k, n) for k, (ts, n) in enumerate(part)]
    out, _ = tool(case, "merge", "0.gor", "1.gor", "2.gor", text=False)
    equal([int(r.id, 16) for r in gor.parse(out)], [w[3] for w in sorted(wanted)], "the order")
    # the last of them first, within the read-ahead
    records = [record(gor.request("/"), START + n, id_=f"{n:024x}") for n in range(50)]
    source = case.write("r.gor", b"".join(reversed(records)))
    out, _ = tool(case, "merge", source, text=False)
    check(out == b"".join(records), "a file that is out of order")


@test("stat counts what there is, as text and as JSON")
def stat(case):
    data = b"".join(recording()) + record(b"no HTTP", START + 30 * SECOND)
    source = case.write("in.gor", data)
    out, _ = tool(case, "stat", "--summary", "json", source)
    s = json.loads(out)
    equal((s["records"], s["requests"], s["responses"], s["not_http"]), (41, 21, 20, 1), "counts")
    records = gor.parse(data)
    equal(s["bytes"], sum(len(r.payload) for r in records), "bytes")
    equal(s["request_bytes"], sum(len(r.payload) for r in gor.requests(records)), "of requests")
    equal(s["methods"], [{"name": "GET", "count": 15}, {"name": "POST", "count": 5}], "methods")
    equal(s["hosts"], [{"name": "recorded.example", "count": 20}], "hosts")
    equal(s["statuses"], {"200": 13, "503": 7}, "statuses")
    equal((s["first"], s["duration_s"]), ("2023-11-14T22:13:20.000000000Z", 30.0), "time")
    within(s["requests_per_s"], 0.699, 0.701, "rate")
    within(s["latency_ms"]["p50"], 5.0, 5.1, "latency")
    text, _ = tool(case, "stat", source)
    for word in ("41 records: 21 requests, 20 responses", "15 GET", "7 503", "20 recorded.example",
                 "from 2023-11-14T22:13:20.000Z to 2023-11-14T22:13:50.000Z: 30.000 s"):
        check(word in text, f"no {word!r} in {text}")
    json.loads(tool(case, "stat", "--summary", "json", case.write("e.gor", b""))[0])


@test("stat shows strangers' bytes as text, and counts beyond its tables as others")
def stat_hostile(case):
    data = [record(gor.request("/", host=f"h{n}.example"), START + n) for n in range(5000)]
    data.append(record(b"GET / HTTP/1.1\r\nHost: \x1b[31m\xff\r\n\r\n", -(2 ** 63) + 1))
    data.append(record(b"GET / HTTP/1.1\r\nHost: \x1b[31m\xff\r\n\r\n", 2 ** 63 - 1))
    source = case.write("in.gor", b"".join(data[-2:] + data[:-2]))
    text, _ = tool(case, "stat", source)
    check("\x1b" not in text and "\\x1b[31m\\xff" in text, text)
    s = json.loads(tool(case, "stat", "--summary", "json", source)[0])
    equal(sum(h["count"] for h in s["hosts"]) + s["other_hosts"], 5002, "hosts in all")
    equal(len(s["hosts"]), 4096, "different ones")


def damage(rng, records):
    """Damaged bytes, the records that must survive, and where the damage lies: (offset, end)."""
    out, sound, places = [], [], []
    at = 0
    for n, r in enumerate(records):
        kind = rng.choice(["none"] * 6 + ["payload", "header", "separator", "garbage", "cut"])
        head, body = r.index(b"\n") + 1, len(r) - len(gor.SEPARATOR)
        piece = r
        if kind == "payload":
            spot = rng.randrange(head, body)
            piece = r[:spot] + bytes([r[spot] ^ 0x20]) + r[spot + 1:]
        elif kind == "header":
            piece = b"x" + r[1:]
        elif kind == "separator":
            piece = r[:body] + b"\n" + b"??" + r[body + 3:]
        elif kind == "garbage":
            piece = b"\x00\xffgarbage" + gor.SEPARATOR + r
        elif kind == "cut":
            piece = r[:body - 3] + gor.SEPARATOR
        if kind in ("none", "garbage"):
            sound.append(r)
        elif kind == "separator" and n + 1 < len(records):
            sound.append(("mended", r))
        if kind != "none":
            places.append((at, at + len(piece), kind))
        out.append(piece)
        at += len(piece)
    return b"".join(out), sound, places


@test("verify tells every damaged place, and repair drops only what is broken")
def verify_and_repair(case):
    sound = case.write("sound.gor", b"".join(recording()))
    out, _ = tool(case, "verify", sound)
    equal(out, "40 sound records, 0 damaged places\n", "of a sound file")
    for seed in range(25):
        rng = random.Random(seed)
        data, survivors, places = damage(rng, recording(15))
        source = case.write("bad.gor", data)
        out, _ = tool(case, "verify", "--summary", "json", source, status=1 if places else 0)
        found = [json.loads(line) for line in out.splitlines()]
        for d in found[:-1]:
            check(any(start <= d["offset"] < end and d["offset"] + d["bytes"] <= len(data)
                      for start, end, _ in places), f"seed {seed}: {d} is in none of {places}")
        for start, end, kind in places:
            check(any(start < d["offset"] + d["bytes"] and d["offset"] < end for d in found[:-1]),
                  f"seed {seed}: {kind} at {start} is not told: {found}")
        equal(found[-1]["damaged"], len(found) - 1, "the sum")
        fixed, err = tool(case, "repair", "--summary", "json", source, text=False)
        wanted = [r[1] if isinstance(r, tuple) else r for r in survivors]
        got = gor.parse(fixed)
        missing = [w for w in wanted if w not in fixed]
        # what follows a record whose end is in doubt may be part of it: never more than that
        check(not missing, f"seed {seed}: {len(missing)} sound records are gone, places {places}")
        equal(len(got), tally(err)["written"], "written")
        again = case.write("fixed.gor", fixed)
        tool(case, "verify", again)


@test("damage has its exact place: the first byte, the length, and why")
def exact(case):
    records = recording(4)
    torn = records[2][:-len(gor.SEPARATOR) - 5]
    flipped = records[4].replace(b"/2", b"/7")
    data = records[0] + records[1] + b"trash\n" + records[3] + flipped + records[5] + torn
    out, _ = tool(case, "verify", "--summary", "json", case.write("x.gor", data), status=1)
    found = [json.loads(line) for line in out.splitlines()][:-1]
    starts = [len(records[0] + records[1]), data.index(flipped), data.rindex(torn)]
    equal([d["offset"] for d in found], starts, f"offsets in {found}")
    equal([d["bytes"] for d in found][1:], [len(flipped), len(torn)], "lengths")
    check("CRC32" in found[1]["what"] and "cut short" in found[2]["what"], f"why: {found}")
    text, _ = tool(case, "verify", "x.gor", status=1)
    check(f"x.gor: byte {starts[1]}: {len(flipped)} bytes damaged: " in text, text)
    hostile = case.write("\x1b[31m.gor", b"junk")
    text, _ = tool(case, "verify", hostile, status=1)
    check("\x1b" not in text, f"a file's name as it is: {text!r}")


@test("gzip that is torn or damaged: what can be read is kept, the rest is told")
def zipped(case):
    data = b"".join(recording(200))
    members = [gzip.compress(data[i:i + 4000]) for i in range(0, len(data), 4000)]
    whole = b"".join(members)
    for name, bad in (("torn", whole[:-30]), ("flipped", whole[:len(members[0]) + 60] + b"XXXX" +
                                              whole[len(members[0]) + 64:])):
        source = case.write(f"{name}.gor.gz", bad)
        out, _ = tool(case, "verify", "--summary", "json", source, status=1)
        found = [json.loads(line) for line in out.splitlines()]
        check(found[0]["compressed_offset"] <= len(bad), f"{name}: {found}")
        fixed, err = tool(case, "repair", "--summary", "json", source, text=False)
        within(tally(err)["written"], 300, 399, f"{name}: kept of 400")
        gor.parse(fixed)
        _, err = tool(case, "cat", source, status=1, text=False)
        check("warning" in err, err)


@test("what is no recording, a folder, a missing file: clear errors, and nothing is written")
def bad_input(case):
    good = case.write("good.gor", b"".join(recording(2)))
    junk = case.write("junk.gor", random.Random(1).randbytes(100_000))
    for name in ("cat", "stat", "merge", "verify", "repair"):
        _, err = tool(case, name, good, "missing.gor", status=2)
        check("missing.gor" in err and "--input-file" not in err, err)
        _, err = tool(case, name, case.dir, status=2)
        check("folder" in err, err)
        _, err = tool(case, name, status=2)
        check("name a recording" in err, err)
        _, err = tool(case, name, "--no-such", good, status=2)
        check(f"refrain {name} --help" in err, err)
        _, err = tool(case, name, "--output-http", "http://x", good, status=2)
        check("no option of refrain" in err, err)
        _, err = tool(case, name, "-", "-", status=2)
        check("only once" in err, err)
    tool(case, "verify", junk, status=1)
    _, err = tool(case, "cat", junk, "-o", "out.gor", status=1)
    out, _ = tool(case, "cat", "good.gor", env={"REFRAIN_OUTPUT_FILE": "led-astray.gor",
                                                "REFRAIN_INPUT_FILE": "missing.gor"}, text=False)
    check(out == read_bytes(good), "the recorder's environment is not for tools")
    _, err = tool(case, "cat", good, "missing.gor", "-o", "never.gor", status=2)
    check(not os.path.exists(case.path("never.gor")), "a file of a failed run")


@test("hostile headers and lengths cost neither memory nor time")
def hostile(case):
    rng = random.Random(3)
    lines = [b"1 x 1 1 99999999999999999999 00000000 - -\n", b"1 x 1 1 1073741824 00000000 - -\n",
             b"9 " + b"y" * 64 + b" -9223372036854775807 5\n", b"1 2 3\n", gor.SEPARATOR,
             b"1 x 5 0\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n"]
    for seed in range(10):
        data = b"".join(rng.choice(lines + [rng.randbytes(40)]) for _ in range(3000))
        source = case.write("h.gor", data)
        for name in ("stat", "repair"):
            tool(case, name, source, status=0 if name == "repair" else 1, text=False)
        fixed = case.write("fixed.gor", tool(case, "repair", source, text=False)[0])
        tool(case, "verify", fixed)


@test("memory does not grow with the recording")
def memory(case):
    long = bool(os.environ.get("REFRAIN_LONG"))
    block = b"".join(recording(2000, step=1000))
    small, large = case.path("small.gor"), case.path("large.gor")
    for path, size in ((small, 10 << 20), (large, (1 << 30) if long else (60 << 20))):
        with open(path, "wb") as f:
            for _ in range(size // len(block)):
                f.write(block)
    ways = [["stat"], ["cat"], ["grep", "--status", "5xx"], ["merge"], ["verify"], ["repair"],
            ["cut", "--from", "1us"]]
    for args in ways if long else ways[:4]:
        few, many = peak_kib(case, *args, small), peak_kib(case, *args, large)
        print(f"# {' '.join(args)}: {few} KiB for 10 MB, {many} KiB for "
              f"{os.stat(large).st_size >> 20} MiB")
        within(many, 0, few + 16 * 1024, f"{args}: peak for the large file")


@test("each tool's help lists its options, and fits its width")
def helps(case):
    out, _ = tool(case, "--help")
    for name in ("stat", "cat", "grep", "cut", "merge", "verify", "repair"):
        check(re.search(rf"^  {name} +[A-Z]", out, re.M), f"{name} is not in refrain --help")
        text, _ = tool(case, name, "--help")
        check(text.startswith(f"refrain {name}: ") and "--output-http" not in text, text[:200])
        check(max(map(len, text.splitlines())) <= 100, "a line is too long")
        tool(case, name, "--version")


if __name__ == "__main__":
    main()
