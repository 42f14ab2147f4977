"""What a plan's orders come to, for the books: the ledger shows one net sum, the plan's file what was for what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tbill_defi.core.errors import TbillError
from tbill_defi.core.home import home_path
from tbill_defi.portfolio.plan import RebalancePlan

_HASH = re.compile(r"0x[0-9a-f]{64}")


def plan_prices(home: str | Path | None = None) -> Callable[[str], Mapping[str, int] | None]:
    """Plan hash (0x-text) -> cash units by CUSIP of the orders of a home's plans; None of a plan that is not there.

    A file that is not the plan of its name, or was changed, is no plan: `RebalancePlan.load` tells.
    """
    folder = home_path(home) / "plans"

    def orders(plan_hash: str) -> Mapping[str, int] | None:
        path = folder / f"{plan_hash}.json"
        if not _HASH.fullmatch(plan_hash) or not path.is_file():
            return None
        try:
            made = RebalancePlan.load(path)
        except TbillError:
            return None
        if made.hash != plan_hash:
            return None
        return {order.cusip: order.cash_units for order in made.orders}

    return orders
