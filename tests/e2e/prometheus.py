# SPDX-License-Identifier: MIT
"""What the tests of metrics share: scraping a refrain, reading what it says, and promtool."""
import http.client
import re
import shutil
import subprocess

from harness import Failure, Skip, check, equal

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


def get(port, path, timeout=10, method="GET", host="127.0.0.1"):
    """Status, text and headers."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def read_labels(text, line):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match:
            raise Failure(f"labels that nobody can read: {line}")
        labels[match.group(1)] = re.sub(r'\\(.)', lambda m: "\n" if m.group(1) == "n" else m.group(1),
                                        match.group(2))
        at = match.end()
    return labels


class Metrics:
    """A text in Prometheus' format, read strictly: every sample behind its head, none twice."""

    def __init__(self, text):
        self.text = text
        self.types, self.samples = {}, {}
        check(text.endswith("\n"), f"cut: {text[-80:]!r}")
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                check(name not in self.types, f"two heads of {name}")
                self.types[name] = kind
            elif not line.startswith("# HELP "):
                self.read_sample(line)

    def read_sample(self, line):
        match = SAMPLE.match(line)
        check(match, f"no sample: {line}")
        name = match.group(1)
        key = (name, tuple(sorted(read_labels(match.group(2) or "", line).items())))
        check(self.family(name) == list(self.types)[-1], f"not behind its head: {line}")
        check(key not in self.samples, f"twice: {line}")
        self.samples[key] = float(match.group(3))

    def family(self, name):
        for part in HISTOGRAM_PARTS:
            if name.endswith(part) and self.types.get(name[:-len(part)]) == "histogram":
                return name[:-len(part)]
        return name

    def names(self):
        return {name for name, _ in self.samples}

    def all(self, name, **labels):
        """Values of the samples that have these labels."""
        wanted = set(labels.items())
        return [v for (n, have), v in self.samples.items() if n == name and wanted <= set(have)]

    def one(self, name, **labels):
        found = self.all(name, **labels)
        equal(len(found), 1, f"samples of {name} {labels}")
        return found[0]

    def sum(self, name, **labels):
        return sum(self.all(name, **labels))

    def values(self, name, label):
        """Of one label."""
        return {dict(have).get(label) for n, have in self.samples if n == name}


def scrape(port, **kwargs):
    status, text, headers = get(port, "/metrics", **kwargs)
    equal(status, 200, "status of /metrics")
    equal(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8", "its type")
    return Metrics(text)


def promtool(*words, text=None):
    """What it says; it must be content."""
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed")
    done = subprocess.run(["promtool", *map(str, words)], input=text or "", capture_output=True,
                          text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failure(f"promtool {' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def check_metrics(text):
    """As promtool sees it: no fault, and no advice either."""
    equal(promtool("check", "metrics", text=text).strip(), "", "what promtool check metrics says")
