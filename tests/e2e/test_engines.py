#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Engines and options of --input-raw: VXLAN, VLANs, other protocols, and all that gor has."""
import os
import re
import socket
import subprocess
import sys
import threading
import time

import gor
from harness import (check, equal, free_port, main, need, need_root, sh, test, wait_until, within)
from net import Namespaces
from servers import Nginx

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "generated"))
import links  # noqa: E402
import packets as p  # noqa: E402

START_NS = 1_700_000_000 * 10**9
CLIENT, SERVER = bytes((10, 0, 0, 2)), bytes((10, 0, 0, 1))
ETHERNET = 1


def request(path, body=b""):
    return (f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def segments(*payloads, port=40000, server_port=80, seq=1000):
    """A connection's packets on the client's side: SYN, then the payloads."""
    out = [p.ipv4(CLIENT, SERVER, p.tcp(port, server_port, seq, 0, p.SYN, b""))]
    seq += 1
    for payload in payloads:
        out.append(p.ipv4(CLIENT, SERVER, p.tcp(port, server_port, seq, 1, p.ACK, payload)))
        seq += len(payload)
    return out


def targets(result):
    return sorted(r.payload.split(b" ")[1].decode() for r in gor.requests(gor.parse(result.stdout)))


def read(case, packets, *args):
    path = case.path("made.pcap")
    p.write_pcap(path, ETHERNET, [(START_NS + i * 1000, data) for i, data in enumerate(packets)])
    return case.run("--input-raw", f"{path}:80", "--output-stdout", *args)


def tagged(vlan, packet):
    return links.ALL["vlan"][1](packet, True, vlan)


def vxlan(vni, packet):
    return links.vxlan(vni) + links.plain(packet, True)


# The same endpoints and sequence numbers, told apart by an id that both directions share.
NETWORKS = ["vlan", "qinq, inner", "pppoe", "gre, key", "vxlan", "geneve"]


@test("equal connections in two VLANs or tunnels are two, however their packets are mixed")
def networks(case):
    for name in NETWORKS:
        make = links.ALL[name][1]
        body = b"0123456789" * 20
        one, two = request("/one", body), request("/two", body[::-1])
        first = segments(one[:30], one[30:100], one[100:])
        second = segments(two[:50], two[50:60], two[60:])
        mixed = [frame for a, b in zip(first, second) for frame in (make(a, True, 5), make(b, True, 6))]
        result = read(case, mixed)
        payloads = sorted(r.payload for r in gor.requests(gor.parse(result.stdout)))
        equal(payloads, [one, two], f"requests in two networks of {name}")
        equal(result.input("input-raw")["flows"], 2, f"connections in {name}")


@test("--input-raw-vlan-vid takes the VLANs it names and counts the others")
def vlan_vid(case):
    frames = [links.plain(s) for s in segments(request("/none"), port=40001)]
    for vlan in (5, 6, 7):
        frames += [tagged(vlan, s) for s in segments(request(f"/{vlan}"), port=40001)]
    equal(targets(read(case, frames)), ["/5", "/6", "/7", "/none"], "without the option")
    result = read(case, frames, "--input-raw-vlan", "--input-raw-vlan-vid", 6)
    equal(targets(result), ["/6"], "VLAN 6")
    equal(result.input("input-raw")["skipped_network"], 6, "segments of other VLANs")
    result = read(case, frames, "--input-raw-vlan-vid", 5, "--input-raw-vlan-vid", 7)
    equal(targets(result), ["/5", "/7"], "VLANs 5 and 7")
    case.refuse("--input-raw", ":80", "--input-raw-vlan-vid", 5, "--input-raw-ignore-interface", "x",
                "--output-null", status=2, words=["--input-raw-ignore-interface", "name one"])


SEND_FRAMES = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for line in sys.stdin:
    s.send(bytes.fromhex(line))
"""


def send_frames(prefix, interface, frames):
    done = subprocess.run([*prefix, "python3", "-c", SEND_FRAMES, interface], check=False,
                          input="\n".join(f.hex() for f in frames).encode(), capture_output=True)
    equal((done.returncode, done.stderr), (0, b""), "the sender's end")


@test("a VLAN is found by its id on a live interface and on all, where the kernel takes tags off")
def live_vlan(case):
    ns = Namespaces(case)
    for where, delay in (("veth-s", "10ms"), ("veth-s", "0"), ("", "10ms"), ("", "0")):
        refrain = case.refrain("--input-raw", f"{where}:80", "--input-raw-vlan-vid", 6,
                               "--input-raw-buffer-timeout", delay, "--output-stdout",
                               prefix=ns.on_server())
        frames = [links.plain(s) for s in segments(request("/none"))]
        for vlan in (5, 6):
            frames += [tagged(vlan, s) for s in segments(request(f"/{vlan}"))]
        send_frames(ns.on_client(), "veth-c", frames)
        time.sleep(0.3)
        equal(targets(refrain.stop()), ["/6"], f"requests on {where or 'all interfaces'}, {delay}")


def send(port, datagrams, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        for data in datagrams:
            s.sendto(data, ("127.0.0.1" if family == socket.AF_INET else "::1", port))


def listen(case, port, *args):
    return case.refrain("--input-raw", ":80", "--input-raw-engine", "vxlan",
                        "--input-raw-vxlan-port", port, "--output-stdout", *args)


@test("the engine vxlan records what comes in datagrams, jumbo frames too")
def vxlan_engine(case):
    port = free_port()
    refrain = listen(case, port)
    body = os.urandom(60000)
    big = request("/big", body)
    send(port, [vxlan(42, s) for s in segments(request("/small"), big[:30000], big[30000:])])
    send(port, [vxlan(7, s) for s in segments(request("/v6"))], socket.AF_INET6)
    send(port, [b"", b"x", b"\x08", vxlan(1, b"\x45" * 30), os.urandom(2000)])
    send(port, [vxlan(42, s) for s in segments(request("/other"), port=41000, server_port=81)])
    time.sleep(0.3)
    before = time.time_ns()
    result = refrain.stop()
    equal(targets(result), ["/big", "/small", "/v6"], "requests")
    records = gor.requests(gor.parse(result.stdout))
    check(any(r.payload == big for r in records), "the big one differs")
    for r in records:
        within(before - r.ts, 0, 60 * 10**9, "age of a timestamp in ns")
    equal(result.input("input-raw")["skipped_port"], 2, "segments of another port")


@test("--input-raw-vxlan-vni takes networks or leaves them out; a filter sees the inner packets")
def vni(case):
    cases = [((1,), ["/1"]), ((1, 3), ["/1", "/3"]), ((-1,), ["/2", "/3"]),
             ((-1, 2), ["/2", "/3"]), ((), ["/1", "/2", "/3"])]
    for wanted, expected in cases:
        port = free_port()
        options = [word for n in wanted for word in ("--input-raw-vxlan-vni", n)]
        refrain = listen(case, port, *options)
        for n in (1, 2, 3):
            send(port, [vxlan(n, s) for s in segments(request(f"/{n}"))])
        time.sleep(0.3)
        equal(targets(refrain.stop()), expected, f"requests with VNIs {wanted}")
    port = free_port()
    refrain = listen(case, port, "--input-raw-bpf-filter", "tcp src port 40001")
    for n in (0, 1):
        send(port, [vxlan(9, s) for s in segments(request(f"/{n}"), port=40000 + n)])
    time.sleep(0.3)
    equal(targets(refrain.stop()), ["/1"], "requests through the filter")


@test("a UDP port that is taken is named, and so is a host that is no address")
def vxlan_errors(case):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("0.0.0.0", 0))
        port = s.getsockname()[1]
        case.refuse("--input-raw", ":80", "--input-raw-engine", "vxlan", "--input-raw-vxlan-port",
                    port, "--output-null", status=1, words=[f"UDP port {port}", "taken"])
    case.refuse("--input-raw", "eth0:80", "--input-raw-engine", "vxlan", "--output-null", status=2,
                words=['"eth0"', "address to listen on"])
    many = [word for n in range(65) for word in ("--input-raw-vxlan-vni", n + 1)]
    case.refuse("--input-raw", ":80", "--input-raw-engine", "vxlan", "--output-null", *many,
                status=2, words=["--input-raw-vxlan-vni", "64"])
    case.refuse("--input-raw", ":80", "--input-raw-engine", "vxlan", "--input-raw-bpf-filter",
                "nonsense here", "--output-null", status=2, words=["nonsense here"])


@test("what a vxlan device of the kernel sends is recorded")
def kernel_vxlan(case):
    ns = Namespaces(case)
    sh("ip", "-n", ns.client, "link", "add", "mirror", "type", "vxlan", "id", 77, "remote",
       ns.server_address, "dstport", 4789, "dev", "veth-c")
    sh("ip", "-n", ns.client, "link", "set", "mirror", "up")
    wait_until(lambda: "UP" in sh("ip", "-n", ns.client, "link", "show", "mirror"), "it is up")
    refrain = case.refrain("--input-raw", ":80", "--input-raw-engine", "vxlan",
                           "--input-raw-vxlan-vni", 77, "--output-stdout", prefix=ns.on_server())
    bodies = [os.urandom(900) for _ in range(50)]
    frames = [links.plain(s) for n, body in enumerate(bodies)
              for s in segments(request(f"/{n}", body), port=41000 + n)]
    send_frames(ns.on_client(), "mirror", frames)
    time.sleep(0.5)
    result = refrain.stop()
    payloads = [r.payload for r in gor.parse(result.stdout)]
    equal(payloads, [request(f"/{n}", body) for n, body in enumerate(bodies)], "requests")


class Turns:
    """A server that answers each line with its length, on a protocol of its own."""

    def __init__(self, case):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        case.on_exit(self.listener.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            with peer, peer.makefile("rwb") as f:
                for line in f:
                    f.write(b"\x00\xff%d\x00" % len(line))
                    f.flush()


@test("--input-raw-protocol binary records what each side says in its turn")
def binary(case):
    need_root()
    server = Turns(case)
    for track in (False, True):
        refrain = case.refrain("--input-raw", f"lo:{server.port}", "--input-raw-protocol", "binary",
                               "--input-raw-track-response", str(track).lower(), "--output-stdout")
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            for n in (1, 2, 3):
                s.sendall(b"\x01\x02GET / HTTP/1.1\r" + b"\xfe" * n * 20000)
                time.sleep(0.05)
                s.sendall(b" and more\n")
                s.recv(100)
        time.sleep(0.3)
        result = refrain.stop()
        records = gor.parse(result.stdout)
        sent = [b"\x01\x02GET / HTTP/1.1\r" + b"\xfe" * n * 20000 + b" and more\n"
                for n in (1, 2, 3)]
        equal([r.payload for r in records if r.type == 1], sent, "what the client said")
        said = [b"\x00\xff%d\x00" % len(line) for line in sent] if track else []
        equal([r.payload for r in records if r.type == 2], said, "what the server said")
        if track:
            ids = [r.id for r in records]
            equal(ids[0::2], ids[1::2], "ids of requests and of their answers")


@test("a binary message whose answer is not seen comes out after --input-raw-expire")
def binary_expire(case):
    need_root()
    server = Turns(case)
    refrain = case.refrain("--input-raw", f"lo:{server.port}", "--input-raw-protocol", "binary",
                           "--input-raw-expire", "300ms", "--output-stdout")
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        s.sendall(b"half a line")
        refrain.wait_for(lambda: b"half a line" in refrain.stdout(), "the message", timeout=5)
    refrain.stop()


@test("nothing but TLS on the port is told once, and counted")
def only_tls(case):
    need_root()
    server = Turns(case)
    refrain = case.refrain("--input-raw", f"lo:{server.port}", "--output-stdout")
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            s.settimeout(5)
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500 + b"\n")
            s.recv(100)
    time.sleep(0.3)
    result = refrain.stop()
    equal(result.input("input-raw")["flows_tls"], 3, "TLS streams")
    equal(len(re.findall("TLS, 3 streams, not decoded", result.stderr)), 1, "warnings")


@test("--input-raw-stats says every 5 seconds, and at the end, what was captured")
def stats(case):
    nginx = Nginx(case)
    need_root()
    refrain = case.refrain("--input-raw", f"lo:{nginx.port}", "--input-raw-stats", "--output-null")
    sh("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/")
    refrain.wait_for(lambda: re.search(r"lo: \d+ packets .*1 requests \(1 complete\)",
                                       refrain.stderr()), "the figures", timeout=15)
    result = refrain.stop()
    check(len(re.findall(r"lo: \d+ packets", result.stderr)) >= 2, "no figures at the end")


@test("every engine and option of gor's live capture records the same")
def every_option(case):
    need_root()
    nginx = Nginx(case)
    variants = [("--input-raw-engine", engine) for engine in
                ("libpcap", "af_packet", "raw_socket", "")]
    variants += [("--input-raw-override-snaplen",), ("--input-raw-promisc",), ("--input-raw-vlan",),
                 ("--input-raw-buffer-size", "1mb"), ("--input-raw-buffer-timeout", "20ms"),
                 ("--input-raw-timestamp-type", "go"), ("--input-raw-timestamp-type", "host"),
                 ("--input-raw-timestamp-type", "PCAP_TSTAMP_HOST"),
                 ("--input-raw-bpf-filter", f"tcp dst port {nginx.port}")]
    for options in variants:
        refrain = case.refrain("--input-raw", f"lo:{nginx.port}", "--output-stdout", *options)
        for n in range(3):
            sh("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/{n}")
        time.sleep(0.2)
        equal(targets(refrain.stop()), ["/0", "/1", "/2"], f"requests with {options}")
    case.refuse("--input-raw", f"lo:{nginx.port}", "--output-null", "--input-raw-timestamp-type",
                "nonsense", status=2, words=["--input-raw-timestamp-type", "nonsense"])
    case.refuse("--input-raw", f"lo:{nginx.port}", "--output-null", "--input-raw-monitor", status=1,
                words=["lo", "monitor mode"])


@test("--input-raw-ignore-interface leaves out what comes by that interface")
def ignore(case):
    ns = Namespaces(case)
    port = free_port()
    case.spawn("python3", "-m", "http.server", port, "--directory", case.dir, prefix=ns.on_server(),
               stdout=open(os.devnull, "wb"), stderr=open(os.devnull, "wb"))
    wait_until(lambda: str(port) in sh(*ns.on_server(), "ss", "-ltn"), "the server listens")
    refrain = case.refrain("--input-raw", f":{port}", "--input-raw-ignore-interface", "lo",
                           "--output-stdout", prefix=ns.on_server())
    sh(*ns.on_server(), "curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/lo")
    sh(*ns.on_client(), "curl", "-s", "-o", "/dev/null", f"http://{ns.server_address}:{port}/veth")
    time.sleep(0.3)
    equal(targets(refrain.stop()), ["/veth"], "requests")


@test("heads of 64 KiB are recorded, longer ones are counted unless --input-raw-max-head allows them")
def long_heads(case):
    frames = []
    for n, size in enumerate((64 << 10, (64 << 10) + 1, 200 << 10)):
        head = f"GET /{n}" + "x" * 30000 + " HTTP/1.1\r\nHost: h\r\nX: "
        one = (head + "y" * (size - len(head) - 4) + "\r\n\r\n").encode()
        parts = [one[i:i + 1400] for i in range(0, len(one), 1400)]
        frames += [links.plain(s) for s in segments(*parts, port=40000 + n)]
    found = {None: 1, "66kb": 2, "1mb": 3}
    for limit, wanted in found.items():
        options = ("--input-raw-max-head", limit) if limit else ()
        result = read(case, frames, *options)
        equal(len(targets(result)), wanted, f"requests with the limit {limit}")
        equal(result.input("input-raw")["requests_too_large"], 3 - wanted, "requests too large")


@test("responses of a capture have the latency of its packets, however late they come")
def latency(case):
    seqs = {CLIENT: 1000, SERVER: 9000}
    frames = []

    def packet(ns, src, flags, payload=b""):
        dst = SERVER if src == CLIENT else CLIENT
        ports = (40000, 80) if src == CLIENT else (80, 40000)
        data = p.tcp(*ports, seqs[src], seqs[dst], flags, payload)
        seqs[src] += len(payload) + bool(flags & p.SYN)
        frames.append((START_NS + ns, links.plain(p.ipv4(src, dst, data))))

    packet(0, CLIENT, p.SYN)
    packet(1000, SERVER, p.SYN | p.ACK)
    waits = [1_000_000, 123_456_789, 300 * 10**9]  # 300 s are beyond the expiry of a request
    now = 10_000
    for n, wait in enumerate(waits):
        one = request(f"/{n}", b"0123456789")
        packet(now, CLIENT, p.ACK, one[:20])
        packet(now + 5_000, CLIENT, p.ACK, one[20:])
        packet(now + 5_000 + wait, SERVER, p.ACK, b"HTTP/1.1 200 OK\r\n")
        packet(now + 9_000 + wait, SERVER, p.ACK, b"Content-Length: 2\r\n\r\nok")
        now += wait + 10**9
    packet(now, CLIENT, p.ACK, request("/never"))
    packet(now + 700 * 10**9, SERVER, p.ACK, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    packet(now + 701 * 10**9, CLIENT, p.ACK, request("/cut", b"x" * 99)[:70])
    path = case.path("times.pcap")
    p.write_pcap(path, ETHERNET, frames)
    frames.append((START_NS + now + 900 * 10**9,
                   links.plain(segments(request("/last"), port=41000)[1])))
    p.write_pcap(path, ETHERNET, frames)
    result = case.run("--input-raw", f"{path}:80", "--input-raw-track-response", "--output-stdout")
    responses = [r for r in gor.parse(result.stdout) if r.type == 2]
    equal([r.latency for r in responses], waits, "latencies in ns")
    equal(targets(result), ["/0", "/1", "/2", "/last", "/never"], "requests")
    equal(result.input("input-raw")["requests_expired"], 1, "requests expired")


if __name__ == "__main__":
    main()
