"""Homes with a ledger of light keys and the sample day's market."""

import shutil

import pytest

from tbill_defi.cli.main import run
from tbill_defi.ledger.open import PASSPHRASE_VARIABLE
from tests.unit.cli.support import AT, POSITIONS, Tbill, sample_market


@pytest.fixture(scope="session")
def _template(tmp_path_factory):
    """A ledger with positions, made once through the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(PASSPHRASE_VARIABLE, raising=False)
        patch.delenv("TBILL_HOME", raising=False)
        home = tmp_path_factory.mktemp("desk") / "home"
        sample_market(home)
        positions = home.parent / "positions.csv"
        positions.write_text(POSITIONS)
        for words in (["init", "--at", AT, "--light-keys"], ["holdings", "import", str(positions)]):
            assert run([*words, "--home", str(home)]) == 0
    return home


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch, tmp_path):
    """No home or passphrase of whoever runs the tests; a working folder of its own."""
    for name in (PASSPHRASE_VARIABLE, "TBILL_TRACEBACK", "COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def tbill(_template, tmp_path, monkeypatch, capsys):
    """`tbill` on a desk that holds positions."""
    home = tmp_path / "home"
    shutil.copytree(_template, home)
    monkeypatch.setenv("TBILL_HOME", str(home))
    return Tbill(home, capsys)


@pytest.fixture
def nothing(tmp_path, monkeypatch, capsys):
    """`tbill` where there is nothing yet."""
    home = tmp_path / "nothing"
    monkeypatch.setenv("TBILL_HOME", str(home))
    return Tbill(home, capsys)
