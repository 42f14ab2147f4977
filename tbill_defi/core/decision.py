"""A compliance decision: a refusal as a value, with its code and the largest amount that passes."""

from __future__ import annotations

from dataclasses import dataclass

from tbill_defi.core.money import format_units


@dataclass(frozen=True, slots=True)
class Decision:
    """The contracts' own answer about one transfer.

    Attributes
    ----------
    ok
        Whether the whole amount passes.
    code
        ERC-1404 restriction code; 0 is success.
    rule
        Name of the rule that answered: "identity", "claim", "frozen", "trade-limit", "balance", ...
    message
        One sentence for a person.
    amount, largest_amount
        What was asked and the largest amount that passes now, in base units of the asset.
    asset
        CUSIP or currency code.
    party
        Name of the party the rule speaks of.
    """

    ok: bool
    code: int
    rule: str
    message: str
    amount: int
    largest_amount: int
    asset: str = ""
    party: str = ""

    def describe(self) -> str:
        """One line: rule, code, message and the largest amount that passes, in dollars."""
        verdict = "passes" if self.ok else "refused"
        subject = " ".join(part for part in (self.asset, self.party) if part)
        return (
            f"{subject}: {verdict} by rule {self.rule} (code {self.code}): {self.message}; "
            f"largest amount that passes ${format_units(self.largest_amount)}"
        )
