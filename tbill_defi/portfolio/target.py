"""What a strategy asks for: weights, or an objective with limits, written as they are read.

maximize(Yield() - TransactionCost(horizon_years=1.0),
         subject_to=[Duration.between(1.9, 2.1), MaxWeight(0.08), Lots(1_000)])
"""

from __future__ import annotations

import datetime as dates
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tbill_defi.core.errors import ConventionError
from tbill_defi.core.figures import require_band, require_kind, require_number, require_texts, require_whole
from tbill_defi.core.money import units
from tbill_defi.portfolio.view import View

Floats = npt.NDArray[np.float64]
MOST_REASON, MOST_STRIKE, MOST_WRITES = 500, 1_000, 32
"""Characters of a reason; a strike per 100 face; calls in one plan."""


@dataclass(frozen=True)
class Lots:
    """Orders are whole multiples of `face` dollars."""

    face: int = 1_000

    def __post_init__(self) -> None:
        require_whole("Lots", self.face)
        if self.face < 1:
            raise ConventionError(f"Lots: {self.face} is not a positive number of dollars of face")
        units(self.face, field="Lots")

    @property
    def units(self) -> int:
        """Base units of face in a lot."""
        return units(self.face, field="Lots")


@dataclass(frozen=True)
class Objective:
    """Dollars per year: portfolio yield times NAV, less transaction cost spread over a horizon.

    Attributes
    ----------
    yield_weight
        What a dollar of yield a year counts.
    cost_per_year
        What a dollar of cost counts: -1 / horizon where cost is subtracted.
    """

    yield_weight: float = 0.0
    cost_per_year: float = 0.0

    def __post_init__(self) -> None:
        require_number("objective", self.yield_weight)
        require_number("objective", self.cost_per_year)

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.yield_weight + other.yield_weight, self.cost_per_year + other.cost_per_year)

    def __sub__(self, other: Objective) -> Objective:
        return Objective(self.yield_weight - other.yield_weight, self.cost_per_year - other.cost_per_year)


def Yield() -> Objective:  # noqa: N802 - reads as a term of the algebra
    """Nominal STREET yield of the portfolio, market-value weighted; cash earns nothing."""
    return Objective(yield_weight=1.0)


def TransactionCost(*, horizon_years: float) -> Objective:  # noqa: N802
    """Half spreads paid, per year of the horizon over which they must earn themselves back."""
    if not horizon_years > 0:
        raise ConventionError(f"horizon_years: {horizon_years} is not positive")
    return Objective(cost_per_year=1.0 / horizon_years)


@dataclass(frozen=True)
class Limit:
    """A linear limit on market-value weights: lower <= sum of loading x weight <= upper.

    Attributes
    ----------
    loadings
        [n_securities]; cash has loading 0.
    unit
        Of the value and the bounds: "years" or "weight".
    """

    name: str
    loadings: Floats
    lower: float
    upper: float
    unit: str

    def __post_init__(self) -> None:
        require_kind("limit", self.name, str, "a name")
        require_kind(f"limit {self.name}", self.unit, str, "a unit")
        for bound in (self.lower, self.upper):
            require_number(f"limit {self.name}", bound, infinite=True)
        loadings = np.asarray(self.loadings)
        if loadings.ndim != 1 or loadings.dtype.kind not in "fiub" or not np.isfinite(loadings).all():
            raise ConventionError(f"limit {self.name}: its loadings are not a finite number for each security")


class Constraint:
    """A limit of the algebra; `limits` resolves it against a view."""

    def limits(self, view: View) -> Sequence[Limit]:
        """Linear limits over the view's securities."""
        raise TypeError(f"{type(self).__name__} sets no linear limit")


@dataclass(frozen=True)
class Duration(Constraint):
    """Modified duration of the portfolio within a band, years; cash counts with 0."""

    lower: float
    upper: float

    def __post_init__(self) -> None:
        require_band("Duration", self.lower, self.upper, "a band of years")

    @classmethod
    def between(cls, lower: float, upper: float) -> Duration:
        """The band."""
        require_band("Duration", lower, upper, "a band of years", least=0)
        return cls(lower, upper)

    def limits(self, view: View) -> Sequence[Limit]:
        """One limit over modified durations."""
        return [Limit("duration", view.modified_duration, self.lower, self.upper, "years")]


@dataclass(frozen=True)
class KeyRate(Constraint):
    """Key rate duration of the portfolio in one tenor of the par curve within a band, years; cash counts with 0."""

    tenor: str
    lower: float
    upper: float

    def __post_init__(self) -> None:
        require_kind("KeyRate", self.tenor, str, 'a tenor such as "10 Yr"')
        require_band(f"KeyRate {self.tenor}", self.lower, self.upper, "a band of years")

    def limits(self, view: View) -> Sequence[Limit]:
        """One limit over the key rate durations in the tenor."""
        durations = view.key_rate_durations
        if self.tenor not in durations:
            raise ConventionError(f"KeyRate: {self.tenor!r} is no tenor of {view.date} ({', '.join(durations)})")
        return [Limit(f"key rate {self.tenor}", durations[self.tenor], self.lower, self.upper, "years")]


@dataclass(frozen=True)
class MaturityBucket(Constraint):
    """Weight of the securities that mature in a range of years, such as "0-1y" or "7-10y"; cash is in none."""

    label: str
    lower: float
    upper: float

    def __post_init__(self) -> None:
        require_kind("MaturityBucket", self.label, str, "a range of years such as 0-1y")
        self.years()
        require_band(f"MaturityBucket {self.label}", self.lower, self.upper, "a band of weights", least=0, most=1)

    def years(self) -> tuple[float, float]:
        """First and last year of the range."""
        start, dash, end = self.label.removesuffix("y").partition("-")
        try:
            years = float(start), float(end)
        except ValueError:
            dash = ""
        if not dash or not 0 <= years[0] < years[1]:
            raise ConventionError(f"MaturityBucket: {self.label!r} is not a range of years such as 0-1y")
        return years

    def limits(self, view: View) -> Sequence[Limit]:
        """One limit over the securities that mature in (start, end] years."""
        start, end = self.years()
        years = view.years_to_maturity
        inside = (years > start) & (years <= end)
        return [Limit(f"bucket {self.label}", inside.astype(np.float64), self.lower, self.upper, "weight")]


@dataclass(frozen=True)
class MaxWeight(Constraint):
    """No security is more than this share of NAV."""

    weight: float

    def __post_init__(self) -> None:
        require_number("MaxWeight", self.weight)
        if not 0 < self.weight <= 1:
            raise ConventionError(f"MaxWeight: {self.weight} is not a weight in (0, 1]")

    def limits(self, view: View) -> Sequence[Limit]:
        """One limit per security."""
        eye = np.eye(len(view.cusips))
        return [
            Limit(f"max weight {cusip}", eye[i], -np.inf, self.weight, "weight") for i, cusip in enumerate(view.cusips)
        ]


@dataclass(frozen=True)
class ResolvedLimits(Constraint):
    """Limits that were resolved against a view elsewhere."""

    resolved: tuple[Limit, ...]

    def __post_init__(self) -> None:
        for limit in self.resolved:
            require_kind("limits", limit, Limit, "Limit(...)")

    def limits(self, view: View) -> Sequence[Limit]:
        """These, for the view they were resolved against."""
        return self.resolved


@dataclass(frozen=True)
class Turnover:
    """Half of all that is bought and sold, at mid, is at most this share of NAV before the trade."""

    weight: float

    def __post_init__(self) -> None:
        require_number("Turnover", self.weight, infinite=True)
        if self.weight < 0:
            raise ConventionError(f"Turnover: {self.weight} is negative")

    @classmethod
    def at_most(cls, weight: float) -> Turnover:
        """The share."""
        return cls(weight)


@dataclass(frozen=True)
class Optimize:
    """A target given by an objective and limits; make it with `maximize`."""

    objective: Objective
    constraints: tuple[Constraint, ...]
    lots: Lots
    turnover: Turnover | None

    def __post_init__(self) -> None:
        require_kind("maximize", self.objective, Objective, "an objective such as Yield()")
        for constraint in self.constraints:
            require_kind("subject_to", constraint, Constraint, "limits such as MaxWeight(0.1)")
        require_kind("subject_to", self.lots, Lots, "Lots(1_000)")
        require_kind("subject_to", self.turnover, (Turnover, type(None)), "Turnover.at_most(0.25)")


@dataclass(frozen=True)
class Weights:
    """A target given by market-value weights; what is left is cash.

    Attributes
    ----------
    weights
        CUSIP -> share of NAV; at least 0, in sum at most 1.
    reasons
        CUSIP -> why, shown beside the order.

    Raises
    ------
    ConventionError
        If a weight is negative or no number, or they sum to more than 1.
    """

    weights: Mapping[str, float]
    lots: Lots
    reasons: Mapping[str, str]

    def __post_init__(self) -> None:
        require_kind("weights", self.weights, Mapping, "CUSIP -> share of NAV")
        require_kind("weights", self.lots, Lots, "Lots(1_000)")
        require_texts("reason", self.reasons, longest=MOST_REASON)
        for cusip, weight in self.weights.items():
            require_kind("weights", cusip, str, "CUSIPs")
            require_number(f"weight of {cusip}", weight, nan=True, infinite=True)
            if not weight >= 0:
                raise ConventionError(f"weight of {cusip}: {weight} is not a share of NAV")
        if sum(self.weights.values()) > 1 + 1e-9:
            raise ConventionError(f"weights: their sum {sum(self.weights.values())} is more than 1")

    @classmethod
    def of(
        cls, weights: Mapping[str, float], *, lots: Lots | None = None, reasons: Mapping[str, str] | None = None
    ) -> Weights:
        """Weights with lots of $1,000 and no reasons, unless given. Raises what the class raises."""
        return cls(dict(weights), lots or Lots(), dict(reasons or {}))


@dataclass(frozen=True)
class CoveredCall:
    """A call to write on units that the book has free.

    Attributes
    ----------
    face_units
        Base units (10^-6 dollar of face), whole lots of the overlay.
    strike_clean
        Per 100 face; at most 6 decimals.
    expiry
        The good settlement day on which an exercise settles.
    volatility
        Of the clean forward price, decimal a year, at which the counterparty buys: Black-76.
    """

    cusip: str
    face_units: int
    strike_clean: float
    expiry: dates.date
    volatility: float

    def __post_init__(self) -> None:
        require_kind("call", self.cusip, str, "a CUSIP")
        require_whole(f"call on {self.cusip}", self.face_units)
        require_number(f"call on {self.cusip}", self.strike_clean)
        require_number(f"call on {self.cusip}", self.volatility)
        require_kind(f"call on {self.cusip}", self.expiry, dates.date, "a date of expiry")
        if not self.face_units > 0:
            raise ConventionError(f"call on {self.cusip}: face of {self.face_units} base units is not positive")
        if not 0 < self.strike_clean <= MOST_STRIKE:
            raise ConventionError(
                f"call on {self.cusip}: strike {self.strike_clean} is not a clean price per 100 up to {MOST_STRIKE}"
            )
        if not 0 < self.volatility < 1:
            raise ConventionError(
                f"call on {self.cusip}: volatility {self.volatility} is not a decimal in (0, 1) such as 0.05"
            )


@dataclass(frozen=True)
class Overlay:
    """A target that keeps what is held and writes calls on it.

    Attributes
    ----------
    reasons
        CUSIP -> why, shown beside the call.

    Raises
    ------
    ConventionError
        If more than `MOST_WRITES` calls, or two of the same terms, are written.
    """

    writes: tuple[CoveredCall, ...]
    lots: Lots
    reasons: Mapping[str, str]

    def __post_init__(self) -> None:
        require_kind("overlay", self.lots, Lots, "Lots(1_000)")
        require_texts("reason", self.reasons, longest=MOST_REASON)
        for call in self.writes:
            require_kind("overlay", call, CoveredCall, "CoveredCall(...)")
        if len(self.writes) > MOST_WRITES:
            raise ConventionError(f"overlay: {len(self.writes)} calls; a plan writes at most {MOST_WRITES}")
        terms = {(call.cusip, call.strike_clean, call.expiry) for call in self.writes}
        if len(terms) < len(self.writes):
            raise ConventionError("overlay: two calls have the same security, strike and expiry; write their sum")

    @classmethod
    def of(
        cls,
        writes: Sequence[CoveredCall],
        *,
        lots: Lots | None = None,
        reasons: Mapping[str, str] | None = None,
    ) -> Overlay:
        """Calls in lots of $1,000 and without reasons, unless given. Raises what the class raises."""
        return cls(tuple(writes), lots or Lots(), dict(reasons or {}))


Target = Weights | Optimize | Overlay


def maximize(objective: Objective, *, subject_to: Sequence[Constraint | Lots | Turnover]) -> Optimize:
    """The target that maximizes an objective within limits.

    Raises
    ------
    ConventionError
        If lots or turnover are given twice, or something else is given.
    """
    lots = [c for c in subject_to if isinstance(c, Lots)]
    turnover = [c for c in subject_to if isinstance(c, Turnover)]
    if len(lots) > 1 or len(turnover) > 1:
        raise ConventionError("subject_to: Lots and Turnover can each be given once")
    linear = tuple(c for c in subject_to if not isinstance(c, Lots | Turnover))
    return Optimize(objective, linear, lots[0] if lots else Lots(), turnover[0] if turnover else None)
