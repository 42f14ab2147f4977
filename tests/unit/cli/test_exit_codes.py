"""docs/exit-codes.md is the error tree; what no class stands for has a code too."""

import errno
import os
import re
import signal
import sqlite3
import subprocess
import sys

import pytest
import typer

from tbill_defi.cli import main
from tbill_defi.core import errors
from tests.unit.cli.support import ROOT, refused

PAGE = (ROOT / "docs" / "exit-codes.md").read_text()
ROWS = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in PAGE.splitlines() if line[:2] == "| "]
ROWS = [row for row in ROWS if row[0].isdigit()]


def classes(base=errors.TbillError):
    yield base
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from classes(child)


def test_every_class_is_documented_with_its_code():
    documented = {row[1].strip("`"): int(row[0]) for row in ROWS if row[1]}
    assert documented == {found.__name__: found.exit_code for found in classes()}


def test_every_class_says_when_and_gives_an_example():
    for code, name, when, example in ROWS:
        assert when, name
        assert bool(example) == (code not in ("0", "141")), name


def test_codes_without_a_class():
    assert [int(row[0]) for row in ROWS if not row[1]] == [0, main.INTERRUPTED, main.PIPE_CLOSED]
    assert errors.TbillError.exit_code == main.BUG


@pytest.fixture
def failing(monkeypatch, nothing):
    """`tbill strategies`, whose work ends with an error."""

    def run(error):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr("tbill_defi.strategy.discovery.installed", fail)
        return nothing("strategies")

    return run


@pytest.mark.parametrize("found", sorted({c for c in classes() if c is not errors.ComplianceRejection}, key=repr))
def test_each_class_ends_with_its_code(failing, found):
    refused(failing(found("the trouble and its cure")), found.exit_code, "the trouble and its cure")


def test_long_and_many_lines_are_cut_to_two(failing):
    ran = failing(errors.UsageError("one\n\n two\nthree\n" + "x" * 9000))
    assert ran.err == "error: one\ntwo\n"


def test_an_error_without_words(failing):
    refused(failing(errors.DataError("")), 3, "no reason given")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/desk/market"), 3, "/desk/market: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), 3, "No space left on device"),
        (KeyError("x"), 1, "this is a bug of tbill_defi: KeyError: 'x'"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), 1, "UnicodeDecodeError"),
        (RecursionError("maximum recursion depth exceeded"), 1, "RecursionError"),
        (MemoryError(), 1, "MemoryError"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (typer.Abort(), 130, "interrupted"),
        (SystemExit(0), 2, "sys.exit"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_is_no_tbill_error(failing, error, code, says):
    refused(failing(error), code, says)


def test_a_database_that_fails(failing):
    from sqlalchemy.exc import OperationalError

    error = OperationalError("SELECT 1", {}, sqlite3.OperationalError("disk I/O error"))
    refused(failing(error), 7, "disk I/O error")


def test_a_traceback_is_shown_when_asked_for(failing, monkeypatch):
    monkeypatch.setenv(main.TRACEBACK_VARIABLE, "1")
    ran = failing(KeyError("x"))
    assert ran.code == main.BUG
    assert "Traceback" in ran.err
    assert "error: this is a bug" in ran.err


def _start(*words, **more):
    return subprocess.Popen(
        [sys.executable, "-c", "from tbill_defi.cli.main import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


@pytest.mark.skipif(os.name != "posix", reason="pipes and signals of POSIX")
def test_a_reader_who_leaves():
    process = _start("strategies", "--json")
    process.stdout.close()
    assert process.wait(timeout=60) == main.PIPE_CLOSED
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(os.name != "posix", reason="pipes and signals of POSIX")
def test_ctrl_c(tbill):
    """While it waits for the rest of what it is given."""
    process = _start(
        *("submit", "--home", str(tbill.home)),
        stdin=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    process.stdin.write(b"\n" * 2**20)  # more than a pipe holds: it is written when the command reads
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == main.INTERRUPTED
    assert out == b""
    assert err.startswith(b"error: interrupted")
    assert err.count(b"\n") == 1


def test_text_that_the_terminal_cannot_show(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = _start("strategies", env=environment)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"ladder" in out


def test_interrupted_while_the_commands_are_loaded():
    """Before the first command is known: the module that has them is interrupted as it is imported."""
    code = (
        "import sys, signal\n"
        "class Impatient:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'tbill_defi.cli.serve': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "from tbill_defi.__main__ import main\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "error: interrupted; nothing has begun\n")


@pytest.mark.skipif(os.name != "posix", reason="file descriptors of POSIX")
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
@pytest.mark.parametrize(
    "words", [("tape",), ("kyc", "show"), ("audit", "verify"), ("kyc", "add", "fund")], ids=" ".join
)
def test_a_stream_that_is_closed_from_the_start(tbill, words, closed):
    """Nothing is said there, no file of the ledger gets its number, and the command does what it does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tbill_defi", *words, "--home", str(tbill.home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: [os.close(number) for number in closed],
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"Traceback" not in out + err
    assert tbill("audit", "verify").code == 0
    if words[:2] == ("kyc", "add"):
        assert "fund" in tbill("kyc", "show").out
