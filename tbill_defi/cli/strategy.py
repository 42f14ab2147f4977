"""`tbill strategy`: write a plugin, check one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, print_json
from tbill_defi.cli.desk import SETTINGS, STRATEGY_HELP, _settings, strategy_names
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.strategy.kit import Report


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Strategy plugins: write one, check one.")
    commands.command("new")(new)
    commands.command("test", context_settings=SETTINGS)(try_out)
    app.add_typer(commands, name="strategy")


def new(
    name: Annotated[str, typer.Argument(help="Such as my-idea; the file is my_idea.py.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where to.")] = Path(),
) -> None:
    """Write a working plugin and its test; nothing is overwritten."""
    from tbill_defi.strategy.scaffold import new_plugin

    plugin, test = new_plugin(name, folder)
    console().print(f"{plugin} and {test} are written", soft_wrap=True)
    hint(f"tbill strategy test {plugin}, pytest {test}, tbill plan {plugin}")


def try_out(
    context: typer.Context,
    strategy: Annotated[str, typer.Argument(metavar="STRATEGY", help=STRATEGY_HELP, autocompletion=strategy_names)],
    seconds: Annotated[int, typer.Option(help="Limit of one decision.")] = 10,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Check a strategy on the sample day, and on the home's dates.

    Dates of the home are tried where market data are imported. It must make the same plan twice, in another process,
    and in a world whose future is scrambled; keep to whole lots and cash; have a config that passes through JSON; be a
    pure function within the limits of time and memory. It runs in processes of its own. A strategy's settings are
    options too, as with `tbill plan`.
    """
    from tbill_defi.core.home import home_path
    from tbill_defi.strategy.kit import check

    folder = home_path(home)
    imported = (folder / "market").is_dir()
    if home is not None and not imported:
        raise UsageError(
            f"home: {folder} has no market data; import them, or leave --home out for the sample day alone"
        )
    report = check(strategy, settings=_settings(context.args), home=folder if imported else None, seconds=seconds)
    if json_:
        print_json(report.to_json())
    else:
        _show(report)
    if not report.passed:
        failures = report.failures()
        raise UsageError(f"{strategy} fails {len(failures)} of {len(report.checks)} checks: {failures[0]}")
    if not json_:
        hint(f"tbill plan {strategy}")


def _show(report: Report) -> None:
    from tbill_defi.report.layout import Column, Sheet

    sheet = Sheet(
        report.strategy or report.reference, Column("check", left=True), Column("", left=True), Column("why", left=True)
    )
    for line in report.checks:
        sheet.add(line.name, line.status, line.reason)
    out = console()
    out.print(sheet)
    out.print(f"tried on {', '.join(report.cases)}", soft_wrap=True)
