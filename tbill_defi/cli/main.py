"""`tbill`: errors in one or two lines on stderr, exit codes as in docs/exit-codes.md."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tbill_defi.cli import (
    auction,
    audit,
    backtest,
    books,
    cash,
    chain,
    clock,
    curve,
    default,
    demo,
    desk,
    early,
    fails,
    keeper,
    ledger,
    life,
    mandate,
    market,
    net,
    operate,
    option,
    oracle,
    permit,
    price,
    registry,
    repo,
    richcheap,
    risk,
    roles,
    rules,
    serve,
    status,
    strategy,
    strips,
    token_rules,
    trade,
    vote,
)
from tbill_defi.cli.common import Interrupted, group, show_help
from tbill_defi.core.errors import ComplianceRejection, DataError, LedgerError, TbillError, UsageError

ORDER = (
    *("demo", "init", "market", "holdings", "curve", "price", "richcheap", "strategies", "strategy"),
    *("plan", "rebalance", "wallet", "cash", "trade", "fails", "net", "risk", "tape", "clock", "coupon", "redeem"),
    *("kyc", "limits", "rules", "permit", "oracle", "mandate", "repo", "option"),
    *("roles", "keys", "stop", "resume"),
    *("keeper", "backtest", "books", "serve", "submit", "follow", "chain", "audit"),
    *("status", "backup", "restore", "config"),
)
"""Commands as a desk meets them; others follow in the order they were added."""
BUG, INTERRUPTED, PIPE_CLOSED = 1, 130, 141
"""Exit codes of what no error class stands for."""
TRACEBACK_VARIABLE = "TBILL_TRACEBACK"
COMPLETION_VARIABLE = "_TBILL_COMPLETE"
"""Set by the shell's completion, which ends the process itself."""
LONGEST_LINE = 1_000
_CLICK_ERROR: type[Exception] = typer.BadParameter.__mro__[2]
"""Base of the errors of the option parser, whichever package typer takes it from."""


class InOrder(TyperGroup):
    """Lists commands in `ORDER`, then the others."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names for the help and for completion."""
        return [*(name for name in ORDER if name in self.commands), *(n for n in self.commands if n not in ORDER)]


app = group("Derivatives and programmable portfolios on tokenized US Treasuries.", InOrder)
app.info.name = "tbill"
app.info.context_settings = {"help_option_names": ["-h", "--help"]}
for module in (
    demo,
    market,
    curve,
    price,
    richcheap,
    desk,
    risk,
    strategy,
    ledger,
    cash,
    trade,
    fails,
    net,
    clock,
    auction,
    life,
    default,
    early,
    strips,
    vote,
    rules,
    token_rules,
    permit,
    registry,
    roles,
    oracle,
    mandate,
    repo,
    option,
    keeper,
    backtest,
    books,
    serve,
    chain,
    audit,
    status,
    operate,
):
    module.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"tbill_defi {version('tbill-defi')}\n")
        raise typer.Exit


@app.callback()
def _tbill(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
    log: Annotated[
        str | None, typer.Option("--log", metavar="off|text|json", help="Structured logs on stderr.")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", metavar="debug|info|warning", help="The least that is logged.")
    ] = None,
) -> None:
    """Derivatives and programmable portfolios on tokenized US Treasuries."""
    show_help(context)
    if context.invoked_subcommand is not None:
        from tbill_defi.cli.logs import start_logging
        from tbill_defi.core.settings import configuration

        context.obj = {"log": log, "log_level": log_level}
        start_logging(configuration(context.obj).settings)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; a refusal is one or two lines on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _require_no_empty_value(words)
        code = _commands()(args=words, prog_name="tbill", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except Interrupted as stopped:
        return _fail(str(stopped), INTERRUPTED)
    except BrokenPipeError:
        return _pipe_closed()
    except SystemExit as exit_:
        if isinstance(exit_.__context__, BrokenPipeError):
            return _pipe_closed()
        if COMPLETION_VARIABLE in os.environ:
            return exit_.code if isinstance(exit_.code, int) else BUG
        return _fail(f"something called sys.exit({exit_.code!r}) before the work was done; a strategy must not", 2)
    except Exception as error:
        return _fail(*_told(error))
    if code == INTERRUPTED:
        return _interrupted()
    return code if isinstance(code, int) else 0


@cache
def _commands() -> Any:
    """What the parser makes of `app`, made once: reading every command's signature takes longer than most commands."""
    return typer.main.get_command(app)


def _require_no_empty_value(words: list[str]) -> None:
    """An empty value is a variable of the shell that was not set, never a wish for the default."""
    for before, word in zip(("", *words), words, strict=False):
        if not word.strip() or (word.startswith("--") and word.endswith("=")):
            name = word or (before if before.startswith("-") else "")
            raise UsageError(f"{name.rstrip('=').strip() or 'argument'}: its value is empty; give one, or leave it out")


def main() -> None:
    """Entry point of `tbill`."""
    sys.exit(run())


def _told(error: Exception) -> tuple[str, int]:
    """What to say of an error, and its exit code."""
    if isinstance(error, ComplianceRejection):
        first, *others = error.decisions
        more = f"; {len(others)} more legs are refused" if others else ""
        return f"{first.describe()}{more}; nothing was sent", error.exit_code
    if isinstance(error, TbillError):
        return str(error), error.exit_code
    if isinstance(error, _CLICK_ERROR):
        return _parser_error(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}", DataError.exit_code
    if type(error).__module__.startswith("sqlalchemy"):
        cause = getattr(error, "orig", None) or error
        return f"ledger: its database fails: {str(cause).splitlines()[0]}", LedgerError.exit_code
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    return (
        f"this is a bug of tbill_defi: {type(error).__name__}: {error}\n"
        f"{TRACEBACK_VARIABLE}=1 shows where; please report it",
        BUG,
    )


def _parser_error(error: Any) -> tuple[str, int]:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "tbill"
    message = str(error.format_message()).strip().rstrip(".")
    if re.fullmatch(r"-[0-9.]", getattr(error, "option_name", None) or ""):
        message = "argument: a negative number is given where none can be"
    return f"{message[:1].lower()}{message[1:]}; see `{path} -h`", int(error.exit_code)


def _fail(message: str, code: int) -> int:
    """At most two lines, the first with "error:" before it."""
    lines = [line.strip()[:LONGEST_LINE] for line in message.splitlines() if line.strip()]
    sys.stderr.write("error: " + "\n".join(lines[:2] or ["no reason given"]) + "\n")
    return code


def _interrupted() -> int:
    """Ctrl-C, on a line of its own."""
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    return _fail("interrupted; nothing is half done, `tbill tape` shows what has settled", INTERRUPTED)


def _pipe_closed() -> int:
    """The reader has gone: say nothing more, not even while the interpreter ends."""
    if sys.stdout is sys.__stdout__ and sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED
