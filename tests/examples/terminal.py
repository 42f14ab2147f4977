"""A reader at a terminal: shell blocks of a page typed into one 100 columns wide, and what then stands on it.

No part of what a reader sees is switched off: tables are as wide as the terminal, bars move and vanish, hints appear.
What a block says is returned as it stands in the end, without colours, bars and hints.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

LINES, COLUMNS = 50, 100
LIMIT_SECONDS = 600
BAR = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h(?:\r\x1b\[1A\x1b\[2K)?", re.DOTALL)
"""A progress bar from the hiding of the cursor to its return: it is gone when the command ends."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
HINT = re.compile(r"^next: .*\n", re.MULTILINE)
READERS = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM")


def blocks(page: Path, language: str = "sh") -> list[str]:
    """The fenced blocks of a page in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def surroundings(**more: str) -> dict[str, str]:
    """Environment of a reader who has nothing set, with `tbill` of this interpreter on the path."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("TBILL_", "PYTEST_")) and n not in READERS}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "TERM": "xterm", "NO_PROXY": "*", "PATH": path, **more}


def typed(block: str, folder: Path, *, answers: str = "", **variables: str) -> tuple[int, str]:
    """Type a block in a folder: (exit code of its first failing command or 0, what stands on the terminal).

    `answers` is typed ahead for commands that ask. A block that takes longer than `LIMIT_SECONDS` is ended and fails.
    """
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    mode = termios.tcgetattr(theirs)
    mode[1] &= ~termios.OPOST
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    shell = subprocess.Popen(
        ["bash", "-e", "-o", "pipefail", "-c", block],
        cwd=folder,
        env=surroundings(**variables),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        os.write(ours, answers.encode())
        raw = _read(ours, time.monotonic() + LIMIT_SECONDS)
        return shell.wait(30), _standing(raw)
    finally:
        os.close(ours)
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()


def _read(terminal: int, deadline: float) -> bytes:
    found = b""
    while True:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"not done after {LIMIT_SECONDS} s:\n{found.decode(errors='replace')}")
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # EIO: the last program has left the terminal
            return found
        if not part:
            return found
        found += part


def _standing(raw: bytes) -> str:
    return HINT.sub("", COLOUR.sub("", BAR.sub("", raw.decode())).replace("\r\n", "\n"))
