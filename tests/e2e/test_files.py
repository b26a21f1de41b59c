#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The file output: names, chunks, limits, appending, gzip, and what a kill leaves behind."""
import glob
import gzip
import os
import re
import signal
import stat
import time
import zlib

import gor
from harness import check, equal, main, read_bytes, test, wait_until, within

START = 1_700_000_000_000_000_000


def file_of(case, n, size=0, name="in.records"):
    return case.write(name, b"".join(
        gor.make(gor.request(f"/{k}", headers=("X-Pad: " + "p" * size,)), START, id_=f"{k:024x}")
        for k in range(n)))


def write(case, n, template, *args, size=0, **kwargs):
    return case.run("--input-file", file_of(case, n, size), "--output-file",
                    case.path(template), *args, **kwargs)


def paths(records):
    return [r.payload.split()[1].decode() for r in records]


@test("date placeholders are the local time's")
def dates(case):
    before = time.localtime()
    write(case, 1, "x-%Y-%m-%d-%H-%M.gor", "--output-file-append")
    names = {time.strftime("x-%Y-%m-%d-%H-%M.gor", t) for t in (before, time.localtime())}
    found = {os.path.basename(p) for p in glob.glob(case.path("x-*"))}
    check(len(found) == 1 and found <= names, f"{found} is not among {names}")


@test("%S, %NS and %i: seconds, nanoseconds, eight letters of the process")
def short_lived(case):
    write(case, 1, "y-%S-%NS-%i.gor", "--output-file-append")
    found = [os.path.basename(p) for p in glob.glob(case.path("y-*"))]
    check(any(re.fullmatch(r"y-[0-5]\d-\d{1,9}-[A-Za-z]{8}\.gor", f) for f in found), f"{found}")


@test("%r and %t: one file for each record, by id and type")
def per_record(case):
    data = b"".join(gor.make(gor.request(f"/{k}"), START, id_=f"{k:024x}") +
                    gor.make(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", START, kind=2,
                             id_=f"{k:024x}") for k in range(3))
    case.run("--input-file", case.write("in.records", data), "--output-file",
             case.path("%r-%t.gor"), "--output-file-append")
    for k in range(3):
        for kind in (1, 2):
            records = gor.read(case.path(f"{k:024x}-{kind}.gor"))
            equal([(r.id, r.type) for r in records], [(f"{k:024x}", kind)], "records")


@test("an unknown placeholder stays as it is")
def unknown(case):
    write(case, 1, "z-%x%ID.gor", "--output-file-append")
    check(os.path.exists(case.path("z-%x%ID.gor")), f"{os.listdir(case.dir)}")


@test("the chunk index comes before the whole extension and goes on after the last run")
def chunk_index(case):
    for _ in range(2):
        write(case, 5, "req.gor.gz", "--output-file-queue-limit", "2")
    found = sorted(os.path.basename(p) for p in glob.glob(case.path("req*")))
    equal(found, [f"req_{n}.gor.gz" for n in range(6)], "files of two runs")
    equal([len(gor.read(case.path(f"req_{n}.gor.gz"))) for n in range(6)], [2, 2, 1, 2, 2, 1],
          "records in each")


@test("by default a chunk has 256 records")
def default_limit(case):
    write(case, 600, "d.gor")
    equal([len(gor.read(case.path(f"d_{n}.gor"))) for n in range(3)], [256, 256, 88], "records")


@test("files with names alike do not steal the index")
def alike(case):
    for name in ("req-old.gor", "req_other_7.gor", "req_dir"):
        case.write(name, "keep")
    write(case, 1, "req.gor")
    equal(len(gor.read(case.path("req_0.gor"))), 1, "records in req_0.gor")
    equal(read_bytes(case.path("req_other_7.gor")), b"keep", "the other file")


@test("--output-file-size-limit starts a new file, kb as well as k")
def size_limit(case):
    for name, limit in (("s", "10kb"), ("t", "10k")):
        write(case, 100, f"{name}.gor", "--output-file-size-limit", limit,
              "--output-file-queue-limit", "0", size=500)
        files = sorted(glob.glob(case.path(f"{name}_*.gor")),
                       key=lambda p: int(re.search(r"_(\d+)\.gor", p).group(1)))
        check(len(files) > 5, f"{len(files)} files")
        check(all(os.path.getsize(f) <= 10240 + 1024 for f in files), "a file beyond its limit")
        equal(sum((paths(gor.read(f)) for f in files), []), [f"/{k}" for k in range(100)],
              "records in all of them, in order")


@test("--output-file-max-size-limit ends the writing, counts the rest, and the program goes on")
def max_size(case):
    result = write(case, 100, "m.gor", "--output-file-max-size-limit", "10kb", "--output-null",
                   size=500, status=None)
    out = result.output("output-file")
    equal(out["delivered"] + out["failed"], 100, "delivered and failed")
    within(out["delivered"], 5, 30, "delivered")
    equal(result.output("output-null")["delivered"], 100, "delivered to the other output")


@test("--output-file-append appends: two runs, one file")
def append(case):
    for _ in range(2):
        write(case, 300, "a.gor", "--output-file-append")
        write(case, 300, "a.gor.gz", "--output-file-append")
    for name in ("a.gor", "a.gor.gz"):
        equal(paths(gor.read(case.path(name))), [f"/{k}" for k in range(300)] * 2, name)


@test("files are for their owner alone, whatever the umask")
def mode(case):
    old = os.umask(0)
    try:
        write(case, 1, "new/secret.gor", "--output-file-append")
    finally:
        os.umask(old)
    equal(stat.S_IMODE(os.stat(case.path("new/secret.gor")).st_mode), 0o600, "mode")


@test("a flush comes within the interval: kill -9 leaves what was older, readable")
def kill(case):
    out = case.path("k.gor.gz")
    refrain = case.refrain("--input-file", file_of(case, 3), "--input-file-loop", "--output-file",
                           f"{out}|200", "--output-file-append", "--output-file-flush-interval",
                           "200ms", ready=False)
    time.sleep(2.0)
    refrain.process.send_signal(signal.SIGKILL)
    refrain.process.wait()
    data = b""
    rest = read_bytes(out)
    while rest:
        member = zlib.decompressobj(31)
        data += member.decompress(rest)
        if not member.eof:
            break
        rest = member.unused_data
    records = gor.parse(data[:data.rindex(gor.SEPARATOR) + len(gor.SEPARATOR)])
    check(len(records) >= 150, f"only {len(records)} records of 2 s at 200 a second")


@test("SIGHUP opens the file again: log rotation loses nothing")
def reopen(case):
    out = case.path("r.gor")
    refrain = case.refrain("--input-file", file_of(case, 3), "--input-file-loop", "--output-file",
                           f"{out}|500", "--output-file-append", ready=False)
    rotated = []
    wait_until(lambda: os.path.exists(out), "the file is there")
    for n in range(5):
        time.sleep(0.2)
        os.rename(out, f"{out}.{n}")
        rotated.append(f"{out}.{n}")
        refrain.send(signal.SIGHUP)
        wait_until(lambda: os.path.exists(out), "the file is there again", 5)
    result = refrain.stop(status=None)
    total = sum(len(gor.parse(read_bytes(f))) for f in [*rotated, out])
    equal(total, result.output("output-file")["delivered"], "records in all files")


@test(".gz by name alone, read by gzip")
def gz(case):
    write(case, 100, "g.gor.gz", "--output-file-append")
    with gzip.open(case.path("g.gor.gz")) as f:
        equal(paths(gor.parse(f.read())), [f"/{k}" for k in range(100)], "records")


if __name__ == "__main__":
    main()
