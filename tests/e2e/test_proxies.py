#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--output-http through a proxy that the environment names: always by CONNECT, so that requests
arrive as they were recorded."""
import base64
import contextlib
import os
import socket
import ssl
import threading

import gor
from harness import Skip, check, equal, free_port, main, need, need_root, test
from pki import Authority
from servers import Nginx, Target

START = 1_700_000_000_000_000_000
NONE = {f"{name}_proxy": "" for name in ("http", "https", "all", "no")}
NONE |= {name.upper(): "" for name in NONE}


class Proxy:
    """Takes CONNECT and nothing else. heads: what it was asked; user: "name:password" that it
    wants; cert: speaks TLS with this certificate and key; all go to `to`, whatever they ask for."""

    def __init__(self, case, user=None, status=200, cert=None, to=None):
        self.user, self.status, self.to = user, status, to
        self.heads, self.connections = [], []
        self.context = None
        if cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*cert)
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()
        case.on_exit(self.close)

    def close(self):
        self.socket.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def url(self, user="", scheme="http"):
        return f"{scheme}://{user}{'@' if user else ''}127.0.0.1:{self.port}"

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client:
            if self.context:
                # a thread for each direction, which one TLS object does not stand: bytes between
                # it and a pair of sockets are this thread's
                with self.context.wrap_socket(client, server_side=True) as tls:
                    ours, theirs = socket.socketpair()
                    threading.Thread(target=self.tunnel, args=(theirs,), daemon=True).start()
                    self.both_ways(tls, ours)
            else:
                self.tunnel(client)

    def tunnel(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(1)
            if not data:
                return
            head += data
        self.heads.append(head.decode())
        status = self.status
        if self.user:
            wanted = "Basic " + base64.b64encode(self.user.encode()).decode()
            status = 200 if f"Proxy-Authorization: {wanted}\r\n" in head.decode() else 407
        if status != 200 or not head.startswith(b"CONNECT "):
            client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
            client.close()
            return
        name, _, port = head.split()[1].decode().rpartition(":")
        with socket.create_connection(self.to or (name, int(port))) as target:
            self.connections.append(target)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self.pump, args=(target, client), daemon=True)
            back.start()
            self.pump(client, target)
            back.join(5)

    def pump(self, from_, to):
        with contextlib.suppress(OSError):
            while data := from_.recv(65536):
                to.sendall(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    def both_ways(self, tls, plain):
        tls.settimeout(0.005)
        plain.settimeout(0.005)
        while True:
            for from_, to in ((tls, plain), (plain, tls)):
                with contextlib.suppress(TimeoutError):
                    data = from_.recv(65536)
                    if not data:
                        plain.close()
                        return
                    to.sendall(data)

    def asked(self):
        return [head.splitlines()[0] for head in self.heads]


def replay(case, url, env, *args, n=20, **kwargs):
    """The result of a run, and the account of its output."""
    data = b"".join(gor.make(gor.request(f"/{k}"), START + k * 5_000_000, id_=f"{k:024x}")
                    for k in range(n))
    result = case.run("--input-file", case.write(f"in-{case.next_number()}.gor", data),
                      "--output-http", url, *args, env={**NONE, **env}, **kwargs)
    return result, result.output("output-http")


def tls_server(case, ca):
    cert, key = ca.issue()
    return Nginx(case, tls=f"ssl_certificate {cert}; ssl_certificate_key {key};")


@test("http_proxy: requests to an http target go through CONNECT, and arrive as recorded")
def http(case):
    proxy, target = Proxy(case), Target(case)
    result, out = replay(case, f"http://127.0.0.1:{target.port}", {"http_proxy": proxy.url()})
    equal((out["delivered"], out["http_connections"]), (20, 1), "delivered, http_connections")
    equal(proxy.asked(), [f"CONNECT 127.0.0.1:{target.port} HTTP/1.1"], "what the proxy was asked")
    host = f"127.0.0.1:{target.port}"
    equal([a.raw for a in target.arrivals], [gor.request(f"/{k}", host) for k in range(20)],
          "what arrives")
    check("cannot connect" not in result.stderr, result.stderr)


@test("https_proxy: to an https target too, whose certificate is checked all the same")
def https(case):
    ca = Authority(case)
    proxy, target = Proxy(case), tls_server(case, ca)
    url, env = f"https://localhost:{target.port}", {"https_proxy": proxy.url()}
    trust = ("--output-http-ca-cert", ca.cert)
    _, out = replay(case, url, env, *trust)
    equal((out["http_2xx"], out["http_connections"]), (20, 1), "http_2xx, http_connections")
    equal(proxy.asked(), [f"CONNECT localhost:{target.port} HTTP/1.1"], "what the proxy was asked")
    equal({s.name for s in target.wait_served(20)}, {"localhost"}, "server names")
    _, out = replay(case, url, env)
    equal((out["failed"], out["http_tls"]), (20, 20), "failed, http_tls")


@test("the name of the target is looked up by the proxy")
def lookup(case):
    target = Target(case)
    proxy = Proxy(case, to=("127.0.0.1", target.port))
    _, out = replay(case, "http://only.proxy.invalid:8080", {"http_proxy": proxy.url()})
    equal(out["delivered"], 20, "delivered")
    equal(proxy.asked(), ["CONNECT only.proxy.invalid:8080 HTTP/1.1"], "what the proxy was asked")


@test("each scheme has its own variable; all_proxy stands for both, and no_proxy wins")
def variables(case):
    ca = Authority(case)
    plain, secure = Nginx(case), tls_server(case, ca)
    proxy = Proxy(case)
    url = proxy.url()
    dead = f"http://127.0.0.1:{free_port()}"
    cases = (({"https_proxy": url}, 0, 1), ({"http_proxy": url}, 1, 0), ({"all_proxy": url}, 1, 1),
             ({"ALL_PROXY": url}, 1, 1), ({"HTTPS_PROXY": url}, 0, 1),
             ({"HTTP_PROXY": dead}, 0, 0),  # a CGI script's "Proxy:" field, says libcurl
             ({"all_proxy": dead, "no_proxy": "127.0.0.1"}, 0, 0),
             ({"all_proxy": dead, "NO_PROXY": "*"}, 0, 0),
             ({"all_proxy": url, "no_proxy": "10.0.0.0/8,other.example"}, 1, 1))
    for env, http_asked, https_asked in cases:
        for target, scheme, asked in ((plain, "http", http_asked), (secure, "https", https_asked)):
            before = len(proxy.heads)
            result, out = replay(case, f"{scheme}://127.0.0.1:{target.port}", env,
                                 "--output-http-ca-cert", ca.cert, n=2)
            equal(out["delivered"], 2, f"delivered by {scheme} with {env}: {result.stderr}")
            equal(len(proxy.heads) - before, asked, f"asked by {scheme} with {env}")


@test("a proxy that wants a password gets the one in its URL")
def password(case):
    proxy, target = Proxy(case, user="me:secret"), Target(case)
    _, out = replay(case, f"http://127.0.0.1:{target.port}",
                    {"http_proxy": proxy.url("me:secret")})
    equal(out["delivered"], 20, "delivered")
    check(all(b"roxy" not in a.raw for a in target.arrivals), "the target was told of the proxy")


@test("a proxy that refuses: counted, and one line says what it answered")
def refuses(case):
    ca = Authority(case)
    plain, secure = Target(case), tls_server(case, ca)
    for url in (f"http://127.0.0.1:{plain.port}", f"https://127.0.0.1:{secure.port}"):
        for proxy, status in ((Proxy(case, user="me:secret"), 407), (Proxy(case, status=403), 403),
                              (Proxy(case, status=502), 502)):
            result, out = replay(case, url, {"all_proxy": proxy.url()}, "--output-http-ca-cert",
                                 ca.cert)
            equal((out["failed"], out["http_refused"]), (20, 20), "failed, http_refused")
            lines = [x for x in result.stderr.splitlines() if "cannot connect" in x]
            equal(len(lines), 1, f"lines: {lines}")
            check(f"the proxy answers {status}" in lines[0], f"not {status}: {lines[0]}")
    equal((plain.arrivals, secure.served()), ([], []), "what arrived")


@test("a proxy that is not there: counted, and told to be another than the target")
def absent(case):
    target, port = Target(case), free_port()
    for proxy, words in ((f"http://127.0.0.1:{port}", [str(port), "refused"]),
                         ("http://no.such.invalid:1", ["proxy", "no.such.invalid"])):
        result, out = replay(case, f"http://127.0.0.1:{target.port}", {"http_proxy": proxy})
        equal((out["failed"], out["http_refused"]), (20, 20), "failed, http_refused")
        lines = [x for x in result.stderr.splitlines() if "cannot connect" in x]
        equal(len(lines), 1, f"lines: {lines}")
        check(all(word in lines[0] for word in words), f"not {words}: {lines[0]}")
    equal(target.arrivals, [], "arrivals")


@test("TLS to the proxy, for http and https targets")
def tls_proxy(case):
    need_root()
    need("unshare")
    if not os.path.isdir("/etc/ssl/certs"):
        raise Skip("certificates are elsewhere")
    ca = Authority(case)
    proxy = Proxy(case, cert=ca.issue())
    env = {"all_proxy": proxy.url(scheme="https")}
    target, secure = Target(case), tls_server(case, ca)
    _, out = replay(case, f"http://127.0.0.1:{target.port}", env, prefix=ca.as_system())
    equal((out["delivered"], out["http_connections"]), (20, 1), "delivered, connections (http)")
    equal(len(target.arrivals), 20, "arrivals")
    _, out = replay(case, f"https://127.0.0.1:{secure.port}", env, prefix=ca.as_system())
    equal((out["delivered"], out["http_connections"]), (20, 1), "delivered, connections (https)")
    equal(len(proxy.heads), 2, "tunnels")
    _, out = replay(case, f"http://127.0.0.1:{target.port}", env)
    equal((out["failed"], out["http_tls"]), (20, 20), "failed, http_tls without its CA")


if __name__ == "__main__":
    main()
