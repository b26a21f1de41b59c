#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--output-http over TLS, against a real nginx: whom it trusts, what it says and counts when it does
not, and that what goes over TLS is what goes without."""
import os
import random
import socket
import ssl
import threading
import time

import gor
from harness import (Skip, check, equal, free_port, main, need, need_root, sh, test, wait_until,
                     within)
from pki import Authority, both
from servers import Nginx, Target

START = 1_700_000_000_000_000_000
MIB = 1 << 20


def server(case, cert, lines="", **kwargs):
    """An nginx with that certificate and key."""
    tls = f"ssl_certificate {cert[0]}; ssl_certificate_key {cert[1]}; {lines}\n"
    return Nginx(case, tls=tls, **kwargs)


def file_of(case, payloads, step_ns=0, conns=1):
    """As recorded from that many connections."""
    return case.write(f"in-{case.next_number()}.gor", b"".join(
        gor.make(p, START + k * step_ns, id_=f"{k % conns:016x}{k:08x}")
        for k, p in enumerate(payloads)))


def gets(case, n, step_ms=0):
    return file_of(case, [gor.request(f"/{k}") for k in range(n)], step_ms * 1_000_000)


def url(target, name="127.0.0.1"):
    return f"https://{name}:{target.port}"


def replay(case, file, target, *args, **kwargs):
    """The result of a run, and the account of its output."""
    result = case.run("--input-file", file, "--output-http", target, *args, **kwargs)
    return result, result.output("output-http")


def warnings(result):
    """What was said about connections."""
    return [line for line in result.stderr.splitlines()
            if "cannot connect" in line or "ended a connection" in line]


def refused(case, target, *args, words=(), n=20, **kwargs):
    """All requests fail because of TLS, and one line says why."""
    result, out = replay(case, gets(case, n, 20), target, *args, **kwargs)
    equal((out["failed"], out["http_tls"], out["http_refused"], out["http_reset"]), (n, n, 0, 0),
          "failed, http_tls, http_refused, http_reset")
    lines = warnings(result)
    equal(len(lines), 1, f"lines: {lines}")
    for word in words:
        check(word in lines[0], f"no {word!r} in: {lines[0]}")
    return out


# --- whom it trusts ---


@test("a server whose certificate --output-http-ca-cert vouches for gets the requests")
def verified(case):
    ca = Authority(case)
    target = server(case, ca.issue())
    result, out = replay(case, gets(case, 20), url(target), "--output-http-ca-cert", ca.cert)
    equal((out["delivered"], out["http_2xx"], out["http_tls"]), (20, 20, 0), "delivered, 2xx, tls")
    equal(warnings(result), [], "warnings")
    served = target.wait_served(20)
    equal(sorted(s.request.split()[1] for s in served), sorted(f"/{k}" for k in range(20)), "paths")
    equal({s.host for s in served}, {f"127.0.0.1:{target.port}"}, "Host")


@test("a certificate of an unknown CA is refused, counted, and told once")
def unknown(case):
    target = server(case, Authority(case).issue())
    refused(case, url(target), words=["certificate", "output-http https://127.0.0.1"])
    refused(case, url(target), "--output-http-ca-cert", Authority(case, "Another CA").cert,
            words=["certificate"])
    equal(target.served(), [], "served")


@test("the system's certificates are trusted, and not beside --output-http-ca-cert")
def of_the_system(case):
    need_root()
    need("unshare")
    if not os.path.isdir("/etc/ssl/certs"):
        raise Skip("certificates are elsewhere")
    ca = Authority(case)
    target = server(case, ca.issue())
    for where in (("folder", "file"), ("folder",), ("file",)):
        file = file_of(case, [gor.request(f"/whole/{k}") for k in range(40)], 10_000_000, conns=20)
        result, out = replay(case, file, url(target), prefix=ca.as_system(where))
        equal(out["delivered"], 40, f"delivered, found by {where}: {result.stderr}")
        equal(warnings(result), [], "warnings")
    refused(case, url(target), "--output-http-ca-cert", Authority(case, "Another CA").cert,
            prefix=ca.as_system())


@test("a certificate for another name is refused, and accepted with --output-http-skip-verify")
def wrong_name(case):
    ca = Authority(case)
    target = server(case, ca.issue("DNS:other.example"))
    trust = ("--output-http-ca-cert", ca.cert)
    refused(case, url(target, "localhost"), *trust, words=["localhost", "certificate"])
    equal(target.served(), [], "served")
    _, out = replay(case, gets(case, 20), url(target, "localhost"), *trust,
                    "--output-http-skip-verify")
    equal((out["delivered"], out["http_tls"]), (20, 0), "delivered, http_tls")


@test("an expired certificate is refused")
def expired(case):
    ca = Authority(case)
    target = server(case, ca.expired())
    refused(case, url(target), "--output-http-ca-cert", ca.cert, words=["expired"])


@test("a server that speaks no TLS is a failure of TLS")
def no_tls(case):
    refused(case, url(Nginx(case)), words=["SSL"])


@test("nobody listens: that is no failure of TLS")
def nobody(case):
    result, out = replay(case, gets(case, 5), f"https://127.0.0.1:{free_port()}")
    equal((out["http_refused"], out["http_tls"]), (5, 0), "http_refused, http_tls")
    equal(len(warnings(result)), 1, "warnings")


# --- who we are ---


@test("a server that wants a client certificate takes ours; without one it says 400")
def client_certificate(case):
    ca, clients = Authority(case), Authority(case, "Clients CA")
    target = server(case, ca.issue(),
                    f"ssl_verify_client on; ssl_client_certificate {clients.cert};")
    cert, key = clients.issue("DNS:client")
    trust = ("--output-http-ca-cert", ca.cert)
    ways = ((("--output-http-client-cert", cert, "--output-http-client-key", key), 200),
            (("--output-http-client-cert", both(case, cert, key)), 200), ((), 400),
            (("--output-http-client-cert", both(case, *ca.issue("DNS:stranger"))), 400))
    for args, status in ways:
        before = len(target.served())
        _, out = replay(case, gets(case, 10, 2), url(target), *trust, *args)
        equal(out["http_2xx" if status == 200 else "http_4xx"], 10, f"answers {status} to {args}")
        equal({s.status for s in target.wait_served(before + 10)[before:]}, {status}, "nginx says")


class Strict:
    """A server that ends the handshake, not the request, of a client without certificate."""

    def __init__(self, case, ca, version):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = self.context.maximum_version = version
        self.context.load_cert_chain(*ca.issue())
        self.context.load_verify_locations(ca.cert)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()
        case.on_exit(self.socket.close)

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.settimeout(10)
        try:
            with self.context.wrap_socket(connection, server_side=True) as tls:
                while tls.recv(65536):
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            connection.close()


@test("a client certificate that TLS itself asks for: without it TLS has failed, and says why")
def alert(case):
    ca = Authority(case)
    own = ("--output-http-client-cert", both(case, *ca.issue("DNS:client")))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        target = Strict(case, ca, version)
        trust = ("--output-http-ca-cert", ca.cert)
        refused(case, url(target), *trust, words=["alert"])
        result, out = replay(case, gets(case, 20, 5), url(target), *trust, *own)
        equal((out["delivered"], out["http_connections"]), (20, 1), "delivered, connections")
        equal(warnings(result), [], "warnings")


@test("a key that is another certificate's is a failure of TLS that is told")
def wrong_key(case):
    ca = Authority(case)
    target = server(case, ca.issue())
    refused(case, url(target), "--output-http-ca-cert", ca.cert, "--output-http-client-cert",
            ca.issue()[0], "--output-http-client-key", ca.issue()[1], words=["key"])


@test("files that cannot be read or hold something else are refused at the start")
def bad_files(case):
    ca = Authority(case)
    cert, key = ca.issue()
    secret = case.path("secret.key")
    sh("openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out", secret)
    sh("openssl", "ec", "-in", key, "-aes128", "-passout", "pass:x", "-out", secret + ".old")
    text = case.write("text", "no PEM\n" * 1000)

    def refuse(status, words, *args):
        case.refuse("--input-dummy", "x", "--output-http", "https://127.0.0.1:1", *args,
                    status=status, words=words)

    for option in ("ca-cert", "client-cert"):
        option = f"--output-http-{option}"
        refuse(1, [option, "/nowhere", "No such file"], option, "/nowhere")
        refuse(1, [option, case.dir, "Is a directory"], option, case.dir)
        refuse(2, [option, text, "no certificate"], option, text)
    with_cert = ("--output-http-client-cert", cert)
    option = "--output-http-client-key"
    refuse(1, [option, "/nowhere", "No such file"], *with_cert, option, "/nowhere")
    refuse(2, [option, text, "no private key"], *with_cert, option, text)
    refuse(2, [option, "encrypted"], *with_cert, option, secret)
    refuse(2, [option, "encrypted"], *with_cert, option, secret + ".old")
    refuse(2, ["--output-http-client-cert", cert, "no private key", option], *with_cert)
    refuse(2, [option, "--output-http-client-cert"], option, key)


# --- what goes over it ---


@test("300 requests in a row need one connection and one handshake")
def one_connection(case):
    ca = Authority(case)
    target = server(case, ca.issue())
    _, out = replay(case, gets(case, 300, 2), url(target), "--output-http-ca-cert", ca.cert)
    equal((out["http_2xx"], out["http_connections"]), (300, 1), "http_2xx, http_connections")
    equal(len({s.connection for s in target.wait_served(300)}), 1, "connections in nginx's log")


@test("many connections: all but the first resume its session, in TLS 1.2 and 1.3")
def resumed(case):
    ca = Authority(case)
    # libcurl asks for no tickets of TLS 1.2: the server must remember
    for version in ("TLSv1.2; ssl_session_cache shared:a:1m", "TLSv1.3"):
        target = server(case, ca.issue(), f"ssl_protocols {version}; keepalive_timeout 0;")
        _, out = replay(case, gets(case, 100, 10), url(target), "--output-http-ca-cert", ca.cert)
        equal((out["http_2xx"], out["http_connections"]), (100, 100), "http_2xx, connections")
        sessions = [s.resumed for s in target.wait_served(100)]
        equal(sessions[0], ".", "the first")
        equal(sessions.count("r"), 99, f"resumed with {version}")


@test("100 connections at once carry what they should")
def side_by_side(case):
    ca = Authority(case)
    back = Target(case, delay=0.3)
    target = server(case, ca.issue(), f"location /to {{ proxy_pass http://127.0.0.1:{back.port}; }}")
    file = file_of(case, [gor.request(f"/to/{k}") for k in range(400)], conns=100)
    _, out = replay(case, file, url(target), "--output-http-ca-cert", ca.cert,
                    "--output-http-max-connections", 100)
    within(out["http_connections"], 50, 100, "connections")
    equal(out["http_2xx"], 400, "http_2xx")
    equal(sorted(a.raw.split()[1] for a in back.arrivals),
          sorted(b"/to/%d" % k for k in range(400)), "what arrives")


@test("the server is told the name that it is asked for by")
def server_name(case):
    ca = Authority(case)
    target = server(case, ca.issue())
    for name, told in (("localhost", "localhost"), ("127.0.0.1", "-")):  # RFC 6066, 3: no addresses
        before = len(target.served())
        replay(case, gets(case, 1), url(target, name), "--output-http-ca-cert", ca.cert)
        equal(target.wait_served(before + 1)[before].name, told, "server name")


@test("10 MiB up and 10 MiB down, byte for byte, over one connection")
def large(case):
    ca = Authority(case)
    back = Target(case)
    target = server(case, ca.issue(), f"location /to {{ proxy_pass http://127.0.0.1:{back.port}; }}")
    noise = random.Random(1)
    bodies = [noise.randbytes(size) for size in (10 * MIB, 10 * MIB + 1, 16384, 16385, MIB)]
    with open(f"{target.root}/files/big10", "wb") as f:
        f.write(noise.randbytes(10 * MIB))
    payloads = []
    for k, body in enumerate(bodies):
        payloads.append(gor.request(f"/to/{k}", method="POST", body=body))
        payloads.append(gor.request(f"/big10?{k}"))
    started = time.monotonic()
    _, out = replay(case, file_of(case, payloads), url(target), "--output-http-ca-cert", ca.cert,
                    "--output-http-max-connections", 1, "--output-http-timeout", "20s")
    equal((out["http_2xx"], out["http_connections"]), (10, 1), "http_2xx, http_connections")
    print(f"# {time.monotonic() - started:.1f} s for 73 MiB")
    got = [a.raw.partition(b"\r\n\r\n")[2] for a in back.arrivals]
    check(got == bodies, f"bodies of {[len(b) for b in got]} bytes, or not the same bytes")


@test("a server that dies and comes back is used again, and both are told once")
def comes_back(case):
    ca = Authority(case)
    cert = ca.issue()
    target = server(case, cert)
    refrain = case.refrain("--input-file", gets(case, 500, 10), "--output-http", url(target),
                           "--output-http-ca-cert", ca.cert, ready=False)
    target.wait_served(50)
    target.process.terminate()
    target.process.wait()
    wait_until(lambda: "cannot connect" in refrain.stderr(), "it says so")
    time.sleep(0.5)
    again = server(case, cert, port=target.port)
    again.wait_served(20)
    result = refrain.wait()
    out = result.output("output-http")
    equal(out["delivered"], len(target.served()) + len(again.served()), "delivered")
    equal(out["delivered"] + out["http_refused"] + out["http_reset"], 500, "all of them")
    check(out["http_refused"] >= 10, f"http_refused {out['http_refused']}")
    equal([len(warnings(result)), result.stderr.count(": connected")], [1, 1], "lines")


@test("a server that comes back with a bad certificate: both faults are told, and counted apart")
def comes_back_bad(case):
    ca = Authority(case)
    port = free_port()
    refrain = case.refrain("--input-file", gets(case, 400, 10), "--output-http",
                           f"https://127.0.0.1:{port}", "--output-http-ca-cert", ca.cert,
                           ready=False)
    wait_until(lambda: "efused" in refrain.stderr(), "it says that nobody listens")
    bad = server(case, ca.expired(), port=port)
    wait_until(lambda: "expired" in refrain.stderr(), "it says that the certificate has expired")
    bad.process.terminate()
    bad.process.wait()
    server(case, ca.issue(), port=port).wait_served(20)
    result = refrain.wait()
    out = result.output("output-http")
    check(min(out["http_refused"], out["http_tls"], out["http_2xx"]) > 0, f"{out}")
    equal(out["http_refused"] + out["http_tls"] + out["http_2xx"], 400, "all of them")
    equal([len(warnings(result)), result.stderr.count(": connected")], [2, 1], "lines")


if __name__ == "__main__":
    main()
