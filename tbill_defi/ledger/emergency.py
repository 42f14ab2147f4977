"""The emergency stop: the guardian halts all that moves, for 72 hours altogether until the timelock gives him more."""

from __future__ import annotations

from dataclasses import dataclass

from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import GUARDIAN, Step
from tbill_defi.ledger.ledger import Ledger

COMPLIANCE = "Compliance"


@dataclass(frozen=True, slots=True)
class Stop:
    """Whether the ledger is stopped.

    Attributes
    ----------
    until
        Unix second at which it goes on by itself; None: it is not stopped.
    left
        Seconds for which the guardian may still stop it after that.
    """

    until: int | None
    left: int


def stopped_until(ledger: Ledger) -> int | None:
    """Unix second at which a stop that is on ends, by the events alone; None if nothing is stopped."""
    until, place = 0, (ledger.contracts.compliance,)
    for event in ledger.chain.events(names=("Stopped", "Resumed"), addresses=place):
        until = int(event.arguments["until"]) if event.name == "Stopped" else 0
    return until if ledger.chain.now() < until else None


def stop_state(ledger: Ledger) -> Stop:
    """Whether the ledger is stopped, by the contract."""
    place = ledger.contracts.compliance
    until = ledger.call(COMPLIANCE, place, "stoppedUntil")
    left = ledger.call(COMPLIANCE, place, "stopLeft")
    return Stop(until if ledger.chain.now() < until else None, left)


def stop(ledger: Ledger) -> Stop:
    """Stop everything that moves, for as long as the guardian still may.

    Raises
    ------
    LedgerError
        If it is stopped already (code "LedgerStopped"), or he has used up his 72 hours ("StopUsedUp").
    """
    ledger.send([Step(GUARDIAN, ledger.contracts.compliance, encode_call(COMPLIANCE, "stop"))])
    return stop_state(ledger)


def resume(ledger: Ledger) -> Stop:
    """Let everything go on; what is left of the 72 hours is kept.

    Raises
    ------
    LedgerError
        If nothing is stopped (code "NotStopped").
    """
    ledger.send([Step(GUARDIAN, ledger.contracts.compliance, encode_call(COMPLIANCE, "resume"))])
    return stop_state(ledger)
