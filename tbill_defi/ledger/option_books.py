"""Options as the OptionBook's events tell them: terms, status, what was paid and when. Opens no EVM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tbill_defi.ledger.option_terms import OptionState, OptionStatus, OptionTerms

_ENDS = {
    "OptionExercised": OptionStatus.EXERCISED,
    "OptionExpired": OptionStatus.EXPIRED,
    "OptionWithdrawn": OptionStatus.WITHDRAWN,
}
EVENTS = ("OptionWritten", "OptionBought", "OptionFollowed", *_ENDS)


class OptionBooks:
    """Every option that was ever written, folded from events in order."""

    def __init__(self) -> None:
        self._options: dict[bytes, OptionState] = {}

    def apply(self, name: str, arguments: Mapping[str, Any], timestamp: int) -> None:
        """Fold one event in."""
        option_id = bytes.fromhex(arguments["id"][2:])
        if name == "OptionWritten":
            terms, payment = OptionTerms.from_abi(arguments["terms"]), int(arguments["payment"])
            parties = arguments["writer"], arguments["holder"]
            self._options[option_id] = OptionState(terms, *parties, OptionStatus.WRITTEN, payment)
            return
        before = self._options[option_id]
        if name == "OptionBought":
            premium = int(arguments["premium"])
            after = replace(before, status=OptionStatus.OPEN, premium_units=premium, bought_at=timestamp)
        elif name == "OptionFollowed":
            after = replace(before, writer=arguments["writer"], holder=arguments["holder"])
        else:
            after = replace(before, status=_ENDS[name])
        self._options[option_id] = after

    def state(self, option_id: bytes, party_of: Callable[[str], str]) -> OptionState | None:
        """An option, with the names of its parties' wallets (0x-text); None if it was never written."""
        option = self._options.get(option_id)
        return option and replace(option, writer=party_of(option.writer), holder=party_of(option.holder))

    def of(self, wallet: str) -> list[bytes]:
        """Ids of the live options that a wallet (0x-text) wrote or holds."""
        live = (OptionStatus.WRITTEN, OptionStatus.OPEN)
        return [i for i, o in self._options.items() if o.status in live and wallet in (o.writer, o.holder)]

    def states(self, party_of: Callable[[str], str]) -> dict[bytes, OptionState]:
        """Id -> option, in the order in which they were written, with the names of its parties' wallets (0x-text)."""
        return {
            option_id: replace(option, writer=party_of(option.writer), holder=party_of(option.holder))
            for option_id, option in self._options.items()
        }
