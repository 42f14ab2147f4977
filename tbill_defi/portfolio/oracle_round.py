"""From a view to what pricers sign: each security's mid at the trade date, with its coupon period.

The clean price is the view's mid dirty price at its settlement date, which is the trade date, less accrued interest
of that date, both half up at 6 decimals: what the contract adds up again is the price a plan of that day trades around.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import UsageError
from tbill_defi.core.money import UNITS_PER_DOLLAR, decimal_price, round_decimal
from tbill_defi.ledger.accrual import accrual_period
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.oracle import MAX_QUOTES, Oracle, OracleQuote, OracleRound
from tbill_defi.portfolio.metrics import RATINGS
from tbill_defi.portfolio.view import View
from tbill_defi.pricing.prices import official_accrued

LONG_FIRST_PERIOD = "third half-year of a long first coupon period"
NOT_IN_VIEW = "not in the market"


@dataclass(frozen=True)
class Quotes:
    """Quotes by CUSIP, ascending, and what could not be quoted: reason -> CUSIPs."""

    quotes: tuple[OracleQuote, ...]
    excluded: dict[str, tuple[str, ...]]


def quotes_from_view(view: View, cusips: Iterable[str] | None = None) -> Quotes:
    """Oracle quotes of the view's securities, or of those named."""
    known = {cusip: i for i, cusip in enumerate(view.cusips)}
    wanted = sorted(known if cusips is None else set(cusips))
    quotes: list[OracleQuote] = []
    excluded: dict[str, tuple[str, ...]] = {}
    for cusip in wanted:
        quote = _quote(view, known[cusip]) if cusip in known else None
        if quote is not None:
            quotes.append(quote)
        else:
            reason = LONG_FIRST_PERIOD if cusip in known else NOT_IN_VIEW
            excluded[reason] = (*excluded.get(reason, ()), cusip)
    return Quotes(tuple(quotes), excluded)


def _quote(view: View, index: int) -> OracleQuote | None:
    security, day = view.securities[index], view.settlement_date
    period = accrual_period(security, day)
    if period is None:
        return None
    dirty = round_decimal(view.mid_dirty_price(index), 6)
    return OracleQuote(
        cusip=security.cusip,
        clean_e6=_scaled(dirty - official_accrued(security, settlement=day), 6),
        yield_e9=_scaled(decimal_price(float(view.yield_[index]), 9), 9),
        duration_e6=_scaled(decimal_price(float(view.modified_duration[index])), 6),
        maturity=security.maturity_date,
        rating=RATINGS.index(view.ratings[index]) + 1,
        **period,
    )


def _scaled(value: Decimal, places: int) -> int:
    return int(value.scaleb(places))


def rounds_of(quotes: Sequence[OracleQuote], *, after: int, day: date, observed_at: int) -> list[OracleRound]:
    """As few rounds as hold the quotes, numbered from `after` + 1."""
    parts = [tuple(quotes[i : i + MAX_QUOTES]) for i in range(0, len(quotes), MAX_QUOTES)]
    return [OracleRound(after + 1 + i, day, observed_at, part) for i, part in enumerate(parts)]


@dataclass(frozen=True)
class Publication:
    """What was published: the rounds, the block that holds them, who signed, what was left out and why."""

    height: int
    rounds: tuple[OracleRound, ...]
    signers: tuple[bytes, ...]
    excluded: dict[str, tuple[str, ...]]


def publish(ledger: Ledger, view: View, *, cusips: Iterable[str] | None = None, confirm: bool = False) -> Publication:
    """Publish the view's prices, signed by as many of the ledger's own pricers as the rules ask.

    The first time, the keys pricer-1 to pricer-3 are made and named on chain, two of three to sign. A view of an
    earlier date counts as observed in that date's last second.

    Parameters
    ----------
    cusips
        None: those with a token on the ledger.
    confirm
        Sign with the higher quorum, which lets prices jump.

    Raises
    ------
    UsageError
        If the view is later than the ledger, nothing can be quoted, or too few pricers' keys are here.
    LedgerError
        With the contract's error name as `code`.
    """
    oracle, today = Oracle(ledger), ledger.market_date
    if view.date > today:
        raise UsageError(
            f"oracle: prices are of {view.date}, the ledger's market date is {today}; publish those of then"
        )
    found = quotes_from_view(view, oracle.cusips() if cusips is None else cusips)
    if not found.quotes:
        named = "; ".join(f"{reason}: {', '.join(names[:6])}" for reason, names in found.excluded.items())
        raise UsageError(f"oracle: nothing to publish for {view.date} ({named or 'the ledger has no securities'})")
    pricers, rules = oracle.own_pricers(), oracle.rules()
    needed = rules.confirm_quorum if confirm else rules.quorum
    if len(pricers) < needed:
        raise UsageError(f"oracle: {needed} pricers must sign, the keys of {len(pricers)} are here")
    last_second = new_york_midnight(view.date + timedelta(days=1)) - 1
    number, _, _ = oracle.last_round()
    rounds = rounds_of(found.quotes, after=number, day=view.date, observed_at=min(ledger.chain.now(), last_second))
    signers = pricers[:needed]
    height = oracle.publish([(one, oracle.sign(one, signers)) for one in rounds])
    return Publication(height, tuple(rounds), tuple(key.address for key in signers), found.excluded)


def price_text(units_e6: int) -> str:
    """A price of the oracle as decimal text with 6 places."""
    return f"{units_e6 // UNITS_PER_DOLLAR}.{units_e6 % UNITS_PER_DOLLAR:06d}"
