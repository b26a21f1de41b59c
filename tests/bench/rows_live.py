# SPDX-License-Identifier: MIT
"""Rows about live capture: an nginx on loopback, a load of keep-alive GETs over 64 connections, and
refrain or libpcap with an empty callback listening, with the same filter and the same ring."""
import math
import os
import select
import signal
import statistics
import subprocess
import time

from measuring import cpu_of, fail, figure_line, ratio_line, read_text, summary_of

CONNECTIONS = 64
RING_MIB = 32
RATE = 40_000
SETTLE_S = 0.15  # the kernel hands the last block over within 10 ms
NOISE_MAX = 1.5  # of a latency's median, to itself; what differs more is not judged
ROUNDS_FOR_NOISE = 6  # of a latency, for each round of the others
RECORD_START = (b"1", b"2", b"3")


class Listener:
    """A process that says "listening on" when it captures."""

    def __init__(self, bench, command, cpus=None, **kwargs):
        self.path = bench.path("listener.err")
        started = time.monotonic()
        with open(self.path, "wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=err, **kwargs)
        bench.case.on_exit(self.kill)
        while "listening on" not in self.said():
            if self.process.poll() is not None or time.monotonic() > started + 20:
                fail(f"{' '.join(map(str, command))}: {self.said()}")
            time.sleep(0.0005)
        self.start_s = time.monotonic() - started
        if cpus:
            for thread in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setaffinity(int(thread), cpus)

    def said(self):
        return read_text(self.path)

    def cpu(self):
        return cpu_of(self.process.pid)

    def stop(self):
        """Its standard output."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            fail(f"a listener ended with status {self.process.returncode}: {self.said()}")
        return out

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def refrain(bench, *args):
    return [bench.refrain, "--input-raw", f"lo:{bench.nginx.port}", "--summary", "json", *args]


def start_refrain(bench, *args, **kwargs):
    return Listener(bench, refrain(bench, *args), stdout=subprocess.DEVNULL, **kwargs)


def filter_of(listener):
    return listener.said().partition("filter: ")[2].splitlines()[0].rstrip('"')  # msg="..."


def load_command(bench, requests, rate):
    return [bench.tool("load"), bench.nginx.port, CONNECTIONS, requests] + ([rate] if rate else [])


def load(bench, requests, rate=0, cpus=None):
    """(requests a second, p99 of the latency in us)."""
    words = subprocess.run(
        [str(w) for w in load_command(bench, requests, rate)], check=True, text=True,
        capture_output=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None).stdout.split()
    return int(words[0]) / float(words[1]), float(words[3])


def under_load(bench, listener, requests, rate=0):
    """(CPU seconds that the listener took, requests a second)."""
    before = listener.cpu()
    reached, _ = load(bench, requests, rate)
    time.sleep(SETTLE_S)
    return listener.cpu() - before, reached


def run_reader(bench, text, requests, rate=0, how="--live"):
    listener = Listener(bench, [bench.tool("null_reader"), how, "lo", text],
                        stdout=subprocess.PIPE, text=True)
    cpu, reached = under_load(bench, listener, requests, rate)
    packets, _ = map(int, listener.stop().split())
    if packets == 0:
        fail("the null reader saw no packets")
    return cpu, reached


def run_refrain(bench, requests, rate=0, args=("--output-null",)):
    """CPU seconds, requests a second, the summary's input, the filter."""
    listener = start_refrain(bench, *args)
    cpu, reached = under_load(bench, listener, requests, rate)
    text = filter_of(listener)
    listener.stop()
    summary = summary_of(listener.said())
    if not summary["balanced"]:
        fail("the books do not balance")
    return cpu, reached, summary["inputs"][0], text


def run_gor(bench, requests, rate=0):
    """gor says nothing when it is ready."""
    process = bench.case.spawn("gor", "--input-raw", f":{bench.nginx.port}", "--output-null",
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    before = cpu_of(process.pid)
    load(bench, requests, rate)
    time.sleep(SETTLE_S)
    cpu = cpu_of(process.pid) - before
    process.terminate()
    process.wait(20)
    return cpu


def per_request(pairs, requests):
    return [(a * 1e6 / requests, b * 1e6 / requests) for a, b in pairs]


def lost(counts):
    """What a summary says of losses, as words; "": nothing."""
    names = ("kernel_drops", "unseen_bytes", "hole_bytes", "requests_gap", "requests_open")
    return ", ".join(f"{counts[n]} {n}" for n in names if counts[n])


def live_rate(bench):
    requests = bench.count(3 * RATE)
    text = run_refrain(bench, 1000)[3]
    pairs = []
    for _ in bench.rounds():
        theirs, _ = run_reader(bench, text, requests, RATE)
        ours, _, counts, _ = run_refrain(bench, requests, RATE)
        pairs.append((ours, theirs))
        bench.note_loss(lost(counts))
    return [ratio_line("live-40k", f"live on lo, {RATE:,} requests/s, to null",
                       per_request(pairs, requests), "us/request", 2.5)]


def live_full(bench):
    requests = bench.count(300_000)
    text = run_refrain(bench, 1000)[3]
    costs, once, rates, recorded, gors = [], [], [], [], []
    for _ in bench.rounds():
        theirs, their_rate = run_reader(bench, text, requests)
        served = bench.nginx.served()
        ours, rate, counts, _ = run_refrain(bench, requests)
        served = bench.nginx.served(requests) - served
        costs.append((ours, theirs))
        once.append((ours, run_reader(bench, text, requests, how="--once")[0]))
        rates.append((rate, their_rate))
        recorded.append((counts["requests_complete"], served))
        bench.note_loss(lost(counts))
        if bench.gor:
            gors.append((run_gor(bench, requests), theirs))
    lines = [
        ratio_line("live-full", "live at the full rate of nginx, to null",
                   per_request(costs, requests), "us/request", 2.5),
        ratio_line("live-once", "the same, to a reader of received packets alone",
                   per_request(once, requests), "us/request"),
        ratio_line("live-throughput", "the load's requests a second meanwhile", rates, "requests/s",
                   0.97, at_least=True),
        ratio_line("live-recorded", "requests recorded, of those in nginx's log", recorded,
                   "requests", 1.0, at_least=True)]
    if gors:
        lines.append(ratio_line("live-gor", "gor instead of refrain", per_request(gors, requests),
                                "us/request"))
    return lines


def live_file(bench):
    requests, out = bench.count(300_000), bench.path("live.gor")
    text = run_refrain(bench, 1000)[3]
    pairs = []
    for _ in bench.rounds():
        theirs, _ = run_reader(bench, text, requests)
        ours, _, counts, _ = run_refrain(
            bench, requests, 0, ("--output-file", out, "--output-file-append",
                                 "--output-file-fsync", "never"))
        size = os.path.getsize(out)
        os.unlink(out)
        theirs += bench.measure([bench.tool("write_loop"), out, size])[0]
        os.unlink(out)
        bench.note_loss(lost(counts))
        pairs.append((ours, theirs))
    return [ratio_line("live-file", "live at the full rate, to a .gor file",
                       per_request(pairs, requests), "us/request", 2.5)]


def read_records(fd, loader):
    """(time, bytes) of everything that comes from fd until the load has ended for a moment."""
    chunks, end = [], None
    while end is None or time.monotonic() < end:
        if select.select([fd], [], [], 0.05)[0]:
            data = os.read(fd, 1 << 20)
            chunks.append((time.time_ns(), data))
        if end is None and loader.poll() is not None:
            end = time.monotonic() + 0.3
    return chunks


def delays_us(chunks):
    """From the time in each record's header, which is when its last byte was captured, to when the
    end of the record was read."""
    data = b"".join(c for _, c in chunks)
    ends, total = [], 0
    for when, chunk in chunks:
        total += len(chunk)
        ends.append((total, when))
    found, at, i = [], 0, 0
    while at < len(data):
        line = data.index(b"\n", at)
        words = data[at:line].split()
        if words[0] not in RECORD_START:
            fail(f"not a record: {data[at:line][:100]}")
        at = data.index(b"\n", line + 1 + int(words[4]) + 1) + 1
        while ends[i][0] < at:
            i += 1
        found.append((ends[i][1] - int(words[2])) / 1e3)
    return found


def delay_once(bench, requests, rate, args):
    listener = Listener(bench, refrain(bench, "--output-stdout", *args), stdout=subprocess.PIPE)
    loader = bench.case.spawn(*load_command(bench, requests, rate), stdout=subprocess.DEVNULL)
    chunks = read_records(listener.process.stdout.fileno(), loader)
    listener.stop()
    found = sorted(delays_us(chunks))
    if len(found) != requests:
        fail(f"{len(found)} of {requests} requests came out")
    return found[len(found) * 99 // 100] / 1e3


def delay(bench):
    requests, rate = bench.count(2000), 500
    default, immediate = [], []
    for _ in bench.rounds():
        default.append(delay_once(bench, requests, rate, ()))
        immediate.append(delay_once(bench, requests, rate, ("--input-raw-buffer-timeout", "0")))
    return [figure_line("delay", "last byte on the wire to the output, p99", default, "ms", 12),
            figure_line("delay-0", "the same, --input-raw-buffer-timeout 0", immediate, "ms", 1)]


def rss_mib(pid):
    for line in read_text(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0


def idle(bench):
    seconds = 0.5 if bench.quick else 3
    used, rss = [], []
    for _ in bench.rounds():
        listener = start_refrain(bench, "--output-null")
        time.sleep(0.5)
        before, since = listener.cpu(), time.monotonic()
        time.sleep(seconds)
        used.append((listener.cpu() - before) / (time.monotonic() - since) * 100)
        rss.append(rss_mib(listener.process.pid) - RING_MIB)
        listener.stop()
    return [figure_line("idle-cpu", "nothing to capture", used, "% of a core", 0.1),
            figure_line("idle-memory", f"RSS beside the ring of {RING_MIB} MiB", rss, "MiB", 16)]


def start(bench):
    times = []
    for _ in range(3 * bench.runs):
        listener = start_refrain(bench, "--output-null")
        times.append(listener.start_s * 1e3)
        listener.stop()
    return [figure_line("start", "from exec to capturing", times, "ms", 50)]


def spread_of_median(pairs):
    """By what factor the median of such ratios can be off by chance: twice its standard error, from
    the median deviation of their logarithms, which a few disturbed rounds do not change."""
    logs = [math.log(a / b) for a, b in pairs]
    middle = statistics.median(logs)
    deviation = 1.4826 * statistics.median(abs(x - middle) for x in logs)
    return math.exp(2 * 1.2533 * deviation / math.sqrt(len(logs)))


def footprint(bench):
    """nginx on the first CPU, the load on the others; refrain there too, or beside nginx. Many short
    rounds: what else goes on disturbs a few of them, and not their median."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        bench.say("footprint: needs two CPUs")
        return []
    first, others, rate = {cpus[0]}, set(cpus[1:]), 5000
    requests = bench.count(rate // 2)

    def p99(where):
        listener = start_refrain(bench, "--output-null", cpus=where) if where else None
        found = load(bench, requests, rate, others)[1]
        if listener:
            listener.stop()
        return found

    os.sched_setaffinity(bench.nginx.process.pid, first)
    apart, together, noise = [], [], []
    for _ in range(ROUNDS_FOR_NOISE * bench.runs):
        alone = p99(None)
        apart.append((p99(others), alone))
        again = p99(None)
        together.append((p99(first), again))
        noise.append((again, alone))
    os.sched_setaffinity(bench.nginx.process.pid, set(cpus))
    what = f"nginx's p99 at {rate:,}/s"
    limit = max(1.05, spread_of_median(noise))
    if limit > NOISE_MAX:
        bench.say("footprint: too much else is going on to judge by")
    return [ratio_line("footprint-none", f"{what}: without, to without", noise, "us"),
            ratio_line("footprint-apart", f"{what}: refrain on another core, to without", apart,
                       "us", round(limit, 2) if limit <= NOISE_MAX else None),
            ratio_line("footprint-same", f"{what}: refrain on nginx's core, to without", together,
                       "us")]


def max_cpu(bench):
    """Less than refrain wants, and more than it takes to leave everything out."""
    limit, settle, seconds = 1.5, (1 if bench.quick else 5), (1 if bench.quick else 4)
    used, shares = [], []
    for _ in bench.rounds():
        listener = start_refrain(bench, "--output-null", "--max-cpu", f"{limit}%")
        loader = bench.case.spawn(*load_command(bench, RATE * (settle + seconds + 1), RATE),
                                  stdout=subprocess.DEVNULL)
        time.sleep(settle)
        before, since = listener.cpu(), time.monotonic()
        time.sleep(seconds)
        used.append((listener.cpu() - before) / (time.monotonic() - since) * 100)
        loader.wait(60)
        listener.stop()
        counts = summary_of(listener.said())["inputs"][0]
        shares.append(counts["segments_shed"] / max(counts["packets"], 1) * 100)
    return [figure_line("max-cpu", f"CPU used under --max-cpu {limit}% at {RATE:,} requests/s", used,
                        "% of a core", limit * 1.1),
            figure_line("max-cpu-shed", "packets left out meanwhile", shares, "%")]


ROWS = [live_rate, live_full, live_file, delay, idle, start, max_cpu, footprint]
