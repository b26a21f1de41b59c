# SPDX-License-Identifier: MIT
"""A refrain on a terminal."""
import fcntl
import os
import pty
import select
import struct
import termios
import time

from harness import Failure


def on_terminal(case, *args, columns=100, term="xterm", env=None):
    """(exit status, what a terminal of that width was sent, when each piece came)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": term, **(env or {})})
        time.sleep(0.1)  # until the width is set
        os.execv(case.binary, [case.binary, *map(str, args)])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    text, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:  # its other end is closed
            data = b""
        if not data:
            os.close(fd)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()
        text += data
    os.kill(pid, 9)
    raise Failure(f"it does not end: {text}")
