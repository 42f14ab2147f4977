"""Bad values for every argument and option of every command: refused in one or two lines that name what is wrong.

A command that is not in `GOOD`, or a parameter of no kind, fails here: a new one says what it takes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
import typer.main

from tbill_defi.cli.main import app, run
from tbill_defi.instruments import Note, strip
from tbill_defi.ledger.open import PASSPHRASE_VARIABLE
from tests.unit.cli.support import (
    AT,
    NOTE,
    OTHER,
    POSITIONS,
    ROOT,
    Tbill,
    refused,
    sample_market,
    state,
    strip_in_part,
)

CODES = {int(code) for code in re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "exit-codes.md").read_text(), re.MULTILINE)}
BUG, DONE = 1, 0
LADDER = ["ladder", "--rungs", "4", "--longest-years", "3"]
OPTION = [NOTE, "--kind", "call", "--strike", "98-16", "--expiry", "2026-04-24"]
REPO = ["--cusip", NOTE, "--rate", "0.036", "--end", "7"]
RANGE = ["--from", "2026-03-24", "--to", "2026-03-26"]
BOUGHT = "91282CAA1"
"""CUSIP of a note that is under auction."""
NOTE_TERMS = {"kind": "note", "coupon": 0.0, "dated_date": "2026-03-31", "maturity_date": "2028-03-31"}
SOLD = {"kind": "note", "cusip": "91282CAC7", "coupon": 0.04, "dated_date": "2026-03-24", "maturity_date": "2028-03-24"}
HALF_STRIPPED = SOLD | {"cusip": "91282CAD5", "coupon": 0.05}
EARLY = ["--price", "99"]
ANNOUNCED = ["--offering", "100000", "--issue", "2026-03-31", "--closes", "2026-03-24T17:00"]
SALE = ["--seller", "desk", "--buyer", "dealer"]
AGREED = [NOTE, "1000", "990", *SALE, "--minimum", "100", "--lot", "100", "--ccp", "ccp", "--allocator", "dealer"]
WITHDRAW = ["pension", "--asset", "USD", "--amount", "5", "--to", "pension"]

GOOD: dict[str, list[str]] = {
    "demo": ["--keep", "kept"],
    "init": ["--light-keys", "--at", AT],
    "market sample": ["folder/sample"],
    "market import": ["sofr.csv"],
    "market sync": ["--feeds", "nowhere.toml"],
    "market show": [],
    "market simulate": ["--from", "2026-03-24", "--days", "5", "--model", "bootstrap"],
    "market log": [],
    "holdings import": ["more.csv", "--add"],
    "holdings export": ["positions.csv"],
    "curve": [],
    "price": [NOTE],
    "richcheap": [],
    "strategies": [],
    "strategy new": ["my-idea"],
    "strategy test": ["ladder"],
    "plan": LADDER,
    "rebalance": [*LADDER, "--dry-run"],
    "wallet": ["desk"],
    "risk": [],
    "tape": [],
    "clock": [],
    "coupon show": [],
    "coupon pay": [NOTE],
    "redeem": [],
    "kyc add": ["carol"],
    "kyc revoke": ["dealer"],
    "kyc show": ["desk"],
    "kyc trust": ["agency", "--topics", "kyc"],
    "kyc claim": ["desk", "--topic", "investor", "--class", "accredited", "--issuer", "agency"],
    "kyc sanction": ["pension"],
    "limits": [],
    "rules": [NOTE],
    "oracle publish": [],
    "oracle show": [],
    "oracle rules": [],
    "mandate set": ["pension"],
    "mandate show": ["pension"],
    "mandate apply": ["pension"],
    "mandate recognise": ["pension"],
    "mandate withdraw": WITHDRAW,
    "repo quote": [*REPO, "--face", "1000", "--haircut", "0.02"],
    "repo open": ["quote.json"],
    "repo mark": [],
    "repo margin": [],
    "repo substitute": ["{repo}", OTHER],
    "repo close": [],
    "repo show": [],
    "option price": [*OPTION, "--volatility", "0.01"],
    "option quote": [*OPTION, "--face", "1000", "--premium", "5"],
    "option write": ["call.json"],
    "option buy": ["call.json"],
    "option exercise": [],
    "option expire": [],
    "option withdraw": [],
    "option show": [],
    "keeper run": ["--once"],
    "keeper show": [],
    "keeper approve": ["00"],
    "backtest": [*LADDER, *RANGE],
    "serve": ["--once"],
    "submit": ["more.csv", "--wait", "0"],
    "follow": ["--blocks", "1", "--from", "1"],
    "chain doctor": [],
    "audit head": [],
    "audit verify": [],
    "audit checkpoint": [],
    "audit export": ["evidence"],
    "audit prove": [NOTE, "desk"],
    "auction announce": ["next.json", *ANNOUNCED],
    "auction bid": [BOUGHT, "--party", "desk", "--face", "1000", "--rate", "0.04"],
    "auction close": [BOUGHT],
    "auction award": [BOUGHT],
    "issue": ["sold.json", "--to", "desk=1000@99.5"],
    "cash create": ["JPY", "yen"],
    "cash deposit": ["dealer", "EUR", "5"],
    "cash show": [],
    "trade agree": AGREED,
    "trade settle": ["{trade}"],
    "trade cancel": ["{trade}"],
    "trade allocate": ["{block}", "dealer=3000"],
    "trade show": [],
    "net open": ["pension"],
    "net novate": ["ccp"],
    "net settle": ["ccp"],
    "net show": ["ccp"],
    "fails show": ["--rates", "rates.csv"],
    "fails claim": ["2026-02", "--rates", "rates.csv"],
    "kyc recover": ["{wallet}", "--to", "0x" + "cd" * 20],
    "permit sign": [NOTE, "dealer", "1000"],
    "permit send": ["permit.json"],
    "permit draw": [NOTE, "desk", "1"],
    "permit show": [NOTE, "desk", "dealer"],
    "security": [NOTE],
    "roles show": [],
    "roles propose": ["grant", "LIMITS", "0x" + "cd" * 20],
    "roles execute": ["{operation}"],
    "roles veto": ["{operation}"],
    "keys rotate": ["issuer"],
    "stop": [],
    "resume": [],
    "books index": [],
    "books positions": [],
    "books lots": ["desk"],
    "books journal": [],
    "books pnl": ["desk"],
    "books ladder": ["desk"],
    "books reconcile": [],
    "books export": ["desk", "--out", "books.csv"],
    "books identify": ["{sale}", "{lot}=1000"],
    "books cost": ["{lot}", "980"],
    "default declare": [NOTE, "--document", "more.csv"],
    "default lift": [NOTE, "--document", "more.csv"],
    "default recover": [NOTE, "0.4"],
    "default show": [],
    "call": [NOTE, "2030-03-24"],
    "early open": [NOTE, "--opens", "2026-03-24", "--closes", "2026-06-24", "--daily", "1000"],
    "early fund": [OTHER, "100"],
    "early request": [OTHER, "100", "--party", "desk"],
    "early cancel": ["{request}"],
    "early strike": [OTHER],
    "early collect": [OTHER, "desk"],
    "early show": [],
    "strips name": [NOTE, "pieces.csv"],
    "strips strip": [NOTE, "1000"],
    "strips reconstitute": [NOTE, "1000"],
    "strips finish": ["{act}"],
    "strips seize": ["{act}", "--to", "desk"],
    "strips show": [],
    "vote open": ["{held}", "--document", "more.csv", "--until", "2026-04-24"],
    "vote cast": ["{vote}", "for"],
    "vote submit": ["{ballots}"],
    "vote show": [],
    "vote close": ["{vote}"],
    "vote withdraw": ["{vote}"],
    "status": [],
    "config": [],
    "backup": ["desk.tar"],
    "restore": ["made.tar", "--home", "other"],
}
"""Words with which a command finds nothing wrong at once; one of them at a time is replaced, or one is added."""

NOISE = ("", " ", "☃ é", "-1", "nan", "1e400")
HUGE = "9" * 90
NOWHERE = "[limits]\nattempts = 1\n" + "".join(
    f'[{name}]\nbase = "http://127.0.0.1:1"\n' for name in ("treasury", "fiscaldata", "newyorkfed", "fred")
)
"""Publishers that are not there: nothing here asks a network."""
BOOKS = ("", " ", "bogus", "mysql://x/y", "sqlite:///sofr.csv", "sqlite:///folder", "sqlite:///binary")
PURCHASES = (
    *("desk", "desk=1000", "desk=1000@", "desk=1000@nan", "desk=1000@-5", "desk=1000@1e400", "desk=1000@inf"),
    *("=1000@99", "nobody=1000@99", "desk=-5@99", "desk=0@99", f"desk={HUGE}@99", f"desk=1@{HUGE}"),
)
VALUES: dict[str, tuple[str, ...]] = {
    "file": ("missing", "folder", "binary", "empty", "html", "sofr.csv/below"),
    "document": ("missing", "folder", "empty", "sofr.csv/below"),
    "settings": ("missing", "folder", "binary", "html", "sofr.csv/below"),
    "out": ("folder", "sofr.csv/below"),
    "folder": ("sofr.csv", "sofr.csv/below"),
    "home": ("missing", "sofr.csv", "folder", "broken"),
    "new home": ("sofr.csv", "sofr.csv/below"),
    "date": (*NOISE, "tomorrow", "2026-02-30", "1776-07-04", "9999-12-31", "20260"),
    "moment": (*NOISE, "tomorrow", "2026-02-30", "1776-07-04", "9999-12-31", "2026-03-23", "2026-03-24T25:00"),
    "cusip": (*NOISE, "912797ZZ9", "91282CNY4", "9" * 400, "91282CPZ8;"),
    "party": (*NOISE, "nobody", "two words", "x" * 40),
    "name": ("", "☃ é", "-1", "../x", "a b", "x" * 400),
    "dollars": (*NOISE, "many", "inf", "-0.01", "0.0000001", HUGE),
    "number": (*NOISE[:3], "-7", "nan", "1e400", "many", "inf", "-inf", HUGE),
    "whole": (*NOISE, "many", "1.5", HUGE, "-9999999999"),
    "count": (*NOISE, "many", "1.5"),
    "word": (*NOISE, "bogus", "x" * 400),
    "span": (*NOISE, "24", "-1h", "9999d", "1e3d", "0d"),
    "hours": (*NOISE, "9", "16:00-09:30", "25:00-26:00"),
    "id": (*NOISE, "zz", "0xdeadbeef", "0x", "f" * 65),
    "strategy": (*NOISE, "laddr", "missing.py", "folder", "binary", "empty", "os:path", "a:b:c", "binary.py"),
    "url": ("", " ", "bogus", "http://", "http://127.0.0.1:1", "ftp://127.0.0.1", "file:///etc/passwd"),
    "codes": (*NOISE, "0", "1000", "840,", "US"),
    "address": (*NOISE, "0x12", "0x" + "g" * 40, "0x" + "0" * 40),
    "price": (*NOISE, "many", "99-99", "inf", HUGE),
    "size": (*NOISE, "50", "50%", "bp", "1e9bp", "9999bp"),
    "node size": (*NOISE, "10y", "10y:", "9y:25bp", "10:25bp", "10y:25"),
    "band": (*NOISE, "2", "2:1", "a:b", "1:2:3", "-1:2", "0:nan"),
    "any home": ("sofr.csv", "broken"),
    "archive": ("sofr.csv", "folder", "sofr.csv/below", "missing/below"),
    "evidence": ("missing", "folder", "sofr.csv", "sofr.csv/below", "binary"),
    "positive": (*NOISE, "many", "inf", "-0.01", "0", "0.0000001", HUGE),
    "proof": (*NOISE, "0x12", "0x" + "g" * 64, "0x" + "f" * 64, "912797ZZ9"),
    "block": (*NOISE, "many", "1.5", HUGE, "999999"),
    "block or date": (*NOISE, "\u00b2", "tomorrow", "2026-02-30", "1776-07-04", "999999", HUGE, "9" * 5000),
    "books": (*BOOKS, "sqlite:///missing/books.db", "sqlite:///empty", "postgresql://127.0.0.1:1/x", "sqlite://"),
    "new books": BOOKS,
    "currency": (*NOISE, "EURO", "CHF", "12A", "x" * 400),
    "new currency": (*NOISE[:4], "EURO", "USD", "EUR", "12A", "x" * 400),
    "text": ("", " "),
    "month": (*NOISE, "2026", "2026-13", "2026-3", "march", "9999-12", "2026-02-30", "0000-01"),
    "purchase": (*NOISE, *PURCHASES),
    "allocation": (*NOISE, "desk", "desk=", "=3000", "nobody=3000", "desk=-5", "desk=999", f"desk={HUGE}", "desk=nan"),
    "number of a trade": (*NOISE, "many", "1.5", "0", "99999", HUGE),
    "fraction": (*NOISE, "many", "0", "1.0001", "-0.1", "inf", "0.1234567890123", "2/5", HUGE),
    "hour": (*NOISE, "4pm", "24:00", "16:00:60", "-1:00", "16:00-04:00", "16:00:00.5", "\u00b2:00", HUGE),
    "lots": (*NOISE, "1", "x=1", "1=", "1=-5", "1=0", "1=nan", "99999=5", f"{HUGE}=5", f"1={HUGE}"),
}
"""What cannot be meant, by what a parameter takes."""
NAMES = {
    "size": "shift steepener",
    "node size": "key_rate",
    "count": "blocks hours seed wait",
    "address": "wallet",
    "band": "duration",
    "codes": "admit refuse",
    "cusip": "asset cusip",
    "date": "start date_ day end expiry first issue_date last price_date settlement since until opens record",
    "dollars": "amount capital cash face holding_cap net_long premium principal proceeds trade volume",
    "positive": "daily denomination lot minimum offering",
    "document": "document",
    "file": "after checkpoint file files head_file holdings plan_file rates sheet terms",
    "folder": "data folder keep",
    "home": "home",
    "fraction": "fraction at_least quorum",
    "id": "act_id vote_id operation option_id repo_id request_id trade_id",
    "moment": "at closes noncompetitive to",
    "name": "name",
    "number": "discount haircut level margin_ratio max_weight mean_reversion rate repo_rate sigma turnover volatility "
    "years yield_",
    "out": "html out sign",
    "party": "allocator approve_by bind borrower buyer by ccp counterparty exempt failing funder holder issuer key "
    "lender manager owner party seller signer spender writer",
    "price": "clean price strike",
    "span": "delay lock_up window",
    "settings": "feeds",
    "strategy": "over strategy",
    "url": "chain url",
    "books": "books",
    "currency": "currency",
    "evidence": "evidence",
    "allocation": "accounts",
    "lots": "chosen",
    "hour": "cut_off",
    "month": "month",
    "proof": "what",
    "text": "source",
    "whole": "days decimals call_hours country fail_days from_block holders interval max_age max_move_bp nonce "
    "past_sheets number salt seconds share_bp slippage_bp top valid",
    "word": "action choice role class_ classes topic topics feed model convention costs frequency interpolation kind "
    "ledger method table universe",
}
KINDS = {name: kind for kind, names in NAMES.items() for name in names.split()}
"""Name of a parameter -> what it takes."""
KINDS_OF_COMMANDS = {
    ("init", "home"): "new home",
    ("market import", "home"): "new home",
    ("market log", "last"): "count",
    ("tape", "last"): "count",
    ("holdings export", "file"): "out",
    ("follow", "since"): "count",
    ("repo quote", "nonce"): "count",
    ("option quote", "salt"): "count",
    ("mandate withdraw", "to"): "party",
    ("mandate set", "manager"): "name",
    ("backtest", "out"): "folder",
    ("option quote", "window"): "hours",
    ("risk", "window"): "whole",
    ("kyc add", "party"): "name",
    ("init", "party"): "name",
    ("kyc trust", "issuer"): "name",
    ("market simulate", "out"): "folder",
    ("keeper approve", "name"): "id",
    ("restore", "home"): "new home",
    ("status", "home"): "any home",
    ("backup", "file"): "archive",
    ("books index", "books"): "new books",
    ("cash create", "currency"): "new currency",
    ("cash create", "name"): "text",
    ("issue", "to"): "purchase",
    ("early open", "closes"): "date",
    ("strips seize", "to"): "party",
    ("kyc recover", "to"): "address",
    ("roles propose", "account"): "address",
    ("permit draw", "to"): "party",
    ("books cost", "trade"): "number of a trade",
    ("books identify", "trade"): "number of a trade",
    ("audit checkpoint", "at"): "block",
    ("audit prove", "at"): "block",
    **{(f"books {name}", "at"): "block or date" for name in ("export", "journal", "lots", "positions")},
}
"""Where a name means something else than elsewhere."""
LEFT_OUT = {"market sync": ("home",), "market simulate": ("home", "out"), "config": ("home",), "submit": ("home",)}
"""What is looked at only when a publisher has answered, a file was read, or there are more curves than the sample has;
or is shown as it is given.
"""
KEPT = ("permit.json", "quote.json", "call.json", "next.json", "sold.json", "made.tar")
"""Files of the desk that commands are given."""
EVERYTHING = os.environ.get("TBILL_FUZZ") == "all"
"""All values for every parameter, which takes minutes; else one for each, in turn."""


def commands():
    def walk(group, path):
        for name, found in group.commands.items():
            if hasattr(found, "commands"):
                yield from walk(found, (*path, name))
            else:
                yield " ".join((*path, name)), found

    return dict(walk(typer.main.get_command(app), ()))


COMMANDS = commands()


def kind_of(command, parameter):
    return KINDS_OF_COMMANDS.get((command, parameter.name)) or KINDS[parameter.name]


def replaced(command, words, parameter, value):
    """The words with this value for a parameter: in place of its own, or added."""
    if parameter.param_type_name == "argument":
        places = [p.name for p in COMMANDS[command].params if p.param_type_name == "argument"]
        at = places.index(parameter.name)
        return [*words[:at], value, *words[at + 1 :]]
    for name in parameter.opts:
        if name in words:
            at = words.index(name) + 1
            return [*words[:at], value, *words[at + 1 :]]
    return [*words, parameter.opts[-1], value]


def taking(command):
    """Parameters with a value, but for those in `LEFT_OUT`."""
    left_out = {"help", *LEFT_OUT.get(command, ())}
    return [p for p in COMMANDS[command].params if not getattr(p, "is_flag", False) and p.name not in left_out]


def values_of(command, parameter):
    """All bad values, or one: of parameters that take the same each gets others, so that all are tried."""
    kind = kind_of(command, parameter)
    values = VALUES[kind]
    alike = [(c, p.name) for c in COMMANDS for p in taking(c) if kind_of(c, p) == kind]
    return values if EVERYTHING else (values[alike.index((command, parameter.name)) % len(values)],)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A desk with something of everything: a repo, an option, a managed account, quotes and prices."""
    folder = tmp_path_factory.mktemp("fuzz")
    home = folder / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(PASSPHRASE_VARIABLE, raising=False)
        patch.setenv("TBILL_HOME", str(home))
        patch.chdir(folder)
        sample_market(home)
        (folder / "positions.csv").write_text(POSITIONS)
        (folder / "cash.csv").write_text("cusip,face,cost_price\nUSD,9000000,\n")
        for name, cusip in (("bought", BOUGHT), ("next", "91282CAB9")):
            (folder / f"{name}.json").write_text(json.dumps({**NOTE_TERMS, "cusip": cusip}))
        (folder / "sold.json").write_text(json.dumps(SOLD))
        call = ["--face", "1000", "--premium", "5"]
        for words in (
            ["init", "--at", AT, "--light-keys"],
            ["holdings", "import", "positions.csv"],
            ["holdings", "import", "cash.csv", "--party", "dealer"],
            ["oracle", "publish"],
            ["repo", "quote", *REPO, "--face", "1000000", "--haircut", "0.02", "--out", "home/repo.json"],
            ["repo", "open", "home/repo.json"],
            ["repo", "quote", *REPO, "--face", "1000", "--haircut", "0.02", "--out", "quote.json", "--nonce", "1"],
            ["option", "quote", *OPTION, *call, "--out", "first.call", "--salt", "1"],
            ["option", "write", "first.call"],
            ["option", "quote", *OPTION, *call, "--out", "call.json"],
            ["kyc", "add", "pension"],
            ["kyc", "trust", "agency", "--topics", "investor"],
            ["mandate", "set", "pension", "--manager", "manager"],
            ["kyc", "add", "ccp"],
            ["net", "open", "ccp"],
            ["cash", "create", "EUR", "euro"],
            ["trade", "agree", NOTE, "1000", "990", *SALE, "--ccp", "ccp"],
            ["trade", "agree", NOTE, "2000", "1980", *SALE],
            ["trade", "agree", NOTE, "3000", "2970", *SALE, "--allocator", "dealer"],
            ["trade", "agree", OTHER, "1000", "985", *SALE, "--settle-on", "2026-03-24"],
            ["trade", "settle"],
            ["auction", "announce", "bought.json", *ANNOUNCED],
            ["early", "open", OTHER, "--opens", "2026-03-24", "--closes", "2026-06-24", "--daily", "1000", *EARLY],
            ["early", "request", OTHER, "100"],
            ["roles", "propose", "revoke", "LIMITS", "0x" + "ef" * 20],
            ["books", "index"],
            ["permit", "sign", NOTE, "dealer", "5", "--out", "first.json"],
            ["permit", "send", "first.json"],
            ["permit", "sign", NOTE, "dealer", "1000", "--out", "permit.json"],
            ["backup", "made.tar"],
        ):
            assert run(words) == 0, words
        (folder / "half.json").write_text(json.dumps(HALF_STRIPPED))
        days = enumerate(sorted({piece.maturity_date for piece in strip(Note.model_validate(HALF_STRIPPED))}))
        rows = "\n".join(f"{day},912833A{number:02d}" for number, day in days)
        (folder / "half.csv").write_text(f"date,cusip\n{rows}\nprincipal,912820AB5\n")
        assert run(["issue", "half.json", "--to", "dealer=1000@99.5"]) == 0
        strip_in_part(home, "dealer", HALF_STRIPPED, folder / "half.csv", 1_000 * 10**6, 2)
        (home / "keeper.toml").write_text("[rules]\n")
    for name in KEPT:
        shutil.move(folder / name, home / name)
    return home


@pytest.fixture
def desk(template, tmp_path, monkeypatch, capsys):
    """`tbill` on that desk, in a folder with files that are none of what is asked for."""
    home, work = tmp_path / "home", tmp_path / "work"
    shutil.copytree(template, home)
    monkeypatch.setenv("TBILL_HOME", str(home))
    for name in KEPT:
        shutil.copy(home / name, work)
    (work / "nowhere.toml").write_text(NOWHERE)
    (work / "folder").mkdir()
    (work / "binary").write_bytes(bytes(range(256)) * 8)
    (work / "binary.py").write_bytes(bytes(range(256)) * 8)
    (work / "empty").write_text("")
    (work / "html").write_text("<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n")
    (work / "sofr.csv").write_text("observation_date,SOFR\n2026-03-24,3.63\n")
    (work / "pieces.csv").write_text("date,cusip\nprincipal,912820AA7\n")
    (work / "rates.csv").write_text("effective_date,lower_bound\n2025-12-11,0.035\n")
    (work / "more.csv").write_text(f"cusip,face,cost_price\n{NOTE},1000,\n")
    (work / "broken" / "ledger").mkdir(parents=True)
    (work / "broken" / "ledger" / "ledger.db").write_bytes(bytes(range(256)) * 64)
    return Tbill(home, capsys)


def test_every_command_and_parameter_is_known():
    assert set(GOOD) == set(COMMANDS)
    for command in COMMANDS:
        for parameter in taking(command):
            assert kind_of(command, parameter) in VALUES, (command, parameter.name)


def answer(desk, *words):
    return desk(*words, "--json").json


def trade_of(desk, dollars):
    return next(trade["id"] for trade in answer(desk, "trade", "show")["trades"] if trade["face"] == f"{dollars}000000")


def number_of(desk, side):
    """A trade of the desk in its books, by the sign of its units."""
    with closing(sqlite3.connect(desk.home / "books" / "books.db")) as books:
        query = f"SELECT trade FROM books_trades WHERE party = 'desk' AND asset = ? AND units {side} 0"
        return str(books.execute(query, (OTHER,)).fetchone()[0])


def held_overnight(desk):
    """A note that the desk had when the day began."""
    assert desk("clock", "--to", "2026-03-25T09:00").code == 0
    return NOTE


def vote_on(desk):
    return answer(desk, "vote", "open", held_overnight(desk), "--document", "more.csv", "--until", "2026-04-24")[
        "vote_id"
    ]


def ballots_of(desk):
    assert desk("vote", "cast", vote_on(desk), "for", "--sign", "ballots.json").code == 0
    return "ballots.json"


PLACEHOLDERS = {
    "{repo}": lambda desk: answer(desk, "repo", "show")["repos"][0]["repo_id"],
    "{trade}": lambda desk: trade_of(desk, 2000),
    "{block}": lambda desk: trade_of(desk, 3000),
    "{request}": lambda desk: answer(desk, "early", "show")[0]["queue"][0]["request_id"],
    "{held}": lambda desk: held_overnight(desk),
    "{vote}": lambda desk: vote_on(desk),
    "{ballots}": lambda desk: ballots_of(desk),
    "{act}": lambda desk: answer(desk, "strips", "show")[0]["act_id"],
    "{wallet}": lambda desk: answer(desk, "kyc", "show", "dealer")[0]["wallets"][0],
    "{operation}": lambda desk: answer(desk, "roles", "show")["operations"][0]["id"],
    "{sale}": lambda desk: number_of(desk, "<"),
    "{lot}": lambda desk: number_of(desk, ">"),
}
"""What is known only when the desk has been made."""


def good_words(command, desk):
    """Its words in `GOOD`, with what this desk has in place of placeholders."""
    words = GOOD[command]
    for placeholder, found in PLACEHOLDERS.items():
        if any(placeholder in word for word in words):
            value = found(desk)
            words = [word.replace(placeholder, value) for word in words]
    return words


def complaints(ran, parameter, value):
    lines, told = ran.err.splitlines(), ran.err.lower()
    if ran.code == DONE:
        yield "is accepted"
        return
    if ran.code == BUG or ran.code not in CODES:
        yield f"exit code {ran.code}"
    if "Traceback" in ran.err + ran.out:
        yield "traceback"
    if not 1 <= len(lines) <= 2 or not lines[0].startswith("error: "):
        yield "not one or two lines"
    names = {parameter.name, parameter.name.rstrip("_").replace("_", "-"), parameter.opts[-1].strip("-"), "argument"}
    names |= set(re.findall(r"[a-z]+", (parameter.metavar or "").lower()))
    if parameter.name == "home":
        names.add("import")  # what is missing in it
    if not any(name in told for name in names) and not (value.strip() and value[:30].split("/")[0].lower() in told):
        yield "names neither the parameter nor the value"


@pytest.mark.parametrize("command", GOOD)
def test_bad_values(command, desk, template):
    words = good_words(command, desk)
    found, before = [], state(desk.home)
    for parameter in taking(command):
        for value in values_of(command, parameter):
            ran = desk(*command.split(), *replaced(command, words, parameter, value))
            found += [f"{parameter.name}={value[:30]!r}: {c}: {ran.err}" for c in complaints(ran, parameter, value)]
            if ran.code == DONE:
                shutil.rmtree(desk.home)
                shutil.copytree(template, desk.home)
    assert not found, "\n".join(found)
    assert state(desk.home) == before


@pytest.mark.parametrize("command", GOOD)
def test_what_no_command_knows(command, desk):
    good = good_words(command, desk)
    for words in (["--no-such-option", "1"], ["too", "many", "words", "by", "far"]):
        ran = desk(*command.split(), *good, *words)
        if command in ("market import", "kyc show", "kyc sanction", "oracle show") and words[0] == "too":
            continue
        refused(ran, ran.code)
        assert ran.code == 2, (words, ran.err)
