#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The operator's way, as refrain-operate(7) tells it: from installing to a guarded mirror of a real
nginx, an emergency stop and a clean removal. The commands and the files are the page's; only times
are others: of a step, of the guard's window, and the bound on latency. The host is a copy of this
one (an overlay, own network and processes), where what meson installs stands in for the package;
with REFRAIN_LONG=1 or `full` it is a fresh Debian with the package itself. What systemctl would do
is done here, by what the unit says."""
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import package
import pages
from harness import Failure, Skip, check, equal, long_run, main, need, need_root, read_text, sh, test, wait_until
from servers import Nginx
from steering import Control, Traffic

LONG = long_run(sys.argv)
TOUR = "FROM INSTALLATION TO A MIRROR"
PAGE = "refrain-operate.7"
HOSTS = ("v2", "staging", "staging.example")
OTHERWISE = (("every=24h", "every=1s"), ("p99>500ms", "p99>60s"))
SILENCE = 0.1 if LONG else 1.0  # seconds from a stop to the last request; this machine may be busy
USERS = 200


def localized(line):
    for what, instead in OTHERWISE:
        line = line.replace(what, instead)
    return line


class Host:
    """A machine of its own, but for the network, and what runs on it."""

    def __init__(self, case):
        need_root()
        need("nginx", "curl", "setpriv")
        self.case = case
        self.running = {}  # by unit
        self.system = package.Debian(case) if LONG else package.Overlay(case)
        self.root = self.system.root
        with open(f"{self.root}/etc/hosts", "a", encoding="ascii") as f:
            f.writelines(f"127.0.0.1 {name}\n" for name in ("localhost", *HOSTS))
        self.system.begin()
        self.server = Nginx(case, port=8080)
        self.target = Nginx(case, port=80, extra=f"if (-f {case.path('fail')}) {{ return 500; }}")

    def journal(self, unit):
        return read_text(self.case.path(f"{unit}.journal"))

    def write(self, path, lines):
        with open(self.root + path, "w", encoding="utf-8") as f:
            f.writelines(localized(line) + "\n" for line in lines)

    def run(self, command):
        """One of the page's commands; what it printed."""
        command = localized(command)
        words = shlex.split(command)
        if words[0] == "apt":
            return self.system.apt(words[1:])
        if words[0] == "systemctl":
            return self.systemctl(*words[1:])
        if words[0] == "journalctl":
            return self.journal(words[2])
        if words[0] == "curl":
            return sh("curl", "-sS", "--fail", "--retry", "10", "--retry-all-errors", "--retry-delay",
                      "1", *words[1:])
        return self.system.run("sh", "-c", command)

    def spawn(self, name, *command):
        """In the background, with its own log; once it listens."""
        with open(self.case.path(f"{name}.journal"), "ab") as f:
            process = self.case.spawn("chroot", self.root, *command, stdout=f, stderr=f,
                                      env={**os.environ, "REFRAIN_GUARD_WINDOW": "6s"})
        wait_until(lambda: "listening on" in self.journal(name) or process.poll() is not None,
                   lambda: f"{command} does not start: {self.journal(name)}", 20)
        check(process.poll() is None, f"{command} ended: {self.journal(name)}")
        return process

    def end(self, name, process):
        process.terminate()
        equal(process.wait(30), 0, f"status of {name}: {self.journal(name)[-2000:]}")

    # --- what systemd would do ---

    def unit(self):
        paths = [self.root + place + "/systemd/system/refrain@.service"
                 for place in ("/usr/lib", "/lib")]
        return read_text(next(path for path in paths if os.path.exists(path)))

    def value(self, key, name):
        return re.search(rf"^{key}=(.*)", self.unit(), re.M).group(1).replace("%i", name)

    def systemctl(self, verb, *words):
        unit = words[-1]
        name = unit.split("@")[1]
        runtime = f"{self.root}/run/{self.value('RuntimeDirectory', name)}"
        if verb == "enable":
            self.start(unit, name, runtime)
        elif verb == "disable":
            self.end(unit, self.running.pop(unit))
            shutil.rmtree(os.path.dirname(runtime))
        elif verb == "reload":
            equal(self.value("ExecReload", name), "/bin/kill -HUP $MAINPID", "ExecReload")
            self.running[unit].send_signal(signal.SIGHUP)
        else:
            raise Failure(f"systemctl {verb}")
        return ""

    def start(self, unit, name, runtime):
        user = self.value("User", name)
        ids = [self.system.run("id", flag, user).strip() for flag in ("-u", "-g")]
        os.makedirs(runtime, 0o700)
        for path in (runtime, f"{self.root}/var/lib/{self.value('StateDirectory', name)}"):
            os.makedirs(path, 0o700, exist_ok=True)
            os.chown(path, int(ids[0]), int(ids[1]))
        cap = self.value("AmbientCapabilities", name).lower().replace("cap_", "+")
        self.running[unit] = self.spawn(
            unit, "setpriv", f"--reuid={ids[0]}", f"--regid={ids[1]}", "--clear-groups",
            f"--inh-caps=-all,{cap}", f"--ambient-caps=-all,{cap}", f"--bounding-set=-all,{cap}",
            "--no-new-privs", *shlex.split(self.value("ExecStart", name)))


class Tour:
    """What must be so after each command of the section; None: that it ended with status 0."""

    def __init__(self, case):
        self.case, self.host = case, Host(case)
        self.traffic = None
        self.steps = [
            ("apt install ", None, self.installed),
            ("refrain doctor ", None, lambda text: check("capture" in text, text)),
            ("refrain --config .* --check-config", None, None),
            ("systemctl enable --now ", None, self.begins),
            ("refrain ctl .* status", None, self.in_steps),
            ("curl .*/readyz", None, None),
            ("journalctl ", self.target_fails,
             lambda text: check(re.search(r"v2: --guard errors.*the ramp is back at", text), text)),
            ("refrain ctl .* status", None, self.told_in_status),
            ("curl .*/metrics", None, self.told_in_metrics),
            ("refrain ctl .* resume v2", self.target_recovers, self.goes_on),
            ("refrain ctl .* pause", None, self.is_silent),
            ("refrain ctl .* resume", None, self.sends),
            ("touch ", None, self.is_silent),
            ("rm /run/", None, self.sends),
            ("sed ", None, None),
            ("refrain --config .* --check-config", None, None),
            ("systemctl reload ", None, self.reloaded),
            ("systemctl disable --now ", None, self.ended),
            ("rm -r ", None, None),
            ("apt purge ", None, self.nothing_is_left),
        ]

    def status(self):
        """Of the output v2, for a program."""
        control = Control(self.host.root + "/run/refrain/mirror/control")
        try:
            return control.status("v2")
        finally:
            control.close()

    def walk(self):
        steps = iter(self.steps)
        for block in (b for b in pages.blocks(PAGE) if b.section == TOUR):
            if block.kind == "file":
                self.host.write(block.note, block.lines)
                continue
            for command in pages.commands(block):
                pattern, before, after = next(steps, ("nothing more", None, None))
                check(re.match(pattern, command), f"{block.where}: {command!r} instead of {pattern!r}")
                if before:
                    before()
                self.command = command
                text = self.host.run(command)
                if after:
                    after(text)
        equal(next(steps, None), None, "a command that the page does not have")

    def installed(self, _):
        check("refrain" in self.host.system.run("getent", "passwd", "refrain"), "no user refrain")
        equal(self.host.running, {}, "installing starts nothing")

    def begins(self, _):
        self.traffic = Traffic(self.case, 8080, rate=600, connections=4,
                               headers=lambda n: [f"Cookie: sid={n % USERS}"])
        self.start_prometheus()

    def in_steps(self, text):
        wait_until(lambda: self.status()["percent"] == 20, lambda: f"at 20 %: {self.status()}", 60)
        journal = self.host.journal("refrain@mirror")
        equal(re.findall(r"the ramp goes on to ([0-9.]+)%", journal), ["5", "10", "20"], "steps")
        wait_until(lambda: self.status()["books"]["delivered"] > 50, "the target gets requests", 30)
        wait_until(lambda: self.asked("query?query=refrain_guard_actions_total")["result"],
                   "Prometheus has asked", 60)
        check(re.search(r"v2 .*step \d of 4", text) and not self.status()["ramp"]["held"], text)

    def target_fails(self):
        self.case.write("fail", "")
        wait_until(lambda: self.status()["ramp"]["held"], "the guard acts", 60)

    def told_in_status(self, text):
        check("errors>2%" in text and "held" in text, text)
        item = self.status()
        check(item["percent"] in (5, 10) and item["ramp"]["held"] and "errors>2%" in item["why"], f"{item}")

    def start_prometheus(self):
        """With the page's configuration, which looks once a second here."""
        need("prometheus")
        block = next(b for b in pages.blocks(PAGE) if b.note == "/etc/prometheus/prometheus.yml")
        config = "\n".join([*block.lines, "global: {scrape_interval: 1s, evaluation_interval: 1s}", ""])
        path = self.case.write("prometheus.yml", config.replace("/usr/", f"{self.host.root}/usr/"))
        with open(self.case.path("prometheus.log"), "wb") as log:
            self.case.spawn("prometheus", f"--config.file={path}", "--web.listen-address=127.0.0.1:9090",
                            f"--storage.tsdb.path={self.case.path('prometheus')}", stdout=log, stderr=log)

    @staticmethod
    def asked(what):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/{what}", timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return {"alerts": [], "result": []}

    def firing(self):
        return [a["labels"]["alertname"] for a in self.asked("alerts")["alerts"]
                if a["state"] == "firing"]

    def told_in_metrics(self, text):
        wait_until(lambda: "RefrainGuard" in self.firing(),
                   lambda: f"firing: {self.firing()}; {read_text(self.case.path('prometheus.log'))[-800:]}",
                   90)
        for line in (r'refrain_ramp_held\{output="v2"\} 1',
                     r'refrain_guard_actions_total\{output="v2",action="step_back"\} [1-9]'):
            check(re.search(line, text), f"no {line} in {text[-3000:]}")

    def target_recovers(self):
        os.unlink(self.case.path("fail"))

    def goes_on(self, _):
        check(not self.status()["ramp"]["held"], "it is held still")
        self.sends(_)

    def is_silent(self, _):
        """From now on the target gets nothing, while the service's own traffic goes on."""
        stopped = time.time()
        sent = self.traffic.sent
        wait_until(lambda: time.time() > stopped + SILENCE + 0.5 and self.traffic.sent > sent + 100,
                   "the traffic goes on", 30)
        last = max(s.time for s in self.host.target.served())
        print(f"# {self.command}: the last request {(last - stopped) * 1000:.0f} ms after it")
        check(last < stopped + SILENCE, f"a request {last - stopped:.3f} s after {self.command}")

    def sends(self, _):
        n = len(self.host.target.served())
        self.host.target.wait_served(n + 20, 60)

    def reloaded(self, _):
        wait_until(lambda: "is in effect" in self.host.journal("refrain@mirror"), "it is told", 20)
        for n in range(USERS):
            request = urllib.request.Request("http://127.0.0.1:8080/admin",
                                             headers={"Cookie": f"sid={n}"})
            urllib.request.urlopen(request, timeout=10).read()
        wait_until(lambda: self.status()["books"]["filtered"] >= USERS, "all of them are filtered", 20)
        check(not any("/admin" in s.request for s in self.host.target.served()), "/admin was mirrored")

    def ended(self, _):
        self.traffic.stop()
        text = self.host.journal("refrain@mirror")
        check("balanced=true" in text, f"the books: {text[-2000:]}")
        try:
            urllib.request.urlopen("http://localhost:9345/healthz", timeout=5)
            raise Failure("something listens at the metrics' port")
        except urllib.error.URLError:
            pass

    def nothing_is_left(self, _):
        equal(self.host.system.traces(), [], "what is left")
        check("refrain" not in read_text(f"{self.host.root}/etc/passwd"), "the user is left")
        equal([n for n in os.listdir(f"{self.host.root}/run") if "refrain" in n], [], "below /run")


@test("an operator who follows the manual gets a guarded mirror, stops it at once, and is rid of it")
def tour(case):
    Tour(case).walk()


@test("all else that the manual tells an operator to type works as it stands")
def the_rest(case):
    host, skipped = Host(case), []
    host.run("apt install ./refrain_*.deb")
    traffic = Traffic(case, 8080, rate=100)
    os.makedirs(f"{host.root}/var/lib/refrain", exist_ok=True)
    host.system.run("chown", "refrain:", "/var/lib/refrain")
    for block in (b for b in pages.blocks(PAGE) if b.section != TOUR):
        if block.kind == "file" and block.note.startswith("/etc/refrain/"):
            host.write(block.note, block.lines)
            host.run(f"refrain --config {block.note} --check-config")
        elif block.kind == "not run":
            skipped.append(f"{block.where}: {block.note}")
        elif block.kind == "run":
            run_block(host, block)
    print(f"# {len(skipped)} not run: {'; '.join(skipped)}")
    check(len(skipped) <= 2, f"{skipped}")
    check(traffic.stop() > 0, "no traffic")
    recordings = [n for n in os.listdir(f"{host.root}/var/lib/refrain") if n.startswith("requests-")]
    equal(len(recordings), 1, f"recordings of the service: {os.listdir(f'{host.root}/var/lib/refrain')}")


def run_block(host, block):
    daemon = None
    for command in pages.commands(block):
        try:
            if command.startswith("refrain --input-"):
                name = block.where
                daemon = host.spawn(name, *shlex.split(localized(command)))
                wait_until(lambda: os.path.exists(f"{host.root}/run/refrain.sock") or
                           "--control" not in command, f"{command}: its socket", 20)
            else:
                host.run(command)
        except (Failure, subprocess.SubprocessError) as e:
            raise Failure(f"{block.where}: {command}: {e}; {host.journal(block.where)}") from None
    if daemon:
        host.end(block.where, daemon)
    for unit in list(host.running):
        host.systemctl("disable", "--now", unit)


if __name__ == "__main__":
    package.run(main, LONG)
