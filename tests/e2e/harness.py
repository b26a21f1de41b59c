# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: TAP, refrain as a process, and the ledger's laws.

A test is a function with @test("a sentence"), which takes a Case; it fails by an exception. Each
has a temporary folder, and everything that it starts is stopped when it ends. The program under
test is $REFRAIN_BIN. `test_x.py WORD` runs only the tests whose sentence holds WORD.
"""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

OUTPUT_FATES = ("delivered", "filtered", "sampled_out", "limited", "dropped_queue", "failed",
                "abandoned", "split", "paused", "skipped", "spooled")
REASSEMBLY_FATES = ("complete", "short", "gap", "cut", "too_large", "evicted", "expired", "malformed",
                    "closed", "open")

_tests = []


class Skip(Exception):
    """What the test needs is not there."""


def test(sentence):
    def register(function):
        _tests.append((sentence, function))
        return function
    return register


class Failure(AssertionError):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: {shorten(got)} instead of {shorten(wanted)}")


def shorten(value, limit=600):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def within(got, low, high, what):
    if not low <= got <= high:
        raise Failure(f"{what}: {got} is not between {low} and {high}")


def wait_until(predicate, what, timeout=10.0):
    """Polls; returns the first true value."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"after {timeout} s: {what() if callable(what) else what}")
        time.sleep(0.02)


def free_port(family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return s.getsockname()[1]


def is_listening(port):
    """Anything on that TCP port, without connecting to it."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in read_text(table).splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                return True
    return False


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


class Result:
    """How a refrain ended."""

    def __init__(self, status, stdout, stderr):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.summary = last_summary(stderr)

    def output(self, option, n=0):
        return accounts(self.summary["outputs"], option)[n]

    def input(self, option, n=0):
        return accounts(self.summary["inputs"], option)[n]


def accounts(list_, option):
    found = [a for a in list_ if a["name"].split()[0].lstrip("-") == option]
    check(found, f"no account of {option} in {[a['name'] for a in list_]}")
    return found


def summaries(stderr):
    found = []
    for line in stderr.splitlines():
        if line.startswith("{") and line.endswith("}"):
            found.append(json.loads(line))
    return found


def last_summary(stderr):
    lines = stderr.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        return json.loads(lines[-1])
    found = summaries(stderr)
    return found[-1] if found else None


def check_ledger(summary):
    """The laws of the ledger, added up here rather than believed."""
    for out in summary["outputs"]:
        total = sum(out[fate] for fate in OUTPUT_FATES) + out.get("under_way", 0)
        equal(total, out["seen"], f"fates of {out['name']}, seen")
    for inp in summary["inputs"]:
        for kind in ("requests", "responses"):
            total = sum(inp[f"{kind}_{fate}"] for fate in REASSEMBLY_FATES)
            equal(total, inp[f"{kind}_started"], f"fates of {kind} of {inp['name']}, started")
    check(summary["balanced"], "the summary says that the books do not balance")


class Refrain:
    """A running refrain. ready: wait for its word that it captures (True), for a listener on that
    port (a number), or for nothing (False). It is asked for the summary as JSON and its books are checked at the end,
    whatever the test is about."""

    def __init__(self, case, args, prefix=(), stdin=None, env=None, cwd=None, ready=True):
        self.case = case
        n = case.next_number()
        self.out_path = case.path(f"refrain-{n}.out")
        self.err_path = case.path(f"refrain-{n}.err")
        self.args = [*prefix, case.binary, "--summary", "json", "--log-format", "text",
                     *map(str, args)]
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                self.args, stdin=stdin if stdin is not None else subprocess.DEVNULL, stdout=out,
                stderr=err, env={**os.environ, **(env or {})}, cwd=cwd or case.dir)
        case.on_exit(self.kill)
        if ready is True:
            self.wait_ready()
        elif ready:
            self.wait_for(lambda: is_listening(ready), f"a listener on port {ready}")

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        return read_text(self.err_path)

    def stdout(self):
        return read_bytes(self.out_path)

    def wait_ready(self):
        inputs = max(1, self.args.count("--input-raw"))
        self.wait_for(lambda: self.stderr().count("listening on") >= inputs,
                      "refrain says for each input that it is listening")

    def wait_for(self, predicate, what, timeout=20.0):
        wait_until(lambda: predicate() or self.process.poll() is not None, what, timeout)
        if self.process.poll() is not None:
            raise Failure(f"refrain ended with status {self.process.returncode} at start: "
                          f"{self.stderr()}")

    def send(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=60.0, status=0, books=True):
        """Waits for its end, checks exit status and books. status None: any."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"refrain still runs after {timeout} s: {self.stderr()[-2000:]}") from None
        result = Result(code, self.stdout(), self.stderr())
        if "Sanitizer" in result.stderr or "runtime error:" in result.stderr:
            raise Failure(f"a sanitizer spoke: {result.stderr[-6000:]}")
        if status is not None and code != status:
            raise Failure(f"exit status {code} instead of {status}: {result.stderr[-2000:]}")
        if books:
            check(result.summary is not None, f"no summary: {result.stderr[-2000:]}")
            check_ledger(result.summary)
        return result

    def stop(self, number=signal.SIGINT, timeout=60.0, status=0):
        self.send(number)
        return self.wait(timeout, status)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Case:
    """One test: its folder and what must be undone."""

    def __init__(self, binary):
        self.binary = binary
        self.stack = contextlib.ExitStack()
        self.dir = tempfile.mkdtemp(prefix="refrain-e2e-")
        os.chmod(self.dir, 0o755)
        self.number = 0
        self.on_exit(shutil.rmtree, self.dir, True)

    def on_exit(self, function, *args):
        self.stack.callback(function, *args)

    def next_number(self):
        self.number += 1
        return self.number

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def refrain(self, *args, **kwargs):
        """Starts one and waits until it is ready."""
        return Refrain(self, args, **kwargs)

    def run(self, *args, timeout=60.0, status=0, books=True, **kwargs):
        """Runs one to its own end."""
        return Refrain(self, args, ready=False, **kwargs).wait(timeout, status, books)

    def refuse(self, *args, status, words, **kwargs):
        """A start that must fail: exit status, and one line on stderr with all these words."""
        result = self.run(*args, status=status, books=False, timeout=20, **kwargs)
        lines = [line for line in result.stderr.splitlines() if line]
        check(len(lines) == 1, f"not one line on stderr: {result.stderr}")
        for word in words:
            check(word in lines[0], f"no {word!r} in: {lines[0]}")
        return result

    def spawn(self, *command, prefix=(), **kwargs):
        process = subprocess.Popen([*prefix, *map(str, command)], stdin=subprocess.DEVNULL,
                                   **kwargs)

        def end():
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.on_exit(end)
        return process


def long_run(argv):
    """Is a test's long form asked for, by the word full or by REFRAIN_LONG?"""
    if "full" in argv[1:]:
        argv.remove("full")
        os.environ["REFRAIN_LONG"] = "1"
    return bool(os.environ.get("REFRAIN_LONG"))


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def sh(*command, timeout=30):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, timeout=timeout,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr}")
    return done.stdout


def run_case(binary, function):
    """"", or why it failed. Raises Skip."""
    case = Case(binary)
    problem = ""
    try:
        with case.stack:
            function(case)
    except Skip:
        raise
    except Failure as e:
        place = traceback.extract_tb(e.__traceback__)
        lines = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in place
                 if os.path.basename(f.filename) != "harness.py"]
        problem = f"{' '.join(lines)}: {e}"
    except Exception:  # pylint: disable=broad-except
        problem = traceback.format_exc()
    return problem


def private_copy():
    """The program where any user can run it: build folders may be closed to others."""
    binary = os.environ.get("REFRAIN_BIN", "")
    if not os.access(binary, os.X_OK):
        print("Bail out! REFRAIN_BIN names no program")
        sys.exit(1)
    folder = tempfile.mkdtemp(prefix="refrain-e2e-bin-")
    os.chmod(folder, 0o755)
    copy = os.path.join(folder, "refrain")
    shutil.copy(binary, copy)
    os.chmod(copy, 0o755)
    return folder, copy


def isolate():
    """Goes on in a network, a list of processes and a /run/netns of its own, where root may: nobody
    else's ports and packets are met, and nothing that a test started outlives it."""
    if os.geteuid() != 0 or "REFRAIN_ISOLATED" in os.environ:
        return
    # without a user "refrain", which a refrain that root starts would become
    script = """ip link set lo up && mkdir -p /run/netns && mount -t tmpfs none /run/netns || exit
        if grep -q ^refrain: /etc/passwd; then
            grep -v ^refrain: /etc/passwd >/run/netns/passwd
            mount --bind /run/netns/passwd /etc/passwd
        fi
        exec "$@" """
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
               "sh", "-c", script, "sh"]
    probe = subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, capture_output=True,
                           check=False)
    if probe.returncode == 0:
        os.execvpe(command[0], [*command, sys.executable, *sys.argv],
                   {**os.environ, "REFRAIN_ISOLATED": "1"})


def main(prepare=None):
    """prepare: called while the world outside can still be reached."""
    with contextlib.suppress(Skip):
        if prepare and "REFRAIN_ISOLATED" not in os.environ:
            prepare()
    isolate()
    wanted = [(s, f) for s, f in _tests if all(w in s for w in sys.argv[1:])]
    folder, binary = private_copy()
    failed = 0
    print(f"1..{len(wanted)}", flush=True)
    for n, (sentence, function) in enumerate(wanted, 1):
        start = time.monotonic()
        try:
            problem = run_case(binary, function)
        except Skip as e:
            print(f"ok {n} - {sentence} # SKIP {e}", flush=True)
            continue
        print(f"{'not ' if problem else ''}ok {n} - {sentence}")
        for line in problem.splitlines():
            print(f"# {line}")
        print(f"# {time.monotonic() - start:.1f} s", flush=True)
        failed += bool(problem)
    shutil.rmtree(folder, True)
    sys.exit(1 if failed else 0)
