"""How a plan says where it stands against a limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LimitReport:
    """A limit after the trade: its value, bounds, slack and what relaxing it would earn.

    Attributes
    ----------
    unit
        Of value and bounds: "years", "weight", "$m" (million dollars of face) or "bp".
    slack
        Distance to the nearer bound, in the limit's unit; 0 when it binds.
    shadow_price_bp
        Portfolio yield gained, bp, per unit by which the binding bound is relaxed (from the LP relaxation; 0 where
        weights were given and nothing was optimised).
    """

    name: str
    value: float
    lower: float
    upper: float
    unit: str
    slack: float
    shadow_price_bp: float
