"""Bad input through the command line: one clear error, the documented code, nothing changed."""

import json
import os
import stat

import pytest

import tbill_defi as td
from tests.unit.cli.support import NOTE, POSITIONS, ROOT, SECRETS, refused, state

LADDER = ("ladder", "--rungs", "4", "--longest-years", "3")
REBALANCE = ("rebalance", *LADDER, "--yes")
DRY = ("rebalance", *LADDER, "--dry-run")
BYTES = bytes(range(256)) * 8
HTML = "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>no such file</body></html>\n"


@pytest.fixture
def unchanged(tbill):
    """Run a command that must be refused with nothing changed."""

    def check(codes, *words, says=()):
        before = state(tbill.home)
        ran = tbill(*words)
        refused(ran, ran.code, *says)
        assert ran.code in (codes if isinstance(codes, tuple) else (codes,)), ran.err
        assert state(tbill.home) == before
        return ran

    return check


WORDS = {
    "unknown CUSIP": (3, ["price", "912797ZZ9"], ["912797ZZ9", "2026-03-24"]),
    "mistyped CUSIP": (3, ["price", "91282CNY4"], ["91282CNY4", "check digit"]),
    "no CUSIP at all": (3, ["price", "note"], ["note"]),
    "weekend": (3, ["plan", *LADDER, "--date", "2026-03-21"], ["2026-03-21", "Saturday"]),
    "holiday": (3, ["market", "show", "--date", "2026-05-25"], ["2026-05-25"]),
    "before the history": (3, ["market", "show", "--date", "1989-12-29"], ["1989-12-29"]),
    "after the history": (3, ["market", "show", "--date", "2026-07-01"], ["2026-07-01"]),
    "empty value": (2, ["price", NOTE, "--date", ""], ["--date: its value is empty"]),
    "empty value after =": (2, ["plan", *LADDER, "--party="], ["--party: its value is empty"]),
    "empty argument": (2, ["wallet", " "], ["argument: its value is empty"]),
    "letters that no ledger has": (4, ["redeem", "☃"], ["☃", "ASCII"]),
    "date beyond the calendars": (2, ["kyc", "add", "carol", "--until", "9999-12-31"], ["9999-12-31", "2199"]),
    "plan with an unknown dealer": (7, ["plan", *LADDER, "--counterparty", "nobody"], ["nobody", "dealer, desk"]),
    "dry run with an unknown approver": (9, [*DRY, "--approve-by", "nobody"], ["nobody", "desk"]),
    "convention that is not asked for": (2, ["price", NOTE, "--convention", "french"], ["french", "street"]),
    "price beyond reason": (2, ["price", NOTE, "--price", "1000000"], ["1000000"]),
    "no date": (2, ["market", "show", "--date", "tomorrow"], ["date", "tomorrow"]),
    "unknown strategy": (2, ["plan", "laddr"], ["laddr", "duration-target, "]),
    "strategy file missing": (2, ["plan", "ideas.py"], ["ideas.py"]),
    "strategy module missing": (2, ["plan", "no.such:Thing"], ["no.such:Thing"]),
    "mistyped option": (2, ["plan", "ladder", "--rung", "8"], ["--rung ", "did you mean --rungs?"]),
    "mistyped option of the command": (2, ["plan", "ladder", "--holding", "x"], ["did you mean --holdings?"]),
    "unknown option": (2, ["plan", "ladder", "--colour", "red"], ["--colour", "--rungs, --longest-years"]),
    "option without value": (2, ["plan", "ladder", "--rungs"], ["--rungs needs a value"]),
    "option given twice": (2, ["plan", "ladder", "--rungs", "4", "--rungs=5"], ["--rungs", "twice"]),
    "stray word": (2, ["plan", "ladder", "eight"], ["eight"]),
    "option value of the wrong type": (4, ["plan", "ladder", "--rungs", "many"], ["rungs", "many"]),
    "option value out of range": (4, ["plan", "ladder", "--rungs", "0"], ["rungs", "0"]),
    "band upside down": (4, ["plan", "duration-target", "--lower", "3", "--upper", "2"], ["lower 3.0", "upper 2.0"]),
    "bucket that is none": (4, ["plan", "duration-target", "--buckets", '{"soon": [0, 1]}'], ["soon"]),
    "repo rate in percent": (4, ["plan", *LADDER, "--repo-rate", "3.6"], ["repo_rate", "3.6", "0.0425"]),
    "below a lot": (5, ["plan", *LADDER, "--lot", "100000000"], ["below a lot", "100,000,000"]),
    "no portfolio within the limits": (5, ["plan", "duration-target", "--max-weight", "0.01"], ["max weight"]),
    "more legs than an instruction has": (
        5,
        ["plan", "ladder", "--rungs", "24", "--lot", "1", "--party", "dealer"],
        ["dealer cannot deal with itself"],
    ),
    "unknown party": (7, ["wallet", "nobody"], ["nobody", "dealer, desk"]),
    "unknown party's plan": (7, ["plan", *LADDER, "--party", "nobody"], ["nobody"]),
    "unknown dealer": (7, [*REBALANCE, "--counterparty", "nobody"], ["nobody"]),
    "unknown approver": (9, [*REBALANCE, "--approve-by", "nobody"], ["nobody", "desk"]),
    "approved by another": (5, [*REBALANCE, "--approve-by", "dealer"], ["approve-by", "dealer"]),
    "nobody to ask": (2, ["rebalance", *LADDER], ["--yes", "--dry-run"]),
    "neither strategy nor plan": (2, ["rebalance", "--yes"], ["strategy", "--plan"]),
    "both strategy and plan": (2, ["rebalance", "ladder", "--plan", "plan.json"], ["strategy", "--plan"]),
    "settings for a saved plan": (2, ["rebalance", "--plan", "p.json", "--rungs", "4"], ["saved plan"]),
    "party for a saved plan": (2, ["rebalance", "--plan", "p.json", "--party", "desk"], ["--party", "saved plan"]),
    "init twice": (7, ["init", "--light-keys"], ["there is one"]),
    "positions on top of others": (2, ["holdings", "import", "positions.csv"], ["desk", "--add"]),
    "two prices": (2, ["price", NOTE, "--price", "99", "--yield", "0.04"], ["--price, --yield, --discount"]),
    "no security": (2, ["price"], ["CUSIP", "--terms"]),
    "yield in percent": (4, ["price", NOTE, "--yield", "4.25"], ["4.25 looks like percent", "0.0425"]),
    "yield that is no number": (4, ["price", NOTE, "--yield", "nan"], ["nan"]),
    "price that is none": (4, ["price", NOTE, "--price", "99-99"], ["99-99", "99-16+"]),
    "negative price": (2, ["price", NOTE, "--price", "-1"], ["-1"]),
    "discount rate of a note": (2, ["price", NOTE, "--discount", "0.03"], ["note", "bills"]),
    "convention that is none": (2, ["price", NOTE, "--yield", "0.04", "--convention", "french"], ["french"]),
    "settled after maturity": (4, ["price", NOTE, "--price", "99", "--settlement", "2030-01-02"], ["2030-01-02"]),
    "the quote for another day": (2, ["price", NOTE, "--settlement", "2026-03-30"], ["2026-03-24"]),
    "kind that is none": (2, ["market", "import", "positions.csv", "--kind", "bonds"], ["bonds", "auctions"]),
    "nothing settled N times": (2, ["tape", "--last", "0"], ["--last", "tbill tape -h"]),
    "no such command": (2, ["buy"], ["buy", "tbill -h"]),
    "no such command of a group": (2, ["market", "export"], ["export", "tbill market -h"]),
    "missing argument": (2, ["wallet"], ["party", "tbill wallet -h"]),
    "no such option": (2, ["tape", "--first", "1"], ["--first", "tbill tape -h"]),
    "text for a number": (2, ["plan", *LADDER, "--repo-rate", "low"], ["--repo-rate", "tbill plan -h"]),
    "plan into a folder": (2, ["plan", *LADDER, "--out", "."], ["directory"]),
    "plan below a file": (3, ["plan", *LADDER, "--out", "positions.csv/plan.json"], ["positions.csv"]),
}


@pytest.mark.parametrize(("code", "words", "says"), WORDS.values(), ids=WORDS)
def test_words(unchanged, code, words, says, tmp_path):
    (tmp_path / "work" / "positions.csv").write_text(POSITIONS)
    unchanged(code, *words, says=says)
    assert sorted(p.name for p in (tmp_path / "work").iterdir()) == ["positions.csv"]


FILES = {
    "missing": (None, ["there is no such file", "cannot be read"]),
    "a directory": ("directory", ["directory"]),
    "binary": (BYTES, ["UTF-8"]),
    "HTML": (HTML, ["<!DOCTYPE html>", "columns", 'no column "cusip"', "expected"]),
    "empty": ("", ["empty"]),
}


def _make(path, content):
    if content == "directory":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)
    return path


@pytest.mark.parametrize(("content", "says"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("kind", ["par_yields", "auctions", "fedinvest", "sofr", None])
def test_unreadable_market_file(unchanged, tmp_path, kind, content, says):
    path = _make(tmp_path / "fedinvest_2026-03-24.csv", content)
    ran = unchanged(3, "market", "import", path, *(("--kind", kind) if kind else ()), says=["fedinvest_2026-03-24.csv"])
    assert content == HTML or any(word in ran.err for word in says)


@pytest.mark.parametrize(("content", "says"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("words", [("holdings", "import", "{}", "--add"), ("plan", *LADDER, "--holdings", "{}")])
def test_unreadable_positions(unchanged, tmp_path, words, content, says):
    path = _make(tmp_path / "book.csv", content)
    ran = unchanged(3, *(word.format(path) for word in words), says=["book.csv"])
    assert any(word in ran.err for word in says)


@pytest.mark.parametrize(("content", "says"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("words", [("rebalance", "--yes", "--plan"), ("audit", "verify", "--head")])
def test_unreadable_plan_or_head(unchanged, tmp_path, words, content, says):
    unchanged(3, *words, _make(tmp_path / "kept.json", content), says=["kept.json"])


NO_END = {
    "pipe": (lambda path: os.mkfifo(path), "not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "loop": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "huge": (lambda path: (path.touch(), os.truncate(path, 2**40)), ""),
}
READERS = {
    "terms": (("price", "--settlement", "2026-03-24", "--price", "99", "--terms"), ()),
    "positions": (("holdings", "import", "--add"), ()),
    "market": (("market", "import", "--kind", "sofr"), ()),
    "plan": (("rebalance", "--yes", "--plan"), ()),
    "head": (("audit", "verify", "--head"), ()),
    "checkpoint": (("audit", "verify", "--checkpoint"), ()),
    "archive": (("restore", "--home", "new"), ()),
    "quote of a repo": (("repo", "open"), ()),
    "quote of an option": (("option", "buy"), ()),
    "pieces": (("strips", "name", NOTE), ()),
    "announcement": (
        ("auction", "announce"),
        ("--offering", "1000000", "--issue", "2026-03-31", "--closes", "2026-03-24T16:00"),
    ),
    "evidence": (("default", "declare", NOTE, "--document"), ()),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
@pytest.mark.parametrize(("make", "says"), NO_END.values(), ids=NO_END)
@pytest.mark.parametrize(("words", "rest"), READERS.values(), ids=READERS)
def test_a_file_that_never_ends(tbill, tmp_path, words, rest, make, says):
    """It is refused before anything is read of it, or where its stated limit is: nobody waits, no memory fills."""
    path = tmp_path / "named.json"
    make(path)
    before = state(tbill.home)
    ran = tbill(*words, path, *rest)
    refused(ran, ran.code)
    assert ran.code in (2, 3), ran.err
    assert "named.json" in ran.err
    assert says in ran.err or "not a file" in ran.err or "is not there" in ran.err or says == "symbolic links", ran.err
    assert state(tbill.home) == before
    assert not (tmp_path / "work" / "new").exists()


@pytest.mark.parametrize("content", [c for c, _ in FILES.values() if not isinstance(c, str) or c == "directory"])
def test_unreadable_terms(unchanged, tmp_path, content):
    path = _make(tmp_path / "terms.json", content)
    unchanged(3, "price", "--terms", path, "--settlement", "2026-03-24", "--price", "99", says=["terms.json"])


TERMS = {"kind": "note", "cusip": "91282CPZ8", "dated_date": "2026-02-15", "maturity_date": "2036-02-15"}


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (TERMS | {"coupon": 4.125}, ["coupon", "4.125 looks like percent", "0.04125"]),
        (TERMS, ["coupon"]),
        (TERMS | {"coupon": 0.04125, "color": "red"}, ["color"]),
        (TERMS | {"coupon": 0.04125, "kind": "linker"}, ["kind", "linker", "bill, note, bond"]),
        (TERMS | {"coupon": 0.04125, "maturity_date": "2016-02-15"}, ["maturity_date"]),
        ([], ["terms.json"]),
        (7, ["terms.json"]),
    ],
    ids=["coupon in percent", "no coupon", "unknown field", "unknown kind", "matured before dated", "list", "number"],
)
def test_terms(unchanged, tmp_path, terms, says):
    path = tmp_path / "terms.json"
    path.write_text(json.dumps(terms))
    unchanged(4, "price", "--terms", path, "--settlement", "2026-03-24", "--price", "99", says=says)


@pytest.mark.parametrize("text", ["", HTML, '{"kind": "note"', '{"kind": "note", "cusip"'])
def test_terms_that_are_no_json(unchanged, tmp_path, text):
    path = tmp_path / "terms.json"
    path.write_text(text)
    unchanged(4, "price", "--terms", path, "--settlement", "2026-03-24", "--price", "99", says=["terms.json"])


ROWS = {
    "negative face": (f"{NOTE},-1000,", ["line 2", '"face"', "-1000"]),
    "face that is no number": (f"{NOTE},lots,", ["line 2", '"face"', "lots"]),
    "half a row": (f"{NOTE},1000", ["line 2", "2 fields"]),
    "too many fields": (f"{NOTE},1,000,99", ["line 2", "4 fields"]),
    "CUSIP that is none": ("US91282CNY30,1000,", ["line 2", "US91282CNY30"]),
    "CUSIP twice": (f"{NOTE},1000,\n{NOTE},1000,", ["line 3", NOTE]),
    "cash twice": ("USD,1,\nCASH,1,", ["line 3", "CASH"]),
    "negative cash": ("USD,-5,", ["line 2", "-5"]),
    "no face": (f"{NOTE},0,", ["line 2", "positive"]),
    "finer than a base unit": (f"{NOTE},0.0000001,", ["line 2", "0.0000001"]),
    "cost price that is none": (f"{NOTE},1000,cheap", ["line 2", "cost_price", "cheap"]),
    "unknown CUSIP": ("912797ZZ9,1000,", ["912797ZZ9", "2026-03-24"]),
    "nothing": ("", ["no position"]),
    "more than there can be": (f"{NOTE},1e30,", ["line 2", "1e30"]),
}


@pytest.mark.parametrize(("rows", "says"), ROWS.values(), ids=ROWS)
def test_positions(unchanged, tmp_path, rows, says):
    path = tmp_path / "book.csv"
    path.write_text(f"cusip,face,cost_price\n{rows}\n")
    unchanged(3, "holdings", "import", path, "--add", says=says)
    unchanged(3, "plan", *LADDER, "--holdings", path, says=says)


MARKET_ROWS = {
    "par yields": ("Date,1 Mo,10 Yr\n03/23/2026,3.74,4.38\n03/24/2026,3.7", ["line 3"]),
    "par yield that is no number": ("Date,1 Mo,10 Yr\n03/24/2026,3.74,high\n", ["line 2", "10 Yr", "high"]),
    "date that is none": ("Date,1 Mo,10 Yr\n2026-13-24,3.74,4.39\n", ["line 2", "2026-13-24"]),
    "sofr": ("observation_date,SOFR\n2026-03-23\n", ["line 2"]),
    "auctions": ("cusip,type,auctionDate\n91282CPZ8,Note,2026-02-11\n", ["line 1", "issueDate"]),
    "fedinvest": ("91282CNY3,MARKET BASED NOTE,0.03375,09/15/2028,,98.78\n", ["line 1"]),
}


@pytest.mark.parametrize(("text", "says"), MARKET_ROWS.values(), ids=MARKET_ROWS)
def test_half_a_row(unchanged, tmp_path, text, says):
    path = tmp_path / "sheet_2026-03-24.csv"
    path.write_text(text)
    unchanged(3, "market", "import", path, says=["sheet_2026-03-24.csv", *says])


def test_an_undated_price_sheet(unchanged, tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("91282CNY3,MARKET BASED NOTE,0.03375,09/15/2028,,98.8,98.7,0\n")
    unchanged(3, "market", "import", path, says=["date"])
    unchanged(2, "market", "import", path, "--price-date", "yesterday", says=["price-date", "yesterday"])


@pytest.mark.parametrize(
    ("code", "words", "says"),
    [
        (2, ["--at", "yesterday"], ["yesterday", "2026-08-21T15:00-04:00"]),
        (2, ["--at", "1900-01-01T00:00"], ["1900-01-01T00:00", "1971"]),
        (2, ["--at", "9999-12-31T23:59-12:00"], ["9999"]),
        (2, ["--at", "0001-01-01T00:00+14:00"], ["0001"]),
        (4, ["--party", "two words"], ["two words"]),
        (2, ["--party", "desk", "--party", "desk"], ["desk", "twice"]),
        (2, ["--party", "operator"], ["operator"]),
    ],
)
def test_init(nothing, code, words, says):
    refused(nothing("init", "--light-keys", *words), code, *says)
    assert not nothing.home.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["wallet", "desk"],
        ["tape"],
        ["audit", "head"],
        ["plan", *LADDER],
        [*REBALANCE],
        ["rebalance", *LADDER, "--dry-run"],
    ],
    ids=" ".join,
)
def test_no_ledger(nothing, words):
    refused(nothing(*words), 7, "there is none", "tbill init")
    assert not nothing.home.exists()


def test_no_ledger_to_verify(nothing):
    refused(nothing("audit", "verify"), 7)
    refused(nothing("market", "show"), 2, "--date")
    refused(nothing("market", "show", "--date", "2026-03-24"), 3, "no par yields are imported")
    assert not nothing.home.exists()


def test_no_market_data(nothing, tmp_path):
    book = tmp_path / "book.csv"
    book.write_text(POSITIONS)
    assert nothing("init", "--light-keys", "--at", "2026-03-24").code == 0
    before = state(nothing.home)
    for words in (["holdings", "import", book], ["plan", *LADDER], [*REBALANCE], ["price", NOTE], ["market", "show"]):
        refused(nothing(*words), 3, "par_yields")
    assert state(nothing.home) == before


def test_a_home_that_is_a_file(nothing):
    nothing.home.write_text("not a folder")
    refused(nothing("init", "--light-keys"), 3, str(nothing.home))
    refused(nothing("market", "import", ROOT / "README.md", "--kind", "sofr"), 3)
    assert nothing.home.read_text() == "not a folder"


@pytest.mark.parametrize("party", ["desk", "dealer"])
def test_an_expired_claim(tbill, unchanged, party):
    with td.open_ledger(home=tbill.home) as ledger:
        ledger.set_claim(party, ledger.chain.now() - 1)
    unchanged(6, *REBALANCE, says=["claim", "code", "largest amount that passes $0.00", "nothing was sent"])


def test_a_revoked_claim(tbill, unchanged):
    with td.open_ledger(home=tbill.home) as ledger:
        ledger.set_claim("desk", 0)
    unchanged(6, *REBALANCE, says=["claim"])
    unchanged(6, "rebalance", *LADDER, "--dry-run", says=["claim"])


def test_a_frozen_holder(tbill, unchanged, tmp_path):
    kept = tmp_path / "plan.json"
    assert tbill("plan", *LADDER, "--out", kept).code == 0
    with td.open_ledger(home=tbill.home) as ledger:
        ledger.freeze("desk", NOTE, 2_999_000 * 10**6)
    ran = unchanged(6, "rebalance", "--plan", kept, "--yes", says=["frozen", "code 5", NOTE, "$1,000.00"])
    assert "Refused" in ran.out


def test_a_trade_limit(tbill, unchanged, tmp_path):
    """A plan made before the limit was set; a new one would stay within it."""
    kept = tmp_path / "plan.json"
    assert tbill("plan", *LADDER, "--out", kept).code == 0
    with td.open_ledger(home=tbill.home) as ledger:
        ledger.set_trade_limit(1_000_000 * 10**6)
    says = ["trade-limit", "code 7", "$1,000,000.00", "more legs are refused"]
    unchanged(6, "rebalance", "--plan", kept, "--yes", says=says)


def test_too_little_cash(tbill, unchanged, tmp_path):
    """A plan made for cash that is not there."""
    book, kept = tmp_path / "book.csv", tmp_path / "plan.json"
    book.write_text(POSITIONS.replace("USD,200000", "USD,900000"))
    assert tbill("plan", *LADDER, "--holdings", book, "--out", kept).code == 0
    unchanged(5, "rebalance", "--plan", kept, "--yes", says=["holdings of desk", "cash"])


def test_a_strategy_that_spends_more_than_there_is(unchanged, tmp_path):
    path = _strategy(tmp_path, f'return td.Weights.of({{"{NOTE}": 1.5}})')
    unchanged(4, "plan", path, says=["1.5"])


@pytest.mark.parametrize("passphrase", ["wrong", "  "])
def test_a_wrong_passphrase(unchanged, monkeypatch, passphrase):
    monkeypatch.setenv("TBILL_PASSPHRASE", passphrase)
    unchanged(9, *REBALANCE, says=["passphrase"])


def test_no_passphrase(tbill, unchanged):
    (tbill.home / "keys" / SECRETS).unlink()
    unchanged(9, *REBALANCE, says=["TBILL_PASSPHRASE"])


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
@pytest.mark.parametrize("name", ["desk.json", "operator.json", SECRETS])
def test_a_key_that_others_can_read(tbill, unchanged, name):
    path = tbill.home / "keys" / name
    path.chmod(0o644)
    unchanged(9, *REBALANCE, says=["chmod 600", name])
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_missing_and_a_damaged_key(tbill, unchanged):
    key = tbill.home / "keys" / "desk.json"
    content = key.read_text()
    key.write_text(content[:100])
    unchanged(9, *REBALANCE, says=["desk.json"])
    key.unlink()
    unchanged(9, *REBALANCE, says=["desk"])


def test_another_writer(tbill, unchanged, tmp_path):
    book = tmp_path / "book.csv"
    book.write_text(POSITIONS)
    with td.open_ledger(home=tbill.home):
        unchanged(8, *REBALANCE, says=["another writer"])
        unchanged(8, "holdings", "import", book, "--add", says=["another writer"])
        assert tbill("wallet", "desk").code == 0
        assert tbill("rebalance", *LADDER, "--dry-run").code == 0
    assert tbill(*REBALANCE).code == 0


def test_a_plan_of_another_date(tbill, unchanged, tmp_path):
    """The ledger's clock has gone on to the next day."""
    kept = tmp_path / "plan.json"
    assert tbill("plan", *LADDER, "--out", kept).code == 0
    later = tbill.home.parent / "later"
    assert tbill("init", "--home", later, "--light-keys", "--at", "2026-03-25T09:00-04:00").code == 0
    (tbill.home / "market").rename(later / "market")
    before = state(later)
    ran = tbill("rebalance", "--home", later, "--plan", kept, "--yes")
    refused(ran, 5, "2026-03-24", "2026-03-25", "tbill init --at")
    assert state(later) == before


def test_a_plan_settles_once(tbill, unchanged, tmp_path):
    kept = tmp_path / "plan.json"
    assert tbill("plan", *LADDER, "--out", kept).code == 0
    assert tbill("rebalance", "--plan", kept, "--yes").code == 0
    unchanged(5, "rebalance", "--plan", kept, "--yes", says=["settled in block"])


def test_a_plan_whose_market_changed(tbill, unchanged, tmp_path):
    kept, sheet = tmp_path / "plan.json", tmp_path / "sofr.csv"
    assert tbill("plan", *LADDER, "--out", kept).code == 0
    sheet.write_text("observation_date,SOFR\n2026-03-24,3.64\n")
    assert tbill("market", "import", sheet).code == 0
    unchanged(5, "rebalance", "--plan", kept, "--yes", says=["market data", "make the plan again"])


def test_a_plan_whose_holdings_changed(tbill, unchanged, tmp_path):
    kept, book = tmp_path / "plan.json", tmp_path / "book.csv"
    assert tbill("plan", *LADDER, "--out", kept).code == 0
    book.write_text(f"cusip,face,cost_price\n{NOTE},1000,\n")
    assert tbill("holdings", "import", book, "--add").code == 0
    unchanged(5, "rebalance", "--plan", kept, "--yes", says=["holdings of desk", NOTE])


def _change(path, *steps):
    """A plan file in which one value is another; what the last step names."""
    value = json.loads(path.read_text())
    place = value
    for step in steps[:-2]:
        place = place[step]
    place[steps[-2]] = steps[-1]
    path.write_text(json.dumps(value))


@pytest.mark.parametrize(
    "steps",
    [
        ("hash", "0x" + "11" * 32),
        ("context", "repo_rate", 0.01),
        ("context", "market_hash", "0x" + "22" * 32),
        ("context", "party", "dealer"),
        ("inputs", "config", {"rungs": 5}),
        ("inputs", "holdings", "cash", "900000000000"),
        ("orders", 0, "face_units", "1000000000"),
        ("orders", 0, "cash_units", "1"),
        ("orders", 0, "side", "sell"),
        ("orders", 0, "dirty_price", "1.000000"),
        ("orders", []),
        ("orders", 0, "security", "coupon", 0.2),
    ],
    ids=lambda steps: ".".join(map(str, steps[:-1])),
)
def test_a_tampered_plan(tbill, unchanged, tmp_path, steps):
    kept = tmp_path / "plan.json"
    assert tbill("plan", *LADDER, "--out", kept).code == 0
    _change(kept, *steps)
    before = state(tbill.home)
    ran = tbill("rebalance", "--plan", kept, "--yes")
    assert ran.code in (3, 4, 5)
    refused(ran, ran.code)
    assert state(tbill.home) == before


@pytest.mark.parametrize("field", ["hash", "context", "legs", "inputs", "orders", "limits", "before", "after"])
@pytest.mark.parametrize("value", [None, [], {}, "x", 7, {"x": [1]}], ids=repr)
def test_a_plan_of_another_shape(tbill, unchanged, tmp_path, field, value):
    kept = tmp_path / "plan.json"
    kept.write_text(_plan_text(tbill, tmp_path))
    _change(kept, field, value)
    before = state(tbill.home)
    ran = tbill("rebalance", "--plan", kept, "--dry-run")
    if ran.code:
        refused(ran, ran.code)
        assert ran.code != 1, ran.err
    assert state(tbill.home) == before


def _plan_text(tbill, tmp_path):
    path = tmp_path / "made.json"
    assert tbill("plan", *LADDER, "--out", path).code == 0
    return path.read_text()


@pytest.mark.parametrize("text", ["null", "[]", "7", '"plan"', "{}", "[" * 5000, '{"hash": NaN}'])
def test_a_plan_that_is_none(unchanged, tmp_path, text):
    kept = tmp_path / "plan.json"
    kept.write_text(text)
    unchanged(3, "rebalance", "--plan", kept, "--yes", says=["plan.json"])


def _strategy(folder, body, before=""):
    path = folder / "idea.py"
    path.write_text(
        "import tbill_defi as td\n\n"
        f"{before}\n\n"
        "class Idea(td.Strategy[td.StrategyConfig]):\n"
        '    """What if?"""\n\n'
        f"    def decide(self, view, book):\n        {body}\n"
    )
    return path


STRATEGIES = {
    "raises": (2, "raise RuntimeError('no idea\\nat all\\never\\n')", ["idea", "RuntimeError", "no idea"]),
    "divides by nothing": (2, "return 1 / 0", ["ZeroDivisionError"]),
    "runs away": (2, "return self.decide(view, book)", ["RecursionError"]),
    "answers nothing": (2, "return None", ["NoneType", "Weights.of"]),
    "answers a dict": (2, f"return {{'{NOTE}': 1.0}}", ["dict"]),
    "answers an unknown CUSIP": (3, "return td.Weights.of({'912797ZZ9': 0.5})", ["912797ZZ9"]),
    "answers negative weights": (4, f"return td.Weights.of({{'{NOTE}': -0.5}})", ["-0.5"]),
    "answers no number": (4, f"return td.Weights.of({{'{NOTE}': float('nan')}})", ["nan"]),
    "answers text": (4, f"return td.Weights.of({{'{NOTE}': 'half'}})", [NOTE, "'half' is not a number"]),
    "writes to the view": (2, "view.bid_dirty[0] = 1.0; return td.Weights.of({})", ["idea"]),
    "writes to the book": ((2, 5), "book.positions.clear(); return td.Weights.of({})", []),
}


@pytest.mark.parametrize(("code", "body", "says"), STRATEGIES.values(), ids=STRATEGIES)
def test_a_strategy_that(unchanged, tmp_path, code, body, says):
    path = _strategy(tmp_path, body)
    unchanged(code, "rebalance", path, "--yes", says=says)


@pytest.mark.parametrize(
    "text",
    ["raise RuntimeError('not today')", "import no_such_module", "def broken(:", "x = 1", "\0", "1/0"],
)
def test_a_strategy_file_that_does_not_load(unchanged, tmp_path, text):
    path = tmp_path / "idea.py"
    path.write_text(text + "\n")
    unchanged(2, "plan", path, says=["idea.py"])


def test_a_strategy_with_markup_in_its_reasons(tbill, tmp_path):
    path = _strategy(tmp_path, f"return td.Weights.of({{'{NOTE}': 0.5}}, reasons={{'{NOTE}': '[/bold] [red]x'}})")
    ran = tbill("plan", path)
    assert ran.code == 0, ran.err
    assert "[/bold] [red]x" in ran.out
