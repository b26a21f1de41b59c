#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--output-http-version 2: a real nginx that speaks HTTP/2, with and without TLS."""
import subprocess
import time

import gor
from harness import check, equal, free_port, main, need, read_text, test, wait_until, within
from nginx import NginxProcess
from servers import Target

START = 1_700_000_000_000_000_000
HTTP = """
    log_format test '$connection|$server_protocol|$host|$http_x_keep|$http_user_agent|$http_accept|'
                    '$request_length|$request_method $request_uri|$http_connection';
    access_log {root}/access.log test;
    server {{
        listen 127.0.0.1:{port} http2;
        listen 127.0.0.1:{tls_port} ssl http2;
        ssl_certificate {root}/cert.pem;
        ssl_certificate_key {root}/key.pem;
        location / {{ return 200 "you asked for $request_uri\\n"; }}
        location /echo {{ proxy_pass http://127.0.0.1:{echo_port}; proxy_http_version 1.1; }}
        location = /404 {{ return 404; }}
        location = /go {{ return 302 /gone; }}
    }}
"""


class Nginx2(NginxProcess):
    def __init__(self, case, echo_port=1):
        need("openssl")
        self.port, self.tls_port = free_port(), free_port()
        super().__init__(case, HTTP, port=self.port, tls_port=self.tls_port, echo_port=echo_port)

    def prepare(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", f"{self.root}/key.pem", "-out", f"{self.root}/cert.pem"],
                       check=True, capture_output=True)

    def served(self, n):
        wait_until(lambda: len(read_text(self.log).splitlines()) >= n,
                   f"nginx has logged {n} requests")
        return [line.split("|") for line in read_text(self.log).splitlines()]


def recording(case, payloads, conns=8):
    return case.write(f"in-{case.next_number()}.gor", b"".join(
        gor.make(p, START + k * 100_000, id_=f"{k % conns:08x}{k:016x}")
        for k, p in enumerate(payloads)))


@test("without TLS, by prior knowledge: everything over one connection, nothing added")
def plain(case):
    nginx = Nginx2(case)
    fields = ("X-Keep: yes", "Connection: keep-alive")
    payloads = [gor.request(f"/{k}/%7e/a%2Fb?x=%20{k}", headers=fields) for k in range(500)]
    result = case.run("--input-file", recording(case, payloads), "--output-http",
                      f"http://127.0.0.1:{nginx.port}", "--output-http-version", "2",
                      "--output-http-track-response", "--output-stdout")
    lines = nginx.served(500)
    equal({line[1] for line in lines}, {"HTTP/2.0"}, "protocol")
    equal(len({line[0] for line in lines}), 1, "connections")
    equal({tuple(line[2:6]) for line in lines}, {("127.0.0.1", "yes", "-", "-")}, "fields")
    equal({line[8] for line in lines}, {"-"}, "Connection fields")
    wanted = sorted(f"GET /{k}/%7e/a%2Fb?x=%20{k}" for k in range(500))
    equal(sorted(line[7] for line in lines), wanted, "targets")
    out = result.output("output-http")
    equal((out["delivered"], out["http_2xx"], out["http_connections"]), (500, 500, 1), "books")
    answers = [r for r in gor.parse(result.stdout) if r.type == 3]
    equal(len(answers), 500, "answers")
    for r in answers:
        k = int(r.id[8:], 16)
        head, _, body = r.payload.partition(b"\r\n\r\n")
        check(head.startswith(b"HTTP/1.1 200"), f"{head}")
        check(b"content-length: %d" % len(body) in head.lower(), f"{head}")
        equal(body, f"you asked for /{k}/%7e/a%2Fb?x=%20{k}\n".encode(), "body")


@test("over TLS: verified, or not when asked not to; bodies of every kind arrive whole")
def tls(case):
    echo = Target(case)
    nginx = Nginx2(case, echo_port=echo.port)
    payloads = [
        gor.request("/echo/length", method="POST", body=b"\0\xff" * 50000),
        gor.request("/echo/empty", method="POST", headers=("Content-Length: 0",)),
        b"PUT /echo/chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6;x=1\r\n world\r\n0\r\nX-T: 1\r\n\r\n",
        gor.request("/404", method="HEAD"), gor.request("/404", method="DELETE"),
    ]
    url = f"https://127.0.0.1:{nginx.tls_port}"
    args = ("--input-file", recording(case, payloads), "--output-http", url,
            "--output-http-version", "2")
    result = case.run(*args, status=None)
    out = result.output("output-http")
    equal((out["failed"], out["http_tls"]), (5, 5), "failed, because of TLS")
    result = case.run(*args, "--output-http-ca-cert", f"{nginx.root}/cert.pem")
    equal(result.output("output-http")["delivered"], 5, "delivered when it is trusted")
    result = case.run(*args, "--output-http-skip-verify")
    out = result.output("output-http")
    equal((out["delivered"], out["http_4xx"]), (5, 2), "delivered when nobody looks")
    equal({line[1] for line in nginx.served(10)}, {"HTTP/2.0"}, "protocol")
    bodies = [a.raw.partition(b"\r\n\r\n")[2] for a in echo.arrivals]
    equal(sorted(bodies), sorted([b"\0\xff" * 50000, b"", b"hello world"] * 2), "bodies")


@test("an answer is noticed at once, also when nothing else is under way; two threads share the work")
def prompt(case):
    nginx = Nginx2(case)
    for conns, workers in ((1, 1), (8, 2)):
        name = recording(case, [gor.request(f"/{k}") for k in range(300)], conns)
        for url in (f"http://127.0.0.1:{nginx.port}", f"https://127.0.0.1:{nginx.tls_port}"):
            result = case.run("--input-file", name, "--output-http", url, "--output-http-version",
                              "2", "--output-http-skip-verify", "--output-http-workers", workers)
            out = result.output("output-http")
            equal(out["delivered"], 300, "delivered")
            within(out["http_connections"], 1, workers, f"connections for {conns} recorded ones")
            # waiting out a timeout of 50 ms for each took 15 s
            within(out["latency_p50_s"], 0, 1, f"seconds for an answer, {conns}, {url}")


@test("redirects, nobody there, no answer in time, and a server that speaks HTTP/1 only")
def failures(case):
    nginx = Nginx2(case)
    result = case.run("--input-file", recording(case, [gor.request("/go")]), "--output-http",
                      f"http://127.0.0.1:{nginx.port}", "--output-http-version", "2",
                      "--output-http-redirects", "3")
    equal([line[7] for line in nginx.served(2)], ["GET /go", "GET /gone"], "redirected")
    equal(result.output("output-http")["http_redirects"], 1, "redirects")

    def run(port, *args):
        return case.run("--input-file", recording(case, [gor.request(f"/{k}") for k in range(20)]),
                        "--output-http", f"http://127.0.0.1:{port}", "--output-http-version", "2",
                        *args, status=None).output("output-http")
    equal(run(free_port())["http_refused"], 20, "refused")
    silent = Target(case, mode="silent")
    started = time.monotonic()
    equal(run(silent.port, "--output-http-timeout", "700ms")["http_timeout"], 20, "timeouts")
    within(time.monotonic() - started, 0.6, 8, "seconds")
    old = Target(case, answer=b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", mode="close")
    out = run(old.port, "--output-http-timeout", "2s")
    equal(out["failed"], 20, "failed at a server of HTTP/1")


if __name__ == "__main__":
    main()
