"""Bad values for every argument and option of every command: refused in one or two lines that name what is wrong.

A command that is not in `GOOD`, or a parameter of no kind, fails here: a new one says what it takes.
"""

from __future__ import annotations

import os
import re
import shutil

import pytest
import typer.main

from tbill_defi.cli.main import app, run
from tbill_defi.ledger.open import PASSPHRASE_VARIABLE
from tests.unit.cli.support import AT, NOTE, OTHER, POSITIONS, ROOT, Tbill, refused, sample_market, state

CODES = {int(code) for code in re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "exit-codes.md").read_text(), re.MULTILINE)}
BUG, DONE = 1, 0
LADDER = ["ladder", "--rungs", "4", "--longest-years", "3"]
OPTION = [NOTE, "--kind", "call", "--strike", "98-16", "--expiry", "2026-04-24"]
REPO = ["--cusip", NOTE, "--rate", "0.036", "--end", "7"]
RANGE = ["--from", "2026-03-24", "--to", "2026-03-26"]
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
    "limits": [],
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
}
"""Words with which a command finds nothing wrong at once; one of them at a time is replaced, or one is added."""

NOISE = ("", " ", "☃ é", "-1", "nan", "1e400")
HUGE = "9" * 90
NOWHERE = "[limits]\nattempts = 1\n" + "".join(
    f'[{name}]\nbase = "http://127.0.0.1:1"\n' for name in ("treasury", "fiscaldata", "newyorkfed", "fred")
)
"""Publishers that are not there: nothing here asks a network."""
VALUES: dict[str, tuple[str, ...]] = {
    "file": ("missing", "folder", "binary", "empty", "html", "sofr.csv/below"),
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
}
"""What cannot be meant, by what a parameter takes."""
NAMES = {
    "size": "shift steepener",
    "node size": "key_rate",
    "count": "blocks seed since wait",
    "address": "wallet",
    "band": "duration",
    "codes": "admit refuse",
    "cusip": "asset cusip",
    "date": "start day end expiry first last price_date settlement until",
    "dollars": "amount capital cash face holding_cap premium principal trade volume",
    "file": "file files head_file holdings plan_file sheet terms",
    "folder": "data folder keep",
    "home": "home",
    "id": "option_id repo_id",
    "moment": "at to",
    "name": "name",
    "number": "discount haircut level margin_ratio max_weight mean_reversion rate repo_rate sigma turnover volatility "
    "years yield_",
    "out": "html out",
    "party": "approve_by borrower by counterparty funder holder lender manager party signer writer",
    "price": "clean price strike",
    "span": "delay window",
    "settings": "feeds",
    "strategy": "over strategy",
    "url": "chain url",
    "whole": "days call_hours country interval max_age max_move_bp nonce past_sheets number salt seconds slippage_bp "
    "top valid",
    "word": "feed model convention costs frequency interpolation kind ledger universe",
}
KINDS = {name: kind for kind, names in NAMES.items() for name in names.split()}
"""Name of a parameter -> what it takes."""
KINDS_OF_COMMANDS = {
    ("init", "home"): "new home",
    ("market import", "home"): "new home",
    ("market log", "last"): "count",
    ("tape", "last"): "count",
    ("repo quote", "nonce"): "count",
    ("option quote", "salt"): "count",
    ("mandate withdraw", "to"): "party",
    ("mandate set", "manager"): "name",
    ("backtest", "out"): "folder",
    ("option quote", "window"): "hours",
    ("risk", "window"): "whole",
    ("kyc add", "party"): "name",
    ("init", "party"): "name",
    ("market simulate", "out"): "folder",
    ("keeper approve", "name"): "id",
}
"""Where a name means something else than elsewhere."""
LEFT_OUT = {"market sync": ("home",), "market simulate": ("home", "out")}
"""What is looked at only when a publisher has answered, or when there are more curves than the sample has."""
EVERYTHING = os.environ.get("TBILL_FUZZ") == "all"
"""All values for every parameter, which takes minutes; else two for each, in turn."""


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
    """All bad values, or two: of parameters that take the same each gets others, so that all are tried."""
    kind = kind_of(command, parameter)
    values = VALUES[kind]
    alike = [(c, p.name) for c in COMMANDS for p in taking(c) if kind_of(c, p) == kind]
    turn, half = alike.index((command, parameter.name)), len(values) // 2
    return values if EVERYTHING else dict.fromkeys((values[turn % len(values)], values[(turn + half) % len(values)]))


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
            ["mandate", "set", "pension", "--manager", "manager"],
        ):
            assert run(words) == 0, words
        (home / "keeper.toml").write_text("[rules]\n")
    shutil.move(folder / "quote.json", home / "quote.json")
    shutil.move(folder / "call.json", home / "call.json")
    return home


@pytest.fixture
def desk(template, tmp_path, monkeypatch, capsys):
    """`tbill` on that desk, in a folder with files that are none of what is asked for."""
    home, work = tmp_path / "home", tmp_path / "work"
    shutil.copytree(template, home)
    monkeypatch.setenv("TBILL_HOME", str(home))
    for name in ("quote.json", "call.json"):
        shutil.copy(home / name, work)
    (work / "nowhere.toml").write_text(NOWHERE)
    (work / "folder").mkdir()
    (work / "binary").write_bytes(bytes(range(256)) * 8)
    (work / "binary.py").write_bytes(bytes(range(256)) * 8)
    (work / "empty").write_text("")
    (work / "html").write_text("<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n")
    (work / "sofr.csv").write_text("observation_date,SOFR\n2026-03-24,3.63\n")
    (work / "more.csv").write_text(f"cusip,face,cost_price\n{NOTE},1000,\n")
    (work / "broken" / "ledger").mkdir(parents=True)
    (work / "broken" / "ledger" / "ledger.db").write_bytes(bytes(range(256)) * 64)
    return Tbill(home, capsys)


def test_every_command_and_parameter_is_known():
    assert set(GOOD) == set(COMMANDS)
    for command in COMMANDS:
        for parameter in taking(command):
            assert kind_of(command, parameter) in VALUES, (command, parameter.name)


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
    if parameter.name == "home":
        names.add("import")  # what is missing in it
    if not any(name in told for name in names) and not (value.strip() and value[:30].split("/")[0].lower() in told):
        yield "names neither the parameter nor the value"


@pytest.mark.parametrize("command", GOOD)
def test_bad_values(command, desk, template):
    found, before = [], state(desk.home)
    open_repo = desk("repo", "show", "--json").json["repos"][0]["repo_id"]
    words = [word.replace("{repo}", open_repo) for word in GOOD[command]]
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
    for words in (["--no-such-option", "1"], ["too", "many", "words", "by", "far"]):
        ran = desk(*command.split(), *GOOD[command], *words)
        if command in ("market import", "kyc show", "oracle show") and words[0] == "too":
            continue
        refused(ran, ran.code)
        assert ran.code == 2, (words, ran.err)
