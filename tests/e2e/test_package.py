#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an administrator installs: the layout, the unit, the examples and the manifests; and, with
REFRAIN_LONG=1 or `full`, the Debian package in a system of its own: installed, used, upgraded and
purged."""
import os
import re
import subprocess
import sys

import package
from harness import check, equal, long_run, main, need, read_text, sh, test, wait_until
from package import ROOT, packages
from servers import Target

LONG = long_run(sys.argv)
EXPOSURE = 2.0  # of systemd-analyze security


def source(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as f:
        return f.read()


def check_config(case, name, text):
    sh(case.binary, "--config", case.write(name, text), "--check-config")


@test("the unit's exposure is at most 2.0, and it may do what capturing needs and no more")
def unit(case):
    need("systemd-analyze")
    text = source("contrib", "systemd", "refrain@.service")
    path = case.write("refrain@.service", text)
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", path], check=False,
                          capture_output=True, text=True, timeout=60)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    check(found, f"systemd-analyze says: {done.stdout[-300:]}{done.stderr}")
    check(float(found.group(1)) <= EXPOSURE, f"exposure {found.group(1)}")
    equal(re.findall(r"^(?:Ambient|Bounding)\w*=(.*)", text, re.M), ["CAP_NET_RAW"], "capabilities")
    equal(re.findall(r"^CapabilityBoundingSet=(.*)", text, re.M), ["CAP_NET_RAW"], "their bound")


@test("the example configurations are good, and differ from one that is not")
def examples(case):
    for name in ("record.conf", "replay.conf"):
        check_config(case, name, source("contrib", "examples", name))
    case.refuse("--config", case.write("bad.conf", "input-rew = :80\n"), "--check-config", status=2,
                words=["bad.conf:1", "input-rew"])


def arguments(manifest):
    """The args of the container refrain, as they stand: a list of "- --option=value"."""
    return re.findall(r"^ +- (--\S+)$", manifest, re.M)


@test("the manifests' options are good, and they ask for NET_RAW alone, as no root")
def manifests(case):
    for name in ("sidecar.yaml", "daemonset.yaml"):
        text = source("contrib", "kubernetes", name)
        args = arguments(text)
        check(len(args) >= 4, f"{name}: {args}")
        sh(case.binary, *args, "--check-config")
        equal(re.findall(r"(?:add|drop): (.*)", text), ["[ALL]", "[NET_RAW]"], f"{name}: capabilities")
        for line in ("runAsNonRoot: true", "readOnlyRootFilesystem: true", "type: RuntimeDefault"):
            check(line in text, f"{name}: no {line}")
    text = source("contrib", "kubernetes", "sidecar.yaml")
    port = re.search(r"--metrics-address=\*:(\d+)", text).group(1)
    equal(re.findall(r"name: metrics\n +containerPort: (\d+)", text), [port], "the port of the metrics")
    check("livenessProbe" in text and "path: /healthz\n          port: metrics" in text, "no probe of it")
    check(not re.search("readinessProbe:", text), "a pause takes the pod out of service")


def long_test(sentence):
    return test(sentence) if LONG else lambda function: function


@long_test("lintian finds no error in the package")
def lintian(_case):
    _, debs, folder = packages()
    changes = [n for n in os.listdir(folder) if n.endswith(".changes")]
    done = subprocess.run(["lintian", "--fail-on", "error", f"{folder}/{changes[0]}"], check=False,
                          capture_output=True, text=True, timeout=300)
    equal(done.returncode, 0, f"lintian: {done.stdout}")
    check(len(debs) == 2, f"packages: {debs}")


@long_test("installed, it records as its own user; upgraded, it keeps what is there; purged, it is gone")
def life_of_a_package(case):
    chroot, debs, _ = packages()
    chroot.install(debs[0])
    check("refrain:x:" in chroot.run("cat", "/etc/passwd"), "no user refrain")
    for path in ("/usr/bin/refrain", "/lib/systemd/system/refrain@.service",
                 "/usr/share/man/man1/refrain.1.gz", "/usr/share/man/man7/refrain-operate.7.gz",
                 "/usr/share/bash-completion/completions/refrain", "/etc/refrain",
                 "/usr/share/refrain/prometheus/refrain.rules.yml"):
        check(chroot.has(path) or chroot.has("/usr" + path), f"no {path}")
    for point in ("proc", "dev"):
        sh("mount", "--rbind", f"/{point}", f"{chroot.root}/{point}")
        case.on_exit(sh, "umount", "-l", f"{chroot.root}/{point}")
    chroot.run("install", "-d", "-o", "refrain", "-g", "refrain", "-m", "0700", "/var/lib/refrain")
    server = Target(case)
    with open(f"{chroot.root}/etc/refrain/record.conf", "w", encoding="ascii") as f:
        f.write(source("contrib", "examples", "record.conf").replace("8080", str(server.port)))
    record(case, chroot, server.port)
    recordings = os.listdir(f"{chroot.root}/var/lib/refrain")
    equal(len(recordings), 1, f"recordings: {recordings}")
    chroot.install(debs[1])
    check("0.1.1" in chroot.run("dpkg-query", "-W", "refrain"), "not upgraded")
    check("20" in chroot.run("refrain", "stat", f"/var/lib/refrain/{recordings[0]}"), "recording")
    check(chroot.has("/etc/refrain/record.conf"), "the upgrade took the configuration")
    chroot.run("dpkg", "--purge", "refrain")
    for path in ("/usr/bin/refrain", "/usr/share/doc/refrain", "/lib/systemd/system/refrain@.service"):
        check(not chroot.has(path), f"{path} is left")
    check(chroot.has(f"/var/lib/refrain/{recordings[0]}"), "recordings are not the package's")


def record(case, chroot, port):
    """Twenty requests, recorded as the unit does it: by the user refrain with CAP_NET_RAW alone."""
    uid, gid = (chroot.run("id", flag, "refrain").strip() for flag in ("-u", "-g"))
    log = case.path("record.log")
    with open(log, "wb") as f:
        recorder = case.spawn(
            "chroot", chroot.root, "setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
            "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw",
            "--no-new-privs", "/usr/bin/refrain", "--config", "/etc/refrain/record.conf", stderr=f)
    wait_until(lambda: "listening on" in read_text(log), lambda: f"it starts: {read_text(log)}")
    for n in range(20):
        sh("curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/{n}")
    recorder.terminate()
    equal(recorder.wait(20), 0, f"the recorder's status: {read_text(log)}")


if __name__ == "__main__":
    package.run(main, LONG)
