#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""contrib/prometheus: the alerts and the dashboard, by promtool and with a real Prometheus that
scrapes refrains whose targets fail."""
import json
import os
import re
import urllib.parse

import gor
from harness import check, equal, free_port, is_listening, main, need, need_root, read_text, test, wait_until
from prometheus import check_metrics, get, promtool, scrape
from servers import Nginx, Target
from steering import START, Traffic

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
FOLDER = os.path.join(ROOT, "contrib", "prometheus")
RULES = os.path.join(FOLDER, "refrain.rules.yml")
BAD = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
NAME = re.compile(r"\b(?:refrain|process)_[a-z0-9_]+\b")

CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: [{rules}]
scrape_configs:
  - job_name: refrain
    static_configs: [{{targets: [{targets}]}}]
"""


def dashboard():
    with open(os.path.join(FOLDER, "refrain-dashboard.json"), encoding="utf-8") as f:
        return json.load(f)


def expressions():
    """Title and expression of everything that the dashboard asks for, with its variables filled in."""
    board = dashboard()
    asked = [(p["title"], t["expr"]) for p in board["panels"] for t in p.get("targets", [])]
    asked += [(a["name"], a["expr"]) for a in board["annotations"]["list"]]
    return [(title, e.replace("$instance", ".*").replace("$__rate_interval", "1m")) for title, e in asked]


@test("the alerts are good, and fire when they should and not otherwise: promtool")
def rules(_):
    promtool("check", "rules", RULES)
    promtool("test", "rules", os.path.join(ROOT, "tests", "prometheus", "alerts_test.yml"))
    text = read_text(RULES)
    for name in ("RefrainMirrorErrors", "RefrainTargetSlow", "RefrainCaptureLoss", "RefrainQueueNearFull",
                 "RefrainNoTraffic"):
        levels = re.findall(r"severity: (\w+)", "".join(re.findall(rf"alert: {name}\n.*?annotations", text, re.S)))
        equal(levels, ["warning", "critical"], f"levels of {name}")


@test("the configuration of Prometheus in the manual is good")
def manual(case):
    text = read_text(os.path.join(ROOT, "man", "refrain-operate.7"))
    example = re.search(r"^# prometheus.yml\n(.*?)^\.Ed$", text, re.S | re.M)
    check(example, "no example in refrain-operate(7)")
    path = case.write("prometheus.yml", example.group(1).replace("/usr/share/refrain/prometheus", FOLDER))
    check("1 rule files found" in promtool("check", "config", path), "it does not find the rules")


@test("the dashboard is in order: panels that do not overlap, each with a question of its own")
def in_order(_):
    board = dashboard()
    taken, ids = set(), set()
    for panel in board["panels"]:
        where = panel["gridPos"]
        cells = {(x, y) for x in range(where["x"], where["x"] + where["w"])
                 for y in range(where["y"], where["y"] + where["h"])}
        check(not cells & taken and where["x"] + where["w"] <= 24, f"{panel['title']} lies over another")
        check(panel["id"] not in ids, f"two panels have the id {panel['id']}")
        taken |= cells
        ids.add(panel["id"])
        refs = [t["refId"] for t in panel.get("targets", [])]
        check(len(set(refs)) == len(refs) and (refs or panel["type"] == "row"), f"targets of {panel['title']}")
    variables = {v["name"] for v in board["templating"]["list"]} | {"__rate_interval", "__all"}
    equal(set(re.findall(r"\$\{?(\w+)", json.dumps(board))) - variables, set(), "variables that are not there")


class Prometheus:
    """Debian's, in a folder of the test; for how long the alerts wait is cut to 2 seconds."""

    def __init__(self, case, ports):
        need("prometheus")
        self.port = free_port()
        copy = case.write("rules.yml", re.sub(r"for: \d+m", "for: 2s", read_text(RULES)))
        targets = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        config = case.write("prometheus.yml", CONFIG.format(rules=copy, targets=targets))
        with open(case.path("prometheus.log"), "wb") as log:
            self.process = case.spawn("prometheus", f"--config.file={config}",
                                      f"--storage.tsdb.path={case.path('tsdb')}",
                                      f"--web.listen-address=127.0.0.1:{self.port}", stdout=log, stderr=log)
        wait_until(lambda: is_listening(self.port) and get(self.port, "/-/ready")[0] == 200,
                   lambda: f"Prometheus is ready: {read_text(case.path('prometheus.log'))[-1000:]}", 60)

    def ask(self, path, **query):
        status, text, _ = get(self.port, f"/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30)
        answer = json.loads(text)
        equal((status, answer["status"]), (200, "success"), f"{path} {query}: {text[:300]}")
        return answer["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def firing(self):
        return {(a["labels"]["alertname"], a["labels"]["severity"],
                 a["labels"].get("output", a["labels"]["instance"]))
                for a in self.ask("alerts")["alerts"] if a["state"] == "firing"}


def start_refrains(case, nginx, target, ports):
    """A mirror to targets that are good, bad, slow and stuck; a relay that nobody sends to; a replay."""
    slow, stuck = Target(case, answer=BAD, delay=1.2), Target(case, mode="silent")
    bad = f"http://127.0.0.1:{target.port}"
    recording = case.write("in.gor", b"".join(
        gor.make(gor.request(f"/n/{k}"), START + k * 50_000_000, id_=f"{k:024x}") for k in range(4000)))
    case.refrain("--input-raw", f"lo:{nginx.port}", "--input-raw-track-response", "--max-cpu", "90%",
                 "--metrics-address", f"127.0.0.1:{ports[0]}", "--output-queue-len", "60",
                 "--output-http", f"http://127.0.0.1:{nginx.port}/good", "--to-name", "good", "--allow-self",
                 "--output-http", bad, "--to-name", "bad",
                 "--output-http", f"{bad}|ramp=50%,100%;every=1s", "--to-name", "guarded",
                 "--to-guard", "errors>10%", "--to-guard-window", "3s",
                 "--output-http", f"http://127.0.0.1:{slow.port}|20%", "--to-name", "slow",
                 "--output-http", f"http://127.0.0.1:{stuck.port}", "--to-name", "stuck",
                 "--output-http-max-connections", "30", "--output-http-queue-len", "40",
                 "--output-http-timeout", "60s")
    relay = free_port()
    case.refrain("--input-tcp", f"127.0.0.1:{relay}", "--output-null", "--metrics-address",
                 f"127.0.0.1:{ports[1]}", ready=relay)
    replay = case.refrain("--input-file", recording, "--output-null", "--metrics-address",
                          f"127.0.0.1:{ports[2]}", ready=False)
    replay.wait_for(lambda: is_listening(ports[2]), "the replay's metrics")


def check_dashboard(prometheus, ports):
    """Each name is one of refrain's, and each expression has something to show."""
    names = set()
    for port in ports:
        now = scrape(port)
        check_metrics(now.text)
        names |= now.names()
    recorded = set(re.findall(r"record: (\S+)", read_text(RULES)))
    text = "\n".join([re.sub(r"\brefrain:\S+", "", line) for line in read_text(RULES).splitlines()
                      if not re.match(r"\s*#|.*description:|.*summary:|.*name:", line)]
                     + [e for _, e in expressions()])
    asked = set(NAME.findall(text))
    check(len(asked) > 30, f"names found: {asked}")
    equal(asked - names, set(), "names that no refrain has")
    for name in recorded:
        check(prometheus.query(name), f"the rules record nothing as {name}")
    for title, expression in expressions():
        shown = re.sub(r" > 0( and on .*)?$", "", expression)  # what may not have happened
        check(prometheus.query(shown), f"nothing to show in {title}: {expression}")


@test("a real Prometheus scrapes them: the alerts for bad, slow and stuck targets fire, and no others; "
      "the dashboard asks for what is there")
def real(case):
    need_root()
    nginx, target = Nginx(case), Target(case, answer=BAD)
    ports = [free_port() for _ in range(3)]
    start_refrains(case, nginx, target, ports)
    prometheus = Prometheus(case, ports)
    wait_until(lambda: len(prometheus.query("refrain_build_info")) == 3, "all are scraped", 30)
    Traffic(case, nginx.port, rate=120, connections=4)
    idle = f"127.0.0.1:{ports[1]}"
    expected = {("RefrainMirrorErrors", "warning", "bad"), ("RefrainMirrorErrors", "critical", "bad"),
                ("RefrainTargetSlow", "warning", "slow"), ("RefrainQueueNearFull", "warning", "stuck"),
                ("RefrainQueueNearFull", "critical", "stuck"), ("RefrainNoTraffic", "warning", idle),
                ("RefrainNoTraffic", "critical", idle), ("RefrainGuard", "warning", "guarded")}
    wait_until(lambda: expected <= prometheus.firing(),
               lambda: f"missing: {expected - prometheus.firing()}; firing: {prometheus.firing()}", 90)
    firing = prometheus.firing()
    equal([a for a in firing if a[2] == "good" and a[0] == "RefrainMirrorErrors"], [], "alerts of the good one")
    check(("RefrainTargetSlow", "critical", "bad") not in firing, "bad is not slow")
    check_dashboard(prometheus, ports)


if __name__ == "__main__":
    main()
