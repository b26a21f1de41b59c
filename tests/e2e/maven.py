# SPDX-License-Identifier: MIT
"""Java programs for the tests, from Maven Central: fetched once, into ~/.cache/refrain."""
import os
import shutil
import subprocess
import tempfile

from harness import Skip, need

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
CACHE = os.environ.get("REFRAIN_CACHE", os.path.expanduser("~/.cache/refrain"))


def fetch_jars(name, version):
    """The folder with the jars that tests/NAME/pom.xml names. Skips where they are not and cannot
    be had."""
    need("java")
    folder = os.path.join(CACHE, f"{name}-{version}")
    if os.path.isdir(folder):
        return folder
    need("mvn")
    os.makedirs(CACHE, exist_ok=True)
    fresh = tempfile.mkdtemp(prefix=f"{name}-", dir=CACHE)
    try:
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", f"{TESTS}/{name}/pom.xml", f"-Dmaven.repo.local={CACHE}/m2",
             "dependency:copy-dependencies", f"-DoutputDirectory={fresh}/jars",
             "-DincludeScope=runtime"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=250, check=False)
        if done.returncode != 0:
            last = (done.stdout.strip().splitlines() or ["no word"])[-1]
            raise Skip(f"Maven Central cannot be reached: {last[:200]}")
        os.rename(f"{fresh}/jars", folder)
    except subprocess.TimeoutExpired:
        raise Skip("Maven Central does not answer") from None
    except OSError:  # another test was quicker
        if not os.path.isdir(folder):
            raise
    finally:
        shutil.rmtree(fresh, True)
    return folder
