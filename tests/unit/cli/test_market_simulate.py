"""`tbill market simulate`, and that whatever is shown of its curves says what they are."""

import json
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tbill_defi.market.sample import sample_files
from tests.unit.cli.support import SCHEMAS, refused
from tests.unit.cli.test_schemas import valid
from tests.unit.market.simulation.support import LAST, world_csv
from tests.unit.market.sync.conftest import publisher as publisher

START = ("--from", str(LAST))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder with published par yields."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "par_yields.csv").write_text(world_csv())
    return folder


@pytest.fixture
def simulated(nothing, published):
    """The folder that the command makes."""
    ran = nothing("market", "simulate", *START, "--days", "520", "--seed", "7", "--data", published)
    assert ran.code == 0, ran.err
    return nothing.home / "simulated" / f"dns-7-{LAST}"


def test_what_it_shows_and_writes(nothing, published, tmp_path):
    words = (
        "market",
        "simulate",
        *START,
        "--days",
        "300",
        "--data",
        published,
        "--model",
        "g2",
        "--out",
        tmp_path / "x",
    )
    ran = nothing(*words)
    assert ran.code == 0, ran.err
    assert "Simulated par yields, g2 seed 1, 2026-08-24 to" in ran.out
    head, first, *_ = (tmp_path / "x" / "par_yields.csv").read_text().splitlines()
    assert head == "Date,1 Mo,3 Mo,6 Mo,1 Yr,2 Yr,3 Yr,5 Yr,7 Yr,10 Yr,20 Yr,30 Yr,Simulated"
    assert first.startswith("2026-08-24,")
    assert first.endswith(",g2 seed 1")
    value = valid("market-simulate", nothing(*words, "--json").out)
    assert value["files"]["par_yields.csv"] == str(tmp_path / "x" / "par_yields.csv")
    refused(nothing(*words, "--seed", "2"), 2, "par_yields.csv is there already and is another; name another folder")


def test_a_home_is_fitted_to_what_it_imported(nothing, published):
    assert nothing("market", "import", published / "par_yields.csv").code == 0
    ran = nothing("market", "simulate", *START, "--days", "30", "--model", "bootstrap")
    assert ran.code == 0, ran.err
    assert (nothing.home / "simulated" / f"bootstrap-1-{LAST}" / "simulation.json").exists()


def test_a_backtest_says_that_it_is_simulated(nothing, simulated, tmp_path):
    words = ("backtest", "ladder", "--from", "2026-08-24", "--to", "2028-06-30", "--data", simulated, "--rungs", "4")
    ran = nothing(*words, "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    assert "simulated market" in ran.out
    assert "prices: simulated, by dns seed 7; nobody ever quoted one of them" in ran.out
    page = (tmp_path / "run" / "tearsheet.html").read_text()
    assert "simulated market (dns seed 7)" in page
    assert "simulated, by dns seed 7" in page
    value = nothing(*words, "--out", tmp_path / "run", "--json").json
    Draft202012Validator(json.loads((SCHEMAS / "backtest.schema.json").read_text())).validate(value)
    assert value["simulation"] == "dns seed 7"
    assert json.loads((tmp_path / "run" / "result.json").read_text())["simulation"] == "dns seed 7"


def test_contracts_keep_the_books_of_a_simulated_market_too(nothing, simulated, tmp_path):
    words = ("backtest", "ladder", "--from", "2026-08-24", "--to", "2026-10-30", "--data", simulated, "--rungs", "4")
    arrays = nothing(*words, "--out", tmp_path / "a", "--json").json
    contracts = nothing(*words, "--out", tmp_path / "c", "--ledger", "revm", "--json").json
    assert contracts["run_hash"] == arrays["run_hash"]
    assert contracts["compared_days"] == contracts["days"] > 40


def test_views_of_past_days_say_so():
    from tbill_defi.market.data import MarketData
    from tbill_defi.market.simulation import simulate
    from tbill_defi.portfolio.history import HistoricalMarket
    from tests.unit.market.simulation.support import world_frame

    frame = simulate(world_frame(), model="dns", days=60, seed=1, start=LAST).frame()
    view = HistoricalMarket(MarketData(par_yields=frame)).view(frame["date"][50])
    assert set(view.sources) == {"simulated"}
    assert view.repo_source == "simulated curve 1 Mo"


def test_show_and_plan_say_so(nothing, simulated, tmp_path):
    """Real securities, auctioned before, priced by curves that never were."""
    auctions = tmp_path / "auctions.csv"
    auctions.write_text(sample_files()["auctions.csv"])
    for file in (simulated / "par_yields.csv", auctions):
        assert nothing("market", "import", file).code == 0
    day = ("--date", "2026-09-01")
    shown = nothing("market", "show", *day)
    assert shown.out.startswith("simulated market, by dns seed 7: this curve was never published")
    assert "prices: 23 simulated" in shown.out or " simulated, of 2026-09-01" in shown.out
    assert "from simulated curve 1 Mo of 2026-09-01" in shown.out
    value = valid("market-show", nothing("market", "show", *day, "--json").out)
    assert value["simulation"] == "dns seed 7"
    assert set(value["sources"]) == {"simulated"}
    cash = tmp_path / "cash.csv"
    cash.write_text("cusip,face,cost_price\nUSD,5000000,\n")
    plan = nothing("plan", "ladder", *day, "--holdings", cash, "--rungs", "4", "--longest-years", "3")
    assert plan.code == 0, plan.err
    assert "simulated" in plan.out
    value = nothing("plan", "ladder", *day, "--holdings", cash, "--rungs", "4", "--longest-years", "3", "--json").json
    assert {order["source"] for order in value["orders"]} == {"simulated"}


def test_a_plan_without_a_security_says_what_to_import(nothing, simulated, tmp_path):
    assert nothing("market", "import", simulated / "par_yields.csv").code == 0
    cash = tmp_path / "cash.csv"
    cash.write_text("cusip,face,cost_price\nUSD,5000000,\n")
    ran = nothing("plan", "ladder", "--date", "2026-09-01", "--holdings", cash)
    refused(ran, 3, "no security is known on 2026-09-01; import auction results or a price sheet first")


def test_published_and_simulated_never_mix(nothing, simulated, published, publisher, tmp_path):
    assert nothing("market", "import", simulated / "par_yields.csv").code == 0
    says = "par yields: those that are here are simulated (dns seed 7), the new ones published"
    refused(nothing("market", "import", published / "par_yields.csv"), 3, says)
    feeds = tmp_path / "feeds.toml"
    feeds.write_text(publisher.toml(pause_seconds=0.0))
    refused(
        nothing("market", "sync", "--feeds", feeds, "--feed", "treasury", "--from", "2020-01-01"),
        3,
        "sync a home of its own",
    )
    assert publisher.asked == []
    refused(nothing("market", "simulate", "--from", "2027-06-01"), 3, "are simulated themselves")
    other = Path(tmp_path / "both")
    other.mkdir()
    (other / "a.csv").write_text(world_csv())
    (other / "b.csv").write_text((simulated / "par_yields.csv").read_text())
    ran = nothing("backtest", "ladder", "--from", "2026-08-24", "--to", "2027-01-29", "--data", other)
    refused(ran, 3, "keep them in homes or folders apart")


def test_bad_options(nothing, published):
    data = ("--data", published)
    refused(nothing("market", "simulate", "--from", "soon", *data), 2, "from: 'soon' is not a date")
    refused(nothing("market", "simulate", *START, *data, "--model", "heston"), 2, "model: 'heston' is not one of")
    refused(nothing("market", "simulate", *START, *data, "--days", "99999"), 2, "days: 99999 is not in 1 to 12600")
    refused(nothing("market", "simulate", *START), 3, "there is no published curve near")
    refused(nothing("market", "simulate", "--from", str(date(2035, 1, 2)), *data), 3, "no published curve near 2035")
