#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Relays that nobody listens to and nobody feeds but who may: TLS with certificates, TLS with a key
that both ends share, packed frames, and whom a listener is open to."""
import contextlib
import hashlib
import os
import socket
import ssl
import struct
import subprocess
import time
import zlib

import gor
import pki
from harness import check, equal, free_port, main, need, sh, test, wait_until, within
from peers import Server
from relays import Proxy, Receiver, check_all, kill_while, names, recording

KEY, OTHER_KEY = "0123456789abcdef-the-key", "0123456789abcdef-another"
OUT = ("--output-file-append",)


def key_file(case, text=KEY):
    return "@" + case.write(f"key-{case.next_number()}", text + "\n")


def listener_with(cert, key, *more):
    return ("--input-tcp-secure", "--input-tcp-certificate", cert, "--input-tcp-certificate-key",
            key, *more)


def receive(case, *options):
    return Receiver(case, "--output-file", case.path("out.gor"), *OUT, *options).start()


def deliver(case, receiver, n, *options, port=None):
    """All of n requests arrive."""
    file = recording(case, "in.gor", n, 100_000)
    result = case.run("--input-file", file, "--output-tcp", f"127.0.0.1:{port or receiver.port}",
                      *options)
    equal(result.output("output-tcp")["delivered"], n, "acknowledged")
    check_all(names([case.path("out.gor")]), n)
    return result


def answer(port, data):
    """What a listener says to that, until it closes the connection."""
    said = b""
    with socket.create_connection(("127.0.0.1", port)) as s, contextlib.suppress(ConnectionError):
        s.settimeout(12)
        s.sendall(data)
        while piece := s.recv(4096):
            said += piece
    return said


def fail(case, receiver, words, counter, *options, host="127.0.0.1"):
    """Nothing arrives, and the sender says why."""
    file = recording(case, "in.gor", 10, 100_000)
    sender = case.refrain("--input-file", file, "--output-tcp", f"{host}:{receiver.port}",
                          "--drain-timeout", "1s", *options, ready=False)
    wait_until(lambda: words in sender.stderr(), lambda: f"no {words!r} in {sender.stderr()}", 10)
    books = sender.stop(status=6).output("output-tcp")
    equal(books["delivered"], 0, "delivered")
    check(books["seen"] > 0, "the sender had nothing to send")
    equal(books["abandoned"], books["seen"], "abandoned, of those that were read by then")
    check(books[counter] >= 1, f"{counter} is not counted: {books}")


@test("TLS with certificates on both sides: all arrives, and nothing of it can be read on the way")
def certificates(case):
    ca = pki.Authority(case)
    client = ca.issue("DNS:sender")
    receiver = receive(case, *listener_with(*ca.issue(), "--input-tcp-client-ca", ca.cert))
    proxy = Proxy(case, receiver.port)
    options = ("--output-tcp-secure", "--output-tcp-ca-cert", ca.cert,
               "--output-tcp-client-cert", client[0], "--output-tcp-client-key", client[1])
    deliver(case, receiver, 5000, *options, port=proxy.port)
    stream = bytes(proxy.streams[0])
    check(len(stream) > 100_000 and b"GET /" not in stream, "requests can be read on the way")
    result = receiver.refrain.stop()
    equal(result.input("input-tcp")["records"], 5000, "records")


@test("the key alone does the same, and openssl can speak it")
def key_alone(case):
    need("openssl")
    receiver = receive(case, "--tcp-key", key_file(case))
    proxy = Proxy(case, receiver.port)
    deliver(case, receiver, 5000, "--tcp-key", key_file(case), port=proxy.port)
    check(b"GET /" not in bytes(proxy.streams[0]), "requests can be read on the way")
    psk = hashlib.sha256(KEY.encode()).hexdigest()
    client = subprocess.Popen(
        ["openssl", "s_client", "-quiet", "-tls1_3", "-psk", psk, "-psk_identity", "refrain-relay",
         "-ciphersuites", "TLS_AES_128_GCM_SHA256", "-connect", f"127.0.0.1:{receiver.port}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    case.on_exit(client.kill)
    client.stdin.write(b"refrain-relay/1 sender=ab next=5" + gor.SEPARATOR)
    client.stdin.flush()
    equal(client.stdout.readline(), b"refrain-relay/1 have=4\n", "WELCOME")
    client.kill()
    client.wait()
    client.stdin.close()
    client.stdout.close()
    receiver.refrain.stop()


def killed(case, n, kills, receiving, sending):
    receiver = receive(case, *receiving)
    file = recording(case, "in.gor", n, 8000)
    sender = case.refrain("--input-file", file, "--output-tcp", receiver.address, *sending,
                          ready=False)
    kill_while(receiver, sender, kills, 0.05, 0.35)
    result = sender.wait(60)
    equal(result.output("output-tcp")["delivered"], n, "acknowledged")
    receiver.refrain.stop()
    check_all(names([case.path("out.gor")]), n)


@test("TLS, and the receiver is killed 5 times: 0 lost, 0 twice, in order")
def killed_tls(case):
    ca = pki.Authority(case)
    killed(case, 32_000, 5, listener_with(*ca.issue()),
           ("--output-tcp-secure", "--output-tcp-ca-cert", ca.cert))


@test("the key and packed frames, and the receiver is killed 5 times: 0 lost, 0 twice, in order")
def killed_key(case):
    key = key_file(case)
    killed(case, 32_000, 5, ("--tcp-key", key),
           ("--tcp-key", key, "--output-tcp-compress", "zstd"))


@test("another key, no key, and TLS on one side only: nothing passes, both sides say and count it")
def one_sided(case):
    ca = pki.Authority(case)
    keyed = receive(case, "--tcp-key", key_file(case))
    fail(case, keyed, "another --tcp-key", "tls_key", "--tcp-key", key_file(case, OTHER_KEY))
    fail(case, keyed, "cannot connect", "tls_other", "--output-tcp-secure",
         "--output-tcp-skip-verify")
    data = gor.make(gor.request("/plain"), 17)
    equal(answer(keyed.port, data), b"", "an answer to a gor")
    books = keyed.refrain.stop().input("input-tcp")
    check(books["tls_key"] >= 2 and books["tls_not"] == 1 and books["records"] == 0, str(books))
    check("speaks no TLS" in keyed.refrain.stderr() and "--tcp-key" in keyed.refrain.stderr(),
          keyed.refrain.stderr())
    plain = Receiver(case, "--output-null").start()
    fail(case, plain, "instead of speaking TLS", "tls_not", "--tcp-key", key_file(case))
    books = plain.refrain.stop().input("input-tcp")
    check(books["tls_not"] >= 1 and books["records"] == 0, str(books))
    secure = Receiver(case, "--output-null", *listener_with(*ca.issue())).start()
    fail(case, secure, "--tcp-key", "tls_key", "--tcp-key", key_file(case))
    equal(answer(secure.port, b"GET / HTTP/1.1\r\n\r\n"), b"", "an answer to HTTP")
    books = secure.refrain.stop().input("input-tcp")
    check(books["tls_not"] == 1 and books["records"] == 0, str(books))


@test("certificates that are not good enough are refused, and told apart")
def bad_certificates(case):
    ca, stranger = pki.Authority(case), pki.Authority(case, "Other CA")
    trusting = ("--output-tcp-secure", "--output-tcp-ca-cert", ca.cert)
    cases = [(ca.expired(), "certificate has expired"),
             (ca.issue("DNS:elsewhere.example,IP:10.1.1.1"), "IP address mismatch"),
             (stranger.issue(), "its certificate is not accepted")]
    for files, words in cases:
        receiver = Receiver(case, "--output-null", *listener_with(*files)).start()
        fail(case, receiver, words, "tls_certificate", *trusting)
        books = receiver.refrain.stop().input("input-tcp")
        check(books["tls_certificate"] >= 1 and books["records"] == 0, str(books))
    receiver = Receiver(case, "--output-null", *listener_with(*ca.issue("DNS:other"))).start()
    fail(case, receiver, "ostname mismatch", "tls_certificate", *trusting, host="localhost")
    receiver.refrain.stop()
    receiver = receive(case, *listener_with(*stranger.issue("DNS:elsewhere.example")))
    deliver(case, receiver, 100, "--output-tcp-secure", "--output-tcp-skip-verify")
    receiver.refrain.stop()


@test("a sender without the right certificate is not let in")
def client_certificates(case):
    ca, stranger = pki.Authority(case), pki.Authority(case, "Other CA")
    trusting = ("--output-tcp-secure", "--output-tcp-ca-cert", ca.cert)
    receiver = receive(case, *listener_with(*ca.issue(), "--input-tcp-client-ca", ca.cert))
    fail(case, receiver, "wants a certificate of ours", "tls_certificate", *trusting)
    wrong = pki.both(case, *stranger.issue())
    fail(case, receiver, "does not accept our certificate", "tls_certificate", *trusting,
         "--output-tcp-client-cert", wrong)
    deliver(case, receiver, 100, *trusting, "--output-tcp-client-cert", pki.both(case, *ca.issue()))
    books = receiver.refrain.stop().input("input-tcp")
    check(books["tls_certificate"] >= 2, str(books))
    check("shows no certificate" in receiver.refrain.stderr(), receiver.refrain.stderr())


@test("TLS 1.1 is too old; with TLS 1.2 a gor's stream is taken")
def versions(case):
    need("openssl")
    ca = pki.Authority(case)
    receiver = receive(case, *listener_with(*ca.issue()))
    connect = ("openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{receiver.port}")
    data = gor.load(recording(case, "in.gor", 50, 100_000))
    old = subprocess.run([*connect, "-tls1_1", "-cipher", "ALL@SECLEVEL=0"], input=data,
                         capture_output=True, timeout=20, check=False)
    check(old.returncode != 0, "TLS 1.1 was let in")
    subprocess.run([*connect, "-tls1_2", "-no_ign_eof"], input=data, capture_output=True,
                   timeout=20, check=False)
    wait_until(lambda: receiver.refrain and len(names([case.path("out.gor")])) == 50, "50 records",
               10)
    books = receiver.refrain.stop().input("input-tcp")
    equal((books["records"], books["records_damaged"], books["tls_other"]), (50, 0, 1), "books")


@test("a server that does not acknowledge gets gor's stream over TLS, with its name in SNI")
def to_a_gor(case):
    ca = pki.Authority(case)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.issue("DNS:localhost"))
    asked = []
    context.sni_callback = lambda s, name, c: asked.append(name)
    server = Server(case, wrap=lambda s: context.wrap_socket(s, server_side=True))
    file = recording(case, "in.gor", 2000, 100_000)
    result = case.run("--input-file", file, "--output-tcp", f"localhost:{server.port}",
                      "--output-tcp-secure", "--output-tcp-ca-cert", ca.cert)
    equal(result.output("output-tcp")["delivered"], 2000, "delivered")
    server.wait_ended()
    got = [r[3] for stream in server.streams() for r in gor.parse_as_gor(stream)]
    equal(got, [r[3] for r in gor.parse_as_gor(gor.load(file))], "payloads")
    equal(set(asked), {"localhost"}, "names asked for")


@test("what was recorded on the way is of no use, and what is changed on the way breaks the "
      "connection: 0 lost, 0 twice")
def replayed(case):
    n = 20_000
    receiver = receive(case, "--tcp-key", key_file(case))

    def alter(connection, offset, data):
        if connection < 3 and offset > 100_000:
            return data[:50] + bytes([data[50] ^ 1]) + data[51:] if len(data) > 50 else data
        return data
    proxy = Proxy(case, receiver.port, alter)
    file = recording(case, "in.gor", n, 20_000)
    result = case.run("--input-file", file, "--output-tcp", f"127.0.0.1:{proxy.port}",
                      "--tcp-key", key_file(case))
    books = result.output("output-tcp")
    equal(books["delivered"], n, "acknowledged")
    check(books["reconnects"] >= 3, f"{books['reconnects']} reconnects")
    for stream in proxy.streams:
        answer(receiver.port, bytes(stream[:200_000]))
    end = receiver.refrain.stop().input("input-tcp")
    check_all(names([case.path("out.gor")]), n)
    check(end["tls_other"] >= 3 + len(proxy.streams),
          f"refused: {end['tls_other']}: {receiver.refrain.stderr()}")


def frame(kind, body, line_len=0, stream=0, number=0, line=b""):
    head = struct.pack("!BBHIQQ", 0xf5, kind, line_len, len(body), stream, number)
    return head + struct.pack("!I", zlib.crc32(head + line)) + body


def bomb(blocks, byte=0):
    """A zstd frame of so many blocks of 128 KiB, four bytes each (RFC 8878, 3.1.1.2)."""
    size = 128 * 1024
    data = b"\x28\xb5\x2f\xfd\x00\x58"
    for k in range(blocks):
        head = (k == blocks - 1) | 1 << 1 | size << 3
        data += struct.pack("<I", head)[:3] + bytes([byte])
    return data


@test("packed frames: a fraction of the bytes, the same messages; bombs are refused")
def packed(case):
    receiver = receive(case)
    proxy = Proxy(case, receiver.port)
    deliver(case, receiver, 20_000, "--output-tcp-compress", "zstd", port=proxy.port)
    within(len(proxy.streams[0]), 1000, os.path.getsize(case.path("out.gor")) / 2,
           "bytes on the way")
    check(b"pack=zstd" in bytes(proxy.streams[0][:200]), "HELLO does not ask")
    for name, number in (("zeros", 512 * 1024), ("more than it says", 512 * 1024),
                         ("less than it says", 500_000)):
        body = bomb({"zeros": 4, "more than it says": 8192, "less than it says": 1}[name])
        said = answer(receiver.port, b"refrain-relay/1 sender=ab next=1 pack=zstd" + gor.SEPARATOR +
                      frame(2, body, number=number))
        equal(said[:33], b"refrain-relay/1 have=0 pack=zstd\n"[:len(said)], "WELCOME")
    equal(receiver.refrain.stop().input("input-tcp")["records"], 20_000, "records")


@test("packed frames wait for room as others do")
def packed_waits(case):
    n = 5000
    receiver = receive(case, "--output-queue-len", "256")
    file = recording(case, "in.gor", n, 1_000_000)
    sender = case.refrain("--input-file", file, "--output-tcp", receiver.address,
                          "--output-tcp-compress", "zstd", ready=False)
    equal(sender.wait(60).output("output-tcp")["delivered"], n, "acknowledged")
    receiver.refrain.stop()
    check_all(names([case.path("out.gor")]), n)


@test("without an address it is this machine's own; a port that all can reach is told in plain words")
def whom_it_is_open_to(case):
    def listen(host, *options):
        port = free_port()
        refrain = case.refrain("--input-tcp", f"{host}:{port}", "--output-null", *options,
                               ready=port)
        reached = []
        for address in ("127.0.0.1", "::1", "127.0.0.2"):
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
                s.settimeout(5)
                if s.connect_ex((address, port)) == 0:
                    reached.append(address)
        refrain.stop()
        return reached, "everybody who can reach this port" in refrain.stderr()
    equal(listen(""), (["127.0.0.1", "::1"], False), "without a host")
    equal(listen("127.0.0.2"), (["127.0.0.2"], False), "an own address")
    equal(listen("0.0.0.0"), (["127.0.0.1", "127.0.0.2"], True), "all of IPv4")
    equal(listen("*"), (["127.0.0.1", "::1", "127.0.0.2"], True), "all")
    equal(listen("*", "--tcp-key", key_file(case)), (["127.0.0.1", "::1", "127.0.0.2"], False),
          "all, with a key")


@test("mistakes in these options are told at the start")
def refused(case):
    ca = pki.Authority(case)
    cert, key = ca.issue()
    _, other_key = ca.issue()
    receiving = ("--input-tcp", "127.0.0.1:1", "--output-null")
    sending = ("--input-dummy", "a", "--output-tcp", "127.0.0.1:1")
    mistakes = [
        ((*receiving, "--input-tcp-secure"), ("--input-tcp-certificate",)),
        ((*receiving, "--input-tcp-certificate", cert), ("no use", "--input-tcp-secure")),
        ((*receiving, *listener_with(cert, other_key)), ("--input-tcp-certificate-key", "mismatch")),
        ((*receiving, *listener_with(key, cert)), ("no certificate", key)),
        ((*receiving, *listener_with(cert, key, "--input-tcp-client-ca", key)),
         ("--input-tcp-client-ca", "no certificate")),
        ((*receiving, *listener_with(cert, key, "--tcp-key", key_file(case))), ("choose one",)),
        ((*receiving, "--tcp-key", key_file(case, "short")), ("16 characters", "openssl rand")),
        ((*receiving, "--tcp-key", KEY), ("--tcp-key", "@")),
        ((*sending, "--output-tcp-ca-cert", ca.cert), ("no use", "--output-tcp-secure")),
        ((*sending, "--output-tcp-secure", "--output-tcp-client-key", key),
         ("--output-tcp-client-cert",)),
        ((*sending, "--output-tcp-secure", "--output-tcp-ca-cert", case.path("none")),
         ("--output-tcp-ca-cert", "No such file")),
    ]
    for args, words in mistakes:
        case.refuse(*args, status=1 if "No such file" in words else 2, words=words)


if __name__ == "__main__":
    main()
