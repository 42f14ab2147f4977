"""EIP-1559 fees: what the node asks, never above a stated cap, and the raise that replaces a stuck transaction."""

from __future__ import annotations

from dataclasses import dataclass

from tbill_defi.chain.rpc_node import Node
from tbill_defi.chain.rpc_values import RpcRefusal, quantity
from tbill_defi.core.errors import LedgerError

GWEI = 10**9
FEE_CAP = 500 * GWEI
"""Wei per gas that no transaction offers more than, unless told."""
DEFAULT_TIP = GWEI
"""Where the node suggests none."""


@dataclass(frozen=True, slots=True)
class Fee:
    """Wei per gas: the tip, and the most that tip and base fee together may be."""

    tip: int
    max_fee: int


def gwei(wei: int) -> str:
    """Wei per gas in gwei, exactly."""
    whole, rest = divmod(wei, GWEI)
    return f"{whole}" + (f".{rest:09d}".rstrip("0") if rest else "") + " gwei"


def suggested_tip(node: Node) -> int:
    """The node's suggestion, wei per gas."""
    try:
        return quantity(node.request("eth_maxPriorityFeePerGas"), "tip")
    except RpcRefusal:
        return DEFAULT_TIP


def fee_for(base_fee: int, tip: int, cap: int) -> Fee:
    """Twice the base fee and the tip, at most the cap: six full blocks may pass before the base fee outgrows it.

    Raises
    ------
    LedgerError
        If the base fee alone is above the cap (code "FeeAboveCap").
    """
    if base_fee > cap:
        raise LedgerError(
            f"chain: the base fee is {gwei(base_fee)} per gas, above the cap of {gwei(cap)}; wait, or raise "
            "fee_cap_gwei in the home's ledger/chain.toml",
            "FeeAboveCap",
        )
    most = min(2 * base_fee + tip, cap)
    return Fee(min(tip, most), most)


def raised(fee: Fee, base_fee: int, cap: int) -> Fee | None:
    """A fee that replaces `fee` in any node's pool: both parts at least 12.5% more; None if the cap forbids."""
    tip, least = -(-fee.tip * 9 // 8), -(-fee.max_fee * 9 // 8)
    tip = max(tip, fee.tip + 1)
    most = max(least, fee.max_fee + 1, min(2 * base_fee + tip, cap))
    return Fee(min(tip, most), most) if most <= cap else None
