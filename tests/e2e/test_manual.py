#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every command in the manual pages and in the README runs as it is written there, with nothing
replaced but hosts and ports."""
import gzip
import os
import re
import shlex
import struct
import subprocess

import gor
from harness import Failure, Skip, check, free_port, main, need_root, sh, test, wait_until
from servers import Target

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
START = 1_700_000_000_000_000_000
# what an example's requests must look like to pass its filters
HEADERS = ["X-User-Type: tester", "X-User: u1", "Cookie: sid=1", "Content-Type: application/json"]


def commands():
    """(where, command) of all examples."""
    found = []
    for page in ("refrain.1.in", "refrain-tools.1.in", "refrain-file.5", "refrain-gor.7.in",
                 "refrain-operate.7"):
        with open(os.path.join(ROOT, "man", page), encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                match = re.match(r"\.Dl (?:sudo )?(refrain .*)", line)
                if match:
                    found.append((f"{page}:{number}", match.group(1).replace("\\&", "")
                                  .replace("\\-", "-").replace("\\(aq", "'")
                                  .replace("\\(dq", "\"")))
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            match = re.match(r" {4}(?:sudo )?build/cmd/(refrain .*)", line)
            if match:
                found.append((f"README.md:{number}", match.group(1)))
    return found


def recording():
    return b"".join(
        gor.make(payload, START + n * 10_000_000 + kind, kind=kind, id_=f"{n:024x}")
        for n in range(20)
        for kind, payload in ((1, gor.request(f"/api/{n}", headers=HEADERS)),
                              (2, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))


def capture():
    """A capture file with one request to port 8080, made by hand: raw IPv4."""
    payload = gor.request("/api")
    tcp = struct.pack("!HHIIBBHHH", 40000, 8080, 1, 1, 0x50, 0x18, 65535, 0, 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, b"\x0a\0\0\1",
                     b"\x0a\0\0\2") + tcp
    return (struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101) +
            struct.pack("<IIII", 1700000000, 0, len(ip), len(ip)) + ip)


class Scene:
    """Files and servers that the examples speak of."""

    def __init__(self, case):
        self.case = case
        case.write("requests.gor", recording())
        case.write("requests-20231114_0.gor.gz", gzip.compress(recording()))
        case.write("capture.pcap", capture())
        self.server = Target(case, answer=b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        self.target = Target(case)
        self.relay = free_port()

    def localized(self, word):
        word = re.sub(r"(?<![0-9])8080\b", str(self.server.port), word, count=1) \
            if "staging" not in word and "capture.pcap" not in word else word
        word = re.sub(r"http://[a-z]+(\.example)?(:[0-9]+)?(?=$|\|)",
                      f"http://127.0.0.1:{self.target.port}", word)
        word = re.sub(r"http://127\.0\.0\.1:9090", f"http://127.0.0.1:{self.target.port}", word)
        word = re.sub(r"replayer\.example:28020|replay:28020", f"127.0.0.1:{self.relay}", word)
        return re.sub(r"^(0\.0\.0\.0)?:28020", f"127.0.0.1:{self.relay}", word)

    def traffic(self):
        """Twenty requests to the server, by curl."""
        for n in range(20):
            args = [f"http://127.0.0.1:{self.server.port}/api/{n}"]
            for header in HEADERS:
                args += ["-H", header]
            curl = self.case.spawn("curl", "-s", "-o", "/dev/null", *args)
            curl.wait(10)

    def run(self, command):
        args = [self.localized(word) for word in shlex.split(command)[1:]]
        if args[0] == "doctor":
            check("capture" in sh(self.case.binary, *args), "doctor says nothing of the capture")
            return None
        if not args[0].startswith("-") and args[0] != "explain":
            before = os.listdir(self.case.dir)
            done = subprocess.run([self.case.binary, *args], cwd=self.case.dir, check=False,
                                  capture_output=True, timeout=60)
            check(done.returncode == 0, f"status {done.returncode}: {done.stderr}")
            check(done.stdout or set(os.listdir(self.case.dir)) - set(before), "nothing was written")
            return None
        if args[0] == "explain":
            text = sh(self.case.binary, *args[:2], self.case.path(args[2]), *args[3:])
            check("sent" in text, f"explain says: {text[:300]}")
            return None
        live = "--input-raw" in args and "capture.pcap" not in command
        if "--input-tcp" in args:
            process = self.case.refrain(*args, ready=self.relay)
            return process.stop()
        if not live:
            return self.case.run(*args)
        process = self.case.refrain(*args)
        self.traffic()
        wait_until(lambda: len(self.server.arrivals) >= 20, "the server got the requests")
        # an example that sends to what is not there must be stopped for good
        away = {"--output-tcp", "--output-http-elasticsearch"} & set(args)
        return process.stop(status=None if away else 0)


def files_written(folder, before):
    return [name for name in os.listdir(folder) if name not in before and ".gor" in name]


def run_example(case, command):
    if "--input-raw" in command and "capture.pcap" not in command:
        need_root()
    scene = Scene(case)
    before = os.listdir(case.dir)
    result = scene.run(command)
    if not result:
        return
    if "--output-file" in command:
        check(files_written(case.dir, before) or os.path.getsize(case.path("requests.gor")) >
              len(recording()), "no file was written")
    if "--output-stdout" in command:
        check(b"GET /api/" in result.stdout, "nothing on standard output")
    outs = [o for o in result.summary["outputs"] if "tcp" not in o["name"]] if result.summary else []
    if outs and "--input-tcp" not in command and "dry-run" not in command:
        check(sum(o["seen"] for o in outs) > 0, "the example saw no request")


@test("every command of the manual and the README runs as it is written")
def examples(case):
    found = commands()
    check(len(found) >= 15, f"only {len(found)} examples were found")
    skipped = []
    for where, command in found:
        inner = type(case)(case.binary)
        try:
            with inner.stack:
                run_example(inner, command)
        except Skip as e:
            skipped.append(str(e))
        except Failure as e:
            raise Failure(f"{where}: {command}: {e}") from None
    if skipped:
        raise Skip(skipped[0])


if __name__ == "__main__":
    main()
