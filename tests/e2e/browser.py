# SPDX-License-Identifier: MIT
"""A headless Chromium that looks at a page, in a window as wide as asked for."""
import json
import os
import re
import subprocess
from urllib.parse import unquote

from harness import Failure, need

# The page stands in a frame of its own, where it can be looked at from outside: its own policy lets
# no script in.
LOOK = """<!doctype html><meta charset="utf-8">
<iframe id="frame" src="PAGE" style="border:0;width:WIDTHpx;height:2000px"></iframe>
<script>
window.hit = 0;
const frame = document.getElementById('frame');
frame.addEventListener('load', () => setTimeout(() => {
    const page = frame.contentDocument;
    let found;
    try {
        found = (WHAT)(page, frame.contentWindow);
    } catch (e) {
        found = {error: String(e)};
    }
    const result = document.createElement('pre');
    result.id = 'result';
    result.textContent = encodeURIComponent(JSON.stringify(found));
    document.body.append(result);
}, 300));
</script>
"""


def chromium(case, *args):
    need("chromium")
    profile = case.path(f"chromium-{case.next_number()}")
    done = subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--allow-file-access-from-files",
         "--enable-logging=stderr", f"--user-data-dir={profile}", *args],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False,
        env={**os.environ, "HOME": case.dir})
    # the browser's own pages speak there, too
    spoken = [line for line in done.stderr.splitlines()
              if "CONSOLE" in line and "source: chrome://" not in line]
    if spoken:
        raise Failure(f"the page's console: {spoken}")
    return done.stdout


def look(case, path, what, width=1280):
    """What a function of JavaScript says that gets the page's document and window."""
    page = case.write(f"look-{case.next_number()}.html", LOOK.replace("PAGE", "file://" + path)
                      .replace("WIDTH", str(width)).replace("WHAT", what))
    dom = chromium(case, f"--window-size={max(width, 800)},2000", "--virtual-time-budget=5000",
                   "--dump-dom", "file://" + page)
    found = re.search(r'<pre id="result">([^<]*)</pre>', dom)
    if not found:
        raise Failure(f"the page was not looked at: {dom[:1000]}")
    result = json.loads(unquote(found.group(1)))
    if isinstance(result, dict) and "error" in result:
        raise Failure(result["error"])
    return result


def screenshot(case, path, out, size):
    chromium(case, f"--window-size={size}", "--hide-scrollbars", f"--screenshot={out}",
             "file://" + path)
