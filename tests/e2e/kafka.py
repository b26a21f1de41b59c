# SPDX-License-Identifier: MIT
"""A real Apache Kafka (KRaft) for the tests, from Maven Central and run by the JRE: one node or
more, each with listeners for plain connections, SASL (PLAIN, SCRAM) and TLS. The jars are fetched
once, by tests/kafka/pom.xml, into ~/.cache/refrain. It looks twice a second for what retention.ms (7
days, as usual) lets it delete: nothing of what the tests write may be as old as it was recorded."""
import atexit
import contextlib
import os
import signal
import subprocess

import maven
import rdkafka
from harness import Case, Failure, free_port, is_listening, need, read_text, sh, wait_until

JAVA = ["java", "-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
CLUSTER = "cmVmcmFpbi10ZXN0cy0wMQ"  # any 16 bytes in base64
USER, PASSWORD = "refrain", "s3cret-of-the-tests"

CONFIG = """
process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://{host}:{plain},SASL://{host}:{sasl},TLS://{host}:{tls},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{plain},SASL://{host}:{sasl},TLS://{host}:{tls}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location={dir}/server.pem
listener.name.tls.ssl.truststore.type=PEM
listener.name.tls.ssl.truststore.location={dir}/ca.pem
listener.name.tls.ssl.client.auth=required
log.dirs={dir}/data-{id}
auto.create.topics.enable=false
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr=1
min.insync.replicas=1
default.replication.factor={copies}
group.initial.rebalance.delay.ms=0
message.max.bytes=1048588
log.cleaner.enable=false
log.initial.task.delay.ms=500
log.retention.check.interval.ms=500
num.network.threads=2
num.io.threads=2
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
"""


def fetch_jars():
    """The folder with the broker's jars."""
    return maven.fetch_jars("kafka", "3.9.1")


def make_certificates(folder):
    """ca.pem, server.pem (key, certificate) for 127.0.0.1, client.pem and client.key."""
    def at(name):
        return os.path.join(folder, name)
    sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
       "/CN=refrain tests", "-keyout", at("ca.key"), "-out", at("ca.pem"))
    with open(at("san"), "w", encoding="ascii") as f:
        f.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("server", "client"):
        sh("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout",
           at(f"{name}.key"), "-out", at(f"{name}.csr"))
        sh("openssl", "x509", "-req", "-in", at(f"{name}.csr"), "-CA", at("ca.pem"), "-CAkey",
           at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", at("san"), "-out",
           at(f"{name}.crt"))
    with open(at("server.pem"), "w", encoding="ascii") as f:
        f.write(read_text(at("server.key")) + read_text(at("server.crt")))


class Node:
    """One broker. Its data stay when it is killed, and are there when it starts again."""

    def __init__(self, cluster, number, ports):
        self.cluster, self.number = cluster, number
        self.plain, self.sasl, self.tls, self.controller = ports
        self.config = f"{cluster.dir}/node-{number}.properties"
        self.log = f"{cluster.dir}/node-{number}.log"
        self.process = None

    def address(self, listener="plain"):
        return f"{self.cluster.host}:{getattr(self, listener)}"

    def java(self, main, *args):
        return [*JAVA, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
                f"{self.cluster.jars}/*", main, *args]

    def format(self):
        with open(self.config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(
                id=self.number, voters=self.cluster.voters(), host=self.cluster.host,
                plain=self.plain, sasl=self.sasl, tls=self.tls, controller=self.controller,
                dir=self.cluster.dir, user=USER, password=PASSWORD,
                copies=len(self.cluster.nodes)) + self.cluster.properties)
        users = [f"{m}=[name={USER},password={PASSWORD}]" for m in ("SCRAM-SHA-256",
                                                                    "SCRAM-SHA-512")]
        sh(*self.java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", self.config,
                      "--add-scram", users[0], "--add-scram", users[1]), timeout=120)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.cluster.prefix, *self.java("kafka.Kafka", self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.cluster.dir)
        self.cluster.case.on_exit(self.kill)

    def wait_ready(self, timeout=90):
        def ready():
            if self.process.poll() is not None:
                raise Failure(f"the broker ended: {read_text(self.log)[-3000:]}")
            return is_listening(self.plain) and is_listening(self.tls)
        wait_until(ready, lambda: f"the broker listens: {read_text(self.log)[-2000:]}", timeout)

    def kill(self):
        """As by a power cut."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Cluster:
    """Started, and stopped with the test. properties: further lines of the brokers' configuration.
    prefix: before the command, for a network namespace; host: where it listens."""

    def __init__(self, case, n=1, properties="", prefix=(), host="127.0.0.1"):
        need("openssl")
        self.jars = fetch_jars()
        self.case, self.host, self.prefix, self.properties = case, host, prefix, properties
        self.dir = case.path(f"kafka-{case.next_number()}")
        os.makedirs(self.dir)
        make_certificates(self.dir)
        self.nodes = []
        for number in range(1, n + 1):
            self.nodes.append(Node(self, number, [free_port() for _ in range(4)]))
        for node in self.nodes:
            node.format()
        for node in self.nodes:
            node.start()
        if not prefix:
            for node in self.nodes:
                node.wait_ready()

    def voters(self):
        return ",".join(f"{n.number}@{self.host}:{n.controller}" for n in self.nodes)

    def address(self, listener="plain"):
        return ",".join(n.address(listener) for n in self.nodes)

    @contextlib.contextmanager
    def away(self):
        """None of them answers, until this ends."""
        for node in self.nodes:
            node.pause()
        try:
            yield
        finally:
            for node in self.nodes:
                node.resume()

    def client(self, case, kind=0):
        return rdkafka.Client(case, self.address(), kind)


_shared = []


def shared(case, n=1):
    """One cluster of n nodes for all tests of a program, which live in topics of their own."""
    if not _shared:
        owner = Case(case.binary)
        atexit.register(owner.stack.close)
        _shared.append(Cluster(owner, n))
    return _shared[0]
