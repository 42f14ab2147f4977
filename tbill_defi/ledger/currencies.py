"""Currencies of a ledger: made by the bank, issued into wallets, counted in units of their own.

The dollar is there from the start. Another currency is a CashToken of the CashFactory under its ISO 4217 code; the
AssetRegistry knows it like a CUSIP, so an instruction exchanges one currency for another (PvP) as it exchanges a
security for cash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbill_defi.chain.types import Receipt
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.identifiers import bytes32, currency_code
from tbill_defi.core.money import format_units
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import DECIMALS, Step
from tbill_defi.ledger.ledger import Ledger

BANK = "bank"
LONGEST_NAME = 31
MOST_DECIMALS = 18


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency on the ledger; one unit is 10^-`decimals` of it."""

    code: str
    name: str
    decimals: int
    token: bytes

    def format(self, units: int) -> str:
        """An amount of it in words, such as 1,250.00 EUR."""
        return f"{format_units(units, min(2, self.decimals), self.decimals)} {self.code}"


def currencies(ledger: Ledger) -> tuple[Currency, ...]:
    """Every currency of the ledger, by code."""
    books = ledger.books()
    return tuple(
        Currency(code, books.currency_names[code], decimals, ledger.token_of(code) or b"")
        for code, decimals in sorted(books.decimals.items())
    )


def require_currency(ledger: Ledger, code: str) -> Currency:
    """The currency of an ISO code.

    Raises
    ------
    LedgerError
        If the ledger has none of it (code "UnknownCurrency").
    """
    books = ledger.books()
    if code not in books.decimals:
        known = ", ".join(sorted(books.decimals))
        raise LedgerError(
            f"{code} is no currency of this ledger; it has {known}; `tbill cash create` makes one", "UnknownCurrency"
        )
    return Currency(code, books.currency_names[code], books.decimals[code], ledger.token_of(code) or b"")


def create_currency(ledger: Ledger, code: str, name: str, *, decimals: int = DECIMALS) -> Currency:
    """Make a currency: the bank creates its token, and may issue and redeem it like any other.

    Parameters
    ----------
    code
        ISO 4217, three capital letters.
    decimals
        One unit is 10^-decimals of the currency, 0 to 18.

    Raises
    ------
    UsageError
        If name or decimals cannot be.
    LedgerError
        If the ledger has it already (code "CurrencyExists").
    """
    currency_code(code)
    if not 0 < len(name.encode()) <= LONGEST_NAME:
        raise UsageError(f"name: {name!r} is not 1 to {LONGEST_NAME} bytes, such as euro")
    if not 0 <= decimals <= MOST_DECIMALS:
        raise UsageError(f"decimals: {decimals} is not 0 to {MOST_DECIMALS}")
    if code in ledger.books().decimals:
        raise LedgerError(f"{code} is a currency of this ledger already; one code has one token", "CurrencyExists")
    data = encode_call("CashFactory", "create", bytes32(code), name, decimals)
    ledger.send([Step(BANK, ledger.contracts.cash_factory, data)])
    return require_currency(ledger, code)


def deposit_cash(ledger: Ledger, party: str, code: str, units: int) -> Sequence[Receipt]:
    """The bank issues cash of a currency into a party's first wallet.

    Raises
    ------
    UsageError
        If the amount is not positive.
    LedgerError
        If the party or the currency is not there.
    """
    if units <= 0:
        raise UsageError(f"deposit: {units} base units of {code} is not positive")
    currency = require_currency(ledger, code)
    data = encode_call("CashToken", "issue", ledger.address_of(party), units)
    return ledger.send([Step(BANK, currency.token, data)])
