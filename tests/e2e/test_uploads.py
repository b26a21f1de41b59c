#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bodies of 100 MiB, in segments that are larger than any MTU; and what happens beyond the limit."""
import hashlib

import gor
from harness import check, equal, main, need_root, sh, test
from net import Namespaces
from servers import Nginx

SIZE = 100 << 20
UPLOAD = """
import socket, sys
host, port, size, kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
block = bytes(range(256)) * 4096
s = socket.create_connection((host, port), timeout=60)
head = "POST /whole/up HTTP/1.1\\r\\nHost: h\\r\\n"
if kind == "chunked":
    s.sendall((head + "Transfer-Encoding: chunked\\r\\n\\r\\n").encode())
    for at in range(0, size, len(block)):
        s.sendall(b"%x\\r\\n" % len(block) + block + b"\\r\\n")
    s.sendall(b"0\\r\\n\\r\\n")
else:
    s.sendall((head + "Content-Length: %d\\r\\n\\r\\n" % size).encode())
    for at in range(0, size, len(block)):
        s.sendall(block)
f = s.makefile("rb")
def answer():
    length = 0
    while (line := f.readline()) not in (b"\\r\\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    f.read(length)
answer()
s.sendall(b"GET /after HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
answer()
"""


def upload(case, prefix, host, port, size, kind):
    script = case.write("upload.py", UPLOAD)
    sh(*prefix, "python3", script, host, port, size, kind, timeout=120)


def expected_body(size, kind):
    block = bytes(range(256)) * 4096
    piece = b"%x\r\n" % len(block) + block + b"\r\n" if kind == "chunked" else block
    digest = hashlib.md5()
    for _ in range(size // len(block)):
        digest.update(piece)
    if kind == "chunked":
        digest.update(b"0\r\n\r\n")
    return digest.hexdigest()


def body_digest(payload):
    return hashlib.md5(memoryview(payload)[payload.index(b"\r\n\r\n") + 4:]).hexdigest()


def record(case, interface, prefix_server, prefix_client, host, kind, *options, size=SIZE):
    nginx = Nginx(case, listen=(host,), prefix=prefix_server)
    file = case.path("up.gor")
    refrain = case.refrain("--input-raw", f"{interface}:{nginx.port}", "--output-file", file,
                           "--output-file-append", "--output-queue-size", "256mb", *options,
                           prefix=prefix_server)
    upload(case, prefix_client, host, nginx.port, size, kind)
    result = refrain.stop()
    equal(len(nginx.served()), 2, "requests that nginx served")
    return gor.requests(gor.read(file)), result


def check_whole(records, kind):
    equal([r.payload[:20].split()[1] for r in records], [b"/whole/up", b"/after"], "requests")
    equal(body_digest(records[0].payload), expected_body(SIZE, kind), "MD5 of the body")


@test("100 MiB over loopback, with a length and in chunks, are recorded whole")
def loopback(case):
    need_root()
    for kind in ("length", "chunked"):
        records, _ = record(case, "lo", (), (), "127.0.0.1", kind, "--input-raw-buffer-size", "256mb")
        check_whole(records, kind)
        case.write("up.gor", b"")


@test("100 MiB between two namespaces, with offload on, are recorded whole")
def veth(case):
    ns = Namespaces(case)
    records, _ = record(case, "veth-s", ns.on_server(), ns.on_client(), ns.server_address, "length",
                        "--input-raw-buffer-size", "256mb")
    check_whole(records, "length")


@test("a body beyond --input-raw-max-body is counted, and the next request is found")
def too_large(case):
    need_root()
    records, result = record(case, "lo", (), (), "127.0.0.1", "length", "--input-raw-max-body", "1mb",
                             "--input-raw-buffer-size", "256mb", size=20 << 20)
    equal([r.payload[:20].split()[1] for r in records], [b"/after"], "requests")
    equal(result.input("input-raw")["requests_too_large"], 1, "requests_too_large")


@test("--input-raw-allow-incomplete marks a cut body, and a replay does not send it as if whole")
def cut(case):
    need_root()
    records, result = record(case, "lo", (), (), "127.0.0.1", "length", "--input-raw-max-body", "1mb",
                             "--input-raw-allow-incomplete", "--input-raw-buffer-size", "256mb",
                             size=20 << 20)
    equal([r.payload[:20].split()[1] for r in records], [b"/whole/up", b"/after"], "requests")
    check(len(records[0].payload) <= (1 << 20) + 1000, "more was kept than was allowed")
    check(b"\r\nContent-Length: 20971520\r\n" in records[0].payload[:200], "the head was changed")
    equal(result.input("input-raw")["requests_short"], 1, "requests_short")
    nginx = Nginx(case)
    replay = case.run("--input-file", case.path("up.gor") + "|10000%", "--output-http",
                      f"http://127.0.0.1:{nginx.port}")
    out = replay.output("output-http")
    equal((out["delivered"], out["failed"], out["http_unsendable"]), (1, 1, 1),
          "delivered, failed, not sendable")
    equal([s.request.split()[1] for s in nginx.wait_served(1)], ["/after"], "what the target got")


if __name__ == "__main__":
    main()
