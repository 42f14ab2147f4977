"""`tbill serve`, `submit`, `follow`: one ledger, several processes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbill_defi.cli.common import Home, console, progress
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import MOST_BYTES

if TYPE_CHECKING:
    from tbill_defi.chain.embedded import EmbeddedChain


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve")(serve)
    app.command("submit")(submit)
    app.command("follow")(follow)


def serve(
    once: Annotated[bool, typer.Option("--once", help="Execute what waits now, then end.")] = False,
    home: Home = None,
) -> None:
    """Execute what other processes submit: be the sequencer.

    Ctrl-C ends it. Every other command works beside it, through its inbox. A second `tbill serve` stands by and takes
    over when the first has gone. It needs the operator's key.
    """
    from tbill_defi.chain.sequencer import open_sequencer
    from tbill_defi.core.clock import SystemClock
    from tbill_defi.ledger.abi import decode_log
    from tbill_defi.ledger.ledger import OPERATOR
    from tbill_defi.ledger.open import desk_keys

    url = _journal_url(home)
    operator = desk_keys(home).key(OPERATOR)
    with _until_told() as told, progress("replaying") as advance:
        sequencer = open_sequencer(
            url,
            operator=operator,
            clock=SystemClock(),
            stop=lambda: bool(told),
            report=_say,
            decoder=decode_log,
            progress=advance,
        )
        if sequencer is None:
            return
        with sequencer:
            if once:
                done = sequencer.step()
                _say(f"{done} transactions judged; block {sequencer.height}")
                return
            _say(f"serving {sequencer.url} from block {sequencer.height}; Ctrl-C ends it")
            sequencer.serve(stop=lambda: bool(told), report=_say)
            _say(f"ended at block {sequencer.height}")


def submit(
    file: Annotated[Path | None, typer.Argument(help="Lines of 0x-hex; stdin if it is left out.")] = None,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait for the receipts.")] = 60,
    home: Home = None,
) -> None:
    """Submit raw signed transactions to a served ledger.

    They go into its inbox, and their receipts are waited for. All of a file are executed in one block, in order, or
    refused together. It needs no key. To submit the same again changes nothing: it shows the receipts.
    """
    from tbill_defi.chain.follower import InboxChain
    from tbill_defi.core.clock import SystemClock

    url = _journal_url(home)
    raws = _read_raws(file)
    with InboxChain.open(url, clock=SystemClock()) as chain:
        chain.patience_seconds = wait
        receipts = chain.submit(raws)
    for receipt in receipts:
        status = "done" if receipt.status else f"reverted 0x{receipt.revert.hex()}"
        console().print(f"0x{receipt.transaction_hash.hex()} block {receipt.height} {status}", soft_wrap=True)


def follow(
    blocks: Annotated[int | None, typer.Option(min=1, help="End after so many blocks.", show_default="never")] = None,
    since: Annotated[
        int | None, typer.Option("--from", min=1, help="First block to show.", show_default="the next one")
    ] = None,
    home: Home = None,
) -> None:
    """Show blocks as another process writes them.

    What is shown is held to the operator's signed head. Ctrl-C ends it.
    """
    from tbill_defi.chain.embedded import EmbeddedChain
    from tbill_defi.chain.engine import BLOCK_BELL, listen
    from tbill_defi.core.clock import SystemClock

    url = _journal_url(home)
    with EmbeddedChain.open(url, clock=SystemClock()) as chain, _until_told() as told:
        listener = listen(url, BLOCK_BELL)
        try:
            following = since or chain.height + 1
            end = None if blocks is None else following + blocks
            while not told and (end is None or following < end):
                height = chain.height if end is None else min(chain.height, end - 1)
                if following > height:
                    listener.wait(250)
                    continue
                _show(chain, following, height)
                following = height + 1
        finally:
            listener.close()


def _show(chain: EmbeddedChain, first: int, last: int) -> None:
    """A line a block: its events by name, with their number."""
    from collections import Counter

    from tbill_defi.core.clock import moment

    named: dict[int, Counter[str]] = {height: Counter() for height in range(first, last + 1)}
    times: dict[int, int] = {}
    for event in chain.events(from_block=first, to_block=last):
        named[event.height][event.name or "?"] += 1
        times[event.height] = event.timestamp
    for height, names in named.items():
        said = ", ".join(f"{count} {name}" if count > 1 else name for name, count in names.items()) or "no events"
        when = f", {moment(times[height])}" if height in times else ""
        console().print(f"block {height}{when}: {said}", soft_wrap=True)
    sys.stdout.flush()


def _read_raws(file: Path | None) -> list[bytes]:
    name = "stdin" if file is None else file.name
    with nullcontext(sys.stdin.buffer) if file is None else file.open("rb") as stream:
        data = stream.read(MOST_BYTES)  # a pipe is as good as a file, if it ends
    if len(data) == MOST_BYTES:
        raise DataError(f"{name}: {MOST_BYTES:,} bytes or more; submit them in several files")
    raws = []
    for number, line in enumerate(data.decode(errors="replace").split(), 1):
        try:
            raws.append(bytes.fromhex(line.removeprefix("0x")))
        except ValueError:
            raise DataError(f"{name}, transaction {number}: {line[:20]!r} is not hex such as 0x02f8...") from None
    if not raws:
        raise UsageError(f"{name}: no transactions in it; expected a line of 0x-hex each")
    return raws


def _journal_url(home: Path | None) -> str:
    from tbill_defi.ledger.open import ledger_url, on_node, require_ledger

    if on_node(home):
        raise UsageError("this home's ledger is on a node, which orders transactions itself; no sequencer is needed")
    require_ledger(home)
    return ledger_url(home)


def _say(text: str) -> None:
    """On stderr, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def _until_told() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM end the work between two commits, never within one: a list that is empty until then."""
    told: list[int] = []
    kept = {
        number: signal.signal(number, lambda got, _: told.append(got)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield told
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
