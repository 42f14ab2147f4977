"""What `tbill repo` prints: repos as JSON and in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tbill_defi.cli.common import console, print_json

if TYPE_CHECKING:
    from tbill_defi.ledger.repo_state import Mark, RepoState
    from tbill_defi.ledger.repo_terms import RepoQuote


def state(found: RepoState, coverage: Mark | None, now: int) -> dict[str, Any]:
    """JSON form of a repo at a ledger time, Unix seconds; base units as decimal text."""
    return {
        "repo_id": "0x" + found.repo_id.hex(),
        "status": found.status.name.lower().replace("_", "-"),
        "lender": found.lender,
        "borrower": found.borrower,
        "cusip": found.cusip,
        "face": str(found.face_units),
        "outstanding": str(found.principal_units),
        "interest": str(found.interest_units),
        "rate": found.rate_e9 / 1e9,
        "start_date": found.start_date.isoformat(),
        "end_date": found.end_date.isoformat(),
        "margin_rule": found.margin_rule.value,
        "margin": found.margin_e9 / 1e9,
        "call_deadline": found.call_deadline or None,
        "overdue": found.is_overdue(now),
        "shortfall": str(found.shortfall_units),
        "coverage": None
        if coverage is None
        else {
            "dirty_price": coverage.price_e6 / 1e6,
            "exposure": str(coverage.exposure_units),
            "lendable": str(coverage.lendable_units),
            "deficit": str(coverage.deficit_units),
        },
    }


def tell(value: dict[str, Any], json_: bool, what: str) -> None:
    """Print what an act gave."""
    if json_:
        print_json(value)
        return
    console().print(f"{what} in block {value['block']}")
    show_state(value["repo"])
    from tbill_defi.report import formats

    if paid := value.get("paid"):
        principal, interest = (formats.cents(int(paid[name])) for name in ("principal", "interest"))
        console().print(f"  {principal} and {interest} of interest were paid")
    if done := value.get("close_out"):
        debt, shortfall = (formats.cents(int(done[name])) for name in ("debt_units", "shortfall_units"))
        taken, back = (formats.face(int(done[name])) for name in ("lender_face_units", "borrower_face_units"))
        price = int(done["price_e6"]) / 1e6
        console().print(
            f"  debt {debt}: face {taken} at {price:.6f} to the lender, {back} back to the borrower, "
            f"shortfall {shortfall}"
        )


def show_quote(made: RepoQuote, figures: dict[str, Any]) -> None:
    """A quote for a person."""
    from tbill_defi.report import formats

    repo, out = made.terms.repo, console()
    out.print(
        f"{made.lender} lends {made.borrower} {formats.cents(repo.cash_units)} at {formats.percent(repo.rate)} from "
        f"{repo.start_date} to {repo.end_date}, against {formats.face(repo.face_units)} of {repo.cusip} at "
        f"{figures['dirty_price']:.6f}, {repo.margin_rule.value.replace('_', ' ')} {repo.margin:g}"
    )
    out.print(
        f"repurchase price {formats.cents(int(figures['repurchase_price']))}: interest "
        f"{formats.cents(int(figures['interest']))} for {figures['days']} days"
    )
    if found := figures["carry"]:
        out.print(
            f"per 100 face: carry {found['carry']:+.6f} (interest {found['interest_income']:.6f}, financing "
            f"{found['financing_cost']:.6f}), forward clean price {found['forward_clean_price']:.6f}"
        )
    out.print(f"repo 0x{made.terms.repo_id.hex()}")


def show_state(row: dict[str, Any]) -> None:
    """A repo for a person."""
    from tbill_defi.report import formats

    out = console()
    out.print(
        f"{row['repo_id'][:10]} {row['status']}: {row['lender']} to {row['borrower']}, "
        f"{formats.cents(int(row['outstanding']))} at {formats.percent(row['rate'])} until {row['end_date']}, interest "
        f"{formats.cents(int(row['interest']))}, against {formats.face(int(row['face']))} of {row['cusip']}"
    )
    if found := row["coverage"]:
        short = int(found["deficit"])
        verdict = f"short of {formats.cents(short)}" if short else "covered"
        out.print(
            f"  at {found['dirty_price']:.6f} the collateral lends {formats.cents(int(found['lendable']))}: {verdict}"
        )
    if row["call_deadline"]:
        out.print(f"  margin is called until {formats.moment(row['call_deadline'])}")
    if row["overdue"]:
        out.print("  it was not repurchased on its date: the lender may close out, `tbill repo close --default`")
    if int(row["shortfall"]):
        out.print(f"  the lender still claims {formats.cents(int(row['shortfall']))}")
    if row.get("value") is not None:
        out.print(f"  worth {formats.dollars(row['value'])} to the lender at the market's repo rate")
