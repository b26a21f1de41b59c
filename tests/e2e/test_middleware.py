#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--middleware: real programs in Python and shell between inputs and outputs, also those that die,
hang and write rubbish."""
import os
import signal
import time

import gor
import traffic
from harness import check, equal, main, need_root, read_text, test, wait_until, within
from servers import Nginx, Target

START = 1_700_000_000_000_000_000
PYTHON = r"""#!/usr/bin/env python3
import binascii, os, sys
def each(do):
    for line in sys.stdin:
        head, _, payload = binascii.unhexlify(line.strip()).partition(b"\n")
        out = do(head, payload)
        if out:
            sys.stdout.write(binascii.hexlify(head + b"\n" + out).decode() + "\n")
            sys.stdout.flush()
"""


def program(case, name, code):
    path = case.write(name, PYTHON + code)
    os.chmod(path, 0o755)
    return path


def recording(case, n, responses=False):
    parts = []
    for k in range(n):
        id_ = f"{k % 50:08x}{k:016x}"
        body = (b"\n" + b"x" * (k % 300)) if k % 3 else b""
        parts.append(gor.make(gor.request(f"/{k}", method="POST", body=body), START + k, id_=id_))
        if responses:
            parts.append(gor.make(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nr", START + k, kind=2,
                                  id_=id_))
    return case.write("in.gor", b"".join(parts))


def played(case, n, command, *args, status=0, responses=False):
    return case.run("--input-file", recording(case, n, responses) + "|100000%", "--middleware",
                    command, "--output-stdout", *args, status=status)


@test("cat: everything comes back, to the byte, with its order, connection and times")
def cat(case):
    result = played(case, 10000, "cat", responses=True)
    wanted = gor.parse_as_gor(gor.load(case.path("in.gor")))
    got = [(r.type, r.id, r.ts, r.payload) for r in gor.parse(result.stdout)]
    equal(len(got), 20000, "messages")
    check(got == wanted, "messages came back otherwise")
    back, to = result.input("middleware"), result.output("middleware")
    equal((back["records"], back["middleware_new"], back["middleware_kept"]), (20000, 0, 0), "books")
    equal((to["seen"], to["delivered"]), (20000, 20000), "given to it")
    addresses = {(r.src, r.dst) for r in gor.parse(played(case, 10, "cat").stdout)}
    check(("-", "-") not in addresses or len(addresses) == 1, f"{addresses}")


@test("messages that share an id, and ones given back backwards, keep their connection and time")
def identity(case):
    same = b"".join(gor.make(gor.request(f"/{k}"), START + k, id_="a" * 24) for k in range(1000))
    result = case.run("--input-file", case.write("same.gor", same) + "|100000%", "--middleware", "cat",
                      "--output-stdout")
    equal(result.input("middleware")["middleware_new"], 0, "counted as its own")
    equal([r.payload.split()[1] for r in gor.parse(result.stdout)], [b"/%d" % k for k in range(1000)],
          "order")
    result = played(case, 20000, "tac", responses=True)
    back = result.input("middleware")
    equal((back["records"], back["middleware_new"]), (40000, 0), "books of tac")
    got = [(r.type, r.id, r.payload) for r in gor.parse(result.stdout)]
    equal(len(got), 40000 - back["middleware_withheld"], "messages of tac")
    asked = set()
    for kind, id_, _ in got:
        check(kind == 1 or id_ in asked, f"the response of {id_} came before its request")
        asked.add(id_)


@test("a request that it keeps takes its response with it")
def shared_fate(case):
    path = program(case, "mw.py", """
each(lambda head, payload: None if payload.startswith(b"POST /1") else payload)
""")
    result = played(case, 100, path, responses=True)
    kept = sum(str(k).startswith("1") for k in range(100))
    records = gor.parse(result.stdout)
    equal([r.type for r in records].count(1), 100 - kept, "requests")
    equal([r.type for r in records].count(2), 100 - kept, "responses")
    equal({r.id for r in records if r.type == 2}, {r.id for r in records if r.type == 1}, "ids")
    back = result.input("middleware")
    equal((back["middleware_kept"], back["middleware_withheld"]), (kept, kept), "books")
    alone = b"".join(gor.make(b"HTTP/1.1 204 No Content\r\n\r\n", START + k, kind=2, id_=f"{k:024x}")
                     for k in range(100))
    result = case.run("--input-file", case.write("r.gor", alone), "--middleware", "cat",
                      "--output-stdout")
    equal(len(gor.parse(result.stdout)), 100, "responses to nothing that was seen")


@test("one that takes everything and does not end is an error, not a silent loss")
def swallows(case):
    hang = "sh -c 'cat >/dev/null; exec sleep 1000'"
    begin = time.monotonic()
    refrain = case.refrain("--input-file", recording(case, 100) + "|100000%", "--middleware", hang,
                           "--output-null", "--drain-timeout", "1s",
                           ready=False)
    time.sleep(1.5)
    result = refrain.stop(timeout=15, status=6)
    within(time.monotonic() - begin, 0, 12, "seconds")
    check("--middleware: it did not end, and was given up" in result.stderr, result.stderr)
    equal(result.input("middleware")["middleware_kept"], 100, "kept")


@test("a line without an end takes bounded memory, and what follows it is read")
def endless(case):
    peak = case.path("peak")
    path = program(case, "mw.py", f"""
for _ in range(600):
    sys.stdout.write("31" * 524288)
print(flush=True)
with open("/proc/%d/status" % os.getppid()) as status, open({peak!r}, "w") as f:
    f.write(status.read().split("VmHWM:")[1].split()[0])
each(lambda head, payload: payload)
""")
    result = played(case, 10, path)
    equal(len(gor.parse(result.stdout)), 10, "messages")
    back = result.input("middleware")
    equal(back["records_damaged"], 1, "damaged")
    within(int(read_text(peak)) / 1024, 1, 500, "MiB of memory for a line of 600 MiB")


@test("one that changes, drops and makes messages of its own: the books say so")
def changes(case):
    path = program(case, "mw.py", r"""
n = 0
def do(head, payload):
    global n
    n += 1
    if n % 2:
        return None
    if n % 100 == 0:
        words = head.split(b" ")
        own = b" ".join([words[0], b"f" * 24, *words[2:]])
        print(binascii.hexlify(own + b"\nGET /own HTTP/1.1\r\n\r\n").decode())
    return payload.replace(b"Host: recorded.example", b"Host: changed.example")
each(do)
""")
    result = played(case, 1000, path, "--http-set-header", "X: 1")
    payloads = [r.payload for r in gor.parse(result.stdout)]
    back = result.input("middleware")
    equal((back["records"], back["middleware_new"], back["middleware_kept"]), (510, 10, 500), "books")
    equal(sum(p.startswith(b"GET /own HTTP/1.1\r\nX: 1") for p in payloads), 10, "its own")
    changed = [p for p in payloads if b"/own" not in p]
    equal([p.split()[1] for p in changed], [b"/%d" % k for k in range(1, 1000, 2)], "every second one")
    check(all(b"\r\nHost: changed.example\r\n" in p and b"\r\nX: 1\r\n" in p for p in changed),
          "not changed by both")


@test("secrets are redacted before it, and filters and shares decide on what it gives back")
def order(case):
    seen = case.path("seen")
    path = program(case, "mw.py", f"""
log = open({seen!r}, "wb")
def do(head, payload):
    log.write(payload)
    log.flush()
    return payload.replace(b" /", b" /mw/", 1)
each(do)
""")
    data = b"".join(gor.make(gor.request(f"/{k}?token=planted{k}"), START, id_=f"{k:024x}")
                    for k in range(100))
    result = case.run("--input-file", case.write("s.gor", data) + "|100000%", "--middleware", path,
                      "--redact", "param:token", "--http-allow-url", "^/mw/.*5[?]",
                      "--output-stdout")
    equal(len(gor.parse(result.stdout)), 10, "let through")
    with open(seen, "rb") as f:
        check(b"planted" not in f.read(), "it saw a secret")
    check(b"planted" not in result.stdout, "a secret came through")


@test("one that dies is an error: status 1, its end is named, and nothing is unaccounted for")
def dies(case):
    result = played(case, 5000, "head -n 100", status=1)
    check('--middleware "head -n 100": the program ended while there was traffic for it' in
          result.stderr, result.stderr)
    equal(len(gor.parse(result.stdout)), 100, "messages before its end")
    to, back = result.output("middleware"), result.input("middleware")
    equal(to["delivered"], back["records"] + back["middleware_kept"], "given to it")
    result = played(case, 10, "sh -c 'cat; exit 3'", status=1)
    check("the program ended: exit status 3" in result.stderr, result.stderr)
    equal(len(gor.parse(result.stdout)), 10, "messages of one that fails at its end")
    for command, words in (("nonsuch x", "cannot run nonsuch"), ("cat 'x", "at character 5"),
                           (" ", "expected a command")):
        case.refuse("--input-dummy", "x", "--output-null", "--middleware", command,
                    status=2 if "character" in words or "expected" in words else 1,
                    words=["--middleware", words])


@test("one that is killed during live traffic ends refrain with an error")
def killed(case):
    need_root()
    nginx = Nginx(case)
    pid_file = case.path("pid")
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--middleware",
                           f"sh -c 'echo $$ >{pid_file}; exec cat'", "--output-null")
    equal(traffic.send(("127.0.0.1", nginx.port), 1, 2, 50, "small"), 100, "answers")
    wait_until(lambda: read_text(pid_file).strip(), "the middleware runs")
    open_files = os.listdir(f"/proc/{read_text(pid_file).strip()}/fd")
    equal(sorted(open_files), ["0", "1", "2"], "files open in it: none of refrain's sockets")
    time.sleep(0.3)
    os.kill(int(read_text(pid_file)), signal.SIGKILL)
    result = refrain.wait(15, status=1)
    check("signal 9" in result.stderr, result.stderr)
    equal(result.output("output-null")["delivered"], 100, "messages before")


@test("live: what was served went through it, and a Ctrl-C loses nothing")
def live(case):
    need_root()
    nginx = Nginx(case)
    out = case.path("out.gor")
    path = program(case, "mw.py", """
each(lambda head, payload: payload)
""")
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--input-raw-track-response",
                           "--middleware", path, "--output-file", out, "--output-file-append")
    equal(traffic.send(("127.0.0.1", nginx.port), 5, 10, 100, "small"), 1000, "answers")
    refrain.stop()
    records = gor.read(out)
    equal(len(gor.requests(records)), 1000, "requests")
    equal(len(records), 2000, "messages")
    check(all(r.src != "-" for r in records), "addresses were not put back")


@test("one that hangs is bounded by the queue, counted, and ended")
def hangs(case):
    need_root()
    nginx = Nginx(case)
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--middleware", "sleep 1000",
                           "--output-null", "--output-queue-len", 64, "--drain-timeout", "1s")
    equal(traffic.send(("127.0.0.1", nginx.port), 5, 10, 300, "small"), 3000, "answers")
    begin = time.monotonic()
    result = refrain.stop(status=6)
    within(time.monotonic() - begin, 0, 8, "seconds until it ended")
    to = result.output("middleware")
    equal(to["seen"], 3000, "seen")
    check(to["dropped_queue"] > 1000 and to["abandoned"] > 0, f"{to}")


@test("rubbish from it is counted, and what is right beside it is taken")
def rubbish(case):
    path = program(case, "mw.py", r"""
sys.stdout.write("\n\nhello\n312\nzz\n" + "31" * 500000 + "\n")
each(lambda head, payload: payload)
sys.stdout.write("3120")
""")
    result = played(case, 200, path)
    equal(len(gor.parse(result.stdout)), 200, "messages")
    equal(result.input("middleware")["records_damaged"], 5, "damaged lines")


@test("a replay keeps its times behind it, and goes over HTTP")
def replay(case):
    target = Target(case)
    data = b"".join(gor.make(gor.request(f"/{k}"), START + k * 50_000_000, id_=f"{k:024x}")
                    for k in range(20))
    case.run("--input-file", case.write("t.gor", data), "--middleware", "cat", "--output-http",
             f"http://127.0.0.1:{target.port}")
    arrivals = target.wait_arrivals(20)
    within(arrivals[-1].time - arrivals[0].time, 0.9, 1.2, "seconds of a recording of 0.95 s")


if __name__ == "__main__":
    main()
