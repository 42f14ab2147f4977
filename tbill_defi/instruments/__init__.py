"""Terms of what is traded, and their resolution into dated cash flows."""

from tbill_defi.instruments.corporate import CorporateBond
from tbill_defi.instruments.flows import CashFlows
from tbill_defi.instruments.frn import Frn
from tbill_defi.instruments.municipal import MunicipalBond
from tbill_defi.instruments.reading import (
    ANY_SECURITY,
    AnySecurity,
    CallableBond,
    read_security,
    require_nominal,
    terms_hash,
)
from tbill_defi.instruments.repo import MarginRule, Repo, RepoFlows
from tbill_defi.instruments.securities import SECURITY, Bill, Bond, CouponTerms, Note, Security
from tbill_defi.instruments.strips import Strip, reconstitute, strip
from tbill_defi.instruments.terms import Terms
from tbill_defi.instruments.tips import Tips

__all__ = [
    "ANY_SECURITY",
    "SECURITY",
    "AnySecurity",
    "Bill",
    "Bond",
    "CallableBond",
    "CashFlows",
    "CorporateBond",
    "CouponTerms",
    "Frn",
    "MarginRule",
    "MunicipalBond",
    "Note",
    "Repo",
    "RepoFlows",
    "Security",
    "Strip",
    "Terms",
    "Tips",
    "read_security",
    "reconstitute",
    "require_nominal",
    "strip",
    "terms_hash",
]
