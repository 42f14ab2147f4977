"""Which clock a ledger runs on, and moving a simulated one."""

from __future__ import annotations

from typing import Literal

from tbill_defi.chain.types import Receipt
from tbill_defi.core.clock import moment
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import OPERATOR, Ledger

ClockKind = Literal["simulated", "system", "node"]


def clock_kind(ledger: Ledger) -> ClockKind:
    """Where a ledger's time comes from."""
    if ledger.chain.shared:
        return "node"
    return "system" if ledger.embedded.genesis.clock_start is None else "simulated"


def move_clock(ledger: Ledger, until: int) -> Receipt:
    """Let time pass on a ledger with a simulated clock: a block at `until`, in which the operator's key signs nothing.

    Parameters
    ----------
    until
        Unix seconds; the next block is a second later.

    Raises
    ------
    LedgerError
        If the ledger runs on the system's clock or a node's (code "RealClock").
    UsageError
        If `until` is before the ledger's time.
    """
    kind = clock_kind(ledger)
    if kind != "simulated":
        whose = "the node's" if kind == "node" else "the system's"
        raise LedgerError(
            f"clock: this ledger runs on {whose} clock, which nobody moves; `tbill init --at` makes one with a "
            "simulated clock",
            "RealClock",
        )
    ahead = until - ledger.chain.now()
    if ahead < 0:
        raise UsageError(
            f"clock: {moment(until)} is before the ledger's {moment(ledger.chain.now())}; time never goes back"
        )
    ledger.embedded.advance_clock(ahead)
    (receipt,) = ledger.send([Step(OPERATOR, ledger.keyring.key(OPERATOR).address, b"")])
    return receipt
