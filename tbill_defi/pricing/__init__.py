"""Prices, yields, risk, carry and curves: the same verbs on every security."""

from tbill_defi.pricing.bills import (
    discount_rate_from_price,
    investment_rate_from_price,
    price_from_discount_rate,
    price_from_investment_rate,
)
from tbill_defi.pricing.bootstrap import Interpolation
from tbill_defi.pricing.carry import carried_back_price, coupons_between, forward_price_from_repo
from tbill_defi.pricing.credit import YieldToWorst, yield_to_call, yield_to_worst, z_spread
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.frn import (
    discount_margin_duration,
    discount_margin_from_price,
    floating_accrued_interest,
    floating_coupon,
    price_from_discount_margin,
)
from tbill_defi.pricing.hull_white import hull_white_option, implied_sigma
from tbill_defi.pricing.interop import quantlib_bond
from tbill_defi.pricing.keyrates import KeyRates, key_rate_durations
from tbill_defi.pricing.municipal import after_tax_yield, de_minimis_price, tax_equivalent_yield
from tbill_defi.pricing.oas import option_adjusted_spread
from tbill_defi.pricing.option_forward import OptionKind, OptionValue
from tbill_defi.pricing.options import black_option, implied_volatility
from tbill_defi.pricing.prices import (
    accrued_interest,
    auction_price,
    clean_price_from_yield,
    dirty_price_from_yield,
    official_accrued,
    yield_from_clean_price,
    yield_from_dirty_price,
)
from tbill_defi.pricing.quotes import price_from_quote, quote_from_price
from tbill_defi.pricing.repo import (
    collateral_value,
    implied_repo_rate,
    purchase_price,
    repo_value,
    repurchase_price,
)
from tbill_defi.pricing.risk import (
    Measures,
    convexity,
    dv01,
    macaulay_duration,
    measures_from_clean_price,
    measures_from_yield,
    modified_duration,
)
from tbill_defi.pricing.tips import adjusted_price, index_ratio, nominal_coupon, nominal_principal

__all__ = [
    "Curve",
    "Interpolation",
    "KeyRates",
    "Measures",
    "OptionKind",
    "OptionValue",
    "YieldToWorst",
    "accrued_interest",
    "adjusted_price",
    "after_tax_yield",
    "auction_price",
    "black_option",
    "carried_back_price",
    "clean_price_from_yield",
    "collateral_value",
    "convexity",
    "coupons_between",
    "de_minimis_price",
    "dirty_price_from_yield",
    "discount_margin_duration",
    "discount_margin_from_price",
    "discount_rate_from_price",
    "dv01",
    "floating_accrued_interest",
    "floating_coupon",
    "forward_price_from_repo",
    "hull_white_option",
    "implied_repo_rate",
    "implied_sigma",
    "implied_volatility",
    "index_ratio",
    "investment_rate_from_price",
    "key_rate_durations",
    "macaulay_duration",
    "measures_from_clean_price",
    "measures_from_yield",
    "modified_duration",
    "nominal_coupon",
    "nominal_principal",
    "official_accrued",
    "option_adjusted_spread",
    "price_from_discount_margin",
    "price_from_discount_rate",
    "price_from_investment_rate",
    "price_from_quote",
    "purchase_price",
    "quantlib_bond",
    "quote_from_price",
    "repo_value",
    "repurchase_price",
    "tax_equivalent_yield",
    "yield_from_clean_price",
    "yield_from_dirty_price",
    "yield_to_call",
    "yield_to_worst",
    "z_spread",
]
