#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--report: its figures against what the target saw, and its page in a real browser."""
import collections
import json
import os
import shutil
import signal
import stat

import gor
from browser import look, screenshot
from harness import check, equal, free_port, main, read_bytes, test, within
from servers import Target

START = 1_700_000_000_000_000_000
HOSTILE = "/</script><img src=x onerror=parent.hit++>/7"
HOSTILE_ROUTE = "/</script><img%20src=x%20onerror=parent.hit++>/{n}"


def recording(case, payloads, step_ns=2_000_000, conns=20):
    return case.write(f"in-{case.next_number()}.gor", b"".join(
        gor.make(p, START + k * step_ns, id_=f"{k % conns:08x}{k:016x}")
        for k, p in enumerate(payloads)))


def answer(raw):
    path = raw.split()[1]
    status = {b"missing": b"404 Not Found", b"broken": b"503 Unavailable",
              b"hang": b""}.get(path.split(b"/")[1], b"200 OK")
    return status and b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok" % status


def report_of(path):
    return json.loads(read_bytes(path))


def replayed(report, n=0):
    return [o for o in report["outputs"] if "series" in o][n]


KINDS = [("/users/%d", 60), ("/users/%d/orders/%d?page=1", 60), ("/missing/%d.html", 30),
         ("/broken/%d", 20), ("/hang/%d", 10)]


def mixed(times=1):
    """Requests of all kinds, spread evenly."""
    found = []
    for path, n in KINDS:
        found += [(k / n, path.replace("%d", str(k))) for k in range(n * times)]
    return [gor.request(path) for _, path in sorted(found)]


@test("the figures of --report are those that the target saw")
def figures(case):
    target = Target(case, answer=answer, delay=0.02)
    path = case.path("report.json")
    payloads = mixed()
    # each on a connection of its own: a request that hangs holds up no other
    case.run("--input-file", recording(case, payloads, conns=len(payloads)), "--output-http",
             f"http://127.0.0.1:{target.port}", "--output-http-timeout", "600ms", "--report", path)
    equal(len(target.arrivals), 180, "arrivals")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode")
    equal(os.path.exists(path + ".part"), False, "a part is left")
    report = report_of(path)
    equal((report["run"]["exit_status"], report["balanced"]), (0, True), "status, balanced")
    out = replayed(report)
    equal(out["statuses"], {"200": 120, "404": 30, "503": 20}, "statuses")
    equal([(e["class"], e["count"]) for e in out["errors"]], [("http_timeout", 10)], "errors")
    equal((out["delivered"], out["failed"]), (170, 10), "delivered, failed")
    routes = {r["path"]: r for r in out["routes"]}
    wanted = {"/users/{n}": (60, 0, "2xx"), "/users/{n}/orders/{n}": (60, 0, "2xx"),
              "/missing/{n}.html": (30, 0, "4xx"), "/broken/{n}": (20, 0, "5xx"),
              "/hang/{n}": (10, 10, None)}
    equal({p: (r["requests"], r["failed"]) for p, r in routes.items()},
          {p: w[:2] for p, w in wanted.items()}, "routes")
    for p, (n, _, kind) in wanted.items():
        for k in ("1xx", "2xx", "3xx", "4xx", "5xx"):
            equal(routes[p][k], n if k == kind else 0, f"{k} of {p}")
    series = out["series"]
    sums = {k: sum(series[k]) for k in ("wanted", "sent", "answered", "failed", "status_4xx",
                                        "status_5xx")}
    equal(sums, {"wanted": 180, "sent": 180, "answered": 170, "failed": 10, "status_4xx": 30,
                 "status_5xx": 20}, "sums of the series")
    equal({len(v) for v in series.values() if isinstance(v, list)}, {len(series["wanted"])},
          "slots")
    # what was wanted in each slot is what the recording has there
    slots = collections.Counter(k * 2 // 100 for k in range(180))
    equal(series["wanted"][:4], [slots[k] for k in range(4)], "wanted over time")
    arrived = collections.Counter(int((a.time - target.arrivals[0].time) * 10)
                                  for a in target.arrivals)
    for k in range(3):
        within(series["sent"][k], arrived[k] - 15, arrived[k] + 15, f"sent in slot {k}")
    within(out["latency_p50_s"], 0.02, 0.2, "latency")
    within(routes["/users/{n}"]["latency_p50_s"], 0.02, 0.2, "latency of a route")
    check(all(m is None or m >= 0.02 for m in series["latency_mean_s"]), "mean latency over time")
    shares = [s for s, _ in out["latency_curve"]]
    times = [t for _, t in out["latency_curve"]]
    equal((shares[0], shares[-1]), (0, 1), "ends of the curve")
    equal((shares, times), (sorted(shares), sorted(times)), "the curve")
    within(report["run"]["duration_s"], 0.9, 20, "duration")


@test("what is due earlier than it can be sent shows as wanted, not as sent")
def overload(case):
    target = Target(case, delay=0.05)
    path = case.path("report.json")
    case.run("--input-file", recording(case, [gor.request(f"/{k}") for k in range(200)],
                                       step_ns=1_000_000),
             "--output-http", f"http://127.0.0.1:{target.port}", "--output-http-max-connections", "10",
             "--report", path)
    series = replayed(report_of(path))["series"]
    equal(series["wanted"][:3], [100, 100, 0], "wanted")
    # 10 connections, each 20 a second
    within(sum(series["sent"][:2]), 20, 60, "sent in the first 200 ms")
    equal(sum(series["sent"]), 200, "sent in all")


@test("a report is written whatever the end is like, and says why")
def ends(case):
    target = Target(case, answer=answer)
    file = recording(case, mixed(), conns=180)
    url = f"http://127.0.0.1:{target.port}"
    path = case.path("report.json")
    case.run("--input-file", file, "--output-http", url, "--output-http-timeout", "300ms",
             "--report", path, "--fail-on", "errors>1%", "--fail-on", "max>10s", status=5)
    report = report_of(path)
    equal([(a["assertion"], a["holds"], a.get("count"), a.get("of")) for a in report["assertions"]],
          [("errors>1%", False, 30, 180), ("max>10s", True, None, None)], "assertions")
    within(report["assertions"][1]["value_s"], 0, 5, "the longest")
    equal(report["run"]["exit_status"], 5, "exit status")
    case.run("--input-file", file, "--output-http", f"http://127.0.0.1:{free_port()}", "--report",
             path, "--max-loss", "1%", status=4)
    report = report_of(path)
    equal((report["run"]["exit_status"], replayed(report)["http_refused"]), (4, 180), "refused")
    equal(replayed(report)["statuses"], {}, "statuses")
    process = case.refrain("--input-file", file, "--input-file-loop", "--output-http", url,
                           "--report", path, "--output-http-timeout", "300ms", ready=False)
    target.wait_arrivals(400)
    process.stop(signal.SIGTERM)
    equal(report_of(path)["run"]["exit_status"], 0, "exit status of one that was stopped")


@test("a report that cannot be written is known before anything is sent")
def refused(case):
    target = Target(case)
    file = recording(case, [gor.request("/")])
    url = f"http://127.0.0.1:{target.port}"
    case.refuse("--input-file", file, "--output-http", url, "--report", case.path("report.txt"),
                status=2, words=["report.txt", ".json or .html"])
    case.refuse("--input-file", file, "--output-http", url, "--report", case.path("none/r.html"),
                status=1, words=["--report", "none/r.html", "No such file"])
    case.refuse("--input-file", file, "--output-http", url, "--report", "r.html", "--report",
                "r.html", status=2, words=["twice"])
    case.refuse("--input-file", case.path("none.gor"), "--output-http", url, "--report",
                case.path("r.html"), status=2, words=["none.gor"])
    equal([n for n in os.listdir(case.dir) if n.startswith("r.html")], [], "files")
    equal(len(target.arrivals), 0, "arrivals")


@test("a report that cannot be written at the end is an error")
def unwritable(case):
    target = Target(case)
    folder = case.path("folder")
    os.mkdir(folder)
    process = case.refrain("--input-file", recording(case, [gor.request("/")] * 100, 10_000_000),
                           "--output-http", f"http://127.0.0.1:{target.port}", "--report",
                           f"{folder}/r.html", "--report", case.path("r.json"), ready=False)
    target.wait_arrivals(5)
    shutil.rmtree(folder)
    result = process.wait(status=1)
    check("r.html: cannot be written: No such file" in result.stderr, result.stderr)
    equal(replayed(report_of(case.path("r.json")))["delivered"], 100, "in the other one")


@test("secrets of the command line are not in the report")
def secrets(case):
    target = Target(case)
    path = case.path("r.html")
    case.run("--input-file", recording(case, [gor.request("/")]), "--output-http",
             f"http://planted:planted@127.0.0.1:{target.port}", "--http-set-header",
             "Authorization: Bearer planted", "--report", path, "--report", case.path("r.json"))
    for name in (path, case.path("r.json")):
        data = read_bytes(name)
        check(b"planted" not in data, f"a secret is in {name}")
        check(b"http://***@127.0.0.1" in data, "the target is not in the command")


LOOK_AT = """(page, window) => {
    const text = id => page.querySelector(id) && page.querySelector(id).textContent;
    const rows = id => [...page.querySelectorAll(id + ' tbody tr')].map(
        tr => [...tr.children].map(td => td.textContent));
    const before = rows('#routes');
    page.querySelector('#routes th button').click();
    const after = rows('#routes').map(r => r[0]);
    const chart = page.querySelector('svg').getBoundingClientRect();
    page.querySelector('svg').dispatchEvent(new window.PointerEvent('pointermove',
        {clientX: chart.left + chart.width / 2, bubbles: true}));
    return {title: page.title, verdict: text('#verdict'), assertions: rows('#assertions'),
        statuses: rows('#statuses'), errors: rows('#errors'), routes: before, sorted: after,
        charts: page.querySelectorAll('svg').length, paths: [...page.querySelectorAll('svg path')]
            .every(p => /^M[-0-9.]+ [-0-9.]+L/.test(p.getAttribute('d'))),
        numbers: !/NaN|undefined|Infinity|\\[object/.test(page.getElementById('page').innerHTML),
        legend: text('.legend b'), images: page.querySelectorAll('img').length,
        hit: window.parent.hit, command: text('#command'), width: page.documentElement.scrollWidth,
        room: page.documentElement.clientWidth};
}"""


def page_of(case, status=5):
    target = Target(case, answer=answer, delay=0.01)
    path = case.path("report.html")
    payloads = mixed() + [gor.request(HOSTILE)] * 2
    case.run("--input-file", recording(case, payloads, conns=len(payloads)), "--output-http",
             f"http://127.0.0.1:{target.port}", "--output-http-timeout", "400ms", "--report", path,
             "--fail-on", "errors>1%", "--fail-on", "max>10s", status=status)
    return path


@test("the page shows the figures in a browser, without an error, and foreign bytes as text")
def page(case):
    path = page_of(case)
    found = look(case, path, LOOK_AT)
    equal(found["title"], "refrain: Failed: 1 --fail-on condition came true", "title")
    check("172 of 182 requests answered" in found["verdict"] and "20 answers with a server error"
          in found["verdict"], found["verdict"])
    equal([r[0] for r in found["assertions"]], ["errors>1%", "max>10s"], "assertions")
    equal([r[-1] for r in found["assertions"]], ["✗ came true", "✓ clear"], "their results")
    equal([(r[0].split()[0], r[2]) for r in found["statuses"]],
          [("200", "122"), ("404", "30"), ("503", "20")], "statuses")
    equal([(r[0], r[2]) for r in found["errors"]], [("no answer in time", "10")], "errors")
    equal((found["routes"][0][0][:11], found["routes"][0][1]), ("GET /users/", "60"), "first route")
    check(["GET " + HOSTILE_ROUTE, "2"] in [r[:2] for r in found["routes"]],
          f"the hostile target is not among {found['routes']}")
    paths = [text.split(" ", 1)[1] for text in found["sorted"]]
    equal(paths, ["/</script>" + paths[0][10:], "/broken/{n}", "/hang/{n}", "/missing/{n}.html",
                  "/users/{n}", "/users/{n}/orders/{n}"], "sorted")
    equal((found["charts"], found["paths"], found["numbers"]), (4, True, True), "charts")
    check(found["legend"].startswith("at "), f"legend: {found['legend']}")
    equal((found["images"], found["hit"]), (0, 0), "images, scripts of strangers")
    check("--fail-on 'errors>1%'" in found["command"], found["command"])
    data = read_bytes(path)
    for mark in (b"src=", b"href=", b"url(", b"@import", b"fetch("):
        allowed = 1 if mark == b"href=" else 0
        in_data = data.split(b'id="data">')[1].split(b"</script>")[0].count(mark)
        equal(data.count(mark) - in_data, allowed, f"{mark} in the page")


LOOK_AT_COMPARISON = """page => {
    const rows = table => [...table.querySelectorAll('tbody tr')].map(
        tr => [...tr.children].map(td => td.textContent));
    return {tiles: [...page.querySelectorAll('#comparison b')].map(b => b.textContent),
        matrix: rows(page.querySelector('#matrix')),
        latencies: rows(page.querySelector('#latencies')),
        differences: [...page.querySelectorAll('h3')]
            .filter(h => h.textContent === 'Where answers differ')
            .flatMap(h => rows(h.parentNode)), text: page.getElementById('page').textContent,
        images: page.querySelectorAll('img').length, width: page.documentElement.scrollWidth,
        room: page.documentElement.clientWidth};
}"""


@test("the page shows how answers differ from the recorded ones")
def comparison(case):
    def body(text, status=b"200 OK"):
        return (b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (status, len(text), text))

    def replies(raw):
        k = int(raw.split()[1][3:])
        if k % 10 == 0:
            return body(b'{"price": "<img src=x onerror=parent.hit++>"}')
        return body(b"{}", b"503 Unavailable") if k % 10 == 1 else body(b'{"price": %d}' % k)
    target = Target(case, answer=replies, delay=0.01)
    data = []
    for k in range(100):
        id_ = f"{k % 20:08x}{k:016x}"
        data.append(gor.make(gor.request(f"/p/{k}"), START + k * 2_000_000, id_=id_))
        data.append(gor.make(body(b'{"price": %d}' % k), START + k * 2_000_000 + 1_000_000, kind=2,
                             id_=id_, latency=1_000_000))
    path = case.path("r.html")
    case.run("--input-file", case.write("in.gor", b"".join(data)), "--output-http",
             f"http://127.0.0.1:{target.port}", "--compare", "--report", path, "--report",
             case.path("r.json"), "--fail-on", "status-changes>5%", "--fail-on", "p99>10s",
             status=5)
    found = report_of(case.path("r.json"))
    equal([found["comparison"][k] for k in ("pairs", "equal", "different", "status_changes")],
          [100, 80, 20, 10], "the comparison")
    equal([(a["holds"], a.get("count"), a.get("of")) for a in found["assertions"]],
          [(False, 10, 100), (True, None, None)], "assertions about two outputs")
    for width in (1280, 390):
        page_ = look(case, path, LOOK_AT_COMPARISON, width)
        equal(page_["tiles"], ["100", "80", "20", "10"], "tiles")
        equal(page_["matrix"], [["200", "90", "10"]], "status codes")
        equal([row[1] for row in page_["latencies"]], ["1 ms"] * 6, "recorded latency")
        check("20 answers unlike the recorded one" in page_["text"], "the verdict")
        check(any(row[0] == "status" and row[2] == "10" for row in page_["differences"]) and
              any("price" in row[0] and "<img src=x" in row[4] for row in page_["differences"]),
              f"differences: {page_['differences']}")
        equal((page_["images"], page_["width"]), (0, page_["room"]), "images, width of the page")


@test("the page fits a telephone, and a page of a run that sent nothing is a page, too")
def narrow(case):
    path = page_of(case)
    found = look(case, path, LOOK_AT, width=390)
    within(found["room"], 360, 390, "width of the window")
    equal(found["width"], found["room"], "width of the page")
    out = case.path("phone.png")
    screenshot(case, path, out, "390,800")
    check(os.path.getsize(out) > 10_000, "no picture")
    empty = case.path("empty.html")
    case.run("--input-file", recording(case, []), "--output-http",
             f"http://127.0.0.1:{free_port()}", "--output-null", "--report", empty)
    found = look(case, empty, "page => ({verdict: page.querySelector('#verdict').textContent,"
                 "text: page.getElementById('page').textContent})")
    check("There was nothing to replay" in found["verdict"], found["verdict"])
    check("Nothing was sent." in found["text"] and "NaN" not in found["text"], found["text"])
    other = case.path("other.html")
    case.run("--input-file", recording(case, [gor.request("/")]), "--output-null", "--report",
             other)
    found = look(case, other, "page => page.querySelector('#verdict').textContent")
    check("Every message was delivered" in found, found)


if __name__ == "__main__":
    main()
