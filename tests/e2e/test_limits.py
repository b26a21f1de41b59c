#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ADDRESS|LIMIT: never more than N in any second at the target, and shares exact to one request."""
import gor
from harness import equal, main, test, within
from servers import Target

START = 1_700_000_000_000_000_000
MS = 1_000_000


def file_of(case, n, step_ns):
    return case.write("in.gor", b"".join(
        gor.make(gor.request(f"/{k}"), START + k * step_ns, id_=f"{k:024x}") for k in range(n)))


def most_in_a_second(arrivals):
    times = sorted(a.time for a in arrivals)
    most, first = 0, 0
    for last, t in enumerate(times):
        while t - times[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


@test("|10 lets never more than 10 through in any second, and nearly 10 in each")
def rate(case):
    target = Target(case)
    result = case.run("--input-file", file_of(case, 500, 10 * MS), "--output-http",
                      f"http://127.0.0.1:{target.port}|10")
    out = result.output("output-http")
    equal(out["seen"], 500, "seen")
    equal(len(target.arrivals), out["delivered"], "arrivals, against delivered")
    equal(out["delivered"] + out["limited"], 500, "delivered and limited")
    within(most_in_a_second(target.arrivals), 9, 10, "most arrivals in any second")
    within(out["delivered"], 45, 55, "delivered in 5 s")


@test("|2.5 and |500rps: decimals and gor's other spelling")
def decimals(case):
    target, fast = Target(case), Target(case)
    result = case.run("--input-file", file_of(case, 300, 10 * MS), "--output-http",
                      f"http://127.0.0.1:{target.port}|2.5", "--output-http",
                      f"http://127.0.0.1:{fast.port}|500rps")
    within(len(target.arrivals), 6, 9, "arrivals at 2.5 a second in 3 s")
    equal(result.output("output-http", 1)["delivered"], 300, "delivered below 500 a second")


@test("|10% and |12.5%: the share is exact to one request")
def share(case):
    ten, eighth, tiny = Target(case), Target(case), Target(case)
    result = case.run("--input-file", file_of(case, 1000, 0), "--output-http",
                      f"http://127.0.0.1:{ten.port}|10%", "--output-http",
                      f"http://127.0.0.1:{eighth.port}|12.5%", "--output-http",
                      f"http://127.0.0.1:{tiny.port}|0.5%")
    for n, (target, wanted) in enumerate(((ten, 100), (eighth, 125), (tiny, 5))):
        equal(len(target.arrivals), wanted, f"arrivals at target {n}")
        equal(result.output("output-http", n)["sampled_out"], 1000 - wanted, "sampled_out")


@test("a limit on one output leaves the others alone")
def alone(case):
    target = Target(case)
    result = case.run("--input-file", file_of(case, 400, 0), "--output-http",
                      f"http://127.0.0.1:{target.port}|1%", "--output-file", case.path("all.gor"),
                      "--output-file-append")
    equal(len(target.arrivals), 4, "arrivals at the limited target")
    equal(len(gor.read(case.path("all.gor"))), 400, "records in the file")
    equal(result.output("output-file")["delivered"], 400, "delivered to the file")


@test("a limit on an input holds for all outputs")
def on_input(case):
    port_file = case.path("few.gor")
    result = case.run("--input-dummy", "x|50%", "--exit-after", "3500ms", "--output-file",
                      port_file, "--output-file-append")
    requests = gor.requests(gor.read(port_file))
    within(len(requests), 1, 2, "requests of about 3 that the dummy makes")
    equal(result.output("output-file")["failed"], 0, "failed")


if __name__ == "__main__":
    main()
