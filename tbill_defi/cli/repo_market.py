"""What the market says of a repo: carry of its collateral, its value to the lender, and how it is covered."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbill_defi.core.errors import LedgerError, TbillError

if TYPE_CHECKING:
    from tbill_defi.instruments.repo import Repo
    from tbill_defi.ledger.repo import Repos
    from tbill_defi.ledger.repo_state import Mark, RepoState
    from tbill_defi.portfolio.view import View


def market_of(home: Path | None, day: date) -> View | None:
    """The view of a date; None without market files of it."""
    from tbill_defi.cli.common import view_at

    try:
        return view_at(home, day)
    except TbillError:
        return None


def figures(view: View | None, repo: Repo, price_e6: int) -> dict[str, Any]:
    """What the repo costs, and what its rate says of the collateral where market files are there."""
    from tbill_defi.pricing.repo import carry

    flows = repo.resolve()
    found: dict[str, Any] = {
        "dirty_price": price_e6 / 1e6,
        "days": flows.days,
        "interest": str(flows.interest_units),
        "repurchase_price": str(flows.repurchase_units),
        "carry": None,
    }
    if view is None or repo.cusip not in view.cusips:
        return found
    i = view.index(repo.cusip)
    security, clean = view.securities[i], view.settled_clean_price(i)
    if repo.end_date < security.maturity_date and not isnan(clean):
        dates = {"settlement": repo.start_date, "horizon": repo.end_date}
        found["carry"] = asdict(carry(security, clean, repo_rate=repo.rate, **dates))
    return found


def coverage(repos: Repos, state: RepoState) -> Mark | None:
    """The mark of an open repo; None without a fresh price."""
    from tbill_defi.ledger.repo_state import RepoStatus

    if state.status is not RepoStatus.OPEN:
        return None
    try:
        return repos.coverage(state.repo_id)
    except LedgerError as error:
        if error.code not in ("StalePrice", "PriceMissing"):
            raise
        return None


def value(state: RepoState, view: View | None, today: date) -> float | None:
    """Dollars to the lender at the market's repo rate; None when it is over, overdue, or there are no market files."""
    from tbill_defi.ledger.repo_state import RepoStatus
    from tbill_defi.pricing.repo import repo_value

    if view is None or state.status is not RepoStatus.OPEN or today > state.end_date:
        return None
    return repo_value(
        state.principal_units / 1e6,
        state.interest_units / 1e6,
        state.rate_e9 / 1e9,
        on=today,
        end=state.end_date,
        repo_rate=view.repo_rate,
    )
