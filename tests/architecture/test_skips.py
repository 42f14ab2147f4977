"""No test is lost: where TBILL_NO_SKIPS is set a skip is a failure, and .ci/run sets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest

ROOT = Path(__file__).resolve().parents[2]
SKIPS = {
    "mark": 'import pytest\n@pytest.mark.skip(reason="no anvil")\ndef test_a(): raise AssertionError\n',
    "call": 'import pytest\ndef test_a(): pytest.skip("no anvil")\n',
    "fixture": 'import pytest\n@pytest.fixture\ndef node(): pytest.skip("no anvil")\ndef test_a(node): pass\n',
    "module": 'import pytest\npytest.skip("no anvil", allow_module_level=True)\n',
    "import": 'import pytest\npytest.importorskip("no_such_module", reason="no anvil")\n',
}


@pytest.mark.parametrize("text", SKIPS.values(), ids=SKIPS)
def test_a_skip_is_a_failure_where_none_is_allowed(tmp_path, text):
    (tmp_path / "conftest.py").write_text(Path(conftest.__file__).read_text())
    (tmp_path / "test_skip.py").write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)]
    plain = {n: v for n, v in os.environ.items() if n != conftest.VARIABLE and not n.startswith("PYTEST_")}
    said = {}
    for value in ("", "1"):
        done = subprocess.run(
            words, cwd=tmp_path, env={**plain, conftest.VARIABLE: value}, capture_output=True, text=True, timeout=120
        )
        said[value] = done.stdout.splitlines()[-1]
        assert (done.returncode in (0, pytest.ExitCode.NO_TESTS_COLLECTED)) == (value == ""), done.stdout
        assert value == "" or "this was skipped: " in done.stdout
        assert value == "" or "no anvil" in done.stdout
    assert "1 skipped" in said[""]
    assert "skipped" not in said["1"]


def test_the_gate_allows_no_skip():
    assert f"export {conftest.VARIABLE}=1" in (ROOT / ".ci" / "run").read_text().splitlines()
