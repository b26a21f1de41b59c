#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--redact: 10,000 planted secrets, and none of them in anything that is written, sent or said."""
import base64
import json
import re

import gor
import kafka
from harness import check, equal, free_port, main, test
from servers import Target

START = 1_700_000_000_000_000_000
N = 1250  # requests, with eight secrets each beside those of their responses
SECRET = re.compile(rb"S3CR3T-[0-9]+-[0-9a-z]+")


def exchange(n):
    """A request and its response, with secrets at all places that the rules name."""
    def secret(place):
        return f"S3CR3T-{n}-{place}"
    user = json.dumps({"name": f"user {n}", "login": {"email": secret("json"), "n": n}})
    form = f"name=x&password={secret('form')}&n={n}"
    headers = [f"Authorization: Bearer {secret('auth')}", f"X-Api-Key: {secret('key')}",
               f"Cookie: lang=de; sid={secret('cookie')}; n={n}",
               f"Referer: https://shop.example/?token={secret('referer')}&n={n}"]
    if n % 3 == 0:
        headers.append("Content-Type: application/x-www-form-urlencoded")
        request = gor.request(f"/{n}?a=1&token={secret('param')}", method="POST", headers=headers,
                              body=form.encode())
    elif n % 3 == 1:
        headers += ["Content-Type: application/json", "Transfer-Encoding: chunked"]
        cut = 1 + n % (len(user) - 1)
        chunks = "".join(f"{len(c):x}\r\n{c}\r\n" for c in (user[:cut], user[cut:]))
        request = gor.request(f"/{n}?token={secret('param')}", method="POST", headers=headers)
        request += (chunks + f"0\r\nX-Api-Key: {secret('trailer')}\r\n\r\n").encode()
    else:
        headers.append("Content-Type: application/json")
        request = gor.request(f"/{n}?token={secret('param')}#token={secret('hash')}", method="PUT",
                              headers=headers, body=user.encode())
    answer = json.dumps([{"login": {"email": secret("answer")}}])
    response = (f"HTTP/1.1 200 OK\r\nSet-Cookie: sid={secret('cookie')}; Path=/\r\nLocation: "
                f"/?token={secret('location')}\r\nContent-Length: {len(answer)}\r\n\r\n{answer}")
    return request, response.encode()


RULES = [arg for rule in ("header:Authorization", "header:x-api-key", "cookie:sid", "param:token",
                          "json:login.email", "form:password") for arg in ("--redact", rule)]


def recording(case):
    data = b""
    for n in range(N):
        for kind, payload in enumerate(exchange(n), 1):
            data += gor.make(payload, START + n * 1000, kind=kind, id_=f"{n:024x}")
    planted = set(SECRET.findall(data))
    check(len(planted) >= 10000, f"only {len(planted)} secrets were planted")
    return case.write("in.gor", data)


@test("10,000 secrets: none in a file, at a target, behind a relay, on stdout, in logs or summary")
def planted(case):
    target = Target(case)
    port = free_port()
    relay = case.refrain("--input-tcp", f"127.0.0.1:{port}", "--output-file", case.path("relay.gor"),
                         "--output-file-append", ready=port)
    result = case.run("--input-file", recording(case) + "|10000%", *RULES, "--verbose", "3",
                      "--output-file", case.path("out.gor"), "--output-file-append", "--output-http",
                      f"http://127.0.0.1:{target.port}", "--output-tcp", f"127.0.0.1:{port}",
                      "--output-stdout")
    relayed = relay.stop()
    written = gor.load(case.path("out.gor"))
    for what, data in (("the file", written), ("stdout", result.stdout),
                       ("logs and summary", result.stderr.encode()),
                       ("the relay's file", gor.load(case.path("relay.gor"))),
                       ("the relay's logs", relayed.stderr.encode()),
                       ("what the target got", b"".join(a.raw for a in target.arrivals))):
        equal(set(SECRET.findall(data)), set(), f"secrets in {what}")
        check(b"S3CR3T" not in data, f"a part of a secret in {what}")
    equal(len(gor.parse(written)), 2 * N, "records")
    equal(len(target.arrivals), N, "arrivals")


@test("all else stays as it was, and a session can still be followed")
def rest(case):
    (found, again) = ([], [])
    for records, key in ((found, "a key"), (again, "a key")):
        case.write("key", key + "\n")
        result = case.run("--input-file", recording(case) + "|10000%", *RULES, "--redact-key",
                          "@" + case.path("key"), "--output-stdout")
        records.extend(gor.parse(result.stdout))
    equal([r.payload for r in found], [r.payload for r in again], "two runs with the same key")
    sid = re.compile(rb"sid=([0-9a-v]+)")
    for n in range(N):
        request, response = found[2 * n].payload, found[2 * n + 1].payload
        was, _ = exchange(n)
        equal(len(request), len(was), "length")
        differing = sum(a != b for a, b in zip(request, was))
        hidden = sum(len(s) for s in SECRET.findall(was)) + len(f"S3CR3T-{n}-json")  # cut by chunks
        check(differing <= hidden, f"{differing} bytes changed, of {hidden} that are secret")
        equal(sid.search(request).group(1), sid.search(response).group(1), "the session's token")


@test("--redact-default hides what usually is secret; a rule that cannot be read stops the start")
def usual(case):
    payload = gor.request("/?access_token=S3CR3T-1-a", headers=["Cookie: x=S3CR3T-1-b",
                                                                "Authorization: Basic S3CR3T-1-c"])
    source = case.write("in.gor", gor.make(payload, START))
    result = case.run("--input-file", source, "--redact-default", "--output-stdout")
    equal(SECRET.findall(result.stdout), [], "secrets")
    check(b"Authorization: Basic " in result.stdout, "the scheme is gone")
    for args, words in ((["--redact", "authorization"], ["--redact", "character 1"]),
                        (["--redact", "json:"], ["json:", "character 6"]),
                        (["--redact-default", "--redact-key", "plain"], ["--redact-key", "@FILE"])):
        case.refuse("--input-file", source, *args, "--output-stdout", status=2, words=words)


def told(message, as_json):
    """Every byte of a message that says something, whatever it is coded in."""
    parts = [message.key, message.value, *message.headers.values()]
    if as_json:
        value = json.loads(message.value)
        parts += [base64.b64decode(value.get("Req_Head", ""))]
        parts += [base64.b64decode(value["Req_Body"])] if value.get("Req_Body_Base64") else []
    return b"\n".join(parts)


@test("10,000 secrets: none in a message of Kafka, in neither format")
def planted_kafka(case):
    cluster = kafka.shared(case)
    source = recording(case)
    for as_json in (False, True):
        name = f"redact-{as_json}"
        cluster.client(case).create_topic(name, 2)
        result = case.run("--input-file", source + "|10000%", *RULES, "--output-kafka-host",
                          cluster.address(), "--output-kafka-topic", name,
                          f"--output-kafka-json-format={as_json}".lower())
        messages = cluster.client(case, 1).read(name, 2)
        equal(len(messages), 2 * N, "messages")
        equal(SECRET.findall(b"".join(told(m, as_json) for m in messages)), [], "secrets in Kafka")
        equal(SECRET.findall(result.stderr.encode()), [], "secrets in logs and summary")


if __name__ == "__main__":
    main(kafka.fetch_jars)
