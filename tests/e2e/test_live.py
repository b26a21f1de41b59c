#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Live capture of a real nginx: everything that was sent is recorded, to the byte."""
import os
import re
import time

import gor
import traffic
from harness import check, equal, free_port, main, need, need_root, sh, test, wait_until
from net import Namespaces
from recorded import check_account, check_recorded, check_served, client
from servers import Nginx


@test("20,000 requests of all shapes over loopback are recorded to the byte")
def loopback(case):
    need_root()
    nginx = Nginx(case)
    file = case.path("all.gor")
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--output-file", file,
                           "--output-file-append")
    plan = (11, 40, 500)
    equal(traffic.send(("127.0.0.1", nginx.port), *plan), 20000, "answers")
    result = refrain.stop()
    wanted = traffic.expected(*plan)
    check_recorded(gor.read(file), wanted)
    check_served(nginx, plan)
    check_account(result, 20000)


@test("20,000 requests between two namespaces, with offload on, are recorded to the byte")
def veth(case):
    ns = Namespaces(case)
    nginx = Nginx(case, listen=(ns.server_address,), prefix=ns.on_server())
    file = case.path("all.gor")
    refrain = case.refrain("--input-raw", f"veth-s:{nginx.port}", "--output-file", file,
                           "--output-file-append", prefix=ns.on_server())
    plan = (12, 40, 500)
    equal(client(ns.on_client(), ns.server_address, nginx.port, *plan), 20000, "answers")
    result = refrain.stop()
    wanted = traffic.expected(*plan)
    check_recorded(gor.read(file), wanted)
    check_served(nginx, plan)
    check_account(result, 20000)


@test("without delay, on one interface and on all, requests of all shapes are recorded to the byte")
def at_once(case):
    ns = Namespaces(case)
    nginx = Nginx(case, listen=(ns.server_address,), prefix=ns.on_server())
    for where, seed in (("veth-s", 15), ("", 16)):
        file = case.path(f"all-{seed}.gor")
        refrain = case.refrain("--input-raw", f"{where}:{nginx.port}", "--output-file", file,
                               "--output-file-append", "--input-raw-buffer-timeout", 0,
                               prefix=ns.on_server())
        sockets = sh(*ns.on_server(), "cat", "/proc/net/packet").splitlines()[1:]
        equal(len(sockets), 2, "packet sockets: libpcap's, and one without a ring")
        plan = (seed, 16, 100)
        equal(client(ns.on_client(), ns.server_address, nginx.port, *plan), 1600, "answers")
        result = refrain.stop()
        check_recorded(gor.read(file), traffic.expected(*plan))
        check_account(result, 1600)


@test("every request of wrk is recorded, as many as nginx's log has")
def wrk(case):
    need_root()
    need("wrk")
    nginx = Nginx(case)
    file = case.path("wrk.gor")
    script = case.write("pause.lua", "function delay() return 5 end\n")
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--output-file", file,
                           "--output-file-append", "--output-file-queue-limit", "0")
    sh("wrk", "-t", "1", "-c", "16", "-d", "3s", "-s", script,
       f"http://127.0.0.1:{nginx.port}/wrk")
    nginx.process.terminate()
    nginx.process.wait(10)
    served = len(nginx.served())
    check(served > 1000, f"wrk made only {served} requests")
    result = refrain.stop()
    equal(len(gor.read(file)), served, "requests recorded, against nginx's log")
    check_account(result, served)


@test("responses are recorded with their request's id and latency")
def responses(case):
    need_root()
    nginx = Nginx(case)
    file = case.path("pairs.gor")
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--output-file", file,
                           "--output-file-append", "--input-raw-track-response")
    plan = (13, 8, 50)
    equal(traffic.send(("127.0.0.1", nginx.port), *plan), 400, "answers")
    sh("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/big")
    result = refrain.stop()
    records = gor.read(file)
    asked = {r.id: r for r in records if r.type == 1}
    answered = {r.id: r for r in records if r.type == 2}
    equal(len(asked), 401, "requests with ids of their own")
    equal(set(answered), set(asked), "ids of the responses")
    for id_, answer in answered.items():
        request = asked[id_]
        check(answer.payload.startswith(b"HTTP/1."), f"{answer.payload[:40]} is no response")
        equal((answer.src, answer.dst), (request.dst, request.src), "ends of the response")
        check(0 <= answer.latency < 5_000_000_000, f"latency {answer.latency}")
        check(answer.ts >= request.ts, "a response before its request")
    big = [r for r in answered.values() if len(r.payload) > 1 << 20]
    equal(len(big), 1, "responses of more than a MiB")
    check(big[0].payload.endswith(b"0123456789abcdef" * 65536), "the large body was altered")
    equal(result.input("input-raw")["responses_complete"], 401, "responses_complete")


@test("requests over IPv6 are recorded, with bracketed addresses")
def ipv6(case):
    need_root()
    nginx = Nginx(case, listen=("[::1]",))
    file = case.path("six.gor")
    refrain = case.refrain("--input-raw", f":{nginx.port}", "--output-file", file,
                           "--output-file-append")
    plan = (14, 4, 50)
    equal(traffic.send(("::1", nginx.port), *plan), 200, "answers")
    refrain.stop()
    records = gor.read(file)
    check_recorded(records, traffic.expected(*plan))
    for record in records:
        equal(record.dst, f"[::1]:{nginx.port}", "DST")
        check(record.src.startswith("[::1]:"), f"SRC {record.src}")


@test("all interfaces, IPv4 and IPv6 at once, each request once")
def all_interfaces(case):
    ns = Namespaces(case)
    nginx = Nginx(case, listen=("0.0.0.0", "[::]"), prefix=ns.on_server())
    file = case.path("any.gor")
    refrain = case.refrain("--input-raw", f":{nginx.port}", "--output-file", file,
                           "--output-file-append", prefix=ns.on_server())
    paths = (("/veth4", ns.on_client(), ns.server_address), ("/lo4", ns.on_server(), "127.0.0.1"),
             ("/veth6", ns.on_client(), f"[{ns.server_address6}]"),
             ("/lo6", ns.on_server(), "[::1]"))
    for path, prefix, address in paths:
        sh(*prefix, "curl", "-s", "-o", "/dev/null", f"http://{address}:{nginx.port}{path}")
    refrain.stop()
    equal(sorted(r.payload.split()[1].decode() for r in gor.read(file)),
          sorted(p[0] for p in paths), "paths recorded")


@test("an interface that comes up later is captured too")
def later(case):
    ns = Namespaces(case, connected=False)
    nginx = Nginx(case, listen=("0.0.0.0",), prefix=ns.on_server())
    file = case.path("later.gor")
    refrain = case.refrain("--input-raw", f":{nginx.port}", "--output-file", file,
                           "--output-file-append", prefix=ns.on_server())
    ns.connect()
    url = f"http://{ns.server_address}:{nginx.port}"
    sh(*ns.on_client(), "curl", "-s", "--retry", "20", "--retry-connrefused", "-o", "/dev/null",
       f"{url}/up")
    time.sleep(3)
    for n in range(5):
        sh(*ns.on_client(), "curl", "-s", "-o", "/dev/null", f"{url}/late/{n}")
    refrain.stop()
    paths = [r.payload.split()[1].decode() for r in gor.read(file)]
    for n in range(5):
        equal(paths.count(f"/late/{n}"), 1, f"records of /late/{n}")


@test("several ports in one address")
def ports(case):
    need_root()
    one, two, other = Nginx(case), Nginx(case), Nginx(case)
    file = case.path("ports.gor")
    refrain = case.refrain("--input-raw", f":{one.port},{two.port}", "--output-file", file,
                           "--output-file-append")
    for server, path in ((one, "/one"), (other, "/other"), (two, "/two")):
        sh("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{server.port}{path}")
    refrain.stop()
    equal([r.payload.split()[1] for r in gor.read(file)], [b"/one", b"/two"], "paths recorded")


@test("several --input-raw at once")
def several(case):
    need_root()
    one, two = Nginx(case), Nginx(case)
    file = case.path("two.gor")
    refrain = case.refrain("--input-raw", f"127.0.0.1:{one.port}", "--input-raw",
                           f"lo:{two.port}", "--output-file", file, "--output-file-append")
    for n in range(20):
        for server in (one, two):
            sh("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{server.port}/{n}")
    result = refrain.stop()
    found = [(r.dst, r.payload.split()[1].decode()) for r in gor.read(file)]
    equal(sorted(found), sorted((f"127.0.0.1:{s.port}", f"/{n}") for s in (one, two)
                                for n in range(20)), "records of both")
    for n in range(2):
        equal(result.input("input-raw", n)["requests_complete"], 20, f"requests of input {n}")


@test("one address: a request to another address of the host is left out")
def one_address(case):
    need_root()
    nginx = Nginx(case, listen=("127.0.0.1", "127.0.0.2"))
    file = case.path("one.gor")
    refrain = case.refrain("--input-raw", f"127.0.0.2:{nginx.port}", "--output-file", file,
                           "--output-file-append")
    for n in (1, 2, 1, 2):
        sh("curl", "-s", "-o", "/dev/null", f"http://127.0.0.{n}:{nginx.port}/{n}")
    refrain.stop()
    equal([r.payload.split()[1] for r in gor.read(file)], [b"/2", b"/2"], "paths recorded")


@test("stdout has each request as gor prints it")
def stdout(case):
    need_root()
    nginx = Nginx(case)
    refrain = case.refrain("--input-raw", f":{nginx.port}", "--output-stdout")
    sh("curl", "-s", "-o", "/dev/null", "-A", "tester", f"http://127.0.0.1:{nginx.port}/seen")
    wait_until(lambda: b"/seen" in refrain.stdout(), "the request is printed while refrain runs", 5)
    result = refrain.stop()
    as_gor = gor.parse_as_gor(result.stdout)
    equal(len(as_gor), 1, "records on stdout by gor's rules")
    equal(as_gor[0][3], b"GET /seen HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: tester\r\n"
          b"Accept: */*\r\n\r\n" % nginx.port, "the request")
    equal(len(gor.parse(result.stdout)), 1, "records on stdout, strictly")


@test("capability CAP_NET_RAW alone is enough")
def capability(case):
    need_root()
    need("setpriv")
    nginx = Nginx(case)
    os.chmod(case.dir, 0o777)
    refrain = case.refrain("--input-raw", f":{nginx.port}", "--output-stdout", prefix=(
        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps",
        "-all,+net_raw", "--ambient-caps", "-all,+net_raw", "--bounding-set", "-all,+net_raw"))
    sh("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/little")
    result = refrain.stop()
    equal(len(gor.parse(result.stdout)), 1, "records")


@test("without CAP_NET_RAW it ends with 3 and names the capability and setcap")
def no_capability(case):
    need_root()
    need("setpriv")
    case.refuse("--input-raw", ":8080", "--output-stdout", status=3,
                words=("CAP_NET_RAW", "setcap cap_net_raw"),
                prefix=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                        "--inh-caps", "-all", "--bounding-set", "-all"))


@test("ten seconds without a packet are told once: device, link type, filter")
def silence(case):
    need_root()
    port = free_port()
    refrain = case.refrain("--input-raw", f"lo:{port}", "--output-null")
    time.sleep(11.5)
    text = refrain.stderr()
    result = refrain.stop()
    lines = [line for line in text.splitlines() if "10 s" in line]
    equal(len(lines), 1, f"warnings after 10 s of silence in {text!r}")
    for word in ("lo", "EN10MB", f"port {port}"):
        check(word in lines[0], f"no {word!r} in {lines[0]!r}")
    equal(len(re.findall("10 s", result.stderr)), 1, "warnings in all")


@test("replaying into the port that is captured does not feed itself")
def own_traffic(case):
    need_root()
    nginx = Nginx(case)
    refrain = case.refrain("--input-raw", f":{nginx.port}", "--output-http",
                           f"http://127.0.0.1:{nginx.port}", "--allow-self")
    for n in range(5):
        sh("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/{n}")
    time.sleep(1)
    result = refrain.stop()
    equal(result.output("output-http")["delivered"], 5, "requests replayed")
    equal(len(nginx.served()), 10, "requests in nginx's log: 5 and their replay")


if __name__ == "__main__":
    main()
