"""The command line in this process, and everything a command could change."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tbill_defi as td
from tbill_defi.cli.main import run
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.market.data import KINDS
from tbill_defi.market.sample import SAMPLE_DATE, sample_data

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = ROOT / "docs" / "schemas"
AT = f"{SAMPLE_DATE}T15:00-04:00"
SECRETS = "passphrase"
NOTE, OTHER = "91282CNY3", "91282CPP0"
POSITIONS = f"cusip,face,cost_price\n{NOTE},3000000,98.75\n{OTHER},4000000,\nUSD,200000,\n"


@dataclass(frozen=True)
class Ran:
    """What a command said and returned."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


class Tbill:
    """`tbill` with the home of a test."""

    def __init__(self, home: Path, capsys: Any) -> None:
        self.home = home
        self._capsys = capsys

    def __call__(self, *words: object) -> Ran:
        self._capsys.readouterr()
        code = run([str(word) for word in words])
        said = self._capsys.readouterr()
        return Ran(code, said.out, said.err)


def sample_market(home: Path) -> None:
    """The embedded day as imported files."""
    folder = home / "market"
    folder.mkdir(parents=True)
    data = sample_data()
    for kind in KINDS:
        getattr(data, kind).write_parquet(folder / f"{kind}.parquet")


def state(home: Path) -> dict[str, str]:
    """Every file of a home by its content; of the ledger its rows, since SQLite may move pages about."""
    found = {}
    for path in sorted(home.rglob("*")):
        name = str(path.relative_to(home))
        if path.is_dir():
            found[name] = "folder"
        elif path.suffix == ".db":
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                rows = "\n".join(database.iterdump())
            database.close()
            found[name] = hashlib.sha256(rows.encode()).hexdigest()
        elif not name.endswith(("-wal", "-shm", ".lock")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def refused(ran: Ran, code: int, *words: str) -> None:
    """One or two lines on stderr that name the trouble, and the documented exit code."""
    lines = ran.err.splitlines()
    assert ran.code == code, (ran.code, ran.err)
    assert 1 <= len(lines) <= 2, ran.err
    assert lines[0].startswith("error: "), ran.err
    assert "Traceback" not in ran.err + ran.out
    for word in words:
        assert word in ran.err, ran.err


def strip_in_part(home, party, terms, pieces_file, face, pieces):
    """Name a note's pieces, and take a face of a party's apart as far as some of them: a command that was cut off."""
    assert run(["strips", "name", terms["cusip"], str(pieces_file), "--home", str(home)]) == 0
    with td.open_ledger(home=home) as ledger:
        data = encode_call("Stripping", "strip", ledger.require_token(terms["cusip"]), face, pieces)
        ledger.send([Step(party, ledger.contracts.stripping, data)])
