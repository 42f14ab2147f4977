"""The error tree. A refusal that is business, not a bug, is a value (`core.decision.Decision`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tbill_defi.core.decision import Decision


class TbillError(Exception):
    """Base of every error a user can meet; the message is one or two lines and names the cure.

    `exit_code` is what the command line returns for it (documented in docs/exit-codes.md).
    """

    exit_code = 1


class UsageError(TbillError):
    """An argument, option or configuration value is not usable."""

    exit_code = 2


class StrategyError(UsageError):
    """A strategy's own code fails: it raises, exits, takes too long, or answers what is no target; names it."""


class DataError(TbillError):
    """A file or a value of a file is not what it should be; names file, line, column, value."""

    exit_code = 3


class UnknownSecurity(DataError):
    """A CUSIP that no imported record names."""


class ConventionError(TbillError):
    """A term or a market convention is violated: a percent for a decimal, a date out of range."""

    exit_code = 4


class SettlementOutOfRange(ConventionError):
    """The settlement date is not within [dated or issue date, maturity)."""


class NoCurve(DataError):
    """There is no curve for a date: weekend, holiday, or a day outside the history."""


class Infeasible(TbillError):
    """No target satisfies the limits.

    Attributes
    ----------
    relaxation
        The smallest set of limits to relax: limit name -> amount, in the limit's own unit.
    """

    exit_code = 5

    def __init__(self, message: str, relaxation: Mapping[str, float] | None = None) -> None:
        super().__init__(message)
        self.relaxation = dict(relaxation or {})


class PlanError(TbillError):
    """A plan cannot be made or carried out as it stands: date, cash, lots, legs or hash."""

    exit_code = 5


class LookAhead(PlanError):
    """A strategy reached for more than its view and holdings: a file, the network, another object's memory."""


class ComplianceRejection(TbillError):
    """The contracts' rules refuse a transfer; carries every decision that is not ok."""

    exit_code = 6

    def __init__(self, decisions: Sequence[Decision]) -> None:
        super().__init__("; ".join(d.describe() for d in decisions))
        self.decisions = tuple(decisions)


class MandateBreach(TbillError):
    """A managed account would leave its mandate; the message has the figures.

    Attributes
    ----------
    rule
        "duration", "issue-cap", "turnover" or "slippage".
    value, lower, upper
        Duration in 10^-6 of a year; otherwise units of cash.
    """

    exit_code = 6

    def __init__(self, message: str, rule: str = "", value: int = 0, lower: int = 0, upper: int = 0) -> None:
        super().__init__(message)
        self.rule, self.value, self.lower, self.upper = rule, value, lower, upper


class LedgerError(TbillError):
    """The ledger refuses or fails; `code` is the contract's error name or the ledger's own."""

    exit_code = 7

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class LedgerBusy(LedgerError):
    """Another writer holds the ledger, or moved the head first. Nothing was executed."""

    exit_code = 8


class KeyStoreError(TbillError):
    """A keystore is missing, its passphrase is wrong, or its file is readable by others."""

    exit_code = 9


class AuditFailure(TbillError):
    """The evidence does not hold; the message names block and column."""

    exit_code = 10
