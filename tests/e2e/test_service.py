#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a service manager is told (sd_notify's protocol), over a real socket."""
import os
import signal
import socket
import time

from harness import check, equal, main, test, within


class Manager:
    """Listens where NOTIFY_SOCKET names."""

    def __init__(self, case, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0", 1))
        self.socket.settimeout(10)
        case.on_exit(self.socket.close)

    def next(self):
        return self.socket.recv(4096).decode()

    def skip_signs_of_life(self):
        while (word := self.next()) == "WATCHDOG=1":
            pass
        return word


@test("READY comes when everything is open, STOPPING when the end begins")
def ready_and_stopping(case):
    manager = Manager(case, case.path("notify"))
    refrain = case.refrain("--input-raw", ":8099", "--output-null",
                           env={"NOTIFY_SOCKET": manager.name}, ready=False)
    equal(manager.next(), "READY=1", "the first word")
    check("listening on" in refrain.stderr(), f"ready before it listens: {refrain.stderr()}")
    refrain.send(signal.SIGTERM)
    equal(manager.next(), "STOPPING=1", "the word at the end")
    refrain.wait()


@test("signs of life come twice within WATCHDOG_USEC, at an abstract name as well")
def watchdog(case):
    manager = Manager(case, f"@refrain-{os.getpid()}")
    refrain = case.refrain("--input-dummy", "x", "--output-null", ready=False,
                           env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "400000"})
    equal(manager.next(), "READY=1", "the first word")
    start = time.monotonic()
    equal([manager.next() for _ in range(6)], ["WATCHDOG=1"] * 6, "signs of life")
    within(time.monotonic() - start, 0.8, 1.6, "seconds for six of them")
    refrain.send(signal.SIGINT)
    equal(manager.skip_signs_of_life(), "STOPPING=1", "the word at the end")
    refrain.wait()


@test("a watchdog that is another process's is not fed, and no manager is no fault")
def not_ours(case):
    manager = Manager(case, case.path("notify"))
    refrain = case.refrain("--input-dummy", "x", "--output-null", "--exit-after", "1s", ready=False,
                           env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "100000",
                                "WATCHDOG_PID": "1"})
    refrain.wait()
    equal([manager.next(), manager.next()], ["READY=1", "STOPPING=1"], "all words")
    for name in ("/nowhere/socket", "relative", "@", ""):
        case.run("--input-dummy", "x", "--output-null", "--exit-after", "100ms",
                 env={"NOTIFY_SOCKET": name})


if __name__ == "__main__":
    main()
