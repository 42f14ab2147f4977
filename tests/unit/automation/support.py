"""A desk's home on the disk whose ledger runs on a clock of the test's, with a month of markets."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

import tbill_defi as td
from tbill_defi.automation.keeper import Keeper
from tbill_defi.conventions.calendars import TRADING
from tbill_defi.core.clock import SimulatedClock, parse_time
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.open import keys_folder, ledger_url
from tbill_defi.market.data import KINDS
from tbill_defi.market.sample import sample_data

DOLLAR = 10**6
START = "2026-03-24T10:00"
NOTE, BILL = "91282CMV0", "912797TE7"
"""A note with a coupon on 2026-03-31; a bill that matures on 2026-06-25."""
LADDER = '{ kind = "rebalance", strategy = "ladder", settings = { rungs = 4, longest_years = 3.0 } }'
PASSPHRASE = "a passphrase of the tests"


def moment(text: str) -> int:
    return parse_time(text)


def open_at(home: Path, text: str) -> Ledger:
    return td.open_ledger(home=home, keys=keys(home), clock=SimulatedClock(moment(text)))


def keys(home: Path) -> Keys:
    return Keys(keys_folder(home), PASSPHRASE, light=True)


def write_market(home: Path, *, shift: float = 0.0, from_day: date = date(2026, 3, 25)) -> None:
    """The sample day's curve on every trading day to the end of June; `shift` added from a day on."""
    data, folder = sample_data(), home / "market"
    folder.mkdir(parents=True, exist_ok=True)
    row = data.par_yields.row(0, named=True)
    days = TRADING.good_days(row["date"], date(2026, 6, 30))
    rows = [
        {k: (v + shift if isinstance(v, float) and day >= from_day else v) for k, v in row.items()} | {"date": day}
        for day in days
    ]
    frames = {kind: getattr(data, kind) for kind in KINDS}
    frames["par_yields"] = pl.DataFrame(rows, schema=data.par_yields.schema)
    for kind, frame in frames.items():
        frame.write_parquet(folder / f"{kind}.parquet")


def make_home(home: Path) -> Path:
    """Desk and dealer; the desk holds three million each of six securities and some cash."""
    write_market(home)
    (home / "ledger").mkdir()
    ring = keys(home)
    with Ledger.create(ledger_url(home), keys=ring, clock=SimulatedClock(moment(START))) as ledger:
        for party in ("desk", "dealer"):
            ledger.add_party(party, ring.create(party).address, claim_expiry=2**40)
        view = td.view("2026-03-24", home=home)
        book = dict.fromkeys((NOTE, BILL, *view.cusips[-8:-4]), 3_000_000 * DOLLAR)
        ledger.deposit("desk", view.face_of(book), 500_000 * DOLLAR)
        ledger.deposit("dealer", {}, 50_000_000 * DOLLAR)
    return home


def rule(name: str, trigger: str, action: str, *, approval: str = "key:desk", party: str = "desk") -> str:
    return f'[rules.{name}]\nparty = "{party}"\napproval = "{approval}"\ntrigger = {trigger}\naction = {action}\n'


def keeper_at(home: Path, text: str, *rules: str) -> Keeper:
    """A keeper whose ledger's clock stands at a New York time; rules replace those in the file."""
    if rules:
        (home / "keeper.toml").write_text("\n".join(rules))
    return Keeper(home, keys=keys(home), clock=SimulatedClock(moment(text)))


def once(home: Path, text: str, *rules: str, **options):
    return keeper_at(home, text, *rules).once(**options)


def statuses(done) -> list[tuple[str, str]]:
    return [(outcome.rule.name, outcome.result.status) for outcome in done.outcomes]


def wallet(home: Path, party: str = "desk"):
    with td.open_ledger(home=home, read_only=True) as ledger:
        return ledger.wallet(party)


def tape(home: Path):
    with td.open_ledger(home=home, read_only=True) as ledger:
        return list(ledger.tape())


DAILY = rule("daily", '{ kind = "schedule", every = "daily", at = "15:00" }', LADDER)
