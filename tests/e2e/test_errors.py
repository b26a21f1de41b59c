#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad input: one line that quotes what was wrong and says what to do, and a documented status."""
import gzip
import os
import socket
import time

import gor
from harness import check, equal, free_port, main, need, need_root, test

START = 1_700_000_000_000_000_000

# arguments; exit status; words that the line must have
USAGE = (
    (("--input-fil", "x", "--output-null"), ("--input-fil", "--input-file")),
    (("--out-http", "x"), ("--out-http", "--output-http")),
    (("--input-file",), ("--input-file",)),
    (("--output-null",), ("--input-",)),
    (("--input-dummy", "x"), ("--output-",)),
    (("--input-dummy", "x|abc", "--output-null"), ("abc",)),
    (("--input-dummy", "x", "--output-http", "http://127.0.0.1:1|-5"), ("-5",)),
    (("--input-dummy", "x", "--output-http", "http://127.0.0.1:1|10.5.1%"), ("10.5.1%",)),
    (("--input-dummy", "x", "--output-http", "http://127.0.0.1:1|0"), ("|0",)),
    (("--input-dummy", "x", "--output-null", "--exit-after", "5"), ("5", "exit-after")),
    (("--input-dummy", "x", "--output-null", "--exit-after", "soon"), ("soon",)),
    (("--input-dummy", "x", "--output-null", "--output-file-size-limit", "32q"), ("32q",)),
    (("--input-dummy", "x", "--output-null", "--output-http-workers", "many"), ("many",)),
    (("--input-dummy", "x", "--output-null", "--split-output=perhaps"), ("perhaps",)),
    (("--input-dummy", "x", "--output-http", "ftp://127.0.0.1/"), ("ftp",)),
    (("--input-dummy", "x", "--output-http", "http://"), ("http://",)),
    (("--input-raw", ":notaport", "--output-null"), ("notaport",)),
    (("--input-raw", ":99999", "--output-null"), ("99999",)),
    (("--input-raw", "80", "--output-null"), ("80", ":80")),
    (("--input-dummy", "x", "--output-null", "--http-allow-url", "(unclosed"), ("(unclosed",)),
    (("--input-dummy", "x", "--output-null", "--http-set-header", "no colon"), ("no colon",)),
    (("--input-dummy", "x", "--output-tcp", "127.0.0.1"), ("127.0.0.1",)),
    (("--input-raw-engine", "magic", "--input-raw", ":80", "--output-null"), ("magic",)),
    (("--input-dummy", "x", "--output-file", "s3://bucket/x.gor"), ("s3://",)),
    (("--input-file", "s3://bucket/x.gor", "--output-null"), ("s3://",)),
    (("--input-raw", "k8s://default/pod/x:80", "--output-null"), ("k8s://", "node")),
)

NOT_BUILT = (
    ("--http-pprof", ":1"), ("--cpuprofile", "x"), ("--memprofile", "x"), ("--copy-buffer-size", "1mb"),
    ("--output-file-buffer", "/var/tmp"),
)


@test("usage errors: status 2, one line, the offending text")
def usage(case):
    problems = []
    for args, words in USAGE:
        try:
            case.refuse(*args, status=2, words=words)
        except AssertionError as e:
            problems.append(f"{' '.join(args)}: {e}")
    equal(problems, [], "usage errors that went otherwise")


@test("flags of gor that are not built yet stop the start with status 2")
def not_built(case):
    problems = []
    for args in NOT_BUILT:
        try:
            case.refuse("--input-dummy", "x", "--output-null", *args, "--exit-after", "1s",
                        status=2, words=(args[0], "not available in this version"))
        except AssertionError as e:
            problems.append(f"{' '.join(args)}: {e}")
    equal(problems, [], "flags that went otherwise")


@test("an unknown interface: those that exist are listed")
def interface(case):
    need_root()
    case.refuse("--input-raw", "eth99:80", "--output-null", status=2, words=("eth99", "lo"))


@test("a file that is not there, or cannot be read")
def no_file(case):
    case.refuse("--input-file", "absent.gor", "--output-null", status=2, words=("absent.gor",))
    case.refuse("--input-file", "absent*.gor", "--output-null", status=2, words=("absent*.gor",))
    need_root()
    need("setpriv")
    path = case.write("secret.gor", b"")
    os.chmod(path, 0)
    case.refuse("--input-file", path, "--output-null", status=1, words=("secret.gor", "ermission"),
                prefix=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"))


@test("an unwritable folder")
def no_folder(case):
    file = case.write("in.gor", gor.make(gor.request("/"), START))
    case.write("file", b"")
    case.refuse("--input-file", file, "--output-file", case.path("file/out.gor"), status=1,
                words=("file/out",))
    need_root()
    need("setpriv")
    case.refuse("--input-dummy", "x", "--output-file", "/root-only-refrain/x.gor", status=1,
                words=("/root-only-refrain",),
                prefix=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"))


@test("a port in use")
def port_in_use(case):
    with socket.create_server(("127.0.0.1", 0)) as s:
        address = f"127.0.0.1:{s.getsockname()[1]}"
        case.refuse("--input-tcp", address, "--output-null", status=1, words=(address, "in use"))


@test("a capture file that is none")
def no_capture(case):
    path = case.write("text.pcap", b"this is no capture\n" * 100)
    case.refuse("--input-raw", f"{path}:80", "--input-raw-engine", "pcap_file", "--output-null",
                status=1, words=("text.pcap",))
    case.refuse("--input-raw", "absent.pcap:80", "--input-raw-engine", "pcap_file",
                "--output-null", status=1, words=("absent.pcap",))


@test("a .gz that is not gzip: an error with its name, the other file replays")
def no_gzip(case):
    case.write("a.gor.gz", b"plain text")
    case.write("b.gor.gz", gzip.compress(gor.make(gor.request("/"), START)))
    result = case.run("--input-file", case.path("*.gor.gz"), "--output-null", status=None)
    equal(result.output("output-null")["delivered"], 1, "delivered")
    check("a.gor.gz" in result.stderr, f"no word about the file: {result.stderr[:500]}")


@test("a file of garbage: damage is counted, nothing is made up of it")
def garbage(case):
    data = bytes((k * 7919 + (k >> 3)) % 256 for k in range(200000))
    path = case.write("garbage.gor", data + gor.SEPARATOR + gor.make(gor.request("/"), START))
    result = case.run("--input-file", path, "--output-null", status=None)
    equal(result.output("output-null")["delivered"], 1, "delivered")
    check(result.input("input-file")["records_damaged"] >= 1, "records_damaged")


@test("a refused relay keeps what it has until told to stop, then says what was not delivered")
def refused_relay(case):
    port = free_port()
    file = case.write("in.gor", b"".join(
        gor.make(gor.request(f"/{k}"), START, id_=f"{k:024x}") for k in range(20)))
    refrain = case.refrain("--input-file", file, "--output-tcp", f"127.0.0.1:{port}",
                           "--drain-timeout", "1s", ready=False)
    time.sleep(2)
    check(refrain.process.poll() is None, "it ended although nothing was delivered")
    result = refrain.stop(status=6)
    out = result.output("output-tcp")
    equal(out["abandoned"] + out["failed"], 20, "abandoned and failed")
    check(str(port) in result.stderr and "efused" in result.stderr, "no word about the refusal")


@test("--max-loss: status 4 when more was lost")
def max_loss(case):
    file = case.write("in.gor", b"".join(
        gor.make(gor.request(f"/{k}"), START, id_=f"{k:024x}") for k in range(20)))
    args = ("--input-file", file, "--output-http", f"http://127.0.0.1:{free_port()}")
    result = case.run(*args, "--max-loss", "1%", status=4)
    check("100" in result.stderr, f"no figure: {result.stderr[-300:]}")
    case.run("--input-file", file, "--output-null", "--max-loss", "0%", status=0)


if __name__ == "__main__":
    main()
