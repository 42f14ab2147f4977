"""Terms of what is traded, and their resolution into dated cash flows."""

from tbill_defi.instruments.flows import CashFlows
from tbill_defi.instruments.repo import MarginRule, Repo, RepoFlows
from tbill_defi.instruments.securities import SECURITY, Bill, Bond, Note, Security, read_security, terms_hash
from tbill_defi.instruments.terms import Terms

__all__ = [
    "SECURITY",
    "Bill",
    "Bond",
    "CashFlows",
    "MarginRule",
    "Note",
    "Repo",
    "RepoFlows",
    "Security",
    "Terms",
    "read_security",
    "terms_hash",
]
