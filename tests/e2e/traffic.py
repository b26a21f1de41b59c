# SPDX-License-Identifier: MIT
"""Requests of many shapes, and a client that sends them. Each is made from (seed, connection, k)
alone and carries that as X-Id, so a test knows to the byte what was sent without asking the client.

As a program (for other network namespaces): traffic.py HOST PORT SEED CONNECTIONS REQUESTS [PROFILE
[AT_ONCE]]
"""
import hashlib
import json
import random
import socket
import sys
import threading

BLOCK = bytes(range(256)) * 4096
PADDING = ("abcdefghijklmnopqrstuvwxyz0123456789" * 100)
OLD = 10  # every 10th connection speaks HTTP/1.0


def body_size(rng, profile):
    if profile == "small":
        return rng.choice((0, 0, 1, 20, 300))
    roll = rng.random()
    if roll < 0.55:
        return 0
    if roll < 0.80:
        return rng.randrange(1, 1500)
    if roll < 0.97:
        return rng.randrange(1500, 20000)
    if roll < 0.998:
        return rng.randrange(20000, 200000)
    return 1 << 20


def chunks(rng, body):
    out = []
    at = 0
    while at < len(body):
        n = rng.randrange(1, max(2, len(body) // 3 + 1))
        piece = body[at:at + n]
        extension = b";x=1" if rng.random() < 0.1 else b""
        out.append(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece))
        at += len(piece)
    out.append(b"0\r\nX-Trailer: t\r\n\r\n" if rng.random() < 0.2 else b"0\r\n\r\n")
    return b"".join(out)


def make(seed, connection, k, profile="mixed"):
    """One request's bytes."""
    rng = random.Random(f"{seed}/{connection}/{k}/{profile}")
    old = connection % OLD == OLD - 1
    size = body_size(rng, profile)
    method = rng.choice(("POST", "PUT", "PATCH")) if size else rng.choice(
        ("GET", "GET", "GET", "DELETE", "OPTIONS", "HEAD" if profile == "mixed" else "GET"))
    start = rng.randrange(0, 4096)
    body = BLOCK[start:start + size] if size <= len(BLOCK) - start else (BLOCK * 2)[start:start + size]
    path = f"/{'early' if connection % 4 == 3 else 'whole'}/{connection}/{k}"
    head = [f"{method} {path}?q={rng.randrange(1 << 30):x} HTTP/{'1.0' if old else '1.1'}",
            "Host: server.example", f"X-Id: {connection}.{k}"]
    if profile == "mixed":
        wanted = rng.choice((100, 100, 100, 3000))
        head.append(f"X-Padding: {PADDING[:wanted - 20]}")
    if old:
        head.append("Connection: keep-alive")
    if size and not old and rng.random() < 0.3:
        head.append("Transfer-Encoding: chunked")
        body = chunks(rng, body)
    elif size or method in ("POST", "PUT", "PATCH"):
        head.append(f"Content-Length: {size}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def id_of(payload):
    """(connection, k) of a request that make() made, as it was recorded."""
    at = payload.find(b"X-Id: ")
    if at < 0:
        return None
    connection, _, k = payload[at + 6:payload.index(b"\r\n", at)].decode().partition(".")
    return int(connection), int(k)


def digest(payload):
    return hashlib.md5(payload).hexdigest()


def lengths(seed, connections, per_connection, profile="mixed"):
    """(connection, k) -> number of bytes, for those that the server reads as a whole."""
    return {(c, k): len(make(seed, c, k, profile)) for c in range(connections) if c % 4 != 3
            for k in range(per_connection)}


def expected(seed, connections, per_connection, profile="mixed"):
    """(connection, k) -> MD5 of the bytes."""
    return {(c, k): digest(make(seed, c, k, profile)) for c in range(connections)
            for k in range(per_connection)}


def read_answer(reader, head_only):
    """The status of one answer that has a Content-Length; skips 1xx."""
    while True:
        status = int(reader.readline().split()[1])
        length = 0
        while (line := reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if status >= 200:
            if not head_only:
                reader.read(length)
            return status


def one_connection(address, seed, number, per_connection, profile, answers):
    good = 0
    with socket.create_connection(address, timeout=30) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with s.makefile("rb") as reader:
            for k in range(per_connection):
                data = make(seed, number, k, profile)
                s.sendall(data)
                good += read_answer(reader, data.startswith(b"HEAD ")) == 200
    answers[number] = good


def send(address, seed, connections, per_connection, profile="mixed", at_once=8):
    """All of it, so many connections at once; returns how many were answered 200."""
    answers = {}
    gate = threading.Semaphore(int(at_once))

    def run(number):
        with gate:
            one_connection(address, seed, number, per_connection, profile, answers)
    threads = [threading.Thread(target=run, args=(n,)) for n in range(connections)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sum(answers.values())


def main():
    host, port, seed, connections, per_connection = sys.argv[1:6]
    good = send((host, int(port)), seed, int(connections), int(per_connection), *sys.argv[6:])
    print(json.dumps({"answered": good}))


if __name__ == "__main__":
    main()
