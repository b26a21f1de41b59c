#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""refrain doctor: what it says of this host, held against what other sources say of it."""
import os
import socket
import subprocess

from harness import check, equal, main, need_root, read_text, sh, test
from servers import Nginx


def doctor(case, *args, status=0, prefix=()):
    """Its findings: (level, subject, text)."""
    done = subprocess.run([*prefix, case.binary, "doctor", *args], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=20, check=False)
    equal(done.returncode, status, f"exit status: {done.stdout}{done.stderr}")
    lines = done.stdout.splitlines()
    found = [tuple(line.split(maxsplit=2)) for line in lines[2:-1]]
    for level, word in (("ok", " ok"), ("note", " to know"), ("warn", " to mend"),
                        ("fault", " that does not work")):
        n = sum(f[0] == level for f in found)
        check(f"{n}{word}" in lines[-1], f"not {n}{word} in: {lines[-1]}")
    return found


def about(found, subject):
    return [(level, text) for level, what, text in found if what == subject]


@test("kernel, clock and interfaces are those of this host")
def host(case):
    found = doctor(case)
    check(os.uname().release in about(found, "kernel")[0][1], f"kernel: {found}")
    clock = read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource").strip()
    if clock:
        check(clock in about(found, "clock")[0][1], f"clock: {found}")
    names = {text.split(":")[0] for _, text in about(found, "interface")}
    equal(names, {name for _, name in socket.if_nameindex()}, "interfaces")


@test("a port that nginx serves is told from one that nobody does, with device and filter")
def ports(case):
    need_root()
    server = Nginx(case)
    found = doctor(case, "--input-raw", f":{server.port},9")
    equal([level for level, _ in about(found, "port")], ["ok", "note"], "the two ports")
    check("device any" in about(found, "capture")[0][1], f"capture: {found}")
    check(f"dst port {server.port}" in about(found, "filter")[0][1], f"filter: {found}")
    equal(about(found, "buffer")[0][1].split()[0], "32", "MiB of buffer")


@test("what does not work is a fault, and the exit status says so")
def faults(case):
    need_root()
    found = doctor(case, "--input-raw", "nosuch0:80", status=1)
    level, text = about(found, "capture")[0]
    check(level == "fault" and "nosuch0" in text and "lo" in text, f"capture: {found}")
    found = doctor(case, "--input-raw", case.path("missing.pcap"), status=1)
    check("missing.pcap" in about(found, "capture")[0][1], f"capture: {found}")
    found = doctor(case, "--input-raw", ":80", status=1, prefix=(
        "setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all"))
    check("CAP_NET_RAW" in about(found, "capture")[0][1], f"capture: {found}")
    check("no CAP_NET_RAW" in about(found, "privileges")[0][1], f"privileges: {found}")


@test("an option that is wrong is told as for a run")
def usage(case):
    done = subprocess.run([case.binary, "doctor", "--input-rew", ":80"], capture_output=True,
                          text=True, check=False, timeout=20)
    equal(done.returncode, 2, "exit status")
    check("input-rew" in done.stderr, f"stderr: {done.stderr}")
    check("none asked for" in sh(case.binary, "doctor"), "no findings without options")


if __name__ == "__main__":
    main()
