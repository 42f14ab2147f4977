"""A keeper file is right, or one error names file, table, field and what is known."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from tbill_defi.automation import rules
from tbill_defi.automation.rules import ACTIONS, TRIGGERS, read_keeper_file
from tbill_defi.automation.strategies import require_strategies
from tbill_defi.core.errors import DataError
from tests.unit.automation.support import LADDER, rule

SCHEDULE = '{ kind = "schedule", every = "daily", at = "15:00" }'
KINDS = "schedule, drift, duration, maturity, coupon, margin"


def read(tmp_path, text):
    path = tmp_path / "keeper.toml"
    path.write_text(text)
    found = read_keeper_file(path)
    require_strategies(found)
    return found


def ladder(**settings):
    inner = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return f'{{ kind = "rebalance", strategy = "ladder", settings = {{ {inner} }} }}'


BAD = {
    "unknown trigger": (rule("a", '{ kind = "moon" }', LADDER), ["[rules.a.trigger]", '"kind"', "'moon'", KINDS]),
    "no trigger": ("[rules.a]\naction = { kind = 'redeem' }", ["[rules.a.trigger]", "missing", KINDS]),
    "trigger is text": (rule("a", '"daily"', LADDER), ["[rules.a.trigger]", "missing", KINDS]),
    "unknown action": (rule("a", SCHEDULE, '{ kind = "sell" }'), ["[rules.a.action]", "'sell'", "margin-call"]),
    "action of another trigger": (rule("a", SCHEDULE, '{ kind = "redeem" }'), ["'redeem'", "schedule", "rebalance"]),
    "unknown field of a trigger": (
        rule("a", '{ kind = "duration", lower = 1, upper = 2, top = 3 }', LADDER),
        ["[rules.a.trigger]", '"top"', "not known", "lower, upper"],
    ),
    "missing field": (rule("a", '{ kind = "duration", lower = 1 }', LADDER), ['"upper"', "missing"]),
    "unknown field of a rule": (
        "\n".join([rule("a", SCHEDULE, LADDER), "when = 3"]),
        ["[rules.a]", '"when"', "approval"],
    ),
    "unknown field at the top": ("every = 3\n" + rule("a", SCHEDULE, LADDER), ["'every'", "every_seconds"]),
    "unknown strategy": (
        rule("a", SCHEDULE, LADDER.replace("ladder", "laddr")),
        ['"strategy"', "laddr", "duration-target"],
    ),
    "unknown setting": (rule("a", SCHEDULE, ladder(rung=3)), ["[rules.a.action]", '"settings"', "rung", "rungs"]),
    "setting out of range": (rule("a", SCHEDULE, ladder(rungs=0)), ['"settings"', "rungs", "0"]),
    "percent for a weight": (rule("a", '{ kind = "drift", tolerance = 5 }', LADDER), ['"tolerance"', "5"]),
    "weights above one": (
        rule("a", '{ kind = "drift", tolerance = 0.1, targets = { 91282CMV0 = 0.7, 912797TE7 = 0.7 } }', LADDER),
        ['"targets"', "1.4"],
    ),
    "no CUSIP": (rule("a", '{ kind = "drift", tolerance = 0.1, targets = { bond = 0.7 } }', LADDER), ["bond"]),
    "band upside down": (rule("a", '{ kind = "duration", lower = 3, upper = 2 }', LADDER), ["lower 3.0", "upper 2.0"]),
    "nan": (rule("a", '{ kind = "duration", lower = nan, upper = 2 }', LADDER), ['"lower"', "nan"]),
    "no time": (rule("a", SCHEDULE.replace("15:00", "25:00"), LADDER), ['"at"', "25:00"]),
    "time with an offset": (rule("a", SCHEDULE.replace("15:00", "15:00-04:00"), LADDER), ['"at"', "New York"]),
    "unknown period": (rule("a", SCHEDULE.replace("daily", "yearly"), LADDER), ['"every"', "yearly", "month-start"]),
    "weekly without a weekday": (rule("a", SCHEDULE.replace("daily", "weekly"), LADDER), ["weekday"]),
    "approval": (rule("a", SCHEDULE, LADDER, approval="yes"), ['"approval"', "key:desk"]),
    "approval without a name": (rule("a", SCHEDULE, LADDER, approval="key:"), ['"approval"', "key:desk"]),
    "party": (rule("a", SCHEDULE, LADDER, party="no one"), ["no one"]),
    "name": (rule("a", SCHEDULE, LADDER) + 'name = "b"\n', ['"name"', "leave it out"]),
    "seconds": ("every_seconds = 0\n" + rule("a", SCHEDULE, LADDER), ['"every_seconds"', "0"]),
    "no rules": ("", ["[rules.NAME]"]),
    "rules is a list": ("rules = [1]", ["[rules.NAME]"]),
    "rule is a number": ("rules = { a = 1 }", ["rules.a", "not a table"]),
    "not TOML": ("rules = {", ["is not TOML"]),
    "name with a blank": (rule('"a b"', SCHEDULE, LADDER), ["[rules]", "'a b'", "letters"]),
    "name that is empty": (rule('""', SCHEDULE, LADDER), ["[rules]", "''", "letters"]),
    "number beyond all bounds": (f"every_seconds = {'9' * 5000}", ["is not TOML"]),
    "nested beyond all bounds": ("rules = " + "[" * 100_000, ["is not TOML"]),
    "late by text": (rule("a", SCHEDULE.replace(" }", ', late_days = "two" }'), LADDER), ['"late_days"', "'two'"]),
    "delivered in kind": (
        rule("a", '{ kind = "margin" }', '{ kind = "margin-call", deliver = "gold" }'),
        ["[rules.a.action]", '"deliver"', "gold", "face"],
    ),
    "twice": (rule("a", SCHEDULE, LADDER) * 2, ["is not TOML"]),
    "a field twice": (rule("a", SCHEDULE, LADDER) + 'party = "desk"\n', ["is not TOML"]),
    "rules as an array": (rule("a", SCHEDULE, LADDER).replace("[rules.a]", "[[rules]]"), ["[rules.NAME]"]),
    "a rule within a rule": (rule("a.b", SCHEDULE, LADDER), ["[rules.a.trigger]", "missing"]),
    "a rule at the top": (rule("a", SCHEDULE, LADDER).replace("[rules.a]", ""), ["'party'", "[rules.NAME]"]),
    "a trigger as an array": (rule("a", f"[{SCHEDULE}]", LADDER), ["[rules.a.trigger]", "missing"]),
    "a kind in capitals": (rule("a", SCHEDULE.replace("schedule", "Schedule"), LADDER), ["'Schedule'", KINDS]),
    "more rules than there may be": (
        "".join(rule(f"r{n}", SCHEDULE, LADDER) for n in range(rules.MAX_RULES + 1)),
        ["1 to 200 tables"],
    ),
    "seconds as text": ('every_seconds = "60"\n' + rule("a", SCHEDULE, LADDER), ['"every_seconds"', "'60'", "integer"]),
    "seconds as a truth value": ("every_seconds = true\n" + rule("a", SCHEDULE, LADDER), ['"every_seconds"', "True"]),
    "days as text": (rule("a", SCHEDULE.replace(" }", ', late_days = "2" }'), LADDER), ['"late_days"', "'2'"]),
    "days as a truth value": (
        rule("a", SCHEDULE.replace(" }", ", late_days = true }"), LADDER),
        ['"late_days"', "True"],
    ),
    "years as text": (rule("a", '{ kind = "duration", lower = "1", upper = 2 }', LADDER), ['"lower"', "'1'"]),
    "half a day": (rule("a", '{ kind = "maturity", within_days = 3.5 }', LADDER), ['"within_days"', "3.5"]),
    "a date for a time": (rule("a", SCHEDULE.replace('"15:00"', "2026-03-24"), LADDER), ['"at": 2026-03-24: expected']),
    "a number for a time": (rule("a", SCHEDULE.replace('"15:00"', "15.5"), LADDER), ['"at": 15.5', "such as 15:00"]),
    "a time within a second": (rule("a", SCHEDULE.replace("15:00", "15:00:00.5"), LADDER), ['"at"', "such as 15:00"]),
    "a day that is none": (rule("a", SCHEDULE.replace("15:00", "2026-02-30"), LADDER), ['"at"', "such as 15:00"]),
    "a date that is none": (rule("a", SCHEDULE.replace('"15:00"', "2026-02-30"), LADDER), ["is not TOML"]),
    "a weekend": (
        rule("a", SCHEDULE.replace('"daily"', '"weekly", weekday = "sunday"'), LADDER),
        ['"weekday"', "sunday"],
    ),
    "its own dealer": (
        rule("a", SCHEDULE, '{ kind = "rebalance", strategy = "ladder", counterparty = "desk" }'),
        ["[rules.a]", "'desk' is the party itself"],
    ),
    "a dealer without a name": (
        rule("a", SCHEDULE, '{ kind = "rebalance", strategy = "ladder", counterparty = "" }'),
        ["[rules.a.action]", '"counterparty"', "1 to 31 letters"],
    ),
    "no strategy": (rule("a", SCHEDULE, '{ kind = "rebalance" }'), ['"strategy"', "missing"]),
    "an empty strategy": (
        rule("a", SCHEDULE, '{ kind = "rebalance", strategy = "" }'),
        ['"strategy"', "duration-target"],
    ),
    "settings as a list": (
        rule("a", SCHEDULE, LADDER.replace("{ rungs = 4, longest_years = 3.0 }", "[4]")),
        ['"settings"'],
    ),
    "a key elsewhere": (rule("a", SCHEDULE, LADDER, approval="key:../desk"), ['"approval"', "key:desk"]),
    "days of a redemption": (
        rule("a", '{ kind = "maturity", within_days = 5 }', '{ kind = "redeem" }'),
        ["[rules.a]", "within_days goes with rebalance"],
    ),
    "a time of a coupon": (
        rule("a", '{ kind = "coupon", at = "15:00" }', '{ kind = "pay-coupon" }'),
        ['"at"', "not known"],
    ),
    "a value beyond all bounds": (rule("a", SCHEDULE.replace("15:00", "1" * 10_000), LADDER), ['"at"', "1..."]),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_one_clear_error(tmp_path, text, words):
    with pytest.raises(DataError) as refusal:
        read(tmp_path, text)
    said = str(refusal.value)
    assert said.startswith(str(tmp_path / "keeper.toml"))
    assert "\n" not in said
    for word in words:
        assert word in said, said


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"none\.toml: there is no such file; write a keeper file there"):
        read_keeper_file(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        read_keeper_file(tmp_path / "bytes.toml")
    (tmp_path / "wide.toml").write_text(rule("a", SCHEDULE, LADDER), encoding="utf-16")
    with pytest.raises(DataError, match="UTF-8"):
        read_keeper_file(tmp_path / "wide.toml")
    with pytest.raises(DataError, match="cannot be read: is a directory"):
        read_keeper_file(tmp_path)
    if Path("/dev/zero").exists():
        with pytest.raises(DataError, match="cannot be read: is not a regular file"):
            read_keeper_file("/dev/zero")
    (tmp_path / "long.toml").write_text("#" * (2**20 + 1))
    with pytest.raises(DataError, match="bytes"):
        read_keeper_file(tmp_path / "long.toml")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["none", "byte order"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_editors_of_windows_write_is_read(tmp_path, mark, end):
    path = tmp_path / "keeper.toml"
    path.write_bytes(mark + rule("a", SCHEDULE, LADDER).replace("\n", end).encode())
    assert [found.name for found in read_keeper_file(path).rules] == ["a"]


def test_rules_are_frozen_and_ordered(tmp_path):
    text = "\n".join(
        [
            rule("invest", SCHEDULE.replace('"15:00"', "15:00:00"), LADDER),
            rule("margin", '{ kind = "margin" }', '{ kind = "margin-call" }'),
            rule("redeem", '{ kind = "maturity" }', '{ kind = "redeem" }', approval="ask"),
            rule("pay", '{ kind = "coupon" }', '{ kind = "pay-coupon" }'),
        ]
    )
    found = read(tmp_path, text)
    assert [r.name for r in found.rules] == ["invest", "margin", "redeem", "pay"]
    assert [r.name for r in found.in_order] == ["pay", "redeem", "margin", "invest"]
    assert [r.key for r in found.rules] == ["desk", "desk", None, "desk"]
    with pytest.raises(ValidationError):
        found.rules[0].party = "other"


def test_a_strategy_file_lies_beside_the_rules(tmp_path):
    (tmp_path / "idea.py").write_text(
        "import tbill_defi as td\n"
        "class Hold(td.Strategy[td.StrategyConfig]):\n"
        '    """Nothing?"""\n'
        "    def decide(self, view, book):\n"
        "        return td.Weights.of({view.cusips[0]: 1.0})\n"
    )
    found = read(tmp_path, rule("a", SCHEDULE, '{ kind = "rebalance", strategy = "idea.py" }'))
    assert found.rules[0].action.strategy == "idea.py"


def test_the_example_of_the_readme_is_read_and_has_everything(tmp_path):
    """Every trigger, action and field of a keeper file is in it, but the fields of `schedule` that exclude another."""
    readme = Path(rules.__file__).with_name("README.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    found = read(tmp_path, example)
    assert {r.trigger.kind for r in found.rules} == set(TRIGGERS)
    assert {r.action.kind for r in found.rules} == set(ACTIONS)
    assert {r.approval for r in found.rules} == {"ask", "key:desk", "key:dealer"}
    for part, models in (("trigger", [model for model, _ in TRIGGERS.values()]), ("action", ACTIONS.values())):
        for model in models:
            given = {
                n for r in found.rules if isinstance(getattr(r, part), model) for n in getattr(r, part).model_fields_set
            }
            assert given == set(model.model_fields), model
    for field in ("party", "approval", *read(tmp_path, example).model_fields_set - {"path", "rules"}):
        assert f"{field} = " in example
