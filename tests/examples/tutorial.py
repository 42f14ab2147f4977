"""docs/tutorial.md as a program: its shell blocks, what they say, and the page with that written into it.

`python -m tests.examples.tutorial` runs the page in a new folder and writes what was said below each block, in place of
what stood there. Of a block with a line `...` the lines before it and after it are kept as many as they were.
"""

from __future__ import annotations

import re
import tempfile
from itertools import zip_longest
from pathlib import Path

from tests.examples import terminal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
STEP = re.compile(r"```sh\n(?P<command>.*?)```\n(?:\n?```text\n(?P<shown>.*?)```\n)?", re.DOTALL)
CUT = "..."
"""A line of the page that stands for any number of lines."""
PLACEHOLDERS = (
    (re.compile(r"(?<!plan )(?<!run )(?<!market hash )0x[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"0x[0-9a-f]{40}\b"), "<address>"),
    (re.compile(r"^0x[0-9a-f]{8}\b", re.MULTILINE), "<hash>"),
    (re.compile(r"\bchain id [0-9]+\b"), "chain id <number>"),
)
"""What differs from one run to the next: keys and the chain id are random, and so is what they sign or name.

Hashes of markets, plans and runs are the same everywhere, and are compared.
"""


def steps() -> list[tuple[str, str]]:
    """(command, text shown) of each shell block."""
    return [(found["command"], found["shown"] or "") for found in STEP.finditer(PAGE.read_text())]


def play(folder: Path) -> list[tuple[int, str]]:
    """Type every block in turn in a folder: (exit code, what was said)."""
    said = [terminal.typed(command, folder) for command, _ in steps()]
    return [(code, masked(text)) for code, text in said]


def masked(text: str) -> str:
    """Text with placeholders for what differs between runs, and without blanks at the ends of lines."""
    for pattern, name in PLACEHOLDERS:
        text = pattern.sub(name, text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def agrees(shown: str, said: str) -> bool:
    """Whether the page shows what was said, line by line, but for the lines it leaves out."""
    pattern = "".join(r"(?:.*\n)*" if line == CUT else re.escape(line) + "\n" for line in shown.splitlines())
    return re.fullmatch(pattern, said) is not None


def _cut(shown: str, said: str) -> str:
    lines, real = shown.splitlines(), said.splitlines()
    if CUT not in lines or len(real) < len(lines):
        return said
    head, tail = lines.index(CUT), len(lines) - lines.index(CUT) - 1
    return "".join(line + "\n" for line in [*real[:head], CUT, *real[len(real) - tail :]])


def write() -> None:
    """Put what the blocks say into the page."""
    with tempfile.TemporaryDirectory() as folder:
        answers = iter(play(Path(folder)))

    def filled(found: re.Match[str]) -> str:
        _, said = next(answers)
        shown = found["shown"] or ""
        text = shown if agrees(shown, said) else _cut(shown, said)
        return f"```sh\n{found['command']}```\n" + (f"```text\n{text}```\n" if text else "")

    PAGE.write_text(STEP.sub(filled, PAGE.read_text()))


def differences(said: list[tuple[int, str]]) -> str:
    """The first line that differs, of each block that does."""
    found = []
    for (command, shown), (_, real) in zip_longest(steps(), said, fillvalue=("", "")):
        if not agrees(shown, real):
            found.append(f"--- {command}--- the page shows\n{shown}--- it says\n{real}")
    return "\n".join(found)


if __name__ == "__main__":
    write()
