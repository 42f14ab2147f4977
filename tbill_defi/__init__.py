"""Derivatives and programmable portfolios on tokenized US Treasuries.

The engine that prices is the engine that settles. Names load what they need when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbill_defi.backtest.result import BacktestResult as BacktestResult
    from tbill_defi.backtest.run import run_backtest as run_backtest
    from tbill_defi.conventions import QuoteStyle as QuoteStyle
    from tbill_defi.conventions import YieldConvention as YieldConvention
    from tbill_defi.conventions import format_discount_rate as format_discount_rate
    from tbill_defi.conventions import format_quote as format_quote
    from tbill_defi.conventions import parse_discount_rate as parse_discount_rate
    from tbill_defi.conventions import parse_quote as parse_quote
    from tbill_defi.conventions import settlement_date as settlement_date
    from tbill_defi.conventions.frn_index import FrnIndex as FrnIndex
    from tbill_defi.conventions.reference_cpi import ReferenceCpi as ReferenceCpi
    from tbill_defi.conventions.sofr_fixings import SofrFixings as SofrFixings
    from tbill_defi.core.decision import Decision as Decision
    from tbill_defi.core.errors import AuditFailure as AuditFailure
    from tbill_defi.core.errors import ComplianceRejection as ComplianceRejection
    from tbill_defi.core.errors import ConventionError as ConventionError
    from tbill_defi.core.errors import DataError as DataError
    from tbill_defi.core.errors import Infeasible as Infeasible
    from tbill_defi.core.errors import LedgerBusy as LedgerBusy
    from tbill_defi.core.errors import LedgerError as LedgerError
    from tbill_defi.core.errors import MandateBreach as MandateBreach
    from tbill_defi.core.errors import NoCurve as NoCurve
    from tbill_defi.core.errors import PlanError as PlanError
    from tbill_defi.core.errors import SettlementOutOfRange as SettlementOutOfRange
    from tbill_defi.core.errors import TbillError as TbillError
    from tbill_defi.core.errors import UnknownSecurity as UnknownSecurity
    from tbill_defi.core.errors import UsageError as UsageError
    from tbill_defi.core.splitting import split_units as split_units
    from tbill_defi.instruments import Bill as Bill
    from tbill_defi.instruments import Bond as Bond
    from tbill_defi.instruments import CorporateBond as CorporateBond
    from tbill_defi.instruments import Frn as Frn
    from tbill_defi.instruments import MarginRule as MarginRule
    from tbill_defi.instruments import MunicipalBond as MunicipalBond
    from tbill_defi.instruments import Note as Note
    from tbill_defi.instruments import Repo as Repo
    from tbill_defi.instruments import Security as Security
    from tbill_defi.instruments import Strip as Strip
    from tbill_defi.instruments import Tips as Tips
    from tbill_defi.instruments import read_security as read_security
    from tbill_defi.instruments import reconstitute as reconstitute
    from tbill_defi.instruments import strip as strip
    from tbill_defi.instruments import terms_hash as terms_hash
    from tbill_defi.ledger.keyring import Keys as Keys
    from tbill_defi.ledger.ledger import Ledger as Ledger
    from tbill_defi.ledger.open import create_ledger as create_ledger
    from tbill_defi.ledger.open import open_ledger as open_ledger
    from tbill_defi.ledger.repo import Repos as Repos
    from tbill_defi.market import read_auctions as read_auctions
    from tbill_defi.market import read_fedinvest as read_fedinvest
    from tbill_defi.market import read_gsw as read_gsw
    from tbill_defi.market import read_par_yields as read_par_yields
    from tbill_defi.market import read_reference_cpi as read_reference_cpi
    from tbill_defi.market import read_sofr as read_sofr
    from tbill_defi.market import sample_data as sample_data
    from tbill_defi.market.store import MarketStore as MarketStore
    from tbill_defi.portfolio.holdings import Holdings as Holdings
    from tbill_defi.portfolio.market_view import view as view
    from tbill_defi.portfolio.plan import RebalancePlan as RebalancePlan
    from tbill_defi.portfolio.target import Constraint as Constraint
    from tbill_defi.portfolio.target import CoveredCall as CoveredCall
    from tbill_defi.portfolio.target import Duration as Duration
    from tbill_defi.portfolio.target import KeyRate as KeyRate
    from tbill_defi.portfolio.target import Lots as Lots
    from tbill_defi.portfolio.target import MaturityBucket as MaturityBucket
    from tbill_defi.portfolio.target import MaxWeight as MaxWeight
    from tbill_defi.portfolio.target import Objective as Objective
    from tbill_defi.portfolio.target import Optimize as Optimize
    from tbill_defi.portfolio.target import Overlay as Overlay
    from tbill_defi.portfolio.target import TransactionCost as TransactionCost
    from tbill_defi.portfolio.target import Turnover as Turnover
    from tbill_defi.portfolio.target import Weights as Weights
    from tbill_defi.portfolio.target import Yield as Yield
    from tbill_defi.portfolio.target import maximize as maximize
    from tbill_defi.portfolio.token_value import IntradayAccrual as IntradayAccrual
    from tbill_defi.portfolio.token_value import fraction_values as fraction_values
    from tbill_defi.portfolio.token_value import net_asset_value as net_asset_value
    from tbill_defi.portfolio.token_value import value_units as value_units
    from tbill_defi.portfolio.view import View as View
    from tbill_defi.pricing.bills import discount_rate_from_price as discount_rate_from_price
    from tbill_defi.pricing.bills import investment_rate_from_price as investment_rate_from_price
    from tbill_defi.pricing.bills import price_from_discount_rate as price_from_discount_rate
    from tbill_defi.pricing.bills import price_from_investment_rate as price_from_investment_rate
    from tbill_defi.pricing.book import Book as Book
    from tbill_defi.pricing.breakevens import Breakevens as Breakevens
    from tbill_defi.pricing.credit import yield_to_call as yield_to_call
    from tbill_defi.pricing.credit import yield_to_worst as yield_to_worst
    from tbill_defi.pricing.credit import z_spread as z_spread
    from tbill_defi.pricing.credit_spreads import CreditSpreads as CreditSpreads
    from tbill_defi.pricing.credit_spreads import default_probability as default_probability
    from tbill_defi.pricing.curve import Curve as Curve
    from tbill_defi.pricing.curve_history import CurveHistory as CurveHistory
    from tbill_defi.pricing.frn import discount_margin_duration as discount_margin_duration
    from tbill_defi.pricing.frn import discount_margin_from_price as discount_margin_from_price
    from tbill_defi.pricing.frn import floating_accrued_interest as floating_accrued_interest
    from tbill_defi.pricing.frn import floating_coupon as floating_coupon
    from tbill_defi.pricing.frn import price_from_discount_margin as price_from_discount_margin
    from tbill_defi.pricing.futures import FuturesContract as FuturesContract
    from tbill_defi.pricing.futures import conversion_factor as conversion_factor
    from tbill_defi.pricing.hull_white import hull_white_option as hull_white_option
    from tbill_defi.pricing.hull_white import implied_sigma as implied_sigma
    from tbill_defi.pricing.municipal import after_tax_yield as after_tax_yield
    from tbill_defi.pricing.municipal import de_minimis_price as de_minimis_price
    from tbill_defi.pricing.municipal import tax_equivalent_yield as tax_equivalent_yield
    from tbill_defi.pricing.oas import option_adjusted_spread as option_adjusted_spread
    from tbill_defi.pricing.option_forward import OptionKind as OptionKind
    from tbill_defi.pricing.options import black_option as black_option
    from tbill_defi.pricing.options import implied_volatility as implied_volatility
    from tbill_defi.pricing.prices import accrued_interest as accrued_interest
    from tbill_defi.pricing.prices import clean_price_from_yield as clean_price_from_yield
    from tbill_defi.pricing.prices import dirty_price_from_yield as dirty_price_from_yield
    from tbill_defi.pricing.prices import yield_from_clean_price as yield_from_clean_price
    from tbill_defi.pricing.prices import yield_from_dirty_price as yield_from_dirty_price
    from tbill_defi.pricing.quotes import price_from_quote as price_from_quote
    from tbill_defi.pricing.quotes import quote_from_price as quote_from_price
    from tbill_defi.pricing.repo import implied_repo_rate as implied_repo_rate
    from tbill_defi.pricing.repo import repurchase_price as repurchase_price
    from tbill_defi.pricing.risk import convexity as convexity
    from tbill_defi.pricing.risk import dv01 as dv01
    from tbill_defi.pricing.risk import modified_duration as modified_duration
    from tbill_defi.pricing.tips import adjusted_price as adjusted_price
    from tbill_defi.pricing.tips import index_ratio as index_ratio
    from tbill_defi.pricing.tips import nominal_coupon as nominal_coupon
    from tbill_defi.pricing.tips import nominal_principal as nominal_principal
    from tbill_defi.strategy.base import Strategy as Strategy
    from tbill_defi.strategy.config import StrategyConfig as StrategyConfig
    from tbill_defi.strategy.discovery import find as find
    from tbill_defi.strategy.planning import plan as plan

_HOME = {
    "tbill_defi.backtest.result": ("BacktestResult",),
    "tbill_defi.backtest.run": ("run_backtest",),
    "tbill_defi.conventions": (
        "QuoteStyle",
        "YieldConvention",
        "format_discount_rate",
        "format_quote",
        "parse_discount_rate",
        "parse_quote",
        "settlement_date",
    ),
    "tbill_defi.conventions.frn_index": ("FrnIndex",),
    "tbill_defi.conventions.reference_cpi": ("ReferenceCpi",),
    "tbill_defi.conventions.sofr_fixings": ("SofrFixings",),
    "tbill_defi.core.errors": (
        "AuditFailure",
        "ComplianceRejection",
        "ConventionError",
        "DataError",
        "Infeasible",
        "LedgerBusy",
        "LedgerError",
        "MandateBreach",
        "NoCurve",
        "PlanError",
        "SettlementOutOfRange",
        "TbillError",
        "UnknownSecurity",
        "UsageError",
    ),
    "tbill_defi.core.decision": ("Decision",),
    "tbill_defi.core.splitting": ("split_units",),
    "tbill_defi.instruments": (
        "Bill",
        "Bond",
        "CorporateBond",
        "Frn",
        "MarginRule",
        "MunicipalBond",
        "Note",
        "Repo",
        "Security",
        "Strip",
        "Tips",
        "read_security",
        "reconstitute",
        "strip",
        "terms_hash",
    ),
    "tbill_defi.market": (
        "read_auctions",
        "read_fedinvest",
        "read_gsw",
        "read_par_yields",
        "read_reference_cpi",
        "read_sofr",
        "sample_data",
    ),
    "tbill_defi.market.store": ("MarketStore",),
    "tbill_defi.pricing.bills": (
        "discount_rate_from_price",
        "investment_rate_from_price",
        "price_from_discount_rate",
        "price_from_investment_rate",
    ),
    "tbill_defi.pricing.book": ("Book",),
    "tbill_defi.pricing.breakevens": ("Breakevens",),
    "tbill_defi.pricing.credit_spreads": ("CreditSpreads", "default_probability"),
    "tbill_defi.pricing.credit": ("yield_to_call", "yield_to_worst", "z_spread"),
    "tbill_defi.pricing.curve": ("Curve",),
    "tbill_defi.pricing.curve_history": ("CurveHistory",),
    "tbill_defi.pricing.frn": (
        "discount_margin_duration",
        "discount_margin_from_price",
        "floating_accrued_interest",
        "floating_coupon",
        "price_from_discount_margin",
    ),
    "tbill_defi.pricing.futures": ("FuturesContract", "conversion_factor"),
    "tbill_defi.pricing.hull_white": ("hull_white_option", "implied_sigma"),
    "tbill_defi.pricing.municipal": ("after_tax_yield", "de_minimis_price", "tax_equivalent_yield"),
    "tbill_defi.pricing.oas": ("option_adjusted_spread",),
    "tbill_defi.pricing.option_forward": ("OptionKind",),
    "tbill_defi.pricing.options": ("black_option", "implied_volatility"),
    "tbill_defi.pricing.prices": (
        "accrued_interest",
        "clean_price_from_yield",
        "dirty_price_from_yield",
        "yield_from_clean_price",
        "yield_from_dirty_price",
    ),
    "tbill_defi.pricing.quotes": ("price_from_quote", "quote_from_price"),
    "tbill_defi.pricing.repo": ("implied_repo_rate", "repurchase_price"),
    "tbill_defi.pricing.risk": ("convexity", "dv01", "modified_duration"),
    "tbill_defi.pricing.tips": ("adjusted_price", "index_ratio", "nominal_coupon", "nominal_principal"),
    "tbill_defi.portfolio.holdings": ("Holdings",),
    "tbill_defi.portfolio.market_view": ("view",),
    "tbill_defi.portfolio.plan": ("RebalancePlan",),
    "tbill_defi.portfolio.target": (
        "Constraint",
        "CoveredCall",
        "Duration",
        "KeyRate",
        "Lots",
        "MaturityBucket",
        "MaxWeight",
        "Objective",
        "Optimize",
        "Overlay",
        "TransactionCost",
        "Turnover",
        "Weights",
        "Yield",
        "maximize",
    ),
    "tbill_defi.portfolio.token_value": ("IntradayAccrual", "fraction_values", "net_asset_value", "value_units"),
    "tbill_defi.portfolio.view": ("View",),
    "tbill_defi.strategy.base": ("Strategy",),
    "tbill_defi.strategy.config": ("StrategyConfig",),
    "tbill_defi.strategy.discovery": ("find",),
    "tbill_defi.strategy.planning": ("plan",),
    "tbill_defi.ledger.keyring": ("Keys",),
    "tbill_defi.ledger.ledger": ("Ledger",),
    "tbill_defi.ledger.open": ("create_ledger", "open_ledger"),
    "tbill_defi.ledger.repo": ("Repos",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'tbill_defi' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
