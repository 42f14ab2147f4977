"""The published files, a plan, its settlement and its audit, recomputed from what the commands print.

Nothing of the framework recomputes here: Keccak-256 is pycryptodome's, canonical JSON is the rfc8785 library's.
"""

import json
import shutil
from decimal import ROUND_HALF_UP, Decimal

import pytest
import rfc8785
from Crypto.Hash import keccak

from tbill_defi.cli.main import run
from tbill_defi.ledger.open import PASSPHRASE_VARIABLE
from tests.unit.cli.support import ROOT, Tbill, state

DATA = ROOT.parent / "shared" / "data"
FILES = ("par_yields.csv", "auctions.csv", "fedinvest_2026-03-24.csv", "sofr.csv")
DATES = {"2026-03-24": "observed", "2026-08-21": "model"}
BOOK = {"91282CNY3": 3_000_000, "91282CPP0": 4_000_000, "91282CPZ8": 5_000_000}
CASH = 200_000
STRATEGIES = {
    "ladder": ("ladder", "--rungs", "8", "--longest-years", "5"),
    "duration-target": ("duration-target", "--max-weight", "0.2", "--buckets", '{"0-1y": [0.1, 0.4]}'),
}

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the published files are not at ../shared/data"),
]


def hashed(data):
    return keccak.new(digest_bits=256, data=data).digest()


def text_of(digest):
    return "0x" + digest.hex()


def word(name):
    return name.encode("ascii").ljust(32, b"\0")


@pytest.fixture(scope="module", params=sorted(DATES))
def day(request):
    return request.param


@pytest.fixture(scope="module")
def prepared(day, tmp_path_factory):
    """A home with the published files and a book, on that day."""
    home = tmp_path_factory.mktemp(day) / "home"
    book = home.parent / "book.csv"
    rows = [f"{cusip},{face},\n" for cusip, face in BOOK.items()]
    book.write_text(f"cusip,face,cost_price\n{''.join(rows)}USD,{CASH},\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(PASSPHRASE_VARIABLE, raising=False)
        patch.setenv("TBILL_HOME", str(home))
        assert run(["init", "--at", f"{day}T15:00-04:00", "--light-keys"]) == 0
        assert run(["market", "import", *(str(DATA / name) for name in FILES)]) == 0
        assert run(["holdings", "import", str(book)]) == 0
    return home


@pytest.fixture
def desk(prepared, tmp_path, monkeypatch, capsys):
    home = tmp_path / "home"
    shutil.copytree(prepared, home)
    monkeypatch.setenv("TBILL_HOME", str(home))
    return Tbill(home, capsys)


@pytest.fixture(params=sorted(STRATEGIES))
def strategy(request):
    return STRATEGIES[request.param]


def balances(tbill, party):
    wallet = tbill("wallet", party, "--json").json
    return {row["cusip"]: int(row["face"]) for row in wallet["positions"]} | {"USD": int(wallet["cash"])}


def after(orders, sign, before):
    """Balances from the orders alone: face and price of each, nothing else."""
    found = dict(before)
    for order in orders:
        face = int(order["face_units"])
        exact = face * Decimal(order["dirty_price"]) / 100
        cash = int(exact.to_integral_value(rounding=ROUND_HALF_UP))
        bought = sign if order["side"] == "buy" else -sign
        found[order["cusip"]] = found.get(order["cusip"], 0) + bought * face
        found["USD"] -= bought * cash
    return {asset: amount for asset, amount in found.items() if amount or asset == "USD"}


def plan_hash(context, legs):
    """The recipe of docs/plan-hash.md."""
    rows = sorted((word(leg["asset"]), word(leg["from"]), word(leg["to"]), int(leg["amount"])) for leg in legs)
    words = b"".join(asset + giver + receiver + amount.to_bytes(32, "big") for asset, giver, receiver, amount in rows)
    return text_of(hashed(hashed(rfc8785.dumps(context)) + hashed(words)))


def test_settled_as_planned(desk, day, strategy):
    made = desk("plan", *strategy, "--json").json
    assert {order["source"].split(",")[0] for order in made["orders"]} == {DATES[day]}
    before = balances(desk, "desk")
    assert before == {cusip: face * 10**6 for cusip, face in BOOK.items()} | {"USD": CASH * 10**6}

    done = desk("rebalance", *strategy, "--yes", "--json").json
    assert done["plan"] == made
    assert balances(desk, "desk") == after(made["orders"], 1, before)
    inventory = {asset: int(units) for asset, units in done["execution"]["inventory"].items()}
    assert balances(desk, "dealer") == after(made["orders"], -1, {"USD": 0} | inventory)

    (entry,) = desk("tape", "--json").json
    assert entry["plan_hash"] == made["hash"] == plan_hash(made["context"], entry["legs"])
    assert entry["context_hash"] == text_of(hashed(rfc8785.dumps(made["context"])))
    assert desk("audit", "verify", "--json").json["ok"]


def test_every_input_of_the_hash(desk, strategy):
    made = desk("plan", *strategy, "--json").json
    context, inputs = made["context"], made["inputs"]
    assert context["holdings_hash"] == text_of(hashed(rfc8785.dumps(inputs["holdings"])))
    assert context["config_hash"] == text_of(hashed(rfc8785.dumps(inputs["config"])))
    source = ROOT / "strategies" / "tbill_strategies" / f"{strategy[0].replace('-', '_')}.py"
    assert context["strategy_source_hash"] == text_of(hashed(source.read_bytes()))
    assert context["market_hash"] == desk("market", "show", "--json").json["market_hash"]
    for hashed_order, order in zip(context["orders"], made["orders"], strict=True):
        assert hashed_order["terms_hash"] == text_of(hashed(rfc8785.dumps(order["security"])))
        assert Decimal(order["clean_price"]) + Decimal(order["accrued"]) == Decimal(order["dirty_price"])
    body = {name: value for name, value in made.items() if name != "figures_hash"}
    assert made["figures_hash"] == text_of(hashed(rfc8785.dumps(body)))


def test_what_changes_the_hash(desk, tmp_path):
    words = STRATEGIES["ladder"]
    made = desk("plan", *words, "--json").json
    hashes = {made["hash"]}

    def planned(*more):
        found = desk("plan", *more, "--json").json
        assert found["hash"] == plan_hash(found["context"], found["legs"])
        assert found["hash"] not in hashes
        hashes.add(found["hash"])

    assert desk("plan", *words, "--json").json["hash"] == made["hash"]
    planned(*words, "--lot", "2000")
    planned(*words, "--repo-rate", "0.0361")
    source = tmp_path / "ladder.py"
    source.write_bytes((ROOT / "strategies" / "tbill_strategies" / "ladder.py").read_bytes() + b"# the same\n")
    planned(source, *words[1:])
    book = tmp_path / "book.csv"
    book.write_text("".join(["cusip,face,cost_price\n", *(f"{c},{f + 1000},\n" for c, f in BOOK.items())]))
    planned(*words, "--holdings", book)
    sheet = tmp_path / "fedinvest_2026-03-24.csv"
    lines = (DATA / sheet.name).read_text().splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if line.startswith("912810"))
    cells = lines[place].split(",")
    cells[6] = f"{float(cells[6]) + 1 / 256:.6f}"
    lines[place] = ",".join(cells)
    sheet.write_text("".join(lines))
    assert desk("market", "import", sheet, "--json").json[0]["changed"] == 1
    planned(*words)


def test_one_changed_amount_is_another_hash(desk):
    made = desk("plan", *STRATEGIES["ladder"], "--json").json
    for leg in made["legs"]:
        legs = json.loads(json.dumps(made["legs"]))
        legs[made["legs"].index(leg)]["amount"] = str(int(leg["amount"]) + 1)
        assert plan_hash(made["context"], legs) != made["hash"]


def test_a_dry_run_leaves_no_trace(desk, strategy):
    before = state(desk.home)
    files = {path: path.read_bytes() for path in desk.home.rglob("*") if path.is_file()}
    dry = desk("rebalance", *strategy, "--dry-run", "--json").json
    assert not dry["execution"]["settled"]
    assert all(decision["ok"] for decision in dry["execution"]["decisions"])
    assert state(desk.home) == before
    assert {path: path.read_bytes() for path in desk.home.rglob("*") if path.is_file()} == files


def test_the_same_plan_on_two_ledgers(desk, prepared, day, tmp_path, monkeypatch, capsys):
    """A plan knows no ledger; the instruction that settles it does."""
    words = STRATEGIES["duration-target"]
    other = Tbill(tmp_path / "other", capsys)
    kept = tmp_path / "plan.json"
    first = desk("rebalance", *words, "--yes", "--json").json
    kept.write_text(json.dumps(first["plan"]))
    monkeypatch.setenv("TBILL_HOME", str(other.home))
    assert other("init", "--at", f"{day}T15:00-04:00", "--light-keys").code == 0
    shutil.copytree(prepared / "market", other.home / "market")
    assert other("holdings", "import", prepared.parent / "book.csv").code == 0
    second = other("rebalance", "--plan", kept, "--yes", "--json").json
    assert second["plan"] == first["plan"]
    assert second["execution"]["plan_hash"] == first["execution"]["plan_hash"]
    assert second["execution"]["instruction_hash"] != first["execution"]["instruction_hash"]
    assert other("tape", "--json").json[0]["plan_hash"] == first["plan"]["hash"]


def test_importing_again_changes_nothing(desk):
    before = state(desk.home)
    for report in desk("market", "import", *(DATA / name for name in FILES), "--json").json:
        assert (report["new"], report["changed"], report["removed"]) == (0, 0, 0)
    assert state(desk.home) == before
