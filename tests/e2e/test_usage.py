#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Command lines as people type them: gor's articles and manuals, spellings, help, version."""
import glob
import os
import re
import subprocess
import time

import gor
import traffic
from harness import check, equal, free_port, main, need_root, test
from servers import Nginx, Target

# gor 2.0's flags, all of them
GOR_FLAGS = """
    copy-buffer-size cpuprofile exit-after http-allow-header http-allow-method http-allow-url
    http-basic-auth-filter http-disallow-header http-disallow-url http-header-limiter
    http-original-host http-param-limiter http-pprof http-rewrite-header http-rewrite-url
    http-set-header http-set-param input-dummy input-file input-file-dry-run input-file-loop
    input-file-max-wait input-file-read-depth input-kafka-host input-kafka-json-format
    input-kafka-mechanism input-kafka-offset input-kafka-password input-kafka-topic
    input-kafka-use-sasl input-kafka-username input-raw input-raw-allow-incomplete
    input-raw-bpf-filter input-raw-buffer-size input-raw-buffer-timeout input-raw-engine
    input-raw-expire input-raw-ignore-interface input-raw-monitor input-raw-override-snaplen
    input-raw-promisc input-raw-protocol input-raw-realip-header input-raw-stats
    input-raw-timestamp-type input-raw-track-response input-raw-vlan input-raw-vlan-vid
    input-raw-vxlan-port input-raw-vxlan-vni input-tcp input-tcp-certificate
    input-tcp-certificate-key input-tcp-secure kafka-tls-ca-cert kafka-tls-client-cert
    kafka-tls-client-key memprofile middleware output-binary output-binary-debug
    output-binary-timeout output-binary-track-response output-binary-workers output-file
    output-file-append output-file-buffer output-file-flush-interval output-file-max-size-limit
    output-file-queue-limit output-file-size-limit output-http output-http-elasticsearch
    output-http-queue-len output-http-redirects output-http-response-buffer
    output-http-skip-verify output-http-stats output-http-stats-ms output-http-timeout
    output-http-track-response output-http-worker-timeout output-http-workers
    output-http-workers-min output-kafka-host output-kafka-json-format output-kafka-mechanism
    output-kafka-password output-kafka-topic output-kafka-use-sasl output-kafka-username
    output-null output-stdout output-tcp output-tcp-response-buffer output-tcp-secure
    output-tcp-skip-verify output-tcp-stats output-tcp-sticky output-tcp-workers output-ws
    output-ws-skip-verify output-ws-stats output-ws-sticky output-ws-workers prettify-http
    recognize-tcp-sessions split-output stats verbose
""".split()

START = 1_700_000_000_000_000_000


def sample(case, name="test.gor", n=10):
    return case.write(name, b"".join(
        gor.make(gor.request(f"/{k}"), START + k * 1_000_000, id_=f"{k:024x}") for k in range(n)))


def shell(case, line):
    """A line as typed into a shell in the test's folder; $T etc. are filled in by the caller."""
    done = subprocess.run(["sh", "-c", line.replace("refrain", case.binary, 1)], cwd=case.dir,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    equal(done.returncode, 0, f"exit status of {line}: {done.stderr[-1500:]}")
    return done


@test("--output-file %Y%m%d.gor")
def dated(case):
    need_root()
    nginx = Nginx(case)
    refrain = case.refrain("--input-raw", f":{nginx.port}", "--output-file", "%Y%m%d.gor")
    equal(traffic.send(("127.0.0.1", nginx.port), 1, 2, 10, "small"), 20, "answers")
    refrain.stop()
    day = time.strftime("%Y%m%d")
    equal(len(gor.read(case.path(f"{day}_0.gor"))), 20, f"records in {day}_0.gor")


@test("--input-file *.gor with the shell's expansion")
def unquoted(case):
    target = Target(case)
    for name in ("a.gor", "b.gor", "c.gor"):
        sample(case, name)
    shell(case, f"refrain --input-file *.gor --output-http http://127.0.0.1:{target.port}")
    equal(len(target.arrivals), 30, "arrivals")


@test('--input-file "test.gor|200%"')
def speed(case):
    target = Target(case)
    sample(case)
    shell(case, f'refrain --input-file "test.gor|200%" --output-http 127.0.0.1:{target.port}')
    equal(len(target.arrivals), 10, "arrivals")


@test("--split-output true with two --output-tcp: each request to one of them")
def split(case):
    ports, files = [], []
    receivers = []
    for n in range(2):
        ports.append(free_port())
        files.append(case.path(f"out{n}.gor"))
        receivers.append(case.refrain("--input-tcp", f":{ports[n]}", "--output-file", files[n],
                                      "--output-file-append", ready=ports[n]))
    sample(case, n=100)
    result = case.run("--input-file", "test.gor", "--split-output", "true", "--output-tcp",
                      f"127.0.0.1:{ports[0]}", "--output-tcp", f"127.0.0.1:{ports[1]}")
    equal([result.output("output-tcp", n)["delivered"] for n in range(2)], [50, 50], "delivered")
    time.sleep(0.5)
    for receiver in receivers:
        receiver.stop()
    found = [sorted(int(r.payload.split()[1][1:]) for r in gor.read(f)) for f in files]
    equal(sorted(found[0] + found[1]), list(range(100)), "requests in both files")
    equal([len(f) for f in found], [50, 50], "requests in each")


@test("--split-output keeps a response with its request")
def split_pairs(case):
    data = b"".join(gor.make(gor.request(f"/{k}"), START, id_=f"{k:024x}") +
                    gor.make(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", START, kind=2,
                             id_=f"{k:024x}") for k in range(50))
    case.write("pairs.gor", data)
    case.run("--input-file", "pairs.gor", "--split-output", "--output-file", "x.out",
             "--output-file", "y.out", "--output-file-append")
    for name in ("x.out", "y.out"):
        records = gor.read(case.path(name))
        equal(len(records), 50, f"records in {name}")
        equal([r.id for r in records if r.type == 1], [r.id for r in records if r.type == 2],
              f"ids of the responses in {name}")


@test("--input-raw-buffer-size 10485760 and --input-raw-buffer-size 64mb")
def buffer_size(case):
    need_root()
    nginx = Nginx(case)
    for size in ("10485760", "64mb"):
        refrain = case.refrain("--input-raw", f":{nginx.port}", "--input-raw-buffer-size", size,
                               "--output-null")
        equal(traffic.send(("127.0.0.1", nginx.port), 1, 2, 10, "small"), 20, "answers")
        equal(refrain.stop().output("output-null")["delivered"], 20, "delivered")


@test('--http-header "User-Agent: x"')
def old_name(case):
    target = Target(case)
    sample(case)
    shell(case, f'refrain --input-file test.gor --http-header "User-Agent: x" '
                f'--output-http "http://127.0.0.1:{target.port}"')
    check(all(b"\r\nUser-Agent: x\r\n" in a.raw for a in target.arrivals), "no such header")
    equal(len(target.arrivals), 10, "arrivals")


@test("one dash, two dashes, = and a space mean the same")
def spellings(case):
    sample(case)
    for n, args in enumerate((("-input-file", "test.gor", "-output-file", "out0"),
                              ("--input-file=test.gor", "--output-file=out1"),
                              ("-input-file=test.gor", "--output-file", "out2"))):
        case.run(*args, "--output-file-append=true")
        equal(len(gor.read(case.path(f"out{n}"))), 10, f"records in out{n}")


@test("REFRAIN_OUTPUT_FILE_APPEND and the like set flags")
def environment(case):
    sample(case)
    case.run("--input-file", "test.gor", env={"REFRAIN_OUTPUT_FILE": case.path("env.gor"),
                                              "REFRAIN_OUTPUT_FILE_APPEND": "true"})
    equal(len(gor.read(case.path("env.gor"))), 10, "records")


@test("--help on stdout lists every option in its group; --version says which")
def help_text(case):
    done = shell(case, "refrain --help")
    text = done.stdout.decode()
    missing = [f for f in GOR_FLAGS if not re.search(rf"--{f}(?![\w-])", text)]
    equal(missing, [], "flags of gor that --help does not list")
    equal(len(GOR_FLAGS), 111, "flags of gor")
    done = shell(case, "refrain --version")
    check(b"0.1.0" in done.stdout, f"{done.stdout}")


@test("many outputs at once get the same, in the same order")
def broadcast(case):
    target = Target(case)
    sample(case, n=200)
    result = case.run("--input-file", "test.gor|1000%", "--output-stdout", "--output-null",
                      "--output-file", "copy.gor", "--output-file-append", "--output-http",
                      f"http://127.0.0.1:{target.port}")
    on_stdout = gor.parse(result.stdout)
    equal([r.id for r in gor.read(case.path("copy.gor"))], [r.id for r in on_stdout], "ids")
    equal(len(on_stdout), 200, "records on stdout")
    equal(len(target.arrivals), 200, "arrivals")
    equal(sorted(os.path.basename(p) for p in glob.glob(case.path("*.gor"))),
          ["copy.gor", "test.gor"], "files")


if __name__ == "__main__":
    main()
