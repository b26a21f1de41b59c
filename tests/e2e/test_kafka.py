#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kafka in and out on a real broker: both formats, to the byte, and what can go wrong."""
import base64
import collections
import json
import os
import random
import time

import gor
import kafka
from harness import check, equal, free_port, main, read_text, test, wait_until, within
from prometheus import Metrics, check_metrics, scrape
from servers import Target

START = 1_700_000_000_000_000_000
SASL = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def payloads(seed=1):
    """Requests that are hard to keep: any bytes, sizes up to a MiB, odd heads, no HTTP at all."""
    rng = random.Random(seed)
    found = [gor.request(f"/{n}?a=<&>\"", method="POST", headers=(
        "X-Twice: one", "x-TWICE:two", f"Cookie: n={n}; caf\u00e9=1"), body=bytes(
            rng.randrange(256) for _ in range(rng.choice((0, 1, 2, 3, 100, 5000)))))
        for n in range(40)]
    found += [gor.request("/text", method="PUT", body="h\u00e9llo \u2028 \U0001f435\n\t\"\\\0".encode()),
              gor.request("/mib", method="POST", body=rng.randbytes(1 << 20)),
              gor.request("/monkeys", method="POST", body=b"x" + gor.SEPARATOR + b"1 2 3\nGET /"),
              b"GET /lf HTTP/1.0\nHost: bare\n\n",
              b"GET /fold HTTP/1.1\r\nHost: x\r\nX-Fold: a\r\n b\r\n\r\n",
              b"GET /latin HTTP/1.1\r\nHost: x\r\nX-Latin: caf\xe9\r\n\r\n",
              b"POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
              b"3;a=b\r\nabc\r\n0\r\nX-Trailer: t\r\n\r\n",
              b"OPTIONS * HTTP/1.1\r\nHost:  spaces \r\nEmpty:\r\n\r\n",
              b"not HTTP at all \xff\x00 but a record"]
    return found


def recording(case, name="in.gor", found=None):
    data = b""
    for n, payload in enumerate(found or payloads()):
        data += gor.make(payload, START + n * 1_000_000, id_=f"{n % 7:016x}{n:08x}")
        if n % 5 == 0 and not found:
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-N: %d\r\n\r\n\xfeb" % n
            data += gor.make(answer, START + n * 1_000_000 + 500, kind=2, latency=500,
                             id_=f"{n % 7:016x}{n:08x}")
    # written by refrain: gor's own rules cannot tell where a body with a separator ends
    return own_form(case, case.write(name, data), found or payloads())


def own_form(case, path, found):
    """The same recording with LENGTH and CRC32."""
    out = f"{path}-{case.next_number()}.own.gor"
    case.run("--input-file", path + "|100000%", "--output-file", out, "--output-file-append")
    check(len(gor.read(out)) >= len(found), "the recording was not read whole")
    return out


def multiset(records):
    return collections.Counter((r.type, r.id, r.ts, r.latency, r.payload) for r in records)


def topic(case, cluster, name, partitions=3, **config):
    config.setdefault("max_message_bytes", 8 << 20)
    cluster.client(case).create_topic(name, partitions, **config)
    return name


def write(case, cluster, name, source, *args, listener="plain", **kwargs):
    return case.run("--input-file", source + "|100000%", "--output-kafka-host",
                    cluster.address(listener), "--output-kafka-topic", name, *args, **kwargs)


def sasl_args(case, side, mechanism, password=kafka.PASSWORD):
    secret = case.write(f"password-{case.next_number()}", password + "\n")
    return [f"--{side}-kafka-use-sasl", f"--{side}-kafka-mechanism", mechanism,
            f"--{side}-kafka-username", kafka.USER, f"--{side}-kafka-password", "@" + secret]


def tls_args(cluster):
    return ["--kafka-tls-ca-cert", f"{cluster.dir}/ca.pem", "--kafka-tls-client-cert",
            f"{cluster.dir}/client.crt", "--kafka-tls-client-key", f"{cluster.dir}/client.key"]


@test("records: value, key and headers of each message are what was recorded, to the byte")
def records(case):
    cluster = kafka.shared(case)
    name, source = topic(case, cluster, "records"), recording(case)
    since = int(time.time() * 1000)
    result = write(case, cluster, name, source)
    wanted = gor.read(source)
    out = result.output("output-kafka-host")
    equal(out["delivered"], len(wanted), "delivered")
    found = cluster.client(case, 1).read(name, 3)
    got = [gor.parse(m.value + gor.SEPARATOR)[0] for m in found]
    equal(multiset(got) - multiset(wanted), collections.Counter(), "altered or doubled")
    equal(multiset(wanted) - multiset(got), collections.Counter(), "lost")
    places = collections.defaultdict(set)
    for message, record in zip(found, got):
        equal(message.headers, {"type": str(record.type).encode(), "id": record.id.encode(),
                                "timestamp": str(record.ts).encode(),
                                "latency": str(record.latency).encode()}, "headers")
        within(message.timestamp, since, int(time.time() * 1000), "Kafka's timestamp")
        places[record.id[:16]].add((message.partition, message.key))
    check(all(len(p) == 1 for p in places.values()), "a connection is in two partitions")
    check(len({p for ps in places.values() for p, _ in ps}) > 1, "all are in one partition")


@test("a recording older than retention.ms stays in its topic as long as one made today")
def old_recording(case):
    cluster = kafka.shared(case)
    name = topic(case, cluster, "old", 1)
    source = recording(case, found=[gor.request(f"/{n}") for n in range(20)])
    write(case, cluster, name, source)
    time.sleep(2)  # the broker looks four times for what it may delete
    equal(len(cluster.client(case, 1).read(name)), 20, "messages")


def rebuild(o):
    """The payload that our JSON says, put together here."""
    body = o.get("Req_Body", "").encode()
    if o.get("Req_Body_Base64"):
        body = base64.b64decode(body)
    if "Req_Head" in o:
        return base64.b64decode(o["Req_Head"]) + body
    if "Req_Lines" not in o:
        return body
    start = (f"{o['Req_Method']} {o['Req_URL']} {o['Req_Proto']}" if o["Req_Type"] == "1" else
             f"{o['Req_Proto']} {o['Req_Status']}")
    return "\r\n".join([start, *o["Req_Lines"], "", ""]).encode() + body


@test("JSON: gor's keys as gor writes them, and enough beside them for every byte")
def as_json(case):
    cluster = kafka.shared(case)
    name, source = topic(case, cluster, "json"), recording(case)
    result = write(case, cluster, name, source, "--output-kafka-json-format")
    wanted = gor.read(source)
    equal(result.output("output-kafka-host")["delivered"], len(wanted), "delivered")
    found = [json.loads(m.value) for m in cluster.client(case, 1).read(name, 3)]
    got = collections.Counter((int(o["Req_Type"]), o["Req_ID"], int(o["Req_Ts"]),
                               int(o["Req_Latency"]), rebuild(o)) for o in found)
    equal(got, multiset(wanted), "messages")
    one = next(o for o in found if o["Req_URL"].startswith("/3?") and o["Req_Type"] == "1")
    equal(list(one)[:5], ["Req_URL", "Req_Type", "Req_ID", "Req_Ts", "Req_Method"], "first keys")
    equal(one["Req_Headers"]["X-Twice"], "one, two", "a field that is there twice")
    equal(sorted(one["Req_Headers"]), list(one["Req_Headers"]), "order of the fields")


@test("every compression, and any property of librdkafka")
def properties(case):
    cluster = kafka.shared(case)
    source = recording(case)
    for codec in ("lz4", "zstd", "snappy", "none"):
        name = topic(case, cluster, f"codec-{codec}", 1)
        write(case, cluster, name, source, "--kafka-property", f"compression.codec={codec}")
        got = [gor.parse(m.value + gor.SEPARATOR)[0] for m in cluster.client(case, 1).read(name)]
        equal(multiset(got), multiset(gor.read(source)), f"messages by {codec}")
    for text, words in (("nonsense=1", ["--kafka-property", "nonsense"]),
                        ("linger.ms", ["--kafka-property", "NAME=VALUE"]),
                        ("sasl.password=x", ["--output-kafka-password"])):
        case.refuse("--input-file", source, "--output-kafka-host", cluster.address(),
                    "--output-kafka-topic", name, "--kafka-property", text, status=2, words=words)


@test("a start that cannot work says why: password, certificate, topic, broker, options")
def refusals(case):
    cluster = kafka.shared(case)
    source = recording(case, found=payloads()[:1])
    name = topic(case, cluster, "refusals", 1)

    def refuse(listener, *args, status=1, words=()):
        case.refuse("--input-file", source, "--output-kafka-host", cluster.address(listener),
                    *args, status=status, words=["output-kafka", *words])
    there = ["--output-kafka-topic", name]
    for mechanism in SASL:
        refuse("sasl", *there, *sasl_args(case, "output", mechanism, "wrong"),
               words=["refuses", "uthentication"])
    refuse("tls", *there, "--kafka-tls-ca-cert", f"{cluster.dir}/client.crt", words=["refuses"])
    refuse("plain", "--output-kafka-topic", "nowhere", words=["nowhere", "no such topic"])
    refuse("plain", status=2, words=["--output-kafka-topic"])
    refuse("sasl", *there, "--output-kafka-username", "x", status=2, words=["use-sasl"])
    case.refuse("--input-file", source, "--output-kafka-host", cluster.address(), *there,
                "--kafka-tls-client-key", "x", status=2, words=["--kafka-tls-client-cert"])


@test("no broker: said at once, and what could not be handed over is counted")
def no_broker(case):
    source = recording(case, found=payloads()[:20])
    result = case.run("--input-file", source, "--output-kafka-host", f"127.0.0.1:{free_port()}",
                      "--output-kafka-topic", "x", "--kafka-property", "message.timeout.ms=1000",
                      status=0)
    out = result.output("output-kafka-host")
    equal((out["failed"], out["kafka_timeout"]), (20, 20), "failed, for which reason")
    check("cannot be reached" in result.stderr, "not said")


@test("a message larger than the topic allows fails alone, and is counted")
def too_large(case):
    cluster = kafka.shared(case)
    name = topic(case, cluster, "small", 1, max_message_bytes=1 << 20)
    rng = random.Random(3)
    big = [gor.request(f"/big/{n}", method="POST", body=rng.randbytes(3 << 19)) for n in range(3)]
    small = [gor.request(f"/small/{n}") for n in range(60)]
    mixed = small[:20] + big[:1] + small[20:40] + big[1:] + small[40:]
    result = write(case, cluster, name, recording(case, found=mixed))
    out = result.output("output-kafka-host")
    equal((out["delivered"], out["failed"], out["kafka_too_large"]), (60, 3, 3),
          "delivered, failed, too large")
    equal(len(cluster.client(case, 1).read(name)), 60, "messages")
    within(result.stderr.count("messages fail"), 1, 2, "lines in the log, of two bursts")


class Reader:
    """A refrain that reads a topic into a file."""

    def __init__(self, case, cluster, name, *args, listener="plain", offset="-2|100000%"):
        self.out = case.path(f"read-{case.next_number()}.gor")
        self.refrain = case.refrain(
            "--input-kafka-host", cluster.address(listener), "--input-kafka-topic", name,
            "--input-kafka-offset", offset, *args, "--output-file", self.out,
            "--output-file-append", "--output-file-flush-interval", "50ms", ready=False)

    def records(self):
        """All whole ones so far."""
        try:
            data = gor.load(self.out)
        except FileNotFoundError:
            return []
        return gor.parse(data[:data.rfind(gor.SEPARATOR) + len(gor.SEPARATOR)]) if data else []

    def size(self):
        return os.path.getsize(self.out) if os.path.exists(self.out) else 0

    def take(self, n, timeout=40):
        """Waits for n records, and stops."""
        wait_until(lambda: len(self.records()) >= n or self.refrain.process.poll() is not None,
                   lambda: f"{len(self.records())} of {n} records: {self.refrain.stderr()}",
                   timeout)
        result = self.refrain.stop()
        return self.records(), result


def same(got, wanted, what):
    equal(multiset(got) - multiset(wanted), collections.Counter(), f"{what}: altered or doubled")
    equal(multiset(wanted) - multiset(got), collections.Counter(), f"{what}: lost")


@test("round trip in both formats: every record comes back to the byte, in order by connection")
def round_trip(case):
    cluster = kafka.shared(case)
    source = recording(case)
    wanted = gor.read(source)
    for form in ([], ["--output-kafka-json-format"]):
        name = topic(case, cluster, f"round-{len(form)}", 3)
        write(case, cluster, name, source, *form)
        got, result = Reader(case, cluster, name).take(len(wanted))
        same(got, wanted, " ".join(form) or "records")
        equal(result.input("input-kafka-host")["records_damaged"], 0, "damaged")
        equal([(r.src, r.dst) for r in got], [("-", "-")] * len(got), "endpoints")
        times = [r.ts for r in got]
        check(times == sorted(times), "the partitions were not merged by time")


def security(case, cluster):
    """What there is to choose from: name -> (listener, the output's options, the input's)."""
    found = {"plain": ("plain", [], []), "TLS": ("tls", tls_args(cluster), tls_args(cluster))}
    for mechanism in SASL:
        found[mechanism] = ("sasl", sasl_args(case, "output", mechanism),
                            sasl_args(case, "input", mechanism))
    return found


@test("the matrix: plain, SASL three ways, TLS with a certificate; records and JSON; out and in")
def matrix(case):
    cluster = kafka.shared(case)
    source = recording(case, found=payloads()[:20])
    for form, out_form, in_form in (("record", [], []), ("json", ["--output-kafka-json-format"],
                                                         ["--input-kafka-json-format"])):
        for way, (listener, out_args, in_args) in security(case, cluster).items():
            name = topic(case, cluster, f"{form}-{way}", 1)
            write(case, cluster, name, source, *out_args, *out_form, listener=listener)
            first = cluster.client(case, 1).read(name)[0].value
            equal(first[:1], b"{" if form == "json" else b"1", f"first byte of a {form}")
            got, _ = Reader(case, cluster, name, *in_args, *in_form, listener=listener).take(20)
            same(got, gor.read(source), f"{way}, {form}")


@test("a password from the environment; an input's start that cannot work says why")
def input_refusals(case):
    cluster = kafka.shared(case)
    source = recording(case, found=payloads()[:20])
    name = topic(case, cluster, "environment", 1)
    write(case, cluster, name, source, *sasl_args(case, "output", "PLAIN")[:-2], listener="sasl",
          env={"REFRAIN_OUTPUT_KAFKA_PASSWORD": kafka.PASSWORD})
    equal(len(cluster.client(case, 1).read(name)), 20, "messages by the environment's password")
    case.refuse("--input-kafka-host", cluster.address("sasl"), "--input-kafka-topic", name,
                *sasl_args(case, "input", "PLAIN", "wrong"), "--output-null", status=1,
                words=["input-kafka", "refuses"])
    case.refuse("--input-kafka-host", cluster.address(), "--input-kafka-topic", "nowhere",
                "--output-null", status=1, words=["input-kafka-topic", "nowhere"])
    for offset in ("-3", "soon", "@yesterday", "group|500rps", "-2|x"):
        case.refuse("--input-kafka-host", cluster.address(), "--input-kafka-topic", name,
                    f"--input-kafka-offset={offset}", "--output-null", status=2,
                    words=["--input-kafka-offset"])


@test("what gor wrote is read, in both layouts; empty and damaged values are counted")
def from_gor(case):
    cluster = kafka.shared(case)
    name = topic(case, cluster, "gor", 1)
    plain = gor.request("/plain", method="POST", body=b"\xff\x00")
    values = [b"1 9c4000500a00000100000007 1700000000000000000 12\n" + plain,
              b"2 9c4000500a00000100000007 1700000000000000001\nHTTP/1.1 200 OK\r\n\r\n",
              json.dumps({"Req_URL": "/json?a=b", "Req_Type": "1", "Req_ID": "ab" * 12,
                          "Req_Ts": "1700000000000000002", "Req_Method": "PUT", "Req_Body": "b\u00e9",
                          "Req_Headers": {"Content-Length": "3", "Host": "x"}}).encode(),
              None, b"", b"1", b"1 a", b"1 a\n", b"\n", b"{}", b"{", b"null",
              b"1 ab 5 6 9 00000000 - -\nGET / HTTP/1.1\r\n\r\n", b"\xff" * 100]
    values.append(values[0])
    cluster.client(case).produce(name, values)
    got, result = Reader(case, cluster, name).take(4)
    equal([r.payload for r in got],
          [plain, b"HTTP/1.1 200 OK\r\n\r\n", "PUT /json?a=b HTTP/1.1\r\nContent-Length: 3\r\n"
           "Host: x\r\n\r\nb\u00e9".encode(), plain], "payloads")
    inp = result.input("input-kafka-host")
    equal((inp["records"], inp["records_damaged"]), (4, 11), "records, damaged")
    equal(inp["records_repeated"], 1, "of them with an id that came before")


@test("where it begins: the end, the beginning, a number, a time, and where the group had come to")
def offsets(case):
    cluster = kafka.shared(case)
    name = topic(case, cluster, "offsets", 1)
    requests = [gor.request(f"/{n}") for n in range(20)]
    wanted = gor.read(recording(case, found=requests))
    write(case, cluster, name, recording(case, found=requests))
    equal(len(Reader(case, cluster, name, offset="15|100000%").take(5)[0]), 5, "from a number on")
    late = topic(case, cluster, "times", 1)
    write(case, cluster, late, recording(case, found=requests[:10]))
    time.sleep(1.1)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    write(case, cluster, late, recording(case, found=requests[10:]))
    got, _ = Reader(case, cluster, late, offset=f"@{now}|100000%").take(10)
    equal([r.payload for r in got], requests[10:], "from a time on")
    end = Reader(case, cluster, name, offset="-1")
    time.sleep(3)
    write(case, cluster, name, recording(case, found=requests[:3]))
    equal([r.payload for r in end.take(3)[0]], requests[:3], "what is new")
    same(Reader(case, cluster, name, offset="group").take(23)[0], wanted + wanted[:3], "group")
    write(case, cluster, name, recording(case, found=requests[:4]))
    equal([r.payload for r in Reader(case, cluster, name, offset="group").take(4)[0]],
          requests[:4], "what the group had not yet")


@test("paced: recorded times and absolute deadlines, over all partitions, at twice the speed")
def paced(case):
    cluster = kafka.shared(case)
    name = topic(case, cluster, "paced", 4)
    data = b"".join(gor.make(gor.request(f"/{n}"), START + n * 40_000_000,
                             id_=f"{n % 8:016x}{n:08x}") for n in range(200))
    write(case, cluster, name, case.write("paced.gor", data), "--metrics-file", case.path("to.prom"))
    equal(Metrics(read_text(case.path("to.prom"))).one("refrain_requests_total", stage="output",
                                                       reason="delivered"), 200, "metrics: delivered")
    target, port = Target(case), free_port()
    refrain = case.refrain("--input-kafka-host", cluster.address(), "--input-kafka-topic", name,
                           "--input-kafka-offset", "-2|200%", "--metrics-address", f"127.0.0.1:{port}",
                           "--output-http", f"http://127.0.0.1:{target.port}", ready=False)
    arrivals = target.wait_arrivals(200, 40)
    now = scrape(port)
    check_metrics(now.text)
    equal(now.one("refrain_input_records_total", result="read"), 200, "metrics: records read")
    equal(now.one("refrain_replay_speed_ratio"), 2, "metrics: speed")
    refrain.stop()
    order = [int(a.raw.split(b" ")[1][1:]) for a in arrivals]
    equal(sorted(order), list(range(200)), "requests")
    late = sorted(abs((a.time - arrivals[0].time) - (n - order[0]) * 0.020)
                  for a, n in zip(arrivals, order))
    within(arrivals[-1].time - arrivals[0].time, 3.9, 4.4, "seconds of the replay")
    check(late[100] < 0.05, f"half of the requests are {late[100]} s off or more")


if __name__ == "__main__":
    main(kafka.fetch_jars)
