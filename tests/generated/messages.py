# SPDX-License-Identifier: MIT
"""HTTP messages that are told apart by a name, so that each byte found can be traced to one."""

MUST, MAY, NEVER = "must be found", "may be found", "must not be found"
METHODS = ["GET", "GET", "GET", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "REPORT"]
ODD_METHODS = ["a", "X-Y_Z", "!#$%&'*+-.^_`|~", "get", "VERSION-CONTROL", "0"]


class Message:
    """bytes_ as sent; skippable: ranges in them whose loss leaves the end of the message known;
    soft: ranges whose bytes can be anything visible without changing how it is framed."""

    def __init__(self, bytes_, method="", skippable=(), soft=()):
        self.bytes = bytes_
        self.method = method
        self.skippable = list(skippable)
        self.soft = list(soft)
        self.before = b""  # on the wire in front of it, and not part of it
        self.state = MUST
        self.start = 0  # offset in its stream
        self.first_ns = self.last_ns = None  # when its first and last byte passed, when known
        self.is_open = False  # its body ends with the connection
        self.found = False
        self.answer = None  # of a request

    def wire(self):
        return self.before + self.bytes


def chunked(rng, body, most, fancy):
    """(bytes, the ranges that hold data)"""
    out, data = bytearray(), []
    at = 0
    while at < len(body):
        piece = body[at : at + rng.randrange(1, most)]
        at += len(piece)
        size = f"{len(piece):X}" if rng.random() < 0.5 else f"000{len(piece):x}"
        extension = rng.choice(["", ";e=1", ' ; q="a;b"', ";long=" + "x" * 300]) if fancy else ""
        out += f"{size}{extension}\r\n".encode()
        data.append((len(out), len(out) + len(piece)))
        out += piece + b"\r\n"
    out += rng.choice([b"0", b"000", b"0;last"]) if fancy else b"0"
    out += b"\r\n"
    if rng.random() < 0.5:
        out += b"X-Trailer: 1\r\nX-Sum: " + b"7" * rng.randrange(40) + b"\r\n"
    return bytes(out + b"\r\n"), data


def shifted(ranges, by):
    return [(first + by, last + by) for first, last in ranges]


def with_body(rng, start, fields, body, as_chunks, fancy=True):
    """A message of start line, fields and body."""
    if as_chunks:
        out, data = chunked(rng, body, rng.choice([2, 40, 900]) if len(body) < 99 else 900, fancy)
        head = f"{start}\r\n{fields}Transfer-Encoding: chunked\r\n\r\n".encode()
    else:
        out, data = body, [(0, len(body))]
        head = f"{start}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode()
    data = shifted([r for r in data if r[0] < r[1]], len(head))
    return Message(head + out, start.split(" ", 1)[0], data, data)


def some_fields(rng):
    return "".join(f"X-{i}: {rng.getrandbits(64):x}\r\n" for i in range(rng.randrange(6)))


def request(rng, name, sizes=(1, 30, 700, 5000)):
    """One that no other equals; some with bodies, some chunked."""
    pad = "x" * rng.choice([0, 3, 40, 900, 2500])
    fields = f"Host: h{name}\r\n" + some_fields(rng)
    kind = rng.random()
    if kind < 0.5:
        start = f"{rng.choice(METHODS)} /{name}/"
        head = f"{start}{pad} HTTP/1.1\r\n{fields}\r\n".encode()
        soft = [(len(start), len(start) + len(pad))] if pad else []
        return Message(head, start.split(" ", 1)[0], soft=soft)
    body = rng.randbytes(rng.choice(sizes))
    start = f"{'POST' if kind < 0.8 else 'PUT'} /{name}/{pad} HTTP/1.1"
    return with_body(rng, start, fields, body, kind >= 0.8)


def small_request(rng, name):
    """A hundred bytes, for those who cut it everywhere."""
    kind = rng.randrange(3)
    start = f"{['GET', 'POST', 'PUT'][kind]} /{name} HTTP/1.1"
    if kind == 0:
        return Message(f"{start}\r\nHost: x\r\n\r\n".encode(), "GET")
    return with_body(rng, start, "Host: x\r\n", rng.randbytes(rng.randrange(1, 12)), kind == 2)


def odd_request(rng, name):
    """What RFC 9112 allows and few send."""
    method = rng.choice(ODD_METHODS + METHODS)
    pad = "y" * rng.choice([0, 10, 9000, 30000])
    wide = "".join(f"X-{i}: {'v' * rng.choice([0, 50, 8000])}\r\n" for i in range(3))
    fields = f"Host: h{name}\r\n{rng.choice(['', 'Empty:', 'Folded: a', 'Tight:b'])}"
    if not fields.endswith("\n"):
        fields += rng.choice(["\r\n", "\r\n \t folded\r\n"]) if "Folded" in fields else "\r\n"
    fields += rng.choice(["", wide, "Connection: keep-alive\r\n", "Content-Type: t\r\n"])
    kind = rng.random()
    minor = 1 if kind > 0.7 else rng.randrange(2)  # in HTTP/1.0, chunks are a fault (RFC 9112, 6.1)
    start = f"{method} /{name}/{pad} HTTP/1.{minor}"
    if kind < 0.4:
        made = Message(f"{start}\r\n{fields}\r\n".encode(), method)
    else:
        made = with_body(rng, start, fields, rng.randbytes(rng.choice([0, 1, 3000])), kind > 0.7)
    if kind < 0.2 and "Folded" not in fields:
        made = Message(made.bytes.replace(b"\r\n", b"\n"), method)
    made.before = rng.choice([b"", b"", b"\r\n", b"\n", b"\r\n\r\n"])
    return made


def plain_response(_rng, name, to):
    body = b"" if to.method == "HEAD" else b"ok"
    return Message(f"HTTP/1.1 200 OK\r\nX-For: {name}\r\nContent-Length: 2\r\n\r\n".encode() + body)


def response(rng, name, to, may_close=False):
    """What answers the request `to`: the final response, in front of it what is interim."""
    body = rng.randbytes(rng.choice([0, 1, 500, 4000]))
    fields = f"X-For: {name}\r\n" + some_fields(rng)
    if to.method == "HEAD":
        made = Message(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: 70000\r\n\r\n".encode())
    elif rng.random() < 0.2:
        status = rng.choice(["204 No Content", "304 Not Modified"])
        length = "Content-Length: 9\r\n" if status[0] == "3" else ""
        made = Message(f"HTTP/1.1 {status}\r\n{fields}{length}\r\n".encode())
    elif may_close:
        made = Message(f"HTTP/1.1 200 OK\r\n{fields}\r\n".encode() + body)
        made.is_open = True
    else:
        status = rng.choice(["200 OK", "404 Not Found", "500 ", "200"])
        made = with_body(rng, f"HTTP/1.1 {status}", fields, body, rng.random() < 0.4)
    if rng.random() < 0.2:
        made.before = rng.choice([b"HTTP/1.1 100 Continue\r\n\r\n",
                                  b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2,
                                  b"HTTP/1.1 102 Processing\r\n\r\n"])
    return made


def asking(rng, name):
    """A request whose method or fields rule what is answered."""
    kind = rng.random()
    if kind < 0.25:
        return Message(f"HEAD /{name} HTTP/1.1\r\nHost: h\r\n\r\n".encode(), "HEAD")
    if kind < 0.4:
        fields = "Host: h\r\nExpect: 100-continue\r\n"
        return with_body(rng, f"POST /{name} HTTP/1.1", fields, rng.randbytes(300), kind < 0.3)
    return request(rng, name)
