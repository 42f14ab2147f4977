"""`tbill repo` as a desk uses it, and what it says of misuse."""

import json
import shutil
from datetime import date

import pytest

import tbill_defi as td
from tbill_defi.cli.repo_market import figures
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.instruments.repo import Repo
from tbill_defi.ledger.open import open_ledger
from tests.unit.automation.support import write_market
from tests.unit.cli.support import NOTE, OTHER, refused, state
from tests.unit.cli.test_schemas import valid

QUOTE = ("repo", "quote", "--cusip", NOTE, "--rate", "0.0365", "--end", "7", "--face", "1000000")


@pytest.fixture(scope="module")
def _funded(tmp_path_factory):
    """A home where the dealer has cash to lend and the oracle has prices, made once."""
    return tmp_path_factory.mktemp("funded") / "home"


@pytest.fixture
def funded(tbill, _funded):
    """`tbill` with a lender and prices."""
    if not _funded.exists():
        with open_ledger(home=tbill.home) as ledger:
            ledger.deposit("dealer", {}, 5_000_000 * 10**6)
        assert tbill("oracle", "publish").code == 0
        shutil.copytree(tbill.home, _funded)
    shutil.rmtree(tbill.home)
    shutil.copytree(_funded, tbill.home)
    return tbill


def opened(tbill, *words):
    quote = tbill(*QUOTE, "--haircut", "0.02", "--json", *words).json
    return valid("repo-open", tbill("repo", "open", quote["file"], "--json").out)["repo"]


def later(tbill, day, hour=9):
    """The next command acts on that day: one block is written there."""
    with open_ledger(home=tbill.home) as ledger:
        ledger.chain.advance_clock(new_york_midnight(day) + hour * 3600 - ledger.chain.now())
        ledger.deposit("dealer", {}, 1)


def test_quote_open_show_close(funded):
    made = valid("repo-quote", funded(*QUOTE, "--haircut", "0.02", "--json").out)
    quote, figures = made["quote"], made["figures"]
    cash = int(quote["repo"]["cash_units"])
    assert cash == int(1_000_000 * figures["dirty_price"] / 100 * 0.98 * 100) * 10_000, "to the cent"
    assert int(figures["interest"]) == (cash * 365 * 7 * 2 + 3_600_000) // (2 * 3_600_000)
    assert figures["carry"]["carry"] == pytest.approx(
        figures["carry"]["interest_income"] - figures["carry"]["financing_cost"], abs=1e-12
    )
    note = next(s for s in td.view("2026-03-24", home=funded.home).securities if s.cusip == NOTE)
    accrued = float(note.resolve().accrued(date(2026, 3, 31)))
    grown = figures["dirty_price"] * (1 + 0.0365 * 7 / 360)
    assert figures["carry"]["forward_clean_price"] == pytest.approx(grown - accrued, abs=2e-6), "of the price lent on"
    before = funded("wallet", "desk", "--json").json
    repo = valid("repo-open", funded("repo", "open", made["file"], "--json").out)["repo"]
    assert (repo["repo_id"], repo["status"], repo["coverage"]["deficit"]) == (quote["repo_id"], "open", "0")
    wallet = valid("wallet", funded("wallet", "desk", "--json").out)
    assert wallet["pledged"] == {NOTE: str(10**12)}
    assert int(wallet["cash"]) - int(before["cash"]) == cash
    assert valid("wallet", funded("wallet", "dealer", "--json").out)["collateral"] == {NOTE: str(10**12)}
    assert f"{NOTE}: $1,000,000.00 pledged in repo" in funded("wallet", "desk").out
    (row,) = valid("repo-show", funded("repo", "show", "--json").out)["repos"]
    assert row["value"] == pytest.approx(cash / 1e6, rel=1e-4)
    assert (
        valid("repo-mark", funded("repo", "mark", repo["repo_id"][:10], "--json").out)["repo"]["call_deadline"] is None
    )
    done = valid("repo-close", funded("repo", "close", repo["repo_id"], "--json").out)
    assert (done["paid"], done["close_out"]) == ({"principal": str(cash), "interest": "0"}, None)
    assert valid("wallet", funded("wallet", "desk", "--json").out)["pledged"] == {}
    assert "repurchased" in funded("repo", "show").out


def test_carry_is_that_of_the_price_for_the_day_it_starts(tmp_path):
    """A model price is quoted for the next settlement day, over a weekend here; the repo starts today."""
    write_market(tmp_path)
    view = td.view("2026-03-27", home=tmp_path)
    i = view.index(NOTE)
    terms = Repo(
        cusip=NOTE,
        face_units=10**12,
        cash_units=9 * 10**11,
        rate=0.0365,
        start_date=view.date,
        end_date=date(2026, 4, 2),
        margin=0.02,
    )
    found = figures(view, terms, round(view.mid_dirty[i] * 1e6))
    grown = view.mid_dirty[i] * (1 + 0.0365 * 6 / 360)
    accrued = float(view.securities[i].resolve().accrued(date(2026, 4, 2)))
    assert found["carry"]["forward_clean_price"] == pytest.approx(grown - accrued, abs=1e-9)


@pytest.mark.parametrize(
    ("asked", "end", "days"),
    [("4", "2026-03-30", 6), ("9", "2026-04-02", 9), ("10", "2026-04-06", 13), ("2026-06-18", "2026-06-18", 86)],
)
def test_so_many_days_end_on_the_next_settlement_day(funded, asked, end, days):
    """2026-03-28 is a Saturday, and 2026-04-03 Good Friday, on which nothing settles."""
    made = funded(*QUOTE, "--haircut", "0.02", "--end", asked, "--json").json
    assert (made["quote"]["repo"]["end_date"], made["figures"]["days"]) == (end, days)


def test_a_date_on_which_nothing_settles_is_no_end(funded):
    for day, following in (("2026-03-28", "2026-03-30"), ("2026-04-03", "2026-04-06"), ("2026-06-19", "2026-06-22")):
        says = f"--end: {day} is no good settlement day; {following} is the next"
        refused(funded(*QUOTE, "--haircut", "0.02", "--end", day), 2, says)


def test_substitute_margin_and_default(funded):
    repo = opened(funded)
    done = valid("repo-substitute", funded("repo", "substitute", repo["repo_id"], OTHER, "--json").out)["repo"]
    assert done["cusip"] == OTHER
    assert done["outstanding"] == repo["outstanding"]
    assert int(done["face"]) % (100 * 10**6) == 0
    more = valid("repo-margin", funded("repo", "margin", repo["repo_id"], "--face", "1000", "--json").out)["repo"]
    assert int(more["face"]) - int(done["face"]) == 1_000 * 10**6
    refused(funded("repo", "margin", repo["repo_id"], "--cash", "1000"), 7, "up to what an open margin call")
    refused(funded("repo", "margin", repo["repo_id"]), 7, "the collateral covers, so nothing is called")
    refused(funded("repo", "close", repo["repo_id"], "--default"), 7, "there is no default")
    later(funded, date(2026, 4, 1))
    refused(funded("repo", "close", repo["repo_id"], "--default"), 7, "stale")
    assert valid("repo-show", funded("repo", "show", "--json").out)["repos"][0]["coverage"] is None, (
        "no fresh price, and it says so"
    )


def test_closed_out_when_it_is_overdue(funded):
    repo = opened(funded, "--end", "1")
    later(funded, date(2026, 3, 25), hour=23)
    assert "not repurchased" not in funded("repo", "show").out
    later(funded, date(2026, 3, 26))
    assert funded("repo", "show", "--json").json["repos"][0]["overdue"] is True
    assert "it was not repurchased on its date: the lender may close out" in funded("repo", "show").out
    done = valid("repo-close", funded("repo", "close", repo["repo_id"], "--default", "--json").out)
    assert (done["repo"]["status"], done["repo"]["overdue"]) == ("closed-out", False)
    taken, back = (int(done["close_out"][k]) for k in ("lender_face_units", "borrower_face_units"))
    assert taken + back == 10**12
    assert 0 < back < 10**12 * 2 // 100
    refused(funded("repo", "close", repo["repo_id"], "--default"), 7, "it is over")


def test_misuse_is_named_and_changes_nothing(funded):
    before = state(funded.home)
    refused(funded(*QUOTE), 2, "--haircut or --margin-ratio")
    refused(funded(*QUOTE, "--haircut", "2"), 4, "not a haircut", "0.02")
    refused(funded(*QUOTE, "--margin-ratio", "0.98"), 4, "margin ratio", "1.02")
    refused(funded(*QUOTE, "--haircut", "0.02", "--rate", "3.65"), 4, "looks like percent", "0.0365")
    refused(funded(*QUOTE, "--haircut", "0.02", "--end", "soon"), 2, "--end", "soon")
    refused(
        funded(*QUOTE, "--haircut", "0.02", "--end", "2026-03-20"), 2, "--end: 2026-03-20 is not 1 to 731 days after"
    )
    refused(funded(*QUOTE, "--haircut", "0.02", "--cusip", "912828ZZ9"), 7, "912828ZZ9 has no token")
    refused(funded(*QUOTE, "--haircut", "0.02", "--lender", "desk"), 2, "cannot lend to itself")
    refused(funded(*QUOTE, "--haircut", "0.02", "--lender", "nobody"), 7, "nobody")
    refused(funded(*QUOTE, "--haircut", "0.02", "--signer", "auditor"), 2, "neither the lender")
    refused(funded("repo", "show", "0xff"), 7, "0 repos")
    refused(funded("repo", "close", "0xff", "--face", "1"), 2, "--principal")
    refused(funded("repo", "open", funded.home / "nothing.json"), 3, "nothing.json")
    broken = funded.home.parent / "broken.json"
    broken.write_text(json.dumps({"repo": 1}))
    refused(funded("repo", "open", broken), 3, "repo: 1 is not what `repo quote` writes there")
    after = state(funded.home)
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed <= {name for name in after if name.endswith(".db")}, "at most the facility was registered"


def test_an_act_without_an_id_is_on_the_only_open_repo(funded):
    refused(funded("repo", "mark"), 7, "there is none")
    first = opened(funded)
    assert funded("repo", "mark", "--json").json["repo"]["repo_id"] == first["repo_id"]
    assert funded("repo", "margin", "--face", "1000", "--json").json["repo"]["repo_id"] == first["repo_id"]
    second = opened(funded, "--nonce", "1")
    before = state(funded.home)
    refused(funded("repo", "close"), 2, "2 could be meant", first["repo_id"][2:12], second["repo_id"][2:12])
    assert state(funded.home) == before
    assert funded("repo", "close", first["repo_id"]).code == 0
    assert funded("repo", "close", "--json").json["repo"]["repo_id"] == second["repo_id"]


def test_who_is_short_is_named_in_dollars(funded):
    made = funded(*QUOTE[:-1], "3500000", "--haircut", "0.02", "--json").json
    refused(funded("repo", "open", made["file"]), 7, "sender desk", "$3,000,000.00", "$3,500,000.00")


def test_short_collateral_is_refused_when_it_is_opened(funded):
    made = funded(*QUOTE, "--haircut", "0.02", "--cash", "1000000", "--json").json
    refused(funded("repo", "open", made["file"]), 7, "does not cover")
    assert "no repo" in funded("repo", "show").out


def test_a_wrong_term_is_named_with_its_cure(funded):
    wrong = [
        (("--rate", "-0.01"), 4, ("rate: -0.01 is negative", "0 or more")),
        (("--rate", "nan"), 4, ("rate: nan is no rate", "0.0365")),
        (("--rate", "inf"), 4, ("rate: inf is no rate", "0.0365")),
        (("--rate", "3.65"), 4, ("rate: 3.65 looks like percent", "0.0365")),
        (("--rate", "much"), 2, ("--rate", "number")),
        (("--haircut", "1"), 4, ("--haircut: 1 is not a haircut in [0, 1)", "0.02")),
        (("--haircut", "1.02"), 4, ("--haircut: 1.02 is not", "a margin_ratio of 1.02")),
        (("--haircut", "-0.01"), 4, ("--haircut: -0.01", "0.02")),
        (("--haircut", "nan"), 4, ("--haircut: nan", "0.02")),
        (("--end", "0"), 2, ("--end: 2026-03-24 is not 1 to 731 days after", "market date 2026-03-24")),
        (("--end", "2026-03-01"), 2, ("--end: 2026-03-01 is not 1 to 731 days after",)),
        (("--end", "9999"), 2, ("--end: 2053-08-08 is not 1 to 731 days after",)),
        (("--end", "2026-02-30"), 2, ("--end: '2026-02-30' is not a date", "7 for days")),
        (("--end", "-3"), 2, ("--end: '-3' is not a date", "7 for days")),
        (("--face", "0"), 2, ("--face: 0 is not a positive amount",)),
        (("--face", "1e6"), 4, ("face: '1e6' is not an amount", "1,000,000.00")),
        (("--cash", "-1"), 2, ("--cash: -1 is not a positive amount",)),
        (("--cusip", "xyz"), 7, ("XYZ has no token", NOTE, OTHER)),
        (("--cusip", "é"), 4, ("identifier 'É'", "ASCII")),
        (("--borrower", "Zoë"), 7, ("Zoë", "parties: dealer, desk")),
        (("--call-hours", "2000000"), 2, ("--call-hours", "8784")),
        (("--nonce", str(2**256)), 2, ("nonce", "2^256")),
    ]
    for words, code, says in wrong:
        refused(funded(*QUOTE, "--haircut", "0.02", *words), code, *says)


def test_a_wrong_act_is_named_with_its_cure(funded):
    """On a repo that runs, then on one that is over: in dollars, and nothing has changed."""
    repo_id = opened(funded)["repo_id"]
    before = state(funded.home)
    wrong = [
        (("margin", repo_id), 7, ("the collateral covers, so nothing is called",)),
        (("margin", repo_id, "--face", "0"), 2, ("--face: 0",)),
        (
            ("margin", repo_id, "--cash", "1000"),
            7,
            ("up to what an open margin call", "cash $1,000.00", "deficit $0.00"),
        ),
        (("margin", repo_id, "--face", "9000000"), 7, ("sender desk", "$2,000,000.00", "$9,000,000.00")),
        (("substitute", repo_id, OTHER, "--face", "1"), 7, ("does not cover", "exposure $968,941.71")),
        (("substitute", repo_id, "912828ZZ9"), 7, ("912828ZZ9 has no token", OTHER)),
        (("close", repo_id, "--default"), 7, ("there is no default",)),
        (("close", repo_id, "--principal", "9000000"), 7, ("more than is outstanding", "principal $9,000,000.00")),
        (("close", repo_id, "--principal", "1", "--face", "9000000"), 7, ("than is held", "face $9,000,000.00")),
        (("close", repo_id, "--principal", "5", "--face", "900000"), 7, ("does not cover", "give more face")),
        (("close", repo_id, "--face", "1"), 2, ("--face needs --principal",)),
        (("close", repo_id, "--default", "--principal", "1"), 2, ("leave --principal and --face out",)),
        (("mark", "0xdead"), 7, ("'0xdead': 0 repos have such an id", "`tbill repo show`")),
    ]
    for words, code, says in wrong:
        refused(funded("repo", *words), code, *says)
    assert state(funded.home) == before
    assert funded("repo", "close", repo_id).code == 0
    before = state(funded.home)
    for words in (("close",), ("close", "--default"), ("mark",), ("margin", "--face", "5")):
        refused(funded("repo", words[0], repo_id, *words[1:]), 7, "it is over", "`tbill repo show`")
    assert state(funded.home) == before


def test_a_quote_for_another_day_or_moment(funded):
    made = funded(*QUOTE, "--haircut", "0.02", "--json").json["file"]
    with open_ledger(home=funded.home) as ledger:
        ledger.chain.advance_clock(1_000)
        ledger.deposit("dealer", {}, 1)
    refused(funded("repo", "open", made), 7, "the quote has expired", "ask for another")
    later(funded, date(2026, 3, 25))
    refused(funded("repo", "open", made), 7, "starts on another day", "ask for another")


def test_stale_prices_stop_what_needs_a_price(funded):
    repo_id = opened(funded)["repo_id"]
    later(funded, date(2026, 4, 2))
    for words in (
        (*QUOTE[1:], "--haircut", "0.02", "--nonce", "1"),
        ("mark",),
        ("substitute", repo_id, OTHER),
        ("margin", "--face", "5"),
        ("close", repo_id, "--principal", "5"),
        ("close", repo_id, "--default"),
    ):
        refused(funded("repo", *words), 7, "stale", "`tbill oracle publish`")
    assert funded("repo", "close", repo_id).code == 0, "paying back takes no price"


def test_a_quote_that_was_changed(funded, tmp_path):
    """One line that names the field, and nothing is opened."""
    quote, path = funded(*QUOTE, "--haircut", "0.02", "--json").json["quote"], tmp_path / "quote.json"
    wrong = [
        ("legs", 3, "legs: 3 is not what"),
        ("legs", [{"token": "0x12"}], "legs: "),
        ("token", "0xzz", "token: '0xzz'"),
        ("token", "0x1234", "token: '0x1234'"),
        ("nonce", "q", "nonce: 'q'"),
        ("nonce", "-1", "nonce: '-1'"),
        ("call_seconds", 2**40, "call_seconds: 1099511627776"),
        ("call_seconds", 1.5, "call_seconds: 1.5"),
        ("deadline", True, "deadline: True"),
        ("signatures", [], "signatures: []"),
        ("lender", None, "lender: None"),
        ("repo", 7, "repo: 7"),
        ("repo_id", "0x00", "repo_id: '0x00'"),
    ]
    for field, value, says in wrong:
        path.write_text(json.dumps(quote | {field: value}))
        refused(funded("repo", "open", path), 3, says, "`repo quote`")
        path.write_text(json.dumps({name: found for name, found in quote.items() if name != field}))
        refused(funded("repo", "open", path), 3, f"{field} is missing")
    assert "no repo" in funded("repo", "show").out
