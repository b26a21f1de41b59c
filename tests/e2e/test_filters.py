#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Filters at gor's level: method, URL, header; a response shares its request's fate."""
import gzip

import gor
from harness import check, equal, main, need, need_root, sh, test
from servers import Nginx, Target

START = 1_700_000_000_000_000_000


def run(case, payloads, *args):
    """Payloads that pass, and the result."""
    data = b""
    for k, payload in enumerate(payloads):
        data += gor.make(payload, START, id_=f"{k:024x}")
        data += gor.make(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nr", START, kind=2,
                         id_=f"{k:024x}")
    result = case.run("--input-file", case.write("in.gor", data), "--output-stdout", *args)
    records = gor.parse(result.stdout)
    asked = [r for r in records if r.type == 1]
    answered = [r for r in records if r.type == 2]
    equal([r.id for r in answered], [r.id for r in asked], "responses, against the requests")
    out = result.output("output-stdout")
    equal(out["delivered"], len(records), "delivered")
    equal(out["filtered"], 2 * len(payloads) - len(records), "filtered")
    return [r.payload for r in asked], result


def targets(payloads):
    return [p.split()[1].decode() for p in payloads]


@test("--http-allow-method: any of those given")
def allow_method(case):
    payloads = [gor.request(f"/{m}", method=m) for m in ("GET", "POST", "PUT", "PROPFIND", "get")]
    passed, _ = run(case, payloads, "--http-allow-method", "GET", "--http-allow-method", "PUT")
    equal(targets(passed), ["/GET", "/PUT"], "what passes")
    passed, _ = run(case, payloads, "--http-allow-method", "PROPFIND")
    equal(targets(passed), ["/PROPFIND"], "what passes")


@test("--http-allow-url: unanchored, against the target with its query")
def allow_url(case):
    payloads = [gor.request(p) for p in ("/api/v1", "/static/x", "/v2/api", "/?next=/api")]
    passed, _ = run(case, payloads, "--http-allow-url", "/api", "--http-allow-url", "^/static")
    equal(targets(passed), ["/api/v1", "/static/x", "/v2/api", "/?next=/api"], "what passes")
    passed, _ = run(case, payloads, "--http-allow-url", "^/api")
    equal(targets(passed), ["/api/v1"], "what passes")


@test("--http-disallow-url: what matches is dropped, also of unknown methods")
def disallow_url(case):
    payloads = [gor.request("/ok"), gor.request("/admin/1"),
                gor.request("/admin/2", method="PROPFIND")]
    passed, _ = run(case, payloads, "--http-disallow-url", "^/admin")
    equal(targets(passed), ["/ok"], "what passes")


@test("--http-set-header replaces in place, adds at the front, and leaves the body alone")
def set_header(case):
    body = b"X-Set: in the body\r\n"
    payloads = [gor.request("/", headers=("x-set: old", "Other: 1"), method="POST", body=body),
                gor.request("/add")]
    passed, _ = run(case, payloads, "--http-set-header", "X-Set: new", "--http-set-header",
                    "Added: yes")
    check(b"\r\nx-set: new\r\nOther: 1\r\n" in passed[0], f"{passed[0]}")
    check(passed[0].endswith(b"\r\n\r\n" + body), f"the body changed: {passed[0]}")
    check(b"\r\nX-Set: new\r\n" in passed[1] and b"\r\nAdded: yes\r\n" in passed[1], f"{passed[1]}")


@test("filters are asked in order: all of them must agree")
def together(case):
    payloads = [gor.request(p, method=m) for m in ("GET", "POST") for p in ("/a", "/b", "/a/no")]
    passed, result = run(case, payloads, "--http-allow-method", "GET", "--http-allow-url", "^/a",
                         "--http-disallow-url", "no$", "--http-set-header", "X: 1")
    equal(targets(passed), ["/a"], "what passes")
    equal(result.output("output-stdout")["filtered"], 10, "filtered")


@test("gor's old names are aliases")
def aliases(case):
    payloads = [gor.request("/a"), gor.request("/b")]
    passed, _ = run(case, payloads, "--http-header", "User-Agent: x")
    check(all(b"\r\nUser-Agent: x\r\n" in p for p in passed), f"{passed}")


@test("no regular expression makes it wait for ever")
def hostile_regex(case):
    payloads = [gor.request("/" + "a" * 5000 + "!")]
    for option in ("--http-disallow-url", "--http-allow-url"):
        passed, result = run(case, payloads, option, "^/(a+)+$")
        equal(len(passed), 0, f"requests that pass {option}: what cannot be told is dropped")
        check("takes too long" in result.stderr, "no word about it")
        equal(result.summary["regex_gave_up"], 1, "matches that gave up")


@test("each of gor's judges drops and lets pass through the binary")
def judges(case):
    payloads = [gor.request("/?u=abc", headers=["X-A: 1", "Authorization: Basic dXNlcjpwYXNz"]),
                gor.request("/", method="POST", headers=["X-A: 2", "U: user-42"])]
    for args, wanted in ((["--http-allow-header", "x-a:1"], 1), (["--http-disallow-header", "X-A:1"], 1),
                         (["--http-basic-auth-filter", "^root"], 1), (["--http-safe-methods"], 1),
                         (["--http-header-limiter", "U:50%"], 1), (["--http-param-limiter", "u:10%"], 1),
                         (["--http-header-limiter", "U:100%"], 2), (["--http-allow-header", "X-A:."], 2)):
        passed, _ = run(case, payloads, *args)
        equal(len(passed), wanted, f"requests that pass {args}")


@test("each of gor's changes is made through the binary, for all and for one output")
def changes(case):
    payload = gor.request("/v1/a?k=1", headers=["X-A: old"])
    for option, value, wanted in (("rewrite-url", "^/v1/(.*):/v2/$1", b"GET /v2/a?k=1 "),
                                  ("rewrite-header", "X-A: (o)ld,${1}lder", b"X-A: older\r\n"),
                                  ("set-param", "k=2", b"GET /v1/a?k=2 "),
                                  ("set-header", "X-A: new", b"X-A: new\r\n")):
        passed, _ = run(case, [payload], f"--http-{option}", value)
        check(wanted in passed[0], f"--http-{option}: {passed[0]}")
        source = case.write("one.gor", gor.make(payload, START))
        result = case.run("--input-file", source, "--output-stdout", f"--to-{option}", value)
        check(wanted in gor.parse(result.stdout)[0].payload, f"--to-{option}")


@test("--prettify-http: bodies are sent plain, and what cannot be is sent as it was")
def prettify(case):
    packed = gzip.compress(b"hello hello")
    payloads = [
        gor.request("/chunked", method="POST", headers=["Transfer-Encoding: chunked"])
        + b"5\r\nhello\r\n0\r\n\r\n",
        gor.request("/gzip", method="POST", headers=["Content-Encoding: gzip", "X: 1"], body=packed),
        gor.request("/damaged", method="POST", headers=["Content-Encoding: gzip"], body=packed[:-1]),
        gor.request("/plain"),
    ]
    passed, result = run(case, payloads, "--prettify-http", "--http-set-header", "Y: 2")
    wanted = [
        gor.request("/chunked", method="POST").replace(b"/1.1\r\n", b"/1.1\r\nY: 2\r\n")[:-2]
        + b"Content-Length: 5\r\n\r\nhello",
        gor.request("/gzip", method="POST", headers=["X: 1"], body=b"hello hello").replace(
            b"/1.1\r\n", b"/1.1\r\nY: 2\r\n"),
        payloads[2].replace(b"/1.1\r\n", b"/1.1\r\nY: 2\r\n"),
        payloads[3].replace(b"/1.1\r\n", b"/1.1\r\nY: 2\r\n"),
    ]
    equal(passed, wanted, "requests")
    equal(result.input("input-file")["not_decoded"], 1, "bodies that were left")
    target = Target(case)
    data = b"".join(gor.make(p, START, id_=f"{k:024x}") for k, p in enumerate(payloads))
    case.run("--input-file", case.write("to-http.gor", data), "--prettify-http", "--output-http",
             f"http://127.0.0.1:{target.port}", "--http-original-host")
    arrived = {a.raw for a in target.wait_arrivals(4, 10)}
    check(wanted[1].replace(b"Y: 2\r\n", b"") in arrived, f"{arrived}")


@test("--prettify-http: compressed answers of a live nginx are recorded plain")
def prettify_live(case):
    need_root()
    need("curl")
    nginx = Nginx(case)
    plain = b"0123456789abcdef" * 65536
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--input-raw-track-response",
                           "--prettify-http", "--output-stdout")
    sh("curl", "-sS", "--compressed", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/zipped")
    nginx.wait_served(1)
    answers = [r.payload for r in gor.parse(refrain.stop().stdout) if r.type == 2]
    equal(len(answers), 1, "answers")
    head, _, body = answers[0].partition(b"\r\n\r\n")
    equal(body, plain, "body")
    check(b"\r\nContent-Length: 1048576" in head and b"ncoding" not in head, f"{head}")


if __name__ == "__main__":
    main()
