"""The code of docs/plugins.md runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tbill_defi as td
from tbill_defi.strategy.kit import CHECKS, check

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PLUGINS = {block.splitlines()[0].removeprefix("# "): block for block in BLOCKS if block.startswith("# ")}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_of_the_page_passes_the_kit(name, tmp_path):
    path = tmp_path / name
    path.write_text(PLUGINS[name])
    report = check(str(path))
    assert report.passed, report.failures()


def test_ten_lines():
    lines = [line for line in PLUGINS["level.py"].splitlines() if line.strip() and not line.startswith("# ")]
    assert len(lines) <= 10


def test_the_script_of_the_page(tmp_path):
    (script,) = (block for block in BLOCKS if not block.startswith("# "))
    (tmp_path / "level.py").write_text(PLUGINS["level.py"])
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_table_is_the_kit():
    assert re.findall(r"^\| ([a-z -]+) \| .*\? \|$", PAGE, re.MULTILINE) == list(CHECKS)


def test_named_things_exist():
    view = td.view("2026-03-24", data=td.sample_data())
    note = view.securities[-1]
    section = PAGE.partition("## What it is given")[2].partition("## What it answers")[0]
    for row in re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE):
        for name in re.findall(r"`(\w+)", row):
            assert hasattr(view, name) or hasattr(note, name), name
