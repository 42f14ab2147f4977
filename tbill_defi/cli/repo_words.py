"""The terms of a repo from the words of the command line: face from cash or cash from face, and the last day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from tbill_defi.cli.common import parse_date
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.instruments.repo import Repo

CENT = 10_000
LOT = 100 * 10**6
"""Collateral that is sized here comes in hundreds of dollars of face: the Treasury's smallest denomination."""


def whole_lots(face_units: int) -> int:
    """Face rounded up to lots."""
    return -(-face_units // LOT) * LOT


def positive_units(text: str | None, field: str) -> int | None:
    """Base units of an amount of dollars that is not nothing; None where none was given."""
    from tbill_defi.core.money import units

    if text is None:
        return None
    found = units(text, field=field)
    if found <= 0:
        raise UsageError(f"--{field}: {text} is not a positive amount of dollars")
    return found


def asked_terms(
    today: date,
    price_e6: int,
    cusip: str,
    rate: float,
    end: str,
    face: str | None,
    cash: str | None,
    haircut: float | None,
    ratio: float | None,
) -> Repo:
    """The terms asked for, from `today` on; face from cash or cash from face, whichever is left out."""
    from tbill_defi.instruments.repo import MarginRule, Repo, checked_margin, exact_e9

    if (haircut is None) == (ratio is None):
        raise UsageError("repo quote: give --haircut or --margin-ratio, one of them")
    rule = MarginRule.HAIRCUT if ratio is None else MarginRule.MARGIN_RATIO
    option = "--haircut" if ratio is None else "--margin-ratio"
    number = checked_margin(rule, (haircut if ratio is None else ratio) or 0.0, option)
    face_units, cash_units = positive_units(face, "face"), positive_units(cash, "cash")
    margin_e9 = exact_e9("margin", number)
    if face_units is None and cash_units is None:
        raise UsageError("repo quote: give --face, --cash or both")
    if face_units is None:
        face_units = whole_lots(rule.face_units(cash_units or 0, price_e6, margin_e9))
    if cash_units is None:
        cash_units = rule.lendable_units(face_units, price_e6, margin_e9) // CENT * CENT
    return Repo(
        cusip=cusip,
        face_units=face_units,
        cash_units=cash_units,
        rate=rate,
        start_date=today,
        end_date=last_day(today, end),
        margin_rule=rule,
        margin=number,
    )


def last_day(start: date, text: str) -> date:
    """The repurchase date of a repo from `start` on: a good settlement day, or the first one after so many days."""
    from tbill_defi.conventions import SETTLEMENT, is_settlement_day
    from tbill_defi.instruments.repo import LONGEST_DAYS

    days = text.isdecimal() and len(text) < 5
    last = start + timedelta(days=int(text)) if days else parse_date(text, "--end", "7 for days")
    if not 0 < (last - start).days <= LONGEST_DAYS:
        raise UsageError(f"--end: {last} is not 1 to {LONGEST_DAYS} days after the ledger's market date {start}")
    if days:
        return SETTLEMENT.following(last)
    if not is_settlement_day(last):
        raise UsageError(f"--end: {last} is no good settlement day; {SETTLEMENT.following(last)} is the next")
    return last
