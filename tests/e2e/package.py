# SPDX-License-Identifier: MIT
"""The package, and machines to install it on: a fresh Debian in a chroot, and a copy of this host."""
import os
import re
import shutil
import stat
import subprocess
import tempfile

from harness import Skip, need, need_root, sh

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
# what installing and removing any package leaves, or changes
KEPT = re.compile(r"/(etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|etc/\.pwd\.lock|etc/hosts|"
                  r"var/(lib/(dpkg|apt)|cache|log)(/.*)?|root/.*|tmp/.*|(run|proc|dev|sys)(/.*)?|"
                  r"etc/ld\.so\.cache|var/lib/systemd/.*)")


class Chroot:
    """A Debian of its own, with what the package depends on."""

    def __init__(self, folder):
        self.root = folder

    def run(self, *command, timeout=120):
        return sh("chroot", self.root, "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                  "DEBIAN_FRONTEND=noninteractive", *command, timeout=timeout)

    def has(self, path):
        return os.path.lexists(self.root + path)

    def install(self, deb):
        shutil.copy(deb, f"{self.root}/tmp/package.deb")
        self.run("dpkg", "-i", "/tmp/package.deb")


def build_packages(folder):
    """The package, and the same with a higher version, for an upgrade."""
    tree = f"{folder}/tree"
    os.mkdir(tree)
    files = sh("git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files")
    subprocess.run(["tar", "-C", ROOT, "-c", "-T", "-", "-f", f"{folder}/tree.tar"], check=True,
                   input=files.encode(), timeout=60)
    sh("tar", "-C", tree, "-xf", f"{folder}/tree.tar")
    debs = []
    for version in ("0.1.0", "0.1.1~test1"):
        if debs:
            subprocess.run(["sed", "-i", f"1s/(.*)/({version})/", f"{tree}/debian/changelog"],
                           check=True)
        sh("env", "-C", tree, "dpkg-buildpackage", "-us", "-uc", "-b", *(["-nc"] if debs else []),
           timeout=900)
        debs.append(f"{folder}/refrain_{version}_{sh('dpkg', '--print-architecture').strip()}.deb")
    return debs


def prepare():
    """While the archive can be reached: packages, and a chroot with what they depend on."""
    if os.geteuid() != 0:
        return
    need("debootstrap", "dpkg-buildpackage", "lintian")
    folder = os.environ["REFRAIN_PACKAGES"] = tempfile.mkdtemp(prefix="refrain-package-")
    debs = build_packages(folder)
    depends = re.sub(r"\([^)]*\)", "", sh("dpkg-deb", "-f", debs[0], "Depends"))
    needed = [d.split("|")[0].strip() for d in depends.split(",")]
    # nothing is started in there: the part of systemd that makes users will do
    needed = [d.replace("systemd", "systemd-standalone-sysusers") for d in needed]
    sh("debootstrap", "--variant=minbase", "--include=" + ",".join(needed), "bookworm",
       f"{folder}/root", timeout=900)


def packages():
    need_root()
    folder = os.environ.get("REFRAIN_PACKAGES", "")
    if not os.path.isdir(f"{folder}/root"):
        raise Skip("no chroot could be made")
    debs = sorted(n for n in os.listdir(folder) if n.startswith("refrain_") and n.endswith(".deb"))
    return Chroot(f"{folder}/root"), [f"{folder}/{n}" for n in debs], folder


def run(main, long):
    """main() of a test, in its long form with what that needs, which is removed at the end."""
    try:
        main(prepare if long else None)
    finally:
        if "REFRAIN_PACKAGES" in os.environ:
            shutil.rmtree(os.environ["REFRAIN_PACKAGES"], True)


def mount(case, *words):
    sh("mount", *words)
    case.on_exit(sh, "umount", "-l", words[-1])


class Debian(Chroot):
    """A fresh Debian, with apt's own commands."""

    def __init__(self, case):
        chroot, debs, _ = packages()
        super().__init__(chroot.root)
        for point in ("proc", "dev"):
            mount(case, "--rbind", f"/{point}", f"{self.root}/{point}")
        shutil.copy(debs[0], f"{self.root}/root/")

    def paths(self):
        return set(self.run("find", "/", "-xdev").splitlines())

    def begin(self):
        self.before = self.paths()

    def apt(self, words):
        return self.run("sh", "-c", "cd /root && apt -y " + " ".join(words), timeout=300)

    def traces(self):
        return sorted(path for path in self.paths() - self.before if not KEPT.fullmatch(path))


class Overlay(Chroot):
    """This host, on which whatever is changed is changed in a folder of the case. In place of apt,
    what meson installs, the user that the package has made, and what it does when it is purged."""

    def __init__(self, case):
        need("meson", "systemd-sysusers")
        self.build = os.path.dirname(os.path.dirname(os.path.abspath(os.environ["REFRAIN_BIN"])))
        if not os.path.isdir(f"{self.build}/meson-info"):
            raise Skip("REFRAIN_BIN is in no build folder")
        self.folder = case.path(f"host-{case.next_number()}")
        os.mkdir(self.folder)
        mount(case, "-t", "tmpfs", "none", self.folder)
        for name in ("root", "changes", "work"):
            os.mkdir(f"{self.folder}/{name}", 0o755)
        super().__init__(f"{self.folder}/root")
        try:
            mount(case, "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={self.folder}/changes,"
                  f"workdir={self.folder}/work", self.root)
        except AssertionError as e:
            raise Skip(f"no overlay can be mounted: {e}") from None
        for point in ("proc", "dev"):
            mount(case, "--rbind", f"/{point}", f"{self.root}/{point}")
        mount(case, "-t", "tmpfs", "none", f"{self.root}/run")

    def begin(self):
        self.installed = []

    def apt(self, words):
        if words[0] == "install":
            return self.install_build()
        for path in self.installed:
            os.unlink(self.root + path)
        for path in sorted({os.path.dirname(path) for path in self.installed} | {"/etc/refrain"},
                           reverse=True):
            while not os.path.isdir(path) and not os.listdir(self.root + path):
                os.rmdir(self.root + path)
                path = os.path.dirname(path)
        shutil.copy(f"{ROOT}/debian/refrain.postrm", f"{self.root}/tmp/postrm")
        return self.run("sh", "/tmp/postrm", "purge")

    def install_build(self):
        place = f"{self.folder}/destination"
        sh("meson", "install", "-C", self.build, "--no-rebuild", "--destdir", place, timeout=120)
        prefix = next(f for f, _, names in os.walk(place) if "bin" in _ or "bin" in names)
        for folder, _, names in os.walk(prefix):
            to = "/usr" + folder[len(prefix):]
            os.makedirs(self.root + to, exist_ok=True)
            for name in names:
                shutil.copy(f"{folder}/{name}", f"{self.root}{to}/{name}")
                self.installed.append(f"{to}/{name}")
        os.makedirs(f"{self.root}/etc/refrain", exist_ok=True)
        return self.run("systemd-sysusers", "/usr/lib/sysusers.d/refrain.conf")

    def traces(self):
        changes = f"{self.folder}/changes"
        found = []
        for folder, folders, names in os.walk(changes):
            for name in (*folders, *names):
                path = f"{folder}/{name}"
                inside = path[len(changes):]
                mode = os.lstat(path)
                removed = stat.S_ISCHR(mode.st_mode) and mode.st_rdev == 0
                if not removed and not os.path.lexists(inside) and not KEPT.fullmatch(inside):
                    found.append(inside)
        return sorted(found)
