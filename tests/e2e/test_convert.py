#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""refrain convert: JSON lines, HAR 1.2, curl commands, capture files and gor's recordings."""
import base64
import gzip
import json
import os
import random
import re
import struct
import subprocess
import zlib

import gor
from harness import check, equal, main, need, need_root, read_bytes, test, wait_until, within
from servers import Nginx, Target
from toolbox import START, peak_kib, record, recording, tally, tool


def response(body=b"ok", status="200 OK", headers=()):
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# What a head and a body may be like, and must not be changed by.
ODD = [
    gor.request("/plain"),
    gor.request("/text", method="POST", body="déjà vu 🐵 \" \\ \r\n\t".encode()),
    gor.request("/binary", method="PUT", body=bytes(range(256))),
    gor.request("/separator", method="PUT", body=gor.SEPARATOR * 2),
    b"GET /lf HTTP/1.1\nHost: h\n\n",
    b"GET /fold HTTP/1.1\r\nHost: h\r\nX:  a\r\n  b\r\n\r\n",
    b"GET /empty HTTP/1.1\r\nHost: h\r\nX:\r\nx: \r\nX: 1\r\nX: 2\r\n\r\n",
    b"GET /latin\xe9 HTTP/1.1\r\nHost: h\r\nX: \xe9\x1b[31m\r\n\r\n",
    b"\r\nGET /before HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n",
    b"GET /old HTTP/1.0\r\n\r\n",
    b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /sp ace HTTP/1.1\r\nHost: h\r\n\r\n",
    b"no HTTP at all\x00\x01",
    b"\xff\xfe",
]


def odd_recording():
    data = b"".join(record(p, START + n, id_=f"{n:024x}", latency=n) for n, p in enumerate(ODD))
    data += record(response(), START + 99, kind=2, id_="0" * 24, latency=-5, src="[::1]:80",
                   dst="[fe80::2]:5")
    data += record(b"HTTP/1.1 200\r\n\r\n", -5, kind=3, id_="x", src="-", dst="-")
    return data + record(b"HTTP/1.1 299 Odd  reason\r\nA: b\r\n\r\nuntil close", 2 ** 63 - 1,
                         kind=2, id_="y" * 64)


def convert(case, *args, **kwargs):
    out, err = tool(case, "convert", "--summary", "json", *args, text=False, **kwargs)
    return out, tally(err), err


@test("JSON lines: every message comes back to the byte, whatever it holds")
def json_lines(case):
    data = odd_recording() + b"".join(recording(30))
    rng = random.Random(5)
    for n in range(200):
        payload = bytearray(rng.choice(ODD))
        for _ in range(rng.randrange(4)):
            payload[rng.randrange(len(payload))] = rng.randrange(256)
        data += record(bytes(payload), START + n, kind=rng.choice((1, 2)))
    source = case.write("in.gor", data)
    lines, t, _ = convert(case, source, "--output-format", "json")
    equal(t["written"], len(lines.splitlines()), "lines")
    objects = [json.loads(line) for line in lines.splitlines()]
    back, _, _ = convert(case, "-", "--input-format", "json", stdin=lines)
    check(back == data, "the recording that came back differs")
    post = objects[1]
    equal((post["method"], post["target"], post["body"]), ("POST", "/text", ODD[1].split(
        b"\r\n\r\n", 1)[1].decode()), "text stays text")
    equal((objects[2]["body_base64"], base64.b64decode(objects[2]["body"])),
          (True, bytes(range(256))), "a binary body")
    equal(post["headers"][0], {"name": "Host", "value": "recorded.example"}, "a field")
    # found by content, also compressed, and by the name of the output
    convert(case, source, "-o", "x.jsonl.gz")
    check(gzip.decompress(read_bytes(case.path("x.jsonl.gz"))) == lines, "by its name")
    back, _, _ = convert(case, "x.jsonl.gz")
    check(back == data, "compressed lines")


@test("lines that are none cost themselves only, and are told by number")
def bad_lines(case):
    good = ('{"type":"request","id":"000000000000000000000001","method":"GET","target":"/",'
            '"headers":[{"name":"Host","value":"h"}]}')
    bad = ["nonsense", "[]", "{}", '{"type":"x"}', good.replace('"/"', '"/ HTTP/1.1\\r\\nX: y"'),
           good.replace('"h"', '"a\\r\\n\\r\\nGET /forged HTTP/1.1"'), good.replace("GET", "G T"),
           good.replace("Host", "Ho st"),
           good.replace("}]}", '}],"body":"%%%","body_base64":true}'),
           good.replace("}]}", '}],"time":"yesterday"}'),
           good.replace("}]}", '}],"src":"nowhere"}'),
           good.replace('"GET"', "7"), '{"type":"response","status":99}', '{"type":"request"}',
           '{"type":"request","payload":""}', good.replace("}]}", '}],"version":"HTTP/3"}'),
           "{" * 5000, '{"type":"request","payload":"\\ud800"}', '{"a":' * 3000]
    text = "".join(f"{good}\n\n{b}\n" for b in bad) + good
    source = case.write("x.json", text)
    out, t, err = convert(case, source, status=1)
    equal((t["written"], t["damaged"]), (len(bad) + 1, len(bad)), f"lines: {err}")
    check(all(r.payload == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" for r in gor.parse(out)),
          "messages")
    check("x.json: line 3: no JSON" in err, err)


def need_keys(what, value, /, **wanted):
    for name, kind in wanted.items():
        check(isinstance(value.get(name), kind) and not isinstance(value[name], bool),
              f"{what}.{name} is {value.get(name)!r}")


def pairs(what, value):
    for item in value:
        need_keys(what, item, name=str, value=str)


def check_har(text):
    """The members that HAR 1.2 demands, and their types; names of our own begin with '_'."""
    har = json.loads(text)
    equal(list(har), ["log"], "members of the document")
    log = har["log"]
    need_keys("log", log, version=str, creator=dict, entries=list)
    equal(log["version"], "1.2", "version")
    need_keys("creator", log["creator"], name=str, version=str)
    number = (int, float)
    for e in log["entries"]:
        need_keys("entry", e, startedDateTime=str, time=number, request=dict, response=dict,
                  cache=dict, timings=dict)
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
                           e["startedDateTime"]), f"startedDateTime {e['startedDateTime']}")
        need_keys("timings", e["timings"], send=number, wait=number, receive=number)
        within(e["time"] - sum(e["timings"].values()), -0.001, 0.001, "time")
        for half in ("request", "response"):
            need_keys(half, e[half], httpVersion=str, cookies=list, headers=list, headersSize=int,
                      bodySize=int)
            pairs(half, e[half]["headers"])
            pairs(half, e[half]["cookies"])
        need_keys("request", e["request"], method=str, url=str, queryString=list)
        check(re.match(r"https?://[^/]+/", e["request"]["url"]), f"url {e['request']['url']}")
        pairs("queryString", e["request"]["queryString"])
        if "postData" in e["request"]:
            need_keys("postData", e["request"]["postData"], mimeType=str, text=str, params=list)
        need_keys("response", e["response"], status=int, statusText=str, content=dict,
                  redirectURL=str)
        need_keys("content", e["response"]["content"], size=int, mimeType=str)
        known = {"startedDateTime", "time", "request", "response", "cache", "timings", "connection",
                 "serverIPAddress", "pageref", "comment"}
        check(all(k in known or k[0] == "_" for k in e), f"members {list(e)}")
    return log["entries"]


@test("HAR: valid, with each request beside its response, and back again to the byte")
def har(case):
    exact = [p for p in ODD[:4]] + [ODD[10], ODD[11], ODD[12], ODD[13]]
    data = b"".join(
        record(p, START + n * 1000, id_=f"{n:024x}") +
        record(response(bytes(range(256)) if n == 2 else b"Gr\xc3\xbc\xc3\x9fe" * n,
                        headers=["X: 1", "Content-Type: text/plain"]), START + n * 1000 + 70,
               kind=2,
               id_=f"{n:024x}", latency=1_234_567, src="10.0.0.2:80", dst="10.0.0.1:4000")
        for n, p in enumerate(exact))
    data += record(gor.request("/unanswered?a=1&b=%20&c", headers=["Cookie: sid=1; x=y"]), START,
                   id_="f" * 24)
    source = case.write("in.gor", data)
    text, t, _ = convert(case, source, "--output-format", "har")
    entries = check_har(text)
    equal((len(entries), t["written"]), (9, 17), "entries")
    last = entries[-1]["request"]
    equal((last["queryString"], last["cookies"], entries[-1]["response"]["status"]),
          ([{"name": "a", "value": "1"}, {"name": "b", "value": "%20"}, {"name": "c", "value": ""}],
           [{"name": "sid", "value": "1"}, {"name": "x", "value": "y"}], 0), "what it says")
    within(entries[0]["time"], 1.234, 1.236, "time")
    convert(case, source, "-o", "x.har.gz")
    back, _, _ = convert(case, "x.har.gz")
    check(back == data, "the recording that came back differs")
    check_har(convert(case, case.write("none.gor", b""), "--output-format", "har")[0])


@test("HAR: chunks and compression are undone, and what comes back can be sent")
def har_bodies(case):
    plain = b"a long text " * 50
    zipped = gzip.compress(plain)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(zipped), zipped)
    answers = [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" +
               chunked, response(zipped, headers=["Content-Encoding: gzip"]),
               response(b"not gzip", headers=["Content-Encoding: gzip"]),
               response(zlib.compress(plain), headers=["Content-Encoding: deflate"])]
    wanted = [plain, plain, b"not gzip", plain]
    data = b"".join(record(ODD[9], START + n, id_=f"{n:024x}") +
                    record(a, START + n, kind=2, id_=f"{n:024x}") for n, a in enumerate(answers))
    text, _, _ = convert(case, case.write("in.gor", data), "--output-format", "har")
    for entry, body in zip(check_har(text), wanted):
        equal(entry["response"]["content"]["text"], body.decode(), "content")
        equal(entry["request"]["postData"]["text"], "hello", "request")
    out, _, _ = convert(case, case.write("x.har", text))
    records = gor.parse(out)
    equal([r.payload for r in gor.requests(records)],
          [b"POST /chunked HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"] * 4, "requests")
    for r, body in zip([r for r in records if r.type == 2], wanted):
        head, got = r.payload.split(b"\r\n\r\n", 1)
        equal((got, int(re.search(rb"Content-Length: (\d+)", head).group(1))), (body, len(body)),
              "a response's body")
        equal(b"gzip" in head, body == b"not gzip", "its coding")


BROWSER = {"log": {"version": "1.2", "pages": [{"id": "p", "title": "a [\"}] title"}], "creator": {
    "name": "Browser", "version": "1"}, "entries": [{
        "startedDateTime": "2026-11-21T09:30:00.123+01:00", "time": 12.5, "connection": "443",
        "request": {"method": "GET", "url": "https://shop.example?q=1#part", "httpVersion": "h2",
                    "headers": [{"name": ":authority", "value": "shop.example"},
                                {"name": "accept", "value": "*/*"}]},
        "response": {"status": 200, "statusText": "", "httpVersion": "h2", "headers": [
            {"name": "content-encoding", "value": "br"},
            {"name": "transfer-encoding", "value": "chunked"}],
                     "content": {"size": 5, "mimeType": "text/html", "text": "hello"}},
        "timings": {"wait": 7.5}}, {
            "startedDateTime": "2026-11-21T08:30:01Z",
            "request": {"method": "POST", "url": "http://u:p@shop.example:8080/form",
                        "headers": [{"name": "Content-Length", "value": "999"}],
                        "postData": {"mimeType": "text/plain", "text": "ä=1"}},
            "response": {"status": 0}}]}, "after": "log"}


@test("a browser's HAR becomes requests of HTTP/1.1 that can be replayed")
def browser(case):
    source = case.write("b.har", json.dumps(BROWSER, indent=1))
    out, t, _ = convert(case, source)
    records = gor.parse(out)
    equal([r.payload for r in records], [
        b"GET /?q=1 HTTP/1.1\r\nHost: shop.example\r\naccept: */*\r\n\r\n",
        b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello",
        "POST /form HTTP/1.1\r\nHost: shop.example:8080\r\nContent-Length: 4\r\n\r\nä=1".encode()],
          "messages")
    equal((records[0].ts, records[1].latency), (1795249800123000000, 7_500_000), "times")
    equal((records[0].id == records[1].id, records[0].id == records[2].id), (True, False), "ids")
    equal(t["read"], 3, "read")
    check(convert(case, source)[0] == out, "a second reading differs")
    target = Target(case)
    case.write("b.gor", out)
    case.run("--input-file", "b.gor|10000%", "--output-http", f"http://127.0.0.1:{target.port}")
    target.wait_arrivals(2)


@test("a HAR that is none is refused with its place; a bad entry costs itself only")
def bad_har(case):
    entry = BROWSER["log"]["entries"][1]
    for n, text in enumerate(['{"log":{}}', '{"log": 5}', '{"log":{"entries":{}}}',
                              '{"log":{"entries":[{"a":1}', '{"log":{"entries":[{} {}]}}',
                              '{"log":{"entries":[', '{"log":{"x":"unclosed', '{"log"', '{"log":']):
        _, err = tool(case, "convert", case.write(f"{n}.har", text), "-o", "never.gor", status=1)
        check("HAR" in err or "ends inside" in err, f"{text}: {err}")
        check(not os.path.exists(case.path("never.gor")), "a file was written")
    for text in ("", "[]", "\x00\x01"):
        tool(case, "convert", "--input-format", "har", case.write("y", text), status=1)
    bad = [{}, {"request": 1}, 5, "x", {**entry, "startedDateTime": "now"},
           {**entry, "request": {**entry["request"], "url": "nowhere"}},
           {**entry, "request": {**entry["request"], "method": "A B"}},
           {**entry, "request": {**entry["request"],
                                 "headers": [{"name": "X", "value": "1\r\nY: 2"}]}},
           {**entry, "response": {"status": 7}}]
    entries = [x for b in bad for x in (b, entry)]
    out, t, err = convert(case, case.write("z.har", json.dumps({"log": {"entries": entries}})),
                          status=1)
    equal((len(gor.parse(out)), t["damaged"]), (len(bad), len(bad)), f"good and bad: {err}")
    check("z.har: entry 1:" in err, err)


def shell_requests(target):
    """What a person's shell must not touch."""
    host = f"127.0.0.1:{target.port}"
    body = b"it's $HOME `id` \\ \"x\" !! %s %% \n-- \ttab"
    return [gor.request("/a?x='$(id)'&y=%20;[1]{2}|z", host=host),
            gor.request("/text", host=host, method="POST", body=body,
                        headers=["User-Agent: it's \"me\" $(id) `id` \\n", "X-Empty: ", "X-Two: 1",
                                 "X-Two: 2", "Accept: text/plain"]),
            gor.request("/binary", host=host, method="PUT", body=bytes(range(256)) * 3),
            gor.request("/long", host=host, method="POST", body=b"x" * 300_000,
                        headers=["Content-Type: text/plain"]),
            gor.request("/at", host=host, method="POST", body=b"@/etc/passwd"),
            gor.request("/delete", host=host, method="DELETE"),
            gor.request("/crlf", host=host, method="PATCH", body=b"a\r\nb\r\n\r\n\x00"),
            gor.request("/get-with-body", host=host, body=b"body"),
            gor.request("*", host=host, method="OPTIONS"),
            gor.request("/sp ace/\u00fc/../x#y", host=host),
            gor.request("/esc", host=host, headers=["X: \x1b[31mred", "Y: \u00fc"]),
            gor.request("/head", host=host, method="HEAD"),
            gor.request("/1.0", host=host, version="1.0"),
            b"POST /none HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n" % host.encode(),
            b"POST /chunks HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
            b"0\r\n\r\n" % host.encode()]


def parts(payload):
    """(request line, sorted fields without those of the framing, body without chunks)."""
    head, body = payload.split(b"\r\n\r\n", 1)
    lines = head.split(b"\r\n")
    fields = sorted(line.rstrip() for line in lines[1:]
                    if not line.lower().startswith(b"connection:"))
    if b"Transfer-Encoding: chunked" in fields:
        body = re.sub(rb"(?s)^[0-9a-f]+\r\n(.*)\r\n0\r\n\r\n$", rb"\1", body)
    return lines[0], fields, body


@test("curl commands, run by a real shell, send the very requests again")
def curl(case):
    need("curl")
    target = Target(case)
    wanted = shell_requests(target)
    extra = [b"GET /odd HTTP/1.1\r\nHost: h\r\n@/etc/passwd: x\r\n\r\n", b"not HTTP",
             b"GET /x HTTP/1.1\r\nHost: $(id)\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"]
    data = b"".join(record(p, START + n, id_=f"{n:024x}", dst="-")
                    for n, p in enumerate(wanted + extra))
    data += record(response(), START + 50, kind=2)
    script, t, err = convert(case, case.write("in.gor", data), "--output-format", "curl")
    equal((t["written"], t["left_out"]), (len(wanted), len(extra) + 1), f"written: {err}")
    check("odd header field" in err and "responses" in err, err)
    check(b"\x1b" not in script, "a control byte in the script")
    for shell in ("sh", "bash"):
        before = len(target.arrivals)
        done = subprocess.run([shell, case.write("x.sh", script)], cwd=case.dir, timeout=60,
                              capture_output=True, check=False)
        equal((done.returncode, done.stderr), (0, b""), f"{shell} runs it")
        wait_until(lambda n=before: len(target.arrivals) >= n + len(wanted), "all arrived")
        got = [a.raw for a in target.arrivals[before:]]
        for want, have in zip(wanted, got):
            equal(parts(have), parts(want), f"{shell}: a request")
    equal(sorted(os.listdir(case.dir)), ["in.gor", "x.sh"], "files that the script left")


@test("curl commands are read: our own, and those that browsers offer to copy")
def from_curl(case):
    target = Target(case)
    wanted = shell_requests(target)
    data = b"".join(record(p, START + n, id_=f"{n:024x}") for n, p in enumerate(wanted))
    convert(case, case.write("in.gor", data), "-o", "x.sh")
    out, t, _ = convert(case, "x.sh")
    got = gor.parse(out)
    equal((t["read"], len({r.id for r in got})), (len(wanted), len(wanted)), "requests and ids")
    for want, have in zip(wanted, got):
        if not want.startswith(b"HEAD"):
            equal(parts(have.payload), parts(want), "a request")
    script = r"""# a comment, and an empty line

curl 'https://shop.example/a?b=1#part' \
  -H 'accept: */*' -H "x-quote: it's \"so\" \$1" -b 'sid=1' --compressed -L
curl -XPOST shop.example -d a=1 --data-raw $'b=\'\u00fc\n' -u me:secret
curl -sG "http://shop.example/q" -d x=1 --data-binary y=2 -A agent -H 'Host: other' -I
curl --json '{"a":1}' --url http://shop.example/j -H 'Accept:' --http1.0
"""
    out, _, _ = convert(case, case.write("b.sh", script), "--input-format", "curl")
    equal([r.payload for r in gor.parse(out)], [
        b"GET /a?b=1 HTTP/1.1\r\nHost: shop.example\r\naccept: */*\r\nx-quote: it's \"so\" $1\r\n"
        b"Cookie: sid=1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Basic bWU6c2VjcmV0\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\n"
        "a=1&b='ü\n".encode(),
        b"HEAD /q?x=1&y=2 HTTP/1.1\r\nHost: other\r\nUser-Agent: agent\r\n\r\n",
        b"POST /j HTTP/1.0\r\nHost: shop.example\r\nContent-Type: application/json\r\n"
        b"Content-Length: 7\r\n\r\n{\"a\":1}"], "messages")


@test("a shell command that is more than a plain curl is refused, and nothing of it is run")
def hostile_shell(case):
    good = "curl http://h.example/\n"
    bad = ["curl http://h/$(touch ran)", "curl `touch ran`", "curl http://h/; touch ran",
           "touch ran",
           "curl http://h/ -d @/etc/passwd", "curl http://h/ -H @/etc/passwd", "curl", "curl -X",
           "cat x | curl http://h/ -d @-", "curl http://h/ > ran", "curl \"http://$HOST/\"",
           "curl \"$(touch ran)\"", "printf 'a%s' b | curl http://h/ -d @-",
           "curl http://a http://b",
           "curl -K config http://h/", "curl http://h/ -H 'no colon'", "curl http://h/ -X 'A B'",
           "curl 'http://h/a b' -H $'X: 1\\r\\nY: 2'", "printf 'x' |",
           "curl http://h/ && touch ran"]
    source = case.write("x.sh", "".join(b + "\n" + good for b in bad) + "curl 'not closed")
    out, t, err = convert(case, source, "--input-format", "curl", status=1)
    equal((len(gor.parse(out)), t["damaged"]), (len(bad), len(bad) + 1), f"good and bad: {err}")
    check(not os.path.exists(case.path("ran")), "something was run")


@test("curl commands reach nginx, which serves what it served")
def curl_nginx(case):
    need_root()
    need("curl", "nginx")
    server = Nginx(case)
    host = f"127.0.0.1:{server.port}"
    wanted = [f"/n/{n}?q={n}" for n in range(20)]
    data = b"".join(record(gor.request(path, host=host), START + n, id_=f"{n:024x}")
                    for n, path in enumerate(wanted))
    script, _, _ = convert(case, case.write("in.gor", data), "--output-format", "curl")
    subprocess.run(["sh", case.write("x.sh", script)], check=True, timeout=60, capture_output=True)
    server.wait_served(20)


def capture(messages):
    """A capture file by hand: raw IPv4, one segment for each message of one connection."""
    out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101)
    seq = {True: 1, False: 1}
    for n, (up, payload) in enumerate(messages):
        ports, ends = (40000, 8080), (b"\x0a\0\0\1", b"\x0a\0\0\2")
        if not up:
            ports, ends = ports[::-1], ends[::-1]
        tcp = struct.pack("!HHIIBBHHH", *ports, seq[up], seq[not up], 0x50, 0x18, 65535, 0,
                          0) + payload
        seq[up] += len(payload)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, *ends) + tcp
        out += struct.pack("<IIII", 1700000000 + n, 0, len(ip), len(ip)) + ip
    return out


@test("capture files become recordings, as a run would record them")
def pcap(case):
    data = capture([(True, gor.request("/1")), (False, response(b"one")),
                    (True, gor.request("/2", method="POST", body=b"b" * 1000)),
                    (False, response(b"two"))])
    case.write("x.pcap", data)
    case.write("any.name", data)
    case.write("z.pcap.gz", gzip.compress(data))
    run = case.run("--input-raw", "x.pcap:8080", "--output-stdout", "--input-raw-track-response")
    for args in (["x.pcap:8080"], ["any.name:8080"], ["z.pcap.gz:8080"],
                 ["--input-raw", "any.name:8080", "--input-raw-engine", "pcap_file"],
                 ["--input-raw", "x.pcap:8080"], ["--input-format", "pcap", "any.name:8080"]):
        out, t, _ = convert(case, *args, "--input-raw-track-response")
        equal([r.payload for r in gor.parse(out)], [r.payload for r in gor.parse(run.stdout)],
              f"{args}")
        equal(t["written"], 4, f"{args}")
    equal(len(gor.parse(convert(case, "x.pcap")[0])), 2, "requests alone, of all ports")
    text, _, _ = convert(case, "x.pcap", "--input-raw-track-response", "--output-format", "har")
    equal([e["response"]["content"]["text"] for e in check_har(text)], ["one", "two"], "as a HAR")
    _, t, _ = convert(case, case.write("c.pcap", data[:-300]), status=1)
    within(t["damaged"], 1, 3, "a capture that was cut")
    _, err = tool(case, "convert", "--input-raw", ":8080", status=2)
    check("reads files" in err, err)
    tool(case, "convert", "--input-format", "pcap", case.write("no.pcap", b"junk" * 100), status=1)


@test("filters, redaction and changes apply on the way")
def filters(case):
    source = case.write("in.gor", b"".join(recording()))
    lines, t, _ = convert(case, source, "--output-format", "json", "--http-allow-url", "^/1$",
                          "--redact", "header:Host", "--http-set-header", "X-A: b")
    got = [json.loads(line) for line in lines.splitlines()]
    equal(([g["type"] for g in got], t["filtered"]), (["request", "response"], 38), "selected")
    check({"name": "X-A", "value": "b"} in got[0]["headers"] and b"recorded.example" not in lines,
          f"{got[0]}")


@test("bad names and options are refused")
def refused(case):
    source = case.write("in.gor", b"".join(recording(1)))
    for args, word in ((["missing.json"], "missing.json"), ([case.dir], "folder"), ([], "name a"),
                       (["--output-format", "xml", source], "xml"),
                       (["--from", "5s", source], "no option of refrain convert"),
                       (["--middleware", "cat", source], "no option of refrain convert")):
        _, err = tool(case, "convert", *args, status=2)
        check(word in err, err)
    out, _, _ = convert(case, case.write("empty", b""))
    equal(out, b"", "of an empty file")


@test("memory does not grow with what is converted")
def memory(case):
    block = b"".join(recording(2000, step=1000))
    big = (1 << 30) if os.environ.get("REFRAIN_LONG") else (6 << 20)
    for name, size in (("small", 1 << 20), ("large", big)):
        with open(case.path(name + ".gor"), "wb") as f:
            for _ in range(size // len(block)):
                f.write(block)
    formats = ("json", "har", "curl") if big > (1 << 29) else ("json", "har")
    for format_ in formats:
        few, many = (peak_kib(case, "convert", "--output-format", format_, case.path(n + ".gor"))
                     for n in ("small", "large"))
        os.rename(case.path("sink"), case.path(f"large.{format_}"))
        print(f"# to {format_}: {few} KiB, {many} KiB for {big >> 20} MiB")
        within(many, 0, few + 24 * 1024, f"to {format_}: peak for the large file")
    for format_ in ("json", "har"):
        many = peak_kib(case, "convert", case.path(f"large.{format_}"))
        print(f"# from {format_}: {many} KiB")
        within(many, 0, 120 * 1024, f"from {format_}: peak")


if __name__ == "__main__":
    main()
