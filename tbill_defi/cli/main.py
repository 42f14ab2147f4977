"""`tbill`: one line of help a command, errors in one or two lines, exit codes as in docs/exit-codes.md."""

from __future__ import annotations

import sys

import typer

from tbill_defi.cli import audit, demo, desk, ledger, market, price
from tbill_defi.core.errors import TbillError

app = typer.Typer(
    name="tbill",
    help="Derivatives and programmable portfolios on tokenized US Treasuries.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
for module in (demo, market, price, desk, ledger, audit):
    module.register(app)

INTERRUPTED = 130


def main() -> None:
    """Run the command line; a refusal is one or two lines on stderr and an exit code."""
    try:
        app()
    except TbillError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing is half done\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
