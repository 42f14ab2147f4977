"""`tbill option` as a desk uses it, and what it says of misuse."""

import importlib.util
import json
import re
from datetime import date
from pathlib import Path

import pytest

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.open import open_ledger
from tbill_defi.report.tearsheet import plotly_script
from tests.unit.cli.support import NOTE, refused, state
from tests.unit.cli.test_schemas import valid

EXPIRY = date(2026, 6, 24)
TERMS = (NOTE, "--kind", "call", "--strike", "99", "--expiry", EXPIRY)
QUOTE = ("option", "quote", *TERMS, "--face", "1000000")


@pytest.fixture
def funded(tbill):
    """The dealer has cash."""
    with open_ledger(home=tbill.home) as ledger:
        ledger.deposit("dealer", {}, 5_000_000 * 10**6)
    return tbill


def later(tbill, day, hour=10):
    """The next command acts at that time: one block is written there."""
    with open_ledger(home=tbill.home) as ledger:
        ledger.chain.advance_clock(new_york_midnight(day) + hour * 3600 - ledger.chain.now())
        ledger.deposit("dealer", {}, 1)


def quoted(tbill, *words, kind="call"):
    given = [*QUOTE, "--premium", "5000", *words]
    given[given.index("--kind") + 1] = kind
    return valid("option-quote", tbill(*given, "--json").out)


def wealth(tbill):
    return {
        party: {row["cusip"]: int(row["face"]) for row in shown["positions"]} | {"USD": int(shown["cash"])}
        for party in ("desk", "dealer")
        for shown in [tbill("wallet", party, "--json").json]
    }


def test_price_by_both_models_and_back(tbill):
    found = valid("option-price", tbill("option", "price", *TERMS, "--volatility", "0.06", "--json").out)
    assert (found["model"], found["sigma"], found["repo_rate"]) == ("black-76", None, 0.0363)
    implied = tbill("option", "price", *TERMS, "--premium", found["price"], "--json").json
    assert implied["volatility"] == pytest.approx(0.06, abs=1e-10)
    rates = valid("option-price", tbill("option", "price", *TERMS, "--sigma", "0.009", "--json").out)
    assert (rates["model"], rates["volatility"], rates["mean_reversion"]) == ("hull-white", None, 0.03)
    back = tbill("option", "price", *TERMS, "--premium", rates["price"], "--hull-white", "--json").json
    assert back["sigma"] == pytest.approx(0.009, abs=1e-10)
    put = tbill("option", "price", NOTE, "--kind", "put", *TERMS[3:], "--volatility", "0.06", "--json").json
    parity = found["discount"] * (found["forward_clean"] - 99)
    assert found["price"] - put["price"] == pytest.approx(parity, abs=1e-10)
    text = tbill("option", "price", *TERMS, "--volatility", "0.06").out
    assert "vega per 1% volatility" in text
    assert "holder's profit" in text
    assert text.count("*") > 60


@pytest.mark.parametrize("kind", ["call", "put"])
def test_quote_write_buy_exercise(funded, kind):
    if kind == "put":
        with open_ledger(home=funded.home) as ledger:
            ledger.deposit("desk", {}, 2_000_000 * 10**6)
            token = ledger.token_of(NOTE)
            move = encode_call("SecurityToken", "transfer", ledger.address_of("dealer"), 1_000_000 * 10**6)
            ledger.send([Step("desk", token, move)])
    made = quoted(funded, kind=kind)
    before = wealth(funded)
    written = valid("option-write", funded("option", "write", made["file"], "--json").out)["option"]
    assert (written["status"], written["premium"], written["payment"]) == ("written", "0", made["payment"])
    positions = {row["cusip"]: row for row in funded("wallet", "desk", "--json").json["positions"]}
    assert int(positions[NOTE]["held"]) == (1_000_000 * 10**6 if kind == "call" else 0)
    bought = valid("option-buy", funded("option", "buy", made["file"], "--json").out)["option"]
    assert (bought["status"], bought["premium"]) == ("open", str(5_000 * 10**6))
    short = bought["option_id"][2:12]
    refused(funded("option", "exercise", short), 7, "can be exercised from 2026-06-24 00:00:00")
    later(funded, EXPIRY)
    done = valid("option-exercise", funded("option", "exercise", short, "--json").out)["option"]
    after, due = wealth(funded), int(made["payment"])
    sign = 1 if kind == "call" else -1
    assert done["status"] == "exercised"
    assert after["desk"]["USD"] - before["desk"]["USD"] == 5_000 * 10**6 + sign * due
    assert after["dealer"].get(NOTE, 0) - before["dealer"].get(NOTE, 0) == sign * 1_000_000 * 10**6
    refused(funded("option", "exercise", short), 7, "it is exercised")
    shown = valid("option-show", funded("option", "show", "--json").out)
    assert shown["options"] == [done | {"mark": None, "unmarked": "it has ended"}]
    assert "exercised: " + kind in funded("option", "show", short).out


def test_expired_and_withdrawn(funded):
    made = quoted(funded)
    funded("option", "write", made["file"])
    funded("option", "buy", made["file"])
    other = quoted(funded, "--salt", "1")
    funded("option", "write", other["file"])
    refused(funded("option", "expire", made["quote"]["option_id"]), 7, "can be exercised until")
    taken = valid("option-withdraw", funded("option", "withdraw", other["quote"]["option_id"], "--json").out)
    assert taken["option"]["status"] == "withdrawn"
    refused(funded("option", "withdraw", made["quote"]["option_id"]), 7, "OptionNotWritten")
    later(funded, date(2026, 6, 25))
    refused(funded("option", "exercise", made["quote"]["option_id"]), 7, "the ledger is at 2026-06-25")
    ended = valid("option-expire", funded("option", "expire", made["quote"]["option_id"], "--json").out)
    assert ended["option"]["status"] == "expired"
    assert all(row["held"] == "0" for row in funded("wallet", "desk", "--json").json["positions"])


def test_all_whose_window_has_passed_expire_at_once(funded):
    """One bought, one written, on a day; a third on the next is left, and says when its window ends."""
    made = [quoted(funded, "--salt", str(salt), "--valid", "31000000") for salt in range(2)]
    made.append(quoted(funded, "--salt", "2", "--expiry", "2026-06-25"))
    for quote in made:
        assert funded("option", "write", quote["file"]).code == 0
    assert funded("option", "buy", made[0]["file"]).code == 0
    refused(funded("option", "expire"), 7, "none on this ledger whose window has passed", "2026-06-24 23:59:59 EDT")
    later(funded, date(2026, 6, 25))
    says = "its window has passed; `tbill option expire` frees its collateral"
    assert funded("option", "show", "--json").json["options"][0]["unmarked"] == says
    refused(funded("option", "buy", made[1]["file"]), 7, "cannot be bought: its window ended 2026-06-24 23:59:59 EDT")
    ended = valid("option-expire", funded("option", "expire", "--json").out)["options"]
    assert [row["option_id"] for row in ended] == [quote["quote"]["option_id"] for quote in made[:2]]
    assert {row["status"] for row in ended} == {"expired"}
    positions = {row["cusip"]: row["held"] for row in funded("wallet", "desk", "--json").json["positions"]}
    assert positions[NOTE] == str(1_000_000 * 10**6), "the third's"
    refused(funded("option", "expire"), 7, "2026-06-25 23:59:59 EDT")


def test_an_act_without_an_id_is_on_the_only_option_it_can_be_of(funded):
    refused(funded("option", "exercise"), 7, "there is none")
    made, other = quoted(funded), quoted(funded, "--salt", "1")
    for quote in (made, other):
        assert funded("option", "write", quote["file"]).code == 0
    refused(funded("option", "withdraw"), 2, "2 could be meant", made["quote"]["option_id"][2:12])
    assert funded("option", "buy", made["file"]).code == 0
    assert funded("option", "withdraw", "--json").json["option"]["option_id"] == other["quote"]["option_id"]
    later(funded, EXPIRY)
    assert funded("option", "exercise", "--json").json["option"]["option_id"] == made["quote"]["option_id"]
    refused(funded("option", "expire"), 7, "there is none")


def test_the_plan_sees_the_hold(funded):
    """A rebalance that would sell what is on hold is planned around it, or refused."""
    made = quoted(funded, "--face", "3000000")
    funded("option", "write", made["file"])
    plan = funded("plan", "ladder", "--rungs", "4", "--longest-years", "3", "--json").json
    sold = [leg for leg in plan["legs"] if leg["asset"] == NOTE and leg["from"] == "desk"]
    assert sold == []


def test_model_premium(funded):
    words = [*QUOTE, "--volatility", "0.06", "--json"]
    found = valid("option-quote", funded(*words).out)
    assert int(found["quote"]["premium"]) == round(round(found["model"]["price"], 6) * 10_000 * 10**6)


def test_misuse_is_named_and_changes_nothing(funded, tmp_path):
    made = quoted(funded)
    short = quoted(funded, "--face", "3000001", "--salt", "1")
    cash = quoted(funded, "--salt", "2", kind="put")
    stale = quoted(funded, "--valid", "5", "--salt", "3")
    assert funded("option", "write", stale["file"]).code == 0
    with open_ledger(home=funded.home) as ledger:
        ledger.chain.advance_clock(60)
        ledger.deposit("dealer", {}, 1)
    forged = json.loads(Path(made["file"]).read_text()) | {"premium": "1"}
    cheap = tmp_path / "cheap.json"
    cheap.write_text(json.dumps(forged))
    garbage = tmp_path / "garbage.json"
    garbage.write_text("{}")
    before = state(funded.home)
    for code, words, says in (
        (7, ("option", "write", short["file"]), ("naked", "$2,000,000.00", "$3,000,001.00")),
        (7, ("option", "write", cash["file"]), ("cash", "naked")),
        (7, ("option", "buy", made["file"]), ("not written",)),
        (7, ("option", "buy", stale["file"]), ("expired", "ask desk")),
        (7, ("option", "write", stale["file"]), ("written already",)),
        (7, ("option", "exercise", stale["quote"]["option_id"]), ("it is written",)),
        (7, ("option", "exercise", "abcdef"), ("abcdef", "option show")),
        (7, ("option", "show", "abcdef"), ("abcdef",)),
        (3, ("option", "buy", garbage), ("not a quote",)),
        (3, ("option", "write", tmp_path / "none.json"), ("none.json",)),
        (3, ("option", "quote", "912797ZZ9", *QUOTE[3:], "--premium", "1"), ("912797ZZ9",)),
        (3, ("option", "price", "912797ZZ9", *TERMS[1:], "--volatility", "0.06"), ("912797ZZ9",)),
        (4, ("option", "price", *TERMS, "--volatility", "6"), ("volatility", "percent")),
        (4, ("option", "price", *TERMS, "--premium", "90"), ("premium: 90",)),
        (2, ("option", "price", *TERMS), ("one of",)),
        (2, ("option", "price", NOTE, "--kind", "straddle", *TERMS[3:], "--sigma", "0.01"), ("straddle",)),
        (2, (*QUOTE, "--premium", "1", "--window", "9-16"), ("window", "09:30-16:00")),
        (2, (*QUOTE, "--premium", "0"), ("premium",)),
        (2, (*QUOTE, "--premium", "1", "--holder", "desk"), ("itself",)),
        (7, (*QUOTE, "--premium", "1", "--holder", "nobody"), ("nobody",)),
        (
            2,
            ("option", "quote", *TERMS[:5], "--expiry", "2026-06-27", "--face", "1", "--premium", "1"),
            ("2026-06-29",),
        ),
        (7, ("option", "quote", *TERMS[:5], "--expiry", "2026-03-23", "--face", "1", "--premium", "1"), ("passed",)),
        (4, ("option", "quote", *TERMS[:5], "--expiry", "2046-03-26", "--face", "1", "--premium", "1"), ("life",)),
    ):
        refused(funded(*words), code, *says)
        assert state(funded.home) == before, words
    assert funded("option", "write", made["file"]).code == 0
    before = state(funded.home)
    refused(funded("option", "buy", cheap), 7, "QuoteNotSigned")
    assert state(funded.home) == before


def test_overlay_is_planned_and_written(tbill):
    words = ("covered-call-overlay", "--share", "0.25", "--delta", "0.3")
    planned = valid("plan", tbill("plan", *words, "--json").out)
    (first, second) = planned["writes"]
    assert (first["cusip"], first["face_units"]) == (NOTE, str(750_000 * 10**6))
    assert planned["legs"] == [{"asset": "USD", "from": "dealer", "to": "desk", "amount": planned["net_cash"][1:]}]
    text = tbill("plan", *words).out
    for shown in ("Calls written to dealer", NOTE, "750,000", "2026-04-23", "premium $", "bp of NAV", planned["hash"]):
        assert shown in text
    done = valid("rebalance", tbill("rebalance", *words, "--yes", "--json").out)
    assert done["plan"] == planned
    assert [int(quote["premium"]) for quote in done["execution"]["options"]] == [
        int(write["premium_units"]) for write in (first, second)
    ]
    assert wealth(tbill)["desk"]["USD"] == 200_000 * 10**6 - int(planned["net_cash"])
    held = {row["cusip"]: row["held"] for row in tbill("wallet", "desk", "--json").json["positions"]}
    assert held == {write["cusip"]: write["face_units"] for write in (first, second)}
    shown = valid("option-show", tbill("option", "show", "--json").out)["options"]
    assert [row["status"] for row in shown] == ["open", "open"]
    assert (tbill.home / "plans" / f"{planned['hash']}.quote.json").is_file()
    assert "no orders" in tbill("plan", *words).out
    assert tbill("audit", "verify").code == 0


def test_overlay_of_a_saved_plan_and_in_words(tbill, tmp_path):
    file = tmp_path / "calls.json"
    tbill("plan", "covered-call-overlay", "--out", file)
    assert "2 calls written and sold in block" in tbill("rebalance", "--plan", file, "--yes").out
    refused(tbill("rebalance", "--plan", file, "--yes"), 5, "settles once")
    refused(tbill("plan", "covered-call-overlay", "--delta", "0.9"), 4, "delta")


def test_show_marks_live_options_to_model(funded):
    made = quoted(funded)
    funded("option", "write", made["file"])
    row = valid("option-show", funded("option", "show", "--json").out)["options"][0]
    assert (row["mark"], row["unmarked"]) == (None, "nobody has bought it; give --volatility")
    given = valid("option-show", funded("option", "show", "--volatility", "0.05", "--json").out)["options"][0]["mark"]
    priced = funded("option", "price", *TERMS, "--volatility", "0.05", "--json").json
    for name in ("price", "delta", "gamma", "vega", "theta", "forward_clean", "clean_price"):
        assert given[name] == priced[name]
    assert (given["volatility_source"], given["profit"]) == ("given", None)
    assert int(given["value"]) == pytest.approx(priced["price"] * 1e10, abs=5_000)  # six decimals of 100 face
    funded("option", "buy", made["file"])
    same_day = valid("option-show", funded("option", "show", "--json").out)["options"][0]["mark"]
    assert (same_day["value"], same_day["profit"]) == (str(5_000 * 10**6), "0"), "worth what was paid for it"
    assert same_day["volatility_source"] == "premium of 2026-03-24"
    dear = funded("option", "show", "--volatility", "0.09").out
    assert "more than was paid" in dear
    assert "less than was paid" in funded("option", "show", "--volatility", "0.001").out
    for word in ("worth", "delta +", "gamma +", "vega +", "theta -", "(given)"):
        assert word in dear


def test_show_says_why_there_is_no_mark(funded):
    made = quoted(funded)
    funded("option", "write", made["file"])
    funded("option", "buy", made["file"])
    later(funded, date(2026, 3, 28))
    saturday = valid("option-show", funded("option", "show", "--json").out)["options"][0]
    assert saturday["mark"] is None
    assert "2026-03-28" in saturday["unmarked"]
    assert "no mark: " in funded("option", "show").out
    later(funded, EXPIRY)
    assert "expiry date has come" in funded("option", "show").out
    funded("option", "exercise")
    ended = valid("option-show", funded("option", "show", "--json").out)["options"][0]
    assert (ended["mark"], ended["unmarked"]) == (None, "it has ended")


@pytest.mark.skipif(importlib.util.find_spec("plotly") is None, reason="plotly is not installed")
@pytest.mark.parametrize("words", [("--volatility", "0.06"), ("--sigma", "0.009")])
def test_payoff_page_is_whole_and_offline(tbill, tmp_path, words):
    page = tmp_path / "payoff.html"
    value = tbill("option", "price", *TERMS, *words, "--html", page, "--json").json
    text = page.read_text()
    drawn = re.search(r'newPlot\("payoff", (\[.*?\}\]), (\{.*\}), \{displaylogo', text)
    holder, writer = json.loads(drawn[1])
    assert holder["x"] == [row["clean_price"] for row in value["payoff"]]
    assert holder["y"] == [row["profit"] for row in value["payoff"]]
    assert writer["y"] == [-profit for profit in holder["y"]]
    strike, forward, breakeven = (shape["x0"] for shape in json.loads(drawn[2])["shapes"])
    assert (strike, forward, breakeven) == (99.0, value["forward_clean"], pytest.approx(99 + value["price"]))
    outside = text.replace(plotly_script(), "")
    assert "http" not in outside
    assert "src=" not in outside
    assert f"payoff in {page}" in tbill("option", "price", *TERMS, *words, "--html", page).out
    refused(tbill("option", "price", *TERMS, *words, "--html", tmp_path), 3, "cannot be written")


def test_payoff_page_without_plotly(tbill, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    page = tmp_path / "payoff.html"
    refused(tbill("option", "price", *TERMS, "--volatility", "0.06", "--html", page), 2, "pip install")
    assert not page.exists()
