#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--from in a large recording: by its index, which is written with it, made when it is missing, and
never believed when it does not fit.

Recordings of 150 MB; test_index.py full, or REFRAIN_LONG=1, for one of 10 GB as well."""
import os
import shutil
import sys
import time
import zlib

import gor
from durable import START
from harness import Skip, check, equal, long_run, main, read_bytes, test, within

LONG = long_run(sys.argv)
STEP = 10_000_000  # ns between two requests
BODY = bytes(range(32, 127)) * 160  # of 15 KB


def make(path, count, first=0):
    """Appends requests to path, one each 10 ms, as refrain writes them."""
    payload = gor.request("/large", method="POST", body=BODY)
    rest = b" 0 %d %08x 10.0.0.1:1 10.0.0.2:80\n%s%s" % (len(payload), zlib.crc32(payload), payload,
                                                        gor.SEPARATOR)
    with open(path, "ab", 1 << 20) as f:
        for n in range(first, first + count):
            f.write(b"1 %024x %d" % (n, START + n * STEP))
            f.write(rest)
    return path


def play(case, path, second, *args):
    """The numbers of what is played from that second on, for 50 ms; how long it took; whether the
    index had to be made; how many records were read in vain."""
    start = time.monotonic()
    result = case.run("--input-file", path, "--from", f"{second}s", "--to", f"{second + 0.05:.2f}s",
                      "--output-stdout", *args, timeout=600)
    took = time.monotonic() - start
    return ([int(r.id, 16) for r in gor.parse(result.stdout)], took, "index" in result.stderr,
            result.input("input-file")["records_outside"])


def expect(case, path, second, makes_index, last=False):
    found, took, made, outside = play(case, path, second)
    first = int(second * 1_000_000_000) // STEP
    equal(found, list(range(first, first + 5)), f"requests from {second} s on")
    equal(made, makes_index, f"the index is made for {second} s")
    check(outside < 2000 or last, f"{outside} records were read in vain")
    return took


def index_of(path):
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.idx")


@test("a missing index is made once, and used from then on")
def missing(case):
    path = make(case.path("x.gor"), 10000)
    expect(case, path, 90, True)
    equal(os.stat(index_of(path)).st_mode & 0o777, 0o600, "its mode")
    for second in (90, 5, 50.5, 99.9):
        expect(case, path, second, False)


@test("a damaged, torn or foreign index is never believed")
def damaged(case):
    path = make(case.path("x.gor"), 10000)
    other = make(case.path("y.gor"), 9000, 500)
    expect(case, path, 90, True)
    play(case, other, 50)
    good, foreign = read_bytes(index_of(path)), read_bytes(index_of(other))
    for bad in (b"", b"\0" * 4096, good[: len(good) // 3], good.replace(b"0", b"1"), foreign,
                good[:100] + b"#" + good[101:], good[100:]):
        with open(index_of(path), "wb") as f:
            f.write(bad)
        expect(case, path, 90, True)
        equal(read_bytes(index_of(path)), good, "the index made again")


@test("an index of what the recording was before is forgotten, and one of its beginning is continued")
def stale(case):
    path = make(case.path("x.gor"), 10000)
    expect(case, path, 90, True)
    before = read_bytes(index_of(path))
    make(path, 10000, 10000)
    expect(case, path, 95, False)
    expect(case, path, 190, True)
    check(read_bytes(index_of(path)).startswith(before), "what was known was read again")
    expect(case, path, 190, False)
    os.unlink(path)
    make(path, 20000, 7)
    found, _, made, _ = play(case, path, 190)
    equal([found, made], [list(range(19007, 19012)), True], "requests, the index is made")
    os.truncate(path, 70 << 20)
    found, _, _, _ = play(case, path, 20)
    equal(found, list(range(2007, 2012)), "requests of what is left")


@test("an index that cannot be written costs time, and nothing else")
def read_only(case):
    folder = case.path("ro")
    os.makedirs(folder)
    path = make(os.path.join(folder, "x.gor"), 5000)
    os.makedirs(index_of(path))  # in its place: a folder
    for _ in range(2):
        expect(case, path, 45, True)
    equal(sorted(os.listdir(folder)), [".x.gor.idx", "x.gor"], "files")


@test("the index is written with the recording, whatever its compression")
def written(case):
    source = make(case.path("source.gor"), 10000)
    for suffix in ("gor", "gor.gz", "gor.zst"):
        path = case.path(f"w.{suffix}")
        case.run("--input-file", f"{source}|100000rps", "--output-file", path,
                 "--output-file-append")
        for second in (90, 50):  # so well compressed it is small: read, not looked up
            expect(case, path, second, False, last=suffix != "gor")


@test("a compressed recording is sought in by its members")
def compressed(case):
    """Of bodies that cannot be compressed, so that it is large enough."""
    source = case.path("source.gor")
    with open(source, "wb", 1 << 20) as f:
        for n in range(3600):
            f.write(gor.make(gor.request("/x", method="POST", body=os.urandom(20000)),
                             START + n * STEP, id_=f"{n:024x}"))
    for suffix in ("gor.gz", "gor.zst"):
        path = case.path(f"z.{suffix}")
        case.run("--input-file", f"{source}|100000rps", "--output-file", path,
                 "--output-file-append")
        for _ in range(2):  # with the index of its writer, then with one made from it
            check(os.path.getsize(index_of(path)) > 1000, f"an index of .{suffix}")
            for second in (35, 20.5):
                expect(case, path, second, False)
            os.unlink(index_of(path))
            expect(case, path, 35, True)


@test("10 GB: within a second")
def large(case):
    if not LONG:
        raise Skip("only in the long run")
    if shutil.disk_usage(case.dir).free < 20e9:
        raise Skip("no room for 10 GB")
    path = make(case.path("x.gor"), 640000)
    within(os.path.getsize(path), 9.7e9, 10.5e9, "bytes")
    expect(case, path, 6300, True)
    for second in (6300, 3000, 10):
        within(expect(case, path, second, False), 0, 1.0, f"seconds to find {second} s")


if __name__ == "__main__":
    main()
