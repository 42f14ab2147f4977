"""Help, version and completion."""

import re
import subprocess
import sys

import pytest
import typer
from tbill_strategies.duration_target import DurationTargetConfig
from tbill_strategies.ladder import LadderConfig

from tbill_defi.cli.main import ORDER, app
from tests.unit.cli.support import ROOT
from tests.unit.cli.test_schemas import commands

ROOM = 80


def test_tbill_alone_prints_help(nothing):
    ran = nothing()
    assert ran.code == 0
    assert ran.out == nothing("--help").out == nothing("-h").out
    assert not nothing.home.exists()


def test_every_command_is_listed_in_order(nothing):
    listed = nothing("--help").out.split("Commands:")[1].splitlines()
    names = [line.split()[0] for line in listed if line.strip()]
    assert names[: len(ORDER)] == list(ORDER)
    assert sorted(names) == sorted(typer.main.get_command(app).commands)


GROUPS = [name for name, command in typer.main.get_command(app).commands.items() if hasattr(command, "commands")]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_alone_prints_its_help(nothing, group):
    ran = nothing(group)
    assert ran.code == 0
    assert "Commands:" in ran.out


def test_first_lines_fit(nothing):
    for words in ([], *([group] for group in GROUPS)):
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


def test_the_package_runs_as_a_module():
    run = subprocess.run([sys.executable, "-m", "tbill_defi", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("tbill_defi ")


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


def test_the_page_names_what_exists():
    """docs/cli.md: its commands and options are there."""
    page = (ROOT / "docs" / "cli.md").read_text()
    found = commands()
    shown = [words.split() for words in re.findall(r"\btbill ([a-z]+(?: [a-z]+)?)", page)]
    for words in shown:
        assert "-".join(words) in found or words[0] in found, words
    taken = {
        option
        for command in found.values()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    of_all = {option for parameter in typer.main.get_command(app).params for option in parameter.opts}
    of_strategies = {
        "--" + name.replace("_", "-") for name in LadderConfig.model_fields | DurationTargetConfig.model_fields
    }
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)):
        assert option in taken | of_strategies | {*of_all, "--help", "--install-completion"}, option
