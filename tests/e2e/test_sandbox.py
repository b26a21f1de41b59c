#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What refrain gives up once everything is open: from /proc, and from what still works."""
import glob
import json
import os
import pwd
import shutil
import socket
import subprocess

import pki
from harness import Skip, check, equal, main, need, need_root, read_text, sh, test, wait_until

NOBODY = pwd.getpwnam("nobody")
NET_RAW, DAC_OVERRIDE = 1 << 13, 1 << 1
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def statuses(pid):
    """{field: value} of each of its threads."""
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        text = read_text(path)
        if text:
            yield dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def check_rights(pid, uid, gid, caps=0):
    """Of every thread, once an input and an output have theirs."""
    wait_until(lambda: len(list(statuses(pid))) >= 3, "threads")
    for status in statuses(pid):
        equal(status["Uid"].split(), [str(uid)] * 4, "users")
        equal(status["Gid"].split(), [str(gid)] * 4, "groups")
        for name in SETS:
            equal(int(status[name], 16), caps if name in ("CapPrm", "CapEff") else 0, name)
        equal(status["NoNewPrivs"], "1", "no_new_privs")
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        limit = next(line for line in f if line.startswith("Max core file size"))
    equal(limit.split()[4:6], ["0", "0"], "limits of core dumps")


def own_folder(case, name):
    """One that belongs to nobody."""
    path = case.path(name)
    os.mkdir(path, 0o700)
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    return path


def make_user_refrain(case):
    """In this test's own view of /etc (harness.isolate())."""
    text = read_text("/etc/passwd")
    check("\nrefrain:" not in text, "there is a user refrain already")
    entry = f"refrain:x:{NOBODY.pw_uid}:{NOBODY.pw_gid}::/nonexistent:/bin/false\n"
    passwd = case.write("passwd", text + entry)
    os.chmod(passwd, 0o644)
    sh("mount", "--bind", passwd, "/etc/passwd")
    case.on_exit(sh, "umount", "/etc/passwd")


@test("started as root it becomes the user refrain in every thread, and goes on writing and listening")
def becomes_refrain(case):
    need_root()
    make_user_refrain(case)
    folder = own_folder(case, "out")
    refrain = case.refrain("--input-raw", ":8090", "--input-dummy", "x|20", "--control",
                           case.path("sock"), "--output-file", folder + "/x.gor.gz")
    check_rights(refrain.pid, NOBODY.pw_uid, NOBODY.pw_gid)
    equal([int(s["Groups"]) for s in statuses(refrain.pid)][0], NOBODY.pw_gid, "groups besides")
    for n in range(1, 3):
        refrain.wait_for(lambda n=n: len(os.listdir(folder)) >= n, "a file")
        sh(case.binary, "ctl", "--control", case.path("sock"), "rotate")
    refrain.wait_for(lambda: len(os.listdir(folder)) >= 3, "files after a rotation")
    for name in os.listdir(folder):
        st = os.stat(os.path.join(folder, name))
        equal((st.st_uid, st.st_mode & 0o777), (NOBODY.pw_uid, 0o600), f"owner and mode of {name}")
    refrain.stop()


def check_closed(pid):
    """Every thread has the filter."""
    for status in statuses(pid):
        equal((status["Seccomp"], int(status["Seccomp_filters"]) >= 1), ("2", True), "seccomp")


def told(case, path):
    """What refrain ctl status says about the sandbox."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(path)
        s.sendall(b"1 status\n")
        return json.loads(s.makefile().readline())["sandbox"]


@test("inside, no thread is without the filter, and what refrain ctl says is how it is")
def closed(case):
    need_root()
    refrain = case.refrain("--input-raw", ":8090", "--input-dummy", "x", "--control",
                           case.path("sock"), "--output-file", case.path("x.gor.zst"),
                           "--output-http", "http://127.0.0.1:9", "--output-http-workers", "2")
    refrain.wait_for(lambda: len(list(statuses(refrain.pid))) >= 5, "threads")
    check_closed(refrain.pid)
    equal(told(case, case.path("sock")), "closed", "the sandbox")
    refrain.stop()
    refrain = case.refrain("--no-sandbox", "--input-raw", ":8090", "--output-null", "--control",
                           case.path("sock"))
    equal(told(case, case.path("sock")), "open: --no-sandbox", "the sandbox")
    equal({s["Seccomp"] for s in statuses(refrain.pid)}, {"0"}, "filters")
    refrain.stop()


@test("date folders that are still to come, indexes, state, reports, stop file and a command work inside")
def files_inside(case):
    need_root()
    folder = own_folder(case, "out")
    stop = os.path.join(folder, "stop")
    refrain = case.refrain(
        "--user", "nobody", "--input-dummy", "x", "--input-raw", ":8090", "--output-file",
        folder + "/%Y/%S/x%S.gor.gz", "--output-file-on-close", f"mv {{}} {case.path('done')}/",
        "--state", folder + "/state", "--stop-file", stop, "--report", folder + "/r.html",
        "--control", folder + "/sock", "--output-null")
    os.mkdir(case.path("done"))
    os.chmod(case.path("done"), 0o777)
    refrain.wait_for(lambda: len(os.listdir(case.path("done"))) >= 2, "closed files, moved away")
    with open(stop, "w", encoding="ascii"):
        pass
    ctl = [case.binary, "ctl", "--control", folder + "/sock", "status"]
    refrain.wait_for(lambda: "paused" in sh(*ctl), "a pause")
    os.unlink(stop)
    refrain.wait_for(lambda: "paused" not in sh(*ctl), "the end of the pause")
    refrain.stop()
    for name in ("state", "r.html"):
        st = os.stat(os.path.join(folder, name))
        equal((st.st_uid, st.st_mode & 0o777), (NOBODY.pw_uid, 0o600), f"owner and mode of {name}")
    check(not os.path.exists(folder + "/sock"), "the control socket is still there")


@test("what the user could not use later is refused at the start: recordings, keys, the stop file")
def not_readable(case):
    need_root()
    os.mkdir(case.path("closed"), 0o700)
    case.run("--input-dummy", "x", "--output-file", case.path("closed/a.gor"), "--exit-after", "1s")
    recording = case.path("closed/a_0.gor")
    authority = pki.Authority(case)
    os.chmod(authority.cert, 0o600)
    for args in (("--input-file", recording, "--output-null"),
                 ("--input-dummy", "x", "--output-null", "--stop-file", case.path("closed/stop")),
                 ("--input-dummy", "x", "--output-null", "--state", case.path("closed/state")),
                 ("--input-dummy", "x", "--output-file", case.path("closed/%r.gor")),
                 ("--input-dummy", "x", "--output-file", case.path("new/%r.gor")),
                 ("--input-dummy", "x", "--output-http", "https://localhost:9",
                  "--output-http-ca-cert", authority.cert)):
        case.refuse("--user", "nobody", *args, status=1, words=["Permission denied", "--user root"])
    case.run("--user", "root", "--input-file", recording, "--output-null")


@test("a reload adds what was told at the start, and refuses what the sandbox has closed, with a reason")
def reload_inside(case):
    need_root()
    folder = own_folder(case, "out")
    os.mkdir(case.path("other"))
    os.chmod(case.path("other"), 0o777)
    sock = folder + "/sock"
    base = f"input-dummy = x\noutput-file = {folder}/a.gor\noutput-http = http://127.0.0.1:9\n"
    config = case.write("refrain.conf", base)
    os.chmod(config, 0o644)
    refrain = case.refrain("--user", "nobody", "--config", config, "--control", sock, ready=False)
    refrain.wait_for(lambda: os.path.exists(sock), "the control socket")

    def reload(line, status):
        case.write("refrain.conf", base + line)
        done = subprocess.run([case.binary, "ctl", "--control", sock, "reload"], check=False,
                              capture_output=True, text=True, timeout=30)
        equal(done.returncode, status, f"status of a reload with {line}: {done.stderr}")
        return done.stderr

    for line, words in ((f"output-file = {case.path('other')}/b.gor\n", "may not write there"),
                        ("output-tcp = 127.0.0.1:10\n", "may not connect to port 10")):
        said = reload(line, 1)
        check(words in said and "sandbox" in said and "restart" in said, f"said: {said}")
    reload(f"output-file = {folder}/sub/b.gor\noutput-http = http://127.0.0.2:9\n", 0)
    refrain.wait_for(lambda: os.path.exists(folder + "/sub"), "the new output's file")
    refrain.stop()
    equal(os.listdir(case.path("other")), [], "what was written elsewhere")


@test("a configuration that the user cannot read again is worth a word at the start")
def config_unreadable(case):
    need_root()
    config = case.write("closed.conf", "input-dummy = x\noutput-null\nexit-after = 300ms\n")
    os.chmod(config, 0o600)
    said = case.run("--user", "nobody", "--config", config).stderr
    check("closed.conf cannot be read again by the user nobody" in said, f"said: {said}")
    os.chmod(config, 0o644)
    said = case.run("--user", "nobody", "--config", config).stderr
    check("read again" not in said, f"said: {said}")


@test("all that is written is for its owner alone, whatever the umask, and no symbolic link is followed")
def private_files(case):
    folder = case.path("private")
    os.mkdir(folder)
    victim = case.write("victim", "precious")
    os.mkdir(case.path("elsewhere"))

    def planted(name, target=victim):
        path = os.path.join(folder, name)
        os.symlink(target, path)
        return path
    dummy = ("--input-dummy", "x", "--exit-after", "300ms")
    case.refuse(*dummy, "--output-file", planted("a.gor"), "--output-file-append", status=1,
                words=["a.gor", "symbolic link"])
    os.mkdir(os.path.join(folder, "spool"))
    planted("spool/127.0.0.1_9-0", case.path("elsewhere"))
    case.refuse(*dummy, "--output-tcp", "127.0.0.1:9", "--output-tcp-spool",
                os.path.join(folder, "spool"), status=1, words=["--output-tcp-spool"])
    case.refuse(*dummy, "--output-null", "--control", planted("sock-link"), status=2,
                words=["sock-link"])
    case.refuse(*dummy, "--output-null", "--state", planted("state-link"), status=1,
                words=["state-link"])
    planted("state.new")
    case.run(*dummy, "--output-null", "--state", os.path.join(folder, "state"))
    planted("r.json.part")
    case.run(*dummy, "--output-null", "--report", os.path.join(folder, "r.json"))
    equal(read_text(victim), "precious", "what the links led to")
    equal(os.listdir(case.path("elsewhere")), [], "files behind a link")

    shutil.rmtree(folder)
    refrain = case.refrain(
        "--input-dummy", "x", "--output-file", folder + "/%Y/b.gor.gz", "--state",
        case.path("state"), "--report", case.path("r.html"), "--control", case.path("sock"),
        "--output-tcp", "127.0.0.1:9", "--output-tcp-spool", folder + "/spool", ready=False,
        prefix=["sh", "-c", 'umask 0 && exec "$@"', "sh"])
    refrain.wait_for(lambda: glob.glob(folder + "/spool/*/*") and glob.glob(folder + "/*/b*"),
                     "files")
    equal(os.stat(case.path("sock")).st_mode & 0o777, 0o600, "mode of the control socket")
    refrain.stop(status=None)
    found = [case.path("state"), case.path("r.html")]
    for top, folders, files in os.walk(folder):
        equal(os.stat(top).st_mode & 0o777, 0o700, f"mode of {top}")
        found += [os.path.join(top, name) for name in files]
        check(folders or files, f"nothing in {top}")
    for path in found:
        equal(os.stat(path).st_mode & 0o777, 0o600, f"mode of {path}")


@test("no password is in the list of processes, in the log, or in an error")
def no_password(case):
    refrain = case.refrain("--input-dummy", "x", "--output-http", "http://me:sesame@127.0.0.1:9/",
                           "--http-set-header", "Authorization: Bearer sesame", ready=False)

    def cmdline():
        with open(f"/proc/{refrain.pid}/cmdline", "rb") as f:
            return f.read()
    refrain.wait_for(lambda: cmdline() and b"***@127.0.0.1" in cmdline(), "hidden words")
    check(b"sesame" not in cmdline(), f"the list of processes shows {cmdline()}")
    refrain.wait_for(lambda: "127.0.0.1:9" in refrain.stderr(), "a word about the target")
    result = refrain.stop(status=None)
    check("sesame" not in result.stderr, f"the log shows it: {result.stderr}")
    for url in ("http://me:sesame@127.0.0.1:99999", "http://me:sesame@h|x", "me:sesame@h:p"):
        said = case.run("--input-dummy", "x", "--output-http", url, status=2, books=False).stderr
        check("sesame" not in said and "***@" in said, f"said: {said}")


@test("--user root stays root with one capability, in every thread")
def stays_root(case):
    need_root()
    make_user_refrain(case)
    folder = own_folder(case, "out")
    refrain = case.refrain("--user", "root", "--input-raw", ":8090", "--output-file",
                           folder + "/x.gor")
    check_rights(refrain.pid, 0, 0, DAC_OVERRIDE)
    refrain.stop()


@test("where there is no user refrain, root stays root in the same way")
def no_such_user(case):
    need_root()
    refrain = case.refrain("--input-raw", ":8090", "--output-file", case.path("x.gor"))
    check_rights(refrain.pid, 0, 0, DAC_OVERRIDE)
    refrain.stop()


@test("with nothing but CAP_NET_RAW, as the unit gives it, it captures and drops that too")
def ambient(case):
    need_root()
    need("setpriv")
    folder = own_folder(case, "out")
    refrain = case.refrain("--input-raw", ":8090", "--output-file", folder + "/x.gor", prefix=[
        "setpriv", "--reuid", "nobody", "--regid", str(NOBODY.pw_gid), "--clear-groups",
        "--inh-caps", "-all,+net_raw", "--ambient-caps", "-all,+net_raw",
        "--bounding-set", "-all,+net_raw"])
    for status in statuses(refrain.pid):
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            equal(int(status[name], 16), 0, name)
        equal(int(status["CapBnd"], 16), NET_RAW, "what only CAP_SETPCAP could take away")
    refrain.stop()


@test("what the user may not write is refused at the start, and the error says what to do")
def not_writable(case):
    need_root()
    os.mkdir(case.path("closed"), 0o700)
    words = ["Permission denied", "user nobody", "chown", "--user root"]
    for args in (("--output-file", case.path("closed/x.gor")),
                 ("--output-null", "--report", case.path("closed/x.html")),
                 ("--output-null", "--metrics-file", case.path("closed/x.prom")),
                 ("--output-tcp", "127.0.0.1:9", "--output-tcp-spool", case.path("closed/spool"))):
        case.refuse("--user", "nobody", "--input-dummy", "x", *args, status=1,
                    words=[args[-1], *words])
    equal(os.listdir(case.path("closed")), [], "what was made there")


@test("--user names a user that there is, and only root may become another")
def wrong_user(case):
    need_root()
    case.refuse("--user", "no-such-user", "--input-dummy", "x", "--output-null", status=2,
                words=["--user \"no-such-user\"", "no such user"])
    case.refuse("--user", "root", "--input-dummy", "x", "--output-null", status=3,
                words=["--user root", "only root"], prefix=["setpriv", "--reuid", "nobody"])
    case.run("--user", "nobody", "--input-dummy", "x", "--output-null", "--exit-after", "100ms",
             prefix=["setpriv", "--reuid", "nobody", "--regid", str(NOBODY.pw_gid),
                     "--clear-groups"])


@test("without CAP_SETUID a root that nobody told to change stays root and says so")
def cannot_change(case):
    need_root()
    need("setpriv")
    make_user_refrain(case)
    prefix = ["setpriv", "--bounding-set", "-setuid,-setgid", "--inh-caps", "-setuid,-setgid"]
    args = ("--input-dummy", "x", "--output-null", "--exit-after", "100ms")
    result = case.run(*args, prefix=prefix)
    check("stays root" in result.stderr, f"nothing said: {result.stderr}")
    case.refuse("--user", "nobody", *args, prefix=prefix, status=3, words=["--user nobody"])


@test("--no-sandbox keeps all rights, but for a user that is named")
def no_sandbox(case):
    need_root()
    make_user_refrain(case)
    refrain = case.refrain("--no-sandbox", "--input-raw", ":8090", "--output-null")
    for status in statuses(refrain.pid):
        equal((status["Uid"].split()[1], status["NoNewPrivs"]), ("0", "0"), "user, no_new_privs")
        check(int(status["CapEff"], 16) & NET_RAW, "CAP_NET_RAW is gone")
    refrain.stop()
    refrain = case.refrain("--no-sandbox", "--user", "nobody", "--input-raw", ":8090",
                           "--output-null")
    for status in statuses(refrain.pid):
        equal((status["Uid"].split()[1], status["NoNewPrivs"]), (str(NOBODY.pw_uid), "0"),
              "user, no_new_privs")
    refrain.stop()


@test("a replay needs no right at all: as nobody, without capabilities")
def replay_as_nobody(case):
    need_root()
    need("setpriv")
    folder = own_folder(case, "out")
    case.run("--input-dummy", "x|50", "--output-file", case.path("in.gor"), "--exit-after", "1s")
    recording = shutil.move(glob.glob(case.path("in_0.gor"))[0], folder + "/in.gor")
    os.chown(recording, NOBODY.pw_uid, NOBODY.pw_gid)
    prefix = ["setpriv", "--reuid", "nobody", "--regid", str(NOBODY.pw_gid), "--clear-groups",
              "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]
    result = case.run("--input-file", recording + "|1000%", "--output-file", folder + "/again.gor",
                      prefix=prefix)
    check(result.output("output-file")["delivered"] > 0, "nothing was replayed")


@test("a reader of another user sees nothing in the process, and cannot trace it")
def not_dumpable(case):
    need_root()
    with open(case.binary, "rb") as program:
        if b"__asan_init" in program.read():
            raise Skip("the leak checker of this build needs to look inside")
    refrain = case.refrain("--user", "nobody", "--input-raw", ":8090", "--output-null")
    as_nobody = ["setpriv", "--reuid", "nobody", "--regid", str(NOBODY.pw_gid), "--clear-groups"]
    done = subprocess.run([*as_nobody, "cat", f"/proc/{refrain.pid}/environ"], check=False,
                          capture_output=True)
    check(done.returncode != 0, "its own user can read its memory")
    refrain.stop()


if __name__ == "__main__":
    main()
