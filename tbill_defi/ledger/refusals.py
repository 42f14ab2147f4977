"""Reverts of the contracts as errors: by name, with their figures in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tbill_defi.core.clock import SHOWN_UNTIL, moment
from tbill_defi.core.errors import LedgerError, MandateBreach, TbillError
from tbill_defi.core.money import format_units
from tbill_defi.ledger.abi import decode_revert

RULES = ("duration", "issue-cap", "turnover", "slippage")
"""MandateGuard.Rule, in its order."""
TOKENS = ("ERC20", "ERC7943")
REPOS = ("CollateralShort", "CashNotCalled", "RepurchaseExceedsRepo")
AMOUNTS = (
    *("balance", "needed", "allowance", "amount", "unfrozen"),
    *("lendable", "exposure", "cash", "deficit", "principal", "face"),
)
"""Arguments of the tokens' and repos' errors that are base units."""
TIMES = ("from", "until", "earliest", "observedAt", "notBefore", "deadline", "payableFrom", "recordTime", "expiry")
"""Arguments that are Unix seconds: shown with their New York time, up to the year 6325."""
CURES = {
    "LedgerStopped": "`tbill stop` shows more, the guardian lifts it by `tbill resume`",
    "PriceMissing": "`tbill oracle publish` signs one, with --all of every security",
    "StalePrice": "`tbill oracle publish` signs a new one",
    "RoundTooOld": "publish the prices of a later date",
    "RecordTimeOutOfRange": "the record is the start of a day that has begun, at most 60 days ago",
    "DeadlineOutOfRange": "voting takes a day at least, and 180 days at most",
    "PriceMoveTooLarge": "look whether it is right; `tbill oracle publish --confirm` signs it with the higher quorum",
}
"""What to do about refusals that a desk can mend by itself."""
Names = Callable[[str], str]
_WORDS = {
    "issue-cap": "{subject} would be worth ${value}, at most ${upper} is allowed of one security",
    "turnover": "turnover in the window would be ${value}, at most ${upper} is allowed",
    "slippage": "the plan would give ${value} more than it takes at the oracle's prices, at most ${upper} is allowed",
}


def refusal(data: bytes, names: Names = str) -> TbillError:
    """The error that a revert's data stand for: `MandateBreach`, or a `LedgerError` with its name as code.

    Parameters
    ----------
    names
        What an address (0x-text) is called.
    """
    name, arguments = decode_revert(data)
    if name == "MandateBreach":
        return _breach(arguments, names)
    dollars = name.startswith(TOKENS) or name in REPOS
    told = ((key.removesuffix("E6"), _shown(key, value, names, dollars)) for key, value in arguments.items())
    shown = ", ".join(f"{key} {value}" for key, value in told)
    cure = f"; {CURES[name]}" if name in CURES else ""
    return LedgerError(f"the contract refuses: {name}{f' ({shown})' if shown else ''}{cure}", name)


def _shown(key: str, value: Any, names: Names, dollars: bool) -> str:
    if isinstance(value, bytes):
        return names(_told(value))
    if key.endswith("E6"):
        return _decimal(value)
    if key in TIMES and 0 < value < SHOWN_UNTIL:
        return f"{value}, {moment(value)}"
    return f"${format_units(value)}" if dollars and key in AMOUNTS else str(value)


def _breach(arguments: dict[str, Any], names: Names) -> MandateBreach:
    rule, value = RULES[arguments["rule"]], arguments["value"]
    lower, upper = arguments["lower"], arguments["upper"]
    if rule == "duration":
        words = f"duration would be {_decimal(value)} years, {_decimal(lower)} to {_decimal(upper)} is allowed"
    else:
        words = _WORDS[rule].format(
            subject=_told(arguments["subject"]), value=format_units(value), upper=format_units(upper)
        )
    account = names(_told(arguments["account"]))
    return MandateBreach(f"mandate of {account}: {words}; nothing was sent", rule, value, lower, upper)


def _decimal(value_e6: int) -> str:
    """A price or years in 10^-6 with six decimals."""
    whole, fraction = divmod(value_e6, 10**6)
    return f"{whole}.{fraction:06d}"


def _told(value: bytes) -> str:
    """Bytes for a person: the text of an identifier (CUSIP, party, currency), else 0x-hex."""
    text = value.rstrip(b"\0")
    named = len(value) == 32 and text.isascii() and text.decode("ascii", "replace").isprintable() and text
    return text.decode() if named else "0x" + value.hex()
