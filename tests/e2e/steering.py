# SPDX-License-Identifier: MIT
"""What the tests of steering share: a client of the control socket that is not refrain's own, and
traffic that goes on until it is told to stop."""
import json
import os
import socket
import threading
import time

from harness import Failure, check, equal, wait_until

START = 1_700_000_000_000_000_000


class Control:
    """One connection to a control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.reader = self.socket.makefile("rb")

    def raw(self, line):
        self.socket.sendall(line)
        return json.loads(self.reader.readline())

    def ask(self, *words, ok=True):
        answer = self.raw(" ".join(["1", *words]).encode() + b"\n")
        if answer["ok"] != ok:
            raise Failure(f"{' '.join(words)}: {answer}")
        return answer

    def status(self, name):
        answer = self.ask("status")
        for item in answer["inputs"] + answer["outputs"]:
            if item["name"] == name:
                return item
        raise Failure(f"no {name} in the status: "
                      f"{[i['name'] for i in answer['inputs'] + answer['outputs']]}")

    def close(self):
        self.reader.close()
        self.socket.close()


def control(case, path, refrain=None):
    """Once it is there."""
    made = []

    def connected():
        try:
            made.append(Control(path))
        except OSError:
            return False
        return True
    wait = refrain.wait_for if refrain else wait_until
    wait(connected, f"{path} answers")
    case.on_exit(made[0].close)
    return made[0]


class Config:
    """A refrain whose file can be written anew. more: what else stands on its command line."""

    def __init__(self, case, text, *more, ready=False, mode=0o600):
        self.case, self.text, self.mode = case, text, mode
        self.path = self.write()
        self.refrain = case.refrain("--config", self.path, "--control", case.path("c.sock"),
                                    *more, ready=ready)
        self.control = control(case, case.path("c.sock"), self.refrain)

    def write(self, old="", new=""):
        check(old in self.text, f"no {old!r} in the file")
        self.text = self.text.replace(old, new) if old else self.text
        path = self.case.write("refrain.conf", self.text)
        os.chmod(path, self.mode)
        return path

    def try_text(self, text):
        """The error, or None."""
        self.text = text
        self.write()
        answer = self.control.raw(b"1 reload\n")
        return None if answer["ok"] else answer["error"]

    def reload_text(self, text):
        equal(self.try_text(text), None, "the error of a reload")

    def reload(self, old, new):
        self.write(old, new)
        self.control.ask("reload")

    def refuse(self, old, new, word):
        before, limits = self.text, self.dials()
        self.write(old, new)
        error = self.control.ask("reload", ok=False)["error"]
        check(word in error, f"no {word!r} in: {error}")
        equal(self.dials(), limits, f"dials after {new!r} was refused")
        self.text = before
        self.write()

    def dials(self):
        answer = self.control.ask("status")
        return [(i["name"], i["percent"], i["rate"], i.get("weight"), i.get("speed"))
                for i in answer["inputs"] + answer["outputs"]]


class Traffic:
    """Requests to a server, at a rate, over connections of their own, numbered in their path.
    headers: lines, or what makes them for a number."""

    def __init__(self, case, port, rate=300, headers=(), connections=1):
        self.port, self.rate, self.headers = port, rate, headers
        self.sent = 0
        self.lock = threading.Lock()
        self.ended = False
        self.threads = [threading.Thread(target=self.run, args=(n, rate / connections))
                        for n in range(connections)]
        case.on_exit(self.stop)
        for thread in self.threads:
            thread.start()

    def run(self, number, rate):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = s.makefile("rb")
            due = time.monotonic()
            while not self.ended:
                with self.lock:
                    n, self.sent = self.sent, self.sent + 1
                lines = [f"GET /n/{n} HTTP/1.1", "Host: h", f"X-User: user-{number}",
                         *(self.headers(n) if callable(self.headers) else self.headers)]
                s.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
                while reader.readline() not in (b"\r\n", b""):
                    pass
                reader.read(6)  # "hello\n"
                due += 1 / rate
                time.sleep(max(0, due - time.monotonic()))

    def stop(self):
        self.ended = True
        for thread in self.threads:
            thread.join()
        return self.sent


def number_of(raw):
    """Which of Traffic's requests it is."""
    return int(raw.split(b" ", 2)[1].rsplit(b"/", 1)[1])
