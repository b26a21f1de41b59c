#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--config, --check-config and --dump-config."""
import os
import subprocess

import gor
from harness import check, equal, main, test
from servers import Target

START = 1_700_000_000_000_000_000


def record(case, n=100):
    return case.write("in.gor", b"".join(
        gor.make(gor.request(f"/{k % 2}/{k}"), START + k * 100_000, id_=f"{k:024x}") for k in range(n)))


def ask(case, *args):
    return subprocess.run([case.binary, *args], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL, check=False)


@test("a file of options runs as the command line would, each section an output of its own")
def runs(case):
    one, two = Target(case), Target(case)
    config = case.write("refrain.conf", f"""
# two targets
input-file = {record(case)}
http-disallow-url ^/0/0$

[output one]
output-http = http://127.0.0.1:{one.port}
set-header = X-One: 1
if = path:/0
[output two]
output-http http://127.0.0.1:{two.port}
to-if = path:/1
""")
    result = case.run("--config", config)
    equal(len(one.arrivals), 49, "requests at the first")
    equal(len(two.arrivals), 50, "requests at the second")
    check(all(b"X-One: 1" in a.raw for a in one.arrivals), "the first one's header")
    check(not any(b"X-One" in a.raw for a in two.arrivals), "the second has none")
    equal(result.output("output-http")["filtered"], 51, "filtered at the first")


@test("what the command line and the environment say is stronger than the file")
def stronger(case):
    config = case.write("refrain.conf", "exit-after = 5m\nsummary = text\n"
                                        f"input-file = {record(case)}\n[output]\noutput-null\n")
    result = case.run("--config", config, env={"REFRAIN_HTTP_ALLOW_URL": "^/1/"})
    equal(result.output("output-null")["delivered"], 50, "delivered")
    result = case.run(env={"REFRAIN_CONFIG": config})
    equal(result.output("output-null")["delivered"], 100, "delivered with REFRAIN_CONFIG alone")


@test("--dump-config makes a file of a command line, without its secrets, that runs the same")
def dump(case):
    target = Target(case)
    args = ["--input-file", record(case), "--redact", "param:x", "--output-http",
            f"http://127.0.0.1:{target.port}|50%", "--to-name", "half", "--to-if", "path:/1"]
    done = subprocess.run([case.binary, *args, "--dump-config"], capture_output=True, text=True,
                          timeout=30, check=True, env={**os.environ, "REFRAIN_REDACT_KEY": "sesame"})
    check("sesame" not in done.stdout, "the secret is in the dump")
    check("[output half]" in done.stdout, f"{done.stdout}")
    equal(len(target.arrivals), 0, "requests while dumping")
    config = case.write("dumped.conf", done.stdout)
    again = ask(case, "--config", config, "--dump-config")
    equal(again.stdout, "".join(line + "\n" for line in done.stdout.splitlines()
                                if not line.startswith("#")), "the dump of the dump")
    result = case.run("--config", config)
    equal(result.output("output-http")["delivered"], 25, "delivered")


@test("--check-config opens nothing, and tells what is wrong and where")
def check_config(case):
    good = case.write("good.conf", "input-raw = :1\n[output]\noutput-file = never.gor\n")
    done = ask(case, "--config", good, "--check-config")
    equal((done.returncode, done.stdout), (0, "the options are good\n"), "status and text")
    check(not os.path.exists(case.path("never.gor")), "a file was made")
    for text, word in (("input-raw = :1\nouput-null\n", ":2: unknown option \"ouput-null\""),
                       ("input-file = a\noutput-http = http://x|10percent\n", "10percent"),
                       ("input-file = a\noutput-null\nhttp-allow-url = (\n", "http-allow-url"),
                       ("input-file = a\n[output x]\noutput-null\nif = nonsense\n", "nonsense"),
                       ("input-file = a|x3\noutput-null\n", "x3"),
                       ("input-file = a\noutput-null\nfail-on = errors\n", "errors"),
                       ("output-null\n", "nothing to read"),
                       ("input-file = a\0b\n", "NUL")):
        case.refuse("--config", case.write("bad.conf", text), "--check-config", status=2,
                    words=[word])
    case.refuse("--config", case.path("none.conf"), status=1, words=["none.conf", "No such file"])
    case.refuse("--config", "/dev/zero", status=2, words=["/dev/zero", "not a file"])


if __name__ == "__main__":
    main()
