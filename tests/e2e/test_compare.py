#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Answers replayed, compared with those that were recorded."""
import gzip
import json
import signal
import time

import gor
from harness import check, equal, free_port, main, summaries, test, wait_until, within
from servers import Nginx, Target

START = 1_700_000_000_000_000_000
MS = 1_000_000


def answer(body=b"", status="200 OK", headers=()):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def number(raw):
    return int(raw.split()[1].strip(b"/").split(b"/")[-1])


def product(raw):
    n = number(raw)
    return answer({"id": n, "items": [{"price": n * 2, "name": f"item {n}"}, {"price": 1}]},
                  headers=("Content-Type: application/json", "Set-Cookie: sid=%d; Path=/" % n))


def recording(case, n=100, answers=product, latency=MS, step_ns=MS):
    """n requests, each with what answers makes of it."""
    data = []
    for k in range(n):
        raw, id_ = gor.request(f"/products/{k}"), f"{k % 7:08x}{k:016x}"
        data.append(gor.make(raw, START + k * step_ns, id_=id_))
        if answers:
            data.append(gor.make(answers(raw), START + k * step_ns + latency, kind=2, id_=id_,
                                 latency=latency))
    return case.write(f"in-{case.next_number()}.gor", b"".join(data))


def url(target):
    return f"http://127.0.0.1:{target.port}"


def replay(case, data, target, *args, status=0):
    result = case.run("--input-file", f"{data}|1000%", "--output-http", url(target), *args,
                      status=status)
    found = result.summary["comparison"]
    out = result.output("compare")
    equal((out["compared"], out["different"], out["status_changes"]),
          (found["pairs"], found["different"], found["status_changes"]), "the books")
    equal(found["equal"] + found["only_noise"] + found["different"], found["pairs"], "the sum")
    equal(sum(s["count"] for s in found["statuses"]), found["pairs"], "the statuses")
    return result, found


def places(found, noise=None):
    return {(p["location"], p["kind"]): p["count"] for p in found["locations"]
            if noise is None or p["noise"] == noise}


@test("an equal service: every answer compared, none different")
def same(case):
    def other_session(raw):
        return product(raw).replace(b"sid=", b"sid=other").replace(
            b"Content-Length", b"Date: today\r\nX-Request-ID: 17\r\nContent-Length")
    result, found = replay(case, recording(case), Target(case, answer=other_session), "--compare",
                           "--fail-on", "diff>0", "--fail-on", "status-changes>0")
    equal((found["pairs"], found["equal"]), (100, 100), "pairs, equal")
    equal(found["locations"], [], "locations")
    equal((found["recorded_without_answer"], found["answer_without_recorded"]), (0, 0), "unpaired")
    equal(found["against"], "recorded", "compared with")
    equal(found["statuses"], [{"recorded": 200, "replayed": 200, "count": 100}], "statuses")
    within(found["latency"]["recorded"]["p50_s"], 0.00099, 0.00101, "recorded latency")
    equal(found["latency"]["replayed"]["count"], 100, "replayed latencies")
    check("--output-http-track-response" not in result.stderr, "nothing else was asked for")


@test("a changed status: in the matrix, with an example, and --fail-on diff ends with 5")
def status(case):
    def broken(raw):
        return answer(b"oops", "500 Broken") if number(raw) % 10 == 3 else product(raw)
    result, found = replay(case, recording(case), Target(case, answer=broken), "--fail-on",
                           "diff>9%", status=5)
    equal((found["different"], found["status_changes"]), (10, 10), "different, changed")
    equal(found["statuses"], [{"recorded": 200, "replayed": 200, "count": 90},
                              {"recorded": 200, "replayed": 500, "count": 10}], "statuses")
    by_name = {(p["location"], p["kind"]): p for p in found["locations"]}
    equal({k: p["count"] for k, p in by_name.items()},
          {("status", "changed"): 10, ("body", "changed"): 10,
           ("header:content-type", "missing"): 10, ("header:set-cookie", "missing"): 10}, "places")
    example = by_name["status", "changed"]["example"]
    check(example["request"].startswith("GET /products/") and example["request"].endswith("3"),
          f"{example}")
    equal((example["recorded"], example["replayed"]), ("200", "500"), "the example's values")
    check("diff of compare: 10 of 100 (10.000%)" in result.stderr, result.stderr)
    replay(case, recording(case), Target(case, answer=broken), "--fail-on", "diff>10%",
           "--fail-on", "status-changes>10")
    replay(case, recording(case), Target(case, answer=broken), "--fail-on", "status-changes>0",
           status=5)


@test("a changed JSON field is told by its path; spelling and order do not count")
def field(case):
    def changed(raw):
        n = number(raw)
        body = {"items": [{"name": f"item {n}", "price": n * 2}, {"price": 1}], "id": n}
        if n % 4 == 0:
            body["items"][1]["price"] = "1"
        if n % 5 == 0:
            body["new"] = None
            body["items"].pop(0)
        return answer(json.dumps(body, indent=3).encode(), headers=(
            "content-type: application/json", "SET-COOKIE: sid=x"))
    _, found = replay(case, recording(case), Target(case, answer=changed), "--compare")
    equal(found["different"], 40, "different")
    got = places(found)
    equal((got["body:$.items[*].price", "type"], got["body:$.new", "added"],
           got["body:$.items[*]", "missing"]), (25, 20, 20), "pairs at each place")
    first = next(p for p in found["locations"] if p["kind"] == "type")
    equal((first["example"]["recorded"] in "01", first["example"]["replayed"]), (True, '"1"'),
          "example")
    _, found = replay(case, recording(case), Target(case, answer=changed), "--compare",
                      "--compare-ignore", "json:$.items[*].price", "--compare-ignore", "json:$.new",
                      "--compare-ignore", "json:$.**.name")
    equal(places(found), {("body:$.items[*]", "missing"): 20}, "what is not ignored")


@test("noise: a field that the old version changes too is learned from --compare-with")
def noise(case):
    count = iter(range(1, 10 ** 9))

    def clock(raw, **more):
        body = json.loads(product(raw).partition(b"\r\n\r\n")[2])
        return answer({**body, "time": next(count), **more})
    bare = recording(case, answers=clock)
    old, new = Target(case, answer=clock), Target(case, answer=lambda raw: clock(
        raw, **({"id": "x"} if number(raw) % 20 == 0 else {})))
    result, found = replay(case, bare, new, "--compare-with", url(old), "--fail-on", "diff>5%")
    equal((found["pairs"], found["different"], found["only_noise"], found["learned_from"]),
          (100, 5, 95, 100), "pairs, different, only noise, learned from")
    equal(places(found, noise=True), {("body:$.time", "changed"): 100}, "noise")
    equal(places(found, noise=False), {("body:$.id", "type"): 5}, "not noise")
    equal(result.output("compare-with")["delivered"], 100, "requests to the baseline")
    equal(len(old.arrivals), 100, "arrivals there")
    replay(case, bare, new, "--compare-with", url(old), "--fail-on", "diff>4%", status=5)
    # a share of them is enough to learn from
    _, found = replay(case, bare, new, "--compare-with", url(old) + "|20%")
    equal((found["pairs"], found["different"]), (100, 5), "with a sample as baseline")
    within(found["learned_from"], 5, 45, "pairs of the sample")


@test("noise: the same target asked twice, where its own two answers differ")
def twice(case):
    count = iter(range(1, 10 ** 9))

    def clock(raw):
        return answer({"n": number(raw), "time": next(count), "version": 2})
    target = Target(case, answer=clock)
    # the whole recording is of another version: held against it, that would be noise too
    data = recording(case, answers=lambda raw: answer({"n": number(raw), "time": 0, "version": 1}))
    _, found = replay(case, data, target, "--compare-with", url(target) + "/|30%")
    equal(places(found, noise=True), {("body:$.time", "changed"): 100}, "noise")
    equal(places(found, noise=False), {("body:$.version", "changed"): 100}, "not noise")
    equal(found["different"], 100, "different")


@test("a recording without responses: the answers of both are compared with each other")
def without(case):
    def broken(raw):
        return answer(b"{}", "404 Not Found") if number(raw) == 7 else product(raw)
    data = recording(case, answers=None)
    old, new = Target(case, answer=product), Target(case, answer=broken)
    _, found = replay(case, data, new, "--compare-with", url(old))
    equal((found["against"], found["pairs"], found["different"], found["status_changes"]),
          ("baseline", 100, 1, 1), "against, pairs, different, changed")
    # and without a baseline there is nothing to compare with, which gates nothing
    result, found = replay(case, data, new, "--fail-on", "diff>50%", status=5)
    check("no answer was compared" in result.stderr, result.stderr)
    equal((found["pairs"], found["answer_without_recorded"]), (0, 100), "pairs, unpaired")


@test("gzip and chunks against neither: what the application said is compared")
def codings(case):
    def packed(raw):
        body = gzip.compress(product(raw).partition(b"\r\n\r\n")[2])
        return (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: sid=1\r\n"
                b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (body[:5], len(body) - 5, body[5:]))
    _, found = replay(case, recording(case), Target(case, answer=packed), "--compare")
    equal((found["equal"], found["locations"]), (100, []), "equal, locations")
    _, found = replay(case, recording(case, answers=packed), Target(case, answer=product),
                      "--compare")
    equal((found["equal"], found["locations"]), (100, []), "the other way")


@test("header fields: ignored by name, cookies by theirs")
def headers(case):
    def other(raw):
        return answer(b"x", headers=("X-Version: 2", "Set-Cookie: b=1", "Set-Cookie: a=9", "Y: 1"))
    data = recording(case, answers=lambda raw: answer(
        b"x", headers=("x-version: 1", "Set-Cookie: a=1", "Set-Cookie: b=2")))
    target = Target(case, answer=other)
    _, found = replay(case, data, target, "--compare")
    equal(places(found), {("header:x-version", "changed"): 100, ("header:y", "added"): 100}, "all")
    _, found = replay(case, data, target, "--compare", "--compare-ignore", "header:X-VERSION",
                      "--compare-ignore", "header:y")
    equal(found["equal"], 100, "equal with rules")


@test("answers that were cut are compared as far as they go, and counted")
def cut(case):
    data = recording(case, answers=lambda raw: answer(b"a" * 5000 + b"%d" % number(raw)))
    target = Target(case, answer=lambda raw: answer(b"a" * 5000 + b"!"))
    _, found = replay(case, data, target, "--compare", "--output-http-response-buffer", "4000")
    equal((found["cut"], found["equal"]), (100, 100), "cut, equal")
    target = Target(case, answer=lambda raw: answer(b"b" * 6000))
    _, found = replay(case, data, target, "--compare", "--output-http-response-buffer", "4000")
    equal((found["cut"], found["different"]), (100, 100), "cut, different")


@test("requests that got no answer, and targets that get a share only, are told")
def unpaired(case):
    _, found = replay(case, recording(case), Target(case, mode="reset"), "--compare")
    equal((found["pairs"], found["recorded_without_answer"]), (0, 100), "pairs, without an answer")
    data = recording(case, n=400)
    _, found = replay(case, data, Target(case, answer=product), "--compare", "--output-null")
    equal((found["pairs"], found["equal"]), (400, 400), "pairs beside another output")
    one, other = Target(case, answer=product), Target(case, answer=product)
    _, found = replay(case, data, one, "--output-http", url(other), "--compare")
    equal((found["pairs"], found["equal"], found["recorded_without_answer"]), (800, 800, 0),
          "two targets, each asked everything")
    _, found = replay(case, data, one, "--output-http", url(other), "--split-output", "--compare",
                      "--compare-with", url(one))
    equal((found["pairs"], found["equal"], found["recorded_without_answer"]), (400, 400, 0),
          "two targets that share")


@test("more than can wait: nothing is held for ever, and what was lost is told as such")
def crowded(case):
    n = 10000
    data = recording(case, n=n, answers=lambda raw: answer(b"x"), step_ns=1000)
    target = Target(case, answer=answer(b"x"))
    _, found = replay(case, data, target, "--compare", "--output-http-max-connections", "8")
    equal(found["pairs"] + found["recorded_without_answer"], n, "recorded responses")
    equal(found["recorded_without_answer"], found["answer_without_recorded"], "both sides")
    check(found["pairs"] > 0, "none was paired")
    check(found["crowded"] <= 2 * found["recorded_without_answer"], "crowded")


@test("the text of the summary and SIGUSR1 tell of it")
def text(case):
    def changed(raw):
        return product(raw).replace(b"item ", b"ITEM ")
    target = Target(case, answer=changed)
    result = case.run("--input-file", f"{recording(case)}|1000%", "--output-http", url(target),
                      "--compare", "--summary", "text", books=False)
    for words in ("100 answers compared = 0 equal + 100 different", "comparison with what was",
                  "100 body:$.items[*].name"):
        check(words in result.stderr, f"no {words!r} in {result.stderr}")
    refrain = case.refrain("--input-file", recording(case, step_ns=30 * MS), "--output-http",
                           url(target), "--compare", ready=False)
    target.wait_arrivals(120)
    wait_until(lambda: len(target.arrivals) > 120, "more arrivals")
    time.sleep(0.3)
    refrain.send(signal.SIGUSR1)
    wait_until(lambda: summaries(refrain.stderr()), "a summary while it runs")
    running = summaries(refrain.stderr())[0]
    check(running["running"] and 0 < running["comparison"]["different"] < 100,
          f"{running['comparison']}")
    equal(refrain.wait().summary["comparison"]["different"], 100, "different at the end")


@test("--report asks for it by itself, and says nothing where nothing was recorded")
def reported(case):
    def changed(raw):
        return product(raw).replace(b"item ", b"ITEM ")
    target, path = Target(case, answer=changed), case.path("report.json")
    case.run("--input-file", recording(case), "--output-http", url(target), "--report", path)
    with open(path, encoding="utf-8") as f:
        found = json.load(f)["comparison"]
    equal((found["pairs"], found["different"]), (100, 100), "pairs, different")
    equal(places(found), {("body:$.items[*].name", "changed"): 100}, "places")
    bare = recording(case, answers=None)
    result = case.run("--input-file", bare, "--output-http", url(target), "--report", path)
    with open(path, encoding="utf-8") as f:
        equal(json.load(f)["comparison"], None, "comparison without responses")
    check("comparison" not in result.summary, "the summary tells of nothing")
    case.run("--input-file", bare, "--output-null", "--report", path)


@test("nginx, recorded by its answers to a first replay, compared in a second")
def nginx(case):
    server = Nginx(case)
    data = recording(case, answers=None)
    kept = case.path("kept.gor")
    base = f"http://127.0.0.1:{server.port}"
    case.run("--input-file", data, "--output-http", base, "--output-http-track-response",
             "--output-file", kept, "--output-file-append")
    records = gor.read(kept)
    recorded = case.write("recorded.gor", b"".join(
        gor.make(r.payload, START, kind=2 if r.type == 3 else 1, id_=r.id, latency=r.latency)
        for r in records))
    result = case.run("--input-file", recorded, "--output-http", base, "--fail-on", "diff>0")
    equal(result.summary["comparison"]["equal"], 100, "equal")
    other = case.run("--input-file", recorded, "--output-http", base + "/status/404/no",
                     "--fail-on", "diff>0", status=None)
    check(other.summary["comparison"]["pairs"] == 100, "pairs below another path")


@test("what cannot be is refused at start, with the place of it")
def refused(case):
    data, target = recording(case, n=1), f"http://127.0.0.1:{free_port()}"
    base = ("--input-file", data, "--output-http", target, "--compare")
    for rule, words in (("header:", ["character 8", "name of a field"]),
                        ("header:a b", ["character 9"]),
                        ("cookie:a", ["character 1", "header:NAME or json:"]),
                        ("json:items", ["character 6", "$"]),
                        ("json:$.a..b", ["character 10"]),
                        ("json:$.a[0]", ["character 10", "an index cannot be told"]),
                        ('json:$["a', ["character 10"])):
        case.refuse(*base, "--compare-ignore", rule, status=2, words=["--compare-ignore", *words])
    case.refuse("--input-file", data, "--output-null", "--compare", status=2,
                words=["--output-http", "compared"])
    case.refuse("--input-file", data, "--compare-with", target, "--output-null", status=2,
                words=["no --output-http"])
    case.refuse(*base, "--compare-with", "ftp://x", status=2, words=["--compare-with", "scheme"])
    case.refuse(*base, "--compare-with", target, "--compare-with", target, status=2,
                words=["only one"])
    case.refuse(*base, "--fail-on", "diff>x", status=2, words=["character 6"])


if __name__ == "__main__":
    main()
