#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Documents about answers, in a real Elasticsearch 7.17 (elastic.py). What that does not do on
demand (429, 5xx, silence, documents that come back) comes from a stand-in that is strict about the
bulk API as it is documented."""
import collections
import json
import re
import time

import elastic
import gor
from harness import check, equal, main, test, wait_until, within
from pki import Authority
from servers import Nginx, Target

OPTION = "--output-http-elasticsearch"
START = 1_700_000_000_000_000_000
KEYS = ["Req_URL", "Req_Method", "Req_User-Agent", "Req_Accept-Language", "Req_Accept",
        "Req_Accept-Encoding", "Req_If-Modified-Since", "Req_Connection", "Req_Cookies",
        "Resp_Status", "Resp_Status-Code", "Resp_Proto", "Resp_Content-Length",
        "Resp_Content-Type", "Resp_Transfer-Encoding", "Resp_Content-Encoding", "Resp_Expires",
        "Resp_Cache-Control", "Resp_Vary", "Resp_Set-Cookie", "RTT", "Timestamp"]
HEADERS = ["User-Agent: curl/8", "Accept-Language: de", "Accept: */*", "Accept-Encoding: gzip",
           "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT", "Connection: keep-alive",
           "Cookie: session=abc; theme=dark", "Authorization: Basic c2VjcmV0"]
ANSWER = (b"HTTP/1.1 203 Odd\r\nContent-Length: 4\r\nContent-Type: text/plain\r\nExpires: 0\r\n"
          b"Cache-Control: no-store\r\nVary: Accept\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n"
          b"X-Odd: \xff\r\n\r\nbody")


def recording(case, requests, spacing=1_000_000):
    data = b"".join(gor.make(r, START + n * spacing, id_=f"{n:024x}")
                    for n, r in enumerate(requests))
    return case.write(f"in-{case.next_number()}.gor", data)


def numbered(case, n, spacing=1_000_000):
    return recording(case, [gor.request(f"/{k}") for k in range(n)], spacing)


def replay(case, source, target, address, *args, **kwargs):
    """(how it ended, the account of the documents)"""
    result = case.run("--input-file", source, "--output-http", f"127.0.0.1:{target.port}", OPTION,
                      address, *args, **kwargs)
    return result, result.output("output-http-elasticsearch")


def fates(account):
    names = ("seen", "delivered", "dropped_queue", "failed", "abandoned")
    return {name: account[name] for name in names if account[name]}


class Standin:
    """A node that answers bulks as answer(bulk) says: (status, fates of the documents, or None). It
    takes nothing that the bulk API would not take."""

    def __init__(self, case, answer=lambda bulk: (200, None), **kwargs):
        self.bulks, self.faults, self.answer = [], [], answer
        self.times = []
        self.server = Target(case, answer=self.take, **kwargs)
        self.port = self.server.port

    def parse(self, raw):
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        check(re.fullmatch(r"POST /some/gor/_bulk\?timeout=20s&filter_path=[a-z.*,]+ HTTP/1.1",
                           lines[0]), lines[0])
        check("content-type: application/x-ndjson" in [l.lower() for l in lines], "content type")
        check(body.endswith(b"\n"), "the last line does not end")
        pairs = [json.loads(line) for line in body[:-1].split(b"\n")]
        equal(len(pairs) % 2, 0, "a document without action, lines")
        bulk = []
        for action, document in zip(pairs[::2], pairs[1::2]):
            equal(list(action), ["index"], "actions")
            equal(list(action["index"]), ["_id"], "of the action")
            check("_type" not in action["index"], "types are gone since 8.0")
            bulk.append((action["index"]["_id"], document))
        return bulk

    def take(self, raw):
        try:
            bulk = self.parse(raw)
        except Exception as e:  # pylint: disable=broad-except
            self.faults.append(repr(e))
            return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
        self.bulks.append(bulk)
        self.times.append(time.monotonic())
        status, statuses = self.answer(bulk)
        body = b"busy"
        if status == 200:
            items = [{"index": {"status": s, **({"error": {"type": "some_exception"}}
                                                if s > 299 else {})}}
                     for s in statuses or [201] * len(bulk)]
            body = json.dumps({"items": items}).encode()
        return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body

    def address(self):
        return f"127.0.0.1:{self.port}/some/gor"


@test("a document for each answer, with gor's keys, and a round trip in milliseconds")
def fields(case):
    node = elastic.shared(case)
    target = Target(case, answer=ANSWER, delay=1.1)
    source = recording(case, [gor.request("/a?b=c", method="PUT", headers=HEADERS, body=b"x" * 10),
                              gor.request("/\xff<>", headers=[])])
    before = time.time()
    result, out = replay(case, source, target, node.address("fields"))
    equal(fates(out), {"seen": 2, "delivered": 2}, "fates")
    found = {d["Req_URL"]: d for d in node.documents("fields")}
    full = found["/a?b=c"]
    equal([k for k in KEYS if k not in full],
          ["Resp_Transfer-Encoding", "Resp_Content-Encoding"], "keys that are not there")
    equal(set(full) - set(KEYS), set(), "keys that gor does not have")
    equal([full[k] for k in KEYS[1:9]],
          ["PUT"] + [h.partition(": ")[2] for h in HEADERS[:7]], "of the request")
    equal([full["Resp_Status"], full["Resp_Status-Code"], full["Resp_Proto"]],
          ["203", "203", "HTTP/1.1"], "status")
    equal([full["Resp_Content-Length"], full["Resp_Expires"], full["Resp_Set-Cookie"]],
          ["4", "0", ["a=1", "b=2"]], "fields of the answer")
    within(full["RTT"], 1100, 1400, "milliseconds (gor had 101)")
    then = time.strptime(full["Timestamp"][:19], "%Y-%m-%dT%H:%M:%S")
    check(re.fullmatch(r"[-0-9]{10}T[0-9:]{8}\.[0-9]{9}Z", full["Timestamp"]), full["Timestamp"])
    within(time.mktime(then) - time.timezone - before, 0, 10, "the answer's time")
    other = next(d for url, d in found.items() if url != "/a?b=c")
    equal([k for k in KEYS if k.startswith("Req") and k in other],
          ["Req_URL", "Req_Method", "Req_User-Agent"], "keys of a request without fields")
    _, answer = node.ask("GET", "/fields/_mapping")
    types = {k: v["type"] for k, v in answer["fields"]["mappings"]["properties"].items()}
    equal((types["RTT"], types["Timestamp"]), ("long", "date"), "types that the node finds")
    check("secret" not in result.stderr and "c2Vj" not in json.dumps(list(found.values())), "secrets")


@test("thousands of answers in few bulks, each once, whoever else listens")
def many(case):
    node = elastic.shared(case)
    target, n = Target(case), 3000
    _, out = replay(case, numbered(case, n), target, node.address("many"), "--output-null",
                    "--output-http-track-response", "--output-queue-len", 10000)
    equal(fates(out), {"seen": n, "delivered": n}, "fates")
    found = collections.Counter(d["Req_URL"] for d in node.documents("many"))
    equal(found, collections.Counter(f"/{k}" for k in range(n)), "documents")
    within(out["elastic_bulks"], 3, 40, "bulks")


@test("what is redacted is so in documents; conditions, shares and copies hold for them too")
def rules(case):
    node = elastic.shared(case)
    long = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=s3cret\r\nContent-Length: 200000\r\n" \
           b"Content-Type: application/json\r\n\r\n" + b"[" + b" " * 199998 + b"]"
    target = Target(case, answer=long)
    source = recording(case, [gor.request(f"/{k % 2}?token=s3cret", headers=["Cookie: id=s3cret"])
                              for k in range(20)])
    result = case.run(
        "--input-file", source, "--output-http", f"127.0.0.1:{target.port}|x3", OPTION,
        node.address("rules"), "--to-if", 'url:^/1', "--redact", "cookie:id", "--redact",
        "param:token", "--redact", "json:$.password")
    out = result.output("output-http-elasticsearch")
    equal((out["delivered"], out["filtered"]), (30, 30), "delivered, filtered")
    found = node.documents("rules")
    equal(len(found), 30, "documents")
    check("s3cret" not in json.dumps(found), f"a secret is in {found[0]}")
    check(all(d["Req_URL"].startswith("/1?token=") for d in found), "a URL")


@test("a document that the node refuses fails alone, is counted, and is not shown in the log")
def refused(case):
    node = elastic.shared(case)
    node.make_index("refused", {"Req_URL": {"type": "keyword"}, "Req_Accept": {"type": "byte"}})
    accepts = [["Accept: private"] if k % 10 == 3 else ["Accept: 5"] for k in range(100)]
    source = recording(case, [gor.request(f"/{k}", headers=a) for k, a in enumerate(accepts)])
    result, out = replay(case, source, Target(case), node.address("refused"))
    equal(fates(out), {"seen": 100, "delivered": 90, "failed": 10}, "fates")
    equal((out["elastic_refused"], out["elastic_retries"]), (10, 0), "refused, tried again")
    equal(len(node.documents("refused")), 90, "documents")
    within(result.stderr.count("refuses documents: status 400, mapper_parsing_exception"), 1, 2,
           "lines in the log")
    check("private" not in result.stderr, "a value is in the log")
    result, out = replay(case, source, Target(case), node.address("-bad").replace("-", "%2d"))
    equal(fates(out), {"seen": 100, "failed": 100}, "fates in an index that cannot be")


@test("the node is killed in the midst and comes back: nothing is lost or doubled, no replay waits")
def killed(case):
    node = elastic.shared(case)
    target, n = Target(case), 400
    source = numbered(case, n, 15_000_000)
    refrain = case.refrain("--input-file", source, "--output-http", f"127.0.0.1:{target.port}",
                           OPTION, node.address("killed"), ready=False)
    target.wait_arrivals(n // 3)
    node.kill()
    target.wait_arrivals(n // 2)
    node.start()
    target.wait_arrivals(n)
    within(target.arrivals[-1].time - target.arrivals[0].time, 5.9, 8, "seconds of the replay")
    out = refrain.wait().output("output-http-elasticsearch")
    equal(fates(out), {"seen": n, "delivered": n}, "fates")
    check(out["elastic_retries"] > 0, "nothing was tried again")
    found = collections.Counter(d["Req_URL"] for d in node.documents("killed"))
    equal(found, collections.Counter(f"/{k}" for k in range(n)), "documents")
    equal(refrain.stderr().count("cannot store documents"), 1, "lines about that it is away")
    equal(refrain.stderr().count("documents are stored again"), 1, "lines about that it is back")


@test("a login by URL, environment and file, over TLS, in front of a path; no password is shown")
def login(case):
    node = elastic.shared(case)
    authority = Authority(case)
    cert, key = authority.issue()
    users = case.write("users", "me:{PLAIN}s3cret@word\n")
    front = Nginx(case, tls=f"ssl_certificate {cert}; ssl_certificate_key {key};", extra=f"""
        location /es/ {{ auth_basic "x"; auth_basic_user_file {users};
                         proxy_pass http://127.0.0.1:{node.port}/; }}""")
    target, source = Target(case), numbered(case, 5)
    url = f"127.0.0.1:{front.port}/es"
    ca = ["--output-http-elasticsearch-ca-cert", authority.cert]
    word = case.write("word", "s3cret@word\n")
    logins = ((f"https://me:s3cret%40word@{url}/login1", ca, {}),
              (f"https://me@{url}/login2", ca,
               {"REFRAIN_OUTPUT_HTTP_ELASTICSEARCH_PASSWORD": "s3cret@word"}),
              (f"https://me@{url}/login3",
               ["--output-http-elasticsearch-skip-verify",
                "--output-http-elasticsearch-password", f"@{word}"], {}))
    for number, (address, args, env) in enumerate(logins, 1):
        result, out = replay(case, source, target, address, *args, env=env)
        equal(fates(out), {"seen": 5, "delivered": 5}, f"fates of {address}")
        equal(len(node.documents(f"login{number}")), 5, "documents")
        check("s3cret" not in result.stderr, f"the password is shown: {result.stderr}")
    result, out = replay(case, source, target, f"https://me:wr0ng@{url}/login4", *ca)
    equal((fates(out), out["elastic_refused"]), ({"seen": 5, "failed": 5}, 5), "fates, wrong word")
    check("status 401" in result.stderr and "wr0ng" not in result.stderr, result.stderr)
    refrain = case.refrain("--input-file", source, "--output-http", f"127.0.0.1:{target.port}",
                           OPTION, f"https://me:s3cret@{url}/login5", "--drain-timeout", "1s",
                           ready=False)
    refrain.wait_for(lambda: "cannot store documents" in refrain.stderr(), "it says so")
    result = refrain.stop(status=6)
    equal(fates(result.output("output-http-elasticsearch")), {"seen": 5, "abandoned": 5},
          "fates with a certificate of a stranger")
    check("certificate" in result.stderr and "s3cret" not in result.stderr, result.stderr)


@test("an index by date: the node's own date math")
def dated(case):
    node = elastic.shared(case)
    _, out = replay(case, numbered(case, 3), Target(case),
                    node.address("%3Cdated-%7Bnow%2Fd%7BYYYY%7D%7D%3E"))
    equal(fates(out), {"seen": 3, "delivered": 3}, "fates")
    equal(len(node.documents(time.strftime("dated-%Y", time.gmtime()))), 3, "documents")


@test("429 and 503 are waited out, ever longer; only documents that were not taken are sent again")
def busy(case):
    def answer(bulk):
        n = len(standin.bulks)
        if n <= 3:
            return (429, 503, 502)[n - 1], None
        if n == 4:
            return 200, [429 if k % 3 == 0 else 400 if k % 3 == 1 else 201
                         for k in range(len(bulk))]
        return 200, [503 if n == 5 else 201] * len(bulk)

    standin = Standin(case, answer)
    result, out = replay(case, numbered(case, 300), Target(case), standin.address())
    equal(standin.faults, [], "what a node would not take")
    equal(fates(out), {"seen": 300, "delivered": 200, "failed": 100}, "fates")
    equal([len(b) for b in standin.bulks], [300] * 4 + [100] * 2, "documents of the bulks")
    equal(standin.bulks[0], standin.bulks[3], "the same again")
    equal(standin.bulks[4], standin.bulks[3][::3], "those that had no room")
    equal((out["elastic_retries"], out["elastic_refused"], out["elastic_bulks"]),
          (3 * 300 + 2 * 100, 100, 6), "sent again, refused, bulks")
    waits = [b - a for a, b in zip(standin.times, standin.times[1:])]
    for wait, least in zip(waits[:3], (0.1, 0.2, 0.4)):
        within(wait, least, least + 0.3, "seconds before the next")
    check("status 429" in result.stderr and "some_exception" in result.stderr, result.stderr)


@test("an answer that does not tell the fate of each document is not believed")
def strange(case):
    def answer(bulk):
        return 200, [201] * (len(bulk) - (len(standin.bulks) < 3))

    standin = Standin(case, answer)
    result, out = replay(case, numbered(case, 20), Target(case), standin.address())
    equal(fates(out), {"seen": 20, "delivered": 20}, "fates")
    equal((len(standin.bulks), out["elastic_retries"]), (3, 40), "bulks, sent again")
    check("is this Elasticsearch" in result.stderr, result.stderr)


@test("a node that is silent hurts nothing: what finds no room is dropped, the rest abandoned")
def silent(case):
    hole = Target(case, mode="silent")
    n, quick, slow = 2000, Target(case), Target(case)
    source = numbered(case, n, 0)
    case.run("--input-file", source, "--output-http", f"127.0.0.1:{quick.port}")
    refrain = case.refrain("--input-file", source, "--output-http", f"127.0.0.1:{slow.port}",
                           OPTION, f"127.0.0.1:{hole.port}/gor", "--output-queue-len", 100,
                           "--drain-timeout", "1s", ready=False)
    slow.wait_arrivals(n)
    wait_until(lambda: hole.connections > 0, "it has connected")
    result = refrain.stop(status=6)
    out = result.output("output-http-elasticsearch")
    equal(result.output("output-http")["delivered"], n, "answers")
    equal(out["seen"], n, "seen")
    equal(out["dropped_queue"] + out["abandoned"], n, "dropped and abandoned")
    check(out["dropped_queue"] > 500, f"only {out['dropped_queue']} were dropped")

    def length(target):
        return target.arrivals[-1].time - target.arrivals[0].time
    check(length(slow) < 2 * length(quick) + 2, f"{length(slow)} s instead of {length(quick)}")


@test("the queue is bounded in bytes as well")
def bytes_bounded(case):
    hole = Target(case, mode="silent")
    agents = [f"User-Agent: {'x' * 30000}"]
    source = recording(case, [gor.request(f"/{k}", headers=agents) for k in range(1500)], 0)
    target = Target(case)
    refrain = case.refrain("--input-file", source, "--output-http", f"127.0.0.1:{target.port}",
                           OPTION, f"127.0.0.1:{hole.port}/gor", "--output-queue-size", "1mb",
                           "--drain-timeout", "1s", ready=False)
    target.wait_arrivals(1500, 30)
    wait_until(lambda: hole.connections > 0, "it has connected")
    out = refrain.stop(status=6).output("output-http-elasticsearch")
    # 1 MiB of them in the queue, 512 KiB in the bulk, 30 KiB each
    within(out["abandoned"], 20, 70, "documents that were held")
    equal(out["dropped_queue"] + out["abandoned"], 1500, "dropped and abandoned")


@test("what cannot work is said at the start")
def usage(case):
    def refuse(address, *words, args=(), target=("--output-http", "127.0.0.1:1"), status=2):
        case.refuse("--input-dummy", "x", *target, OPTION, address, *args, status=status,
                    words=[OPTION, *words])
    refuse("h:9200/gor", "--output-http", target=["--output-null"])
    refuse("h:9200/gor", "--output-http", target=["--output-null", "--compare-with", "127.0.0.1:1"])
    refuse("h:9200", "no index", "HOST")
    refuse("h:9200/", "no index")
    refuse("me:s3cret@/gor", "no host")
    refuse("ftp://h/gor", "ftp")
    refuse("h/Gor", "cannot hold G", "lower case")
    refuse("h/_bulk", "cannot begin with _")
    refuse("h:9200/a?b", "query")
    refuse("h:x/gor", "h:x")
    pw = ["--output-http-elasticsearch-password", f"@{case.write('word', 's3cret')}"]
    refuse("h/gor", "-password", "user", args=pw)
    refuse("me:other@h/gor", "-password", "already", args=pw)
    refuse("h/gor", "-ca-cert", "nowhere", args=["--output-http-elasticsearch-ca-cert", "nowhere"],
           status=1)
    for address in ("me:s3cret@h:x/gor", "http://me:s3cret@h/Gor", "ftp://me:s3cret@h/gor"):
        result = case.run("--input-dummy", "x", "--output-http", "127.0.0.1:1", OPTION, address,
                          status=2, books=False)
        check("s3cret" not in result.stderr, f"the password is shown: {result.stderr}")


if __name__ == "__main__":
    main(elastic.fetch_jars)
