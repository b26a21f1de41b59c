# SPDX-License-Identifier: MIT
"""Recordings as refrain writes them, and the tools run over them."""
import json
import os
import subprocess
import zlib

import gor
from harness import check, equal

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
QUIET = {"ASAN_OPTIONS": "quarantine_size_mb=1:malloc_context_size=1"}


def record(payload, ts, kind=1, id_="0" * 24, latency=0, src="10.0.0.1:4000", dst="10.0.0.2:80"):
    """As refrain writes it."""
    head = f"{kind} {id_} {ts} {latency} {len(payload)} {zlib.crc32(payload):08x} {src} {dst}\n"
    return head.encode() + payload + gor.SEPARATOR


def pair(n, ts, status=200, path=None, body=b"", latency=5_000_000, host="recorded.example"):
    id_ = f"{n:024x}"
    return [record(gor.request(path or f"/{n}", host=host, method="POST" if body else "GET",
                               body=body), ts, id_=id_),
            record(f"HTTP/1.1 {status} Word\r\nContent-Length: 2\r\n\r\nok".encode(), ts + latency,
                   kind=2, id_=id_, latency=latency)]


def recording(n=20, step=SECOND):
    """Pairs a step apart; every third one failed; some with a body that holds the separator."""
    return [r for k in range(n)
            for r in pair(k, START + k * step, status=503 if k % 3 == 0 else 200,
                          body=gor.SEPARATOR * 2 if k % 4 == 1 else b"")]


def tool(case, *args, status=0, stdin=b"", env=None, text=True):
    done = subprocess.run([case.binary, *map(str, args)], cwd=case.dir, input=stdin,
                          capture_output=True, timeout=120, check=False,
                          env={**os.environ, **(env or {})})
    err = done.stderr.decode(errors="replace")
    check("Sanitizer" not in err and "runtime error" not in err,
          f"a sanitizer spoke: {err[-3000:]}")
    equal(done.returncode, status, f"exit status of {args} ({err[-500:]})")
    return (done.stdout.decode() if text else done.stdout), err


def tally(err):
    """The last line as the JSON object that it is, its law checked."""
    t = json.loads(err.strip().splitlines()[-1])
    equal(t["read"], t["written"] + t["filtered"] + t["outside"] + t["left_out"] + t["failed"],
          f"what became of the records that were read: {t}")
    return t


def peak_kib(case, *args):
    """The greatest resident size of one run."""
    with open(case.path("sink"), "wb") as sink:
        process = subprocess.Popen([case.binary, *map(str, args)], stdout=sink,
                                   stderr=subprocess.DEVNULL, cwd=case.dir,
                                   env={**os.environ, **QUIET})
        _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    equal(process.returncode, 0, f"exit status of {args}")
    return usage.ru_maxrss
