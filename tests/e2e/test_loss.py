#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A capture that cannot keep up says what it lost, within 1 % of the truth."""
import os
import re
import signal
import subprocess
import time

from harness import check, main, need, need_root, read_text, test, wait_until, within
from servers import Nginx

PAUSE_S = 2


def listen_beside(case, port):
    """A second capture of the same packets, with room for all of them: the truth about packets."""
    err = open(case.path("tcpdump.err"), "wb")
    tcpdump = case.spawn("tcpdump", "-i", "lo", "-B", "262144", "-s", "100", "-w", "/dev/null",
                         "--immediate-mode", f"tcp dst port {port} and (tcp[tcpflags] & "
                         "(tcp-syn|tcp-fin|tcp-rst) != 0 or ip[2:2] - ((ip[0]&0xf)<<2) - "
                         "((tcp[12]&0xf0)>>2) != 0)", stderr=err)
    wait_until(lambda: "listening on" in read_text(case.path("tcpdump.err")), "tcpdump listens")
    return tcpdump


def counted_by(case, tcpdump):
    time.sleep(0.5)
    tcpdump.send_signal(signal.SIGINT)
    tcpdump.wait(20)
    text = read_text(case.path("tcpdump.err"))
    captured = int(re.search(r"(\d+) packets? captured", text).group(1))
    dropped = int(re.search(r"(\d+) packets? dropped by kernel", text).group(1))
    check(dropped == 0, f"tcpdump lost {dropped} packets itself, so it knows no truth")
    return captured


@test("a reader that stands still for two seconds: the loss it tells is the loss there was")
def stopped(case):
    need_root()
    need("wrk", "tcpdump")
    nginx = Nginx(case)
    script = case.write("pause.lua", "function delay() return 3 end\n")
    tcpdump = listen_beside(case, nginx.port)
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--input-raw-buffer-size", "2mb",
                           "--output-null")
    wrk = case.spawn("wrk", "-t", "1", "-c", "64", "-d", "5s", "-s", script,
                     f"http://127.0.0.1:{nginx.port}/loss?{'x' * 200}", stdout=subprocess.DEVNULL)
    time.sleep(1)
    refrain.send(signal.SIGSTOP)
    time.sleep(PAUSE_S)
    refrain.send(signal.SIGCONT)
    wrk.wait(20)
    time.sleep(0.5)
    result = refrain.stop()
    packets = counted_by(case, tcpdump)
    nginx.process.terminate()
    nginx.process.wait(10)
    served = nginx.served()
    account = result.input("input-raw")
    dropped = account["kernel_drops"]
    check(dropped > packets // 20, f"only {dropped} of {packets} packets were lost: no test")
    # packets: what came and what the kernel says it dropped, against those that there were
    told = account["packets"] + dropped
    within(told, packets * 0.99, packets * 1.01, f"packets and drops, of {packets}")
    # bytes: what was recorded and what was never seen, against what nginx read
    sent = sum(s.length for s in served)
    length = served[0].length
    unseen = account["unseen_bytes"] + account["hole_bytes"]
    known = account["requests_complete"] * length + unseen
    print(f"# {packets} packets, {dropped} dropped; {len(served)} requests served, "
          f"{account['requests_complete']} recorded, {unseen} of {sent} bytes unseen")
    within(known, sent * 0.99, sent * 1.01, f"bytes recorded and unseen, of {sent}")
    check(account["requests_complete"] < len(served), "nothing was lost")


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    main()
