"""What `tbill option` prints: options as JSON and in a few lines, and the payoff as a plot of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tbill_defi.cli.common import console, hint, print_json

if TYPE_CHECKING:
    from tbill_defi.ledger.option_terms import OptionQuote, OptionState
    from tbill_defi.pricing.option_forward import OptionKind

WIDTH, HEIGHT = 61, 11
"""Columns and rows of the plot; the strike stands in the middle column."""
REACH = 0.06
"""How far the plot goes from the strike, as a part of it."""


def state(found: OptionState) -> dict[str, Any]:
    """JSON form of an option; base units as decimal text."""
    terms = found.terms
    return {
        "option_id": "0x" + found.option_id.hex(),
        "status": found.status.name.lower(),
        "kind": terms.kind,
        "cusip": terms.cusip,
        "strike": terms.strike_e6 / 1e6,
        "face": str(terms.face_units),
        "writer": found.writer,
        "holder": found.holder,
        "expiry": terms.expiry.isoformat(),
        "exercise_from": terms.exercise_from,
        "exercise_until": terms.exercise_until,
        "payment": str(found.payment_units),
        "premium": str(found.premium_units),
    }


def tell(value: dict[str, Any], json_: bool, what: str, next_: str = "") -> None:
    """Print what an act gave."""
    if json_:
        print_json(value)
        return
    console().print(f"{what} in block {value['block']}")
    show_state(value["option"])
    if next_:
        hint(next_)


def show_state(value: dict[str, Any]) -> None:
    """An option in a few lines."""
    from tbill_defi.report import formats

    out = console()
    out.print(value["option_id"][:10], style="bold", end=" ")
    out.print(
        f"{value['status']}: {value['kind']} on {formats.face(int(value['face']))} face of {value['cusip']} at "
        f"{value['strike']:.6f} clean, expiry {value['expiry']}",
        soft_wrap=True,
    )
    collateral = (
        f"{formats.face(int(value['face']))} face on hold"
        if value["kind"] == "call"
        else formats.cents(_payment(value))
    )
    live = value["status"] in ("written", "open")
    premium = int(value["premium"])
    paid = f"paid {formats.cents(premium)}" if premium else "may buy it"
    out.print(
        f"  {value['writer']} wrote it, {value['holder']} {paid}; "
        f"exercise from {formats.moment(value['exercise_from'])} to {formats.moment(value['exercise_until'])}",
        soft_wrap=True,
    )
    out.print(
        f"  strike and accrued for the face {formats.cents(_payment(value))}"
        + (f"; collateral {collateral}" if live else "; collateral is free"),
        soft_wrap=True,
    )


def show_mark(value: dict[str, Any]) -> None:
    """What a live option is worth to its holder, or why it has no mark."""
    from tbill_defi.report import formats

    mark, out = value["mark"], console()
    if mark is None:
        if value["status"] in ("written", "open"):
            out.print(f"  no mark: {value['unmarked']}", soft_wrap=True)
        return
    profit = int(mark["profit"] or 0)
    gain = f", {formats.cents(abs(profit))} {'more' if profit > 0 else 'less'} than was paid" if profit else ""
    out.print(
        f"  worth {formats.cents(int(mark['value']))} to {value['holder']}{gain}: {mark['price']:.6f} per 100 by "
        f"{mark['model']} at {formats.percent(mark['volatility'], 4)} ({mark['volatility_source']}), clean "
        f"{mark['clean_price']:.6f} ({mark['source']}), forward {mark['forward_clean']:.6f}",
        soft_wrap=True,
    )
    out.print(
        f"  delta {mark['delta']:+.4f}, gamma {mark['gamma']:+.4f}, vega {mark['vega']:+.4f} per 1%, "
        f"theta {mark['theta']:+.6f} a day",
        soft_wrap=True,
    )


def _payment(value: dict[str, Any]) -> int:
    return int(value["payment"])


def show_quote(made: OptionQuote, payment_units: int, model: dict[str, Any] | None) -> None:
    """A quote in a few lines."""
    from tbill_defi.report import formats

    terms, out = made.terms, console()
    out.print(
        f"{made.writer} offers {made.holder} a {terms.kind} on {formats.face(terms.face_units)} face of {terms.cusip} "
        f"at {terms.strike_e6 / 1e6:.6f} clean, expiry {terms.expiry}, for {formats.cents(made.premium_units)} until "
        f"{formats.moment(made.instruction.deadline)}",
        soft_wrap=True,
    )
    out.print(f"strike and accrued for the face {formats.cents(payment_units)}")
    if model is not None:
        out.print(f"model {model['model']}: {model['price']:.6f} per 100 face, delta {model['delta']:+.4f}")


def show_value(value: dict[str, Any]) -> None:
    """Value and sensitivities of an option."""
    from tbill_defi.report import formats
    from tbill_defi.report.layout import Column, Sheet

    title = f"{value['kind']} on {value['cusip']} at {value['strike']:.6f} clean, expiry {value['expiry']}"
    sheet = Sheet(title, Column("", left=True), "value")
    sheet.add("settlement", value["settlement_date"])
    sheet.add("clean price", f"{value['clean_price']:.6f}  {value['source']}")
    sheet.add("clean forward", f"{value['forward_clean']:.6f}")
    sheet.add("repo rate", formats.percent(value["repo_rate"]))
    sheet.add("model", value["model"])
    if value["volatility"] is not None:
        sheet.add("price volatility", formats.percent(value["volatility"], 4))
    else:
        sheet.add("sigma", f"{value['sigma'] * 1e4:.4f} bp, mean reversion {value['mean_reversion']:g}")
    sheet.add("premium per 100", f"{value['price']:.6f}")
    sheet.add("delta per point", f"{value['delta']:+.6f}")
    sheet.add("gamma per point", f"{value['gamma']:+.6f}")
    unit = "1% volatility" if value["volatility"] is not None else "1 bp sigma"
    sheet.add(f"vega per {unit}", f"{value['vega']:+.6f}")
    sheet.add("theta per day", f"{value['theta']:+.6f}")
    out = console()
    out.print(sheet)
    for line in plot([(row["clean_price"], row["profit"]) for row in value["payoff"]], value["strike"]):
        out.print(line)


def payoff(kind: OptionKind, strike: float, premium: float) -> list[dict[str, float]]:
    """Holder's profit per 100 face at expiry over clean prices around the strike: one row a column of the plot."""
    import numpy as np

    from tbill_defi.pricing.options import profit_at_expiry

    prices = strike * (1.0 + REACH * np.linspace(-1.0, 1.0, WIDTH))
    profits = profit_at_expiry(kind, strike, premium, prices)
    return [{"clean_price": float(p), "profit": float(q)} for p, q in zip(prices, profits, strict=True)]


def plot(points: list[tuple[float, float]], strike: float) -> list[str]:
    """Profit over price as lines of text: `*` the profit, `-` nothing gained, `|` the strike."""
    low, high = (pick(profit for _, profit in points) for pick in (min, max))
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / (HEIGHT - 1) or 1.0
    rows = [round((high - profit) / step) for _, profit in points]
    zero = round(high / step)
    middle = min(range(len(points)), key=lambda i: abs(points[i][0] - strike))
    lines = ["holder's profit per 100 face at expiry, over the clean price"]
    for row in range(HEIGHT):
        cells = ["*" if at == row else "-" if row == zero else "|" if i == middle else " " for i, at in enumerate(rows)]
        label = f"{high - row * step:+8.2f} " if row in (0, zero, HEIGHT - 1) else " " * 9
        lines.append((label + "".join(cells)).rstrip())
    first, last = f"{points[0][0]:.2f}", f"{points[-1][0]:.2f}"
    centre = f"{strike:.2f}"
    gap = middle - len(centre) // 2 - len(first)
    rest = len(points) - len(first) - gap - len(centre) - len(last)
    lines.append(" " * 9 + first + " " * max(gap, 1) + centre + " " * max(rest, 1) + last)
    return lines
