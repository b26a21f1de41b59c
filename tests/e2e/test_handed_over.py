#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a relay acknowledges is handed over: to the file, to Kafka, to the HTTP target, to the next
relay's spool. A sender of the test's own sees each acknowledgement; the receiver is killed -9 at that
very moment, or at another, and what was acknowledged must be there; the rest comes again."""
import glob
import os
import random
import re
import time

import gor
import kafka
from harness import check, equal, free_port, main, read_bytes, test, wait_until
from relay_sender import Sender, frames_in, path_of
from servers import Target

ROUNDS, EACH = 4, 200


class Receiver:
    def __init__(self, case, *args):
        self.case, self.args, self.port = case, args, free_port()
        self.refrain = None
        self.sender = Sender(self.port)
        case.on_exit(self.sender.close)
        self.start()

    def start(self):
        self.refrain = self.case.refrain("--input-tcp", f"127.0.0.1:{self.port}", *self.args,
                                         ready=self.port)
        self.sender.connect()

    def kill(self):
        self.refrain.kill()
        check("Sanitizer" not in self.refrain.stderr(), self.refrain.stderr()[-3000:])


def wait_all(sender):
    def done():
        sender.wait_ack(1)
        return sender.acked == sender.put_up_to
    wait_until(done, lambda: f"{sender.acked} of {sender.put_up_to} are acknowledged", 30)


def kill_again_and_again(receiver, handed_over, soon=0.08):
    """At the moment of an acknowledgement, and at a random one within soon seconds, by turns.
    handed_over(): the numbers of the requests that are there."""
    sender, rng = receiver.sender, random.Random(1)
    for n in range(ROUNDS):
        sender.put(EACH)
        if n % 2 == 0:
            check(sender.wait_ack(20) > 0, "nothing was acknowledged")
        else:
            time.sleep(rng.uniform(0, soon))
        receiver.kill()
        sender.read_rest()
        missing = set(range(1, sender.acked + 1)) - set(handed_over())
        equal(sorted(missing)[:5], [],
              f"{len(missing)} of {sender.acked} acknowledged are not there")
        receiver.start()
        wait_all(sender)


def in_files(*paths):
    return [path_of(payload) for path in paths for _, payload in gor.salvage(gor.load(path))]


@test("a file: what is acknowledged is flushed, and all comes once")
def to_file(case):
    out = case.path("out.gor")
    receiver = Receiver(case, "--output-file", out, "--output-file-append",
                        "--output-file-flush-interval", "600ms")
    kill_again_and_again(receiver, lambda: in_files(out))
    receiver.refrain.stop()
    equal(in_files(out), list(range(1, receiver.sender.put_up_to + 1)),
          "requests in the file")


@test("gzip files in chunks: the same")
def to_gzip(case):
    receiver = Receiver(case, "--output-file", case.path("out.gor.gz"), "--output-file-queue-limit",
                        "500", "--output-file-flush-interval", "600ms")

    def found():
        paths = sorted(glob.glob(case.path("out*.gz")), key=lambda p: int(re.findall(r"\d+", p)[-1]))
        result = case.run(*(a for p in paths for a in ("--input-file", p)), "--output-stdout")
        return [path_of(r.payload) for r in gor.parse(result.stdout)]
    kill_again_and_again(receiver, found)
    receiver.refrain.stop()
    equal(sorted(found()), list(range(1, receiver.sender.put_up_to + 1)), "requests in the files")


@test("Kafka: nothing is acknowledged before the broker's report, and then it is in the topic")
def to_kafka(case):
    cluster = kafka.shared(case)
    cluster.client(case).create_topic("handed", 1)
    receiver = Receiver(case, "--output-kafka-host", cluster.address(), "--output-kafka-topic",
                        "handed", "--drain-timeout", "30s")

    def found():
        return [path_of(m.value.partition(b"\n")[2]) for m in cluster.client(case, 1).read("handed")]
    kill_again_and_again(receiver, found)
    sender = receiver.sender
    cluster.nodes[0].pause()
    try:
        sender.put(EACH)
        check(sender.wait_ack(1.5) == 0, "acknowledged while the broker slept")
        receiver.kill()
    finally:
        cluster.nodes[0].resume()
    receiver.start()
    wait_all(sender)
    receiver.refrain.stop()
    equal(set(found()), set(range(1, sender.put_up_to + 1)), "requests in the topic")


@test("HTTP: nothing is acknowledged before the target has it")
def to_http(case):
    port = free_port()
    receiver = Receiver(case, "--output-http", f"http://127.0.0.1:{port}", "--output-http-workers",
                        "20", "--output-http-timeout", "30s")
    sender, target = receiver.sender, Target(case, mode="silent", port=port)
    sender.put(EACH)
    check(sender.wait_ack(1.0) == 0, "acknowledged though nothing was read")
    receiver.kill()
    target.close()
    equal(target.arrivals, [], "requests that the silent target has read")
    target = Target(case, port=port)
    receiver.start()
    wait_all(sender)
    kill_again_and_again(receiver, lambda: [path_of(a.raw) for a in target.wait_arrivals(1)])
    receiver.refrain.stop()
    equal({path_of(a.raw) for a in target.arrivals}, set(range(1, sender.put_up_to + 1)),
          "requests at the target")


@test("the next relay's spool: what is acknowledged survives a kill of the relay and of the receiver")
def to_spool(case):
    out, next_port = case.path("out.gor"), free_port()
    receiver = Receiver(case, "--output-tcp", f"127.0.0.1:{next_port}", "--output-tcp-spool",
                        case.path("spool"))

    def found():
        return [path_of(payload) for path in sorted(glob.glob(case.path("spool/*/*.frames")))
                for payload in frames_in(read_bytes(path))]
    kill_again_and_again(receiver, found)
    centre = case.refrain("--input-tcp", f"127.0.0.1:{next_port}", "--output-file", out,
                          "--output-file-append", ready=next_port)
    wait_until(lambda: os.path.exists(out) and len(in_files(out)) >= receiver.sender.put_up_to,
               "all have arrived", 20)
    receiver.refrain.stop()
    centre.stop()
    equal(in_files(out), list(range(1, receiver.sender.put_up_to + 1)), "requests at the end")


if __name__ == "__main__":
    main(kafka.fetch_jars)
