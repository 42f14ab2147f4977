"""The portfolio programme as a solver takes it, and the solver: HiGHS, linear or in whole lots, or elastic."""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIP_GAP = 1e-6
"""Of NAV, a year: whole lots are found to a hundredth of a basis point."""
MIP_WORK = 10_000
"""Nodes times securities: a bound in work, never in seconds, so that a slow machine makes the same plan."""


@dataclass(frozen=True)
class Programme:
    """Maximize costs x columns within bounds and rows, in thousands of dollars.

    Attributes
    ----------
    costs, upper
        Over the columns [b_0..b_n-1, s_0..s_n-1, N], and V under a mandate; lower bounds are 0.
    rows, row_lower, row_upper, names
        Cash, NAV, and V under a mandate; then the limits by name, of which one may have several rows.
    nav
        Before the trade.
    """

    costs: Floats
    upper: Floats
    rows: Floats
    row_lower: Floats
    row_upper: Floats
    names: tuple[str, ...]
    nav: float
    totals: int
    """How many columns, the last ones, are no lots: that many rows and one more, the first, are no limits."""


class Rows:
    """Rows of a programme as they are collected, over lots bought and sold and the totals N and V."""

    def __init__(self, totals: int) -> None:
        self.totals = totals
        self.names: list[str] = []
        self.lower: list[float] = []
        self.upper: list[float] = []
        self._rows: list[Floats] = []

    def add(
        self,
        name: str,
        trades: Floats,
        upper: float,
        *,
        lower: float = -np.inf,
        nav: float = 0.0,
        value: float = 0.0,
    ) -> None:
        """A row: lower <= trades x lots + nav x N + value x V <= upper; trades is [2 n_securities]."""
        self._rows.append(np.concatenate([trades, [nav, value][: self.totals]]))
        self.names.append(name)
        self.lower.append(lower)
        self.upper.append(upper)

    def programme(self, costs: Floats, upper: Floats, nav: float) -> Programme:
        """The programme of these rows; costs and upper bounds are of the lots, totals earn nothing and have none."""
        return Programme(
            np.concatenate([costs, np.zeros(self.totals)]),
            np.concatenate([upper, np.full(self.totals, np.inf)]),
            np.array(self._rows),
            np.array(self.lower),
            np.array(self.upper),
            tuple(self.names),
            nav,
            self.totals,
        )


def _model(programme: Programme, *, integer: bool, elastic: bool = False) -> highspy.HighsLp:
    rows, costs, upper = programme.rows, -programme.costs, programme.upper
    if elastic:
        slack = -np.eye(len(rows))[:, programme.totals + 1 :]
        rows, costs = np.hstack([rows, slack]), np.concatenate([np.zeros_like(costs), np.ones(slack.shape[1])])
        upper = np.concatenate([upper, np.full(slack.shape[1], np.inf)])
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = rows.shape[1], rows.shape[0]
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = costs, np.zeros(rows.shape[1]), upper
    lp.row_lower_, lp.row_upper_ = programme.row_lower, programme.row_upper
    row_index, column = np.nonzero(rows)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(row_index, minlength=len(rows)))])
    lp.a_matrix_.index_ = column
    lp.a_matrix_.value_ = rows[row_index, column]
    if integer:
        kinds = highspy.HighsVarType
        lots = rows.shape[1] - programme.totals
        lp.integrality_ = [kinds.kInteger] * lots + [kinds.kContinuous] * programme.totals
    return lp


class _Quiet(highspy.Highs):
    """HiGHS prints its banner when callbacks are enabled, before any option can be set from outside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def enableCallbacks(self) -> None:  # noqa: N802 - the library's name
        """Silence first."""
        self.silent()
        super().enableCallbacks()  # type: ignore[no-untyped-call]


def run(
    programme: Programme, *, integer: bool, elastic: bool = False, presolve: str = "choose"
) -> tuple[Floats, Floats, Floats] | None:
    """Columns, row duals and column duals of the solved programme, or None if it is infeasible.

    Without HiGHS' heuristic RENS, which finds no better lots here: version 1.16 can loop for ever in the presolve of
    the small programme that it makes, where no limit of work or time is asked.
    """
    solver = _Quiet()
    for option, value in (
        ("threads", 1),
        ("random_seed", 0),
        ("mip_rel_gap", 0.0),
        ("mip_abs_gap", MIP_GAP * programme.nav),
        ("mip_max_nodes", max(1, 2 * MIP_WORK // programme.upper.size)),
        ("mip_heuristic_run_rens", False),
        ("presolve", presolve),
    ):
        solver.setOptionValue(option, value)
    solver.passModel(_model(programme, integer=integer, elastic=elastic))
    solver.run()
    solution = solver.getSolution()
    solved = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    if not solved and not (integer and solver.getInfo().primal_solution_status == 2):
        return None
    return np.array(solution.col_value), np.array(solution.row_dual), np.array(solution.col_dual)
