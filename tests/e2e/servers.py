# SPDX-License-Identifier: MIT
"""The servers that the tests talk to: a real nginx, and targets that misbehave on purpose."""
import collections
import re
import selectors
import socket
import threading
import time

from harness import free_port, read_text, wait_until
from nginx import NginxProcess

HTTP = """
    log_format test '$connection|$connection_requests|$msec|$request_length|$status|'
                    '$ssl_session_reused|$ssl_server_name|$http_x_id|$http_host|$request';
    access_log {root}/access.log test;
    large_client_header_buffers 8 64k;
    server {{
        {listen}
        {extra}
        root {root}/files;
        location / {{ return 200 "hello\\n"; }}
        location /whole {{ proxy_pass http://unix:{root}/socket; }}
        location /big {{ }}
        location /zipped {{ gzip on; gzip_types *; gzip_min_length 1; alias {root}/files/big; }}
        location = /status/404 {{ return 404; }}
        location = /status/500 {{ return 500; }}
    }}
    server {{
        listen unix:{root}/socket;
        access_log off;
        return 200 "read\\n";
    }}
"""

Served = collections.namedtuple("Served", "connection nth time length status resumed name id host request")


class Nginx(NginxProcess):
    """It answers at once, before a body has come; under /whole after it has read all of it. tls:
    speaks it, with these lines of configuration; extra: more of them."""

    def __init__(self, case, listen=("127.0.0.1",), port=None, prefix=(), tls="", extra=""):
        self.port = port or free_port()
        lines = [f"listen {a}:{self.port}{' ssl' if tls else ''};" for a in listen]
        super().__init__(case, HTTP, prefix, listen="\n".join(lines), extra=tls + extra)

    def prepare(self):
        with open(f"{self.root}/files/big", "wb") as f:
            f.write(b"0123456789abcdef" * 65536)

    def served(self):
        found = []
        for line in read_text(self.log).splitlines():
            conn, nth, when, length, status, *words = line.split("|", 9)
            found.append(Served(int(conn), int(nth), float(when), int(length), int(status), *words))
        return found

    def wait_served(self, n, timeout=10.0):
        """The log, once it has n lines."""
        wait_until(lambda: len(self.served()) >= n,
                   lambda: f"nginx has logged {len(self.served())} of {n} requests", timeout)
        return self.served()


Arrival = collections.namedtuple("Arrival", "time connection raw")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.I)


def chunked_end(data, at):
    """Where the chunked body that begins at `at` ends, trailer included; 0: not yet whole."""
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(bytes(data[at:line]).split(b";")[0], 16)
        if size == 0:
            end = data.find(b"\r\n\r\n", line)
            return end + 4 if end >= 0 else 0
        at = line + 2 + size + 2
    return 0


def request_length(data):
    """How many bytes the first request of data has; 0: not yet whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = data[:end + 2]
    if CHUNKED.search(head):
        return chunked_end(data, end + 4)
    length = LENGTH.search(head)
    whole = end + 4 + (int(length.group(1)) if length else 0)
    return whole if len(data) >= whole else 0


class Target:
    """An HTTP server that keeps every request's exact bytes and time of arrival. delay: seconds
    before each answer; mode: "answer", "silent" (accepts and never reads), "reset" (each request
    is answered by RST), "close" (one request per connection). answer: bytes, or what makes them from
    the request's."""

    def __init__(self, case, delay=0.0, mode="answer", answer=None, port=0, host="127.0.0.1"):
        self.delay, self.mode = delay, mode
        self.answer = answer or b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.arrivals = []
        self.connections = 0
        self.socket = socket.create_server((host, port), backlog=512)
        self.port = self.socket.getsockname()[1]
        self.stop = False
        self.selector = selectors.DefaultSelector()
        self.socket.setblocking(False)
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.buffers, self.numbers, self.due = {}, {}, collections.deque()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        case.on_exit(self.close)

    def close(self):
        self.stop = True
        self.thread.join(5)
        for connection in list(self.buffers):
            connection.close()
        self.socket.close()

    def run(self):
        while not self.stop:
            for key, _ in self.selector.select(0.02):
                if key.fileobj is self.socket:
                    self.accept()
                else:
                    self.read(key.fileobj)
            self.send_due()

    def accept(self):
        connection, _ = self.socket.accept()
        connection.setblocking(False)
        self.buffers[connection] = bytearray()
        self.numbers[connection] = self.connections
        self.connections += 1
        if self.mode != "silent":
            self.selector.register(connection, selectors.EVENT_READ)

    def read(self, connection):
        try:
            data = connection.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self.drop(connection)
            return
        now = time.monotonic()
        buffer = self.buffers[connection]
        buffer += data
        while connection in self.buffers and (n := request_length(buffer)):
            self.arrivals.append(Arrival(now, self.numbers[connection], bytes(buffer[:n])))
            del buffer[:n]
            if self.mode == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.drop(connection)
            else:
                self.due.append((now + self.delay, connection, self.arrivals[-1].raw))
        self.send_due()

    def send_due(self):
        while self.due and self.due[0][0] <= time.monotonic():
            _, connection, raw = self.due.popleft()
            if connection not in self.buffers:
                continue
            try:
                connection.sendall(self.answer(raw) if callable(self.answer) else self.answer)
            except OSError:
                self.drop(connection)
                continue
            if self.mode == "close":
                self.drop(connection)

    def drop(self, connection):
        with_selector = self.selector.get_map().get(connection)
        if with_selector:
            self.selector.unregister(connection)
        self.buffers.pop(connection, None)
        connection.close()

    def wait_arrivals(self, n, timeout=10.0):
        wait_until(lambda: len(self.arrivals) >= n,
                   lambda: f"{len(self.arrivals)} of {n} requests arrived", timeout)
        return list(self.arrivals)
