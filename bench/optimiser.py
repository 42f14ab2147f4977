"""The portfolio programme on the sample day, against the same relaxation through scipy."""

from __future__ import annotations

import numpy as np
import scipy
from scipy.optimize import linprog

import tbill_defi as td
from bench.rows import Row, best_of, emit
from tbill_defi.portfolio import optimiser
from tbill_defi.portfolio.programme import run


def main() -> None:
    """optimiser.relaxation: one cold solve of the LP; optimiser.plan: lots, orders and hash."""
    view = td.view("2026-03-24", data=td.sample_data())
    book = td.Holdings("desk", {view.cusips[i]: 3_000_000 * 10**6 for i in range(8, 16)}, 10**12)
    strategy = td.find("duration-target")(max_weight=0.12)
    target = strategy.decide(view, book)
    limits = [limit for constraint in target.constraints for limit in constraint.limits(view)]
    programme = optimiser._build(target, limits, view, book, None).programme
    rows, low, high = programme.rows, programme.row_lower, programme.row_upper
    upper, lower = np.isfinite(high), np.isfinite(low)
    matrix, right = np.vstack([rows[upper], -rows[lower]]), np.concatenate([high[upper], -low[lower]])
    bounds = [(0, bound) for bound in programme.upper]

    def ours() -> float:
        found = run(programme, integer=False)
        return float(programme.costs @ found[0]) if found else np.nan

    def theirs() -> float:
        return -float(linprog(-programme.costs, A_ub=matrix, b_ub=right, bounds=bounds, method="highs").fun)

    mine, peer = best_of(ours, 20), best_of(theirs, 20)
    whole = best_of(lambda: td.plan(strategy, view, book).hash)
    emit(
        [
            Row(
                "optimiser.relaxation",
                1 / mine,
                "solves/s",
                peer / mine,
                max_abs_diff=abs(ours() - theirs()),
                peer="scipy.optimize.linprog (HiGHS)",
                peer_version=scipy.__version__,
            ),
            Row("optimiser.plan", 1 / whole, "plans/s"),
        ]
    )


if __name__ == "__main__":
    main()
