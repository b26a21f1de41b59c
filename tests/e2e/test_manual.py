#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every command in the manual pages and in the README runs as it is written there, with nothing
replaced but hosts and ports; those of refrain-operate(7) are run by test_operate.py."""
import concurrent.futures
import gzip
import os
import re
import shlex
import struct
import subprocess
import zlib

import gor
import pages
from harness import Failure, Skip, check, free_port, main, need_root, sh, test, wait_until
from servers import Target

PAGES = [page for page in pages.all_pages() if page != "refrain-operate.7"]
AT_ONCE = 4
MAX_NOT_RUN = 4  # of all pages
START = 1_699_970_699_900_000_000  # 100 ms before 14:05 UTC, of which an example speaks
# what an example's requests must look like to pass its filters
HEADERS = ["X-User-Type: tester", "X-User: u1", "Cookie: sid=1", "Content-Type: application/json"]


def readme():
    """(where, command) of the examples in the README."""
    with open(os.path.join(pages.ROOT, "README.md"), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            match = re.match(r" {4}(?:sudo )?build/cmd/(refrain .*)", line)
            if match:
                yield f"README.md:{number}", match.group(1)


def examples():
    """(where, command) of all that is to be run."""
    for page in PAGES:
        for block in pages.blocks(page):
            if block.kind in ("run", "checked"):
                for command in pages.commands(block):
                    yield block.where, command + (" --check-config" if block.kind == "checked" else "")
    yield from readme()


def needs_shell(command):
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    found = list(words)
    return found[0] != "refrain" or any(word in found for word in ("|", ">", "<", "&&", ";"))


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


def run_in_shell(case, command):
    """What is more than one program, or another than refrain."""
    Scene(case)
    path = f"{os.path.dirname(case.binary)}:{os.environ['PATH']}"  # it is called refrain there
    done = subprocess.run(["sh", "-c", command], cwd=case.dir, capture_output=True, timeout=60,
                          check=False, env={**os.environ, "PATH": path, "TZ": "UTC"})
    check(done.returncode == 0, f"status {done.returncode}: {done.stderr}")
    for name in re.findall(r">\s*(\S+)", command):
        check(os.path.getsize(case.path(name)) > 0, f"nothing in {name}")


def run_one(case, where, command):
    """Why it was skipped, or None."""
    inner = type(case)(case.binary)
    try:
        with inner.stack:
            if needs_shell(command):
                run_in_shell(inner, command)
            elif "--check-config" in command:
                sh(inner.binary, *shlex.split(command)[1:])
            else:
                run_example(inner, command)
    except Skip as e:
        return str(e)
    except Failure as e:
        raise Failure(f"{where}: {command}: {e}") from None
    return None


@test("every command of the manual and the README runs as it is written")
def commands(case):
    found = list(examples())
    check(len(found) >= 35, f"only {len(found)} examples were found")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:  # for the most part they wait
        skipped = [why for why in pool.map(lambda one: run_one(case, *one), found) if why]
    if skipped:
        raise Skip(skipped[0])


@test("what no test can run says why, and is little; the rest of the blocks say what they are")
def not_run(_case):
    found = [block for page in pages.all_pages() for block in pages.blocks(page)]
    left = [block for block in found if block.kind == "not run"]
    for block in left:
        print(f"# not run: {block.where}: {block.note}: {pages.commands(block)[0]}")
    print(f"# {len(left)} of {len(found)} blocks are not run")
    check(len(left) <= MAX_NOT_RUN, f"{len(left)} blocks are not run")
    for block in found:
        check(block.kind == "run" or block.note, f"{block.where}: no word about why")
        check(block.kind != "shown" or not block.lines[0].startswith(("refrain --", "sudo ")),
              f"{block.where}: this can be run")


@test("the record of refrain-file(5) is one")
def record(case):
    block = next(b for b in pages.blocks("refrain-file.5") if b.note == "a record")
    payload = "".join(line + "\r\n" for line in block.lines[1:]).encode()
    header = block.lines[0].split()
    check(int(header[4]) == len(payload), f"a length of {header[4]} instead of {len(payload)}")
    check(int(header[5], 16) == zlib.crc32(payload), f"a CRC of {header[5]}")
    case.write("requests.gor", block.lines[0].encode() + b"\n" + payload + gor.SEPARATOR)
    check("requests.gor: good" in sh(case.binary, "verify", case.path("requests.gor")) or
          "1" in sh(case.binary, "stat", case.path("requests.gor")), "it is not read")
    case.run("--input-file", "requests.gor", "--output-null")


if __name__ == "__main__":
    main()
