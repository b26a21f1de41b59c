#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What goes to which output: conditions, rules bound to an output, shares and splits by key, copies;
and that a response never goes where its request did not."""
import collections

import gor
from harness import check, equal, main, test, within
from servers import Target

START = 1_700_000_000_000_000_000
MS = 1_000_000


class Recording:
    """Requests with their responses, and where they ended up."""

    def __init__(self, case):
        self.case = case
        self.data = b""
        self.n = 0

    def add(self, payload, status=200, response_first=False, answered=True):
        id_ = f"{self.n:024x}"
        ts = START + self.n * MS
        request = gor.make(payload, ts, id_=id_)
        answer = f"HTTP/1.1 {status} Word\r\nContent-Length: 1\r\n\r\nr".encode()
        response = gor.make(answer, ts + (-1 if response_first else 1000), kind=2, id_=id_)
        parts = [request, response] if not response_first else [response, request]
        self.data += b"".join(parts if answered else [request])
        self.n += 1

    def run(self, *args, outputs, status=0, speed="|1000%"):
        """The records of each file among the outputs, after a check that responses are where their
        requests are."""
        result = self.case.run("--input-file", self.case.write("in.gor", self.data) + speed,
                               "--output-file-append", *args, status=status)
        found = []
        for name in outputs:
            try:
                records = gor.read(self.case.path(name))
            except FileNotFoundError:
                records = []
            ids = [r.id for r in records if r.type == 1]
            for r in records:
                check(r.type == 1 or r.id in ids, f"{name}: a response without its request: {r.id}")
            found.append(records)
        return found, result


def paths(records):
    return [r.payload.split()[1].decode() for r in records if r.type == 1]


def answers(records):
    return [r for r in records if r.type == 2]


@test("--to-if binds to the output before it, and all of several must hold")
def to_if(case):
    rec = Recording(case)
    for plan, path in (("gold", "/api/1"), ("gold", "/home"), ("tin", "/api/2"), ("gold", "/api/3")):
        rec.add(gor.request(path, headers=[f"X-Plan: {plan}"]))
    (some, rest, everything), result = rec.run(
        "--output-file", case.path("some.gor"), "--to-if", "header:x-plan=^gold$", "--to-if",
        "url:^/api", "--output-file", case.path("rest.gor"), "--to-if", "!path:/api",
        "--output-file", case.path("all.gor"), outputs=("some.gor", "rest.gor", "all.gor"))
    equal(paths(some), ["/api/1", "/api/3"], "what meets both conditions")
    equal(len(answers(some)), 2, "their responses")
    equal(paths(rest), ["/home"], "what meets the condition that is turned round")
    equal(paths(everything), ["/api/1", "/home", "/api/2", "/api/3"], "what has no condition")
    equal(result.output("output-file", 0)["filtered"], 4, "filtered")


@test("rules before a request is changed, changes for one output only, in the order of the manual")
def order(case):
    rec = Recording(case)
    rec.add(gor.request("/old/1", headers=["X-A: recorded"]))
    rec.add(gor.request("/other"))
    (one, two), _ = rec.run(
        "--http-set-header", "X-A: everywhere", "--output-file", case.path("one.gor"), "--to-if",
        "header:X-A=^recorded$", "--to-set-header", "X-B: one", "--output-file",
        case.path("two.gor"), outputs=("one.gor", "two.gor"))
    equal(paths(one), ["/old/1"], "the condition sees what was recorded")
    check(b"X-A: everywhere\r\n" in one[0].payload, "the change for all is made after the condition")
    check(b"X-B: one\r\n" in one[0].payload, "and the change for one")
    check(all(b"X-B" not in r.payload for r in two), "which another output does not see")
    equal(paths(two), ["/old/1", "/other"], "the other output")


@test("--http-if lets requests pass for all outputs, with each kind of condition")
def http_if(case):
    rec = Recording(case)
    rec.add(gor.request("/a?debug=1", headers=["Cookie: lang=de; sid=1"]))
    rec.add(gor.request("/b", host="beta.example:81", method="PUT"))
    rec.add(gor.request("/c", headers=["X-Empty:"]))
    for condition, wanted in (("param:debug=^1$", ["/a?debug=1"]), ("cookie:lang=^de", ["/a?debug=1"]),
                              ("host:^beta", ["/b"]), ("method:PUT,POST", ["/b"]),
                              ("!method:PUT", ["/a?debug=1", "/c"]), ("header:x-empty", ["/c"]),
                              ("path:/c", ["/c"]), ("client:10.0.0.0/8", [])):
        (records,), _ = rec.run("--http-if", condition, "--output-file",
                                case.path(f"{abs(hash(condition))}.gor"),
                                outputs=(f"{abs(hash(condition))}.gor",))
        equal(paths(records), wanted, condition)


@test("status: a request waits for its response, and goes with it or not at all")
def status(case):
    rec = Recording(case)
    for n in range(20):
        rec.add(gor.request(f"/{n}"), status=(200, 503, 404, 500)[n % 4], response_first=n % 8 == 1)
    rec.add(gor.request("/unanswered"), answered=False)
    (bad, fine, everything), result = rec.run(
        "--output-file", case.path("bad.gor"), "--to-if", "status:5xx", "--output-file",
        case.path("fine.gor"), "--to-if", "!status:400-599", "--to-if", "url:^/[0-9]*$",
        "--output-file", case.path("all.gor"), outputs=("bad.gor", "fine.gor", "all.gor"))
    equal(sorted(paths(bad)), sorted(f"/{n}" for n in range(20) if n % 2), "5xx")
    equal(len(answers(bad)), 10, "with their responses")
    equal(sorted(paths(fine)), sorted(f"/{n}" for n in range(20) if n % 4 == 0), "below 400")
    equal(len(everything), 41, "all records, where nothing is asked")
    for n in range(3):
        equal(result.output("output-file", n)["seen"], 41, "seen")


@test("a response that stands before its request shares its fate in filter, share and split")
def early(case):
    rec = Recording(case)
    for n in range(200):
        rec.add(gor.request(f"/{n % 2}/{n}"), response_first=n % 3 == 0)
    (filtered, shared), result = rec.run(
        "--output-file", case.path("f.gor"), "--to-if", "url:^/1", "--output-file",
        case.path("s.gor") + "|25%", outputs=("f.gor", "s.gor"))
    equal((len(paths(filtered)), len(answers(filtered))), (100, 100), "through the condition")
    equal((len(paths(shared)), len(answers(shared))), (50, 50), "of the share")
    equal(result.output("output-file", 1)["sampled_out"], 300, "sampled out")
    (one, two), _ = rec.run("--split-output", "--output-file", case.path("1.gor"), "--output-file",
                            case.path("2.gor"), outputs=("1.gor", "2.gor"))
    for records in (one, two):
        equal((len(paths(records)), len(answers(records))), (100, 100), "of the split")


@test("|10%,by=…: the same users always, the small share inside the large one, --seed for others")
def sticky(case):
    rec = Recording(case)
    for n in range(6000):
        rec.add(gor.request(f"/{n}", headers=[f"X-User: u{n % 500}"]), answered=False)
    names = ("ten.gor", "five.gor")
    args = ["--output-file", case.path("ten.gor") + "|10%,by=header:X-User", "--output-file",
            case.path("five.gor") + "|5%,by=header:x-user"]

    def users():
        (ten, five), _ = rec.run(*args, *more, outputs=names)
        sets = []
        for records in (ten, five):
            count = collections.Counter(int(p[1:]) % 500 for p in paths(records))
            equal(set(count.values()) - {12}, set(), "requests of each user that is in")
            sets.append(set(count))
        return sets
    more = []
    ten, five = users()
    check(five < ten, "the 5 % lie inside the 10 %")
    within(len(ten), 50 - 34, 50 + 34, "users in the 10 %")
    for name in names:
        case.write(name, b"")
    more = ["--seed", "7"]
    other, _ = users()
    check(other != ten, "--seed chooses others")


@test("--split-output: weights to one request, shares told, --strict-weights")
def weights(case):
    rec = Recording(case)
    for n in range(1000):
        rec.add(gor.request(f"/{n}"))
    names = ("a.gor", "b.gor", "c.gor")
    files = [arg for name, weight in zip(names, (70, 20, 10))
             for arg in ("--output-file", f"{case.path(name)}|weight={weight}")]
    found, result = rec.run("--split-output", "--strict-weights", *files, outputs=names)
    equal([len(paths(r)) for r in found], [700, 200, 100], "shares")
    equal([len(answers(r)) for r in found], [700, 200, 100], "responses")
    check("gets 70 %" in result.stderr and "gets 10 %" in result.stderr, result.stderr[:500])
    case.refuse("--input-file", case.path("in.gor"), "--split-output", "--strict-weights", *files[:4],
                status=2, words=["--strict-weights", "90"])


@test("--split-output hash:… keeps a user's requests together and in order, --split-among leaves one out")
def by_hash(case):
    rec = Recording(case)
    for n in range(3000):
        rec.add(gor.request(f"/{n}", headers=[f"X-Forwarded-For: 10.0.0.{n % 97}"]), answered=False)
    names = ("a.gor", "b.gor", "all.gor")
    found, _ = rec.run("--split-output", "hash:header:X-Forwarded-For", "--split-among", "a,b",
                       "--output-file", case.path("a.gor"), "--to-name", "a", "--output-file",
                       case.path("b.gor"), "--to-name", "b", "--output-file", case.path("all.gor"),
                       outputs=names)
    one, two = ([int(p[1:]) for p in paths(r)] for r in found[:2])
    equal(len(one) + len(two), 3000, "requests in both")
    equal({n % 97 for n in one} & {n % 97 for n in two}, set(), "users in both")
    within(len({n % 97 for n in one}), 20, 77, "users of the first")
    equal((one, two), (sorted(one), sorted(two)), "order")
    equal(len(paths(found[2])), 3000, "requests of the output that stands aside")


@test("|x3 sends each request three times, with ids of their own")
def copies(case):
    rec = Recording(case)
    for n in range(10):
        rec.add(gor.request(f"/{n}"), answered=False)
    target = Target(case)
    (records,), result = rec.run("--output-http", f"http://127.0.0.1:{target.port}|x3",
                                 "--output-file", case.path("x.gor") + "|50%,x2",
                                 outputs=("x.gor",))
    equal(collections.Counter(a.raw.split()[1].decode() for a in target.arrivals), {f"/{n}": 3 for n in range(10)},
          "arrivals")
    equal(len(records), 10, "records: half of the requests, twice")
    equal(len({r.id for r in records}), 10, "ids")
    equal(result.output("output-http")["delivered"], 30, "delivered")


@test("|N,per=KEY: a rate for each value; |N for all")
def per_key(case):
    rec = Recording(case)
    for n in range(400):
        rec.add(gor.request(f"/{n}", headers=[f"X-User: {n % 4}"]), answered=False)
    (records,), result = rec.run("--output-file", case.path("k.gor") + "|5,per=header:X-User",
                                 outputs=("k.gor",), speed="|100%")
    equal(collections.Counter(int(p[1:]) % 4 for p in paths(records)), {k: 5 for k in range(4)},
          "requests of each user within 0.4 s")
    equal(result.output("output-file")["limited"], 380, "limited")


@test("--input-file FILE|500rps paces and drops nothing; a ramp grows")
def rps(case):
    rec = Recording(case)
    for n in range(500):
        rec.add(gor.request(f"/{n}"))
    for speed, seconds in (("|500rps", 1.0), ("|100rps..900rps/1s", 1.0)):
        case.write("out.gor", b"")
        (records,), result = rec.run("--output-file", case.path("out.gor"), outputs=("out.gor",),
                                     speed=speed)
        equal(len(records), 1000, f"records at {speed}")
        wanted = result.output("output-file")["rate_wanted"]
        within(wanted, 998 / seconds, 1004 / seconds, f"messages a second planned at {speed}")
        within(result.summary["duration_s"], seconds * 0.98, seconds * 1.3, f"seconds at {speed}")


@test("what cannot be meant stops the start, with the word that is wrong")
def refused(case):
    rec = Recording(case)
    rec.add(gor.request("/"))
    source = ["--input-file", case.write("in.gor", rec.data)]
    out = ["--output-file", case.path("x.gor")]
    for args, words in (
            ([*source, "--to-if", "url:x", *out], ["--to-if", "no output stands before it"]),
            ([*source, *out, "--to-if", "usr:x"], ["--to-if", "usr:x", "character 1"]),
            ([*source, *out, "--to-if", "url:("], ["--to-if", "character 5"]),
            ([*source, "--http-if", "status:200", *out], ["--http-if", "--to-if"]),
            ([*source, *out, "--to-set-header", "no colon"], ["--to-set-header", "no colon"]),
            ([*source, "--split-output", "hash:user", *out], ["--split-output", "user"]),
            ([*source, "--split-output", *out, "--to-if", "status:200"], ["--to-if", "split"]),
            ([*source, "--split-output", "--split-among", "v1,v2", *out, "--to-name", "v1"],
             ["--split-among", "v2"]),
            ([*source, "--split-among", "v1", *out, "--to-name", "v1"], ["--split-among"]),
            ([*source, *out, "--to-name", "a", *out, "--to-name", "a"], ["--to-name", "two"]),
            ([*source, *out, "--to-name", "a", "--to-name", "b"], ["--to-name", "b"]),
            ([*source, *out, "--to-name", "a b"], ["--to-name", "a b"]),
            ([*source, *out[:1], out[1] + "|110%"], ["110%", "100%"]),
            ([*source, *out[:1], out[1] + "|10%,by=user"], ["by", "user"]),
            ([*source, *out[:1], out[1] + "|weight=3"], ["weight"]),
            ([*source, *out[:1], out[1] + "|1rps..2rps/5s"], ["ramp"]),
            ([source[0], source[1] + "|x3", *out], ["x3"])):
        case.refuse(*args, status=2, words=words)


@test("a target that is the captured server itself is refused, but for --allow-self")
def self_target(case):
    for raw, target in ((":18080", "http://127.0.0.1:18080"), ("lo:18080", "localhost:18080"),
                        ("127.0.0.1:80,18080", "127.0.0.1:18080|10%"), (":80", "http://127.0.0.1/x"),
                        (":443", "https://[::1]")):
        case.refuse("--input-raw", raw, "--output-http", target, status=2,
                    words=["--output-http", "--allow-self", raw])
    for output, target in (("--output-ws", "ws://127.0.0.1:18080/live"),
                           ("--output-binary", "127.0.0.1:18080|50%"),
                           ("--compare-with", "http://127.0.0.1:18080")):
        case.refuse("--input-raw", ":18080", "--output-http", "http://127.0.0.1:1", output, target,
                    status=2, words=[output, "--allow-self", ":18080"])
    for raw, target in ((":18080", "http://127.0.0.1:18081"), ("127.0.0.2:18080", "127.0.0.1:18080")):
        result = case.run("--input-raw", raw, "--output-http", target, "--exit-after", "300ms",
                          status=None, books=False)
        check("--allow-self" not in result.stderr, f"{raw} to {target}: {result.stderr}")
    result = case.run("--input-raw", ":18080", "--output-http", "127.0.0.1:18080", "--allow-self",
                      "--exit-after", "300ms", status=None, books=False)
    check("twice" not in result.stderr, result.stderr)


if __name__ == "__main__":
    main()
