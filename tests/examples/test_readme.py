"""The README's blocks run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tbill_defi as td
from tbill_defi.cli.main import app
from tests.examples import terminal

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


PLUGINS = {block.splitlines()[0].removeprefix("# "): block for block in blocks("python") if block.startswith("# ")}


def test_the_script_settles_a_plan(tmp_path):
    (script,) = (block for block in blocks("python") if not block.startswith("# "))
    (positions,) = re.findall(r"^(printf .* > positions\.csv)$", README, re.MULTILINE)
    assert terminal.typed(positions, tmp_path) == (0, "")
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    price, plan, settled = run.stdout.splitlines()
    assert re.fullmatch(r"99\.\d{6} \+ 1\.392265 accrued", price)
    assert re.match(r"0x[0-9a-f]{64} 2\.\d\d -> [12]\.\d\d years", plan)
    assert re.match(r"\d+ legs in block \d+", settled)


def test_the_script_and_the_plugin_are_as_short_as_promised():
    (script,) = (block for block in blocks("python") if not block.startswith("# "))
    assert sum(bool(line.strip()) for line in script.splitlines()) <= 25
    assert sum(bool(line.strip()) for line in PLUGINS["ideas.py"].splitlines()) <= 15


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_a_plugin_makes_a_plan(name, tmp_path):
    path = tmp_path / name
    path.write_text(PLUGINS[name])
    view = td.view(date="2026-03-24", data=td.sample_data())
    book = td.Holdings("desk", {"91282CPP0": 6_000_000 * 10**6, "91282CQE4": 4_000_000 * 10**6}, 10**12)
    plan = td.plan(td.find(str(path))(), view, book)
    assert plan.orders
    assert plan.after.cash >= 0


def test_the_two_commands_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for command in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


def test_every_command_has_a_line():
    for name in app.registered_commands:
        assert re.search(rf"\btbill {name.name}\b", README), name.name
    for group in app.registered_groups:
        assert re.search(rf"\btbill {group.name} [a-z]", README), group.name
