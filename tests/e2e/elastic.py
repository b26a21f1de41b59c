# SPDX-License-Identifier: MIT
"""A real node of Elasticsearch 7.17 for the tests: its libraries from Maven Central, laid out as its
program wants them, and run by the JRE. Login and TLS are not among them: nginx stands in front."""
import atexit
import json
import os
import shutil
import urllib.error
import urllib.request

import maven
from harness import Case, Failure, free_port, is_listening, read_text, wait_until

VERSION = "7.17.29"
NOBODY = 65534  # root is refused by the node

DESCRIPTOR = f"""
name=transport-netty4
description=HTTP and transport
version={VERSION}
elasticsearch.version={VERSION}
java.version=1.8
classname=org.elasticsearch.transport.Netty4Plugin
extended.plugins=
has.native.controller=false
"""
POLICY = """
grant {
  permission java.net.SocketPermission "*", "accept,connect,resolve";
};
"""
CONFIG = """
cluster.name: refrain-tests
node.name: one
network.host: 127.0.0.1
http.port: {http}
transport.port: {transport}
discovery.type: single-node
path.data: {home}/data
path.logs: {home}/logs
cluster.routing.allocation.disk.threshold_enabled: false
"""
LOGGING = """
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""
JAVA = ["java", "-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Djava.security.manager=allow", "-Djava.awt.headless=true", "-Dlog4j2.disable.jmx=true",
        "--add-opens=java.base/java.io=ALL-UNNAMED"]


def fetch_jars():
    """The folder with the node's jars."""
    return maven.fetch_jars("elasticsearch", VERSION)


class Node:
    """Its data stay when it is killed, and are there when it starts again."""

    def __init__(self, case):
        self.case, self.port = case, free_port()
        self.home = case.path(f"elastic-{case.next_number()}")
        self.log = f"{self.home}/log"
        self.process = None
        self.lay_out(fetch_jars())
        self.start()
        self.wait_ready()

    def lay_out(self, jars):
        module = f"{self.home}/modules/transport-netty4"
        for folder in ("config", "data", "lib", "logs", "plugins", "tmp"):
            os.makedirs(f"{self.home}/{folder}")
        os.makedirs(module)
        for name in os.listdir(jars):
            netty = name.startswith(("netty-", "transport-netty4"))
            shutil.copy(f"{jars}/{name}", module if netty else f"{self.home}/lib")
        for path, text in ((f"{module}/plugin-descriptor.properties", DESCRIPTOR),
                           (f"{module}/plugin-security.policy", POLICY),
                           (f"{self.home}/config/log4j2.properties", LOGGING),
                           (f"{self.home}/config/elasticsearch.yml", CONFIG.format(
                               http=self.port, transport=free_port(), home=self.home))):
            with open(path, "w", encoding="ascii") as f:
                f.write(text.lstrip())
        if os.geteuid() == 0:
            for folder, _, files in os.walk(self.home):
                for name in (".", *files):
                    os.chown(os.path.join(folder, name), NOBODY, NOBODY)

    def start(self):
        user = ({"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {})
        with open(self.log, "ab") as log:
            self.process = self.case.spawn(
                *JAVA, f"-Des.path.home={self.home}", f"-Des.path.conf={self.home}/config",
                "-Des.distribution.type=tar", f"-Djava.io.tmpdir={self.home}/tmp", "-cp",
                f"{self.home}/lib/*", "org.elasticsearch.bootstrap.Elasticsearch", stdout=log,
                stderr=log, cwd=self.home,
                env={**os.environ, "LIBFFI_TMPDIR": f"{self.home}/tmp"}, **user)

    def wait_ready(self, timeout=60):
        def ready():
            if self.process.poll() is not None:
                raise Failure(f"the node ended: {read_text(self.log)[-3000:]}")
            return is_listening(self.port)
        wait_until(ready, lambda: f"the node listens: {read_text(self.log)[-2000:]}", timeout)

    def kill(self):
        """As by a power cut."""
        self.process.kill()
        self.process.wait()

    def address(self, index):
        return f"127.0.0.1:{self.port}/{index}"

    def ask(self, method, path, body=None):
        """(status, what it answers)."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as e:
            return e.code, json.load(e)

    def make_index(self, index, properties):
        status, answer = self.ask("PUT", f"/{index}", {"mappings": {"properties": properties}})
        if status != 200:
            raise Failure(f"no index {index}: {answer}")

    def documents(self, index):
        """All of them, by what they were stored as."""
        self.ask("POST", f"/{index}/_refresh")
        status, answer = self.ask("POST", f"/{index}/_search", {"size": 10000})
        if status != 200:
            raise Failure(f"no search in {index}: {answer}")
        return [hit["_source"] for hit in answer["hits"]["hits"]]


_shared = []


def shared(case):
    """One node for all tests of a program, which live in indices of their own."""
    if not _shared:
        owner = Case(case.binary)
        atexit.register(owner.stack.close)
        _shared.append(Node(owner))
    return _shared[0]
