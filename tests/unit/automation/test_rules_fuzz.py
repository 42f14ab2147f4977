"""Whatever a keeper file holds, it is read whole, or one line names the file and what is wrong."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tbill_defi.automation.rules import ACTIONS, MAX_RULES, TRIGGERS, KeeperFile, read_keeper_file
from tbill_defi.core.errors import DataError

FIELDS = ("kind", "every", "at", "weekday", "late_days", "tolerance", "targets", "lower", "upper", "within_days")
MORE_FIELDS = ("strategy", "settings", "counterparty", "deliver", "unmet", "party", "approval", "trigger", "x")
WORDS = (*TRIGGERS, *ACTIONS, "daily", "weekly", "month-end", "15:00", "25:61", "ladder", "no-such", "desk", "ask")
SOUND = """every_seconds = 30

[rules.invest]
approval = "key:desk"
trigger = { kind = "schedule", every = "weekly", weekday = "monday", at = "15:00", late_days = 2 }
action = { kind = "rebalance", strategy = "ladder", settings = { rungs = 8 } }

[rules.margin]
party = "dealer"
trigger = { kind = "margin" }
action = { kind = "margin-call", deliver = "nothing" }
"""
FAST = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def inline(value):
    """A value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


plain = st.none().map(lambda _: "") | st.sampled_from(WORDS) | st.text(st.characters(codec="ascii"), max_size=8)
scalars = plain | st.integers(-5, 100) | st.integers() | st.floats() | st.booleans()
names = st.sampled_from((*FIELDS, *MORE_FIELDS)) | st.text(st.characters(codec="ascii"), max_size=5)
tables = st.dictionaries(names, scalars | st.lists(scalars, max_size=2), max_size=4)
triggers = st.builds(lambda kind, table: {"kind": kind, **table}, st.sampled_from([*TRIGGERS, "moon"]), tables)
actions = st.builds(lambda kind, table: {"kind": kind, **table}, st.sampled_from([*ACTIONS, "moon"]), tables)
rule_names = st.from_regex(r"[a-z-]{1,4}", fullmatch=True) | st.text(max_size=4)
rules = st.builds(
    lambda trigger, action, rest: {"trigger": trigger, "action": action, **rest},
    triggers | scalars,
    actions | scalars,
    st.just({}) | tables,
)


def read_or_one_line(path: Path) -> KeeperFile | None:
    try:
        return read_keeper_file(path)
    except DataError as error:
        said = str(error)
        assert said.startswith(str(path)), said
        assert said.isprintable(), said
        return None


@FAST
@given(found=st.dictionaries(rule_names, rules, max_size=2), seconds=scalars)
def test_any_tables(tmp_path, found, seconds):
    path = tmp_path / "keeper.toml"
    path.write_text(f"every_seconds = {inline(seconds)}\nrules = {inline(found)}\n", encoding="utf-8")
    read = read_or_one_line(path)
    if read is not None:
        assert [rule.name for rule in read.rules] == list(found)
        assert 0 < len(read.rules) <= MAX_RULES


@FAST
@given(data=st.data())
def test_a_sound_file_with_something_else_in_it(tmp_path, data):
    start = data.draw(st.integers(0, len(SOUND)))
    end = data.draw(st.integers(start, min(len(SOUND), start + 12)))
    other = data.draw(st.text(max_size=6) | st.sampled_from(['"', "[", "]", "{", "}", "=", "\n", "nan", "-1", "1e400"]))
    path = tmp_path / "keeper.toml"
    path.write_text(SOUND[:start] + other + SOUND[end:], encoding="utf-8")
    read = read_or_one_line(path)
    assert read is None or {rule.trigger.kind for rule in read.rules} <= {"schedule", "margin"}


@FAST
@given(content=st.binary(max_size=60))
def test_any_bytes(tmp_path, content):
    path = tmp_path / "keeper.toml"
    path.write_bytes(content)
    assert read_or_one_line(path) is None
