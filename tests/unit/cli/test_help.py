"""Help, version and completion."""

import pytest
import typer

from tbill_defi.cli.main import ORDER, app
from tests.unit.cli.test_schemas import commands

ROOM = 80
SUBCOMMAND = ("market import", "market show", "holdings import", "audit head", "audit verify")


def test_tbill_alone_prints_help(nothing):
    ran = nothing()
    assert ran.code == 0
    assert ran.out == nothing("--help").out == nothing("-h").out
    assert not nothing.home.exists()


def test_every_command_is_listed_in_order(nothing):
    listed = nothing("--help").out.split("Commands:")[1].splitlines()
    assert [line.split()[0] for line in listed if line.strip()] == list(ORDER)
    assert set(typer.main.get_command(app).commands) == set(ORDER)


@pytest.mark.parametrize("group", ["market", "holdings", "audit"])
def test_a_group_alone_prints_its_help(nothing, group):
    ran = nothing(group)
    assert ran.code == 0
    assert "Commands:" in ran.out


def test_first_lines_fit(nothing):
    for words in ([], ["market"], ["holdings"], ["audit"]):
        text = nothing(*words, "--help").out
        assert "..." not in text.split("Commands:")[1], text
        assert all(len(line) <= ROOM for line in text.splitlines())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help(nothing, name):
    command = commands()[name]
    assert command.help
    assert command.help.splitlines()[0].endswith(".")
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"


def test_strategy_options_are_mentioned(nothing):
    text = " ".join(nothing("plan", "--help").out.split())
    assert "--rungs 8" in text
    assert "tbill strategies" in text


def test_version(nothing):
    from importlib.metadata import version

    assert nothing("--version").out == f"tbill_defi {version('tbill-defi')}\n"


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("tbill ", 1, {"plan", "wallet"}),
        ("tbill market ", 2, {"import", "show"}),
        ("tbill plan ", 2, {"ladder", "duration-target"}),
        ("tbill rebalance --dr", 2, {"--dry-run"}),
        ("tbill plan ladder --ho", 3, {"--holdings", "--home"}),
    ],
)
def test_the_shell_completes(nothing, monkeypatch, words, position, expected):
    for name, value in (("_TBILL_COMPLETE", "complete_bash"), ("COMP_WORDS", words), ("COMP_CWORD", str(position))):
        monkeypatch.setenv(name, value)
    ran = nothing()
    assert expected <= set(ran.out.split())
    assert ran.err == ""
