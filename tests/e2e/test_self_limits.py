#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--max-cpu and --max-memory where an operator looks for them: in refrain ctl status and top."""
import socket
import subprocess
import threading

from harness import check, equal, free_port, main, need_root, test, wait_until
from servers import Nginx
from steering import control

MIB = 1 << 20


def ctl(case, path, *words):
    done = subprocess.run([case.binary, "ctl", "--control", path, *words], capture_output=True,
                          text=True, timeout=60, stdin=subprocess.DEVNULL, check=True)
    return done.stdout


def shown(case, path):
    """What both say."""
    return ctl(case, path, "status"), ctl(case, path, "top", "--count", "1")


class Sink:
    """Reads all that comes, and answers nothing."""

    def __init__(self, case):
        self.socket = socket.create_server(("127.0.0.1", free_port()), backlog=128)
        self.port = self.socket.getsockname()[1]
        self.taken = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        case.on_exit(self.close)

    def run(self):
        try:
            while True:
                connection, _ = self.socket.accept()
                self.taken.append(connection)
                threading.Thread(target=self.read, args=(connection,), daemon=True).start()
        except OSError:
            pass

    @staticmethod
    def read(connection):
        try:
            while connection.recv(1 << 16):
                pass
        except OSError:
            pass

    def close(self):
        self.socket.close()
        for connection in self.taken:
            connection.close()


@test("--max-memory acts on unfinished requests, and status and top tell the limit, what is used and what was given up")
def memory(case):
    need_root()
    sink = Sink(case)
    path = case.path("c.sock")
    refrain = case.refrain("--input-raw", f"127.0.0.1:{sink.port}", "--max-memory", "4mb",
                           "--output-null", "--control", path)
    c = control(case, path, refrain)
    check("requests given up" not in shown(case, path)[0], "requests are given up before any came")
    clients = []
    for n in range(40):  # of which each is to take 1 MB, and gets a fifth of it
        client = socket.create_connection(("127.0.0.1", sink.port), timeout=10)
        case.on_exit(client.close)
        client.sendall(f"POST /{n} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n".encode() +
                       b"x" * 200_000)
        clients.append(client)

    def books():
        answer = c.ask("status")
        check(answer["limits"]["max_memory"] == 4 * MIB, "the limit in the status")
        check(answer["limits"]["memory_flows"] <= 4.4 * MIB,  # what is counted last may be over it
              f"{answer['limits']['memory_flows']} bytes are used")
        return answer["inputs"][0]["books"]
    wait_until(lambda: books()["requests_evicted"] > 10, "requests are given up", 20)
    for text in shown(case, path):
        check(" of 4 (" in text and "requests given up)" in text, text)
    refrain.stop()


@test("--max-cpu acts under load, and status and top tell the limit and the share of connections followed")
def cpu(case):
    need_root()
    nginx = Nginx(case)
    path = case.path("c.sock")
    refrain = case.refrain("--input-raw", f"127.0.0.1:{nginx.port}", "--max-cpu", "0.2%",
                           "--output-file", case.path("a.gor.gz"), "--control", path)
    c = control(case, path, refrain)
    equal(c.ask("status")["limits"]["max_cpu"], 0.002, "the limit in the status")
    check("CPU at most 0.2%: 100% of new connections" in shown(case, path)[0], "nothing is left out yet")
    ended = threading.Event()
    case.on_exit(ended.set)

    def ask():
        while not ended.is_set():
            with socket.create_connection(("127.0.0.1", nginx.port), timeout=10) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                while s.recv(4096):
                    pass
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: c.ask("status")["limits"]["connections_followed"] < 0.9,
               "connections are left out", 30)
    wait_until(lambda: c.ask("status")["inputs"][0]["books"]["flows_shed"] > 0, "they are counted", 30)
    for text in shown(case, path):
        check("CPU at most 0.2%: " in text and "0.2%: 100%" not in text, text)
    ended.set()
    for thread in threads:
        thread.join()
    refrain.stop()


if __name__ == "__main__":
    main()
