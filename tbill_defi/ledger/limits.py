"""The rules of dealing: who may deal, how much at once, in a window, and hold; and what they leave to a party.

Units are base units of face (10^-6 dollar) of all securities together. Limits follow the identity over all its wallets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tbill_defi.chain.types import Call
from tbill_defi.core.errors import UsageError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import decode_result, encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.settlement import MAX_LEGS

NO_LIMIT = 2**256 - 1
LIMITS_KEY = "compliance"
COUNTRY_RULES = ("any", "admit", "refuse")
COUNTED_LEGS, MANAGED_LEGS, COUNTED_MANAGED_LEGS = 56, 40, 36
"""Legs that fit an embedded ledger's largest transaction (2^22 gas) whatever the state they meet: where dealings or
holdings are counted, where a managed account's guard judges them, and where both is so; `MAX_LEGS` elsewhere."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The general limits; None is no limit.

    Attributes
    ----------
    trade
        Largest amount of one transfer.
    volume, window_seconds
        Most that an identity may send and receive in any `window_seconds`; pending holds count as executed.
    holding_cap
        Most that an identity may hold, pending holds in its favour included.
    country_rule, countries
        "any"; "admit" or "refuse" those listed (ISO 3166-1 numeric).
    """

    trade: int | None
    volume: int | None
    window_seconds: int
    holding_cap: int | None
    country_rule: str
    countries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a party stands against the limits that hold for it; None is no limit.

    Attributes
    ----------
    volume, volume_used, volume_left
        Its volume limit, what counts against it now, and what is left.
    holding_cap, held, holding_left
        Its cap, what it holds (pending holds in its favour included), and what it may still receive.
    """

    party: str
    volume: int | None
    volume_used: int
    volume_left: int | None
    holding_cap: int | None
    held: int
    holding_left: int | None


def _known(units: int) -> int | None:
    return None if units == NO_LIMIT else units


def _raw(units: int | None) -> int:
    return NO_LIMIT if units is None else units


def limits(ledger: Ledger) -> Limits:
    """The general limits in force."""
    place = ledger.contracts.compliance
    volume, window = ledger.call("Compliance", place, "volumeLimit")
    rule, countries = ledger.call("Compliance", place, "countries")
    return Limits(
        trade=_known(ledger.call("Compliance", place, "tradeLimit")),
        volume=_known(volume) if window else None,
        window_seconds=window,
        holding_cap=_known(ledger.call("Compliance", place, "holdingCap")),
        country_rule=COUNTRY_RULES[rule],
        countries=tuple(countries),
    )


def standings(ledger: Ledger, parties: Iterable[str], *, after: Sequence[Step] = ()) -> dict[str, Standing]:
    """Standings by party, of the state after some steps (deposits) if any are given."""
    names, place = list(parties), ledger.contracts.compliance
    calls = [Call(bytes(20), place, encode_call("Compliance", "standing", bytes32(name))) for name in names]
    receipts = ledger.simulate(after, then=calls)
    ledger.require_success(receipts)
    return {
        name: standing_from(name, receipt.return_data)
        for name, receipt in zip(names, receipts[len(after) :], strict=True)
    }


def standing_from(party: str, answer: bytes) -> Standing:
    """The contract's answer about a party."""
    volume, used, volume_left, cap, held, cap_left = decode_result("Compliance", "standing", answer)
    return Standing(party, _known(volume), used, _known(volume_left), _known(cap), held, _known(cap_left))


def most_legs(ledger: Ledger, *, managed: bool = False) -> int:
    """Most legs of one instruction under the rules in force; `managed`: a mandate judges it."""
    if ledger.chain.shared:
        return MAX_LEGS
    if ledger.call("Compliance", ledger.contracts.compliance, "countsIdentities"):
        return COUNTED_MANAGED_LEGS if managed else COUNTED_LEGS
    return MANAGED_LEGS if managed else MAX_LEGS


def set_trade_limit(ledger: Ledger, units: int | None) -> None:
    """Set the largest amount of one transfer."""
    _set(ledger, "setTradeLimit", _raw(units))


def set_volume_limit(ledger: Ledger, units: int | None, window_seconds: int) -> None:
    """Set the most an identity may send and receive in any window; a window of 0 seconds ends it."""
    _set(ledger, "setVolumeLimit", _raw(units), window_seconds)


def set_holding_cap(ledger: Ledger, units: int | None) -> None:
    """Set the most an identity may hold."""
    _set(ledger, "setHoldingCap", _raw(units))


def set_own_limits(ledger: Ledger, party: str, volume: int | None, holding_cap: int | None) -> None:
    """Give a party a volume limit and a holding cap of its own."""
    ledger.send([own_limits_step(ledger, party, volume, holding_cap)])


def own_limits_step(ledger: Ledger, party: str, volume: int | None, holding_cap: int | None) -> Step:
    """The transaction of `set_own_limits`."""
    data = encode_call("Compliance", "setOwnLimits", bytes32(party), True, _raw(volume), _raw(holding_cap))
    return Step(LIMITS_KEY, ledger.contracts.compliance, data)


def clear_own_limits(ledger: Ledger, party: str) -> None:
    """Put a party under the general limits again."""
    _set(ledger, "setOwnLimits", bytes32(party), False, NO_LIMIT, NO_LIMIT)


def set_countries(ledger: Ledger, rule: str, countries: Sequence[int]) -> None:
    """Admit or refuse a list of countries, or any ("any", and no list). UsageError if `rule` is none of these."""
    if rule not in COUNTRY_RULES:
        raise UsageError(f"countries: {rule!r} is none of {', '.join(COUNTRY_RULES)}")
    _set(ledger, "setCountries", COUNTRY_RULES.index(rule), list(countries))


def _set(ledger: Ledger, function: str, *arguments: object) -> None:
    ledger.send([Step(LIMITS_KEY, ledger.contracts.compliance, encode_call("Compliance", function, *arguments))])
